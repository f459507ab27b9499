//! What the endpoints said of themselves in INIT and INIT ACK, and what both can do.

use schemars::JsonSchema;
use sctp_monitor_common::wire::{Chunk, Frame, init::Extensions, init::Init};
use serde::{Deserialize, Serialize};

use crate::model::{Direction, units};

/// Streams and extensions that one endpoint offered in INIT or INIT ACK.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Offer {
    /// Number of Outbound Streams (RFC 9260 section 3.3.2).
    pub outbound_streams: u16,
    /// Number of Inbound Streams (RFC 9260 section 3.3.2).
    pub inbound_streams: u16,
    /// Chunk types of the extensions that it supports (RFC 5061 section 4.2.7).
    #[serde(with = "units::extensions")]
    #[schemars(with = "Vec<String>")]
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

/// The offers of both endpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(from = "Agreed", into = "Agreed")]
#[schemars(with = "Agreed")]
pub struct Offers {
    /// The local endpoint's offer.
    pub local: Offer,
    /// The remote endpoint's offer.
    pub remote: Offer,
}

/// What follows from the offers, and they themselves.
#[derive(Clone, Copy, Serialize, Deserialize, JsonSchema)]
struct Agreed {
    /// Streams in each direction.
    streams: Streams,
    /// What each endpoint offered.
    offers: Offered,
}

#[derive(Clone, Copy, Serialize, Deserialize, JsonSchema)]
struct Streams {
    forward: u16,
    r#return: u16,
}

#[derive(Clone, Copy, Serialize, Deserialize, JsonSchema)]
struct Offered {
    local: Offer,
    remote: Offer,
}

impl Offers {
    /// The same with the endpoints the other way round.
    pub(crate) fn reversed(self) -> Self {
        Self {
            local: self.remote,
            remote: self.local,
        }
    }

    /// Streams in a direction: what one endpoint wants and the other allows (RFC 9260 section 5.1.1).
    #[must_use]
    pub fn streams(&self, direction: Direction) -> u16 {
        let (sender, receiver) = match direction {
            Direction::Forward => (self.local, self.remote),
            Direction::Return => (self.remote, self.local),
        };
        sender.outbound_streams.min(receiver.inbound_streams)
    }
}

impl From<Offers> for Agreed {
    fn from(offers: Offers) -> Self {
        Self {
            streams: Streams {
                forward: offers.streams(Direction::Forward),
                r#return: offers.streams(Direction::Return),
            },
            offers: Offered {
                local: offers.local,
                remote: offers.remote,
            },
        }
    }
}

impl From<Agreed> for Offers {
    fn from(agreed: Agreed) -> Self {
        Self {
            local: agreed.offers.local,
            remote: agreed.offers.remote,
        }
    }
}
