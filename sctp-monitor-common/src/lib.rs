//! What the kernel programs and user space must agree on.
//!
//! - [`wire`] parses packets through a bounded reader, so that the verifier, a capture file and a fuzzer all meet
//!   the same parser, and builds those that probes send. It knows none of the others.
//! - [`track`] says what one packet does to the records. It is pure: tables and time are handed in.
//! - [`steer`] says which packets may leave on another path, and what changes in them.
//! - [`abi`] holds the shapes that cross the kernel boundary: map keys and values, ring records, counters.
//! - [`memory`] (feature `std`) is a flow table in ordinary memory.
//!
//! With the feature `serde` what the agent keeps of them can be saved.

#![cfg_attr(not(any(test, feature = "std")), no_std)]
#![forbid(unsafe_code)]

pub mod abi;
#[cfg(any(test, feature = "std"))]
pub mod memory;
#[cfg(feature = "serde")]
mod saved;
pub mod steer;
pub mod track;
pub mod wire;
