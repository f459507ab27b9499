//! What the endpoints said of themselves in INIT and INIT ACK, and what both can do.

use sctp_monitor_common::wire::{Chunk, Frame, init::Extensions, init::Init};

/// What one endpoint offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offer {
    /// Streams to the other endpoint that it wants.
    pub outbound_streams: u16,
    /// Streams from the other endpoint that it allows.
    pub inbound_streams: u16,
    /// Extensions that it understands.
    pub extensions: Extensions,
}

impl Offer {
    pub(crate) fn read(init: &Init, frame: &Frame<'_>, chunk: &Chunk) -> Self {
        Self {
            outbound_streams: init.outbound_streams,
            inbound_streams: init.inbound_streams,
            extensions: Extensions::read(frame, chunk),
        }
    }
}

/// What both endpoints offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offers {
    /// The local endpoint's.
    pub local: Offer,
    /// The remote endpoint's.
    pub remote: Offer,
}

impl Offers {
    /// Streams to the remote endpoint: what one wants and the other allows (RFC 9260 section 5.1.1).
    #[must_use]
    pub fn streams_sent(&self) -> u16 {
        self.local.outbound_streams.min(self.remote.inbound_streams)
    }

    /// Streams from the remote endpoint.
    #[must_use]
    pub fn streams_received(&self) -> u16 {
        self.remote.outbound_streams.min(self.local.inbound_streams)
    }
}
