//! `sctp-monitor pcap`: the story of a capture, what is shown of it, and what is said of a broken one.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is how it fails")]

mod apart;
mod broken;
mod outage;
mod reuse;
mod schema;
mod shown;
mod story;
#[path = "../support/schema.rs"]
mod support;
