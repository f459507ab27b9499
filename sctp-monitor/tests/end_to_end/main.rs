//! The agent as its users run it: real programs on real veths, real SCTP stacks as peers, in network namespaces.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is how it fails")]

mod ask;
mod attacks;
mod audit;
mod both;
mod browser;
mod budgets;
mod bulk;
mod checksums;
mod company;
mod conntrack;
mod counts;
mod crash;
mod detach;
mod diagnosis;
mod flood;
mod forged;
mod gateway;
mod handover;
mod handshakes;
mod icmp;
mod incidents;
mod leftovers;
mod linux;
mod mid_life;
mod neighbours;
mod nics;
mod page;
mod paths;
mod played;
mod preflight;
mod probing;
mod reload;
mod reports;
mod scene;
mod schema;
mod setup;
mod steering;
#[path = "../support/schema.rs"]
mod support;
mod top;
mod trouble;
mod two_cpus;
mod web;
