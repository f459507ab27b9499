//! What the blocks of either format say.

use pcap_parser::{
    Block, EnhancedPacketBlock, InterfaceDescriptionBlock, LegacyPcapBlock, OptionCode, PcapBlockOwned,
    PcapError, traits::PcapNGPacketBlock as _,
};
use sctp_monitor_common::wire::LinkType;

use crate::{error::Problem, record::Current};

/// What must be known of a file to understand its next block.
#[derive(Debug)]
pub(crate) enum Format {
    /// <https://www.ietf.org/archive/id/draft-ietf-opsawg-pcap-05.html>
    Legacy {
        link: Option<LinkType>,
        nanoseconds: bool,
        big_endian: bool,
    },
    /// <https://www.ietf.org/archive/id/draft-ietf-opsawg-pcapng-02.html>
    Ng {
        /// Of the section at hand.
        interfaces: Vec<Interface>,
        big_endian: bool,
    },
}

/// What pcapng says of an interface.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Interface {
    link: Result<LinkType, u32>,
    /// Its time stamps count units of so many to the second.
    units_per_second: u128,
    /// Seconds to add to its time stamps.
    offset_s: i64,
}

/// What the next block was.
#[derive(Debug)]
pub(crate) enum Step {
    /// A packet.
    Record(Current),
    /// Nothing to keep.
    Other,
    /// A packet of a link type that is not understood.
    UnknownLink(u32),
    /// More must be read first.
    More,
    /// A larger buffer is needed first.
    Grow,
    /// The end of the file.
    End,
    /// The end of the file, within a block.
    Cut,
    /// Nonsense.
    Invalid,
}

impl Step {
    pub(crate) fn of_error(error: &PcapError<&[u8]>) -> Result<Self, Problem> {
        Ok(match error {
            PcapError::Eof => Self::End,
            PcapError::Incomplete(_) => Self::More,
            PcapError::BufferTooSmall => Self::Grow,
            PcapError::UnexpectedEof => Self::Cut,
            _ => Self::Invalid,
        })
    }
}

impl Format {
    /// By the first bytes of a file.
    pub(crate) fn by_magic(bytes: &[u8]) -> Option<Self> {
        let begins = |magic: &[u8; 4]| magic.starts_with(bytes.get(..4).unwrap_or(bytes));
        if begins(&SECTION_HEADER) {
            Some(Self::Ng {
                interfaces: Vec::new(),
                big_endian: false,
            })
        } else if PCAP.iter().any(begins) {
            Some(Self::Legacy {
                link: None,
                nanoseconds: false,
                big_endian: false,
            })
        } else {
            None
        }
    }

    /// Takes a block, which lies in a buffer that begins at `buffer`.
    pub(crate) fn step(&mut self, block: &PcapBlockOwned<'_>, buffer: *const u8) -> Result<Step, Problem> {
        match (self, block) {
            (
                Self::Legacy {
                    link,
                    nanoseconds,
                    big_endian,
                },
                PcapBlockOwned::LegacyHeader(header),
            ) => {
                *nanoseconds = header.is_nanosecond_precision();
                *big_endian = header.is_bigendian();
                // The upper bits tell of a frame check sequence.
                let number = header.network.0 as u32 & LINK_TYPE_MASK;
                *link = Some(LinkType::from_number(number).ok_or(Problem::LinkType(number))?);
                Ok(Step::Other)
            }
            (
                Self::Legacy {
                    link: Some(link),
                    nanoseconds,
                    ..
                },
                PcapBlockOwned::Legacy(record),
            ) => Ok(Step::Record(legacy(record, *link, *nanoseconds, buffer))),
            (
                Self::Ng {
                    interfaces,
                    big_endian,
                },
                PcapBlockOwned::NG(block),
            ) => match block {
                Block::SectionHeader(header) => {
                    *big_endian = header.big_endian();
                    interfaces.clear();
                    Ok(Step::Other)
                }
                Block::InterfaceDescription(described) => {
                    // Thousands of interfaces are possible, millions are not.
                    if interfaces.len() >= MOST_INTERFACES {
                        return Ok(Step::Invalid);
                    }
                    interfaces.push(Interface::new(described, *big_endian));
                    Ok(Step::Other)
                }
                Block::EnhancedPacket(packet) => {
                    let interface = interfaces
                        .get(packet.if_id as usize)
                        .ok_or(Problem::InterfaceUnknown(packet.if_id))?;
                    Ok(interface.record(packet, buffer))
                }
                Block::SimplePacket(packet) => {
                    let interface = interfaces.first().ok_or(Problem::InterfaceUnknown(0))?;
                    Ok(match interface.link {
                        // Such a packet has no time.
                        Ok(link) => Step::Record(Current {
                            time_ns: 0,
                            link,
                            bytes: range(packet.packet_data(), buffer),
                            original_length: packet.origlen as usize,
                        }),
                        Err(number) => Step::UnknownLink(number),
                    })
                }
                _ => Ok(Step::Other),
            },
            _ => Ok(Step::Invalid),
        }
    }

    /// Bytes that the record at the beginning of `bytes` claims to have.
    pub(crate) fn claimed(&self, bytes: &[u8]) -> u64 {
        let (at, big_endian) = match self {
            Self::Legacy { big_endian, .. } => (LEGACY_LENGTH_AT, *big_endian),
            Self::Ng { big_endian, .. } => (BLOCK_LENGTH_AT, *big_endian),
        };
        u64::from(word(bytes, at, big_endian))
    }

    /// Whether the block at the beginning of `bytes` claims to be shorter than any block.
    pub(crate) fn is_nonsense(&self, bytes: &[u8]) -> bool {
        let claimed = self.claimed(bytes);
        match self {
            Self::Legacy { .. } => false,
            Self::Ng { .. } => bytes.len() >= BLOCK_HEADER_LEN && claimed < SHORTEST_BLOCK,
        }
    }

    /// Why the block at the beginning of `bytes` makes no sense.
    pub(crate) fn invalid(&self, bytes: &[u8]) -> Problem {
        match self {
            Self::Legacy { .. } => Problem::RecordTooLarge {
                claimed: self.claimed(bytes),
            },
            Self::Ng { big_endian, .. } => Problem::BlockInvalid {
                block_type: word(bytes, 0, *big_endian),
                claimed: word(bytes, BLOCK_LENGTH_AT, *big_endian),
            },
        }
    }
}

impl Interface {
    fn new(described: &InterfaceDescriptionBlock<'_>, big_endian: bool) -> Self {
        let number = u32::from(described.linktype.0 as u16);
        let resolution = described.if_tsresol;
        let power = u32::from(resolution & 0x7f);
        let units = if resolution & 0x80 == 0 {
            10_u128.checked_pow(power)
        } else {
            1_u128.checked_shl(power).filter(|units| *units > 0)
        };
        let offset = described
            .options
            .iter()
            .find(|option| option.code == OptionCode::IfTsoffset)
            .and_then(|option| option.value.first_chunk::<8>().copied());
        Self {
            link: LinkType::from_number(number).ok_or(number),
            units_per_second: units.unwrap_or(MICROSECONDS),
            offset_s: offset.map_or(0, |bytes| {
                if big_endian {
                    i64::from_be_bytes(bytes)
                } else {
                    i64::from_le_bytes(bytes)
                }
            }),
        }
    }

    fn record(&self, packet: &EnhancedPacketBlock<'_>, buffer: *const u8) -> Step {
        let link = match self.link {
            Ok(link) => link,
            Err(number) => return Step::UnknownLink(number),
        };
        let units = u128::from(packet.ts_high) << 32 | u128::from(packet.ts_low);
        let time_ns = i128::try_from(units.saturating_mul(NANOSECONDS) / self.units_per_second)
            .unwrap_or(i128::MAX)
            .saturating_add(i128::from(self.offset_s) * NANOSECONDS as i128);
        Step::Record(Current {
            time_ns: u64::try_from(time_ns.max(0)).unwrap_or(u64::MAX),
            link,
            bytes: range(packet.packet_data(), buffer),
            original_length: packet.origlen as usize,
        })
    }
}

fn legacy(record: &LegacyPcapBlock<'_>, link: LinkType, nanoseconds: bool, buffer: *const u8) -> Current {
    let fraction = u64::from(record.ts_usec);
    let fraction_ns = if nanoseconds { fraction } else { fraction * 1_000 };
    Current {
        time_ns: u64::from(record.ts_sec) * 1_000_000_000 + fraction_ns,
        link,
        bytes: range(record.data, buffer),
        original_length: record.origlen as usize,
    }
}

/// Where `bytes` are in the buffer that begins at `buffer`: pcap-parser lends them out for too short a time.
fn range(bytes: &[u8], buffer: *const u8) -> std::ops::Range<usize> {
    let start = (bytes.as_ptr() as usize).wrapping_sub(buffer as usize);
    start..start.wrapping_add(bytes.len())
}

fn word(bytes: &[u8], at: usize, big_endian: bool) -> u32 {
    match bytes.get(at..).and_then(|rest| rest.first_chunk()) {
        Some(bytes) if big_endian => u32::from_be_bytes(*bytes),
        Some(bytes) => u32::from_le_bytes(*bytes),
        None => 0,
    }
}

const SECTION_HEADER: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];
/// Microseconds, nanoseconds, and the modified format, which is not known in big-endian.
const PCAP: [[u8; 4]; 5] = [
    [0xd4, 0xc3, 0xb2, 0xa1],
    [0xa1, 0xb2, 0xc3, 0xd4],
    [0x4d, 0x3c, 0xb2, 0xa1],
    [0xa1, 0xb2, 0x3c, 0x4d],
    [0x34, 0xcd, 0xb2, 0xa1],
];
const LINK_TYPE_MASK: u32 = 0x03ff_ffff;
const LEGACY_LENGTH_AT: usize = 8;
const BLOCK_LENGTH_AT: usize = 4;
const BLOCK_HEADER_LEN: usize = 8;
const SHORTEST_BLOCK: u64 = 12;
const MICROSECONDS: u128 = 1_000_000;
const NANOSECONDS: u128 = 1_000_000_000;
const MOST_INTERFACES: usize = 65_536;
