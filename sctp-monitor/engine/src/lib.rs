//! Associations, paths and their failures: the pure core of sctp-monitor.
//!
//! The engine has four verbs. `handle_*` takes what was seen (ring records, flow records, the state of NICs) and the
//! time; [`Engine::poll_output`] gives what follows (events, and what the flow records must be told);
//! [`Engine::poll_timeout`] says when to come back at the latest, with [`Engine::handle_timeout`]. It reads no clock
//! and does no I/O: the same input gives the same output, live, from a capture, and in a test.
//!
//! - [`event`]: what is reported.
//! - [`config`]: the constants, with their reasons.
//! - `flow`: one direction of a path, as its records tell; `detector`: whether it works, by `odds` and `rtt`.
//! - `loss`, `sizes`, `latency`: what else may be wrong with it.
//! - `association`: endpoints, addresses, paths and their states; `primary`: where DATA goes.
//! - `grouping`: which flow belongs to which association; `control`: handshake and end of an association.
//! - `diagnosis`, `redundancy`: which [`finding`] follows from all this; [`incident`]: which of them have one cause.

#![forbid(unsafe_code)]

mod association;
pub mod config;
mod control;
mod detector;
mod diagnosis;
mod engine;
pub mod event;
pub mod finding;
mod flow;
mod grouping;
pub mod incident;
mod latency;
mod loss;
mod odds;
mod primary;
mod redundancy;
mod rtt;
mod sizes;
mod time;

pub use association::{Association, Path};
pub use engine::{Engine, NicState, Output};
pub use flow::{Direction, FlowView, RttView};
pub use latency::Slow;
pub use loss::Rate;
pub use time::{Short, Timestamp};
