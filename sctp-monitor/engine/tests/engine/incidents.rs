//! Failures that have one cause are one incident.

use std::time::Duration;

use sctp_monitor_engine::{
    config::Vantage,
    model::{ScopeKind, Status},
};
use sctp_monitor_testkit::{
    frames::{self, Packet},
    world::{World, ms},
};

use crate::reports::{findings, incidents, left_open};
use Status::{Closed, Opened, Updated};

/// An association of the local endpoint's two addresses with a peer of its own.
#[derive(Debug, Clone, Copy)]
struct Peer(u16);

impl Peer {
    fn remote(self, path: u8) -> String {
        format!("10.{path}.{}.{}", 1 + self.0 / 200, 1 + self.0 % 200)
    }

    fn sent(self, world: &mut World, path: u8, chunk: Vec<u8>) {
        let packet = Packet::v4(0x7000_0000 + u32::from(self.0), vec![chunk])
            .between(&World::local(path), &self.remote(path))
            .ports(10_000 + self.0, 3_868);
        world.packet(&packet, path, true);
    }

    fn received(self, world: &mut World, path: u8, chunk: Vec<u8>) {
        let packet = Packet::v4(0x1000_0000 + u32::from(self.0), vec![chunk])
            .between(&self.remote(path), &World::local(path))
            .ports(3_868, 10_000 + self.0);
        world.packet(&packet, path, false);
    }

    fn heartbeat(self, world: &mut World, path: u8, number: u32) -> Vec<u8> {
        let info = [number.to_be_bytes(), [path; 4], [0; 4]].concat();
        self.sent(world, path, frames::heartbeat(&info));
        info
    }

    fn answered(self, world: &mut World, path: u8, number: u32) {
        let info = self.heartbeat(world, path, number);
        self.received(world, path, frames::heartbeat_ack(&info));
    }
}

/// So many associations, all of whose paths work.
fn peers(world: &mut World, count: u16) -> Vec<Peer> {
    let peers: Vec<_> = (0..count).map(Peer).collect();
    for round in 0..3 {
        for peer in &peers {
            for path in [1, 2] {
                peer.answered(world, path, round);
            }
        }
        world.advance(ms(100));
    }
    assert_eq!(world.engine().associations().count(), usize::from(count));
    world.events.clear();
    peers
}

/// Heartbeats of these associations on path 1 stay unanswered, `apart` from one to the next, until it is given up.
fn fail(world: &mut World, peers: &[Peer], apart: Duration) {
    for number in 100..104 {
        for peer in peers {
            peer.heartbeat(world, 1, number);
            world.advance(apart);
        }
        world.advance(ms(500));
    }
}

fn heal(world: &mut World, peers: &[Peer]) {
    for peer in peers {
        peer.answered(world, 1, 200);
    }
    world.advance(ms(1_000));
}

#[test]
fn five_hundred_associations_over_one_dead_link_are_one_incident() {
    let mut world = World::new(Vantage::Endpoint);
    let peers = peers(&mut world, 500);
    fail(&mut world, &peers, ms(1));
    world.advance(ms(1_000));
    let reported = incidents(&world);
    assert_eq!(reported[0].0, Opened);
    assert!(reported[1..].iter().all(|(status, _)| *status == Updated));
    assert!(reported.len() <= 8, "{} reports", reported.len());
    let last = reported.last().unwrap().1;
    assert_eq!((last.members, last.associations), (500, 500));
    assert_eq!(last.scope.kind, ScopeKind::LocalAddress);
    assert_eq!(last.scope.local, Some(World::local(1).parse().unwrap()));
    let downs = findings(&world, "path_down");
    assert!(downs.iter().all(|(_, finding)| finding.incident == Some(last.id)));
    heal(&mut world, &peers);
    let reported = incidents(&world);
    let closed: Vec<_> = reported.iter().filter(|(status, _)| *status == Closed).collect();
    assert_eq!(closed.len(), 1);
    assert_eq!((closed[0].1.members, closed[0].1.most_members), (0, 500));
    assert_eq!(left_open(&world.events), 0);
}

#[test]
fn failures_that_share_nothing_are_two_incidents() {
    let mut world = World::new(Vantage::Endpoint);
    let peers = peers(&mut world, 2);
    for number in 100..104 {
        peers[0].heartbeat(&mut world, 1, number);
        peers[1].heartbeat(&mut world, 2, number);
        world.advance(ms(500));
    }
    let ids: Vec<_> = incidents(&world)
        .into_iter()
        .map(|(status, incident)| (status, incident.members))
        .collect();
    assert_eq!(ids, [(Opened, 1), (Opened, 1)]);
    heal(&mut world, &peers[..1]);
    assert_eq!(world.engine().incidents().count(), 1);
    peers[1].answered(&mut world, 2, 200);
    world.advance(ms(1_000));
    assert_eq!(left_open(&world.events), 0);
}

#[test]
fn all_paths_to_one_peer_are_one_incident() {
    let mut world = World::new(Vantage::Endpoint);
    let peers = peers(&mut world, 3);
    for number in 100..104 {
        for path in [1, 2] {
            peers[1].heartbeat(&mut world, path, number);
        }
        world.advance(ms(500));
    }
    let views: Vec<_> = world.engine().incidents().collect();
    assert_eq!(views.len(), 1);
    assert_eq!(views[0].scope.kind, ScopeKind::Peer);
    assert_eq!((views[0].members, views[0].associations), (2, 1));
}

#[test]
fn an_idle_path_that_fails_later_without_a_sign_of_life_joins() {
    let mut world = World::new(Vantage::Endpoint);
    let peers = peers(&mut world, 2);
    fail(&mut world, &peers[..1], ms(0));
    world.advance(ms(30_000));
    fail(&mut world, &peers[1..], ms(0));
    world.advance(ms(1_000));
    let views: Vec<_> = world.engine().incidents().collect();
    assert_eq!(views.len(), 1);
    assert_eq!(views[0].members, 2);
}

#[test]
fn a_path_that_was_alive_in_between_does_not() {
    let mut world = World::new(Vantage::Endpoint);
    let peers = peers(&mut world, 2);
    fail(&mut world, &peers[..1], ms(0));
    world.advance(ms(10_000));
    peers[1].answered(&mut world, 1, 50);
    world.advance(ms(20_000));
    fail(&mut world, &peers[1..], ms(0));
    world.advance(ms(1_000));
    assert_eq!(world.engine().incidents().count(), 2);
    heal(&mut world, &peers);
    assert_eq!(left_open(&world.events), 0);
}

#[test]
fn an_incident_ends_when_its_associations_do() {
    let mut world = World::new(Vantage::Endpoint);
    let peers = peers(&mut world, 20);
    fail(&mut world, &peers, ms(1));
    assert_eq!(world.engine().incidents().count(), 1);
    for peer in &peers {
        peer.received(&mut world, 2, frames::abort(false));
    }
    world.advance(ms(100));
    assert_eq!(world.engine().incidents().count(), 0);
    assert_eq!(left_open(&world.events), 0);
}
