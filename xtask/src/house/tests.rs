//! The house as it is, and houses that are made up.

use std::fs;

use tempfile::TempDir;

use super::*;

#[test]
fn the_house_stands() {
    let faults = faults(&crate::cargo::root()).unwrap();
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

/// The first column of the table of rooms.
#[test]
fn the_rooms_on_the_page_are_there() {
    let root = crate::cargo::root();
    let page = fs::read_to_string(root.join("docs/architecture.md")).unwrap();
    let column = page.lines().filter_map(|line| line.strip_prefix("| `"));
    let rooms: Vec<_> = column.filter_map(|line| line.split('`').next()).collect();
    assert!(rooms.len() > 10, "{rooms:?}");
    for room in rooms {
        let path = root.join(room);
        assert!(
            path.is_dir() || path.with_extension("rs").is_file(),
            "docs/architecture.md names {room}"
        );
    }
}

/// A workspace with these files beside the least that must be there.
fn house(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |file: &str, text: &str| {
        let file = folder.path().join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    };
    for file in [
        "sctp-monitor/engine/src/lib.rs",
        "sctp-monitor/capture/src/lib.rs",
        "sctp-monitor/src/report/mod.rs",
        "sctp-monitor/src/web/mod.rs",
        "sctp-monitor/src/pcap/mod.rs",
        "sctp-monitor/src/kernel/mod.rs",
        "sctp-monitor/src/driver.rs",
        "sctp-monitor-common/src/abi/mod.rs",
        "sctp-monitor/engine/Cargo.toml",
        "sctp-monitor/capture/Cargo.toml",
        "sctp-monitor-common/Cargo.toml",
    ] {
        write(file, "");
    }
    for (file, text) in files {
        write(file, text);
    }
    folder
}

fn faults_of(files: &[(&str, &str)]) -> Vec<String> {
    judge(house(files).path(), &[]).unwrap()
}

#[test]
fn an_empty_house_has_no_faults() {
    assert_eq!(faults_of(&[]), [""; 0]);
}

#[test]
fn each_forbidden_direction_is_found() {
    for (file, source, fault) in [
        (
            "sctp-monitor/engine/src/a.rs",
            "use aya::Ebpf;",
            "sctp-monitor/engine/src/a.rs:1: engine -> kernel: aya::Ebpf",
        ),
        (
            "sctp-monitor/engine/src/a.rs",
            "\nuse std::time::{Duration, Instant};",
            "sctp-monitor/engine/src/a.rs:2: engine -> clock: std::time::Instant",
        ),
        (
            "sctp-monitor/engine/src/a.rs",
            "use jiff::Timestamp as Wall; fn f() -> Wall { Wall::now() }",
            "sctp-monitor/engine/src/a.rs:1: engine -> clock: jiff::Timestamp::now",
        ),
        (
            "sctp-monitor/engine/src/deep/a.rs",
            "fn f() { std::fs::read(x); }",
            "sctp-monitor/engine/src/deep/a.rs:1: engine -> I/O: std::fs::read",
        ),
        (
            "sctp-monitor/engine/src/a.rs",
            "use std::net::{IpAddr, UdpSocket};",
            "sctp-monitor/engine/src/a.rs:1: engine -> I/O: std::net::UdpSocket",
        ),
        (
            "sctp-monitor/src/web/api.rs",
            "use crate::driver::Driver;",
            "sctp-monitor/src/web/api.rs:1: web -> driver: crate::driver::Driver",
        ),
        (
            "sctp-monitor/src/report/json.rs",
            "use crate::{clock::Clock, kernel::Hook};",
            "sctp-monitor/src/report/json.rs:1: report -> kernel: crate::kernel::Hook",
        ),
        (
            "sctp-monitor/src/report/json.rs",
            "use super::super::driver::SWEEP;",
            "sctp-monitor/src/report/json.rs:1: report -> driver: crate::driver::SWEEP",
        ),
        (
            "sctp-monitor/src/report/json.rs",
            "use sctp_monitor_common as common; type R = common::abi::FlowRecord;",
            "sctp-monitor/src/report/json.rs:1: report -> ABI: sctp_monitor_common::abi::FlowRecord",
        ),
        (
            "sctp-monitor/src/pcap/analysis.rs",
            "use crate::driver::SWEEP;",
            "sctp-monitor/src/pcap/analysis.rs:1: pcap -> driver: crate::driver::SWEEP",
        ),
        (
            "sctp-monitor/src/pcap/mod.rs",
            "use super::kernel;",
            "sctp-monitor/src/pcap/mod.rs:1: pcap -> kernel: crate::kernel",
        ),
        (
            "sctp-monitor-common/src/wire/ip.rs",
            "use sctp_monitor_engine::Engine;",
            "sctp-monitor-common/src/wire/ip.rs:1: common -> anything: sctp_monitor_engine::Engine",
        ),
        (
            "sctp-monitor/capture/src/lib.rs",
            "use sctp_monitor_engine::Engine;",
            "sctp-monitor/capture/src/lib.rs:1: capture -> engine, agent, kernel: sctp_monitor_engine::Engine",
        ),
        (
            "sctp-monitor/src/check/mod.rs",
            "fn f(_: aya::Ebpf) {}",
            "sctp-monitor/src/check/mod.rs:1: agent, but for kernel/ and check/collect/ -> aya: aya::Ebpf",
        ),
        (
            "sctp-monitor/engine/Cargo.toml",
            "[dependencies]\ntokio = \"1\"",
            "sctp-monitor/engine/Cargo.toml: engine -> I/O: tokio",
        ),
        (
            "sctp-monitor/engine/Cargo.toml",
            "[target.'cfg(unix)'.dependencies]\nsctp-monitor-ebpf = { path = \"..\" }",
            "sctp-monitor/engine/Cargo.toml: engine -> kernel: sctp-monitor-ebpf",
        ),
        (
            "sctp-monitor-common/Cargo.toml",
            "[dependencies]\nserde = \"1\"",
            "sctp-monitor-common/Cargo.toml: common -> anything: serde",
        ),
    ] {
        let faults = faults_of(&[(file, source)]);
        assert!(faults.contains(&fault.to_owned()), "{source}: {faults:?}");
    }
}

#[test]
fn a_glob_that_brings_a_forbidden_room_is_found() {
    let faults = faults_of(&[("sctp-monitor/src/report/mod.rs", "use super::*;")]);
    assert!(
        faults.contains(&"sctp-monitor/src/report/mod.rs:1: report -> kernel: crate::*".to_owned()),
        "{faults:?}"
    );
}

#[test]
fn what_is_allowed_is_let_through() {
    let faults = faults_of(&[
        (
            "sctp-monitor/engine/src/a.rs",
            "//! aya, std::fs\nuse std::{net::IpAddr, time::Duration}; #[cfg(test)] mod tests { use std::fs; }",
        ),
        ("sctp-monitor/engine/src/tests.rs", "use std::fs;"),
        ("sctp-monitor/src/kernel/maps.rs", "use aya::maps::Array;"),
        ("sctp-monitor/src/check/collect/a.rs", "use aya::features;"),
        (
            "sctp-monitor-common/Cargo.toml",
            "[dependencies]\nbytemuck = \"1\"\n[dev-dependencies]\nproptest = \"1\"",
        ),
    ]);
    assert_eq!(faults, [""; 0]);
}

#[test]
fn a_known_breach_is_no_fault_until_it_is_gone() {
    let known = [("pcap -> driver", "crate::driver::SWEEP")];
    let broken = house(&[("sctp-monitor/src/pcap/mod.rs", "use crate::driver::SWEEP;")]);
    assert_eq!(judge(broken.path(), &known).unwrap(), [""; 0]);
    let mended = judge(house(&[]).path(), &known).unwrap();
    assert_eq!(mended.len(), 1);
    assert!(mended[0].contains("no longer there"), "{mended:?}");
}

#[test]
fn a_room_that_has_moved_is_a_fault() {
    let folder = house(&[]);
    fs::remove_dir_all(folder.path().join("sctp-monitor/src/pcap")).unwrap();
    fs::remove_file(folder.path().join("sctp-monitor/src/driver.rs")).unwrap();
    let faults = judge(folder.path(), &[]).unwrap();
    let has = |words: &str| faults.iter().any(|fault| fault.contains(words));
    assert!(
        has("pcap -> driver: there is no source in sctp-monitor/src/pcap"),
        "{faults:?}"
    );
    assert!(has("sctp-monitor/src/driver is gone"), "{faults:?}");
}

/// Rooms have folders, and a `driver.rs` may become one.
#[test]
fn a_room_may_be_a_file_or_a_folder() {
    let folder = house(&[("sctp-monitor/src/driver/mod.rs", "")]);
    fs::remove_file(folder.path().join("sctp-monitor/src/driver.rs")).unwrap();
    assert_eq!(judge(folder.path(), &[]).unwrap(), [""; 0]);
}
