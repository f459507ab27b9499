//! Labs are built as described, keep to themselves, and leave nothing behind.
#![expect(clippy::unwrap_used, reason = "a test ends at the first thing that fails")]

mod support;

use std::net::{IpAddr, UdpSocket};
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use sctp_monitor_lab::{End, Endpoint, EndpointConfig, Lab, Namespace, wait};
use support::{SOON, connect, delivered, paths_once_all_are_active, udp_pair};

fn namespace_of(pid: u32) -> PathBuf {
    std::fs::read_link(format!("/proc/{pid}/ns/net")).unwrap()
}

fn is_alive(pid: u32) -> bool {
    // A zombie has no namespace any more.
    std::fs::read_link(format!("/proc/{pid}/ns/net")).is_ok()
}

#[test]
fn a_namespace_is_seen_by_ip_and_gone_after_drop() {
    let namespace = Namespace::new("seen").unwrap();
    let path = namespace.path();
    let listed = || {
        let output = Command::new("ip").args(["netns", "list"]).output().unwrap();
        String::from_utf8(output.stdout)
            .unwrap()
            .contains(path.file_name().unwrap().to_str().unwrap())
    };
    assert!(namespace.name().starts_with(&Namespace::prefix()));
    assert!(path.exists() && listed());
    drop(namespace);
    assert!(!path.exists() && !listed());
}

#[test]
fn work_and_commands_run_inside_and_only_in_the_network_namespace() {
    let namespace = Namespace::new("inside").unwrap();
    let here = namespace_of(std::process::id());
    let inside = namespace
        .run(|| std::fs::read_link("/proc/thread-self/ns/net").unwrap())
        .unwrap();
    assert_ne!(inside, here);

    let mounts = |command: &mut Command| {
        command
            .args(["/proc/self/ns/net", "/proc/self/ns/mnt"])
            .output()
            .unwrap()
            .stdout
    };
    let lines = |bytes: Vec<u8>| {
        String::from_utf8(bytes)
            .unwrap()
            .lines()
            .map(PathBuf::from)
            .collect::<Vec<_>>()
    };
    let child = lines(mounts(&mut namespace.command("readlink")));
    let this = lines(mounts(&mut Command::new("readlink")));
    assert_eq!(child[0], inside);
    assert_eq!(child[1], this[1]);
}

#[test]
fn processes_in_a_namespace_die_with_it() {
    let namespace = Namespace::new("children").unwrap();
    // The shell's own child is not ours to wait for.
    let mut shell = namespace
        .command("sh")
        .args(["-c", "sleep 1000 & echo $!; exec sleep 1000"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let grandchild = wait::until(SOON, || {
        let processes = namespace.processes().unwrap();
        processes.into_iter().find(|pid| *pid != shell.id())
    })
    .unwrap();
    drop(namespace);
    assert!(!is_alive(grandchild) && !is_alive(shell.id()));
    assert!(!shell.wait().unwrap().success());
}

#[test]
fn a_panic_reaches_the_caller_and_leaves_nothing() {
    let seen = std::sync::Mutex::new(None);
    let panicked = std::panic::catch_unwind(AssertUnwindSafe(|| {
        let lab = Lab::two_hosts_two_paths().unwrap();
        let config = EndpointConfig::listen(lab.ipv4("hss"), 3868);
        let endpoint = Endpoint::spawn(lab.host("hss"), &config).unwrap();
        *seen.lock().unwrap() = Some((lab.host("hss").path(), lab.host("mme").path(), endpoint.pid()));
        lab.host("mme").run(|| panic!("in the namespace")).unwrap();
    }));
    assert_eq!(panicked.unwrap_err().downcast_ref(), Some(&"in the namespace"));
    let (hss, mme, pid) = seen.into_inner().unwrap().unwrap();
    assert!(!hss.exists() && !mme.exists() && !is_alive(pid));
}

#[test]
fn two_labs_with_the_same_names_and_addresses_do_not_meet() {
    let [one, other] = [(), ()].map(|()| Lab::two_hosts_two_paths().unwrap());
    let pair = udp_pair(&one, ("mme", "10.1.1.1"), ("hss", "10.1.1.2"));
    let port = pair.1.local_addr().unwrap().port();
    let listener = other
        .host("hss")
        .run(|| UdpSocket::bind(("10.1.1.2", port)))
        .unwrap()
        .unwrap();
    listener.set_nonblocking(true).unwrap();
    other.path("path1").break_silently().unwrap();
    assert_eq!(delivered(&pair, 10, 100), 10);
    assert!(listener.recv(&mut [0; 8]).is_err());

    drop(other);
    assert_eq!(delivered(&pair, 10, 100), 10);
}

#[test]
fn every_address_of_a_ready_made_lab_is_usable_at_once() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    for (mme, hss) in lab.addresses("mme").iter().zip(lab.addresses("hss")) {
        let pair = udp_pair(&lab, ("mme", &mme.to_string()), ("hss", &hss.to_string()));
        assert_eq!(delivered(&pair, 3, 1_000), 3, "{mme} to {hss}");
    }
    let loopback = udp_pair(&lab, ("mme", "127.0.0.1"), ("mme", "127.0.0.1"));
    assert_eq!(delivered(&loopback, 1, 8), 1);
}

#[test]
fn a_broken_path_is_not_served_by_the_other_one() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    for (mme, hss) in [("10.1.1.1", "10.1.2.2"), ("fd00:1:1::1", "fd00:1:2::2")] {
        let diagonal = lab.host("mme").run(|| {
            let source: IpAddr = mme.parse().unwrap();
            let socket = UdpSocket::bind((source, 0)).unwrap();
            socket.connect((hss, 9)).and_then(|()| socket.send(b"x"))
        });
        assert!(diagonal.unwrap().is_err(), "{mme} to {hss}");
    }
}

#[test]
fn a_router_forwards_on_both_lines() {
    let lab = Lab::two_hosts_through_a_router().unwrap();
    for (mme, hss) in lab.addresses("mme").iter().zip(lab.addresses("hss")) {
        let pair = udp_pair(&lab, ("mme", &mme.to_string()), ("hss", &hss.to_string()));
        assert_eq!(delivered(&pair, 10, 1_000), 10, "{mme} to {hss}");
    }
    let (mut client, mut server) = connect(&lab, &lab.ipv4("mme"), &lab.ipv4("hss"), 10.0);
    assert_eq!(paths_once_all_are_active(&mut client).len(), 2);
    assert_eq!(paths_once_all_are_active(&mut server).len(), 2);
}

#[test]
fn a_router_lets_any_address_of_a_host_reach_any_of_the_other() {
    let lab = Lab::two_hosts_through_a_router().unwrap();
    let diagonal = udp_pair(&lab, ("mme", "10.1.1.1"), ("hss", "10.2.2.2"));
    assert_eq!(delivered(&diagonal, 10, 100), 10);
    lab.path("left1").break_silently().unwrap();
    assert_eq!(delivered(&diagonal, 10, 100), 0);
}

#[test]
fn a_single_homed_host_behind_a_router_is_reached_from_both_interfaces_of_the_other() {
    let lab = Lab::builder()
        .router("gateway")
        .path(
            "left1",
            End::new("mme", "path1").address("10.1.1.1/24"),
            End::new("gateway", "left1").address("10.1.1.254/24"),
        )
        .path(
            "left2",
            End::new("mme", "path2").address("10.1.2.1/24"),
            End::new("gateway", "left2").address("10.1.2.254/24"),
        )
        .path(
            "right",
            End::new("gateway", "right").address("10.2.1.254/24"),
            End::new("hss", "path1").address("10.2.1.2/24"),
        )
        .route("mme", "10.2.1.0/24", "10.1.1.254")
        .route("hss", "10.1.0.0/16", "10.2.1.254")
        .build()
        .unwrap();
    let (mut client, mut server) = connect(&lab, &lab.ipv4("mme"), &lab.ipv4("hss"), 10.0);
    let paths = paths_once_all_are_active(&mut server);
    assert_eq!(
        paths.iter().map(|path| path.address).collect::<Vec<_>>(),
        lab.ipv4("mme")
    );
    assert_eq!(paths_once_all_are_active(&mut client).len(), 1);
}

#[test]
fn a_single_homed_host_on_one_switch_with_both_interfaces_of_the_other() {
    let lab = Lab::builder()
        .switch("lan")
        .path(
            "left1",
            End::new("mme", "path1").address("10.1.1.1/24"),
            End::new("lan", "port1"),
        )
        .path(
            "left2",
            End::new("mme", "path2").address("10.1.1.3/24"),
            End::new("lan", "port2"),
        )
        .path(
            "right",
            End::new("lan", "port3"),
            End::new("hss", "path1").address("10.1.1.2/24"),
        )
        .build()
        .unwrap();
    let (mut client, mut server) = connect(&lab, &lab.ipv4("mme"), &lab.ipv4("hss"), 10.0);
    assert_eq!(paths_once_all_are_active(&mut server).len(), 2);
    assert_eq!(paths_once_all_are_active(&mut client).len(), 1);

    // Each interface answers for its own address: with one path broken the other address is still reached.
    let first = udp_pair(&lab, ("mme", "10.1.1.1"), ("hss", "10.1.1.2"));
    let second = udp_pair(&lab, ("mme", "10.1.1.3"), ("hss", "10.1.1.2"));
    assert_eq!([delivered(&first, 5, 100), delivered(&second, 5, 100)], [5, 5]);
    lab.path("left1").break_silently().unwrap();
    assert_eq!([delivered(&first, 5, 100), delivered(&second, 5, 100)], [0, 5]);
}
