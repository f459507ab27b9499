//! Simulated worlds: an SCTP association over a network with faults, watched by the tracker and the engine in virtual
//! time. Every world is drawn from a seed.
//!
//! - `dice`: chance.
//! - `packet`, `network`, `queue`: what goes between the hosts, and what happens to it on the way.
//! - `transport`, `sender`, `receiver`, `endpoint`: SCTP as Linux does it by default.
//! - `programs`, `monitor`: tracker, flow records and engine, run as the agent runs them.
//! - `world`: what happens when.
//! - `scenario`: kinds of worlds. `trial`: what is done in one. `statistics`: what came out.

mod dice;
mod endpoint;
mod monitor;
mod network;
pub(crate) mod packet;
mod programs;
pub(crate) mod queue;
mod receiver;
pub(crate) mod scenario;
mod sender;
pub(crate) mod statistics;
mod transport;
pub(crate) mod trial;
pub(crate) mod world;
