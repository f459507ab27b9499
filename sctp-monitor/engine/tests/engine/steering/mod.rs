//! Which packets are moved to another path, and until when.

mod both;
mod preflight;
mod target;

use std::{net::IpAddr, time::Duration};

use sctp_monitor_common::abi::{SteerMode, SteerOrder};
use sctp_monitor_engine::{
    NicState,
    config::{Config, Peer, Steering, Vantage},
    model::{EventKind, PathState, SteeringCause, SteeringEnd, SteeringMode, SteeringObstacle, SteeringView},
};
use sctp_monitor_testkit::{
    frames,
    world::{LOCAL_TAG, NIC, REMOTE_TAG, World, kinds, ms},
};

use PathState::{Active, Inactive};

/// An endpoint's association over so many paths, with traffic on path 1.
fn world_of(paths: u8, steering: Steering) -> (World, Host) {
    let mut world = World::with(Config {
        steering,
        vantage: Vantage::Endpoint,
        ..Config::default()
    });
    let local: Vec<_> = (1..=paths).map(World::local).collect();
    let remote: Vec<_> = (1..=paths).map(World::remote).collect();
    let [local, remote] = [&local, &remote].map(|list| list.iter().map(String::as_str).collect::<Vec<_>>());
    world.handshake_with(LOCAL_TAG, &local, REMOTE_TAG, &remote);
    for path in 1..=paths {
        world.heartbeat_answered(path, ms(u64::from(path)));
    }
    let mut host = Host {
        next: 1,
        lost: Vec::new(),
    };
    host.send(&mut world, 20, &[]);
    world.events.clear();
    (world, host)
}

fn moving() -> Steering {
    Steering {
        mode: SteeringMode::Move,
        ..Steering::default()
    }
}

/// A host that sends a message every 50 ms over path 1, and retransmits what was lost as soon as something arrives.
struct Host {
    next: u32,
    lost: Vec<u32>,
}

impl Host {
    /// Sends messages, of which those are lost that leave on a dead path. Every second one is acknowledged.
    fn send(&mut self, world: &mut World, messages: u32, dead: &[u8]) {
        for _ in 0..messages {
            let tsn = self.next;
            self.next += 1;
            let carrier = Self::data(world, tsn);
            world.now = world.now + ms(1);
            if dead.contains(&carrier) {
                self.lost.push(tsn);
            } else {
                for again in self.lost.drain(..) {
                    Self::data(world, again);
                }
                if tsn.is_multiple_of(2) {
                    world.sack(carrier, tsn);
                }
            }
            world.advance(ms(49));
        }
    }

    fn data(world: &mut World, tsn: u32) -> u8 {
        world.sent_somewhere(1, REMOTE_TAG, vec![frames::data(tsn, 100)])
    }
}

/// What was reported of steering, and forgets what was reported.
fn steering_of(world: &mut World) -> Vec<EventKind> {
    let all = kinds(world);
    world.events.clear();
    let is_of_steering = |kind: &EventKind| {
        matches!(
            kind,
            EventKind::SteeringStarted { .. }
                | EventKind::SteeringChanged { .. }
                | EventKind::SteeringEnded { .. }
                | EventKind::SteeringRefused { .. }
        )
    };
    all.into_iter().filter(is_of_steering).collect()
}

fn started(path: u8, onto: u8, mode: SteeringMode) -> EventKind {
    EventKind::SteeringStarted {
        path: World::path_id(path),
        onto: World::path_id(onto),
        mode,
        cause: SteeringCause::PathInactive,
    }
}

fn refused(path: u8, obstacle: SteeringObstacle) -> EventKind {
    EventKind::SteeringRefused {
        path: World::path_id(path),
        obstacle,
    }
}

fn end_of(kind: &EventKind) -> Option<SteeringEnd> {
    match kind {
        EventKind::SteeringEnded { end, .. } => Some(*end),
        _ => None,
    }
}

fn orders(world: &World) -> Vec<SteerOrder> {
    world.store.orders().copied().collect()
}

fn view(world: &World, path: u8) -> Option<SteeringView> {
    let snapshot = world.engine().snapshot(world.now, |_| None);
    let paths = snapshot.associations[0].paths.iter();
    paths
        .into_iter()
        .find(|view| view.id == World::path_id(path))
        .unwrap()
        .steering
}

#[test]
fn packets_of_a_path_that_failed_leave_on_one_that_works() {
    let (mut world, mut host) = world_of(2, moving());
    host.send(&mut world, 10, &[1]);
    assert_eq!(world.states(), [Inactive, Active]);
    assert_eq!(steering_of(&mut world), [started(1, 2, SteeringMode::Move)]);
    let [order] = orders(&world)[..] else {
        panic!("one order")
    };
    let address = |text: String| text.parse::<IpAddr>().unwrap();
    assert_eq!(order.src.to_ip(), address(World::local(2)));
    assert_eq!(order.dst.to_ip(), address(World::remote(2)));
    assert_eq!((order.if_index, order.tag), (NIC + 1, REMOTE_TAG));
    assert_eq!(order.mode, SteerMode::Move as u32);
    // From now on the peer has them over path 2, and answers there.
    host.send(&mut world, 100, &[1]);
    assert_eq!(
        world.states(),
        [Inactive, Active],
        "what is moved says nothing of path 1"
    );
    assert_eq!(steering_of(&mut world), []);
    let seen = view(&world, 1).unwrap();
    assert_eq!(
        (seen.onto, seen.mode),
        (Some(World::path_id(2)), SteeringMode::Move)
    );
    assert!((100..=120).contains(&seen.counts.packets), "{seen:?}");
    assert_eq!(view(&world, 2), None);
}

#[test]
fn they_leave_on_it_again_when_it_has_worked_for_a_while() {
    let (mut world, mut host) = world_of(2, moving());
    host.send(&mut world, 19, &[1]);
    steering_of(&mut world);
    host.send(&mut world, 20, &[1]);
    // It works, fails again before the time is over, and works.
    world.heartbeat_answered(1, ms(1));
    assert_eq!(world.state(1), Active);
    world.advance(ms(5_000));
    world.nic(NIC, "path1", NicState::Down);
    world.advance(ms(100));
    world.nic(NIC, "path1", NicState::Up);
    world.advance(ms(6_000));
    world.heartbeat_answered(1, ms(1));
    assert_eq!(world.state(1), Active);
    world.advance(ms(9_900));
    assert_eq!(steering_of(&mut world), []);
    assert_eq!(orders(&world).len(), 1);
    world.advance(ms(200));
    let events = steering_of(&mut world);
    let [
        EventKind::SteeringEnded {
            end: SteeringEnd::PathRecovered,
            counts,
            onto,
            ..
        },
    ] = events[..]
    else {
        panic!("{events:?}")
    };
    assert_eq!(onto, World::path_id(2));
    assert!(counts.packets >= 20, "{counts:?}");
    assert_eq!(orders(&world), []);
    let seen = view(&world, 1).unwrap();
    assert_eq!((seen.onto, seen.counts), (None, counts));
}

#[test]
fn the_next_path_takes_them_when_the_other_one_fails_too() {
    let (mut world, mut host) = world_of(3, moving());
    host.send(&mut world, 10, &[1]);
    assert_eq!(
        steering_of(&mut world),
        [started(1, 2, SteeringMode::Move)],
        "the faster one"
    );
    world.nic(NIC + 1, "path2", NicState::Down);
    world.advance(ms(40));
    let changed = EventKind::SteeringChanged {
        path: World::path_id(1),
        from: World::path_id(2),
        onto: World::path_id(3),
        mode: SteeringMode::Move,
    };
    assert_eq!(
        steering_of(&mut world),
        [changed, started(2, 3, SteeringMode::Move)]
    );
    assert_eq!(
        orders(&world)
            .iter()
            .map(|order| order.if_index)
            .collect::<Vec<_>>(),
        [NIC + 2; 2]
    );
    world.nic(NIC + 2, "path3", NicState::Down);
    world.advance(ms(40));
    let events = steering_of(&mut world);
    let ends: Vec<_> = events.iter().filter_map(end_of).collect();
    assert_eq!(ends, [SteeringEnd::NoPathLeft; 2], "{events:?}");
    assert_eq!(orders(&world), []);
    // One that works again takes them all.
    world.nic(NIC + 1, "path2", NicState::Up);
    world.heartbeat_answered(2, ms(1));
    world.advance(ms(40));
    let events = steering_of(&mut world);
    assert!(events.contains(&started(1, 2, SteeringMode::Move)), "{events:?}");
    assert_eq!(orders(&world).len(), 2);
}

#[test]
fn a_dry_run_decides_alike_and_moves_nothing() {
    let (mut world, mut host) = world_of(
        2,
        Steering {
            mode: SteeringMode::DryRun,
            ..Steering::default()
        },
    );
    host.send(&mut world, 30, &[1]);
    assert_eq!(steering_of(&mut world), [started(1, 2, SteeringMode::DryRun)]);
    assert_eq!(orders(&world)[0].mode, SteerMode::DryRun as u32);
    let seen = view(&world, 1).unwrap();
    assert_eq!(seen.counts.packets, 0);
    assert!(seen.counts.would_have_packets >= 20, "{seen:?}");
    host.send(&mut world, 6, &[]);
    assert_eq!(world.state(1), Active, "it carries them still");
}

#[test]
fn nothing_is_moved_unless_it_is_asked_for() {
    let off_for_peer = Steering {
        peers: vec![Peer {
            address: World::remote(2).parse().unwrap(),
            mode: SteeringMode::Off,
        }],
        ..moving()
    };
    for steering in [Steering::default(), off_for_peer] {
        let (mut world, mut host) = world_of(2, steering);
        host.send(&mut world, 20, &[1]);
        assert_eq!(world.states(), [Inactive, Active]);
        assert_eq!((steering_of(&mut world), orders(&world)), (vec![], vec![]));
    }
    let on_for_peer = Steering {
        peers: vec![Peer {
            address: World::remote(1).parse().unwrap(),
            mode: SteeringMode::Move,
        }],
        ..Steering::default()
    };
    let (mut world, mut host) = world_of(2, on_for_peer);
    host.send(&mut world, 20, &[1]);
    assert_eq!(orders(&world).len(), 1);
}

#[test]
fn a_path_with_a_smaller_mtu_takes_nothing() {
    let (mut world, mut host) = world_of(2, moving());
    world.session.handle_mtu(NIC, 1_500);
    world.session.handle_mtu(NIC + 1, 1_400);
    host.send(&mut world, 20, &[1]);
    assert_eq!(
        steering_of(&mut world),
        [refused(1, SteeringObstacle::MtuTooSmall)]
    );
    assert_eq!(orders(&world), []);
}

#[test]
fn the_operator_says_which_nic_is_better() {
    let (mut world, mut host) = world_of(
        3,
        Steering {
            prefer: vec!["path3".to_owned()],
            ..moving()
        },
    );
    world.nic(NIC + 1, "path2", NicState::Up);
    world.nic(NIC + 2, "path3", NicState::Up);
    host.send(&mut world, 20, &[1]);
    assert_eq!(steering_of(&mut world), [started(1, 3, SteeringMode::Move)]);
}

#[test]
fn no_path_that_never_worked_takes_anything() {
    let (mut world, mut host) = world_of(1, moving());
    host.send(&mut world, 20, &[1]);
    assert_eq!(steering_of(&mut world), [], "there is none");
    let mut world = World::with(Config {
        steering: moving(),
        ..Config::default()
    });
    world.handshake();
    world.heartbeat_answered(1, ms(1));
    let mut host = Host {
        next: 1,
        lost: Vec::new(),
    };
    host.send(&mut world, 20, &[]);
    host.send(&mut world, 20, &[1]);
    assert_eq!(
        steering_of(&mut world),
        [refused(1, SteeringObstacle::NoActivePath)]
    );
    // Told once, and done when it is possible.
    host.send(&mut world, 20, &[1]);
    assert_eq!(steering_of(&mut world), []);
    world.heartbeat_answered(2, ms(1));
    world.advance(ms(40));
    assert_eq!(steering_of(&mut world), [started(1, 2, SteeringMode::Move)]);
}

#[test]
fn nothing_is_moved_when_the_peer_is_gone() {
    let (mut world, mut host) = world_of(2, moving());
    host.send(&mut world, 10, &[1]);
    assert_eq!(steering_of(&mut world), [started(1, 2, SteeringMode::Move)]);
    host.send(&mut world, 30, &[1, 2]);
    assert_eq!(world.states(), [Inactive, Inactive]);
    let events = steering_of(&mut world);
    assert_eq!(end_of(&events[0]), Some(SteeringEnd::NoPathLeft), "{events:?}");
    assert_eq!(orders(&world), []);
}

#[test]
fn an_order_ends_with_its_association_and_with_the_agent() {
    let (mut world, mut host) = world_of(2, moving());
    host.send(&mut world, 10, &[1]);
    steering_of(&mut world);
    world.sent(2, REMOTE_TAG, vec![frames::abort(false)]);
    world.advance(ms(100));
    let events = steering_of(&mut world);
    assert_eq!(
        events.iter().filter_map(end_of).collect::<Vec<_>>(),
        [SteeringEnd::PathGone]
    );
    assert_eq!(orders(&world), []);

    let (mut world, mut host) = world_of(2, moving());
    host.send(&mut world, 10, &[1]);
    steering_of(&mut world);
    world.finish();
    let events = steering_of(&mut world);
    assert_eq!(
        events.iter().filter_map(end_of).collect::<Vec<_>>(),
        [SteeringEnd::AgentEnds]
    );
    assert_eq!(orders(&world), []);
}

#[test]
fn what_the_kernel_does_not_take_is_told_and_not_tried_again_and_again() {
    let (mut world, mut host) = world_of(2, moving());
    world.store.refuses_orders = true;
    host.send(&mut world, 40, &[1]);
    let events = steering_of(&mut world);
    assert_eq!(events[0], started(1, 2, SteeringMode::Move));
    assert_eq!(end_of(&events[1]), Some(SteeringEnd::Refused));
    assert!(events.len() <= 3, "{events:?}");
    assert_eq!(view(&world, 1).unwrap().onto, None);
}

#[test]
fn only_so_many_associations_are_steered() {
    let steering = Steering {
        most_associations: 1,
        ..moving()
    };
    let (mut world, mut host) = world_of(2, steering);
    world.second_association();
    host.send(&mut world, 20, &[1]);
    world.nic(NIC, "path1", NicState::Down);
    world.advance(Duration::from_millis(100));
    let events = steering_of(&mut world);
    assert_eq!(
        events,
        [
            started(1, 2, SteeringMode::Move),
            refused(1, SteeringObstacle::TooManyAssociations)
        ]
    );
    assert_eq!(orders(&world).len(), 1);
}
