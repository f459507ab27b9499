//! When packets leave on two paths at once, what is concluded then, and when they no longer do.

use sctp_monitor_common::abi::{Announcement, ProbeInfo};
use sctp_monitor_engine::{
    config::{ProbeConfig, ProbeMode},
    model::SteeringProspect,
};

use super::*;
use crate::probing::{Net, world_that_probes};

/// A host whose messages leave every 50 ms on path 1, and an agent at the other end.
struct Pair {
    net: Net,
    /// What the agent there says.
    peer: Option<Announcement>,
    next: u32,
    /// Messages that arrived on no path.
    lost: u32,
    /// How many paths each message of late left on.
    copies: usize,
}

const WOULD: Announcement = Announcement {
    would_copy: true,
    copies: false,
};
const DOES: Announcement = Announcement {
    would_copy: true,
    copies: true,
};

impl Pair {
    fn new(steering: Steering, peer: Option<Announcement>) -> Self {
        let mut net = Net::of(world_that_probes(Config {
            probe: ProbeConfig {
                mode: ProbeMode::Continuous,
                ..ProbeConfig::default()
            },
            steering,
            ..Config::default()
        }));
        for path in [1, 2] {
            net.heartbeat(path);
        }
        let mut pair = Self {
            net,
            peer,
            next: 1,
            lost: 0,
            copies: 0,
        };
        pair.run(ms(3_000));
        assert_eq!(pair.net.world.states(), [Active, Active]);
        pair
    }

    fn both(peer: Option<Announcement>) -> Self {
        Self::new(copying(), peer)
    }

    fn run(&mut self, duration: Duration) {
        for _ in 0..duration.as_millis() / 50 {
            self.step();
        }
    }

    /// 50 ms: a message each way, and every second time a probe of the other agent on each path.
    fn step(&mut self) {
        let tsn = self.next;
        self.next += 1;
        let world = &mut self.net.world;
        let carriers = world.sent_on(1, REMOTE_TAG, vec![frames::data(tsn, 100)]);
        self.copies = carriers.len();
        let arrived: Vec<_> = carriers
            .into_iter()
            .filter(|path| self.net.works[usize::from(*path) - 1])
            .collect();
        self.lost += u32::from(arrived.is_empty());
        self.net.run(ms(1));
        let comes_twice = self.peer.is_some_and(|peer| peer.copies);
        for path in [1, 2] {
            let world = &mut self.net.world;
            let works = self.net.works[usize::from(path) - 1];
            if works && !arrived.is_empty() && (comes_twice || arrived.first() == Some(&path)) {
                world.sack(path, tsn);
            }
            if works && (comes_twice || path == 1) {
                world.received(path, LOCAL_TAG, vec![frames::data(tsn, 100)]);
            }
            if let Some(says) = self.peer.filter(|_| works && tsn.is_multiple_of(2)) {
                world.received(
                    path,
                    LOCAL_TAG,
                    vec![frames::heartbeat(&probe_of_peer(tsn, says))],
                );
            }
        }
        self.net.run(ms(49));
    }

    fn said(&mut self) -> Vec<EventKind> {
        steering_of(&mut self.net.world)
    }

    /// By the NIC that the host sends by.
    fn orders(&self) -> Vec<SteerOrder> {
        let mut orders = orders(&self.net.world);
        orders.sort_unstable_by_key(|order| order.from_if_index);
        orders
    }

    fn modes(&self) -> Vec<u32> {
        self.orders().iter().map(|order| order.mode).collect()
    }

    fn prospect(&mut self, path: u8) -> SteeringProspect {
        let world = &mut self.net.world;
        let association = world.engine().associations().next().unwrap().id();
        world.session.ask_ways(association, world.now);
        world.sweep();
        let (engine, now) = (world.engine(), world.now);
        let mut prospects = engine.steering_prospects(association, now).unwrap().into_iter();
        prospects
            .find(|known| known.path == World::path_id(path))
            .unwrap()
    }

    fn ask(&mut self, path: u8, is_wanted: bool) -> Result<(), SteeringObstacle> {
        let world = &mut self.net.world;
        let association = world.engine().associations().next().unwrap().id();
        let done = world
            .session
            .handle_steering(association, World::path_id(path), is_wanted, world.now);
        world.sweep();
        done
    }
}

fn copying() -> Steering {
    Steering {
        mode: SteeringMode::Both,
        ..Steering::default()
    }
}

/// The Heartbeat Info of a probe of the agent at the other end, under a key of its own.
fn probe_of_peer(sequence: u32, says: Announcement) -> Vec<u8> {
    let probe = ProbeInfo {
        index: 1,
        generation: 1,
        sequence,
        sent_at_ns: 1,
    };
    probe.to_bytes([8, 9], REMOTE_TAG, says).to_vec()
}

fn began(path: u8, onto: u8) -> EventKind {
    EventKind::SteeringStarted {
        path: World::path_id(path),
        onto: World::path_id(onto),
        mode: SteeringMode::Both,
        cause: SteeringCause::Always,
    }
}

/// What is wrong with the association and its paths, by name.
fn findings(pair: &Pair) -> Vec<String> {
    let snapshot = pair.net.world.engine().snapshot(pair.net.world.now, |_| None);
    let association = &snapshot.associations[0];
    let of_paths = association.paths.iter().flat_map(|path| &path.findings);
    let all = association.findings.iter().chain(of_paths);
    all.map(|finding| format!("{:?}", finding.evidence)).collect()
}

#[test]
fn packets_leave_on_both_paths_as_soon_as_the_other_end_would_send_so() {
    let mut pair = Pair::both(None);
    assert_eq!((pair.said(), pair.orders()), (vec![], vec![]), "nobody is there");
    assert_eq!(pair.net.says, WOULD);
    pair.peer = Some(WOULD);
    pair.run(ms(2_000));
    assert_eq!(pair.said(), [began(1, 2), began(2, 1)]);
    assert_eq!(pair.copies, 2);
    assert_eq!(pair.net.says, DOES);
    let [of_1, of_2] = pair.orders()[..] else {
        panic!("an order for each path")
    };
    assert_eq!(of_1.mode, SteerMode::Both as u32);
    assert_eq!(
        (of_1.from_if_index, of_1.if_index, of_1.moves_segmented),
        (NIC, NIC + 1, 0)
    );
    assert_eq!((of_2.from_if_index, of_2.if_index), (NIC + 1, NIC));
    pair.peer = Some(DOES);
    pair.run(ms(60_000));
    assert_eq!(pair.said(), []);
    assert_eq!(findings(&pair), [""; 0]);
    let seen = view(&pair.net.world, 1).unwrap();
    assert!(seen.counts.packets > 1_200, "{seen:?}");
    let moved = |event: &EventKind| matches!(event, EventKind::DataMoved { .. });
    assert!(!kinds(&pair.net.world).iter().any(moved));
}

#[test]
fn a_path_that_fails_then_is_found_by_probes_and_nothing_is_lost() {
    for failing in [1, 2] {
        let mut pair = Pair::both(Some(DOES));
        pair.run(ms(3_000));
        assert_eq!(pair.copies, 2);
        pair.said();
        pair.lost = 0;
        pair.net.works[failing - 1] = false;
        pair.run(ms(1_000));
        let mut states = [Active; 2];
        states[failing - 1] = Inactive;
        assert_eq!(pair.net.world.states(), states);
        pair.run(ms(120_000));
        assert_eq!(
            pair.net.world.states(),
            states,
            "what arrives by the other one is no sign of it"
        );
        assert_eq!((pair.lost, pair.copies), (0, 2));
        assert_eq!(pair.said(), [], "packets leave as before");
        let whole: Vec<_> = pair.orders().iter().map(|order| order.moves_segmented).collect();
        assert_eq!(whole, [u32::from(failing == 1), u32::from(failing == 2)]);
        pair.net.works[failing - 1] = true;
        pair.run(ms(5_000));
        assert_eq!(pair.net.world.states(), [Active, Active]);
        // Now the other one.
        pair.net.works[2 - failing] = false;
        pair.run(ms(5_000));
        states.reverse();
        assert_eq!(pair.net.world.states(), states);
        assert_eq!((pair.lost, pair.copies), (0, 2));
        assert_eq!(pair.said(), []);
    }
}

/// Retransmissions on another path would be taken for copies.
#[test]
fn an_agent_that_steers_nothing_takes_nothing_for_a_copy_after_one_that_did() {
    let mut pair = Pair::both(Some(DOES));
    assert_eq!(pair.net.world.store.copied(), 4);
    pair.net.world.restart_as(Config::default());
    pair.net.world.sweep();
    assert_eq!(pair.net.world.store.copied(), 0);
}

#[test]
fn packets_of_a_failed_path_are_moved_when_the_other_end_stops() {
    let mut pair = Pair::both(Some(DOES));
    pair.run(ms(3_000));
    pair.said();
    pair.peer = None;
    pair.run(ms(5_000));
    let ends: Vec<_> = pair.said().iter().filter_map(end_of).collect();
    assert_eq!(ends, [SteeringEnd::PeerStopped; 2]);
    assert_eq!((pair.copies, pair.orders()), (1, vec![]));
    pair.peer = Some(DOES);
    pair.run(ms(3_000));
    pair.net.works[0] = false;
    pair.run(ms(2_000));
    pair.said();
    pair.lost = 0;
    pair.peer = None;
    pair.run(ms(5_000));
    let said = pair.said();
    assert!(said.contains(&started(1, 2, SteeringMode::Move)), "{said:?}");
    assert_eq!(pair.modes(), [SteerMode::Move as u32]);
    assert_eq!(pair.lost, 0);
}

#[test]
fn what_stands_in_the_way_is_said() {
    let mut pair = Pair::both(None);
    pair.run(ms(20_000));
    assert_eq!(pair.said(), []);
    pair.run(ms(60_000));
    let refused = |obstacle| EventKind::SteeringRefused {
        path: World::path_id(1),
        obstacle,
    };
    assert_eq!(pair.said(), [refused(SteeringObstacle::PeerDoesNotCopy)], "once");
    let prospect = pair.prospect(1);
    assert_eq!(prospect.onto, Some(World::path_id(2)));
    assert_eq!(prospect.not_copied, Some(SteeringObstacle::PeerDoesNotCopy));
    // Meanwhile a path that fails is moved.
    pair.net.works[0] = false;
    pair.run(ms(3_000));
    assert_eq!(pair.said(), [started(1, 2, SteeringMode::Move)]);

    let slow = Steering {
        longest_rtt: Duration::from_micros(500),
        ..copying()
    };
    let mut pair = Pair::new(slow, Some(WOULD));
    pair.run(ms(60_000));
    assert_eq!(pair.said(), [refused(SteeringObstacle::RttTooLong)], "once");
    assert_eq!(pair.net.says, Announcement::default(), "it would not");
    assert_eq!(pair.prospect(1).not_copied, Some(SteeringObstacle::RttTooLong));

    let mut pair = Pair::both(Some(WOULD));
    pair.run(ms(3_000));
    assert_eq!(pair.prospect(1).not_copied, None);
}

#[test]
fn one_end_alone_copies_only_if_it_is_told_to() {
    let alone = Steering {
        copies_alone: true,
        ..copying()
    };
    let mut pair = Pair::new(alone, None);
    pair.run(ms(2_000));
    assert_eq!(pair.copies, 2);
    assert_eq!(findings(&pair), [""; 0]);
}

#[test]
fn packets_are_not_taken_back_while_the_other_path_alone_carries_them() {
    let mut pair = Pair::both(Some(DOES));
    pair.run(ms(3_000));
    pair.net.works[0] = false;
    pair.run(ms(2_000));
    pair.said();
    assert_eq!(pair.ask(1, false), Err(SteeringObstacle::CarriesAlone));
    pair.run(ms(10_000));
    assert_eq!((pair.said(), pair.copies), (vec![], 2));
    pair.net.works[0] = true;
    pair.run(ms(3_000));
    let ends: Vec<_> = pair.said().iter().filter_map(end_of).collect();
    assert_eq!((ends, pair.copies), (vec![SteeringEnd::Operator], 1));
    pair.run(ms(10_000));
    assert_eq!(pair.said(), [], "left alone");
    assert_eq!(pair.ask(1, true), Ok(()));
    pair.run(ms(1_000));
    assert_eq!((pair.said(), pair.copies), (vec![began(1, 2)], 2));
    // The same if all is paused.
    pair.net.works[0] = false;
    pair.run(ms(2_000));
    let now = pair.net.world.now;
    pair.net.world.session.handle_steering_pause(true, now);
    pair.run(ms(2_000));
    assert_eq!(pair.copies, 2);
    let ends: Vec<_> = pair.said().iter().filter_map(end_of).collect();
    assert_eq!(ends, [SteeringEnd::Operator], "path 2 carries its own");
    pair.net.works[0] = true;
    pair.run(ms(3_000));
    let ends: Vec<_> = pair.said().iter().filter_map(end_of).collect();
    assert_eq!((ends, pair.orders()), (vec![SteeringEnd::Operator], vec![]));
}
