//! The engine in virtual time.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is how it fails")]

mod associations;
mod icmp;
#[path = "../support/outputs.rs"]
mod outputs;
mod paths;
mod world;
