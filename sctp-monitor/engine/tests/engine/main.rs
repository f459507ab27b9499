//! The engine in virtual time.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is how it fails")]

mod addresses;
mod associations;
mod ends;
mod handshakes;
mod icmp;
#[path = "../support/outputs.rs"]
mod outputs;
mod paths;
mod world;
