//! Chunks (RFC 9260 section 3.2): their kinds, and the walk over all chunks of a packet.

use bytemuck::{Pod, Zeroable};

use super::ReadPacket;

/// A chunk's common header, and where it is.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
pub struct Chunk {
    /// Offset of the chunk header in the frame.
    at: u32,
    /// The length field: header and value, without padding. At least 4.
    pub length: u16,
    /// Flags, by kind.
    pub flags: u8,
    /// The kind, as an index. Not a [`ChunkKind`], because LLVM would conclude its range from the type and drop the
    /// bounds check that the verifier wants to see.
    index: u8,
}

impl Chunk {
    /// A chunk whose header said so.
    #[inline(always)]
    #[must_use]
    pub fn new(at: usize, chunk_type: u8, flags: u8, length: u16) -> Self {
        Self {
            at: at as u32,
            index: INDEX_OF_TYPE[chunk_type as usize],
            flags,
            length,
        }
    }

    /// Whether it carries user data: DATA or I-DATA.
    #[inline(always)]
    #[must_use]
    pub fn is_data(&self) -> bool {
        self.is(ChunkKind::Data) || self.is(ChunkKind::IData)
    }

    /// Whether it is of this kind.
    #[inline(always)]
    #[must_use]
    pub fn is(&self, kind: ChunkKind) -> bool {
        self.index == kind as u8
    }

    /// The kind of the chunk.
    #[must_use]
    pub fn kind(&self) -> ChunkKind {
        ChunkKind::ALL
            .get(self.index as usize)
            .copied()
            .unwrap_or(ChunkKind::Other)
    }

    /// The discriminant of its kind, below [`KIND_SLOTS`].
    #[inline(always)]
    #[must_use]
    pub fn slot(&self) -> usize {
        self.index as usize % KIND_SLOTS
    }

    /// Offset of the chunk header in the frame.
    #[inline(always)]
    #[must_use]
    pub fn at(&self) -> usize {
        self.at as usize
    }

    /// Offset of the value.
    #[inline(always)]
    #[must_use]
    pub fn value_at(&self) -> usize {
        self.at() + CHUNK_HEADER_LEN
    }

    /// Offset after the value.
    #[inline(always)]
    #[must_use]
    pub fn end(&self) -> usize {
        self.at() + self.length as usize
    }

    /// Offset of the next chunk, if there is one.
    #[inline(always)]
    #[must_use]
    pub fn padded_end(&self) -> usize {
        self.at() + ((self.length as usize + 3) & !3)
    }

    /// Bytes of the value by the length field.
    #[inline(always)]
    #[must_use]
    pub fn value_length(&self) -> usize {
        (self.length as usize).saturating_sub(CHUNK_HEADER_LEN)
    }

    /// The T bit of ABORT and SHUTDOWN COMPLETE: the tag is the receiver's own, reflected (RFC 9260 section 8.5.1).
    #[inline(always)]
    #[must_use]
    pub fn reflects_tag(&self) -> bool {
        self.flags & 1 != 0 && (self.is(ChunkKind::Abort) || self.is(ChunkKind::ShutdownComplete))
    }
}

/// Counters by chunk kind: a power of two, so that an index is bounded by a mask.
pub const KIND_SLOTS: usize = 32;

/// Bytes of a chunk's common header.
pub const CHUNK_HEADER_LEN: usize = 4;

/// How the walk over a packet's chunks ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum WalkEnd {
    /// After the last chunk.
    Complete,
    /// The packet has no chunk.
    NoChunks,
    /// Fewer bytes than a chunk header remain, or the frame was cut in one.
    HeaderTruncated,
    /// A length field below 4; nothing after it can be found.
    LengthTooShort,
    /// A length field that reaches past the end of the packet. That chunk was visited, as the last one.
    LengthPastEnd,
    /// More chunks than the bound; the first ones were visited.
    TooMany,
}

/// Visits chunks. A trait and not a closure, because LLVM inlines a closure only as it likes, and a call per chunk
/// costs more than the chunk.
pub trait Visit {
    /// Meets one chunk.
    fn visit(&mut self, chunk: &Chunk);
}

/// Visits the chunks between the offsets `at` and `end`, at most `max` of them.
///
/// A chunk whose header is there is visited, even if its value is cut: whoever reads the value finds out.
#[inline(always)]
pub fn walk<R: ReadPacket>(
    reader: &R,
    mut at: usize,
    end: usize,
    max: usize,
    visitor: &mut impl Visit,
) -> WalkEnd {
    if at >= end {
        return WalkEnd::NoChunks;
    }
    for _ in 0..max {
        if at + CHUNK_HEADER_LEN > end {
            return WalkEnd::HeaderTruncated;
        }
        let Some([header]) = reader.read_words(at) else {
            return WalkEnd::HeaderTruncated;
        };
        // The type becomes an index, so it is taken from the word as it lies in memory. Of a number whose bytes were
        // swapped a verifier as old as 6.12 knows nothing, not even that it has 32 bits, and LLVM masks no shift by 24.
        let [chunk_type, flags, ..] = header.to_ne_bytes();
        let length = u32::from_be(header) as u16;
        if (length as usize) < CHUNK_HEADER_LEN {
            return WalkEnd::LengthTooShort;
        }
        visitor.visit(&Chunk::new(at, chunk_type, flags, length));
        if at + length as usize > end {
            return WalkEnd::LengthPastEnd;
        }
        at += (length as usize + 3) & !3;
        if at >= end {
            return WalkEnd::Complete;
        }
    }
    WalkEnd::TooMany
}

/// The chunks between the offsets `at` and `end`, for readers without a verifier.
pub fn chunks<R: ReadPacket>(reader: &R, at: usize, end: usize) -> impl Iterator<Item = Chunk> + use<'_, R> {
    let mut next = Some(at);
    core::iter::from_fn(move || {
        let at = next?;
        let mut first = First(None);
        next = match walk(reader, at, end, 1, &mut first) {
            WalkEnd::TooMany => first.0.map(|chunk| chunk.padded_end()),
            _ => None,
        };
        first.0
    })
}

struct First(Option<Chunk>);

impl Visit for First {
    fn visit(&mut self, chunk: &Chunk) {
        self.0 = Some(*chunk);
    }
}

macro_rules! chunk_kinds {
    ($($(#[$doc:meta])* $variant:ident = $value:literal, $name:literal;)*) => {
        /// What a chunk is, by IANA's chunk types
        /// (<https://www.iana.org/assignments/sctp-parameters>). The discriminants are dense, for counting.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum ChunkKind {
            $($(#[$doc])* $variant,)*
            /// Any other type.
            Other,
        }

        impl ChunkKind {
            /// Every kind, in the order of the discriminants.
            pub const ALL: &[Self] = &[$(Self::$variant,)* Self::Other];

            /// The kind of a chunk type.
            #[must_use]
            pub const fn from_type(value: u8) -> Self {
                match value {
                    $($value => Self::$variant,)*
                    _ => Self::Other,
                }
            }

            /// The type field's value; `None` for [`ChunkKind::Other`].
            #[must_use]
            pub const fn to_type(self) -> Option<u8> {
                match self {
                    $(Self::$variant => Some($value),)*
                    Self::Other => None,
                }
            }

            /// The RFC's name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                    Self::Other => "OTHER",
                }
            }
        }
    };
}

chunk_kinds! {
    /// User data (RFC 9260 section 3.3.1).
    Data = 0, "DATA";
    /// Opens an association (section 3.3.2).
    Init = 1, "INIT";
    /// Answers INIT (section 3.3.3).
    InitAck = 2, "INIT_ACK";
    /// Acknowledges DATA (section 3.3.4).
    Sack = 3, "SACK";
    /// Probes a path (section 3.3.5).
    Heartbeat = 4, "HEARTBEAT";
    /// Answers HEARTBEAT with the same information (section 3.3.6).
    HeartbeatAck = 5, "HEARTBEAT_ACK";
    /// Ends an association at once (section 3.3.7).
    Abort = 6, "ABORT";
    /// Begins the graceful end (section 3.3.8).
    Shutdown = 7, "SHUTDOWN";
    /// Answers SHUTDOWN (section 3.3.9).
    ShutdownAck = 8, "SHUTDOWN_ACK";
    /// Reports an error (section 3.3.10).
    Error = 9, "ERROR";
    /// Third leg of the handshake (section 3.3.11).
    CookieEcho = 10, "COOKIE_ECHO";
    /// Fourth leg: established (section 3.3.12).
    CookieAck = 11, "COOKIE_ACK";
    /// Explicit congestion notification echo (RFC 9260 appendix A).
    Ecne = 12, "ECNE";
    /// Congestion window reduced (RFC 9260 appendix A).
    Cwr = 13, "CWR";
    /// Ends the graceful end (section 3.3.13).
    ShutdownComplete = 14, "SHUTDOWN_COMPLETE";
    /// Authentication (RFC 4895).
    Auth = 15, "AUTH";
    /// SACK with non-renegable blocks (draft-tuexen-tsvwg-sctp-multipath).
    NrSack = 16, "NR_SACK";
    /// User data with interleaving (RFC 8260).
    IData = 64, "I_DATA";
    /// Answers ASCONF (RFC 5061).
    AsconfAck = 128, "ASCONF_ACK";
    /// Reports a dropped packet (draft-stewart-sctp-pktdrprep).
    PktDrop = 129, "PKTDROP";
    /// Stream reconfiguration (RFC 6525).
    ReConfig = 130, "RE_CONFIG";
    /// Padding, for path MTU probes (RFC 4820).
    Pad = 132, "PAD";
    /// Partial reliability (RFC 3758).
    ForwardTsn = 192, "FORWARD_TSN";
    /// Changes the addresses of an association (RFC 5061).
    Asconf = 193, "ASCONF";
    /// Partial reliability with interleaving (RFC 8260).
    IForwardTsn = 194, "I_FORWARD_TSN";
}

/// The discriminant of every chunk type's kind.
static INDEX_OF_TYPE: [u8; 256] = {
    let mut index = [0; 256];
    let mut value = 0;
    while value < index.len() {
        index[value] = ChunkKind::from_type(value as u8) as u8;
        value += 1;
    }
    index
};

const _: () = assert!(ChunkKind::ALL.len() <= KIND_SLOTS);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Frame;

    struct Kinds(Vec<ChunkKind>);

    impl Visit for Kinds {
        fn visit(&mut self, chunk: &Chunk) {
            self.0.push(chunk.kind());
        }
    }

    fn kinds(bytes: &[u8], end: usize, max: usize) -> (Vec<ChunkKind>, WalkEnd) {
        let mut kinds = Kinds(Vec::new());
        let walk_end = walk(&Frame(bytes), 0, end, max, &mut kinds);
        if max > kinds.0.len() {
            let iterated: Vec<_> = chunks(&Frame(bytes), 0, end).map(|chunk| chunk.kind()).collect();
            assert_eq!(iterated, kinds.0, "the iterator agrees");
        }
        (kinds.0, walk_end)
    }

    const TWO: &[u8] = &[
        11, 0, 0, 4, // COOKIE ACK
        7, 0, 0, 8, 0, 0, 0, 1, // SHUTDOWN
    ];

    #[test]
    fn all_chunks_are_visited() {
        assert_eq!(
            kinds(TWO, 12, 32),
            (vec![ChunkKind::CookieAck, ChunkKind::Shutdown], WalkEnd::Complete)
        );
    }

    #[test]
    fn padding_is_skipped_and_may_be_missing_at_the_end() {
        let padded = [15, 0, 0, 5, 0xaa, 0, 0, 0, 11, 0, 0, 4];
        assert_eq!(
            kinds(&padded, 12, 32),
            (vec![ChunkKind::Auth, ChunkKind::CookieAck], WalkEnd::Complete)
        );
        assert_eq!(
            kinds(&padded[..5], 5, 32),
            (vec![ChunkKind::Auth], WalkEnd::Complete)
        );
    }

    #[test]
    fn padding_is_counted_from_the_chunk_and_not_from_the_frame() {
        // An Ethernet header has 14 bytes, so the chunks of a frame seldom begin at a multiple of four.
        let bytes = [&[0xff; 2][..], TWO].concat();
        let iterated: Vec<_> = chunks(&Frame(&bytes), 2, bytes.len())
            .map(|chunk| chunk.kind())
            .collect();
        assert_eq!(iterated, [ChunkKind::CookieAck, ChunkKind::Shutdown]);
    }

    #[test]
    fn a_packet_without_chunks_says_so() {
        assert_eq!(kinds(&[], 0, 32), (vec![], WalkEnd::NoChunks));
    }

    #[test]
    fn a_length_below_the_header_ends_the_walk() {
        for length in 0..4 {
            let bytes = [11, 0, 0, 4, 0, 0, 0, length];
            assert_eq!(
                kinds(&bytes, 8, 32),
                (vec![ChunkKind::CookieAck], WalkEnd::LengthTooShort)
            );
        }
    }

    #[test]
    fn a_length_past_the_end_is_visited_last() {
        let bytes = [3, 0, 0, 200, 0, 0, 0, 0, 11, 0, 0, 4];
        assert_eq!(
            kinds(&bytes, 12, 32),
            (vec![ChunkKind::Sack], WalkEnd::LengthPastEnd)
        );
    }

    #[test]
    fn a_cut_header_ends_the_walk() {
        assert_eq!(
            kinds(TWO, 6, 32),
            (vec![ChunkKind::CookieAck], WalkEnd::HeaderTruncated)
        );
        assert_eq!(
            kinds(&TWO[..6], 12, 32),
            (vec![ChunkKind::CookieAck], WalkEnd::HeaderTruncated)
        );
    }

    #[test]
    fn the_bound_holds() {
        let many: Vec<u8> = [11, 0, 0, 4].repeat(40);
        let (visited, end) = kinds(&many, many.len(), 32);
        assert_eq!((visited.len(), end), (32, WalkEnd::TooMany));
        let (visited, end) = kinds(&many[..128], 128, 32);
        assert_eq!((visited.len(), end), (32, WalkEnd::Complete), "exactly the bound");
    }

    #[test]
    fn kinds_and_types_agree() {
        for value in 0..=255 {
            let kind = ChunkKind::from_type(value);
            assert!(kind.to_type().is_none_or(|back| back == value));
            assert_eq!(Chunk::new(0, value, 0, 4).kind(), kind);
        }
        for (index, kind) in ChunkKind::ALL.iter().enumerate() {
            assert_eq!(*kind as usize, index);
        }
        assert_eq!(ChunkKind::from_type(131), ChunkKind::Other);
    }

    #[test]
    fn only_abort_and_shutdown_complete_reflect_the_tag() {
        assert!(Chunk::new(0, 6, 1, 4).reflects_tag());
        assert!(Chunk::new(0, 14, 1, 4).reflects_tag());
        assert!(!Chunk::new(0, 6, 0, 4).reflects_tag());
        assert!(!Chunk::new(0, 0, 1, 16).reflects_tag());
    }
}
