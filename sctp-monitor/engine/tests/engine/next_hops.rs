//! Paths on which nothing passes because their next hop is gone: nothing leaves a NIC, so nothing goes unanswered there.

use std::{collections::BTreeMap, time::Duration};

use sctp_monitor_engine::{
    NicState,
    config::Vantage,
    model::{EventKind, Evidence, Neighbour, NextHop, PathState, Reason, Status, Timestamp},
};
use sctp_monitor_testkit::{
    frames,
    world::{LOCAL_TAG, NIC, World, kinds, ms},
};

use PathState::{Active, Inactive, PotentiallyFailed};

/// Two paths over two NICs, each with a heartbeat that was answered.
fn world() -> World {
    let mut world = World::with_two_paths();
    for (nic, name) in [(NIC, "path1"), (NIC + 1, "path2")] {
        world.nic(nic, name, NicState::Up);
    }
    world
}

/// The next hop of path 2, on its own NIC.
fn hop(neighbour: Neighbour) -> NextHop {
    NextHop {
        address: World::path_id(2).remote,
        if_index: NIC + 1,
        neighbour,
    }
}

/// Tells of path 2 if that is in question, as read at that time; gives whether it was.
fn tell_as_of(world: &mut World, hop: NextHop, read_at: Timestamp) -> bool {
    let path = World::path_id(2);
    let asked = world.session.take_paths_in_question();
    assert!(asked.iter().all(|asked| *asked == path), "{asked:?}");
    let told = BTreeMap::from([(path, hop)]);
    // Who is not asked may say it all the same.
    world.session.handle_next_hops(&told, read_at, world.now);
    world.sweep();
    asked.contains(&path)
}

fn tell(world: &mut World, neighbour: Neighbour) -> bool {
    let now = world.now;
    tell_as_of(world, hop(neighbour), now)
}

/// The agent asks each second for so long; path 1 has its heartbeats. Gives whether path 2 was ever in question.
fn for_seconds(world: &mut World, seconds: u64, neighbour: Neighbour) -> bool {
    let mut asked = false;
    for _ in 0..seconds {
        world.heartbeat_answered(1, ms(1));
        world.advance(ms(999));
        asked |= tell(world, neighbour);
    }
    asked
}

/// Heartbeats of path 2 in this rhythm; all are answered.
fn in_rhythm(world: &mut World, interval: Duration) {
    for _ in 0..4 {
        world.heartbeat_answered(2, ms(1));
        world.advance(interval - ms(1));
    }
    world.heartbeat_answered(2, ms(1));
}

fn findings(world: &World, status: Status) -> Vec<Evidence> {
    let found = kinds(world).into_iter().filter_map(|kind| match kind {
        EventKind::Finding { status: at, finding } if at == status => Some(finding.evidence),
        _ => None,
    });
    found.collect()
}

#[test]
fn a_heartbeat_without_an_answer_and_a_next_hop_that_is_gone_are_a_failure() {
    let mut world = world();
    world.heartbeat(2);
    world.advance(ms(1_500));
    assert_eq!(world.states(), [Active, PotentiallyFailed]);
    assert!(
        for_seconds(&mut world, 7, Neighbour::Resolved),
        "it is in question"
    );
    assert_eq!(world.states(), [Active, PotentiallyFailed], "known from before");
    world.events.clear();
    tell(&mut world, Neighbour::Failed);
    assert_eq!(world.states(), [Active, Inactive]);
    let opened = findings(&world, Status::Opened);
    let [Evidence::PathDown(down)] = opened.as_slice() else {
        panic!("{opened:?}");
    };
    let Reason::NextHopUnresolved {
        next_hop,
        ref interface,
        neighbour,
        silent_for,
    } = down.reason
    else {
        panic!("{down:?}");
    };
    assert_eq!(next_hop, World::path_id(2).remote);
    assert_eq!((interface.as_str(), neighbour), ("path2", Neighbour::Failed));
    assert!(
        silent_for > ms(8_000) && silent_for < ms(10_000),
        "{silent_for:?}"
    );
    let incident = world.engine().incidents().next().unwrap().clone();
    assert!(
        incident
            .reason
            .contains("next hop 10.2.0.2 on path2 does not answer ARP"),
        "{}",
        incident.reason
    );
    assert!(
        incident.next.contains("`ip neighbour show 10.2.0.2 dev path2`"),
        "{}",
        incident.next
    );
    assert!(for_seconds(&mut world, 174, Neighbour::Failed));
    assert_eq!(world.take_changes().len(), 1, "reported once");
    world.heartbeat_answered(2, ms(1));
    assert_eq!(world.states(), [Active, Active]);
    assert_eq!(world.engine().incidents().count(), 0);
    assert!(
        !for_seconds(&mut world, 3, Neighbour::Failed),
        "who answers is not in question"
    );
    assert_eq!(world.states(), [Active, Active]);
}

#[test]
fn heartbeats_that_stay_out_of_their_rhythm_put_the_path_in_question() {
    for seconds in [1, 5, 30] {
        let mut world = world();
        in_rhythm(&mut world, Duration::from_secs(seconds));
        assert!(
            !for_seconds(&mut world, seconds, Neighbour::Failed),
            "every {seconds} s"
        );
        assert_eq!(world.states(), [Active, Active]);
        assert!(
            for_seconds(&mut world, 1 + seconds, Neighbour::Failed),
            "every {seconds} s"
        );
        assert_eq!(world.states(), [Active, Inactive], "every {seconds} s");
    }
}

#[test]
fn a_path_that_is_idle_by_design_is_never_in_question() {
    let mut world = world();
    world.data(2, 7);
    world.advance(ms(1));
    world.sack(2, 7);
    assert!(!for_seconds(&mut world, 200, Neighbour::Failed));
    assert_eq!(world.states(), [Active, Active]);
    let mut gateway = World::new(Vantage::Gateway);
    gateway.handshake();
    gateway.heartbeat(2);
    gateway.advance(ms(5_000));
    assert!(gateway.session.take_paths_in_question().is_empty());
}

#[test]
fn what_the_peer_sends_is_heard_though_this_host_sends_nothing() {
    let mut world = world();
    in_rhythm(&mut world, ms(5_000));
    for info in 0..10 {
        world.received(2, LOCAL_TAG, vec![frames::heartbeat(&[info; 40])]);
        assert!(!for_seconds(&mut world, 6, Neighbour::Failed));
    }
    assert_eq!(world.states(), [Active, Active]);
}

#[test]
fn a_next_hop_that_is_known_or_that_nobody_asked_for_is_no_reason() {
    for neighbour in [Neighbour::Resolved, Neighbour::Absent] {
        let mut world = world();
        in_rhythm(&mut world, ms(5_000));
        world.heartbeat(2);
        assert!(for_seconds(&mut world, 60, neighbour));
        assert_eq!(world.states(), [Active, PotentiallyFailed], "{neighbour}");
        assert_eq!(findings(&world, Status::Opened), []);
    }
}

#[test]
fn a_next_hop_that_is_asked_for_has_two_seconds_to_answer() {
    let mut world = world();
    world.heartbeat(2);
    for_seconds(&mut world, 1, Neighbour::Resolved);
    for_seconds(&mut world, 2, Neighbour::Incomplete);
    assert_eq!(world.states(), [Active, PotentiallyFailed]);
    for_seconds(&mut world, 1, Neighbour::Absent);
    for_seconds(&mut world, 2, Neighbour::Incomplete);
    assert_eq!(world.states(), [Active, PotentiallyFailed], "asked for anew");
    for_seconds(&mut world, 1, Neighbour::Incomplete);
    assert_eq!(world.states(), [Active, Inactive]);
}

#[test]
fn a_next_hop_that_comes_back_leaves_a_doubt_until_the_peer_answers() {
    let mut world = world();
    world.heartbeat(2);
    for_seconds(&mut world, 2, Neighbour::Failed);
    assert_eq!(world.states(), [Active, Inactive]);
    world.events.clear();
    for_seconds(&mut world, 2, Neighbour::Resolved);
    let closed = findings(&world, Status::Closed);
    assert!(matches!(closed.as_slice(), [Evidence::PathDown(_)]), "{closed:?}");
    let changes = world.take_changes();
    assert_eq!(changes.len(), 1, "{changes:?}");
    assert_eq!((changes[0].1, changes[0].2), (Inactive, PotentiallyFailed));
    assert!(
        matches!(changes[0].3, Reason::NextHopResolved { .. }),
        "{changes:?}"
    );
    for_seconds(&mut world, 1, Neighbour::Failed);
    assert_eq!(world.states(), [Active, Inactive], "gone once more");
    for_seconds(&mut world, 1, Neighbour::Resolved);
    world.heartbeat_answered(2, ms(1));
    assert_eq!(world.states(), [Active, Active]);
}

#[test]
fn a_route_to_another_nic_than_the_packets_took_is_not_theirs() {
    let mut world = world();
    world.heartbeat(2);
    world.advance(ms(2_000));
    let other = NextHop {
        if_index: NIC,
        ..hop(Neighbour::Failed)
    };
    let now = world.now;
    assert!(tell_as_of(&mut world, other, now));
    assert_eq!(world.states(), [Active, PotentiallyFailed]);
}

#[test]
fn an_answer_behind_the_look_at_the_table_counts_more() {
    let mut world = world();
    let info = world.heartbeat(2);
    world.advance(ms(2_000));
    let read_at = world.now;
    world.now = world.now + ms(1);
    world.received(2, LOCAL_TAG, vec![frames::heartbeat_ack(&info)]);
    // The record is not looked at before the table is told of.
    world.now = world.now + ms(1);
    tell_as_of(&mut world, hop(Neighbour::Failed), read_at);
    world.advance(ms(100));
    assert_eq!(world.states(), [Active, Active]);
}
