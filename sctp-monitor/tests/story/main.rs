//! What an operator is told of captures of known failures, and of healthy networks: `sctp-monitor pcap` against what
//! people wrote down. README.md beside this file says how.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is how it fails")]

mod agreement;
#[expect(dead_code, reason = "some of it is for what is told live, in `tests/replay`")]
mod case;
mod complaints;
mod field;
mod healthy;
mod kinds;
mod lacking;
mod mirrored;
mod own;
mod variants;
