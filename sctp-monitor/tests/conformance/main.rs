//! Captures of real traffic against an independent oracle: what tshark says of them, and nothing of ours.
//!
//! Two roads are held against it: the tracker over slices, which is what the programs in the kernel run, and the whole of
//! `sctp-monitor pcap`. That the programs do with every frame what the slices do is held by `tests/programs`.
//!
//! Our own small captures, with tshark's word beside them, are in this folder and always tried. Those of the corpus, which
//! `SCTP_MONITOR_CORPUS` names, are not part of this repository: without them their tests are skipped.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is how it fails")]

mod captures;
mod differences;
mod oracle;
mod pcap;
mod slices;
