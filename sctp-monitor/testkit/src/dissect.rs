//! Facts about a capture, from tshark's dissection alone: none of the project's own parsers is involved, so they can be
//! held against it.
//!
//! tshark prints one line a frame; a field that occurs several times in a frame is a list. Every chunk has its type and its
//! length in order of appearance; the n-th TSN belongs to the n-th DATA or I-DATA chunk, the n-th Heartbeat Info to the
//! n-th HEARTBEAT or HEARTBEAT ACK.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

/// One SCTP packet of a capture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// When the kernel saw it, less the offset that [`packets`] was given.
    pub time_ns: u64,
    /// From whom to whom.
    pub flow: Flow,
    /// Bytes of the IP packet, its header included.
    pub length: u32,
    /// The verification tag.
    pub verification_tag: u32,
    /// Whether the CRC32c is right.
    pub checksum_is_good: bool,
    /// Its chunks in order.
    pub chunks: Vec<Chunk>,
    /// The addresses that an INIT or INIT ACK in it lists.
    pub listed_addresses: Vec<IpAddr>,
}

/// One direction between two transport addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Flow {
    /// Source address.
    pub source: IpAddr,
    /// Destination address.
    pub destination: IpAddr,
    /// Source SCTP port.
    pub source_port: u16,
    /// Destination SCTP port.
    pub destination_port: u16,
}

/// A chunk of a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// The chunk type.
    pub chunk_type: ChunkType,
    /// The chunk length field, in bytes.
    pub length: u16,
    /// The TSN of a DATA or I-DATA chunk.
    pub tsn: Option<u32>,
    /// The Heartbeat Info of a HEARTBEAT or HEARTBEAT ACK, as hexadecimal digits.
    pub heartbeat_info: Option<String>,
}

/// A chunk type (RFC 9260, 3.2).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChunkType(pub u8);

/// A line of tshark's answer has another shape than the fields that it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("tshark answered `{line}`")]
pub struct UnreadableLine {
    /// The line.
    pub line: String,
}

/// What went over one flow.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FlowCounts {
    /// SCTP packets.
    pub packets: u64,
    /// Bytes of these packets, IP headers included.
    pub bytes: u64,
    /// Chunks by type.
    pub chunks: BTreeMap<ChunkType, u64>,
}

/// A HEARTBEAT and, if the capture has it, its acknowledgement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heartbeat {
    /// The flow of the HEARTBEAT.
    pub flow: Flow,
    /// When it was captured.
    pub sent_at_ns: u64,
    /// When its acknowledgement was captured, and the flow over which that came, which need not be the reverse.
    pub answer: Option<(u64, Flow)>,
}

impl Packet {
    /// How many chunks of this type it has.
    #[must_use]
    pub fn count(&self, chunk_type: ChunkType) -> usize {
        self.chunks
            .iter()
            .filter(|chunk| chunk.chunk_type == chunk_type)
            .count()
    }
}

impl FlowCounts {
    /// How many chunks of this type went over the flow.
    #[must_use]
    pub fn count(&self, chunk_type: ChunkType) -> u64 {
        self.chunks.get(&chunk_type).copied().unwrap_or(0)
    }
}

impl Heartbeat {
    /// From the HEARTBEAT to its acknowledgement, both seen at the place of the capture.
    #[must_use]
    pub fn round_trip_ns(&self) -> Option<u64> {
        self.answer
            .map(|(answered_at_ns, _)| answered_at_ns - self.sent_at_ns)
    }
}

/// Counts packets, bytes and chunks by flow.
#[must_use]
pub fn flows(packets: &[Packet]) -> BTreeMap<Flow, FlowCounts> {
    let mut flows: BTreeMap<Flow, FlowCounts> = BTreeMap::new();
    for packet in packets {
        let counts = flows.entry(packet.flow).or_default();
        counts.packets += 1;
        counts.bytes += u64::from(packet.length);
        for chunk in &packet.chunks {
            *counts.chunks.entry(chunk.chunk_type).or_default() += 1;
        }
    }
    flows
}

/// Pairs each HEARTBEAT with the first later HEARTBEAT ACK between the same ports that has the same Heartbeat Info,
/// whatever its addresses.
#[must_use]
pub fn heartbeats(packets: &[Packet]) -> Vec<Heartbeat> {
    let mut heartbeats: Vec<Heartbeat> = Vec::new();
    // By the ports of the HEARTBEAT's direction and the info: the positions of the heartbeats not yet answered.
    let mut waiting: BTreeMap<(u16, u16, &str), Vec<usize>> = BTreeMap::new();
    for packet in packets {
        let Flow {
            source_port,
            destination_port,
            ..
        } = packet.flow;
        for chunk in &packet.chunks {
            let Some(info) = chunk.heartbeat_info.as_deref() else {
                continue;
            };
            if chunk.chunk_type == ChunkType::HEARTBEAT {
                waiting
                    .entry((source_port, destination_port, info))
                    .or_default()
                    .push(heartbeats.len());
                heartbeats.push(Heartbeat {
                    flow: packet.flow,
                    sent_at_ns: packet.time_ns,
                    answer: None,
                });
            } else if let Some(positions) = waiting.get_mut(&(destination_port, source_port, info))
                && !positions.is_empty()
            {
                heartbeats[positions.remove(0)].answer = Some((packet.time_ns, packet.flow));
            }
        }
    }
    heartbeats
}

/// What to tell tshark besides the file, so that [`packets`] understands its answer.
pub fn tshark_arguments() -> impl Iterator<Item = &'static str> {
    let preferences = PREFERENCES.iter().flat_map(|preference| ["-o", preference]);
    let fields = FIELDS.iter().flat_map(|field| ["-e", field]);
    ["-n", "-Y", "sctp and not icmp and not icmpv6"]
        .into_iter()
        .chain(preferences)
        .chain(["-T", "fields", "-E", "separator=|", "-E", "aggregator=,"])
        .chain(fields)
}

/// The SCTP packets of a capture file, from tshark's answer. The offset is what to subtract from times since 1970.
///
/// # Errors
/// The first line that has another shape.
pub fn packets(answer: &str, wall_clock_offset_ns: u64) -> Result<Vec<Packet>, UnreadableLine> {
    let unreadable = |line: &str| UnreadableLine {
        line: line.to_owned(),
    };
    answer
        .lines()
        .map(|line| packet(line, wall_clock_offset_ns).ok_or_else(|| unreadable(line)))
        .collect()
}

fn packet(line: &str, wall_clock_offset_ns: u64) -> Option<Packet> {
    let columns: Vec<&str> = line.split('|').collect();
    let [
        time,
        source4,
        source6,
        destination4,
        destination6,
        length4,
        length6,
        source_port,
        destination_port,
        tag,
        checksum,
        types,
        lengths,
        tsns,
        infos,
        listed4,
        listed6,
    ] = columns[..]
    else {
        return None;
    };
    let flow = Flow {
        source: first(source4).or(first(source6))?.parse().ok()?,
        destination: first(destination4).or(first(destination6))?.parse().ok()?,
        source_port: first(source_port)?.parse().ok()?,
        destination_port: first(destination_port)?.parse().ok()?,
    };
    let mut tsns = list(tsns);
    let mut infos = list(infos);
    let mut lengths = list(lengths);
    let mut chunks = Vec::new();
    for chunk_type in list(types) {
        let chunk_type = ChunkType(chunk_type.parse().ok()?);
        let carries_data = matches!(chunk_type, ChunkType::DATA | ChunkType::I_DATA);
        let is_heartbeat = matches!(chunk_type, ChunkType::HEARTBEAT | ChunkType::HEARTBEAT_ACK);
        chunks.push(Chunk {
            chunk_type,
            length: lengths.next()?.parse().ok()?,
            tsn: if carries_data {
                Some(tsns.next()?.parse().ok()?)
            } else {
                None
            },
            heartbeat_info: if is_heartbeat {
                infos.next().map(str::to_owned)
            } else {
                None
            },
        });
    }
    let length = match first(length4) {
        Some(length) => length.parse().ok()?,
        // The payload length of IPv6 leaves its own header out.
        None => 40 + first(length6)?.parse::<u32>().ok()?,
    };
    Some(Packet {
        time_ns: nanoseconds(time)?.checked_sub(wall_clock_offset_ns)?,
        flow,
        length,
        verification_tag: u32::from_str_radix(first(tag)?.strip_prefix("0x")?, 16).ok()?,
        checksum_is_good: first(checksum) == Some("1"),
        chunks,
        listed_addresses: list(listed4)
            .chain(list(listed6))
            .filter_map(|address| address.parse().ok())
            .collect(),
    })
}

fn list(column: &str) -> impl Iterator<Item = &str> {
    column.split(',').filter(|item| !item.is_empty())
}

fn first(column: &str) -> Option<&str> {
    list(column).next()
}

/// `1700000000.123456789` without the rounding of a float.
fn nanoseconds(time: &str) -> Option<u64> {
    let (seconds, fraction) = time.split_once('.')?;
    let fraction: u64 = format!("{fraction:0<9}").get(..9)?.parse().ok()?;
    Some(seconds.parse::<u64>().ok()? * 1_000_000_000 + fraction)
}

macro_rules! chunk_types {
    ($($name:ident = $value:literal,)*) => {
        impl ChunkType {
            $(
                #[doc = concat!("Chunk type ", stringify!($value), ".")]
                pub const $name: Self = Self($value);
            )*
        }

        impl fmt::Debug for ChunkType {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                match *self {
                    $(Self::$name => formatter.write_str(stringify!($name)),)*
                    Self(other) => write!(formatter, "TYPE_{other}"),
                }
            }
        }
    };
}

chunk_types! {
    DATA = 0,
    INIT = 1,
    INIT_ACK = 2,
    SACK = 3,
    HEARTBEAT = 4,
    HEARTBEAT_ACK = 5,
    ABORT = 6,
    SHUTDOWN = 7,
    SHUTDOWN_ACK = 8,
    ERROR = 9,
    COOKIE_ECHO = 10,
    COOKIE_ACK = 11,
    SHUTDOWN_COMPLETE = 14,
    I_DATA = 64,
    ASCONF_ACK = 128,
    FORWARD_TSN = 192,
    ASCONF = 193,
}

/// As the project's oracle sets them: a payload that tshark knows cannot hide later chunks, every chunk stays with its own
/// packet, TSNs are absolute, checksums are verified.
const PREFERENCES: [&str; 4] = [
    "sctp.ulp_dissection:FALSE",
    "sctp.reassembly:FALSE",
    "sctp.relative_tsns:FALSE",
    "sctp.checksum:CRC 32c",
];

const FIELDS: [&str; 17] = [
    "frame.time_epoch",
    "ip.src",
    "ipv6.src",
    "ip.dst",
    "ipv6.dst",
    "ip.len",
    "ipv6.plen",
    "sctp.srcport",
    "sctp.dstport",
    "sctp.verification_tag",
    "sctp.checksum.status",
    "sctp.chunk_type",
    "sctp.chunk_length",
    "sctp.data_tsn_raw",
    "sctp.parameter_heartbeat_information",
    "sctp.parameter_ipv4_address",
    "sctp.parameter_ipv6_address",
];

#[cfg(test)]
mod tests {
    use super::*;

    const SACK_AND_TWO_DATA: &str =
        "100.5|10.0.0.1||10.0.0.2||104||5001|5000|0x54c27c46|1|3,0,0|16,20,24|7,8|||";

    fn heartbeat(time: &str, from: &str, ports: &str, chunk_type: u8, info: &str) -> Packet {
        let line = format!("{time}|{from}||10.0.0.9||100||{ports}|0x1|1|{chunk_type}|60||{info}||");
        packet(&line, 0).unwrap()
    }

    #[test]
    fn a_packet_with_several_chunks_is_read_chunk_by_chunk() {
        let packet = packet(SACK_AND_TWO_DATA, 100_000_000_000).unwrap();
        assert_eq!(packet.time_ns, 500_000_000);
        assert_eq!(packet.verification_tag, 0x54c2_7c46);
        assert_eq!(packet.count(ChunkType::DATA), 2);
        let tsns: Vec<_> = packet
            .chunks
            .iter()
            .map(|chunk| (chunk.length, chunk.tsn))
            .collect();
        assert_eq!(tsns, [(16, None), (20, Some(7)), (24, Some(8))]);

        let counts = &flows(&[packet.clone(), packet])[&Flow {
            source: [10, 0, 0, 1].into(),
            destination: [10, 0, 0, 2].into(),
            source_port: 5001,
            destination_port: 5000,
        }];
        assert_eq!((counts.packets, counts.bytes), (2, 208));
        assert_eq!(
            (counts.count(ChunkType::DATA), counts.count(ChunkType::SACK)),
            (4, 2)
        );
    }

    #[test]
    fn ipv6_lengths_include_the_header() {
        let line = "1.0||fd00::1||fd00::2||56|1|2|0x0|1|1|52|||10.0.0.1|fd00::1,fd00::5";
        let packet = packet(line, 0).unwrap();
        assert_eq!(packet.length, 96);
        assert_eq!(packet.listed_addresses.len(), 3);
    }

    #[test]
    fn a_heartbeat_is_paired_by_its_info_whatever_address_answers() {
        let packets = [
            heartbeat("1.0", "10.0.0.1", "1|2", 4, "aa"),
            heartbeat("1.1", "10.0.0.1", "1|2", 4, "bb"),
            heartbeat("1.2", "10.9.9.9", "2|1", 5, "bb"),
            heartbeat("1.3", "10.0.0.2", "3|1", 5, "aa"),
        ];
        let heartbeats = heartbeats(&packets);
        let round_trips: Vec<_> = heartbeats.iter().map(Heartbeat::round_trip_ns).collect();
        assert_eq!(round_trips, [None, Some(100_000_000)]);
        assert_eq!(
            heartbeats[1].answer.unwrap().1.source,
            IpAddr::from([10, 9, 9, 9])
        );
    }

    #[test]
    fn time_stamps_keep_their_nanoseconds() {
        assert_eq!(
            nanoseconds("1700000000.123456789"),
            Some(1_700_000_000_123_456_789)
        );
        assert_eq!(nanoseconds("1.5"), Some(1_500_000_000));
        assert_eq!(nanoseconds("1"), None);
    }

    #[test]
    fn a_line_of_another_shape_is_refused() {
        assert_eq!(packet("1.0|10.0.0.1", 0), None);
        assert_eq!(packet(&SACK_AND_TWO_DATA.replace("7,8", "7"), 0), None);
    }
}
