//! What endpoints list of their addresses, and what of it is suspect.

use sctp_monitor_engine::{
    config::Vantage,
    model::{Evidence, ListProblem, Side},
};
use sctp_monitor_testkit::{
    frames::{self, Packet},
    world::{World, ms},
};

use crate::reports::findings;

/// An endpoint: where its packet comes from, and what it lists.
#[derive(Debug, Clone, Copy)]
struct End<'a> {
    source: &'a str,
    lists: &'a [&'a str],
}

/// Ports, and tags of their own for each association.
#[derive(Debug, Clone, Copy)]
struct Ports(u16, u16);

fn handshake(world: &mut World, number: u32, ports: Ports, initiator: End<'_>, responder: End<'_>) {
    let (asks, answers) = (0x100 + number, 0x200 + number);
    let mut say = |leaves: bool, tag, chunk| {
        let packet = Packet::v4(tag, vec![chunk])
            .between(initiator.source, responder.source)
            .ports(ports.0, ports.1);
        let packet = if leaves { packet } else { packet.reversed() };
        world.packet(&packet, 1, leaves);
    };
    say(true, 0, frames::init(asks, initiator.lists));
    say(false, asks, frames::init_ack(answers, responder.lists));
    say(true, answers, frames::cookie_echo());
    say(false, asks, frames::cookie_ack());
    world.sweep();
}

/// What was found, without its words.
fn suspects(world: &World) -> Vec<(Side, Vec<String>, ListProblem)> {
    findings(world, "address_list_suspect")
        .into_iter()
        .filter_map(|(_, finding)| match &finding.evidence {
            Evidence::AddressListSuspect(suspect) => Some((
                suspect.side,
                suspect.addresses.iter().map(ToString::to_string).collect(),
                suspect.problem.clone(),
            )),
            _ => None,
        })
        .collect()
}

/// The suspects of one handshake, whichever side sends the INIT: those of the first end.
fn found(about: End<'_>, peer: End<'_>, after: u64) -> Vec<(Vec<String>, ListProblem)> {
    let [asks, answers] =
        [(about, peer, Side::Local), (peer, about, Side::Remote)].map(|(initiator, responder, side)| {
            let mut world = World::new(Vantage::Gateway);
            handshake(&mut world, 1, Ports(2_905, 2_906), initiator, responder);
            world.advance(ms(after));
            let found = suspects(&world);
            assert!(found.iter().all(|(of, ..)| *of == side), "{found:?}");
            found
                .into_iter()
                .map(|(_, addresses, problem)| (addresses, problem))
                .collect::<Vec<_>>()
        });
    assert_eq!(asks, answers, "{about:?}");
    asks
}

const PEER: End<'static> = End {
    source: "203.0.113.9",
    lists: &[],
};

#[test]
fn healthy_lists_are_not_suspect() {
    let private = End {
        source: "10.1.0.2",
        lists: &["10.1.0.2", "192.168.7.2"],
    };
    let lo = End {
        source: "127.0.0.1",
        lists: &["127.0.0.1", "127.0.0.2"],
    };
    let bench = End {
        source: "198.18.0.1",
        lists: &["198.18.0.1", "198.19.0.1"],
    };
    let both = End {
        source: "203.0.113.1",
        lists: &["203.0.113.1", "192.168.7.1"],
    };
    for (about, peer) in [
        (private, PEER),
        (private, private),
        (lo, lo),
        (bench, bench),
        // A private network beside the public one.
        (
            both,
            End {
                lists: &["203.0.113.9", "192.168.7.9"],
                ..PEER
            },
        ),
        (PEER, PEER),
    ] {
        assert_eq!(found(about, peer, 50_000), [], "{about:?}");
    }
}

#[test]
fn ranges_that_nobody_else_can_reach_are_suspect() {
    for address in [
        "127.0.0.1",
        "169.254.3.4",
        "0.0.0.0",
        "0.1.2.3",
        "198.18.5.6",
        "224.0.0.9",
        "255.255.255.255",
    ] {
        let about = End {
            source: "203.0.113.1",
            lists: &["203.0.113.1", address],
        };
        let expected = [(vec![address.to_owned()], ListProblem::UnusableRange)];
        assert_eq!(found(about, PEER, 2_000), expected);
    }
}

#[test]
fn private_addresses_behind_a_public_source_are_suspect() {
    for address in ["10.1.2.3", "172.20.0.1", "192.168.1.5", "100.64.0.1"] {
        let about = End {
            source: "203.0.113.1",
            lists: &["203.0.113.1", address],
        };
        let expected = [(vec![address.to_owned()], ListProblem::PrivateBehindPublic)];
        assert_eq!(found(about, PEER, 2_000), expected);
    }
}

#[test]
fn a_list_without_its_source_is_suspect_if_nothing_of_it_is_confirmed() {
    let about = End {
        source: "10.1.0.188",
        lists: &["198.51.100.20", "198.51.100.21"],
    };
    assert_eq!(found(about, PEER, 20_000), [], "a list may leave the source out");
    let [(addresses, ListProblem::OmitsSource { before })] = &found(about, PEER, 40_000)[..] else {
        panic!("not found");
    };
    assert_eq!((addresses.len(), before.len()), (2, 0));
}

#[test]
fn a_translator_that_rewrites_no_more_is_found_at_the_next_handshake() {
    for turned in [false, true] {
        let mut world = World::new(Vantage::Gateway);
        let rewritten = End {
            source: "10.1.0.188",
            lists: &["10.1.0.188", "10.1.0.190"],
        };
        let leaked = End {
            lists: &["198.51.100.20", "198.51.100.21"],
            ..rewritten
        };
        for (number, end) in [(1, rewritten), (2, leaked)] {
            let (initiator, responder) = if turned { (PEER, end) } else { (end, PEER) };
            handshake(&mut world, number, Ports(3_868, 3_868), initiator, responder);
            assert_eq!(suspects(&world), []);
            world.advance(ms(2_000));
        }
        let [(_, addresses, ListProblem::OmitsSource { before })] = &suspects(&world)[..] else {
            panic!("{:?}", suspects(&world));
        };
        assert_eq!(addresses, &["198.51.100.20", "198.51.100.21"], "turned: {turned}");
        assert_eq!(before.len(), 2, "turned: {turned}");
    }
}

#[test]
fn an_address_of_two_hosts_is_suspect() {
    let mut world = World::new(Vantage::Gateway);
    let server = PEER;
    let hosts = ["198.51.100.1", "198.51.100.2"];
    for (number, source) in (1..).zip(hosts) {
        let lists = [source, "198.51.100.77"];
        let end = End {
            source,
            lists: &lists,
        };
        handshake(&mut world, number, Ports(2_905, 2_906), end, server);
        world.advance(ms(2_000));
    }
    let [(_, addresses, ListProblem::ListedByAnother { other_source, .. })] = &suspects(&world)[..] else {
        panic!("{:?}", suspects(&world));
    };
    assert_eq!(
        (addresses[0].as_str(), other_source.to_string().as_str()),
        ("198.51.100.77", hosts[0])
    );
}

#[test]
fn one_host_with_many_associations_lists_the_same_each_time() {
    let mut world = World::new(Vantage::Gateway);
    let server = End {
        source: "10.1.0.2",
        lists: &["10.1.0.2", "10.2.0.2"],
    };
    for number in 1..5 {
        let source = format!("10.1.0.{}", 10 + number);
        let other = format!("10.2.0.{}", 10 + number);
        let lists = [source.as_str(), other.as_str()];
        let end = End {
            source: &source,
            lists: &lists,
        };
        handshake(&mut world, number, Ports(2_905, 2_905), end, server);
    }
    world.advance(ms(2_000));
    assert_eq!(suspects(&world), []);
}
