//! Linux's own SCTP in User Mode Linux, in the place of a host of the lab.
#![expect(clippy::unwrap_used, reason = "a test ends at the first thing that fails")]

mod support;

use std::net::IpAddr;
use std::time::Duration;

use sctp_monitor_lab::clock::monotonic_ns;
use sctp_monitor_lab::endpoint::{AddressChange, AddressState, DownReason, PathStatus};
use sctp_monitor_lab::{Backend, Endpoint, EndpointConfig, EventKind, Lab, StackKind, Timers, wait};
use support::{SOON, is_down, paths_once_all_are_active, summary, wait_for_messages, wait_for_path};

/// A client at `mme` and a server at `hss` on these machines, tuned, with one association up.
fn connect(lab: &Lab, [mme, hss]: [&Backend; 2], addresses: fn(&Lab, &str) -> Vec<IpAddr>) -> [Endpoint; 2] {
    let [local, remote] = ["mme", "hss"].map(|host| addresses(lab, host));
    let listen = EndpointConfig::listen(remote.clone(), 3868).timers(Timers::tuned());
    let server = lab.spawn("hss", hss, &listen).unwrap();
    let connect = EndpointConfig::connect(local, remote, 3868)
        .timers(Timers::tuned())
        .rate(50.0);
    let client = lab.spawn("mme", mme, &connect).unwrap();
    for endpoint in [&client, &server] {
        endpoint.wait_until_up(1, SOON).unwrap();
    }
    [client, server]
}

#[test]
fn linux_and_the_stack_of_this_machine_talk_over_all_paths_either_way_round() {
    let (here, linux) = (Backend::Process, Backend::user_mode_linux());
    let everything = |lab: &Lab, host: &str| lab.addresses(host).to_vec();
    for backends in [[&here, &linux], [&linux, &here]] {
        let lab = Lab::two_hosts_two_paths().unwrap();
        let [mut client, mut server] = connect(&lab, backends, everything);
        for endpoint in [&mut client, &mut server] {
            assert_eq!(paths_once_all_are_active(endpoint).len(), 4);
        }
        wait_for_messages(&server, 0, 20);
        let (sent, _) = summary(&client.stop().unwrap());
        let (received, _) = summary(&server.stop().unwrap());
        assert!(sent.sent > 20, "{sent:?}");
        assert_eq!((received.received, received.missing), (sent.sent, 0));
    }
}

#[test]
fn two_linux_hosts_talk() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    let linux = Backend::user_mode_linux();
    let [mut client, server] = connect(&lab, [&linux, &linux], Lab::ipv4);
    assert_eq!([client.stack(), server.stack()], [StackKind::Kernel; 2]);
    paths_once_all_are_active(&mut client);
    wait_for_messages(&server, 0, 20);
    let events = client.abort().unwrap();
    assert!(events.iter().any(|event| is_down(event, DownReason::Aborted)));
    server
        .wait_for(SOON, |event| is_down(event, DownReason::Lost))
        .unwrap();
}

#[test]
fn its_events_are_on_the_clock_of_the_lab() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    let config = EndpointConfig::listen(lab.ipv4("hss"), 3868);
    let mut linux = lab.spawn("hss", &Backend::user_mode_linux(), &config).unwrap();
    let first = linux.clock_offset_ns().unwrap();
    assert_ne!(first, 0, "the machine counts from its own boot");
    let [before, stats, after] = {
        let before = monotonic_ns();
        let is_next = |event: &sctp_monitor_lab::Event| {
            matches!(event.kind, EventKind::Stats(_)) && event.time_ns > before
        };
        let stats = linux.wait_for(SOON, is_next).unwrap().time_ns;
        [before, stats, monotonic_ns()]
    };
    assert!(before < stats && stats < after, "{before} {stats} {after}");
    // Both clocks are this machine's at heart.
    let apart = linux.clock_offset_ns().unwrap().abs_diff(first);
    assert!(apart < 2_000_000, "the clocks moved apart by {apart} ns");
}

#[test]
fn linux_moves_the_data_at_a_silent_break_and_says_potentially_failed_first() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    let linux = Backend::user_mode_linux();
    let [client, server] = connect(&lab, [&linux, &Backend::Process], Lab::ipv4);
    wait_for_messages(&server, 0, 20);
    let broken_at_ns = lab.path("path1").break_silently().unwrap();
    let states = [AddressChange::PotentiallyFailed, AddressChange::Unreachable];
    let [doubted, lost] = states.map(|state| wait_for_path(&client, broken_at_ns, "10.1.1.2", state).time_ns);
    assert!(doubted < lost, "{doubted} {lost}");
    wait_for_messages(&server, lost, 20);
    let healed_at_ns = lab.path("path1").heal().unwrap();
    wait_for_path(&client, healed_at_ns, "10.1.1.2", AddressChange::Available);
}

#[test]
fn its_round_trip_time_is_that_of_the_path() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    lab.path("path2").delay(Duration::from_millis(50)).unwrap();
    let linux = Backend::user_mode_linux();
    let [mut client, _server] = connect(&lab, [&linux, &Backend::Process], Lab::ipv4);
    let delayed = |path: &PathStatus| path.address.to_string() == "10.1.2.2" && path.srtt_ms >= 100;
    let path = wait::until(SOON, || {
        client.paths().unwrap().remove(0).into_iter().find(delayed)
    })
    .unwrap();
    assert_eq!(path.state, AddressState::Active);
    // It counts in jiffies of 10 ms.
    assert!((100..=130).contains(&path.srtt_ms), "{path:?}");
}

#[test]
fn an_address_is_added_to_and_removed_from_a_running_association() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    let linux = Backend::user_mode_linux()
        .setting("sctp/addip_enable", "1")
        .setting("sctp/addip_noauth_enable", "1");
    let at_first = |lab: &Lab, host: &str| {
        let mut addresses = lab.ipv4(host);
        addresses.truncate(if host == "mme" { 1 } else { 2 });
        addresses
    };
    let [mut client, mut server] = connect(&lab, [&linux, &linux], at_first);
    client.add_address("10.1.2.1".parse().unwrap()).unwrap();
    // Linux 6.1 says nothing of an address that is added, only that it was confirmed.
    wait_for_path(&server, 0, "10.1.2.1", AddressChange::Confirmed);
    assert_eq!(paths_once_all_are_active(&mut server).len(), 2);
    client.remove_address("10.1.2.1".parse().unwrap()).unwrap();
    let remaining = |paths: Vec<PathStatus>| paths.into_iter().map(|path| path.address.to_string());
    wait::until(SOON, || {
        let paths: Vec<_> = remaining(server.paths().unwrap().remove(0)).collect();
        (paths == ["10.1.1.1"]).then_some(())
    })
    .unwrap();
}
