//! The parser and the tracker: frames of every link type, each chunk taken for every kind, all into one flow table.
//!
//! Input: for each frame a byte of options, two of length, and the frame.

use sctp_monitor_common::{
    abi::{FlowRecord, Interface, RingRecord},
    memory::MemoryTable,
    track::{MAX_CHUNKS, Options, observe},
    wire::{
        Address, Chunk, Frame, LinkType, ParseOptions, Pass, ReadPacket as _, SctpPacket,
        chunk::{Visit, WalkEnd, chunks, walk},
        control,
        data::Data,
        heartbeat::HeartbeatInfo,
        icmp,
        init::{Extensions, Init},
        param, parse,
        sack::Sack,
    },
};
use sctp_monitor_testkit::choices::{Choices as _, Input};

/// Runs one input.
pub fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mut table = MemoryTable::new();
    let mut now: u64 = 1_000_000_000;
    while !input.is_over() {
        let how = input.byte();
        let frame = input.packet();
        now = if how & BACKWARDS == 0 {
            now.wrapping_add(1_000_000)
        } else {
            now.wrapping_sub(5_000_000)
        };
        table.set_now(now);
        look(frame, how, &mut table);
    }
}

/// A raw SCTP packet as inputs: in IPv4, twice, so that it meets its own flow; and in an ICMP error about it.
#[must_use]
pub fn seed(sctp: &[u8]) -> Vec<u8> {
    let ip = |protocol: u8, payload: &[u8]| {
        let total = ((20 + payload.len()) as u16).to_be_bytes();
        let mut packet = vec![
            0x45, 0, total[0], total[1], 0, 0, 0, 0, 64, protocol, 0, 0, 10, 1, 0, 1, 10, 1, 0, 2,
        ];
        packet.extend(payload);
        packet
    };
    let packet = ip(132, sctp);
    let error = ip(1, &[&[3, 1, 0, 0, 0, 0, 0, 0], packet.as_slice()].concat());
    let mut bytes = Vec::new();
    for packet in [&packet, &packet, &error] {
        bytes.push(RAW_IP);
        bytes.extend((packet.len() as u16).to_be_bytes());
        bytes.extend(packet);
    }
    bytes
}

const RAW_IP: u8 = 1;
const LEAVES: u8 = 0x20;
const NO_UDP: u8 = 0x40;
const BACKWARDS: u8 = 0x80;

fn look(bytes: &[u8], how: u8, table: &mut MemoryTable) {
    let frame = Frame(bytes);
    let link = match how & 3 {
        0 => LinkType::Ethernet,
        RAW_IP => LinkType::RawIp,
        2 => LinkType::LinuxCooked,
        _ => LinkType::LinuxCooked2,
    };
    let options = Options {
        link,
        parse: if how & NO_UDP == 0 {
            ParseOptions::default()
        } else {
            ParseOptions { udp_port: 0 }
        },
        max_chunks: [MAX_CHUNKS, 1, 1_000, usize::MAX][usize::from(how >> 2 & 3)],
    };
    let interface = if how & LEAVES == 0 {
        Interface::ingress(1)
    } else {
        Interface::egress(1)
    };
    let found = parse(&frame, link, options.parse);
    match found {
        Ok(packet) => read_all(&frame, &packet),
        Err(Pass::Icmp(network)) => {
            if let Ok(error) = icmp::parse(&frame, network, options.parse) {
                assert!(!error.message.words().is_empty());
            }
        }
        Err(Pass::NotSctp | Pass::Unparsed(_)) => {}
    }
    let before = packets(table);
    observe(&frame, interface, &options, table);
    assert_eq!(
        packets(table) - before,
        u64::from(found.is_ok()),
        "a packet is tracked once"
    );
    while let Some(record) = table.pop_record() {
        let record = RingRecord::parse(&record).expect("what the tracker wrote");
        if let RingRecord::Control(header, packet) = record {
            assert!(packet.len() <= header.packet_length as usize && packet.len() <= bytes.len());
        }
    }
}

fn packets(table: &MemoryTable) -> u64 {
    table
        .records()
        .iter()
        .map(|record: &FlowRecord| record.packets)
        .sum()
}

/// Reads every chunk as every kind: a fuzzer should not need to find the type that goes with a value.
fn read_all(frame: &Frame<'_>, packet: &SctpPacket) {
    assert!(packet.chunks_at() <= packet.end);
    assert!(packet.chunks_at() <= frame.len(), "the common header was read");
    let mut walked = Walked(Vec::new());
    let end = walk(frame, packet.chunks_at(), packet.end, usize::MAX, &mut walked);
    assert_ne!(end, WalkEnd::TooMany);
    let iterated: Vec<_> = chunks(frame, packet.chunks_at(), packet.end).collect();
    assert_eq!(iterated, walked.0, "the iterator visits what the walk does");
    // In a packet of thousands one stands for the others.
    for chunk in walked.0.iter().take(64) {
        assert!(chunk.at() >= packet.chunks_at() && chunk.value_at() <= frame.len());
        read(frame, chunk);
    }
}

fn read(frame: &Frame<'_>, chunk: &Chunk) {
    let _ = (chunk.kind().name(), chunk.reflects_tag());
    if let Some(data) = Data::read(frame, chunk) {
        assert!(data.payload_length <= u32::from(chunk.length));
    }
    if let Some(sack) = Sack::read(frame, chunk) {
        assert!(sack.highest_acked.wrapping_sub(sack.cum_tsn_ack) <= u32::from(u16::MAX));
        assert!(usize::from(sack.duplicate_tsns) * 4 <= usize::from(chunk.length));
    }
    let _ = HeartbeatInfo::read(frame, chunk);
    let _ = Init::read(frame, chunk);
    let addresses: Vec<_> = Init::addresses(frame, chunk).map(Address::to_ip).collect();
    assert!(addresses.len() * 8 <= usize::from(chunk.length));
    assert!(Extensions::read(frame, chunk).kinds().count() <= 32);
    for cause in control::causes(frame, chunk) {
        assert!(cause.end() <= chunk.end());
        let _ = control::cause_name(cause.kind);
    }
    let _ = control::shutdown_cum_tsn_ack(frame, chunk);
    let _ = control::asconf_serial(frame, chunk);
    let _ = control::asconf_lookup_address(frame, chunk);
    assert!(control::address_changes(frame, chunk).count() * 16 <= usize::from(chunk.length));
    assert!(control::address_answers(frame, chunk).count() * 8 <= usize::from(chunk.length));
    for param in param::params(frame, chunk.at(), chunk.end()) {
        assert!(param.value_at() <= param.end() && param.end() <= chunk.end());
        let _ = param.address(frame);
    }
}

struct Walked(Vec<Chunk>);

impl Visit for Walked {
    fn visit(&mut self, chunk: &Chunk) {
        self.0.push(*chunk);
    }
}
