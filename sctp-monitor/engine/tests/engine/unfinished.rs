//! Handshakes that come to nothing, in all their variants: what was sent and what came back is told, and nothing is up.

use sctp_monitor_engine::{
    config::Vantage,
    model::{
        ErrorCause, EventKind, Evidence, HandshakeAnswer, Origin, PathState, Reason, Reply, SeenAt, Status,
        UnfinishedHandshake,
    },
};
use sctp_monitor_testkit::{
    frames::{self, Packet},
    world::{World, downs, kinds, ms, ups},
};

/// Two hosts that are about to talk.
#[derive(Debug, Clone)]
struct Pair {
    vantage: Vantage,
    /// On an endpoint: this host begins.
    we_begin: bool,
    initiator: [&'static str; 2],
    responder: [&'static str; 2],
    ports: (u16, u16),
}

const INITIATOR_TAG: u32 = 0x1111;
const RESPONDER_TAG: u32 = 0x2222;

/// Every combination of where the monitor stands, who begins, the family and the ports.
fn pairs() -> Vec<Pair> {
    let v4 = (["10.1.0.1", "10.2.0.1"], ["10.1.0.2", "10.2.0.2"]);
    let v6 = (
        ["2001:db8:1::1", "2001:db8:2::1"],
        ["2001:db8:1::2", "2001:db8:2::2"],
    );
    let mut pairs = Vec::new();
    for (vantage, we_begin) in [
        (Vantage::Endpoint, true),
        (Vantage::Endpoint, false),
        (Vantage::Gateway, true),
    ] {
        for (lower, higher) in [v4, v6, (v4.1, v4.0)] {
            for ports in [(3868, 3868), (40_001, 2905)] {
                pairs.push(Pair {
                    vantage,
                    we_begin,
                    initiator: lower,
                    responder: higher,
                    ports,
                });
            }
        }
    }
    pairs
}

impl Pair {
    fn world(&self) -> World {
        World::new(self.vantage)
    }

    /// From the initiator, from and to addresses by number.
    fn to(&self, world: &mut World, from: usize, to: usize, tag: u32, chunk: Vec<u8>) {
        let packet = Packet::v4(tag, vec![chunk])
            .between(self.initiator[from], self.responder[to])
            .ports(self.ports.0, self.ports.1);
        world.packet(&packet, 1, self.we_begin);
    }

    /// From the responder.
    fn back(&self, world: &mut World, from: usize, to: usize, tag: u32, chunk: Vec<u8>) {
        self.back_from(world, self.responder[from], to, tag, chunk);
    }

    fn back_from(&self, world: &mut World, from: &str, to: usize, tag: u32, chunk: Vec<u8>) {
        let packet = Packet::v4(tag, vec![chunk])
            .between(from, self.initiator[to])
            .ports(self.ports.1, self.ports.0);
        world.packet(&packet, 1, !self.we_begin);
    }

    fn init(&self, world: &mut World) {
        self.to(world, 0, 0, 0, frames::init(INITIATOR_TAG, &self.initiator));
    }

    fn init_ack(&self, world: &mut World) {
        let init_ack = frames::init_ack(RESPONDER_TAG, &self.responder);
        self.back(world, 0, 0, INITIATOR_TAG, init_ack);
    }

    fn cookie_echo(&self, world: &mut World) {
        self.to(world, 0, 0, RESPONDER_TAG, frames::cookie_echo());
    }

    fn until_cookie_echo(&self, world: &mut World) {
        self.init(world);
        self.init_ack(world);
        self.cookie_echo(world);
    }

    fn cookie_ack(&self, world: &mut World) {
        self.back(world, 0, 0, INITIATOR_TAG, frames::cookie_ack());
    }

    /// An address that nobody lists.
    fn stranger(&self) -> &'static str {
        if self.initiator[0].contains(':') {
            "2001:db8:9::9"
        } else {
            "10.9.0.9"
        }
    }
}

fn told(world: &World) -> Vec<UnfinishedHandshake> {
    kinds(world)
        .into_iter()
        .filter_map(|kind| match kind {
            EventKind::HandshakeUnfinished(handshake) => Some(handshake),
            _ => None,
        })
        .collect()
}

/// The only one that is told by the end.
fn only(world: &mut World, pair: &Pair) -> UnfinishedHandshake {
    assert_eq!(ups(world), [], "{pair:?}");
    world.finish();
    let mut told = told(world).into_iter();
    let mut sum = told
        .next()
        .unwrap_or_else(|| panic!("{pair:?}: {:?}", world.events));
    for more in told {
        assert!(more.is_between_same(&sum), "{pair:?}");
        sum.merge(more);
    }
    sum
}

#[test]
fn a_cookie_echo_that_nobody_acknowledges_brings_nothing_up() {
    for pair in pairs() {
        for attempts in [1, 2] {
            let mut world = pair.world();
            for _ in 0..attempts {
                let init = frames::init(INITIATOR_TAG + attempts, &pair.initiator);
                pair.to(&mut world, 0, 0, 0, init);
                let init_ack = frames::init_ack(RESPONDER_TAG, &pair.responder);
                pair.back(&mut world, 0, 0, INITIATOR_TAG + attempts, init_ack);
                for seconds in [1, 2, 4, 8, 16] {
                    pair.cookie_echo(&mut world);
                    world.advance(ms(seconds * 1_000));
                }
                world.advance(ms(40_000));
            }
            let handshake = only(&mut world, &pair);
            assert_eq!(downs(&world), [], "{pair:?}");
            assert_eq!(
                (handshake.inits, handshake.init_acks, handshake.cookie_echoes),
                (attempts.into(), attempts.into(), 5 * u64::from(attempts)),
                "{pair:?}"
            );
            assert_eq!(handshake.cookie_echo_bytes, 12 + 8);
        }
    }
}

#[test]
fn what_to_check_lies_behind_the_place_where_the_packets_were_seen() {
    for pair in pairs() {
        let seen_at = match (pair.vantage, pair.we_begin) {
            (Vantage::Gateway, _) => SeenAt::Between,
            (Vantage::Endpoint, true) => SeenAt::Initiator,
            (Vantage::Endpoint, false) => SeenAt::Responder,
        };
        let mut world = pair.world();
        pair.until_cookie_echo(&mut world);
        world.advance(ms(60_000));
        let echoed = only(&mut world, &pair);
        assert_eq!(echoed.seen_at, seen_at, "{pair:?}");
        let check = echoed.check();
        let arrived = check.contains("where the COOKIE ECHO arrived");
        assert_eq!(arrived, seen_at == SeenAt::Responder, "{pair:?}: {check}");
        if seen_at == SeenAt::Responder {
            // Anyone can send it an INIT: one that comes to nothing is not told.
            continue;
        }
        let mut world = pair.world();
        pair.init(&mut world);
        pair.init_ack(&mut world);
        world.advance(ms(60_000));
        let check = only(&mut world, &pair).check();
        let arrived = check.contains("the INIT ACK, which arrived there");
        assert_eq!(arrived, seen_at == SeenAt::Initiator, "{pair:?}: {check}");
    }
}

#[test]
fn a_handshake_is_complete_at_the_first_packet_behind_the_cookie() {
    for pair in pairs() {
        for chunk in [
            frames::cookie_ack(),
            frames::sack(1, &[]),
            frames::data(7, 10),
            frames::heartbeat(&[3; 40]),
        ] {
            let mut world = pair.world();
            pair.until_cookie_echo(&mut world);
            world.sweep();
            assert_eq!(ups(&world), [], "{pair:?}: not yet");
            pair.back(&mut world, 0, 0, INITIATOR_TAG, chunk);
            world.advance(ms(100));
            assert_eq!(ups(&world), [(Origin::Handshake, 2, 2)], "{pair:?}");
            world.finish();
            assert_eq!(told(&world), [], "{pair:?}");
        }
    }
}

#[test]
fn the_path_that_carried_the_handshake_is_confirmed_by_it() {
    for pair in pairs() {
        let mut world = pair.world();
        pair.until_cookie_echo(&mut world);
        pair.cookie_ack(&mut world);
        world.advance(ms(100));
        let changes = world.take_changes();
        assert_eq!(changes.len(), 1, "{pair:?}: {changes:?}");
        let (path, _, to, reason) = &changes[0];
        let ends = [path.local, path.remote].map(|address| address.to_string());
        assert!(
            ends.contains(&pair.initiator[0].to_owned()) && ends.contains(&pair.responder[0].to_owned()),
            "{pair:?}: {path}"
        );
        assert_eq!(
            (to, reason),
            (&PathState::Active, &Reason::HandshakeCompleted),
            "{pair:?}"
        );
    }
}

#[test]
fn an_error_does_not_complete_a_handshake() {
    for pair in pairs() {
        let mut world = pair.world();
        pair.until_cookie_echo(&mut world);
        let stale = frames::error(3, &1_500_000_u32.to_be_bytes());
        pair.back(&mut world, 0, 0, INITIATOR_TAG, stale);
        world.advance(ms(30_000));
        let handshake = only(&mut world, &pair);
        let stale = Reply::Error {
            source: pair.responder[0].parse().unwrap(),
            causes: vec![ErrorCause::StaleCookie {
                late_by_us: Some(1_500_000),
            }],
        };
        let answers: Vec<_> = handshake.answers.iter().map(|answer| &answer.what).collect();
        assert!(answers.contains(&&stale), "{pair:?}: {answers:?}");
    }
}

#[test]
fn a_refused_init_is_told_at_once_and_summed_up() {
    for pair in pairs() {
        let mut world = pair.world();
        for attempt in 0..8 {
            let tag = INITIATOR_TAG + attempt;
            pair.to(&mut world, 0, 0, 0, frames::init(tag, &pair.initiator));
            pair.back(&mut world, 0, 0, tag, frames::chunk(6, 0, &[]));
            world.sweep();
            assert_eq!(told(&world).len(), 1, "{pair:?}: once a minute");
            world.advance(ms(5_000));
        }
        let handshake = only(&mut world, &pair);
        assert_eq!((handshake.attempts, handshake.inits), (8, 8), "{pair:?}");
        let refused = HandshakeAnswer {
            times: 8,
            what: Reply::Abort {
                source: pair.responder[0].parse().unwrap(),
                by_initiator: false,
                t_bit: false,
                causes: Vec::new(),
            },
        };
        assert_eq!(handshake.answers, [refused], "{pair:?}");
    }
}

#[test]
fn refusals_in_a_row_are_a_finding_until_they_stop() {
    for pair in pairs() {
        let mut world = pair.world();
        for attempt in 0..8 {
            let tag = INITIATOR_TAG + attempt;
            pair.to(&mut world, 0, 0, 0, frames::init(tag, &pair.initiator));
            pair.back(&mut world, 0, 0, tag, frames::abort(false));
            world.advance(ms(5_000));
        }
        world.advance(ms(70_000));
        let found: Vec<_> = kinds(&world)
            .into_iter()
            .filter_map(|kind| match kind {
                EventKind::Finding { status, finding } => match finding.evidence {
                    Evidence::ShortLived(seen) => Some((status, seen.refused)),
                    _ => None,
                },
                _ => None,
            })
            .collect();
        let expected = [(Status::Opened, 3), (Status::Updated, 6), (Status::Closed, 8)];
        assert_eq!(found, expected, "{pair:?}");
    }
}

#[test]
fn init_acks_from_other_addresses_are_answers() {
    for pair in pairs() {
        for (source, listed) in [(pair.responder[1], true), (pair.stranger(), false)] {
            let mut world = pair.world();
            for seconds in [3, 6, 12] {
                pair.init(&mut world);
                let list: &[&str] = if listed { &pair.responder } else { &[] };
                let init_ack = frames::init_ack(RESPONDER_TAG, list);
                pair.back_from(&mut world, source, 0, INITIATOR_TAG, init_ack);
                world.advance(ms(seconds * 1_000));
            }
            // What others send this host proves nothing without a cookie that comes back.
            if pair.vantage == Vantage::Endpoint && !pair.we_begin {
                world.finish();
                assert_eq!(told(&world), [], "{pair:?}");
                continue;
            }
            let handshake = only(&mut world, &pair);
            let answer = HandshakeAnswer {
                times: 3,
                what: Reply::InitAck {
                    source: source.parse().unwrap(),
                    lists_asked: listed,
                },
            };
            assert_eq!(
                (handshake.inits, handshake.answers),
                (3, vec![answer]),
                "{pair:?}"
            );
        }
    }
}

#[test]
fn an_abort_for_the_init_of_a_live_peer_ends_nothing() {
    for pair in pairs() {
        let mut world = pair.world();
        pair.until_cookie_echo(&mut world);
        pair.cookie_ack(&mut world);
        world.advance(ms(10_000));
        world.events.clear();
        let again = frames::init(0x7777, &[pair.initiator[0], pair.stranger()]);
        pair.to(&mut world, 0, 0, 0, again);
        let new: Vec<u8> = match pair.stranger().parse().unwrap() {
            std::net::IpAddr::V4(ip) => [&[0, 5, 0, 8][..], &ip.octets()].concat(),
            std::net::IpAddr::V6(ip) => [&[0, 6, 0, 20][..], &ip.octets()].concat(),
        };
        let length = u16::try_from(4 + new.len()).unwrap().to_be_bytes();
        let cause = [&[0, 11][..], &length, &new].concat();
        pair.back(&mut world, 0, 0, 0x7777, frames::chunk(6, 0, &cause));
        world.advance(ms(1_000));
        assert_eq!(downs(&world), [], "{pair:?}");
        let told = told(&world);
        let [handshake] = told.as_slice() else {
            panic!("{pair:?}: {:?}", world.events);
        };
        let restart = ErrorCause::RestartWithNewAddresses {
            addresses: vec![pair.stranger().parse().unwrap()],
        };
        assert!(
            matches!(&handshake.answers[0].what, Reply::Abort { causes, .. } if *causes == [restart]),
            "{pair:?}: {handshake:?}"
        );
    }
}

#[test]
fn one_direction_alone_is_no_unanswered_handshake() {
    for pair in pairs() {
        let mut world = pair.world();
        pair.init(&mut world);
        pair.cookie_echo(&mut world);
        for tsn in 1..40 {
            pair.to(&mut world, 0, 0, RESPONDER_TAG, frames::data(tsn, 10));
            world.advance(ms(500));
        }
        world.finish();
        assert_eq!(told(&world), [], "{pair:?}");
    }
}

#[test]
fn a_flood_of_forged_inits_makes_no_events() {
    for answered in [false, true] {
        let mut world = World::new(Vantage::Endpoint);
        for number in 0..3_000_u32 {
            let source = format!("10.9.{}.{}", number / 250, 1 + number % 250);
            let init = Packet::v4(0, vec![frames::init(number + 1, &[])]).between(&source, "10.1.0.1");
            world.packet(&init, 1, false);
            if answered {
                let ack = Packet::v4(number + 1, vec![frames::init_ack(number + 7, &[])]);
                world.packet(&ack.between("10.1.0.1", &source), 1, true);
            }
            if number % 100 == 0 {
                world.advance(ms(100));
            }
        }
        world.advance(ms(30_000));
        world.finish();
        assert_eq!(kinds(&world), [], "answered: {answered}");
    }
}
