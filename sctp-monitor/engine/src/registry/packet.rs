//! A packet with control chunks, as the programs hand it up: from its common header on.

use sctp_monitor_common::{
    abi::{ControlHeader, FlowKey},
    wire::{Chunk, Frame, ReadPacket as _, chunk::chunks},
};

use crate::model::Timestamp;

/// The packet and where it was seen.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ControlPacket<'a> {
    pub(crate) header: &'a ControlHeader,
    pub(crate) frame: Frame<'a>,
    /// Its verification tag.
    pub(crate) tag: u32,
    /// When it passed.
    pub(crate) time: Timestamp,
}

impl<'a> ControlPacket<'a> {
    /// A packet that begins with its common header; `None` if it ends within that.
    pub(crate) fn read(header: &'a ControlHeader, packet: &'a [u8]) -> Option<Self> {
        let frame = Frame(packet);
        Some(Self {
            header,
            frame,
            tag: frame.read_u32(TAG_AT)?,
            time: Timestamp::from_nanos(header.header.time_ns),
        })
    }

    /// Its addresses and ports.
    pub(crate) fn key(&self) -> &'a FlowKey {
        &self.header.key
    }

    /// Its chunks, in order.
    pub(crate) fn chunks(&self) -> impl Iterator<Item = Chunk> {
        chunks(&self.frame, CHUNKS_AT, self.frame.0.len())
    }
}

/// Offset of the verification tag in the common header (RFC 9260 section 3.1).
const TAG_AT: usize = 4;
/// Length of the common header.
const CHUNKS_AT: usize = 12;
