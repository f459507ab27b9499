//! Error causes of ABORT and ERROR chunks.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An error cause (RFC 9260 section 3.3.10) with its fields. A field is null where the chunk was cut before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "cause", rename_all = "snake_case")]
pub enum ErrorCause {
    /// DATA came on a stream that does not exist.
    InvalidStream {
        /// The stream identifier of the DATA.
        stream: Option<u16>,
        /// Streams that exist in this direction, if the handshake was seen: identifiers from 0 on.
        streams: Option<u16>,
    },
    /// INIT or INIT ACK lacks parameters that it must have.
    MissingParameters {
        /// Their types.
        parameters: Vec<u16>,
    },
    /// COOKIE ECHO came after the cookie's lifetime.
    StaleCookie {
        /// By how many microseconds it came too late.
        late_by_us: Option<u32>,
    },
    /// The sender has no resources left.
    OutOfResource,
    /// The sender cannot use an address that INIT or INIT ACK lists.
    UnresolvableAddress {
        /// The address; null if it is a host name.
        address: Option<IpAddr>,
    },
    /// The sender does not know a chunk type.
    UnrecognizedChunk {
        /// The type.
        chunk_type: Option<u8>,
    },
    /// A parameter of INIT or INIT ACK has an invalid value.
    InvalidParameter,
    /// The sender does not know parameters of INIT ACK.
    UnrecognizedParameters {
        /// Their types.
        parameters: Vec<u16>,
    },
    /// A DATA chunk held no data.
    NoUserData {
        /// Its TSN.
        tsn: Option<u32>,
    },
    /// COOKIE ECHO came while the association was shutting down.
    CookieWhileShuttingDown,
    /// INIT came from an endpoint whose association lives, and would have added addresses to it.
    RestartWithNewAddresses {
        /// The new addresses.
        addresses: Vec<IpAddr>,
    },
    /// The application asked for the ABORT.
    UserInitiated {
        /// What it said, if that is text that can be shown.
        said: Option<String>,
    },
    /// The other endpoint broke the protocol.
    ProtocolViolation {
        /// How, if that is text that can be shown.
        said: Option<String>,
    },
    /// Any other.
    Other {
        /// The cause code (<https://www.iana.org/assignments/sctp-parameters>).
        code: u16,
    },
}
