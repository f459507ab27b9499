//! What one packet does to the records.
//!
//! Pure over a [`FlowTable`]: the same function runs in the XDP and TC programs over BPF maps, and in user space over
//! memory. It never decides that a packet must not pass.
//!
//! The order is forced by the verifier and by aliasing: one record is borrowed at a time, and the walk over the chunks
//! only collects what is needed, so that its states stay few. What a chunk means is decided behind the walk.

use bytemuck::{Pod, Zeroable};
use network_types::sctp::SctpHdr;

use crate::{
    abi::{
        AckOutcome, ControlHeader, Counter, FlowKey, FlowLinks, FlowOpened, FlowRecord, HeartbeatAcked,
        HeartbeatSent, IcmpErrorSeen, Interface, NO_SLOT, OutstandingHeartbeat, RingHeader, RingKind,
        SenderState, SlotRef, TimedTsn, tsn_after, tsn_at_or_before,
    },
    wire::{
        Chunk, ChunkKind, LinkType, ParseOptions, Pass, ReadPacket, SctpPacket,
        chunk::{KIND_SLOTS, Visit, WalkEnd, walk},
        data::Data,
        heartbeat::HeartbeatInfo,
        icmp::{self, IcmpError},
        parse,
        sack::Sack,
    },
};

/// Where flows are kept, and where records for user space go.
///
/// At most one record is borrowed at a time, so an implementation may hand out pointers into shared memory.
pub trait FlowTable {
    /// The slot of a flow, or [`NO_SLOT`]. Not an `Option`: LLVM copies the slot before it looks at the variant, and
    /// the verifier lets nobody read a register that was never written.
    fn find(&mut self, key: &FlowKey) -> u32;

    /// Takes a free slot for a new flow and enters it under its key. The record is zero.
    ///
    /// # Errors
    /// The counter that says why there is no slot.
    fn open(&mut self, key: &FlowKey) -> Result<u32, Counter>;

    /// The record in a slot; `None` past the end of the table.
    fn record(&mut self, slot: u32) -> Option<&mut FlowRecord>;

    /// What user space says of the flow in a slot; `None` past the end of the table.
    fn links(&mut self, slot: u32) -> Option<&FlowLinks>;

    /// Memory for the packet at hand. It holds whatever was left there.
    fn scratch(&mut self) -> &mut Scratch;

    /// Both.
    fn record_and_scratch(&mut self, slot: u32) -> Option<(&mut FlowRecord, &mut Scratch)>;

    /// CLOCK_MONOTONIC (or the capture's clock), nanoseconds, never 0.
    fn now_ns(&mut self) -> u64;

    /// The coarse clock: a jiffy in the kernel, a nanosecond in captures.
    fn now_ticks(&mut self) -> u64;

    /// Adds one to a counter.
    fn count(&mut self, counter: Counter);

    /// Hands a record to user space, and wakes it up if the record is urgent.
    fn emit<T: Pod>(&mut self, record: &T, urgent: bool);

    /// Hands `header.captured_length` bytes of the packet, from offset `at`, to user space.
    fn emit_control<R: ReadPacket>(&mut self, reader: &R, at: usize, header: &ControlHeader);

    /// Hands an ICMP error to user space, unless there are too many.
    fn emit_icmp_error(&mut self, error: &IcmpErrorSeen);
}

/// How packets are looked at.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// What the frames begin with.
    pub link: LinkType,
    /// What the parser looks for.
    pub parse: ParseOptions,
    /// Chunks that are walked in one packet.
    pub max_chunks: usize,
}

/// Chunks that the programs walk in one packet. A packet of 1,500 bytes holds at most 92 DATA chunks of one byte, and
/// stacks bundle a handful. Set SCTP_MONITOR_MAX_CHUNKS when building to change it; below 32 does not build.
pub const MAX_CHUNKS: usize = match option_env!("SCTP_MONITOR_MAX_CHUNKS") {
    Some(text) => match usize::from_str_radix(text, 10) {
        Ok(value) => value,
        Err(_) => panic!("SCTP_MONITOR_MAX_CHUNKS must be a number"),
    },
    None => 32,
};

const _: () = assert!(MAX_CHUNKS >= 32, "SCTP_MONITOR_MAX_CHUNKS must be 32 or more");

/// Flows of one direction of an association that are looked through for a heartbeat or a timed TSN: four addresses on
/// either side.
pub const MAX_SIBLINGS: usize = 16;

/// Looks at one frame: parses it, and tracks it if it is SCTP. The programs do the two steps themselves, so that a
/// packet that is not SCTP costs no look-up.
pub fn observe<R: ReadPacket, T: FlowTable>(
    reader: &R,
    interface: Interface,
    options: &Options,
    table: &mut T,
) {
    let pass = match parse(reader, options.link, options.parse) {
        Ok(packet) => return track(reader, &packet, interface, options.max_chunks, table),
        Err(Pass::Icmp(network)) => match icmp::parse(reader, network, options.parse) {
            Ok(error) => return track_icmp_error(&error, table),
            Err(pass) => pass,
        },
        Err(pass) => pass,
    };
    if let Pass::Counted(counter) = pass {
        table.count(counter);
    }
}

/// Hands an ICMP error to user space if it quotes a packet of a known flow. Anyone can send such errors, but only who sees
/// the flow's packets knows its tag (RFC 9260 section 10), so one with another tag is marked; a quoted INIT has tag 0,
/// and so has a flow that sent nothing else.
#[inline(always)]
pub fn track_icmp_error<T: FlowTable>(error: &IcmpError, table: &mut T) {
    let slot = table.find(&error.key);
    if slot == NO_SLOT {
        return table.count(Counter::IcmpFlowUnknown);
    }
    let tag_mismatch = tag_of(slot, table) != error.tag;
    if tag_mismatch {
        table.count(Counter::IcmpTagMismatch);
    }
    let header = RingHeader {
        kind: RingKind::IcmpError as u32,
        slot,
        time_ns: table.now_ns(),
    };
    table.emit_icmp_error(&IcmpErrorSeen {
        header,
        key: error.key,
        tag: error.tag,
        reporter: error.reporter,
        mtu: error.mtu,
        version: error.message.version,
        kind: error.message.kind,
        code: error.message.code,
        tag_mismatch: u8::from(tag_mismatch),
    });
}

/// Enters one SCTP packet into the records.
#[inline(always)]
pub fn track<R: ReadPacket, T: FlowTable>(
    reader: &R,
    packet: &SctpPacket,
    interface: Interface,
    max_chunks: usize,
    table: &mut T,
) {
    if packet.first_fragment {
        table.count(Counter::FirstFragment);
    }
    table.scratch().begin(packet);
    let key = FlowKey {
        src: packet.src,
        dst: packet.dst,
        src_port: packet.src_port,
        dst_port: packet.dst_port,
    };
    let mut slot = table.find(&key);
    if slot == NO_SLOT {
        slot = match open_flow(reader, &key, packet, interface, table) {
            Ok(slot) => slot,
            Err(counter) => {
                table.count(counter);
                return untracked(reader, &key, interface, table);
            }
        };
    }
    let now_ticks = table.now_ticks();
    let told_tag = told_tag(slot, table);
    let Some((record, scratch)) = table.record_and_scratch(slot) else {
        return;
    };
    record.follow(told_tag);
    count_chunks(reader, max_chunks, record, scratch);
    // Each segment after the first has headers of its own, and the first one's length counts them once.
    let more = u64::from(reader.segments().saturating_sub(1));
    record.packets = record.packets.wrapping_add(1 + more);
    let bytes = u64::from(scratch.total_length) + more * u64::from(scratch.headers());
    record.bytes = record.bytes.wrapping_add(bytes);
    record.last_seen_ticks = now_ticks;
    if record.interface != interface {
        record.interface = interface;
    }
    scratch.standing = Standing::of(record, scratch) as u32;
    let found = Found::of(scratch);
    count_oddities(scratch.walk_end, found, table);
    if table.scratch().standing == Standing::Member as u32 {
        apply(reader, slot, found, max_chunks, table);
    } else {
        set_aside(slot, table);
    }
    if found.any(CONTROL) {
        let tag_mismatch = table.scratch().standing == Standing::Stranger as u32;
        emit_control(reader, &key, interface, slot, tag_mismatch, table);
    }
}

/// A packet of a flow that got no slot. What it does to its association still reaches user space, if it begins with
/// a control chunk; that costs no walk.
#[inline(always)]
fn untracked<R: ReadPacket, T: FlowTable>(reader: &R, key: &FlowKey, interface: Interface, table: &mut T) {
    table.scratch().standing = Standing::Handshake as u32;
    let at = table.scratch().chunks_at();
    if let Some(chunk_type) = reader.read_u8(at) {
        let first = Chunk::new(at, chunk_type, 0, 0);
        if Found(1 << first.slot()).any(CONTROL) {
            emit_control(reader, key, interface, NO_SLOT, false, table);
        }
    }
}

/// Gives a flow a slot, and ties it to the opposite direction of its address pair.
#[inline(always)]
fn open_flow<R: ReadPacket, T: FlowTable>(
    reader: &R,
    key: &FlowKey,
    packet: &SctpPacket,
    interface: Interface,
    table: &mut T,
) -> Result<u32, Counter> {
    let slot = table.open(key)?;
    let now_ns = table.now_ns();
    let now_ticks = table.now_ticks();
    let reverse_slot = table.find(&key.reversed());
    let tag = tag_of_direction(reverse_slot, table);
    if let Some(record) = table.record(slot) {
        record.open(key, slot, now_ns, now_ticks);
        record.pair = SlotRef::to(reverse_slot);
        record.tag = tag;
        if packet.ethernet
            && let Some(header) = reader.read::<12>(0)
        {
            record.next_hop = next_hop(header, interface);
        }
    }
    if let Some(reverse) = table.record(reverse_slot) {
        reverse.pair = SlotRef::to(slot);
    }
    let header = RingHeader {
        kind: RingKind::FlowOpened as u32,
        slot,
        time_ns: now_ns,
    };
    table.emit(
        &FlowOpened {
            header,
            key: *key,
            tag: packet.tag,
        },
        true,
    );
    Ok(slot)
}

/// The tag that a flow's association has in its direction, if the opposite flow leads to another one of it; 0 otherwise.
/// With it, not even the first packet of a flow is believed if it is forged.
#[inline(always)]
fn tag_of_direction<T: FlowTable>(reverse_slot: u32, table: &mut T) -> u32 {
    let other_slot = reverse_of(reverse_slot, table);
    tag_of(other_slot, table)
}

/// The tag that user space tells of a flow; 0 for none.
#[inline(always)]
fn told_tag<T: FlowTable>(slot: u32, table: &mut T) -> u32 {
    table.links(slot).map_or(0, |links| links.tag)
}

/// A flow's tag; 0 while it is unknown, or if there is no flow.
#[inline(always)]
fn tag_of<T: FlowTable>(slot: u32, table: &mut T) -> u32 {
    let told = told_tag(slot, table);
    if told != 0 {
        return told;
    }
    table.record(slot).map_or(0, |record| record.tag)
}

/// A flow of the opposite direction of this one's association, or [`NO_SLOT`].
///
/// The one that user space names, unless the opposite flow of the same address pair began since and has no links yet.
/// What that one is, its slot says: it may have passed to another flow, and then refers to another pair.
#[inline(always)]
fn reverse_of<T: FlowTable>(slot: u32, table: &mut T) -> u32 {
    let reverse = table.links(slot).map_or(SlotRef::NONE, |links| links.reverse);
    let pair = table.record(slot).map_or(SlotRef::NONE, |record| record.pair);
    if pair == reverse {
        return reverse.slot();
    }
    if reverse.is_some() && table.links(pair.slot()).is_none_or(FlowLinks::is_set) {
        return reverse.slot();
    }
    let is_pair = table
        .record(pair.slot())
        .is_some_and(|other| other.pair == SlotRef::to(slot));
    if is_pair { pair.slot() } else { reverse.slot() }
}

/// The other one of an Ethernet header's two addresses, destination first.
#[inline(always)]
fn next_hop(header: [u8; 12], interface: Interface) -> [u8; 6] {
    let [a, b, c, d, e, f, g, h, i, j, k, l] = header;
    if interface.is_egress() {
        [a, b, c, d, e, f]
    } else {
        [g, h, i, j, k, l]
    }
}

/// The packet at hand: where it is, and what the walks over its chunks found.
///
/// The programs keep it in a map: what the verifier loads from there it knows nothing about, so the many ways through
/// the headers, and through a walk, become one state behind it. On the stack, or in registers, every header length,
/// every chunk count and every order of chunks would be followed to the end of the program.
#[repr(C, align(8))]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub struct Scratch {
    /// Offset of the common header.
    at: u32,
    /// Offset behind the last byte of the SCTP packet.
    end: u32,
    /// Bytes by the IP header.
    total_length: u32,
    /// Verification tag.
    tag: u32,
    /// Bit `1 << kind` for every kind in the packet.
    kinds: u32,
    /// How the walk ended, a [`WalkEnd`].
    walk_end: u32,
    /// DATA and I-DATA chunks.
    data_count: u32,
    /// Bytes of user data.
    data_bytes: u32,
    /// TSNs of the packet that are higher than all before, and the last of them.
    new_tsns: u32,
    last_new_tsn: u32,
    /// TSNs of the packet that had been seen before, the first and the last of them.
    old_tsns: u32,
    first_old_tsn: u32,
    last_old_tsn: u32,
    /// The first of the new TSNs.
    first_new_tsn: u32,
    /// The highest TSN of the association direction before the packet.
    previous_highest: u32,
    /// TSNs that were not seen before, though later ones were, and the last of them.
    late_tsns: u32,
    last_late_tsn: u32,
    /// What its tag makes of it, a [`Standing`].
    standing: u32,
    /// The last chunk of each kind, valid where `kinds` has its bit.
    last: [Chunk; KIND_SLOTS],
}

impl Scratch {
    #[inline(always)]
    fn begin(&mut self, packet: &SctpPacket) {
        self.at = packet.at as u32;
        self.end = packet.end as u32;
        self.total_length = packet.total_length;
        self.tag = packet.tag;
        self.kinds = 0;
        self.data_count = 0;
        self.data_bytes = 0;
        self.new_tsns = 0;
        self.old_tsns = 0;
        self.late_tsns = 0;
    }

    /// What the packet's tag makes of it: its [`Standing`] as an index below [`STANDINGS`].
    #[inline(always)]
    #[must_use]
    pub fn standing(&self) -> usize {
        self.standing as usize % STANDINGS
    }

    #[inline(always)]
    fn chunks_at(&self) -> usize {
        self.at as usize + SctpHdr::LEN
    }

    #[inline(always)]
    fn end(&self) -> usize {
        self.end as usize
    }

    /// Bytes of the IP header and all that stands before the first chunk.
    #[inline(always)]
    fn headers(&self) -> u32 {
        let chunks = self.end.wrapping_sub(self.at + SctpHdr::LEN as u32);
        self.total_length.wrapping_sub(chunks)
    }

    /// The last chunk of a kind that the packet has.
    #[inline(always)]
    fn last(&self, kind: ChunkKind) -> &Chunk {
        &self.last[kind as usize % KIND_SLOTS]
    }

    #[inline(always)]
    fn has(&self, kind: ChunkKind) -> bool {
        self.kinds & bit(kind) != 0
    }

    /// Whether the packet's tag is the receiver's own, reflected.
    #[inline(always)]
    fn reflects_tag(&self) -> bool {
        (self.has(ChunkKind::Abort) && self.last(ChunkKind::Abort).reflects_tag())
            || (self.has(ChunkKind::ShutdownComplete)
                && self.last(ChunkKind::ShutdownComplete).reflects_tag())
    }

    /// Enters a TSN into the state of its direction, and notes what it was there.
    #[inline(always)]
    fn note_tsn(&mut self, tsn: u32, sender: &mut SenderState) {
        let behind = sender.highest_tsn.wrapping_sub(tsn) as i32;
        let after_others = sender.data_seen();
        if sender.sent(tsn) {
            if !after_others || behind < 0 {
                if self.new_tsns == 0 {
                    self.first_new_tsn = tsn;
                }
                self.new_tsns += 1;
                self.last_new_tsn = tsn;
            } else if behind >= LATE {
                self.late_tsns += 1;
                self.last_late_tsn = tsn;
            }
        } else {
            if self.old_tsns == 0 {
                self.first_old_tsn = tsn;
            }
            self.old_tsns += 1;
            self.last_old_tsn = tsn;
        }
    }
}

/// The kinds of chunks in a packet.
#[derive(Debug, Clone, Copy)]
struct Found(u32);

impl Found {
    #[inline(always)]
    fn of(scratch: &Scratch) -> Self {
        Self(scratch.kinds)
    }

    #[inline(always)]
    fn any(self, kinds: u32) -> bool {
        self.0 & kinds != 0
    }
}

/// A TSN that comes so many behind the highest one was lost and sent again; one that comes less late may just have been
/// overtaken. A sender waits for three reports of a gap before it sends again (RFC 9260 section 7.2.4).
const LATE: i32 = 3;

#[inline(always)]
fn is_data(chunk: &Chunk) -> bool {
    chunk.is(ChunkKind::Data) || chunk.is(ChunkKind::IData)
}

#[inline(always)]
const fn bit(kind: ChunkKind) -> u32 {
    1 << kind as u32
}

/// Chunks that reach user space as bytes: they carry lists, or change the association.
const CONTROL: u32 = bit(ChunkKind::Init)
    | bit(ChunkKind::InitAck)
    | bit(ChunkKind::Abort)
    | bit(ChunkKind::Shutdown)
    | bit(ChunkKind::ShutdownAck)
    | bit(ChunkKind::Error)
    | bit(ChunkKind::CookieEcho)
    | bit(ChunkKind::CookieAck)
    | bit(ChunkKind::ShutdownComplete)
    | bit(ChunkKind::AsconfAck)
    | bit(ChunkKind::Asconf);

const DATA: u32 = bit(ChunkKind::Data) | bit(ChunkKind::IData);
const SACK: u32 = bit(ChunkKind::Sack) | bit(ChunkKind::NrSack);

#[inline(always)]
fn count_chunks<R: ReadPacket>(
    reader: &R,
    max_chunks: usize,
    record: &mut FlowRecord,
    scratch: &mut Scratch,
) {
    let (at, end) = (scratch.chunks_at(), scratch.end());
    let mut count = CountChunks { record, scratch };
    let end = walk(reader, at, end, max_chunks, &mut count);
    scratch.walk_end = end as u32;
    record.data_chunks = record.data_chunks.wrapping_add(u64::from(scratch.data_count));
    record.data_bytes = record.data_bytes.wrapping_add(u64::from(scratch.data_bytes));
}

struct CountChunks<'a> {
    record: &'a mut FlowRecord,
    scratch: &'a mut Scratch,
}

impl Visit for CountChunks<'_> {
    #[inline(always)]
    fn visit(&mut self, chunk: &Chunk) {
        let scratch = &mut *self.scratch;
        scratch.kinds |= 1 << chunk.slot();
        scratch.last[chunk.slot()] = *chunk;
        if is_data(chunk) {
            scratch.data_count += 1;
            scratch.data_bytes += Data::payload_length(chunk);
        }
        if !chunk.is(ChunkKind::Data) {
            let count = &mut self.record.chunks[chunk.slot()];
            *count = count.wrapping_add(1);
        }
    }
}

/// What a packet's tag makes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Standing {
    /// It has the flow's tag and speaks for its association.
    Member,
    /// It begins a handshake and has no tag, or belongs to no flow: it speaks for nobody yet.
    Handshake,
    /// It answers with the tag that it was sent (RFC 9260 section 8.5.1). That may end an association, but proves nothing
    /// else: whatever is bundled with it counts for nothing.
    Reflection,
    /// It has another tag.
    Stranger,
}

/// How many standings there are.
pub const STANDINGS: usize = 4;

impl Standing {
    /// The first tag that comes is the flow's tag, until user space knows better.
    #[inline(always)]
    fn of(record: &mut FlowRecord, scratch: &Scratch) -> Self {
        let tag = scratch.tag;
        if tag == 0 {
            return if scratch.has(ChunkKind::Init) {
                Self::Handshake
            } else {
                Self::Stranger
            };
        }
        if scratch.reflects_tag() {
            return Self::Reflection;
        }
        if record.tag == 0 {
            record.tag = tag;
        }
        if record.tag == tag {
            Self::Member
        } else {
            Self::Stranger
        }
    }
}

/// Counts a packet that is evidence of nothing. A reflected tag is a wrong one if it is not that of the opposite direction;
/// where that is not known, nothing speaks against it.
#[inline(always)]
fn set_aside<T: FlowTable>(slot: u32, table: &mut T) {
    let (tag, standing) = (table.scratch().tag, table.scratch().standing);
    if standing == Standing::Reflection as u32 {
        let reverse_slot = reverse_of(slot, table);
        let expected = tag_of(reverse_slot, table);
        if expected == 0 || expected == tag {
            return;
        }
        table.scratch().standing = Standing::Stranger as u32;
    }
    let Some(record) = table.record(slot) else {
        return;
    };
    if standing == Standing::Handshake as u32 {
        record.untagged = record.untagged.wrapping_add(1);
        return;
    }
    record.tag_mismatches = record.tag_mismatches.wrapping_add(1);
    record.mismatched_tag = tag;
    table.count(Counter::TagMismatch);
}

#[inline(always)]
fn count_oddities<T: FlowTable>(end: u32, found: Found, table: &mut T) {
    if end != WalkEnd::Complete as u32 {
        let counter = if end == WalkEnd::NoChunks as u32 {
            Counter::NoChunks
        } else if end == WalkEnd::HeaderTruncated as u32 {
            Counter::ChunkHeaderTruncated
        } else if end == WalkEnd::LengthTooShort as u32 {
            Counter::ChunkLengthTooShort
        } else if end == WalkEnd::LengthPastEnd as u32 {
            Counter::ChunkLengthPastEnd
        } else {
            Counter::ChunksTooMany
        };
        table.count(counter);
    }
    if found.any(bit(ChunkKind::Other)) {
        table.count(Counter::ChunkUnknown);
    }
}

/// What the packet says about the association, its tag being right.
#[inline(always)]
fn apply<R: ReadPacket, T: FlowTable>(reader: &R, slot: u32, found: Found, max_chunks: usize, table: &mut T) {
    if found.any(DATA) {
        on_data(reader, slot, max_chunks, table);
    }
    if found.any(SACK) {
        on_sack_chunk(reader, slot, table);
    }
    if found.any(bit(ChunkKind::Heartbeat)) {
        match heartbeat_info(reader, ChunkKind::Heartbeat, table) {
            Some(info) => on_heartbeat(slot, info, found.any(bit(ChunkKind::Pad)), table),
            None => table.count(Counter::ChunkTruncated),
        }
    }
    if found.any(bit(ChunkKind::HeartbeatAck)) {
        match heartbeat_info(reader, ChunkKind::HeartbeatAck, table) {
            Some(info) => on_heartbeat_ack(slot, info, table),
            None => table.count(Counter::ChunkTruncated),
        }
    }
}

#[inline(always)]
fn heartbeat_info<R: ReadPacket, T: FlowTable>(
    reader: &R,
    kind: ChunkKind,
    table: &mut T,
) -> Option<HeartbeatInfo> {
    HeartbeatInfo::read(reader, table.scratch().last(kind))
}

#[inline(always)]
fn on_sack_chunk<R: ReadPacket, T: FlowTable>(reader: &R, slot: u32, table: &mut T) {
    let scratch = table.scratch();
    let kind = if scratch.has(ChunkKind::Sack) {
        ChunkKind::Sack
    } else {
        ChunkKind::NrSack
    };
    match Sack::read(reader, scratch.last(kind)) {
        Some(sack) => on_sack(slot, sack, table),
        None => table.count(Counter::ChunkTruncated),
    }
}

#[inline(always)]
fn on_data<R: ReadPacket, T: FlowTable>(reader: &R, slot: u32, max_chunks: usize, table: &mut T) {
    let Some((record, scratch)) = table.record_and_scratch(slot) else {
        return;
    };
    let kind = if scratch.has(ChunkKind::Data) {
        ChunkKind::Data
    } else {
        ChunkKind::IData
    };
    let Some(data) = Data::read(reader, scratch.last(kind)) else {
        return table.count(Counter::ChunkTruncated);
    };
    if let Some(ppid) = data.ppid {
        record.ppid = ppid;
    }
    let tsn_slot = table.links(slot).map_or(slot, |links| links.tsn_slot(slot));
    let told_tag = told_tag(tsn_slot, table);
    let Some((canonical, scratch)) = table.record_and_scratch(tsn_slot) else {
        return;
    };
    canonical.follow(told_tag);
    scratch.previous_highest = if canonical.sender.data_seen() {
        canonical.sender.highest_tsn
    } else {
        data.tsn // no flow has this one, so a run begins
    };
    if scratch.data_count == 1 {
        scratch.note_tsn(data.tsn, &mut canonical.sender);
    } else {
        let (at, end) = (scratch.chunks_at(), scratch.end());
        let mut note = NoteTsns {
            reader,
            canonical,
            scratch: &mut *scratch,
        };
        walk(reader, at, end, max_chunks, &mut note);
    }
    let old = OldTsns {
        count: scratch.old_tsns,
        first: scratch.first_old_tsn,
        last: scratch.last_old_tsn,
        late: scratch.late_tsns,
        last_late: scratch.last_late_tsn,
        bytes: data.payload_length + HEADERS_LEN,
    };
    if scratch.new_tsns > 0 {
        time_data(slot, table);
    }
    if old.count + old.late > 0 {
        on_retransmission(slot, old, table);
    }
}

/// What stands in front of the user data in a packet of one chunk: IPv4, common header, DATA header.
const HEADERS_LEN: u32 = 20 + 12 + 16;

struct NoteTsns<'a, R> {
    reader: &'a R,
    canonical: &'a mut FlowRecord,
    scratch: &'a mut Scratch,
}

impl<R: ReadPacket> Visit for NoteTsns<'_, R> {
    #[inline(always)]
    fn visit(&mut self, chunk: &Chunk) {
        if is_data(chunk)
            && let Some(tsn) = self.reader.read_u32(chunk.value_at())
        {
            self.scratch.note_tsn(tsn, &mut self.canonical.sender);
        }
    }
}

/// TSNs of one packet that had been seen before, or come late.
#[derive(Debug, Clone, Copy)]
struct OldTsns {
    count: u32,
    first: u32,
    last: u32,
    late: u32,
    last_late: u32,
    /// Bytes of a packet with just the last chunk.
    bytes: u32,
}

/// Waits for the SACK of a packet's last new chunk, if the flow waits for none.
#[inline(always)]
fn time_data<T: FlowTable>(slot: u32, table: &mut T) {
    let Some((record, scratch)) = table.record_and_scratch(slot) else {
        return;
    };
    if record.highest_sent != scratch.previous_highest {
        record.run_start = scratch.first_new_tsn;
    }
    let (tsn, bytes) = (scratch.last_new_tsn, scratch.total_length);
    record.highest_sent = tsn;
    if record.timed.is_armed() && !record.timed.is_left_over() {
        if record.timed.another_packet() {
            let now_ns = table.now_ns();
            if let Some(record) = table.record(slot) {
                record.second_at_ns = now_ns;
                record.second_tsn = tsn;
            }
        }
        return;
    }
    let now_ns = table.now_ns();
    if let Some(record) = table.record(slot) {
        record.second_at_ns = 0;
        record.timed_bytes = bytes;
        record.timed.start(tsn, now_ns);
    }
}

/// The next flow of the same direction, or [`NO_SLOT`].
#[inline(always)]
fn next_of<T: FlowTable>(slot: u32, table: &mut T) -> u32 {
    table.links(slot).map_or(NO_SLOT, |links| links.next.slot())
}

/// Tells the flows of this direction which of their chunks the packet carries again, or late.
#[inline(always)]
fn on_retransmission<T: FlowTable>(slot: u32, old: OldTsns, table: &mut T) {
    if let Some(record) = table.record(slot) {
        record.retransmissions = record.retransmissions.wrapping_add(old.count);
    }
    let mut at = slot;
    for _ in 0..MAX_SIBLINGS {
        let Some(record) = table.record(at) else {
            return;
        };
        if old.count > 0 {
            let resent = !tsn_after(old.first, record.timed.tsn) && !tsn_after(record.timed.tsn, old.last);
            if record.timed.is_armed() && resent {
                record.timed.mark_resent();
            }
            if record.carried_first(old.last) {
                record.lost = record.lost.wrapping_add(old.count);
                record.lost_bytes = old.bytes;
            }
        }
        if old.late > 0 && record.carried_first(old.last_late) {
            record.late = record.late.wrapping_add(old.late);
            record.lost_bytes = old.bytes;
        }
        at = next_of(at, table);
        if at == slot {
            return;
        }
    }
}

/// Credits the flows whose timed chunk the SACK reaches, whatever flow the SACK came over.
#[inline(always)]
fn on_sack<T: FlowTable>(slot: u32, sack: Sack, table: &mut T) {
    let Some(record) = table.record(slot) else {
        return;
    };
    record.a_rwnd = sack.a_rwnd;
    let first = reverse_of(slot, table);
    let Some(tsn_slot) = table.links(first).map(|links| links.tsn_slot(first)) else {
        return;
    };
    let told = told_tag(tsn_slot, table);
    let Some(canonical) = table.record(tsn_slot) else {
        return;
    };
    canonical.follow(told);
    let more = canonical
        .sender
        .acknowledged(sack.cum_tsn_ack, sack.highest_acked);
    if !more && sack.duplicate_tsns == 0 {
        return;
    }
    let mut at = first;
    for _ in 0..MAX_SIBLINGS {
        let Some((told_tag, next)) = table.links(at).map(|links| (links.tag, links.next.slot())) else {
            return;
        };
        let Some(record) = table.record(at) else {
            return;
        };
        if sack.duplicate_tsns > 0 && record.carried_first(sack.first_duplicate) {
            record.spurious = record.spurious.wrapping_add(u32::from(sack.duplicate_tsns));
        }
        if more && record.timed.is_armed() && !record.is_outdated(told_tag) {
            let progress = Progress::of(&record.timed, record.highest_sent, sack);
            credit(at, progress, sack, table);
        }
        at = next;
        if at == first {
            return;
        }
    }
}

/// What a SACK says of a flow that waits for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// Nothing.
    None,
    /// The timed chunk arrived, over this flow: a round-trip time.
    Timed,
    /// The chunk that is waited for arrived, but when it was sent is not known well.
    Untimed,
    /// A later chunk of this flow arrived; the timed one may be lost. The path works, but there is nothing to time.
    Later,
    /// The timed chunk arrived, but it was sent twice: nothing is known of this flow.
    Ambiguous,
}

impl Progress {
    #[inline(always)]
    fn of(timed: &TimedTsn, highest_sent: u32, sack: Sack) -> Self {
        if tsn_at_or_before(timed.tsn, sack.cum_tsn_ack) {
            return if timed.is_resent() {
                Self::Ambiguous
            } else if timed.is_timed() {
                Self::Timed
            } else {
                Self::Untimed
            };
        }
        // Whoever acknowledges beyond the timed chunk has something newer. It came over this flow if this flow was
        // the first to carry a TSN as high.
        let newer = if timed.is_resent() {
            tsn_after(sack.highest_acked, timed.tsn)
        } else {
            !tsn_after(timed.tsn, sack.highest_acked)
        };
        if newer && tsn_at_or_before(sack.highest_acked, highest_sent) {
            Self::Later
        } else {
            Self::None
        }
    }
}

#[inline(always)]
fn credit<T: FlowTable>(slot: u32, progress: Progress, sack: Sack, table: &mut T) {
    if progress == Progress::None {
        return;
    }
    let now_ticks = table.now_ticks();
    let now_ns = table.now_ns();
    let Some(record) = table.record(slot) else {
        return;
    };
    if progress == Progress::Ambiguous {
        return record.timed.stop();
    }
    record.credited_bytes = 0;
    let second_is_left = record.second_at_ns != 0 && tsn_after(record.second_tsn, sack.highest_acked);
    // From the second packet on the peer may not wait. If it acknowledges the first one only, it has waited.
    if progress == Progress::Timed && !second_is_left {
        let obliged_at_ns = if record.second_at_ns == 0 {
            record.timed.sent_at_ns
        } else {
            record.second_at_ns
        };
        record.data_rtt.sample(now_ns.saturating_sub(obliged_at_ns));
        record.credited_bytes = record.timed_bytes;
    }
    record.acked_ticks = now_ticks;
    record.credits = record.credits.wrapping_add(1);
    record.credited_packets = record.timed.packets();
    wait_on(record, sack, second_is_left, now_ns);
}

/// What the SACK left unacknowledged is waited for at once: a sender that gets no further SACK may send nothing new.
#[inline(always)]
fn wait_on(record: &mut FlowRecord, sack: Sack, second_is_left: bool, now_ns: u64) {
    let left = record.highest_sent.wrapping_sub(sack.highest_acked);
    if (left as i32) <= 0 {
        return record.timed.stop();
    }
    if second_is_left {
        record
            .timed
            .wait_for_second(record.second_tsn, record.second_at_ns);
        record.second_at_ns = 0;
    } else {
        // At most as many packets as chunks, and as packets there were but the one that was acknowledged.
        let packets = left.min(record.timed.packets().saturating_sub(1)).max(1);
        let first_left = sack.highest_acked.wrapping_add(1);
        record.timed.wait_for_rest(first_left, packets, now_ns);
    }
}

#[inline(always)]
fn on_heartbeat<T: FlowTable>(slot: u32, info: HeartbeatInfo, padded: bool, table: &mut T) {
    let now_ns = table.now_ns();
    let Some(record) = table.record(slot) else {
        return;
    };
    let entry = OutstandingHeartbeat {
        sent_at_ns: now_ns,
        fingerprint: info.fingerprint,
        chunk_length: info.chunk_length,
        padded: u16::from(padded),
    };
    // The older one gives way. A free entry is the oldest there is.
    if record.outstanding[0].sent_at_ns <= record.outstanding[1].sent_at_ns {
        record.outstanding[0] = entry;
    } else {
        record.outstanding[1] = entry;
    }
    let header = RingHeader {
        kind: RingKind::HeartbeatSent as u32,
        slot,
        time_ns: now_ns,
    };
    table.emit(
        &HeartbeatSent {
            header,
            fingerprint: info.fingerprint,
            chunk_length: info.chunk_length,
            padded: u16::from(padded),
        },
        false,
    );
}

/// Looks for the heartbeat that the ack answers: first on the reversed address pair, then on the other flows of that
/// direction of the association.
#[inline(always)]
fn on_heartbeat_ack<T: FlowTable>(slot: u32, info: HeartbeatInfo, table: &mut T) {
    let now_ns = table.now_ns();
    let mut acked = HeartbeatAcked {
        header: RingHeader {
            kind: RingKind::HeartbeatAcked as u32,
            slot,
            time_ns: now_ns,
        },
        fingerprint: info.fingerprint,
        chunk_length: info.chunk_length,
        outcome: AckOutcome::Unmatched as u16,
        heartbeat_slot: NO_SLOT,
        reserved: 0,
        rtt_ns: 0,
    };
    if let Some(key) = table.record(slot).map(|record| record.key) {
        let first = reverse_of(slot, table);
        let mut at = first;
        for _ in 0..MAX_SIBLINGS {
            let Some((told_tag, next)) = table.links(at).map(|links| (links.tag, links.next.slot())) else {
                break;
            };
            let Some(record) = table.record(at) else {
                break;
            };
            if !record.is_outdated(told_tag)
                && let Some(sent_at_ns) = take_outstanding(record, info)
            {
                acked.rtt_ns = now_ns.saturating_sub(sent_at_ns);
                acked.heartbeat_slot = at;
                acked.outcome = answer(record, &key, now_ns, acked.rtt_ns) as u16;
                break;
            }
            at = next;
            if at == first {
                break;
            }
        }
    }
    if acked.heartbeat_slot == NO_SLOT {
        table.count(Counter::HeartbeatAckUnmatched);
    }
    table.emit(&acked, false);
}

#[inline(always)]
fn take_outstanding(record: &mut FlowRecord, info: HeartbeatInfo) -> Option<u64> {
    for entry in &mut record.outstanding {
        let matches = entry.fingerprint == info.fingerprint && entry.chunk_length == info.chunk_length;
        if entry.sent_at_ns != 0 && matches {
            let sent_at_ns = entry.sent_at_ns;
            entry.sent_at_ns = 0;
            return Some(sent_at_ns);
        }
    }
    None
}

/// Enters an ack that came over the flow `ack` into the record of the flow that carried the heartbeat.
#[inline(always)]
fn answer(record: &mut FlowRecord, ack: &FlowKey, now_ns: u64, rtt_ns: u64) -> AckOutcome {
    record.heartbeats_answered = record.heartbeats_answered.wrapping_add(1);
    record.answered_at_ns = now_ns;
    record.heartbeat_rtt.sample(rtt_ns);
    if record.key.dst.is(ack.src) {
        return AckOutcome::SamePath;
    }
    record.answered_elsewhere = record.answered_elsewhere.wrapping_add(1);
    record.ack_source = ack.src;
    AckOutcome::OtherPath
}

#[inline(always)]
fn emit_control<R: ReadPacket, T: FlowTable>(
    reader: &R,
    key: &FlowKey,
    interface: Interface,
    slot: u32,
    tag_mismatch: bool,
    table: &mut T,
) {
    let time_ns = table.now_ns();
    let (at, end) = (table.scratch().at, table.scratch().end);
    let packet_length = end.saturating_sub(at);
    let header = ControlHeader {
        header: RingHeader {
            kind: RingKind::Control as u32,
            slot,
            time_ns,
        },
        key: *key,
        interface,
        packet_length,
        captured_length: packet_length,
        tag_mismatch: u32::from(tag_mismatch),
        reserved: 0,
    };
    table.emit_control(reader, at as usize, &header);
}

/// At most so many events in each second: a bucket that user space cannot starve and a flood cannot widen.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
pub struct RateLimit {
    second_began_ns: u64,
    used: u64,
}

impl RateLimit {
    /// Whether one more event is within `per_second`.
    #[inline(always)]
    pub fn admits(&mut self, now_ns: u64, per_second: u64) -> bool {
        if now_ns.wrapping_sub(self.second_began_ns) >= 1_000_000_000 {
            self.second_began_ns = now_ns;
            self.used = 0;
        }
        if self.used >= per_second {
            return false;
        }
        self.used += 1;
        true
    }
}
