//! What is wrong with a capture file, and where.

use std::io;

/// A capture file that cannot be read, or not to its end. The packets read before are valid.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {}{problem}", Place(*offset, *unpacked))]
pub struct CaptureError {
    /// The file's name, as it was given.
    pub file: String,
    /// Bytes from the beginning, of the unpacked contents if the file is compressed; `None` if it was not opened.
    pub offset: Option<u64>,
    /// Whether the file is compressed.
    pub unpacked: bool,
    /// The fault.
    #[source]
    pub problem: Problem,
}

impl CaptureError {
    /// Whether nothing of the file could be read.
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        matches!(
            self.problem,
            Problem::Open(_)
                | Problem::Empty
                | Problem::NotACapture(_)
                | Problem::HeaderCut
                | Problem::LinkType(_)
        )
    }
}

/// Faults of a capture file.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The file cannot be opened.
    #[error("cannot be opened")]
    Open(#[source] io::Error),
    /// The file cannot be read, or not be decompressed.
    #[error("reading failed here: {0}")]
    Read(#[source] io::Error),
    /// The file has no bytes.
    #[error("the file is empty")]
    Empty,
    /// The file begins with the bytes of no known format.
    #[error("not a capture: it begins with {}; pcap, pcapng, gzip and zstd begin otherwise", hex(.0))]
    NotACapture(Vec<u8>),
    /// The file ends within its header.
    #[error("the file ends within its header: it is truncated")]
    HeaderCut,
    /// The link type of its packets is not supported.
    #[error(
        "packets of link type {0} are not supported. Supported are Ethernet (1), loopback (0, 108), raw IP (12, 14, 101, 228, \
         229) and Linux cooked (113, 276); see https://www.tcpdump.org/linktypes.html"
    )]
    LinkType(u32),
    /// The file ends within a record.
    #[error(
        "the file ends within a record, {left} bytes after the record's beginning: it is truncated, or still being written"
    )]
    RecordCut {
        /// Bytes of the record that the file has.
        left: u64,
    },
    /// A record that claims to be larger than any packet.
    #[error("a record claims to have {claimed} bytes, more than any packet: the file is damaged here")]
    RecordTooLarge {
        /// Length that it claims, in bytes.
        claimed: u64,
    },
    /// A pcapng block whose length fields or contents contradict each other.
    #[error(
        "a block of type {block_type:#010x} has lengths that contradict each other (it claims to have {claimed} bytes): the file is \
         damaged here"
    )]
    BlockInvalid {
        /// The type of the block.
        block_type: u32,
        /// Length that it claims, in bytes.
        claimed: u32,
    },
    /// A packet of an interface that the file does not describe.
    #[error("a packet belongs to interface {0}, which the file does not describe: the file is damaged")]
    InterfaceUnknown(u32),
}

struct Place(Option<u64>, bool);

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self(None, _) => Ok(()),
            Self(Some(offset), false) => write!(f, "at byte {offset}: "),
            Self(Some(offset), true) => write!(f, "at byte {offset} of the decompressed contents: "),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect::<Vec<_>>()
        .join(" ")
}
