//! What tests, benchmarks and fuzz targets share. It needs stable Rust and nothing else: no root, no C, no SCTP stack.
//! What does need them is the lab's.
//!
//! - [`frames`], [`capture_file`]: packets and files, byte by byte. They share no code with the parsers under test.
//! - [`exchange`]: associations that nothing is wrong with, captured in many ways.
//! - [`dissect`]: what tshark says of a capture, to be held against those parsers.
//! - [`choices`], [`traffic`]: frames that make sense now and then, and lie in every field otherwise.
//! - [`store`], [`world`]: flow tables in memory, and the engine in virtual time.
//! - [`invariants`]: what holds of the engine's events whatever happened.

#![forbid(unsafe_code)]

pub mod capture_file;
pub mod choices;
pub mod dissect;
pub mod exchange;
pub mod frames;
pub mod invariants;
pub mod store;
pub mod traffic;
pub mod world;
