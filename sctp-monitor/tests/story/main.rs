//! What an operator is told of captures of known failures, and of healthy networks: `sctp-monitor pcap` against what
//! people wrote down. README.md beside this file says how.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is how it fails")]

mod agreement;
mod case;
mod field;
mod lacking;
mod own;
mod variants;
