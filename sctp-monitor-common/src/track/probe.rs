//! The agent's own probes, and their answers.
//!
//! They are not of the host's traffic: they count in no record of a flow, but in that of the path that is probed. An answer that
//! stands alone in its packet is consumed: the host's stack has asked nothing, and what it makes of an answer differs. One that
//! came with other chunks passes with them; its length is one that the stack ignores.
//!
//! Another agent's probes, sent by the peer's host, are ordinary HEARTBEATs to this host's stack, but no sign of the peer's
//! stack: how often it asks, and what it gets no answer to, must not be told from them.

use super::{
    scratch::{PROBE_WORDS, Scratch},
    table::FlowTable,
    tag_check::TagCheck,
};
use crate::{
    abi::{Announcement, FlowKey, Interface, PROBE_INFO_LEN, PROBE_MAGIC, ProbeInfo},
    wire::{Chunk, ChunkKind, ReadPacket, Readable, Reading, chunk::CHUNK_HEADER_LEN, param},
};

/// What becomes of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Verdict {
    /// It passes.
    Pass,
    /// It answers a probe of the agent's and holds nothing else: it ends here.
    Consume,
}

impl Verdict {
    /// What the packet at hand was found to be.
    #[inline(always)]
    pub(super) fn of<T: FlowTable>(table: &mut T) -> Self {
        if table.scratch().is_consumed == 0 {
            Self::Pass
        } else {
            Self::Consume
        }
    }
}

/// Whether the chunk, a HEARTBEAT or HEARTBEAT ACK, is of an agent's probes: it is no sign of a stack then, and not counted as one.
/// If it is of this agent's, it is taken.
#[inline(always)]
pub(super) fn is_of_an_agent<P: Readable, T: FlowTable>(
    frame: &P,
    slot: u32,
    chunk: &Chunk,
    interface: Interface,
    table: &mut T,
) -> bool {
    frame.read_by(Words {
        at: chunk.at(),
        scratch: table.scratch(),
    });
    let scratch = table.scratch();
    let is_one = scratch.probe_is_read != 0
        && scratch.probe[2] == PROBE_MAGIC
        && usize::from(chunk.length) >= LEAST_LENGTH;
    if !is_one {
        return false;
    }
    let is_alone = chunk.at() == scratch.chunks_at() && chunk.end() == scratch.end();
    let bytes = u64::from(scratch.total_length);
    let Some(record) = table.record(slot) else {
        return true;
    };
    let key = record.key;
    let count = &mut record.chunks[chunk.slot()];
    *count = count.wrapping_sub(1);
    if is_on(table) && chunk.is(ChunkKind::Heartbeat) && !interface.is_egress() {
        hear(slot, table);
    }
    if is_on(table) && chunk.is(ChunkKind::Heartbeat) == interface.is_egress() {
        let kind = if is_alone { Company::None } else { Company::Others };
        if take(&key, interface, kind, table) && is_alone {
            // The packet is none of the host's traffic.
            if let Some((record, _, scratch)) = table.flow_and_scratch(slot) {
                record.packets = record.packets.wrapping_sub(1);
                record.bytes = record.bytes.wrapping_sub(bytes);
                if interface.is_egress() {
                    // Nor does it say where, or when, the host sends. Where the peer's answer came by is the peer's affair.
                    record.last_seen_ticks = scratch.seen_before;
                    record.interface = scratch.interface_before;
                    if scratch.interface_before != interface {
                        record.interface = scratch.interface_before.to_be_seen_again();
                    }
                }
            }
            table.scratch().is_consumed = u32::from(!interface.is_egress());
        }
    }
    true
}

/// What a probe's packet holds besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Company {
    None,
    Others,
}

/// What a probe of the agent at the peer's host says of that agent.
#[inline(always)]
fn hear<T: FlowTable>(slot: u32, table: &mut T) {
    let Some((record, _, scratch)) = table.flow_and_scratch(slot) else {
        return;
    };
    let [_, _, words @ ..] = &scratch.probe;
    let says = Announcement::of_words(words);
    let is_own = u32::from(scratch.tag_check == TagCheck::Own as u32);
    record.would_copy = record
        .would_copy
        .wrapping_add(u32::from(says.would_copy) & is_own);
    record.copies = record.copies.wrapping_add(u32::from(says.copies) & is_own);
}

#[inline(always)]
fn is_on<T: FlowTable>(table: &T) -> bool {
    table.probe_key() != [0; 2]
}

/// Takes what was read, if it is of a probe of this agent's: its hash is right, and so are the ports and the tag of its packet.
#[inline(always)]
fn take<T: FlowTable>(key: &FlowKey, interface: Interface, company: Company, table: &mut T) -> bool {
    let secret = table.probe_key();
    let (info, hash) = info(table.scratch());
    let tag = table.scratch().tag;
    let now_ns = table.now_ns();
    let Some((record, path)) = table.probe(info.index) else {
        return false;
    };
    if path.generation == 0 || path.generation != info.generation || info.hash(secret, path.ack_tag) != hash {
        return false;
    }
    if interface.is_egress() {
        if tag != path.tag || key.src_port != path.src_port || key.dst_port != path.dst_port {
            return false;
        }
        record.leaves(&info, interface);
        return true;
    }
    if tag != path.ack_tag || key.src_port != path.dst_port || key.dst_port != path.src_port {
        return false;
    }
    if record.answered(&info, now_ns) {
        record.arrived = interface;
        if !key.src.is(path.dst) {
            record.answered_elsewhere = record.answered_elsewhere.wrapping_add(1);
            record.ack_source = key.src;
        }
        if company == Company::Others {
            record.passed = record.passed.wrapping_add(1);
        }
    }
    true
}

#[inline(always)]
fn info(scratch: &Scratch) -> (ProbeInfo, u64) {
    let [_, _, words @ ..] = scratch.probe;
    ProbeInfo::of_words(&words)
}

/// Reads what may be a probe, from the header of its chunk on.
///
/// Into the scratch memory, of which the verifier knows nothing: so what was read, and by which reader, makes no states.
struct Words<'a> {
    at: usize,
    scratch: &'a mut Scratch,
}

impl Reading for Words<'_> {
    type Output = ();

    #[inline(always)]
    fn read<R: ReadPacket>(self, reader: &R) {
        self.scratch.probe_is_read = 0;
        if let Some(words) = reader.read_words::<PROBE_WORDS>(self.at) {
            self.scratch.probe = words;
            self.scratch.probe_is_read = 1;
        }
    }
}

/// Bytes of the shortest chunk that holds what is read.
const LEAST_LENGTH: usize = CHUNK_HEADER_LEN + param::HEADER_LEN + PROBE_INFO_LEN;

const _: () = assert!(LEAST_LENGTH == 44);
