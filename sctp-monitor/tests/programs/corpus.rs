//! Captures of real traffic, frame by frame through the program and through the slices.

use std::path::{Path, PathBuf};

use sctp_monitor_capture::Captures;
use sctp_monitor_common::wire::LinkType;

use crate::both::Both;

#[test]
fn programs_and_slices_agree_on_our_own_captures() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    assert_agreement(&captures(&here.join("tests/conformance/pcaps")));
}

#[test]
fn programs_and_slices_agree_on_captured_frames() {
    if let Some(folder) = sctp_monitor_lab::corpus("programs_and_slices_agree_on_captured_frames", "pcaps") {
        assert_agreement(&captures(&folder));
    }
}

fn assert_agreement(files: &[PathBuf]) {
    for (program, longest) in [("xdp_ingress", ONE_BUFFER), ("xdp_ingress_frags", usize::MAX)] {
        let mut both = Both::new(program);
        let mut frames = 0;
        for file in files {
            let mut captures = Captures::open(std::slice::from_ref(file));
            let mut number = 0;
            while let Some(record) = captures.advance() {
                number += 1;
                let length = record.bytes.len();
                if record.link != LinkType::Ethernet || !(SHORTEST..=longest).contains(&length) {
                    continue;
                }
                both.frame(record.bytes).unwrap_or_else(|difference| {
                    panic!("{program}, {} frame {number}: {difference}", file.display())
                });
                frames += 1;
            }
            both.forget_all();
        }
        assert!(frames > 50, "{program}: {frames} frames");
        println!("{program}: {frames} frames");
    }
}

/// BPF_PROG_TEST_RUN wants an Ethernet header and one byte (net/bpf/test_run.c).
const SHORTEST: usize = 15;
/// It gives a program without fragments one page, of which some is headroom.
const ONE_BUFFER: usize = 3_000;

fn captures(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    files
}
