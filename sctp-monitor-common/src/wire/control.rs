//! The other control chunks: those that end an association, report errors, or change its addresses.
//!
//! They are rare and carry lists, so the programs hand them to user space as bytes and only user space comes here.

use super::{
    Address, Chunk, ReadPacket,
    param::{self, Param},
};

/// The error causes of an ABORT or ERROR chunk (RFC 9260 section 3.3.10).
pub fn causes<'r, R: ReadPacket>(reader: &'r R, chunk: &Chunk) -> impl Iterator<Item = Param> + use<'r, R> {
    param::params(reader, chunk.value_at(), chunk.end())
}

/// The name of an error cause code (<https://www.iana.org/assignments/sctp-parameters>, cause codes).
#[must_use]
pub const fn cause_name(code: u16) -> &'static str {
    match code {
        1 => "invalid stream identifier",
        2 => "missing mandatory parameter",
        3 => "stale cookie",
        4 => "out of resource",
        5 => "unresolvable address",
        6 => "unrecognized chunk type",
        7 => "invalid mandatory parameter",
        8 => "unrecognized parameters",
        9 => "no user data",
        10 => "cookie received while shutting down",
        11 => "restart of an association with new addresses",
        12 => "user-initiated abort",
        13 => "protocol violation",
        0x00a0 => "request to delete last remaining IP address",
        0x00a1 => "operation refused due to resource shortage",
        0x00a2 => "request to delete source IP address",
        0x00a3 => "association aborted due to illegal ASCONF-ACK",
        0x00a4 => "request refused, no authorization",
        0x0105 => "unsupported HMAC identifier",
        _ => "unknown cause",
    }
}

/// The cumulative TSN ack of a SHUTDOWN chunk (RFC 9260 section 3.3.8); `None` if it is cut.
pub fn shutdown_cum_tsn_ack<R: ReadPacket>(reader: &R, chunk: &Chunk) -> Option<u32> {
    reader.read_u32(chunk.value_at())
}

/// The serial number of an ASCONF or ASCONF ACK chunk (RFC 5061 section 4.1); `None` if it is cut.
pub fn asconf_serial<R: ReadPacket>(reader: &R, chunk: &Chunk) -> Option<u32> {
    reader.read_u32(chunk.value_at())
}

/// One request of an ASCONF chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct AddressChange {
    /// The change that is requested.
    pub kind: AddressChangeKind,
    /// The address it is about.
    pub address: Address,
    /// Names the request in the ASCONF ACK.
    pub correlation_id: u32,
}

/// What an ASCONF request asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum AddressChangeKind {
    /// The sender has one address more.
    Add,
    /// The sender gives an address up.
    Delete,
    /// The sender wants DATA at this address.
    SetPrimary,
}

/// The requests of an ASCONF chunk, in order. Its first parameter, the address by which the receiver finds the
/// association, is none of them.
pub fn address_changes<'r, R: ReadPacket>(
    reader: &'r R,
    chunk: &Chunk,
) -> impl Iterator<Item = AddressChange> + use<'r, R> {
    let end = chunk.end();
    param::params(reader, chunk.value_at() + SERIAL_LEN, end).filter_map(|request| {
        let kind = match request.kind {
            param::ADD_IP => AddressChangeKind::Add,
            param::DELETE_IP => AddressChangeKind::Delete,
            param::SET_PRIMARY => AddressChangeKind::SetPrimary,
            _ => return None,
        };
        let correlation_id = reader.read_u32(request.value_at())?;
        let address = param::params(reader, request.value_at() + CORRELATION_ID_LEN, request.end())
            .find_map(|param| param.address(reader))?;
        Some(AddressChange {
            kind,
            address,
            correlation_id,
        })
    })
}

/// The address by which the receiver of an ASCONF chunk finds the association, where the packet's source is not known
/// yet: the first parameter.
pub fn asconf_lookup_address<R: ReadPacket>(reader: &R, chunk: &Chunk) -> Option<Address> {
    param::params(reader, chunk.value_at() + SERIAL_LEN, chunk.end())
        .next()?
        .address(reader)
}

/// What an ASCONF ACK chunk says of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressAnswer {
    /// The correlation ID of the request.
    pub correlation_id: u32,
    /// Why it was refused, as an error cause code (0 if none is given); `None` if it was done.
    pub refused: Option<u16>,
}

/// The answers of an ASCONF ACK chunk, in order. A request without one was done, unless one before it was refused
/// (RFC 5061 section 4.1.2).
pub fn address_answers<'r, R: ReadPacket>(
    reader: &'r R,
    chunk: &Chunk,
) -> impl Iterator<Item = AddressAnswer> + use<'r, R> {
    let end = chunk.end();
    param::params(reader, chunk.value_at() + SERIAL_LEN, end).filter_map(|answer| {
        let refused = match answer.kind {
            param::SUCCESS_INDICATION => None,
            param::ERROR_CAUSE_INDICATION => {
                let cause =
                    param::params(reader, answer.value_at() + CORRELATION_ID_LEN, answer.end()).next();
                Some(cause.map_or(0, |cause| cause.kind))
            }
            _ => return None,
        };
        Some(AddressAnswer {
            correlation_id: reader.read_u32(answer.value_at())?,
            refused,
        })
    })
}

const SERIAL_LEN: usize = 4;
const CORRELATION_ID_LEN: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{ChunkKind, Frame};

    fn chunk(kind: ChunkKind, length: usize) -> Chunk {
        Chunk::new(0, kind.to_type().unwrap(), 0, u16::try_from(length).unwrap())
    }

    #[test]
    fn abort_names_its_causes() {
        let bytes = [
            6, 0, 0, 20, // ABORT
            0, 12, 0, 7, b'b', b'y', b'e', 0, // user-initiated abort: "bye"
            0, 13, 0, 8, 0, 0, 0, 0, // protocol violation
        ];
        let names: Vec<_> = causes(&Frame(&bytes), &chunk(ChunkKind::Abort, bytes.len()))
            .map(|cause| cause_name(cause.kind))
            .collect();
        assert_eq!(names, ["user-initiated abort", "protocol violation"]);
    }

    #[test]
    fn asconf_requests_are_read() {
        let bytes = [
            193, 0, 0, 48, // ASCONF
            0, 0, 0, 7, // serial number
            0, 5, 0, 8, 10, 1, 0, 1, // address parameter
            0xc0, 0x01, 0, 16, 0, 0, 0, 1, 0, 5, 0, 8, 10, 2, 0, 1, // add 10.2.0.1
            0xc0, 0x02, 0, 16, 0, 0, 0, 2, 0, 5, 0, 8, 10, 3, 0, 1, // delete 10.3.0.1
        ];
        let asconf = chunk(ChunkKind::Asconf, bytes.len());
        let frame = Frame(&bytes);
        assert_eq!(asconf_serial(&frame, &asconf), Some(7));
        let changes: Vec<_> = address_changes(&frame, &asconf)
            .map(|change| {
                (
                    change.kind,
                    change.address.to_ip().to_string(),
                    change.correlation_id,
                )
            })
            .collect();
        assert_eq!(
            changes,
            [
                (AddressChangeKind::Add, "10.2.0.1".into(), 1),
                (AddressChangeKind::Delete, "10.3.0.1".into(), 2)
            ]
        );
    }

    #[test]
    fn asconf_names_the_address_to_look_for() {
        let bytes = [193, 0, 0, 16, 0, 0, 0, 7, 0, 5, 0, 8, 10, 1, 0, 1];
        let address = asconf_lookup_address(&Frame(&bytes), &chunk(ChunkKind::Asconf, bytes.len()));
        assert_eq!(address.unwrap().to_ip().to_string(), "10.1.0.1");
    }

    #[test]
    fn asconf_answers_are_read() {
        let bytes = [
            128, 0, 0, 32, // ASCONF ACK
            0, 0, 0, 7, // serial number
            0xc0, 0x05, 0, 8, 0, 0, 0, 1, // success of request 1
            0xc0, 0x03, 0, 16, 0, 0, 0, 2, 0, 0xa0, 0, 8, 0, 0, 0, 0, // request 2 refused: last address
        ];
        let ack = chunk(ChunkKind::AsconfAck, bytes.len());
        let frame = Frame(&bytes);
        assert_eq!(asconf_serial(&frame, &ack), Some(7));
        let answers: Vec<_> = address_answers(&frame, &ack)
            .map(|answer| (answer.correlation_id, answer.refused))
            .collect();
        assert_eq!(answers, [(1, None), (2, Some(0xa0))]);
    }

    #[test]
    fn a_cut_asconf_yields_what_is_whole() {
        let bytes = [
            193, 0, 0, 32, 0, 0, 0, 7, 0xc0, 0x01, 0, 16, 0, 0, 0, 1, 0, 5, 0, 8, 10, 2,
        ];
        let frame = Frame(&bytes);
        assert_eq!(address_changes(&frame, &chunk(ChunkKind::Asconf, 32)).count(), 0);
    }

    #[test]
    fn shutdown_acknowledges() {
        let bytes = [7, 0, 0, 8, 0, 0, 1, 0];
        assert_eq!(
            shutdown_cum_tsn_ack(&Frame(&bytes), &chunk(ChunkKind::Shutdown, 8)),
            Some(256)
        );
        assert_eq!(
            shutdown_cum_tsn_ack(&Frame(&bytes[..6]), &chunk(ChunkKind::Shutdown, 8)),
            None
        );
    }
}
