//! Which direction of a path is broken: what shows it, and what does not.

use sctp_monitor_engine::{
    config::Vantage,
    model::{Broken, PathState, Status},
};
use sctp_monitor_testkit::{
    frames,
    world::{LOCAL_TAG, REMOTE_TAG, World, ms},
};

use crate::{
    paths::traffic,
    reports::{directions, left_open, opened},
};
use Broken::{Both, Forward, Return, Unknown};
use PathState::{Active, Inactive};
use Status::{Closed, Opened, Updated};

/// A world whose path 1 carried DATA and broke down half a second ago; the last TSN sent is 50.
pub(crate) fn broken() -> World {
    let mut world = World::with_two_paths();
    traffic(&mut world, 1, 1..41, true);
    assert_eq!(opened(&world), [""; 0]);
    traffic(&mut world, 1, 41..51, false);
    assert_eq!(world.state(1), Inactive);
    world
}

/// A heartbeat is answered, and what DATA waits is acknowledged.
pub(crate) fn heals(world: &mut World) {
    world.heartbeat_answered(1, ms(1));
    world.sack(1, 50);
    world.sweep();
    assert_eq!(world.state(1), Active);
}

/// A SACK that reports chunks as duplicates.
fn sack_of_duplicates(cum_tsn_ack: u32, duplicates: &[u32]) -> Vec<u8> {
    let mut value = cum_tsn_ack.to_be_bytes().to_vec();
    value.extend(65_536_u32.to_be_bytes());
    value.extend([0, 0, 0, u8::try_from(duplicates.len()).unwrap()]);
    value.extend(duplicates.iter().flat_map(|tsn| tsn.to_be_bytes()));
    frames::chunk(3, 0, &value)
}

#[test]
fn a_direction_is_not_known_before_there_is_evidence() {
    let mut world = broken();
    assert_eq!(directions(&world), [(Opened, Unknown)]);
    heals(&mut world);
    assert_eq!(directions(&world), [(Opened, Unknown), (Closed, Unknown)]);
    assert_eq!(left_open(&world.events), 0);
}

#[test]
fn what_arrives_after_the_failure_shows_that_the_return_direction_works() {
    let mut world = broken();
    world.received(1, LOCAL_TAG, vec![frames::heartbeat(&[77; 40])]);
    world.advance(ms(50));
    assert_eq!(directions(&world).len(), 1, "it may be healed since");
    world.heartbeat(1);
    world.advance(ms(300));
    assert_eq!(directions(&world), [(Opened, Unknown), (Updated, Forward)]);
    world.advance(ms(20_000));
    assert_eq!(directions(&world).len(), 2, "it stays at that");
    heals(&mut world);
    assert_eq!(directions(&world)[2], (Closed, Forward));
    assert_eq!(left_open(&world.events), 0);
}

#[test]
fn what_was_under_way_when_it_failed_shows_nothing() {
    let mut world = World::with_two_paths();
    traffic(&mut world, 1, 1..41, true);
    world.data(1, 41);
    world.advance(ms(50));
    world.received(1, LOCAL_TAG, vec![frames::sack(40, &[])]);
    traffic(&mut world, 1, 42..60, false);
    assert_eq!(directions(&world), [(Opened, Unknown)]);
}

#[test]
fn forged_packets_show_nothing() {
    let mut world = broken();
    for info in 0..20 {
        world.received(1, 0xbad, vec![frames::heartbeat(&[info; 40])]);
        world.advance(ms(100));
    }
    assert_eq!(directions(&world), [(Opened, Unknown)]);
    world.advance(ms(5_000));
    assert_eq!(directions(&world).len(), 1);
}

#[test]
fn chunks_that_the_peer_has_twice_show_that_what_is_sent_arrives() {
    let mut world = broken();
    for tsn in 41..51 {
        world.data(2, tsn);
    }
    world.received(2, LOCAL_TAG, vec![sack_of_duplicates(50, &[41, 42])]);
    world.advance(ms(20));
    assert_eq!(directions(&world).len(), 1, "two may have been under way");
    world.received(2, LOCAL_TAG, vec![sack_of_duplicates(50, &[43, 44])]);
    world.advance(ms(20));
    assert_eq!(directions(&world).len(), 1, "the path may be about to answer");
    world.advance(ms(2_000));
    assert_eq!(directions(&world), [(Opened, Unknown), (Updated, Return)]);
    heals(&mut world);
    assert_eq!(left_open(&world.events), 0);
}

#[test]
fn chunks_that_the_peer_has_twice_before_anybody_doubts_show_it_as_well() {
    // Linux with short timers: one time-out, and everything that waits goes over the other path at once, in one packet. The
    // one SACK for it is all that ever tells, and it comes before the agent has made up its mind.
    let mut world = World::with_two_paths();
    traffic(&mut world, 1, 1..41, true);
    for tsn in 41..44 {
        world.data(1, tsn);
        world.advance(ms(45));
    }
    for tsn in 41..44 {
        world.data(2, tsn);
    }
    world.received(2, LOCAL_TAG, vec![sack_of_duplicates(43, &[41, 42, 43])]);
    world.advance(ms(10));
    for tsn in 44..200 {
        if tsn % 10 == 0 {
            world.heartbeat(1);
        }
        traffic(&mut world, 2, tsn..tsn + 1, true);
    }
    assert_eq!(world.states(), [Inactive, Active]);
    let said: Vec<_> = directions(&world)
        .into_iter()
        .map(|(_, direction)| direction)
        .collect();
    assert_eq!(said.last(), Some(&Return), "{said:?}");
    assert!(!said.contains(&Both), "{said:?}");
}

/// Every chunk goes over path 1, and again over path 2, whose SACK names it as a duplicate.
fn sends_twice(world: &mut World, tsns: std::ops::Range<u32>) {
    for tsn in tsns {
        world.data(1, tsn);
        world.advance(ms(40));
        world.data(2, tsn);
        world.received(2, LOCAL_TAG, vec![sack_of_duplicates(tsn, &[tsn])]);
        world.advance(ms(20));
    }
}

#[test]
fn chunks_that_go_on_arriving_twice_while_nothing_returns_are_a_broken_return_direction() {
    let mut world = World::with_two_paths();
    traffic(&mut world, 1, 1..41, true);
    sends_twice(&mut world, 41..61);
    assert_eq!(world.states(), [Inactive, Active]);
    assert_eq!(
        directions(&world).last().map(|(_, direction)| *direction),
        Some(Return)
    );
    heals(&mut world);
    assert_eq!(left_open(&world.events), 0);
}

#[test]
fn a_path_that_data_has_left_is_silent_and_not_broken() {
    let mut world = World::with_two_paths();
    traffic(&mut world, 1, 1..41, true);
    // One time-out for nothing: a window of chunks is sent again over path 2, and DATA stays there.
    for tsn in 41..51 {
        world.data(1, tsn);
    }
    world.sack(1, 50);
    for tsn in 41..51 {
        world.data(2, tsn);
    }
    let all: Vec<_> = (41..51).collect();
    world.received(2, LOCAL_TAG, vec![sack_of_duplicates(50, &all)]);
    traffic(&mut world, 2, 51..151, true);
    assert_eq!(world.states(), [Active, Active]);
    assert_eq!(opened(&world), [""; 0]);
}

#[test]
fn a_late_ack_of_what_nobody_sent_again_shows_that_it_arrived() {
    let mut world = broken();
    world.advance(ms(400));
    world.sack(2, 50);
    world.advance(ms(2_000));
    assert_eq!(directions(&world), [(Opened, Unknown), (Updated, Return)]);
    assert_eq!(world.state(1), Inactive, "acks do not come back over it");
}

#[test]
fn a_late_ack_of_what_may_have_passed_a_healed_path_shows_nothing() {
    let mut world = broken();
    world.advance(ms(400));
    // The path is healed; what is sent now arrives, and the first answer to it comes over the other path.
    world.data(1, 51);
    world.received(2, LOCAL_TAG, vec![frames::sack(40, &[(11, 11)])]);
    world.advance(ms(60));
    world.heartbeat_answered(1, ms(1));
    world.advance(ms(2_000));
    assert_eq!(directions(&world), [(Opened, Unknown), (Closed, Unknown)]);
}

#[test]
fn silence_alone_names_no_direction() {
    let mut world = broken();
    world.advance(ms(20_000));
    assert_eq!(directions(&world).len(), 1);
    // The path may just have come back, unless what is sent from now on is lost as well.
    world.received(1, LOCAL_TAG, vec![frames::heartbeat(&[77; 40])]);
    world.advance(ms(50));
    assert_eq!(directions(&world).len(), 1);
    world.heartbeat(1);
    world.advance(ms(300));
    assert_eq!(directions(&world)[1..], [(Updated, Forward)]);
}

/// A world whose path 1 breaks while the peer sends a heartbeat a second over it; all DATA goes over path 2 then. The peer says
/// of these chunks that it had them already.
fn breaks_and_moves(peer_asks: bool, duplicates: &[u32]) -> World {
    let mut world = World::with_two_paths();
    let mut tsn = 1;
    for info in 0..5 {
        traffic(&mut world, 1, tsn..tsn + 20, true);
        tsn += 20;
        if peer_asks {
            world.received(1, LOCAL_TAG, vec![frames::heartbeat(&[100 + info; 40])]);
            world.sent(1, REMOTE_TAG, vec![frames::heartbeat_ack(&[100 + info; 40])]);
        }
    }
    traffic(&mut world, 1, tsn..tsn + 20, false);
    for tsn in tsn..tsn + 20 {
        world.data(2, tsn);
    }
    world.received(2, LOCAL_TAG, vec![sack_of_duplicates(tsn + 19, duplicates)]);
    traffic(&mut world, 2, tsn + 20..tsn + 140, true);
    world
}

#[test]
fn both_directions_are_broken_if_either_is_proved() {
    let said = |world: &World| directions(world).last().unwrap().1;
    assert_eq!(said(&breaks_and_moves(true, &[])), Both);
    assert_eq!(
        said(&breaks_and_moves(false, &[])),
        Unknown,
        "the peer may have nothing to send"
    );
    let all: Vec<_> = (101..121).collect();
    assert_eq!(said(&breaks_and_moves(true, &all)), Return, "it had them all");
}

#[test]
fn what_the_peer_sends_over_a_path_that_is_back_does_not_make_it_a_broken_way_there() {
    let mut world = broken();
    world.advance(ms(8_000));
    world.received(1, LOCAL_TAG, vec![frames::heartbeat(&[77; 40])]);
    world.advance(ms(500));
    heals(&mut world);
    let said = [(Opened, Unknown), (Closed, Unknown)];
    assert_eq!(directions(&world), said);
}

#[test]
fn what_the_peer_had_under_way_over_a_long_path_shows_nothing() {
    let mut world = World::with_two_paths();
    for _ in 0..8 {
        world.heartbeat_answered(1, ms(600));
        world.advance(ms(1_000));
    }
    // It arrives, and its answer is lost a moment before it would have been here.
    world.heartbeat(1);
    world.advance(ms(590));
    world.received(1, LOCAL_TAG, vec![frames::heartbeat(&[77; 40])]);
    for _ in 0..6 {
        world.advance(ms(1_000));
        world.heartbeat(1);
    }
    world.advance(ms(8_000));
    assert_eq!(world.state(1), Inactive);
    assert_eq!(directions(&world), [(Opened, Unknown)]);
}

#[test]
fn what_arrived_before_the_break_shows_nothing_when_it_is_acknowledged() {
    let mut world = World::with_two_paths();
    traffic(&mut world, 1, 1..42, true);
    // The peer waits for a second message before it acknowledges 41, and the path breaks meanwhile.
    traffic(&mut world, 1, 42..52, false);
    for tsn in 42..52 {
        world.data(2, tsn);
    }
    world.now = world.now + ms(1);
    world.sack(2, 51);
    traffic(&mut world, 2, 52..172, true);
    assert_eq!(world.states(), [Inactive, Active]);
    assert_eq!(directions(&world), [(Opened, Unknown)]);
}

#[test]
fn what_arrived_before_the_break_shows_nothing_when_what_follows_went_another_way() {
    let mut world = World::with_two_paths();
    traffic(&mut world, 1, 1..42, true);
    traffic(&mut world, 1, 42..52, false);
    assert_eq!(world.state(1), Inactive);
    // New DATA moves first, and what was lost is sent again when gap ack blocks tell so.
    world.data(2, 52);
    world.received(2, LOCAL_TAG, vec![frames::sack(41, &[(11, 11)])]);
    world.advance(ms(20));
    for tsn in 42..52 {
        world.data(2, tsn);
    }
    world.sack(2, 52);
    world.advance(ms(50));
    traffic(&mut world, 2, 53..173, true);
    assert_eq!(directions(&world), [(Opened, Unknown)]);
}

#[test]
fn chunks_under_way_when_it_broke_show_nothing_however_many_there_are() {
    let mut world = World::with_two_paths();
    // A message every 5 ms, over a path with a round trip of 60 ms.
    for tsn in 1..400 {
        world.data(1, tsn);
        if tsn > 12 && tsn % 2 == 0 {
            world.sack(1, tsn - 12);
        }
        world.advance(ms(5));
    }
    // The break is half-way: six messages have passed it by then, and their SACKs have not.
    for tsn in 400..480 {
        world.data(1, tsn);
        if (400..406).contains(&tsn) && tsn % 2 == 0 {
            world.sack(1, tsn - 12);
        }
        world.advance(ms(5));
    }
    assert_eq!(world.state(1), Inactive);
    for tsn in 393..480 {
        world.data(2, tsn);
    }
    let duplicates: Vec<_> = (393..400).collect();
    world.received(2, LOCAL_TAG, vec![sack_of_duplicates(479, &duplicates)]);
    world.advance(ms(6_000));
    assert_eq!(directions(&world), [(Opened, Unknown)]);
}

#[test]
fn an_idle_path_tells_its_direction_as_well() {
    let mut world = World::with_two_paths();
    for info in 0..3 {
        world.heartbeat(1);
        world.advance(ms(1_000));
        world.received(1, LOCAL_TAG, vec![frames::heartbeat(&[100 + info; 40])]);
    }
    world.advance(ms(100));
    assert_eq!(directions(&world).last().unwrap().1, Forward);
}

#[test]
fn a_gateway_names_directions_as_the_local_endpoint_would() {
    let mut world = World::new(Vantage::Gateway);
    world.handshake();
    let heartbeats = |world: &mut World, rounds: std::ops::Range<u8>, near_answers: bool| {
        for info in rounds {
            world.sent(1, REMOTE_TAG, vec![frames::heartbeat(&[info; 40])]);
            world.received(1, LOCAL_TAG, vec![frames::heartbeat_ack(&[info; 40])]);
            world.received(1, LOCAL_TAG, vec![frames::heartbeat(&[info + 100; 40])]);
            if near_answers {
                world.sent(1, REMOTE_TAG, vec![frames::heartbeat_ack(&[info + 100; 40])]);
            }
            world.advance(ms(1_000));
        }
    };
    heartbeats(&mut world, 1..5, true);
    // What the far side sends is not answered, though the near side goes on sending: its way to here is broken.
    heartbeats(&mut world, 5..9, false);
    assert_eq!(world.state(1), Inactive);
    assert_eq!(directions(&world).last().unwrap().1, Return);
}

#[test]
fn what_was_sent_again_in_two_packets_does_not_bring_the_path_back() {
    let mut world = World::with_two_paths();
    traffic(&mut world, 1, 1..42, true);
    traffic(&mut world, 1, 42..52, false);
    for tsn in 42..52 {
        world.data(2, tsn);
    }
    world.sack(2, 46);
    world.advance(ms(20));
    world.sack(2, 51);
    traffic(&mut world, 2, 52..172, true);
    assert_eq!(world.states(), [Inactive, Active]);
    assert_eq!(directions(&world), [(Opened, Unknown)]);
}

#[test]
fn a_gateway_that_sees_both_sides_ask_in_vain_blames_neither_direction() {
    let mut world = World::new(Vantage::Gateway);
    world.handshake();
    // Each side's heartbeats arrive here, and nothing gets across: a packet filter on this very host, for one.
    for info in 0..5 {
        world.sent(1, REMOTE_TAG, vec![frames::heartbeat(&[info; 40])]);
        world.advance(ms(300));
        world.received(1, LOCAL_TAG, vec![frames::heartbeat(&[info + 100; 40])]);
        world.advance(ms(700));
    }
    assert_eq!(world.state(1), Inactive);
    let said: Vec<_> = directions(&world).iter().map(|(_, broken)| *broken).collect();
    assert_eq!(said, [Unknown, Both]);
}

#[test]
fn what_asks_for_no_answer_may_be_dropped_behind_the_gateway() {
    let mut world = World::new(Vantage::Gateway);
    world.handshake();
    for info in 0..5 {
        world.sent(1, REMOTE_TAG, vec![frames::heartbeat(&[info; 40])]);
        world.advance(ms(300));
        world.received(1, LOCAL_TAG, vec![sack_of_duplicates(0, &[])]);
        world.advance(ms(700));
    }
    assert_eq!(directions(&world), [(Opened, Unknown)]);
}
