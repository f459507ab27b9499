//! The agent as its users run it: real programs on real veths, real SCTP stacks as peers, in network namespaces.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is how it fails")]

mod counts;
mod detach;
mod gateway;
mod paths;
mod setup;
mod trouble;
