//! Reads capture files, down to the packets that may hold SCTP.
//!
//! - [`source`]: a file or standard input, unpacked if it is compressed.
//! - [`reader`]: the [`record`]s of one file: pcap in all its dialects, pcapng.
//! - [`merge`]: the records of several files in the order of time; [`reorder`] puts those in order that are a little out
//!   of order within a file.
//! - [`unwrap`]: from a record to the innermost packet: [`fragments`] are put together, tunnels ([`tunnel`]) looked into;
//!   [`chain`] names what was around it.
//! - [`checksum`]: whether a packet's CRC32c is right.
//! - [`duplicates`]: the same packet captured twice, as captures on the "any" device do.
//!
//! What a packet means is not decided here: it goes on to [`sctp_monitor_common::track`], as live packets do.

#![forbid(unsafe_code)]

pub mod chain;
pub mod checksum;
pub mod duplicates;
pub mod error;
mod format;
pub mod fragments;
pub mod merge;
pub mod reader;
pub mod record;
pub mod reorder;
pub mod source;
pub mod tunnel;
pub mod unwrap;

pub use chain::Chain;
pub use error::{CaptureError, Problem};
pub use merge::Captures;
pub use reader::Reader;
pub use record::Record;
pub use unwrap::{Inner, Layers, Look, Unwrapper};
