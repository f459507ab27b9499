//! Associations, paths and their failures: the pure core of sctp-monitor.
//!
//! The engine has four verbs. `handle_*` takes what was seen (ring records, flow records, the state of NICs) and the
//! time; [`Engine::poll_output`] gives what follows (events, and what the flow records must be told);
//! [`Engine::poll_timeout`] says when to come back at the latest, with [`Engine::handle_timeout`]. It reads no clock
//! and does no I/O: the same input gives the same output, live, from a capture, and in a test.
//!
//! - [`model`]: what is said: events, findings, incidents, in types that every reader shares.
//! - [`config`]: the constants, with their reasons.
//! - `registry`: which associations there are, and which flow belongs to which.
//! - `path`: whether a path works, how fast, and what it loses.
//! - `findings`: what follows from all this, and what has one cause.
//! - `engine`: routes between them.

#![forbid(unsafe_code)]

pub mod config;
mod engine;
mod findings;
pub mod model;
mod path;
mod registry;
mod snapshot;

pub use engine::{Engine, NicState, Output};
pub use path::state::Path;
pub use registry::{addresses::Addresses, association::Association};
