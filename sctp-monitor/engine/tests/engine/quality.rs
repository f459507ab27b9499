//! Paths that carry something, but not well: loss, delay, and packets too large for them.

use std::collections::VecDeque;

use sctp_monitor_engine::config::Vantage;
use sctp_monitor_engine::model::{Direction, Evidence, GreyLoss, PathMtuBlackHole, PathState, Status};
use sctp_monitor_testkit::{
    frames,
    world::{LOCAL_TAG, REMOTE_TAG, World, ms},
};

use crate::{
    paths::traffic,
    reports::{findings, left_open, opened, statuses},
};
use Status::{Closed, Opened};

/// Losses by chance, the same in every run.
struct Dice(u64);

impl Dice {
    /// Says yes in so many of a thousand cases.
    fn per_mille(&mut self, share: u64) -> bool {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % 1_000 < share
    }
}

/// Sends 20 messages a second over path 1; those that are lost are sent again, until they arrive.
fn lossy(world: &mut World, tsns: std::ops::Range<u32>, per_mille: u64, dice: &mut Dice) {
    for tsn in tsns {
        world.data(1, tsn);
        while dice.per_mille(per_mille) {
            // The peer goes on acknowledging what came before, and asks for the missing one.
            world.advance(ms(25));
            world.data(1, tsn);
        }
        world.now = world.now + ms(1);
        world.sack(1, tsn);
        world.advance(ms(49));
    }
}

#[test]
fn a_fifth_of_loss_is_reported_within_ten_seconds_and_its_end_too() {
    let mut world = World::with_two_paths();
    let mut dice = Dice(7);
    lossy(&mut world, 1..1_200, 0, &mut dice);
    assert_eq!(opened(&world), [""; 0]);
    let began = world.now;
    lossy(&mut world, 1_200..1_400, 200, &mut dice);
    let found = findings(&world, "grey_loss");
    let (Opened, finding) = found[0] else {
        panic!("{found:?}");
    };
    let after = finding.since.since(began);
    assert!(after <= ms(10_000), "{after:?}");
    let Evidence::GreyLoss(GreyLoss { direction, rate }) = &finding.evidence else {
        panic!("{finding:?}");
    };
    assert_eq!(*direction, Direction::Forward);
    assert!((15.0..=25.0).contains(&rate.percent), "{rate:?}");
    lossy(&mut world, 1_400..2_400, 200, &mut dice);
    let updates = statuses(&world, "grey_loss");
    assert!(!updates.contains(&Closed), "{updates:?}");
    assert!(updates.len() < 12, "{updates:?}");
    let (_, last) = *findings(&world, "grey_loss").last().unwrap();
    let Evidence::GreyLoss(GreyLoss { rate, .. }) = &last.evidence else {
        panic!("{last:?}");
    };
    assert!((14.0..=26.0).contains(&rate.percent), "{rate:?}");
    lossy(&mut world, 2_400..3_200, 0, &mut dice);
    assert_eq!(statuses(&world, "grey_loss").last(), Some(&Closed));
    assert_eq!(left_open(&world.events), 0);
    assert!(opened(&world).iter().all(|name| *name == "grey_loss"));
}

#[test]
fn one_percent_is_never_reported() {
    let mut world = World::with_two_paths();
    lossy(&mut world, 1..12_000, 10, &mut Dice(3));
    assert_eq!(opened(&world), [""; 0]);
}

/// The peer's DATA on path 1, of which some comes late because it was lost before.
#[derive(Default)]
struct FromPeer {
    lost: VecDeque<u32>,
}

impl FromPeer {
    fn send(&mut self, world: &mut World, tsn: u32, per_mille: u64, dice: &mut Dice) {
        if dice.per_mille(per_mille) {
            self.lost.push_back(tsn);
        } else {
            world.received(1, LOCAL_TAG, vec![frames::data(tsn, 100)]);
        }
        if let Some(again) = self.lost.front().copied().filter(|lost| lost + 4 <= tsn) {
            self.lost.pop_front();
            world.received(1, LOCAL_TAG, vec![frames::data(again, 100)]);
        }
    }
}

#[test]
fn loss_of_what_the_peer_sends_is_told_apart() {
    let mut world = World::with_two_paths();
    let (mut peer, mut dice) = (FromPeer::default(), Dice(5));
    for tsn in 1..600 {
        let per_mille = if tsn > 100 { 200 } else { 0 };
        peer.send(&mut world, tsn, per_mille, &mut dice);
        world.advance(ms(50));
    }
    let found = findings(&world, "grey_loss");
    let Evidence::GreyLoss(GreyLoss { direction, .. }) = found[0].1.evidence else {
        panic!("{found:?}");
    };
    assert_eq!(direction, Direction::Return);
}

#[test]
fn loss_in_both_directions_ends_for_each_of_them() {
    let mut world = World::with_two_paths();
    let (mut peer, mut dice) = (FromPeer::default(), Dice(9));
    let mut both = |world: &mut World, tsns: std::ops::Range<u32>, sent: u64, received: u64| {
        for tsn in tsns {
            peer.send(world, tsn, received, &mut dice);
            lossy(world, tsn..tsn + 1, sent, &mut dice);
        }
    };
    both(&mut world, 1..400, 200, 200);
    assert_eq!(opened(&world), ["grey_loss"; 2]);
    both(&mut world, 400..1_000, 0, 200);
    let closed: Vec<_> = findings(&world, "grey_loss")
        .into_iter()
        .filter(|(status, _)| *status == Closed)
        .map(|(_, finding)| match finding.evidence {
            Evidence::GreyLoss(GreyLoss { direction, .. }) => direction,
            _ => panic!("{finding:?}"),
        })
        .collect();
    assert_eq!(closed, [Direction::Forward]);
    both(&mut world, 1_000..1_600, 0, 0);
    assert_eq!(left_open(&world.events), 0);
}

/// Sends pairs of messages over path 1, acknowledged after `rtt`.
fn pairs(world: &mut World, tsns: std::ops::Range<u32>, rtt: u64) {
    for tsn in tsns.step_by(2) {
        world.data(1, tsn);
        world.data(1, tsn + 1);
        world.now = world.now + ms(rtt);
        world.sack(1, tsn + 1);
        world.advance(ms(100 - rtt));
    }
}

#[test]
fn a_path_that_becomes_slow_is_reported_with_what_it_was() {
    let mut world = World::with_two_paths();
    pairs(&mut world, 1..401, 5);
    assert_eq!(opened(&world), [""; 0]);
    pairs(&mut world, 401..1_601, 60);
    let found = findings(&world, "latency_degraded");
    let [(Opened, finding)] = found.as_slice() else {
        panic!("{found:?}");
    };
    let Evidence::LatencyDegraded(slow) = finding.evidence else {
        panic!("{finding:?}");
    };
    assert_eq!((slow.rtt, slow.baseline), (ms(60), ms(5)));
    pairs(&mut world, 1_601..1_801, 5);
    let (last, _) = *findings(&world, "latency_degraded").last().unwrap();
    assert_eq!(last, Closed);
    assert_eq!(left_open(&world.events), 0);
    assert_eq!(opened(&world), ["latency_degraded"]);
}

/// Sends groups of so many messages over path 1, 10 ms apart, and has the whole group acknowledged 10 ms after the last.
fn groups(world: &mut World, tsns: std::ops::Range<u32>, size: u32) {
    for first in tsns.step_by(size as usize) {
        for tsn in first..first + size {
            world.data(1, tsn);
            world.advance(ms(10));
        }
        world.sack(1, first + size - 1);
        world.advance(ms(400));
    }
}

#[test]
fn answers_that_come_later_than_they_used_to_are_slow_until_they_come_as_soon_again() {
    let mut world = World::with_two_paths();
    groups(&mut world, 1..41, 2);
    assert_eq!(opened(&world), [""; 0]);
    // 20 ms more until every second message is acknowledged.
    groups(&mut world, 41..241, 4);
    let found = findings(&world, "latency_degraded");
    let [(Opened, finding)] = found.as_slice() else {
        panic!("{found:?}");
    };
    let Evidence::LatencyDegraded(slow) = finding.evidence else {
        panic!("{finding:?}");
    };
    assert_eq!((slow.rtt, slow.baseline), (ms(30), ms(10)));
    groups(&mut world, 241..281, 2);
    assert_eq!(left_open(&world.events), 0);
    assert_eq!(opened(&world), ["latency_degraded"]);
}

#[test]
fn an_idle_path_that_becomes_slow_is_noticed_by_heartbeats() {
    let mut world = World::with_two_paths();
    for _ in 0..12 {
        world.heartbeat_answered(1, ms(5));
        world.advance(ms(30_000));
    }
    for _ in 0..12 {
        world.heartbeat_answered(1, ms(60));
        world.advance(ms(30_000));
    }
    assert_eq!(
        findings(&world, "latency_degraded")[0].0,
        Opened,
        "{:?}",
        world.events
    );
}

/// Small messages pass over path 1, large ones are lost there and arrive over path 2.
fn large_is_lost(world: &mut World, tsns: std::ops::Range<u32>) {
    for tsn in tsns.step_by(2) {
        world.data(1, tsn);
        world.now = world.now + ms(1);
        world.sack(1, tsn);
        world.advance(ms(49));
        world.sent(1, REMOTE_TAG, vec![frames::data(tsn + 1, 1_400)]);
        world.advance(ms(100));
        world.sent(2, REMOTE_TAG, vec![frames::data(tsn + 1, 1_400)]);
        world.now = world.now + ms(1);
        world.sack(2, tsn + 1);
        world.advance(ms(49));
    }
}

#[test]
fn large_packets_that_never_pass_are_a_black_hole_with_its_sizes() {
    let mut world = World::with_two_paths();
    traffic(&mut world, 1, 1..21, true);
    large_is_lost(&mut world, 21..41);
    let found = findings(&world, "path_mtu_black_hole");
    let (Opened, finding) = found[0] else {
        panic!("{found:?}");
    };
    let Evidence::PathMtuBlackHole(PathMtuBlackHole {
        lost_bytes: Some(lost),
        passed_bytes: Some(passed),
        path_mtu: None,
        ..
    }) = finding.evidence
    else {
        panic!("{finding:?}");
    };
    assert!(lost > 1_400 && passed < 200, "{lost} {passed}");
    large_is_lost(&mut world, 41..631);
    assert_eq!(opened(&world), ["path_mtu_black_hole"], "it is not random loss");
    // The MTU was corrected.
    for tsn in (631..651).step_by(2) {
        world.sent(1, REMOTE_TAG, vec![frames::data(tsn, 1_400)]);
        world.data(1, tsn + 1);
        world.now = world.now + ms(1);
        world.sack(1, tsn + 1);
        world.advance(ms(49));
    }
    assert_eq!(statuses(&world, "path_mtu_black_hole").last(), Some(&Closed));
    world.advance(ms(1_000));
    traffic(&mut world, 1, 651..1_300, true);
    assert_eq!(left_open(&world.events), 0, "{:?}", world.events.last());
}

/// Some kind of stuck association: for so many seconds a message a second arrives and is acknowledged by gap ack blocks, while
/// the first large one, with TSN `stuck`, never does.
struct Stuck {
    /// The large packets go from the local endpoint.
    forward: bool,
    /// They pass the place of the monitor before they are lost.
    seen: bool,
    seconds: u32,
    small: usize,
}

impl Stuck {
    fn run(&self, world: &mut World) {
        let stuck = 21;
        let (to, back) = if self.forward {
            (REMOTE_TAG, LOCAL_TAG)
        } else {
            (LOCAL_TAG, REMOTE_TAG)
        };
        for second in 0..self.seconds {
            // Time-outs of RTO.Min: each acknowledgement restarts T3-rtx.
            if self.seen {
                self.send(world, self.forward, to, frames::data(stuck, 1_436));
            }
            world.advance(ms(500));
            let newer = stuck + 1 + second;
            self.send(world, self.forward, to, frames::data(newer, self.small));
            world.advance(ms(6));
            let blocks = [(2, (newer - stuck + 1) as u16)];
            self.send(world, !self.forward, back, frames::sack(stuck - 1, &blocks));
            world.advance(ms(494));
        }
    }

    fn send(&self, world: &mut World, forward: bool, tag: u32, chunk: Vec<u8>) {
        if forward {
            world.sent(1, tag, vec![chunk]);
        } else {
            world.received(1, tag, vec![chunk]);
        }
    }
}

#[test]
fn a_tsn_that_never_gets_through_is_a_black_hole_from_either_side() {
    for (forward, seen, vantage) in [
        (true, true, Vantage::Endpoint),
        (false, false, Vantage::Endpoint),
        (true, true, Vantage::Gateway),
        (false, true, Vantage::Gateway),
        (true, false, Vantage::Gateway),
        (false, false, Vantage::Gateway),
    ] {
        for small in [20, 100, 1_000] {
            let what = format!("forward {forward}, seen {seen}, {vantage:?}, {small} bytes");
            let mut world = World::new(vantage);
            world.handshake();
            world.heartbeat_answered(1, ms(1));
            let (from, to) = if forward {
                (LOCAL_TAG, REMOTE_TAG)
            } else {
                (REMOTE_TAG, LOCAL_TAG)
            };
            let stuck = Stuck {
                forward,
                seen,
                seconds: 16,
                small,
            };
            for tsn in 1..21 {
                stuck.send(&mut world, forward, to, frames::data(tsn, small));
                world.advance(ms(5));
                stuck.send(&mut world, !forward, from, frames::sack(tsn, &[]));
                world.advance(ms(95));
            }
            stuck.run(&mut world);
            let found = findings(&world, "path_mtu_black_hole");
            let Some((Opened, finding)) = found.first() else {
                panic!("{what}: {:?}", world.events);
            };
            let Evidence::PathMtuBlackHole(hole) = finding.evidence else {
                panic!("{finding:?}");
            };
            let direction = if forward {
                Direction::Forward
            } else {
                Direction::Return
            };
            assert_eq!(hole.direction, direction, "{what}");
            let lost = seen.then_some(1_484);
            assert_eq!(hole.lost_bytes, lost, "{what}");
            assert_eq!(hole.missing_tsn, (!seen).then_some(21), "{what}");
            assert_eq!(hole.passed_bytes, Some(small as u32 + 48), "{what}");
            assert_eq!(opened(&world), ["path_mtu_black_hole"], "{what}");
        }
    }
}

#[test]
fn what_comes_late_does_arrive() {
    let mut world = World::with_two_paths();
    // Each tenth packet of the peer is lost once and comes a second late: the cumulative TSN ack stands still most of the time.
    for tsn in 1..400_u32 {
        if !tsn.is_multiple_of(10) {
            world.received(1, LOCAL_TAG, vec![frames::data(tsn, 100)]);
        }
        let is_late = |lost: &u32| lost + 18 > tsn;
        let missing = (10..).step_by(10).find(is_late).unwrap();
        if tsn >= 28 && tsn % 10 == 8 {
            world.received(1, LOCAL_TAG, vec![frames::data(tsn - 18, 100)]);
        }
        let highest = if tsn.is_multiple_of(10) { tsn - 1 } else { tsn };
        let cum = highest.min(missing - 1);
        let blocks = [(2, (highest - cum) as u16)];
        let blocks = if highest > missing { &blocks[..] } else { &[] };
        world.sent(1, REMOTE_TAG, vec![frames::sack(cum, blocks)]);
        world.advance(ms(100));
    }
    assert!(
        !opened(&world).contains(&"path_mtu_black_hole"),
        "{:?}",
        opened(&world)
    );
}

#[test]
fn data_that_is_never_acknowledged_beside_answered_heartbeats_is_a_black_hole() {
    let mut world = World::with_two_paths();
    traffic(&mut world, 1, 1..41, true);
    for round in 0..5 {
        let from = 41 + round * 20;
        traffic(&mut world, 1, from..from + 20, false);
        // The sender tries again, as it must.
        world.data(1, 41);
        world.heartbeat_answered(1, ms(1));
    }
    assert_eq!(statuses(&world, "path_mtu_black_hole").first(), Some(&Opened));
    assert_ne!(world.state(1), PathState::Active);
    world.sack(1, 140);
    traffic(&mut world, 1, 141..201, true);
    assert_eq!(world.state(1), PathState::Active);
    assert_eq!(statuses(&world, "path_mtu_black_hole").last(), Some(&Closed));
    assert_eq!(left_open(&world.events), 0);
}

#[test]
fn a_path_that_healed_is_no_black_hole() {
    for heartbeat_first in [true, false] {
        let mut world = World::with_two_paths();
        traffic(&mut world, 1, 1..41, true);
        traffic(&mut world, 1, 41..61, false);
        world.heartbeat(1);
        world.advance(ms(3_000));
        if heartbeat_first {
            world.heartbeat_answered(1, ms(1));
            world.advance(ms(300));
        }
        // The sender's retransmission time-out ends, and it goes on where it stood.
        for tsn in 41..61 {
            world.data(1, tsn);
            world.now = world.now + ms(1);
            world.sack(1, tsn);
            world.advance(ms(20));
        }
        traffic(&mut world, 1, 61..201, true);
        assert_eq!(statuses(&world, "path_mtu_black_hole"), [], "{heartbeat_first}");
        assert_eq!(world.state(1), PathState::Active);
        assert_eq!(left_open(&world.events), 0);
    }
}

#[test]
fn data_that_waits_for_a_doubled_time_out_is_no_black_hole() {
    let mut world = World::with_two_paths();
    traffic(&mut world, 1, 1..41, true);
    traffic(&mut world, 1, 41..51, false);
    world.data(1, 41); // the first time-out
    world.advance(ms(500));
    assert_eq!(world.state(1), PathState::Inactive);
    // The path heals, a heartbeat tells, and the sender waits for its time-out all the same.
    world.heartbeat_answered(1, ms(1));
    world.advance(ms(6_000));
    assert_eq!(world.state(1), PathState::PotentiallyFailed);
    assert_eq!(statuses(&world, "path_mtu_black_hole"), []);
    world.data(1, 41);
    world.sack(1, 50);
    traffic(&mut world, 1, 51..101, true);
    assert_eq!(world.state(1), PathState::Active);
    assert_eq!(statuses(&world, "path_mtu_black_hole"), []);
    assert_eq!(left_open(&world.events), 0);
}

/// DATA goes missing after each heartbeat that is answered, so many times, and moves to path 2 each time.
fn lost_between_heartbeats(times: u32) -> World {
    let mut world = World::with_two_paths();
    for tsn in 1..=60 {
        world.data(1, tsn);
        world.advance(ms(1));
        world.sack(1, tsn);
        world.advance(ms(100));
    }
    for tsn in 61..61 + times {
        world.data(1, tsn);
        world.advance(ms(400));
        world.data(2, tsn);
        world.advance(ms(1));
        world.sack(2, tsn);
        world.advance(ms(300));
        world.heartbeat_answered(1, ms(1));
        world.advance(ms(300));
    }
    world
}

#[test]
fn heartbeats_that_pass_beside_two_lost_chunks_are_no_black_hole() {
    assert_eq!(opened(&lost_between_heartbeats(2)), [""; 0]);
    assert_eq!(opened(&lost_between_heartbeats(4)), ["path_mtu_black_hole"]);
}
