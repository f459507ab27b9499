//! What is wrong with a capture file, and where.

use std::io;

/// A file that cannot be read, or not any further. What was read before stands.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {}{problem}", Place(*offset, *unpacked))]
pub struct CaptureError {
    /// The file's name, as it was given.
    pub file: String,
    /// Bytes from the beginning, of the unpacked contents if the file is compressed; `None` if it was not opened.
    pub offset: Option<u64>,
    /// Whether the file is compressed.
    pub unpacked: bool,
    /// What is wrong.
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

/// What is wrong.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// It cannot be opened.
    #[error("cannot be opened")]
    Open(#[source] io::Error),
    /// It cannot be read, or not be unpacked.
    #[error("cannot be read any further: {0}")]
    Read(#[source] io::Error),
    /// It has no bytes.
    #[error("is empty: not even a capture's header is there")]
    Empty,
    /// It begins with something else.
    #[error("is no capture: it begins with {}, which neither pcap, pcapng, gzip nor zstd does", hex(.0))]
    NotACapture(Vec<u8>),
    /// It ends within its header.
    #[error("the file ends within its header")]
    HeaderCut,
    /// Its packets begin with something that is not understood.
    #[error(
        "packets of link type {0} cannot be read (1 Ethernet, 0 and 108 loopback, 12, 14, 101, 228 and 229 raw IP, 113 and \
         276 Linux cooked can; see https://www.tcpdump.org/linktypes.html)"
    )]
    LinkType(u32),
    /// It ends within a record.
    #[error(
        "the file ends within a record, {left} bytes after the record's beginning: it was cut, or is still written"
    )]
    RecordCut {
        /// Bytes of it that are there.
        left: u64,
    },
    /// A record that claims to be larger than any packet.
    #[error("a record claims {claimed} bytes, more than any packet has: the file is damaged here")]
    RecordTooLarge {
        /// Bytes that it claims.
        claimed: u64,
    },
    /// A pcapng block whose length fields or contents contradict each other.
    #[error(
        "a block of type {block_type:#010x} has impossible lengths (it claims {claimed} bytes): the file is damaged here"
    )]
    BlockInvalid {
        /// Its type.
        block_type: u32,
        /// Bytes that it claims.
        claimed: u32,
    },
    /// A packet of an interface that the file does not describe.
    #[error("a packet is said to be of interface {0}, which the file does not describe: it is damaged")]
    InterfaceUnknown(u32),
}

struct Place(Option<u64>, bool);

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self(None, _) => Ok(()),
            Self(Some(offset), false) => write!(f, "at byte {offset}: "),
            Self(Some(offset), true) => write!(f, "at byte {offset} of its unpacked contents: "),
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
