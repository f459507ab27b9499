//! ICMP errors that quote an association: what they change, and what they must not.

use PathState::{Active, Inactive, PotentiallyFailed};
use sctp_monitor_common::abi::Counter;
use sctp_monitor_engine::{
    config::Vantage,
    model::{Direction, EventKind, HandshakeAnswer, PathState, Reason, Reply},
};
use sctp_monitor_testkit::{
    frames::{self, Packet},
    world::{LOCAL_TAG, REMOTE_TAG, World, kinds, ms},
};

const HOST_UNREACHABLE: [u8; 2] = [3, 1];
const FRAGMENTATION_NEEDED: [u8; 2] = [3, 4];

/// A router on path 1 answers what the local endpoint sent there.
fn answered(world: &mut World, tag: u32, message: [u8; 2], rest: u32) {
    let (local, remote) = (World::local(1), World::remote(1));
    let sent = Packet::v4(tag, vec![frames::data(1, 100)]).between(&local, &remote);
    world.frame(&sent.icmp_error("10.1.0.254", message, rest), 1, false);
    world.sweep();
}

#[test]
fn an_icmp_error_is_a_doubt_at_once() {
    let mut world = World::with_two_paths();
    answered(&mut world, REMOTE_TAG, HOST_UNREACHABLE, 0);
    let changes = world.take_changes();
    let [(path, Active, PotentiallyFailed, reason)] = changes.as_slice() else {
        panic!("{changes:?}");
    };
    assert_eq!(*path, World::path_id(1));
    let Reason::IcmpError { what, reporter } = reason else {
        panic!("{reason}");
    };
    assert_eq!(what.words(), "host unreachable");
    assert_eq!(reporter.to_string(), "10.1.0.254");
    for _ in 0..100 {
        world.advance(ms(50));
        answered(&mut world, REMOTE_TAG, HOST_UNREACHABLE, 0);
    }
    assert_eq!(
        world.take_changes(),
        [],
        "never more than a doubt, and reported once"
    );
    world.heartbeat_answered(1, ms(1));
    assert_eq!(world.states(), [Active, Active]);
}

#[test]
fn a_sign_of_life_outweighs_only_errors_before_it() {
    let mut world = World::with_two_paths();
    let info = world.heartbeat(1);
    world.advance(ms(1));
    world.received(1, LOCAL_TAG, vec![frames::heartbeat_ack(&info)]);
    world.now = world.now + ms(1);
    answered(&mut world, REMOTE_TAG, HOST_UNREACHABLE, 0);
    assert_eq!(
        world.state(1),
        PotentiallyFailed,
        "the answer came before the error"
    );
    world.heartbeat_answered(1, ms(1));
    assert_eq!(world.state(1), Active);
}

#[test]
fn what_is_dead_stays_dead() {
    let mut world = World::with_two_paths();
    for _ in 0..3 {
        world.heartbeat(1);
        world.advance(ms(1_000));
    }
    assert_eq!(world.state(1), Inactive);
    world.take_changes();
    answered(&mut world, REMOTE_TAG, HOST_UNREACHABLE, 0);
    assert_eq!(world.take_changes(), []);
}

#[test]
fn an_error_without_the_tag_proves_nothing() {
    let mut world = World::with_two_paths();
    for tag in [0, LOCAL_TAG, 7] {
        answered(&mut world, tag, HOST_UNREACHABLE, 0);
        answered(&mut world, tag, FRAGMENTATION_NEEDED, 600);
    }
    assert_eq!(world.take_changes(), []);
    assert_eq!(path_mtu(&world), None);
    assert_eq!(world.store.table.counters().value(Counter::IcmpTagMismatch), 6);
}

#[test]
fn an_error_about_something_else_opens_no_flow() {
    let mut world = World::with_two_paths();
    let flows = world.store.table.records().len();
    let sent = Packet::v4(REMOTE_TAG, vec![]).between("10.1.0.1", "10.9.0.2");
    world.frame(&sent.icmp_error("10.1.0.254", HOST_UNREACHABLE, 0), 1, false);
    world.sweep();
    assert_eq!(world.take_changes(), []);
    assert_eq!(world.store.table.records().len(), flows);
    assert_eq!(world.store.table.counters().value(Counter::IcmpFlowUnknown), 1);
}

#[test]
fn an_error_about_size_is_no_doubt_but_its_mtu_is_kept() {
    let mut world = World::with_two_paths();
    answered(&mut world, REMOTE_TAG, FRAGMENTATION_NEEDED, 1_400);
    assert_eq!(world.states(), [Active, Active]);
    assert_eq!(world.take_changes(), []);
    assert_eq!(path_mtu(&world), Some(1_400));
    answered(&mut world, REMOTE_TAG, FRAGMENTATION_NEEDED, 0);
    assert_eq!(path_mtu(&world), Some(1_400), "an old router names none");
}

#[test]
fn a_quoted_init_says_nothing_of_an_association_that_is_up() {
    let mut world = World::new(Vantage::Endpoint);
    let init = Packet::v4(0, vec![frames::init(LOCAL_TAG, &["10.1.0.1"])]);
    world.packet(&init, 1, true);
    world.sweep();
    let error = init.icmp_error("10.1.0.254", HOST_UNREACHABLE, 0);
    world.frame(&error, 1, false);
    world.sweep();
    assert_eq!(
        world.store.table.counters().value(Counter::IcmpTagMismatch),
        0,
        "no tag yet"
    );
    world.handshake();
    world.heartbeat_answered(1, ms(1));
    assert_eq!(world.state(1), Active);
    world.take_changes();
    world.frame(&error, 1, false);
    world.sweep();
    assert_eq!(world.take_changes(), []);
}

/// What a quoted INIT proves: its initiate tag, where it is quoted.
#[test]
fn an_icmp_error_answers_an_init_by_the_tag_that_it_gives() {
    let init = |tag| Packet::v4(tag, vec![frames::init(LOCAL_TAG, &[])]);
    // The common header alone: the quote ends before the INIT.
    let short = Packet::v4(0, Vec::new());
    let other = Packet::v4(0, vec![frames::init(0xbad, &[])]);
    for (quoted, expected) in [
        (vec![init(0)], vec![true]),
        (vec![short.clone()], vec![false]),
        (vec![other.clone()], vec![]),
        (vec![other, init(0), short], vec![true, false]),
    ] {
        let mut world = World::new(Vantage::Endpoint);
        world.packet(&init(0), 1, true);
        world.sweep();
        for quoted in &quoted {
            world.frame(&quoted.icmp_error("10.1.0.254", [3, 2], 0), 1, false);
            world.sweep();
        }
        world.advance(ms(30_000));
        let unfinished = kinds(&world).into_iter().find_map(|kind| match kind {
            EventKind::HandshakeUnfinished(handshake) => Some(handshake),
            _ => None,
        });
        let unfinished = unfinished.expect("nothing came of it");
        let proves = |answer: &HandshakeAnswer| match answer.what {
            Reply::Icmp { quotes_tag, .. } => Some(quotes_tag),
            _ => None,
        };
        let proved: Vec<_> = unfinished.answers.iter().filter_map(proves).collect();
        assert_eq!(proved, expected, "{unfinished}");
        let believes = unfinished.check().contains("which sent the ICMP error");
        assert_eq!(believes, expected.contains(&true), "{unfinished}");
    }
}

fn path_mtu(world: &World) -> Option<u32> {
    let association = world.engine().associations().next().expect("an association");
    let (_, path) = association
        .paths()
        .find(|(id, _)| **id == World::path_id(1))
        .expect("the path");
    world.engine().path_mtu(path.flow(Direction::Forward)?)
}
