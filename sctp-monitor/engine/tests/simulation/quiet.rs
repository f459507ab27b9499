//! What looks like a failure and is none is not reported.

use std::time::Duration;

use crate::{
    limits::{FALSE_REPORTS, LOSS_RATES},
    model::{statistics::Tally, trial::quiet},
    worlds,
};

/// Worlds of each kind and loss rate, of an hour each.
const WORLDS: u64 = 2;
const HOUR: Duration = Duration::from_secs(3_600);

fn assert_quiet(name: &str) {
    for loss in LOSS_RATES {
        let scenario = worlds(name).losing(loss);
        let mut tally = Tally::default();
        for seed in 0..WORLDS {
            let one = quiet(&scenario, seed, HOUR);
            println!(
                "{name}, {loss} lost, seed {seed}: {} reports, {} doubts",
                one.false_reports, one.doubts
            );
            tally.add(one);
        }
        assert_eq!(
            tally.false_reports, FALSE_REPORTS,
            "{name}: reports in {WORLDS} hours with a loss rate of {loss}"
        );
    }
}

#[test]
fn random_loss_is_no_failure() {
    assert_quiet("calm");
}

#[test]
fn jitter_is_no_failure() {
    assert_quiet("jitter of half the RTT");
}

#[test]
fn delayed_acks_are_no_failure() {
    assert_quiet("acks after 200 ms only");
}

#[test]
fn reordering_is_no_failure() {
    assert_quiet("reordering");
}

#[test]
fn reordering_under_load_is_no_failure() {
    assert_quiet("reordering, 200 messages/s");
}

#[test]
fn reordering_in_a_file_is_no_failure() {
    assert_quiet("in a file, reordering");
}

#[test]
fn delayed_acks_in_a_file_are_no_failure() {
    assert_quiet("in a file, acks after 200 ms only");
}

#[test]
fn a_stall_of_the_peer_is_no_failure() {
    assert_quiet("peer stalls for 100 ms");
}

#[test]
fn a_stall_of_this_host_is_no_failure() {
    assert_quiet("host stalls for 200 ms");
}

#[test]
fn a_stall_of_the_agent_is_no_failure() {
    assert_quiet("agent stalls for 200 ms");
}

#[test]
fn lost_ring_records_are_no_failure() {
    assert_quiet("half the ring records lost");
}

#[test]
fn sent_packets_alone_prove_no_failure() {
    assert_quiet("only sent packets seen");
}

#[test]
fn received_packets_alone_prove_no_failure() {
    assert_quiet("only received packets seen");
}

#[test]
fn joining_late_is_no_failure() {
    assert_quiet("joined mid-life");
}

#[test]
fn load_is_no_failure() {
    assert_quiet("200 messages/s");
}

#[test]
fn traffic_both_ways_is_no_failure() {
    assert_quiet("20 messages/s both ways");
}

#[test]
fn random_traffic_is_no_failure() {
    assert_quiet("20 messages/s at random");
}

#[test]
fn sparse_traffic_is_no_failure() {
    assert_quiet("4 messages/s at random");
}

#[test]
fn messages_held_back_are_no_failure() {
    assert_quiet("Nagle");
}

#[test]
fn idleness_is_no_failure() {
    assert_quiet("idle");
}

#[test]
fn a_gateway_sees_no_failure_where_none_is() {
    assert_quiet("at a gateway");
    assert_quiet("at a gateway, both ways");
}

#[test]
fn a_gateway_on_one_direction_only_sees_no_failure() {
    assert_quiet("at a gateway, one direction");
}

#[test]
fn receiving_only_is_no_failure() {
    assert_quiet("only the peer sends");
}
