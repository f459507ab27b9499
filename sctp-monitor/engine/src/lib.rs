//! Associations, paths and their failures: the pure core of sctp-monitor.
//!
//! A [`Session`] takes what was seen (ring records, flow records, the state of NICs) and the time, and gives events; what the
//! flow records must be told it writes into the [`FlowStore`](session::FlowStore) that it is fed from. It reads no clock and does
//! no I/O: the same input gives the same output, live, from a capture, and in a test.
//!
//! - [`model`]: what is said: events, findings, incidents, in types that every reader shares.
//! - [`config`]: the constants, with their reasons.
//! - `registry`: which associations there are, and which flow belongs to which.
//! - `path`: whether a path works, how fast, and what it loses.
//! - `findings`: what follows from all this, and what has one cause.
//! - `probing`: which paths the agent probes, when, and what the answers tell.
//! - `steering`: which packets leave on another path than the one the host chose.
//! - `engine`: routes between them.
//! - [`session`]: what the engine is told, in which order, and when.

#![forbid(unsafe_code)]

pub mod config;
mod engine;
mod findings;
mod grace;
mod housekeeping;
pub mod model;
mod nics;
mod path;
mod probing;
mod registry;
pub mod session;
mod steering;

pub use engine::Engine;
pub use nics::NicState;
pub use path::state::Path;
pub use probing::request::ProbeRequest;
pub use registry::{addresses::Addresses, association::Association};
pub use session::Session;
