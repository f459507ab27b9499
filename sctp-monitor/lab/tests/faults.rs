//! Each fault does what it says, no more, and ends with `heal`.
#![expect(clippy::unwrap_used, reason = "a test ends at the first thing that fails")]

mod support;

use std::time::Duration;

use sctp_monitor_lab::clock::monotonic_ns;
use sctp_monitor_lab::endpoint::AddressChange;
use sctp_monitor_lab::{Capture, EndpointConfig, EventKind, Lab, Timers, wait};
use sctp_monitor_testkit::{dissect, dissect::ChunkType};
use support::{
    SOON, connect, delivered, paths_once_all_are_active, round_trips, start, udp_pair, wait_for_messages,
    wait_for_path,
};

#[test]
fn a_silent_break_moves_the_data_to_the_other_path_and_heals() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    let mut listen = EndpointConfig::listen(lab.ipv4("hss"), 3868).timers(Timers::tuned());
    listen.gap_threshold = Duration::from_millis(90);
    let connect = EndpointConfig::connect(lab.ipv4("mme"), lab.ipv4("hss"), 3868)
        .timers(Timers::tuned())
        .rate(50.0);
    let (mut client, server) = start(&lab, &connect, &listen);
    paths_once_all_are_active(&mut client);
    let before_ns = monotonic_ns();
    let broken_at_ns = lab.path("path1").break_silently().unwrap();
    assert!((before_ns..=monotonic_ns()).contains(&broken_at_ns));

    // The first retransmission comes after RTO.Min: 100 ms.
    let is_gap = |kind: &EventKind| matches!(kind, EventKind::DeliveryGap { .. });
    server
        .wait_for(SOON, |event| event.time_ns > broken_at_ns && is_gap(&event.kind))
        .unwrap();
    wait_for_messages(&server, broken_at_ns + 500_000_000, 20);
    wait_for_path(&client, broken_at_ns, "10.1.1.2", AddressChange::Unreachable);
    wait_for_path(&server, broken_at_ns, "10.1.1.1", AddressChange::Unreachable);

    let healed_at_ns = lab.path("path1").heal().unwrap();
    wait_for_path(&client, healed_at_ns, "10.1.1.2", AddressChange::Available);
    wait_for_path(&server, healed_at_ns, "10.1.1.1", AddressChange::Available);
    let path2_failed = |kind: &EventKind| {
        matches!(kind, EventKind::PathChanged { address, state: AddressChange::Unreachable, .. }
            if address.to_string() == "10.1.2.2")
    };
    assert!(!client.events().iter().any(|event| path2_failed(&event.kind)));
}

#[test]
fn neither_host_sees_a_silent_break() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    lab.path("path1").break_silently().unwrap();
    for host in ["mme", "hss"] {
        assert!(has_carrier(&lab, host, "path1"), "{host}");
    }
    for (mme, hss) in [("10.1.1.1", "10.1.1.2"), ("fd00:1:1::1", "fd00:1:1::2")] {
        assert_eq!(delivered(&udp_pair(&lab, ("mme", mme), ("hss", hss)), 5, 100), 0);
    }
    lab.path("path1").heal().unwrap();
    for (mme, hss) in [("10.1.1.1", "10.1.1.2"), ("fd00:1:1::1", "fd00:1:1::2")] {
        arrives_again(&lab, mme, hss);
    }
}

#[test]
fn a_dropped_direction_drops_the_sctp_of_one_host_only() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    let (mut client, _server) = connect(&lab, &lab.ipv4("mme"), &lab.ipv4("hss"), 20.0);
    paths_once_all_are_active(&mut client);
    let captures = ["mme", "hss"].map(|host| Capture::start(lab.host(host), "path1").unwrap());
    let broken_at_ns = lab.path("path1").drop_direction("mme").unwrap();
    wait_for_path(&client, broken_at_ns, "10.1.1.2", AddressChange::Unreachable);
    let [at_mme, at_hss] = captures.map(|capture| {
        let packets = capture.stop().unwrap().packets().unwrap();
        let late = packets.iter().filter(|packet| packet.time_ns > broken_at_ns);
        let (from_mme, from_hss): (Vec<_>, Vec<_>) =
            late.partition(|packet| packet.flow.source.to_string() == "10.1.1.1");
        (from_mme.len(), from_hss.len())
    });
    assert!(at_mme.0 > 0, "mme sends on");
    assert_eq!(at_hss.0, 0, "nothing of it arrives");
    assert!(at_hss.1 > 0, "hss sends heartbeats");
    assert!(at_mme.1 > 0, "they arrive");
    assert_eq!(
        delivered(&udp_pair(&lab, ("mme", "10.1.1.1"), ("hss", "10.1.1.2")), 10, 100),
        10
    );

    let healed_at_ns = lab.path("path1").heal().unwrap();
    wait_for_path(&client, healed_at_ns, "10.1.1.2", AddressChange::Available);
}

#[test]
fn twenty_per_cent_loss_loses_a_fifth_of_each_direction() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    let there = udp_pair(&lab, ("mme", "10.1.1.1"), ("hss", "10.1.1.2"));
    let back = udp_pair(&lab, ("hss", "fd00:1:1::2"), ("mme", "fd00:1:1::1"));
    lab.path("path1").lose(20.0).unwrap();
    for pair in [&there, &back] {
        // 1,600 expected, 18 the standard deviation.
        let arrived = delivered(pair, 2_000, 100);
        assert!((1_500..=1_700).contains(&arrived), "{arrived}");
    }
    lab.path("path1").lose_direction("mme", 100.0).unwrap();
    assert_eq!(delivered(&there, 100, 100), 0);
    lab.path("path1").heal().unwrap();
    assert_eq!(delivered(&there, 100, 100), 100);
    assert_eq!(delivered(&back, 100, 100), 100);
}

#[test]
fn a_black_hole_swallows_large_packets_only() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    lab.path("path1").drop_larger_than(1_000).unwrap();
    // UDP has 8 bytes of header, IPv4 20, IPv6 40.
    for (mme, hss, largest) in [("10.1.1.1", "10.1.1.2", 972), ("fd00:1:1::1", "fd00:1:1::2", 952)] {
        let pair = udp_pair(&lab, ("mme", mme), ("hss", hss));
        assert_eq!(delivered(&pair, 10, largest), 10, "{mme}");
        assert_eq!(delivered(&pair, 10, largest + 1), 0, "{mme}");
    }
}

#[test]
fn a_delay_is_added_each_way_and_ends() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    let pair = udp_pair(&lab, ("mme", "10.1.1.1"), ("hss", "10.1.1.2"));
    let other = udp_pair(&lab, ("mme", "10.1.2.1"), ("hss", "10.1.2.2"));
    let quickest = |pair| round_trips(pair, 10).into_iter().min().unwrap();
    assert!(quickest(&pair) < Duration::from_millis(5));
    lab.path("path1").delay(Duration::from_millis(20)).unwrap();
    let delayed = quickest(&pair);
    assert!(
        (Duration::from_millis(40)..Duration::from_millis(60)).contains(&delayed),
        "{delayed:?}"
    );
    assert!(quickest(&other) < Duration::from_millis(5));

    lab.path("path1")
        .delay_with_jitter(Duration::from_millis(10), Duration::from_millis(10))
        .unwrap();
    let trips = round_trips(&pair, 30);
    let (least, most) = (*trips.iter().min().unwrap(), *trips.iter().max().unwrap());
    assert!(
        least < Duration::from_millis(15) && most > Duration::from_millis(25),
        "{trips:?}"
    );

    lab.path("path1").heal().unwrap();
    assert!(quickest(&pair) < Duration::from_millis(5));
}

#[test]
fn faults_on_one_path_add_up() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    let path = lab.path("path1");
    let pair = udp_pair(&lab, ("mme", "10.1.1.1"), ("hss", "10.1.1.2"));
    path.delay(Duration::from_millis(5)).unwrap();
    path.drop_larger_than(500).unwrap();
    path.lose(20.0).unwrap();
    assert_eq!(delivered(&pair, 10, 600), 0);
    let arrived = delivered(&pair, 1_000, 100);
    assert!((700..=900).contains(&arrived), "{arrived}");
    path.break_silently().unwrap();
    assert_eq!(delivered(&pair, 10, 100), 0);
    path.heal().unwrap();
    assert_eq!(delivered(&pair, 10, 600), 10);

    path.break_silently().unwrap();
    path.delay(Duration::from_millis(5)).unwrap();
    assert_eq!(delivered(&pair, 10, 100), 0);
    path.heal().unwrap();
    arrives_again(&lab, "10.1.1.1", "10.1.1.2");
}

#[test]
fn a_link_down_is_seen_by_its_host_and_healed_with_its_addresses_and_routes() {
    let lab = Lab::two_hosts_through_a_router().unwrap();
    let (mut client, server) = connect(&lab, &lab.ipv4("mme"), &lab.ipv4("hss"), 50.0);
    paths_once_all_are_active(&mut client);
    let down_at_ns = lab.path("left1").link_down("mme").unwrap();
    assert!(!has_carrier(&lab, "mme", "path1"));
    assert!(has_carrier(&lab, "mme", "path2"));
    wait_for_messages(&server, down_at_ns + 500_000_000, 20);
    wait_for_path(&client, down_at_ns, "10.2.1.2", AddressChange::Unreachable);

    let healed_at_ns = lab.path("left1").heal().unwrap();
    wait::until(SOON, || has_carrier(&lab, "mme", "path1").then_some(())).unwrap();
    wait_for_path(&client, healed_at_ns, "10.2.1.2", AddressChange::Available);
    for (mme, hss) in [("10.1.1.1", "10.2.1.2"), ("fd00:1:1::1", "fd00:2:1::2")] {
        arrives_again(&lab, mme, hss);
    }
}

#[test]
fn heartbeats_over_a_delayed_path_take_that_long() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    lab.path("path2").delay(Duration::from_millis(15)).unwrap();
    let capture = Capture::start(lab.host("mme"), "path2").unwrap();
    let (mut client, _server) = connect(&lab, &lab.ipv4("mme"), &lab.ipv4("hss"), 10.0);
    paths_once_all_are_active(&mut client);
    client
        .wait_for(SOON, |event| matches!(event.kind, EventKind::Stats(_)))
        .unwrap();
    let packets = capture.stop().unwrap().packets().unwrap();
    let round_trips: Vec<_> = dissect::heartbeats(&packets)
        .iter()
        .filter(|heartbeat| heartbeat.flow.source.to_string() == "10.1.2.1")
        .filter_map(dissect::Heartbeat::round_trip_ns)
        .collect();
    assert!(!round_trips.is_empty());
    assert!(
        round_trips
            .iter()
            .all(|rtt| (30_000_000..80_000_000).contains(rtt)),
        "{round_trips:?}"
    );
    for packet in &packets {
        assert!(
            packet.checksum_is_good && packet.count(ChunkType::DATA) == 0,
            "{packet:?}"
        );
    }
}

fn has_carrier(lab: &Lab, host: &str, interface: &str) -> bool {
    let output = lab
        .host(host)
        .command("ip")
        .args(["-o", "link", "show", "dev", interface])
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().contains("LOWER_UP")
}

/// After a break the neighbour may have to be found anew: a lost packet asks for it.
fn arrives_again(lab: &Lab, mme: &str, hss: &str) {
    let pair = udp_pair(lab, ("mme", mme), ("hss", hss));
    wait::until(SOON, || (delivered(&pair, 1, 100) == 1).then_some(())).unwrap();
}
