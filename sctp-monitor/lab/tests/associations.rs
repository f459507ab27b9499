//! Real associations over real paths: they come up multihomed, carry what was asked, and end as told.
#![expect(clippy::unwrap_used, reason = "a test ends at the first thing that fails")]

mod support;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use sctp_monitor_lab::clock::monotonic_ns;
use sctp_monitor_lab::endpoint::{DownReason, Traffic};
use sctp_monitor_lab::{
    Capture, Endpoint, EndpointConfig, Event, EventKind, Lab, StackChoice, StackKind, Timers, wait,
};
use sctp_monitor_testkit::{dissect, dissect::ChunkType};
use support::{SOON, connect, is_down, paths_once_all_are_active, start, summary, wait_for_messages};

fn comes_up_confirmed_and_carries_messages(client_addresses: &[IpAddr], server_addresses: &[IpAddr]) {
    let lab = Lab::two_hosts_two_paths().unwrap();
    let (mut client, mut server) = connect(&lab, client_addresses, server_addresses, 50.0);
    for (endpoint, peer_addresses) in [(&mut client, server_addresses), (&mut server, client_addresses)] {
        let paths = paths_once_all_are_active(endpoint);
        let mut listed: Vec<_> = paths.iter().map(|path| path.address).collect();
        let mut expected = peer_addresses.to_vec();
        listed.sort();
        expected.sort();
        assert_eq!(listed, expected);
        assert_eq!(paths.iter().filter(|path| path.primary).count(), 1);
    }
    server
        .wait_for(
            SOON,
            |event| matches!(event.kind, EventKind::Stats(stats) if stats.received > 0),
        )
        .unwrap();
    let (sent, _) = summary(&client.stop().unwrap());
    let (received, _) = summary(&server.stop().unwrap());
    assert!(sent.sent > 20, "{sent:?}");
    assert_eq!((received.received, received.missing), (sent.sent, 0));
}

#[test]
fn an_association_over_two_ipv4_paths() {
    let [mme, hss] = [["10.1.1.1", "10.1.2.1"], ["10.1.1.2", "10.1.2.2"]].map(support::addresses);
    comes_up_confirmed_and_carries_messages(&mme, &hss);
}

#[test]
fn an_association_over_two_ipv6_paths() {
    let [mme, hss] = [["fd00:1:1::1", "fd00:1:2::1"], ["fd00:1:1::2", "fd00:1:2::2"]].map(support::addresses);
    comes_up_confirmed_and_carries_messages(&mme, &hss);
}

#[test]
fn an_association_over_an_ipv4_and_an_ipv6_path() {
    let [mme, hss] = [["10.1.1.1", "fd00:1:2::1"], ["10.1.1.2", "fd00:1:2::2"]].map(support::addresses);
    comes_up_confirmed_and_carries_messages(&mme, &hss);
}

#[test]
fn an_association_over_two_ipv4_and_two_ipv6_paths() {
    let mme = support::addresses(["10.1.1.1", "fd00:1:1::1", "10.1.2.1", "fd00:1:2::1"]);
    let hss = support::addresses(["10.1.1.2", "fd00:1:1::2", "10.1.2.2", "fd00:1:2::2"]);
    comes_up_confirmed_and_carries_messages(&mme, &hss);
}

#[test]
fn the_rate_is_about_as_asked_and_changes_on_command() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    let (mut client, _server) = connect(&lab, &lab.ipv4("mme"), &lab.ipv4("hss"), 200.0);
    let rate = rate_since(&client, 0);
    assert!((180.0..=220.0).contains(&rate), "{rate}");
    client.set_rate(20.0).unwrap();
    let rate = rate_since(&client, monotonic_ns());
    assert!((18.0..=22.0).contains(&rate), "{rate}");
}

/// Messages a second between the second and the fourth total after an instant; the first may mix two rates.
fn rate_since(endpoint: &Endpoint, since_ns: u64) -> f64 {
    let mut totals = Vec::new();
    let mut collect = |event: &Event| {
        if let EventKind::Stats(Traffic { sent, .. }) = event.kind
            && event.time_ns > since_ns
        {
            totals.push((event.time_ns, sent));
        }
        totals.len() == 4
    };
    endpoint.wait_for(SOON, &mut collect).unwrap();
    let ((first_ns, first), (last_ns, last)) = (totals[1], totals[3]);
    (last - first) as f64 * 1e9 / (last_ns - first_ns) as f64
}

#[test]
fn captures_on_both_paths_hold_exactly_what_the_endpoints_say_they_sent() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    let captures = ["path1", "path2"].map(|path| Capture::start(lab.host("mme"), path).unwrap());
    let (mut client, server) = connect(&lab, lab.addresses("mme"), lab.addresses("hss"), 100.0);
    paths_once_all_are_active(&mut client);
    wait_for_messages(&server, 0, 50);
    let (client_sent, client_stack) = summary(&client.stop().unwrap());
    let (_, server_stack) = summary(&server.stop().unwrap());

    let packets: Vec<_> = captures
        .into_iter()
        .flat_map(|capture| capture.stop().unwrap().packets().unwrap())
        .collect();
    let count = |from_client: bool, chunk_type| {
        let flows = dissect::flows(&packets);
        let of_this_side = flows
            .iter()
            .filter(|(flow, _)| (flow.destination_port == 3868) == from_client);
        of_this_side
            .map(|(_, counts)| counts.count(chunk_type))
            .sum::<u64>()
    };
    assert!(packets.iter().all(|packet| packet.checksum_is_good));
    for (from_client, stack) in [(true, client_stack), (false, server_stack)] {
        let sent = packets
            .iter()
            .filter(|packet| (packet.flow.destination_port == 3868) == from_client);
        assert_eq!(sent.count() as u64, u64::from(stack.packets_sent));
        // The kernel's stack counts fewer things.
        for (chunk_type, counted) in [
            (ChunkType::HEARTBEAT, stack.heartbeats_sent),
            (ChunkType::SACK, stack.sacks_sent),
            (
                ChunkType::DATA,
                stack.data_retransmitted.map(|again| stack.data_sent + again),
            ),
        ] {
            if let Some(counted) = counted {
                assert_eq!(count(from_client, chunk_type), u64::from(counted));
            }
        }
    }
    // A busy machine makes a stack retransmit; each message is one TSN all the same.
    let chunks = packets.iter().flat_map(|packet| &packet.chunks);
    let tsns: BTreeSet<_> = chunks.filter_map(|chunk| chunk.tsn).collect();
    assert_eq!(tsns.len() as u64, client_sent.sent);
    assert_eq!(count(true, ChunkType::INIT), 1);

    for chunk_type in [ChunkType::INIT, ChunkType::INIT_ACK] {
        let packet = packets
            .iter()
            .find(|packet| packet.count(chunk_type) == 1)
            .unwrap();
        let host = if chunk_type == ChunkType::INIT {
            "mme"
        } else {
            "hss"
        };
        let mut listed = packet.listed_addresses.clone();
        let mut bound = lab.addresses(host).to_vec();
        listed.sort();
        bound.sort();
        assert_eq!(listed, bound);
    }
    // Every packet leaves with the address that belongs to its path.
    assert!(packets.iter().all(|packet| {
        let [source, destination] = [packet.flow.source, packet.flow.destination].map(|ip| ip.to_string());
        source[..source.len() - 1] == destination[..destination.len() - 1]
    }));
}

#[test]
fn a_stop_is_a_shutdown_for_both_sides() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    let (client, server) = connect(&lab, &lab.ipv4("mme"), &lab.ipv4("hss"), 10.0);
    let events = client.stop().unwrap();
    assert!(events.iter().any(|event| is_down(event, DownReason::Shutdown)));
    server
        .wait_for(SOON, |event| is_down(event, DownReason::Shutdown))
        .unwrap();
}

#[test]
fn an_abort_is_seen_by_the_peer_at_once() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    let (client, server) = connect(&lab, &lab.ipv4("mme"), &lab.ipv4("hss"), 10.0);
    let events = server.abort().unwrap();
    assert!(events.iter().any(|event| is_down(event, DownReason::Aborted)));
    client
        .wait_for(SOON, |event| is_down(event, DownReason::Lost))
        .unwrap();
}

#[test]
fn a_killed_client_that_comes_back_restarts_its_association() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    let listen = EndpointConfig::listen(lab.ipv4("hss"), 3868);
    let connect = EndpointConfig::connect(lab.ipv4("mme"), lab.ipv4("hss"), 3868)
        .local_port(40_000)
        .rate(10.0);
    let (client, server) = start(&lab, &connect, &listen);
    assert!(client.kill().len() > 1);
    assert!(
        server
            .events()
            .iter()
            .all(|event| !matches!(event.kind, EventKind::AssociationDown { .. }))
    );
    let client = Endpoint::spawn(lab.host("mme"), &connect).unwrap();
    client.wait_until_up(1, SOON).unwrap();
    server
        .wait_for(SOON, |event| {
            matches!(event.kind, EventKind::AssociationRestarted { .. })
        })
        .unwrap();
}

#[test]
fn a_connection_that_nobody_answers_does_not_start() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    let timers = Timers {
        rto_max: Some(Duration::from_millis(200)),
        ..Timers::tuned()
    };
    let connect = EndpointConfig::connect(lab.ipv4("mme"), lab.ipv4("hss"), 3868).timers(timers);
    let client = Endpoint::spawn(lab.host("mme"), &connect).unwrap();
    client
        .wait_for(SOON, |event| is_down(event, DownReason::NotStarted))
        .unwrap();
}

#[test]
fn two_hundred_associations_come_up_and_all_of_them_carry_messages() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    let listen = EndpointConfig::listen(lab.ipv4("hss"), 3868);
    let connect = EndpointConfig::connect(lab.ipv4("mme"), lab.ipv4("hss"), 3868)
        .associations(200)
        .rate(2.0);
    let (client, server) = start(&lab, &connect, &listen);
    wait_for_messages(&server, 0, 400);
    let sent = client.stop().unwrap();
    let received = server.stop().unwrap();
    let per_association = |events: &[Event]| match &events.last().unwrap().kind {
        EventKind::Summary { associations, .. } => associations.clone(),
        other => panic!("the last event is {other:?}"),
    };
    assert_eq!(per_association(&sent).len(), 200);
    assert!(
        per_association(&received)
            .iter()
            .all(|counts| counts.received > 0 && counts.missing == 0)
    );
    assert_eq!(summary(&sent).0.sent, summary(&received).0.received);
}

#[test]
fn an_echo_sends_everything_back() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    let listen = EndpointConfig::listen(lab.ipv4("hss"), 3868).echo();
    // Larger than the MTU: one message is several chunks.
    let connect = EndpointConfig::connect(lab.ipv4("mme"), lab.ipv4("hss"), 3868)
        .rate(20.0)
        .size(4_000);
    let (mut client, server) = start(&lab, &connect, &listen);
    wait_for_messages(&client, 0, 10);
    client.set_rate(0.0).unwrap();
    let asked_at_ns = monotonic_ns();
    client
        .wait_for(SOON, |event| match event.kind {
            EventKind::Stats(stats) if event.time_ns > asked_at_ns => stats.sent == stats.received,
            _ => false,
        })
        .unwrap();
    let (client, _) = summary(&client.stop().unwrap());
    let (server, _) = summary(&server.stop().unwrap());
    assert_eq!(
        (client.sent, client.received, client.missing),
        (server.received, server.sent, 0)
    );
}

#[test]
fn a_new_primary_path_takes_the_data() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    let (mut client, server) = connect(&lab, &lab.ipv4("mme"), &lab.ipv4("hss"), 50.0);
    client.set_primary("10.1.2.2".parse().unwrap()).unwrap();
    wait::until(SOON, || {
        let paths = client.paths().unwrap().remove(0);
        paths
            .iter()
            .any(|path| path.primary && path.address.to_string() == "10.1.2.2")
            .then_some(())
    })
    .unwrap();
    let capture = Capture::start(lab.host("hss"), "path1").unwrap();
    wait_for_messages(&server, monotonic_ns(), 20);
    let packets = capture.stop().unwrap().packets().unwrap();
    assert_eq!(
        packets
            .iter()
            .map(|packet| packet.count(ChunkType::DATA))
            .sum::<usize>(),
        0
    );
}

#[test]
fn sctp_over_udp_comes_up_on_both_paths_and_carries_messages() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    let capture = Capture::start(lab.host("mme"), "path2").unwrap();
    let listen = EndpointConfig::listen(lab.addresses("hss").to_vec(), 3868)
        .timers(Timers::tuned())
        .udp_encap(9899);
    let connect = EndpointConfig::connect(lab.addresses("mme").to_vec(), lab.addresses("hss").to_vec(), 3868)
        .timers(Timers::tuned())
        .udp_encap(9899)
        .rate(20.0);
    let (mut client, mut server) = start(&lab, &connect, &listen);
    assert_eq!(paths_once_all_are_active(&mut client).len(), 4);
    assert_eq!(paths_once_all_are_active(&mut server).len(), 4);
    wait_for_messages(&server, 0, 10);
    let packets = capture.stop().unwrap().packets().unwrap();
    assert!(
        packets
            .iter()
            .any(|packet| packet.count(ChunkType::HEARTBEAT_ACK) == 1)
    );
    assert!(packets.iter().all(|packet| packet.checksum_is_good));
}

#[test]
fn an_endpoint_that_cannot_bind_says_why() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    let config = EndpointConfig::listen(support::addresses(["192.0.2.1"]), 3868);
    let error = Endpoint::spawn(lab.host("hss"), &config).unwrap_err().to_string();
    assert!(error.contains("bind to port 3868"), "{error}");
}

#[test]
fn usrsctp_and_the_kernels_stack_do_not_meet_in_a_namespace() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    let config = EndpointConfig::listen(lab.ipv4("hss"), 3868);
    let chosen = Endpoint::spawn(lab.host("hss"), &config).unwrap().stack();
    let (other, why) = match chosen {
        StackKind::Kernel => (StackChoice::Usrsctp, "would answer usrsctp's packets with ABORTs"),
        StackKind::Usrsctp => (StackChoice::Kernel, "this kernel has no SCTP"),
    };
    let error = Endpoint::spawn(lab.host("hss"), &config.stack(other)).unwrap_err();
    assert!(error.to_string().contains(why), "{error}");
}
