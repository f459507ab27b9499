//! What is looked at before packets are moved.

use sctp_monitor_engine::model::{
    Neighbour, NextHop, NicTies, ReversePathFilter, SteeringProspect, Way, WayQuestion,
};
use sctp_monitor_testkit::{frames::Packet, world::direct};

use super::*;

/// The question of path 1, 2, ...
fn question(path: u8) -> WayQuestion {
    WayQuestion {
        path: World::path_id(path),
        if_index: NIC - 1 + u32::from(path),
    }
}

fn prospect(world: &World, path: u8) -> SteeringProspect {
    let association = world.engine().associations().next().unwrap().id();
    let prospects = world.engine().steering_prospects(association, world.now).unwrap();
    let of_path = |prospect: &SteeringProspect| prospect.path == World::path_id(path);
    prospects.into_iter().find(of_path).unwrap()
}

/// What is said when path 1 fails, and the way to path 2 is such.
fn refused_by(set: impl Fn(&mut World)) -> Vec<EventKind> {
    let (mut world, mut host) = world_of(2, moving());
    set(&mut world);
    host.send(&mut world, 20, &[1]);
    assert_eq!(world.states(), [Inactive, Active]);
    let said = steering_of(&mut world);
    assert_eq!(
        orders(&world).is_empty(),
        matches!(said[..], [EventKind::SteeringRefused { .. }])
    );
    said
}

#[test]
fn no_packets_are_moved_to_a_nic_that_is_part_of_another_one() {
    let member = NicTies {
        master: Some(99),
        lower: None,
    };
    let said = refused_by(|world| world.session.handle_ties(NIC + 1, member));
    assert_eq!(said, [refused(1, SteeringObstacle::NicIsMember)]);
    // A VLAN on a bond on the NIC, by which the host itself sends.
    let said = refused_by(|world| {
        let vlan = NicTies {
            master: None,
            lower: Some(98),
        };
        let below = NicTies {
            master: None,
            lower: Some(NIC + 1),
        };
        world.session.handle_ties(99, vlan);
        world.session.handle_ties(98, below);
        let way = Way {
            host_nic: Some(99),
            ..direct(question(2))
        };
        world.host.ways.insert(question(2), Some(way));
    });
    assert_eq!(said, [refused(1, SteeringObstacle::NicIsLower)]);
    // One by which the host does not send these packets is no matter.
    let said = refused_by(|world| {
        let vlan = NicTies {
            master: None,
            lower: Some(NIC + 1),
        };
        world.session.handle_ties(99, vlan);
    });
    assert_eq!(said, [started(1, 2, SteeringMode::Move)]);
}

#[test]
fn no_packets_are_moved_to_where_no_route_or_no_neighbour_is() {
    let with = |way: Way| {
        refused_by(move |world| {
            world.host.ways.insert(question(2), Some(way));
        })
    };
    let way = direct(question(2));
    let no_route = Way {
        next_hop: None,
        ..way
    };
    assert_eq!(with(no_route), [refused(1, SteeringObstacle::NoRoute)]);
    let next_hop = way.next_hop.unwrap();
    for (neighbour, is_refused) in [
        (Neighbour::Failed, true),
        (Neighbour::Incomplete, true),
        (Neighbour::Absent, false),
        (Neighbour::Resolved, false),
    ] {
        let next_hop = Some(NextHop {
            neighbour,
            ..next_hop
        });
        let said = if is_refused {
            refused(1, SteeringObstacle::NextHopUnresolved)
        } else {
            started(1, 2, SteeringMode::Move)
        };
        assert_eq!(with(Way { next_hop, ..way }), [said], "{neighbour}");
    }
    let narrow = Way {
        mtu: Some(1_400),
        ..way
    };
    let said = refused_by(|world| {
        world.session.handle_mtu(NIC, 1_500);
        world.session.handle_mtu(NIC + 1, 1_500);
        world.host.ways.insert(question(2), Some(narrow));
    });
    assert_eq!(said, [refused(1, SteeringObstacle::MtuTooSmall)]);
}

#[test]
fn no_packets_are_moved_to_where_this_host_drops_the_answers() {
    let said = |filter, host_nic| {
        refused_by(move |world| {
            world.host.filters.insert(NIC + 1, filter);
            let way = Way {
                host_nic: Some(host_nic),
                ..direct(question(2))
            };
            world.host.ways.insert(question(2), Some(way));
        })
    };
    let done = [started(1, 2, SteeringMode::Move)];
    assert_eq!(
        said(ReversePathFilter::Strict, NIC),
        [refused(1, SteeringObstacle::AnswersFiltered)]
    );
    assert_eq!(said(ReversePathFilter::Strict, NIC + 1), done, "symmetric");
    assert_eq!(said(ReversePathFilter::Loose, NIC), done);
    assert_eq!(said(ReversePathFilter::Off, NIC), done);
}

#[test]
fn nothing_is_moved_before_somebody_has_looked() {
    let (mut world, mut host) = world_of(2, moving());
    world.host.answers = false;
    host.send(&mut world, 20, &[1]);
    assert_eq!(world.states(), [Inactive, Active]);
    assert_eq!((steering_of(&mut world), orders(&world)), (vec![], vec![]));
    assert_eq!(prospect(&world, 1).obstacle, Some(SteeringObstacle::NotChecked));
    // Whoever has lost the question is asked again. That nobody could say is an answer too.
    world.host.answers = true;
    world.host.ways.insert(question(2), None);
    world.advance(ms(4_000));
    assert_eq!(steering_of(&mut world), [started(1, 2, SteeringMode::Move)]);
    assert_eq!(orders(&world).len(), 1);
}

#[test]
fn a_path_is_looked_at_before_it_is_needed_and_nobody_is_asked_without_need() {
    let (mut world, mut host) = world_of(2, moving());
    host.send(&mut world, 100, &[]);
    assert!(world.host.asked.is_empty(), "{:?}", world.host.asked);
    world.heartbeat(1);
    world.advance(ms(1_500));
    assert_eq!(world.state(1), PathState::PotentiallyFailed);
    assert_eq!(
        world.host.asked.iter().copied().collect::<Vec<_>>(),
        [question(1), question(2)]
    );
    // Nobody looks any more, and nothing has to wait for it.
    world.host.answers = false;
    host.send(&mut world, 10, &[1]);
    assert_eq!(steering_of(&mut world), [started(1, 2, SteeringMode::Move)]);
}

#[test]
fn what_stood_in_the_way_is_looked_at_again() {
    let (mut world, _) = world_of(2, moving());
    world.host.ways.insert(
        question(2),
        Some(Way {
            next_hop: None,
            ..direct(question(2))
        }),
    );
    world.nic(NIC, "path1", NicState::Down);
    world.advance(ms(100));
    assert_eq!(steering_of(&mut world), [refused(1, SteeringObstacle::NoRoute)]);
    world.advance(ms(3_000));
    assert_eq!(steering_of(&mut world), [], "said once");
    world.host.ways.clear();
    world.advance(ms(4_000));
    assert_eq!(steering_of(&mut world), [started(1, 2, SteeringMode::Move)]);
}

#[test]
fn the_operator_is_told_how_packets_would_leave() {
    let (mut world, _) = world_of(2, moving());
    world.nic(NIC + 1, "path2", NicState::Up);
    world.session.handle_mtu(NIC + 1, 1_500);
    world.host.filters.insert(NIC + 1, ReversePathFilter::Loose);
    let association = world.engine().associations().next().unwrap().id();
    world.session.ask_ways(association, world.now);
    world.sweep();
    let path2 = prospect(&world, 2);
    assert_eq!((path2.unfit, path2.onto), (None, Some(World::path_id(1))));
    let way = path2.way.unwrap();
    assert_eq!((way.interface.as_str(), way.routed_by), ("path2", None));
    assert_eq!(way.next_hop, Some(World::path_id(2).remote));
    assert_eq!(
        (way.neighbour, way.mtu, way.answers_filtered),
        (
            Some(Neighbour::Resolved),
            Some(1_500),
            Some(ReversePathFilter::Loose)
        )
    );
    world.session.handle_ties(
        NIC + 1,
        NicTies {
            master: Some(99),
            lower: None,
        },
    );
    assert_eq!(prospect(&world, 2).unfit, Some(SteeringObstacle::NicIsMember));
    assert_eq!(prospect(&world, 1).obstacle, Some(SteeringObstacle::NicIsMember));
}

#[test]
fn a_nic_to_which_their_new_path_changes_is_looked_at_as_well() {
    let (mut world, mut host) = world_of(2, moving());
    host.send(&mut world, 10, &[1]);
    assert_eq!(steering_of(&mut world), [started(1, 2, SteeringMode::Move)]);
    // Path 2 was put into a bond: its packets leave by the bond, and are seen on its other member.
    let member = NicTies {
        master: Some(99),
        lower: None,
    };
    world.session.handle_ties(NIC + 2, member);
    for _ in 0..5 {
        let heartbeat = Packet::v4(REMOTE_TAG, vec![frames::heartbeat(&[9; 40])])
            .between(&World::local(2), &World::remote(2));
        world.packet(&heartbeat, 3, true);
        world.received(2, LOCAL_TAG, vec![frames::heartbeat_ack(&[9; 40])]);
        world.advance(ms(400));
    }
    let events = steering_of(&mut world);
    assert_eq!(end_of(&events[0]), Some(SteeringEnd::NoPathLeft), "{events:?}");
    assert_eq!(orders(&world), []);
}

#[test]
fn a_route_that_is_narrow_on_both_paths_is_remembered_while_packets_are_moved() {
    let (mut world, mut host) = world_of(2, moving());
    // The NIC of path 2 is smaller, and so is the route of path 1.
    world.session.handle_mtu(NIC, 1_500);
    world.session.handle_mtu(NIC + 1, 1_400);
    let narrow = Way {
        mtu: Some(1_400),
        ..direct(question(1))
    };
    world.host.ways.insert(question(1), Some(narrow));
    host.send(&mut world, 200, &[1]);
    assert_eq!(steering_of(&mut world), [started(1, 2, SteeringMode::Move)]);
    assert_eq!(orders(&world).len(), 1);
}
