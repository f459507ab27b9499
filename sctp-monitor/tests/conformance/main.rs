//! Captures of real traffic against an independent oracle: what tshark says of them, and nothing of ours.
//!
//! Two roads are held against it: the tracker over slices, which is what the programs in the kernel run, and the whole of
//! `sctp-monitor pcap`. That the programs do with every frame what the slices do is held by `tests/programs`.
//!
//! The captures of `../shared/corpus` are not part of this repository; where they are missing the tests say that they were
//! skipped. Our own small captures, with tshark's word beside them, are in `captures/`.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is how it fails")]

mod captures;
mod differences;
mod oracle;
mod pcap;
mod slices;
