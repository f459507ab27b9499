//! Associations, paths and their failures: the pure core of sctp-monitor.
//!
//! The engine has four verbs. `handle_*` takes what was seen (ring records, flow records, the state of NICs) and the
//! time; [`Engine::poll_output`] gives what follows (events, and what the flow records must be told);
//! [`Engine::poll_timeout`] says when to come back at the latest, with [`Engine::handle_timeout`]. It reads no clock
//! and does no I/O: the same input gives the same output, live, from a capture, and in a test.
//!
//! - [`event`]: what is reported.
//! - [`config`]: the constants, with their reasons.
//! - `flow`: whether one direction of a path works.
//! - `association`: endpoints, addresses, paths and their states.
//! - `grouping`: which flow belongs to which association.
//! - `control`: handshake and end of an association.

#![forbid(unsafe_code)]

mod association;
pub mod config;
mod control;
mod engine;
pub mod event;
mod flow;
mod grouping;
mod time;

pub use association::{Association, Path};
pub use engine::{Engine, NicState, Output};
pub use flow::{Direction, FlowView, RttView};
pub use time::{Short, Timestamp};
