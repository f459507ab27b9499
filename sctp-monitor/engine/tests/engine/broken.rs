//! Paths, peers and links that are down: what is said of them, and when it is taken back.

use sctp_monitor_engine::{
    NicState,
    config::Vantage,
    model::{Evidence, FindingKind, Object, PathState, PeerDown, ScopeKind, Side, Status},
};
use sctp_monitor_testkit::{
    frames::{self, Packet},
    world::{LOCAL_TAG, NIC, REMOTE_TAG, World, ms},
};

use crate::{
    direction::{broken, heals},
    paths::traffic,
    reports::{findings, incidents, left_open, opened, statuses},
};
use PathState::{Active, Inactive};
use Status::{Closed, Opened};

#[test]
fn an_agent_that_is_always_late_reports_all_the_same() {
    let mut world = World::with_two_paths();
    traffic(&mut world, 1, 1..41, true);
    let late = |world: &mut World, tsns: std::ops::Range<u32>| {
        for tsn in tsns {
            world.data(1, tsn);
            world.now = world.now + ms(100);
            world.session.handle_stall(world.now);
            world.sweep();
        }
    };
    late(&mut world, 41..46);
    assert_eq!(world.state(1), Active, "a moment is excused");
    late(&mut world, 46..71);
    assert_eq!(world.state(1), Inactive);
    late(&mut world, 71..101);
    assert_eq!(
        world.state(1),
        PathState::PotentiallyFailed,
        "who sends nothing again in six seconds has its SACKs from elsewhere"
    );
}

#[test]
fn all_paths_down_are_a_peer_that_is_down_until_one_works() {
    let mut world = World::with_two_paths();
    for _ in 0..4 {
        world.heartbeat(1);
        world.heartbeat(2);
        world.advance(ms(1_000));
    }
    assert_eq!(world.states(), [Inactive, Inactive]);
    let found = findings(&world, "peer_down");
    let [(Opened, finding)] = found.as_slice() else {
        panic!("{found:?}");
    };
    assert_eq!(finding.object, Object::Association);
    assert_eq!(
        finding.evidence,
        Evidence::PeerDown(PeerDown {
            paths: 2,
            silent: None
        })
    );
    world.advance(ms(1_000));
    assert_eq!(
        incidents(&world).last().map(|(_, incident)| incident.finding),
        Some(FindingKind::PeerDown)
    );
    world.heartbeat_answered(2, ms(1));
    assert_eq!(statuses(&world, "peer_down"), [Opened, Closed]);
    world.heartbeat_answered(1, ms(1));
    world.advance(ms(2_000));
    assert_eq!(left_open(&world.events), 0);
}

/// Between the hosts: whichever goes silent is named, and neither is where both go on.
#[test]
fn between_the_hosts_the_one_that_is_silent_is_named() {
    for silent in [Some(Side::Local), Some(Side::Remote), None] {
        let mut world = World::new(Vantage::Gateway);
        world.handshake();
        let heartbeat = |world: &mut World, side: Side, path: u8, info: u8, answered: bool| {
            let (info, there) = ([info; 40], side == Side::Local);
            let (tag, back) = if there {
                (REMOTE_TAG, LOCAL_TAG)
            } else {
                (LOCAL_TAG, REMOTE_TAG)
            };
            let send = |world: &mut World, there, tag, chunk| {
                if there {
                    world.sent(path, tag, vec![chunk]);
                } else {
                    world.received(path, tag, vec![chunk]);
                }
            };
            send(world, there, tag, frames::heartbeat(&info));
            world.now = world.now + ms(1);
            if answered {
                send(world, !there, back, frames::heartbeat_ack(&info));
            }
        };
        let sides = [Side::Local, Side::Remote];
        for round in 0..3 {
            for (index, side) in (0..).zip(sides) {
                for path in [1, 2] {
                    heartbeat(&mut world, side, path, round * 8 + index * 2 + path, true);
                }
            }
            world.advance(ms(500));
        }
        assert_eq!(world.states(), [Active, Active]);
        for round in 20..25 {
            for (index, side) in (0..).zip(sides) {
                for path in [1, 2] {
                    if silent != Some(side) {
                        heartbeat(&mut world, side, path, round * 8 + index * 2 + path, false);
                    }
                }
            }
            world.advance(ms(500));
        }
        assert_eq!(world.states(), [Inactive, Inactive], "{silent:?}");
        let found = findings(&world, "peer_down");
        let Some((_, Evidence::PeerDown(found))) = found
            .last()
            .map(|(status, finding)| (status, finding.evidence.clone()))
        else {
            panic!("{silent:?}: {found:?}");
        };
        assert_eq!(
            found.silent.as_ref().map(|silent| silent.side),
            silent,
            "{found:?}"
        );
        world.advance(ms(2_000));
        let incidents = incidents(&world);
        let (_, incident) = incidents.last().unwrap();
        let named = match silent {
            Some(Side::Local) => "; nothing comes from 10.1.0.1, 10.2.0.1 any more",
            Some(Side::Remote) => "; nothing comes from 10.1.0.2, 10.2.0.2 any more",
            None => "inactive",
        };
        assert!(
            incident.reason.ends_with(named),
            "{silent:?}: {}",
            incident.reason
        );
    }
}

#[test]
fn a_peer_with_a_path_left_is_not_down() {
    let mut world = World::with_two_paths();
    let crossing = |chunk, tag| Packet::v4(tag, vec![chunk]).between("10.1.0.1", "10.2.0.2");
    let answered = |world: &mut World, info: u8| {
        world.packet(&crossing(frames::heartbeat(&[info; 40]), REMOTE_TAG), 1, true);
        let ack = Packet::v4(LOCAL_TAG, vec![frames::heartbeat_ack(&[info; 40])]);
        world.packet(&ack.between("10.2.0.2", "10.1.0.1"), 1, false);
    };
    for round in 0..5 {
        answered(&mut world, 100 + round);
        world.heartbeat(1);
        world.heartbeat(2);
        world.advance(ms(1_000));
    }
    assert_eq!(world.states(), [Inactive, Inactive]);
    assert_eq!(statuses(&world, "peer_down"), []);
    let kinds: Vec<_> = incidents(&world)
        .iter()
        .map(|(_, incident)| incident.finding)
        .collect();
    assert!(
        kinds.iter().all(|kind| *kind == FindingKind::PathDown),
        "{kinds:?}"
    );
}

#[test]
fn one_path_down_is_no_peer_down() {
    let mut world = broken();
    world.advance(ms(30_000));
    assert_eq!(statuses(&world, "peer_down"), []);
}

#[test]
fn a_link_that_is_down_is_one_and_nothing_else() {
    let mut world = World::with_two_paths();
    world.nic(NIC, "ens1", NicState::Up);
    world.nic(NIC, "ens1", NicState::Down);
    world.heartbeat(1);
    world.advance(ms(10_000));
    assert_eq!(opened(&world), ["link_down"]);
    let reported = incidents(&world);
    let [(Opened, incident)] = reported.as_slice() else {
        panic!("{reported:?}");
    };
    assert_eq!(incident.scope.kind, ScopeKind::Interface);
    assert_eq!(incident.scope.interface.as_deref(), Some("ens1"));
    assert_eq!((incident.finding, incident.members), (FindingKind::LinkDown, 1));
    world.nic(NIC, "ens1", NicState::Up);
    heals(&mut world);
    assert_eq!(statuses(&world, "link_down"), [Opened, Closed]);
    assert_eq!(left_open(&world.events), 0);
}

#[test]
fn a_path_that_stays_dead_when_its_link_is_back_is_a_path_down() {
    let mut world = World::with_two_paths();
    world.nic(NIC, "ens1", NicState::Down);
    world.advance(ms(1_000));
    world.nic(NIC, "ens1", NicState::Up);
    for _ in 0..3 {
        world.heartbeat(1);
        world.advance(ms(1_000));
    }
    assert_eq!(statuses(&world, "link_down"), [Opened, Closed]);
    assert_eq!(statuses(&world, "path_down"), [Opened]);
    assert_eq!(incidents(&world).last().unwrap().1.members, 1);
    heals(&mut world);
    assert_eq!(left_open(&world.events), 0);
}

#[test]
fn local_links_that_are_all_down_do_not_accuse_the_peer() {
    let mut world = World::with_two_paths();
    for (nic, name) in [(NIC, "ens1"), (NIC + 1, "ens2")] {
        world.nic(nic, name, NicState::Gone);
    }
    world.advance(ms(3_000));
    assert_eq!(opened(&world), ["link_down", "link_down"]);
}

#[test]
fn findings_end_with_their_association() {
    let mut world = broken();
    for _ in 0..4 {
        world.heartbeat(2);
        world.advance(ms(1_000));
    }
    assert_eq!(opened(&world), ["path_down", "path_down", "peer_down"]);
    world.received(2, LOCAL_TAG, vec![frames::abort(false)]);
    world.sweep();
    assert_eq!(left_open(&world.events), 0);
    assert_eq!(world.engine().incidents().count(), 0);
}
