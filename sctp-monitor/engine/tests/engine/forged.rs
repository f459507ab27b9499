//! Packets in an endpoint's name that are not its own: they change nothing, and an operator hears of them.

use PathState::{Active, Inactive};
use sctp_monitor_common::abi::Counter;
use sctp_monitor_engine::{
    config::Vantage,
    model::{EventKind, Evidence, Forgery, PathDown, PathState, Status, Suspicion},
};
use sctp_monitor_testkit::{
    frames::{self, Packet},
    world::{LOCAL_TAG, NIC, REMOTE_TAG, World, downs, kinds, ms, ups},
};

const FORGED: u32 = 0xbad;

/// Two paths, known for long enough, and 20 messages a second over the first.
fn settled() -> World {
    let mut world = World::with_two_paths();
    world.nic(NIC, "path1", sctp_monitor_engine::NicState::Up);
    world.advance(ms(6_000));
    world.events.clear();
    world
}

/// The association lives on for so many seconds.
fn live(world: &mut World, tsn: &mut u32, seconds: u32) {
    for _ in 0..seconds * 10 {
        world.data(1, *tsn);
        world.now = world.now + ms(1);
        world.sack(1, *tsn);
        world.advance(ms(99));
        *tsn += 1;
    }
}

/// What was suspected, in order.
fn suspicions(world: &World) -> Vec<(Status, Suspicion)> {
    kinds(world)
        .into_iter()
        .filter_map(|kind| match kind {
            EventKind::Finding { status, finding } => match finding.evidence {
                Evidence::SpoofingSuspected(suspicion) => Some((status, suspicion)),
                _ => None,
            },
            _ => None,
        })
        .collect()
}

fn assert_untouched(world: &World) {
    assert_eq!(downs(world), []);
    assert_eq!(world.states(), [Active, Active]);
    let known = world.engine().associations().next().unwrap();
    assert!(known.is_established() && known.shutting_down().is_none());
    let known = known.reference();
    let tags = (known.local_tag, known.remote_tag);
    assert_eq!(tags, (Some(LOCAL_TAG), Some(REMOTE_TAG)));
}

#[test]
fn wrong_tags_are_suspected_once_and_over_when_they_stop() {
    let mut world = settled();
    let mut tsn = 1;
    live(&mut world, &mut tsn, 1);
    for chunk in [
        frames::abort(false),
        frames::shutdown(1),
        frames::shutdown_ack(),
        frames::shutdown_complete(),
        frames::error(1, &[0; 4]),
    ] {
        world.received(1, FORGED, vec![chunk]);
        world.advance(ms(20));
    }
    live(&mut world, &mut tsn, 4);
    assert_untouched(&world);
    let found = suspicions(&world);
    let [(Status::Opened, suspicion)] = found.as_slice() else {
        panic!("{found:?}");
    };
    assert_eq!(suspicion.forgery, Forgery::WrongTag);
    assert_eq!((suspicion.packets, suspicion.tag), (5, FORGED));
    assert_eq!(
        suspicion.chunk_names(),
        "ABORT, SHUTDOWN, SHUTDOWN_ACK, ERROR, SHUTDOWN_COMPLETE"
    );
    assert_eq!(suspicion.source_names(), "10.1.0.2");
    assert_eq!(suspicion.interface.as_deref(), Some("path1"));
    assert_eq!(world.store.table.counters().value(Counter::TagMismatch), 5);
    world.events.clear();
    live(&mut world, &mut tsn, 62);
    let found = suspicions(&world);
    assert!(matches!(found[..], [(Status::Closed, _)]), "{found:?}");
    assert_untouched(&world);
}

#[test]
fn a_stray_packet_is_none() {
    let mut world = settled();
    let mut tsn = 1;
    for _ in 0..2 {
        world.received(1, FORGED, vec![frames::abort(false)]);
        live(&mut world, &mut tsn, 20);
    }
    assert_eq!(suspicions(&world), []);
    assert_untouched(&world);
}

#[test]
fn late_packets_of_an_earlier_association_are_none() {
    let mut world = settled();
    // The peer restarts; what it had sent before is still under way.
    let (local_tag, remote_tag) = (0x1111, 0x2222);
    let addresses = [World::remote(1), World::remote(2)];
    let addresses: Vec<_> = addresses.iter().map(String::as_str).collect();
    world.received(1, 0, vec![frames::init(remote_tag, &addresses)]);
    world.sent(
        1,
        remote_tag,
        vec![frames::init_ack(local_tag, &["10.1.0.1", "10.2.0.1"])],
    );
    world.received(1, local_tag, vec![frames::cookie_echo()]);
    world.sent(1, remote_tag, vec![frames::cookie_ack()]);
    world.sweep();
    for tsn in 1..20 {
        world.received(2, LOCAL_TAG, vec![frames::data(tsn, 1)]);
        world.sent(1, remote_tag, vec![frames::data(tsn, 1)]);
        world.received(1, local_tag, vec![frames::sack(tsn, &[])]);
        world.advance(ms(50));
    }
    for tsn in 20..200 {
        world.sent(1, remote_tag, vec![frames::data(tsn, 1)]);
        world.received(1, local_tag, vec![frames::sack(tsn, &[])]);
        world.advance(ms(50));
    }
    assert_eq!(suspicions(&world), []);
    assert_eq!(downs(&world).len(), 1, "the one that was restarted");
}

#[test]
fn a_restart_that_was_not_seen_is_none() {
    let mut world = settled();
    let mut tsn = 1;
    live(&mut world, &mut tsn, 1);
    for tsn in 1..200 {
        world.sent(1, 0x2222, vec![frames::data(tsn, 1)]);
        world.received(1, 0x1111, vec![frames::sack(tsn, &[])]);
        world.advance(ms(50));
    }
    assert_eq!(suspicions(&world), []);
    assert_eq!(downs(&world).len(), 1, "it was replaced");
    assert_eq!(ups(&world).len(), 1);
}

#[test]
fn a_flood_of_wrong_tags_is_updated_now_and_then() {
    let mut world = settled();
    let mut tsn = 1;
    for second in 0..30 {
        for number in 0..100_u32 {
            world.received(1, FORGED + number, vec![frames::heartbeat_ack(&[7; 40])]);
        }
        live(&mut world, &mut tsn, 1);
        assert_eq!(world.states(), [Active, Active], "after {second} s");
    }
    let found = suspicions(&world);
    assert_eq!(
        found
            .iter()
            .filter(|(status, _)| *status == Status::Opened)
            .count(),
        1
    );
    assert!(
        (3..=7).contains(&found.len()),
        "each time twice as many: {}",
        found.len()
    );
    assert!(found.last().unwrap().1.packets >= 1_500);
    assert_untouched(&world);
}

#[test]
fn heartbeat_acks_that_are_forged_hide_no_failure() {
    let mut world = settled();
    let mut died_after = None;
    for second in 0..10_u32 {
        let info = world.heartbeat(1);
        // The right information with a wrong tag, the right tag with wrong information, and hidden after what needs no tag.
        world.received(1, FORGED, vec![frames::heartbeat_ack(&info)]);
        world.received(1, LOCAL_TAG, vec![frames::heartbeat_ack(&[0xee; 40])]);
        world.received(
            1,
            0,
            vec![frames::init(FORGED, &[]), frames::heartbeat_ack(&info)],
        );
        world.received(1, FORGED, vec![frames::heartbeat_ack(&info), frames::abort(true)]);
        world.advance(ms(1_000));
        if world.state(1) == Inactive {
            died_after = Some(second);
            break;
        }
    }
    assert!(died_after.is_some_and(|seconds| seconds <= 3), "{died_after:?}");
    assert_eq!(world.state(2), Active);
    assert_eq!(downs(&world), []);
}

#[test]
fn sacks_that_are_forged_hide_no_failure() {
    let mut world = settled();
    let mut tsn = 1;
    live(&mut world, &mut tsn, 1);
    for _ in 0..10 {
        world.data(1, tsn);
        world.received(1, FORGED, vec![frames::sack(tsn, &[])]);
        world.received(1, 0, vec![frames::init(FORGED, &[]), frames::sack(tsn, &[])]);
        world.received(1, FORGED, vec![frames::sack(tsn, &[]), frames::abort(true)]);
        world.advance(ms(50));
        tsn += 1;
    }
    assert_eq!(world.states(), [Inactive, Active]);
}

#[test]
fn a_forged_first_packet_of_a_flow_poisons_nothing() {
    let mut world = World::new(Vantage::Endpoint);
    world.handshake();
    // Nothing came from the second address yet. A SACK far ahead would make all true ones look old.
    world.data(2, 1);
    world.sweep();
    world.received(2, FORGED, vec![frames::sack(0x4000_0000, &[])]);
    world.advance(ms(20));
    let mut tsn = 1;
    live(&mut world, &mut tsn, 5);
    assert_eq!(world.state(1), Active);
    assert_eq!(world.store.table.counters().value(Counter::TagMismatch), 1);
}

#[test]
fn a_reflected_tag_must_be_that_of_the_opposite_direction() {
    for (tag, ends) in [(FORGED, false), (LOCAL_TAG, false), (REMOTE_TAG, true)] {
        for chunk in [frames::abort(true), frames::chunk(14, 1, &[])] {
            let mut world = settled();
            world.received(1, tag, vec![chunk]);
            world.sweep();
            assert_eq!(downs(&world).len(), usize::from(ends), "{tag:#x}");
            let mismatches = world.store.table.counters().value(Counter::TagMismatch);
            assert_eq!(mismatches, u64::from(!ends), "{tag:#x}");
        }
    }
}

#[test]
fn inits_that_would_restart_it_are_suspected() {
    let mut world = settled();
    let mut tsn = 1;
    for number in 0..3 {
        let (tag, answer) = (FORGED + number, 0x5000 + number);
        world.received(1, 0, vec![frames::init(tag, &["10.1.0.2", "10.66.6.6"])]);
        // The stack answers, and the true owner of the address discards what it did not ask for.
        world.sent(1, tag, vec![frames::init_ack(answer, &["10.1.0.1"])]);
        live(&mut world, &mut tsn, 1);
    }
    live(&mut world, &mut tsn, 3);
    let found = suspicions(&world);
    let [(Status::Opened, suspicion)] = found.as_slice() else {
        panic!("{found:?}");
    };
    assert_eq!(suspicion.forgery, Forgery::Init);
    assert_eq!((suspicion.packets, suspicion.tag), (3, FORGED + 2));
    assert_untouched(&world);
    let addresses = world.engine().associations().next().unwrap();
    assert_eq!(
        addresses
            .addresses(sctp_monitor_engine::model::Side::Remote)
            .iter()
            .count(),
        2,
        "and no address is learned"
    );
}

/// The same between the hosts.
fn settled_between() -> World {
    let mut world = World::new(Vantage::Gateway);
    world.handshake();
    for path in [1, 2] {
        world.heartbeat_answered(path, ms(1));
    }
    world.advance(ms(6_000));
    world.events.clear();
    world
}

#[test]
fn between_the_hosts_reflected_tags_are_no_forgeries() {
    let mut world = settled_between();
    let mut tsn = 1;
    for number in 0..5 {
        world.received(1, FORGED + number, vec![frames::shutdown_ack()]);
        world.now = world.now + ms(1);
        world.sent(1, FORGED + number, vec![frames::chunk(14, 1, &[])]);
        live(&mut world, &mut tsn, 1);
    }
    live(&mut world, &mut tsn, 3);
    for (_, suspicion) in suspicions(&world) {
        assert_eq!(suspicion.source_names(), "10.1.0.2", "the other one only answers");
    }
    assert_untouched(&world);
}

#[test]
fn between_the_hosts_the_answers_to_forged_inits_are_no_forgeries() {
    let mut world = settled_between();
    let mut tsn = 1;
    for number in 0..6 {
        let (tag, answer) = (FORGED + number, 0x5000 + number);
        world.received(1, 0, vec![frames::init(tag, &["10.1.0.2"])]);
        world.sent(1, tag, vec![frames::init_ack(answer, &["10.1.0.1"])]);
        live(&mut world, &mut tsn, 1);
    }
    live(&mut world, &mut tsn, 3);
    let found = suspicions(&world);
    assert!(
        found
            .iter()
            .all(|(_, suspicion)| suspicion.forgery == Forgery::Init),
        "{found:?}"
    );
    assert!(!found.is_empty());
}

#[test]
fn an_init_that_is_sent_again_late_is_none() {
    let mut world = settled();
    let mut tsn = 1;
    for _ in 0..5 {
        world.received(1, 0, vec![frames::init(REMOTE_TAG, &["10.1.0.2"])]);
        live(&mut world, &mut tsn, 2);
    }
    assert_eq!(suspicions(&world), []);
}

#[test]
fn forged_inits_prove_no_direction() {
    let mut world = settled();
    let mut tsn = 1;
    live(&mut world, &mut tsn, 1);
    // Both directions are dead. INITs in the peer's name must not make the way back look alive.
    let first = tsn;
    for number in 0..100 {
        // What is lost is sent again.
        world.data(1, if number % 10 == 9 { first } else { tsn });
        world.received(1, 0, vec![frames::init(FORGED + number, &[])]);
        world.advance(ms(100));
        tsn += 1;
    }
    let broken: Vec<_> = kinds(&world)
        .into_iter()
        .filter_map(|kind| match kind {
            EventKind::Finding { finding, .. } => match finding.evidence {
                Evidence::PathDown(PathDown { broken, .. }) => Some(broken.to_string()),
                _ => None,
            },
            _ => None,
        })
        .collect();
    assert_eq!(broken, ["unknown"]);
}

#[test]
fn icmp_errors_with_a_wrong_tag_are_suspected() {
    let mut world = settled();
    let mut tsn = 1;
    for _ in 0..4 {
        let sent = Packet::v4(FORGED, vec![frames::data(1, 100)]).between("10.1.0.1", "10.1.0.2");
        world.frame(&sent.icmp_error("10.66.6.6", [3, 1], 0), 1, false);
        live(&mut world, &mut tsn, 1);
    }
    live(&mut world, &mut tsn, 3);
    let found = suspicions(&world);
    let (Status::Opened, suspicion) = &found[0] else {
        panic!("{found:?}");
    };
    assert_eq!(suspicion.forgery, Forgery::IcmpError);
    assert_eq!(suspicion.source_names(), "10.66.6.6");
    assert_eq!(world.store.table.counters().value(Counter::IcmpTagMismatch), 4);
    assert_untouched(&world);
}

#[test]
fn strangers_on_an_idle_path_replace_nothing() {
    // Joined mid-life, its second path idle: nothing but a heartbeat now and then.
    let mut world = World::new(Vantage::Endpoint);
    world.data(1, 1);
    world.sack(1, 1);
    world.sweep();
    world.heartbeat_answered(1, ms(1));
    world.advance(ms(6_000));
    for _ in 0..20 {
        world.received(1, FORGED, vec![frames::data(1, 1)]);
        // The stack answers INITs in the peer's name with other tags too.
        world.received(1, 0, vec![frames::init(FORGED, &[])]);
        world.sent(1, FORGED, vec![frames::init_ack(0x5000, &[])]);
        world.advance(ms(500));
    }
    assert_eq!(downs(&world), []);
    let known = world.engine().associations().next().unwrap().reference();
    let tags = (known.local_tag, known.remote_tag);
    assert_eq!(tags, (Some(LOCAL_TAG), Some(REMOTE_TAG)));
    world.heartbeat_answered(1, ms(1));
    assert_eq!(world.state(1), Active);
}

#[test]
fn what_a_host_answers_to_strangers_makes_no_association() {
    let mut world = World::new(Vantage::Endpoint);
    for port in 0..50 {
        let stranger = Packet::v4(0x77, vec![frames::data(1, 1)])
            .between("10.9.0.9", "10.1.0.1")
            .ports(2_000 + port, 36_412);
        let answer = Packet {
            tag: 0x77,
            chunks: vec![frames::abort(true)],
            ..stranger.clone().reversed()
        };
        for _ in 0..3 {
            world.packet(&stranger, 1, false);
            world.packet(&answer, 1, true);
        }
    }
    world.advance(ms(15_000));
    assert_eq!(world.events, []);
    assert_eq!(world.store.released.len(), 100);
    assert_eq!(world.engine().associations().count(), 0);
}
