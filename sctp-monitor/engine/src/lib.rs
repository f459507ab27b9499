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
//! - `addresses`, `asconf`, `nat`, `identity`: whose an address is, how that changes, and what follows from it.
//! - `grouping`: which flow belongs to which association, by its `tags`.
//! - `restart`: tags that change without a handshake being seen.
//! - `control`: handshake and end of an association, from its control chunks; `handshake`, `offer`, `errors`: what they say.
//! - `strangers`: packets that claim to be of an association, and are not; `suspicion`: what is reported of them.
//! - `diagnosis`, `redundancy`: which [`finding`] follows from all this; [`incident`]: which of them have one cause.
//! - `throughput`, [`ppid`]: what reports show beside.

#![forbid(unsafe_code)]

mod addresses;
mod asconf;
mod association;
pub mod config;
mod control;
mod detector;
mod diagnosis;
mod engine;
mod errors;
pub mod event;
pub mod finding;
mod flow;
mod grouping;
mod handshake;
mod housekeeping;
mod identity;
pub mod incident;
mod latency;
mod loss;
mod nat;
mod odds;
mod offer;
pub mod ppid;
mod primary;
mod redundancy;
mod restart;
mod rtt;
mod sizes;
mod strangers;
mod suspicion;
mod tags;
mod throughput;
mod time;

pub use addresses::{AddressSource, Addresses, Side, Translation};
pub use association::{Association, Path};
pub use engine::{Engine, NicState, Output};
pub use flow::{Direction, FlowView, RttView};
pub use latency::Slow;
pub use loss::Rate;
pub use offer::{Offer, Offers};
pub use suspicion::{Forgery, Suspicion};
pub use throughput::Throughput;
pub use time::{Short, Timestamp};
