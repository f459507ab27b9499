//! Packets that come after the end of an association: what is late makes no new one, and what goes on was no end.

use std::time::Duration;

use sctp_monitor_common::wire::ChunkKind;
use sctp_monitor_engine::{
    config::Vantage,
    model::{EndReason, EventKind, Origin, Sides},
};
use sctp_monitor_testkit::{
    frames::{self, Packet},
    world::{LOCAL_TAG, REMOTE_TAG, World, downs, kinds, ms, ups},
};

fn ghosts(world: &World) -> usize {
    let mid_life = |up: &&(Origin, usize, usize)| up.0 == Origin::MidLife;
    ups(world).iter().filter(mid_life).count()
}

#[test]
fn an_association_that_lives_for_less_than_a_sweep_leaves_no_ghost() {
    for vantage in [Vantage::Endpoint, Vantage::Gateway] {
        for t_bit in [false, true] {
            let mut world = World::new(vantage);
            let lists = (["10.1.0.1", "10.2.0.1"], ["10.1.0.2", "10.2.0.2"]);
            world.sent(1, 0, vec![frames::init(LOCAL_TAG, &lists.0)]);
            world.received(1, LOCAL_TAG, vec![frames::init_ack(REMOTE_TAG, &lists.1)]);
            world.sent(1, REMOTE_TAG, vec![frames::cookie_echo()]);
            world.received(1, LOCAL_TAG, vec![frames::cookie_ack()]);
            world.data(1, 1);
            world.sack(1, 1);
            let tag = if t_bit { REMOTE_TAG } else { LOCAL_TAG };
            world.received(1, tag, vec![frames::abort(t_bit)]);
            world.sweep();
            world.advance(ms(30_000));
            assert_eq!(
                ups(&world),
                [(Origin::Handshake, 2, 2)],
                "{vantage:?}, T bit {t_bit}"
            );
            assert_eq!(downs(&world).len(), 1, "{vantage:?}, T bit {t_bit}");
            assert_eq!(world.engine().associations().count(), 0, "and it is forgotten");
        }
    }
}

#[test]
fn late_packets_on_the_second_path_are_no_association() {
    for after_ms in [1, 50, 700, 3_000] {
        let mut world = World::new(Vantage::Endpoint);
        world.handshake();
        world.sent(1, REMOTE_TAG, vec![frames::shutdown(0)]);
        world.received(1, LOCAL_TAG, vec![frames::shutdown_ack()]);
        world.sent(1, REMOTE_TAG, vec![frames::shutdown_complete()]);
        world.advance(ms(after_ms));
        world.sent(2, REMOTE_TAG, vec![frames::heartbeat(&[7; 40])]);
        world.received(2, LOCAL_TAG, vec![frames::heartbeat_ack(&[7; 40])]);
        world.received(2, LOCAL_TAG, vec![frames::sack(1, &[])]);
        world.advance(ms(30_000));
        assert_eq!(ghosts(&world), 0, "{after_ms} ms");
        assert_eq!(downs(&world).len(), 1, "{after_ms} ms");
    }
}

#[test]
fn data_that_is_acknowledged_long_after_the_end_brings_it_back() {
    for vantage in [Vantage::Endpoint, Vantage::Gateway] {
        let mut world = World::new(vantage);
        world.handshake();
        world.data(1, 1);
        world.sack(1, 1);
        world.advance(ms(5_000));
        world.received(1, LOCAL_TAG, vec![frames::abort(false)]);
        world.advance(ms(100));
        assert_eq!(downs(&world).len(), 1);
        for tsn in 2..20 {
            world.advance(ms(200));
            world.data(1, tsn);
            world.now = world.now + ms(1);
            world.sack(1, tsn);
        }
        world.advance(ms(100));
        let back: Vec<_> = kinds(&world)
            .into_iter()
            .filter(|kind| matches!(kind, EventKind::AssociationGoesOn { .. }))
            .collect();
        assert_eq!(back.len(), 1, "{vantage:?}: {:?}", kinds(&world));
        assert_eq!(ups(&world).len(), 1, "{vantage:?}: the same one");
        let known = world.engine().associations().next().unwrap();
        assert!(known.is_established());
        world.advance(ms(10_000));
        world.received(1, LOCAL_TAG, vec![frames::abort(false)]);
        world.sweep();
        assert_eq!(downs(&world).len(), 2, "{vantage:?}: and it may end again");
    }
}

#[test]
fn a_retransmission_after_the_end_brings_nothing_back() {
    let mut world = World::new(Vantage::Endpoint);
    world.handshake();
    world.data(1, 1);
    world.received(1, LOCAL_TAG, vec![frames::abort(false)]);
    for _ in 0..5 {
        world.advance(ms(1_500));
        world.data(1, 1);
        world.received(1, REMOTE_TAG, vec![frames::abort(true)]);
    }
    world.advance(ms(1_000));
    let back = |kind: &EventKind| matches!(kind, EventKind::AssociationGoesOn { .. });
    assert!(!kinds(&world).iter().any(back));
    assert_eq!((ups(&world).len(), downs(&world).len()), (1, 1));
}

#[test]
fn the_next_association_on_the_same_ports_is_another_one() {
    for vantage in [Vantage::Endpoint, Vantage::Gateway] {
        for apart_ms in [0, 1, 100, 2_000] {
            let mut world = World::new(vantage);
            let lists = (["10.1.0.1", "10.2.0.1"], ["10.1.0.2", "10.2.0.2"]);
            for number in 0..4 {
                let (local, remote) = (0x1000 + number, 0x2000 + number);
                world.sent(1, 0, vec![frames::init(local, &lists.0)]);
                world.received(1, local, vec![frames::init_ack(remote, &lists.1)]);
                world.sent(1, remote, vec![frames::cookie_echo()]);
                world.received(1, local, vec![frames::cookie_ack()]);
                for tsn in 1..4 {
                    world.sent(1, remote, vec![frames::data(tsn, 10)]);
                    world.received(1, local, vec![frames::sack(tsn, &[])]);
                }
                world.sent(1, remote, vec![frames::shutdown(0)]);
                world.received(1, local, vec![frames::shutdown_ack()]);
                world.sent(1, remote, vec![frames::shutdown_complete()]);
                world.advance(ms(apart_ms));
            }
            world.advance(ms(5_000));
            let what = format!("{vantage:?}, {apart_ms} ms apart");
            assert_eq!(ups(&world), [(Origin::Handshake, 2, 2); 4], "{what}");
            let ends = downs(&world);
            let shut_down = |end: &EndReason| matches!(end, EndReason::Shutdown { .. });
            assert!(ends.len() == 4 && ends.iter().all(shut_down), "{what}: {ends:?}");
        }
    }
}

#[test]
fn a_chunk_from_an_unlisted_address_is_told_and_ends_nothing() {
    for vantage in [Vantage::Endpoint, Vantage::Gateway] {
        for (chunk, tag) in [
            (frames::abort(false), LOCAL_TAG),
            (frames::abort(true), REMOTE_TAG),
            (frames::shutdown_ack(), LOCAL_TAG),
        ] {
            let mut world = World::new(vantage);
            world.handshake();
            world.sent(1, REMOTE_TAG, vec![frames::shutdown(0)]);
            world.sweep();
            for _ in 0..3 {
                let packet = Packet::v4(tag, vec![chunk.clone()]).between("10.244.1.9", "10.1.0.1");
                world.packet(&packet, 1, false);
                world.sent(1, REMOTE_TAG, vec![frames::shutdown(0)]);
                world.advance(ms(1_000));
            }
            assert_eq!(downs(&world), [], "{vantage:?}");
            let told: Vec<_> = kinds(&world)
                .into_iter()
                .filter_map(|kind| match kind {
                    EventKind::AnsweredFromElsewhere(seen) => Some(seen.unlisted.to_string()),
                    _ => None,
                })
                .collect();
            assert_eq!(told, ["10.244.1.9"], "{vantage:?}: once");
            let association = world.engine().associations().next().unwrap();
            let remote = association.addresses(sctp_monitor_engine::model::Side::Remote);
            assert_eq!(remote.len(), 2, "{vantage:?}: nothing is adopted");
            world.finish();
            let unfinished =
                |kind: &EventKind| matches!(kind, EventKind::ShutdownUnfinished { shutdowns: 4, .. });
            assert_eq!(kinds(&world).iter().filter(|kind| unfinished(kind)).count(), 1);
        }
    }
}

#[test]
fn an_abort_after_retransmissions_in_vain_gives_up() {
    for answered in [false, true] {
        let mut world = World::new(Vantage::Endpoint);
        world.handshake();
        for tsn in 1..10 {
            world.data(1, tsn);
            world.sack(1, tsn);
            world.advance(ms(100));
        }
        for seconds in [1, 2, 4] {
            world.data(1, 10);
            world.advance(ms(seconds * 1_000));
        }
        if answered {
            world.received(2, LOCAL_TAG, vec![frames::heartbeat(&[9; 40])]);
            world.advance(ms(100));
        }
        world.sent(1, REMOTE_TAG, vec![frames::chunk(6, 0, &[])]);
        world.sweep();
        let ends = downs(&world);
        let [EndReason::Abort(abort)] = ends.as_slice() else {
            panic!("{ends:?}");
        };
        let retransmissions = abort.gave_up.as_ref().map(|gave_up| gave_up.retransmissions);
        assert_eq!(retransmissions, (!answered).then_some(2));
    }
}

#[test]
fn an_abort_that_answers_a_heartbeat_says_so() {
    for vantage in [Vantage::Endpoint, Vantage::Gateway] {
        for ours in [false, true] {
            let mut world = World::new(vantage);
            world.handshake();
            world.advance(ms(1_000));
            let heartbeat = vec![frames::heartbeat(&[9; 40])];
            if ours {
                world.sent(2, REMOTE_TAG, heartbeat);
            } else {
                world.received(2, LOCAL_TAG, heartbeat);
            }
            world.now = world.now + ms(5);
            if ours {
                world.received(2, REMOTE_TAG, vec![frames::chunk(6, 1, &[])]);
            } else {
                world.sent(2, LOCAL_TAG, vec![frames::chunk(6, 1, &[])]);
            }
            world.sweep();
            let ends = downs(&world);
            let (asked, answered) = if ours {
                ("10.2.0.1", "10.2.0.2")
            } else {
                ("10.2.0.2", "10.2.0.1")
            };
            let words = format!(
                "aborted: ABORT with the T bit from {answered} to {asked} without a cause, in answer to HEARTBEAT from \
                 {asked} to {answered} 5.00 ms before; whoever sent it knows no such association: {answered} restarted, \
                 or packets from {asked} to {answered} reach another host"
            );
            assert_eq!(ends.len(), 1, "{vantage:?}, ours {ours}");
            assert_eq!(ends[0].words(Sides::ThisHost), words, "{vantage:?}");
        }
    }
}

/// What the only ABORT answers, of an association of which `happens` takes place over path 1 before.
fn answered(
    vantage: Vantage,
    abort: (u32, Vec<u8>),
    happens: impl Fn(&mut World),
) -> Option<(ChunkKind, Duration)> {
    let mut world = World::new(vantage);
    world.handshake();
    for tsn in 1..10 {
        world.data(1, tsn);
        world.now = world.now + ms(1);
        world.sack(1, tsn);
        world.advance(ms(100));
    }
    happens(&mut world);
    world.received(1, abort.0, vec![abort.1]);
    world.sweep();
    let ends = downs(&world);
    let [EndReason::Abort(abort)] = ends.as_slice() else {
        panic!("{ends:?}");
    };
    abort
        .answers
        .as_ref()
        .map(|answers| (answers.chunk, answers.after))
}

#[test]
fn an_abort_that_answers_data_says_so() {
    let unknown = || (REMOTE_TAG, frames::chunk(6, 1, &[]));
    // Stream 17, and the application's wish.
    let invalid_stream = || (LOCAL_TAG, frames::chunk(6, 0, &[0, 1, 0, 8, 0, 17, 0, 0]));
    let asked_for = || (LOCAL_TAG, frames::abort(false));
    let violation = || (LOCAL_TAG, frames::chunk(6, 0, &[0, 13, 0, 4]));
    let data = |wait| {
        move |world: &mut World| {
            world.data(1, 10);
            world.advance(ms(wait));
        }
    };
    let acknowledged = |world: &mut World| {
        world.data(1, 10);
        world.now = world.now + ms(1);
        world.sack(1, 10);
        world.now = world.now + ms(1);
    };
    let heartbeat = |world: &mut World| {
        world.data(1, 10);
        world.now = world.now + ms(2);
        world.heartbeat(1);
        world.now = world.now + ms(3);
    };
    for vantage in [Vantage::Endpoint, Vantage::Gateway] {
        // Within one look at the records, and looks later.
        for wait in [0, 3, 150] {
            let of_data = Some((ChunkKind::Data, ms(wait)));
            assert_eq!(
                answered(vantage, unknown(), data(wait)),
                of_data,
                "{vantage:?} {wait}"
            );
            assert_eq!(
                answered(vantage, invalid_stream(), data(wait)),
                of_data,
                "{vantage:?} {wait}"
            );
            assert_eq!(
                answered(vantage, violation(), data(wait)),
                of_data,
                "{vantage:?} {wait}"
            );
            assert_eq!(
                answered(vantage, asked_for(), data(wait)),
                None,
                "{vantage:?} {wait}"
            );
        }
        // Too long ago.
        assert_eq!(answered(vantage, unknown(), data(2_000)), None, "{vantage:?}");
        // It was acknowledged: it arrived, and the association was known.
        assert_eq!(answered(vantage, unknown(), acknowledged), None, "{vantage:?}");
        let last = Some((ChunkKind::Heartbeat, ms(3)));
        assert_eq!(answered(vantage, unknown(), heartbeat), last, "{vantage:?}");
        let stream = Some((ChunkKind::Data, ms(5)));
        assert_eq!(
            answered(vantage, invalid_stream(), heartbeat),
            stream,
            "{vantage:?}"
        );
    }
}

#[test]
fn half_an_association_that_ends_before_it_is_reported_is_forgotten() {
    let mut world = World::new(Vantage::Endpoint);
    world.data(1, 1);
    world.advance(ms(20));
    world.sent(1, REMOTE_TAG, vec![frames::abort(false)]);
    for tsn in 2..100 {
        world.data(1, tsn);
        world.now = world.now + ms(1);
        world.sack(1, tsn);
        world.advance(ms(200));
    }
    assert_eq!(ups(&world), [(Origin::MidLife, 1, 1)]);
    assert_eq!(downs(&world), []);
    let back = |kind: &EventKind| matches!(kind, EventKind::AssociationGoesOn { .. });
    assert!(!kinds(&world).iter().any(back), "nothing was said of it before");
}
