//! Nothing stays: no namespace, no process, no file. Alone in its process, so that everything with the lab's prefix is its
//! own.
#![expect(clippy::unwrap_used, reason = "a test ends at the first thing that fails")]

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use sctp_monitor_lab::{
    Backend, Capture, Endpoint, EndpointConfig, EndpointError, Lab, Namespace, endpoint_binary, wait,
};

const SOON: Duration = Duration::from_secs(15);

fn things_with_our_prefix(folder: &Path) -> Vec<String> {
    let names = std::fs::read_dir(folder).into_iter().flatten();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names
        .filter(|name| name.starts_with(&Namespace::prefix()))
        .collect()
}

/// Everything that a lab can have, with a process that nobody waits for.
fn everything(pids: &mut Vec<u32>) -> (Lab, [Endpoint; 2], Capture) {
    let lab = Lab::two_hosts_through_a_router().unwrap();
    lab.path("left1").delay(Duration::from_millis(1)).unwrap();
    lab.path("right1").lose(10.0).unwrap();
    let config = EndpointConfig::listen(lab.addresses("hss").to_vec(), 3868);
    let endpoint = Endpoint::spawn(lab.host("hss"), &config).unwrap();
    let config = EndpointConfig::listen(lab.addresses("mme").to_vec(), 3868);
    let linux = lab.spawn("mme", &Backend::user_mode_linux(), &config).unwrap();
    let capture = Capture::start(lab.host("gateway"), "left1").unwrap();
    // The shell leaves its child running, of which nobody here knows.
    lab.host("mme")
        .command("sh")
        .args(["-c", "sleep 1000 &"])
        .status()
        .unwrap();
    for host in ["mme", "gateway", "hss"] {
        pids.extend(lab.host(host).processes().unwrap());
    }
    assert!(
        pids.len() > 5,
        "sleep, tcpdump, the endpoint, and Linux with its helpers: {pids:?}"
    );
    (lab, [endpoint, linux], capture)
}

fn nothing_is_left(pids: &[u32]) {
    let run = things_with_our_prefix(Path::new("/run/netns"));
    let temporary = things_with_our_prefix(&std::env::temp_dir());
    assert_eq!((run, temporary), (Vec::new(), Vec::new()));
    // A zombie has no namespace; the id of a process that has been waited for may go to another one.
    let here = std::fs::read_link("/proc/self/ns/net").unwrap();
    for pid in pids {
        let namespace = std::fs::read_link(format!("/proc/{pid}/ns/net"));
        assert!(namespace.is_err() || namespace.unwrap() == here, "{pid}");
    }
}

#[test]
fn nothing_is_left_after_drop_nor_after_a_panic() {
    let mut pids = Vec::new();
    let all = everything(&mut pids);
    assert_eq!(things_with_our_prefix(Path::new("/run/netns")).len(), 4);
    assert_eq!(things_with_our_prefix(&std::env::temp_dir()).len(), 1);
    drop(all);
    nothing_is_left(&pids);

    let mut pids = Vec::new();
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let (lab, _endpoints, _capture) = everything(&mut pids);
        // The lab goes first here, under its endpoint and capture.
        lab.host("mme").run(|| panic!("in a closure")).unwrap();
    }));
    assert!(panicked.is_err());
    nothing_is_left(&pids);

    let lab = Lab::two_hosts_two_paths().unwrap();
    an_endpoint_ends_with_the_process_that_started_it(&lab);
    drop(lab);
    let no_such_binary = missing_binary();
    assert!(
        no_such_binary
            .to_string()
            .contains("cargo build -p sctp-monitor-lab"),
        "{no_such_binary}"
    );
    nothing_is_left(&[]);
}

fn an_endpoint_ends_with_the_process_that_started_it(lab: &Lab) {
    let mut endpoint = lab
        .host("hss")
        .command(endpoint_binary().unwrap())
        .args(["--supervised", "--listen=3868", "--local=10.1.1.2"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    drop(endpoint.stdin.take());
    let status = wait::until(SOON, || endpoint.try_wait().unwrap()).unwrap();
    assert!(status.success());
}

fn missing_binary() -> EndpointError {
    EndpointError::BinaryMissing {
        tried: vec!["/nowhere/sctp-lab-endpoint".into()],
    }
}
