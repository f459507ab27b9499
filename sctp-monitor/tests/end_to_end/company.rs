//! Other programs on the NIC.

use std::time::Duration;

use aya::{
    EbpfLoader,
    programs::{SchedClassifier, TcAttachType},
};
use sctp_monitor::kernel::has_tcx;
use sctp_monitor_lab::{Lab, skip};

use crate::{
    scene::{PRIMARY, associate, since},
    setup::{SOON, monitor},
};

static OTHERS: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/sctp-monitor-floor"));

#[test]
fn a_program_that_ends_the_chain_hides_nothing() {
    if !has_tcx() {
        return skip(
            "a_program_that_ends_the_chain_hides_nothing",
            "this kernel has no TCX",
        );
    }
    let lab = Lab::two_hosts_two_paths().unwrap();
    let mut others = EbpfLoader::new().load(OTHERS).unwrap();
    let other: &mut SchedClassifier = others.program_mut("tc_ends_chain").unwrap().try_into().unwrap();
    other.load().unwrap();
    for nic in ["path1", "path2"] {
        let attach = || other.attach(nic, TcAttachType::Egress).map(|_| ());
        lab.host("mme").run(attach).unwrap().unwrap();
    }
    let agent = monitor(lab.host("mme"), &["path1", "path2"], &[]);
    let pair = associate(&lab, &agent);
    let fault_ns = lab.path("path1").break_silently().unwrap();
    let down = agent.wait_for_path(PRIMARY, "inactive", SOON).unwrap();
    assert!(since(fault_ns, &down) < Duration::from_secs(5), "{down:#}");
    drop(pair);
}
