//! How associations end, and the errors on the way.

use sctp_monitor_engine::{
    config::Vantage,
    model::{Abort, EndReason, ErrorCause, EventKind, Side, Sides},
};
use sctp_monitor_testkit::{
    frames::{self, Packet},
    world::{LOCAL_TAG, REMOTE_TAG, World, downs, kinds, ms},
};

#[test]
fn shutdown_complete_ends_it_with_either_tag() {
    for reflected in [false, true] {
        let mut world = World::with_two_paths();
        let chunk = frames::chunk(14, u8::from(reflected), &[]);
        let tag = if reflected { LOCAL_TAG } else { REMOTE_TAG };
        world.sent(1, tag, vec![chunk]);
        world.sweep();
        assert_eq!(
            downs(&world),
            [EndReason::Shutdown { by: None }],
            "T bit {reflected}"
        );
    }
}

#[test]
fn abort_ends_it_and_names_the_cause() {
    let mut world = World::with_two_paths();
    world.received(2, LOCAL_TAG, vec![frames::abort(false)]);
    world.sweep();
    assert_eq!(
        downs(&world),
        [EndReason::Abort(Abort {
            by: Side::Remote,
            source: "10.2.0.2".parse().unwrap(),
            destination: "10.2.0.1".parse().unwrap(),
            t_bit: false,
            causes: vec![ErrorCause::UserInitiated { said: None }],
            answers: None,
            gave_up: None,
        })]
    );
    world.advance(ms(15_000));
    assert_eq!(world.engine().associations().count(), 0, "and it is forgotten");
}

#[test]
fn an_abort_that_answers_a_strangers_address_ends_nothing() {
    // A translator gives path 2 an address that the peer never heard of, and the peer answers what comes from it.
    for vantage in [Vantage::Endpoint, Vantage::Gateway] {
        let mut world = World::new(vantage);
        world.handshake();
        world.sweep();
        let answer = Packet::v4(REMOTE_TAG, vec![frames::abort(true)]);
        world.packet(&answer.between("10.2.0.2", "203.0.113.1"), 2, false);
        world.sweep();
        assert_eq!(downs(&world), [], "{vantage:?}");
        world.received(2, REMOTE_TAG, vec![frames::abort(true)]);
        world.sweep();
        assert_eq!(downs(&world).len(), 1, "{vantage:?}");
    }
}

#[test]
fn shutdown_says_who_asked_and_ends_when_complete() {
    let mut world = World::with_two_paths();
    world.received(1, LOCAL_TAG, vec![frames::shutdown(1)]);
    world.received(2, LOCAL_TAG, vec![frames::shutdown(1)]);
    world.sweep();
    assert_eq!(
        kinds(&world),
        [shutting_down(false, "10.1.0.2", "10.1.0.1")],
        "once"
    );
    let association = world.engine().associations().next().unwrap();
    assert!(association.is_established(), "its paths still matter");
    assert_eq!(association.shutting_down(), Some(Side::Remote));
    world.sent(1, REMOTE_TAG, vec![frames::shutdown_ack()]);
    world.received(1, LOCAL_TAG, vec![frames::shutdown_complete()]);
    world.sweep();
    assert_eq!(
        downs(&world),
        [EndReason::Shutdown {
            by: Some(Side::Remote)
        }]
    );
    assert_eq!(world.events.len(), 2);
}

#[test]
fn a_shutdown_that_was_not_seen_shows_by_its_ack() {
    let mut world = World::with_two_paths();
    world.sent(1, REMOTE_TAG, vec![frames::shutdown_ack()]);
    world.sweep();
    assert_eq!(kinds(&world), [shutting_down(true, "10.1.0.1", "10.1.0.2")]);
}

#[test]
fn a_shutdown_with_a_wrong_tag_is_none() {
    let mut world = World::with_two_paths();
    world.received(1, 0xbad, vec![frames::shutdown(1)]);
    world.received(1, REMOTE_TAG, vec![frames::shutdown_ack()]);
    world.sweep();
    assert_eq!(kinds(&world), []);
}

#[test]
fn an_abort_tells_the_reason_of_the_application() {
    let mut world = World::with_two_paths();
    world.received(1, LOCAL_TAG, vec![frames::abort_because("maintenance")]);
    world.sweep();
    assert_eq!(
        downs(&world)[0].words(Sides::ThisHost),
        "aborted by the remote endpoint: ABORT from 10.1.0.2 to 10.1.0.1: user-initiated abort \"maintenance\""
    );
}

#[test]
fn an_error_is_reported_once_a_minute() {
    let mut world = World::with_two_paths();
    let error = |code| vec![frames::error(code, &[0, 1, 0, 0])];
    for _ in 0..50 {
        world.received(1, LOCAL_TAG, error(1));
        world.advance(ms(1_000));
    }
    let invalid_stream = |source: &str, destination: &str, times| EventKind::AssociationError {
        by: Side::Remote,
        source: source.parse().unwrap(),
        destination: destination.parse().unwrap(),
        causes: vec![ErrorCause::InvalidStream {
            stream: Some(1),
            streams: Some(10),
        }],
        answers: None,
        times,
    };
    let errors = |world: &World| -> Vec<_> {
        kinds(world)
            .into_iter()
            .filter(|kind| matches!(kind, EventKind::AssociationError { .. }))
            .collect()
    };
    assert_eq!(errors(&world), [invalid_stream("10.1.0.2", "10.1.0.1", 1)]);
    world.received(1, LOCAL_TAG, error(6));
    world.received(1, 0xbad, error(13));
    world.advance(ms(15_000));
    world.received(2, LOCAL_TAG, error(1));
    world.sweep();
    let after = errors(&world);
    assert_eq!(after.len(), 3, "another cause is news, a wrong tag is none");
    assert_eq!(after[2], invalid_stream("10.2.0.2", "10.2.0.1", 50));
}

#[test]
fn a_handshake_that_is_aborted_is_no_association() {
    let mut world = World::new(Vantage::Endpoint);
    world.sent(1, 0, vec![frames::init(LOCAL_TAG, &["10.1.0.1"])]);
    world.received(1, LOCAL_TAG, vec![frames::abort(false)]);
    world.advance(ms(15_000));
    let told = kinds(&world);
    let [EventKind::HandshakeUnfinished(handshake)] = told.as_slice() else {
        panic!("{told:?}");
    };
    assert_eq!((handshake.inits, handshake.answers.len()), (1, 1));
    assert_eq!(world.engine().associations().count(), 0);
}

fn shutting_down(by_ack: bool, source: &str, destination: &str) -> EventKind {
    EventKind::ShuttingDown {
        by: Side::Remote,
        by_ack,
        source: source.parse().unwrap(),
        destination: destination.parse().unwrap(),
    }
}
