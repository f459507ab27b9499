//! The maps, and the flow table over them.
//!
//! The index is a kernel hash from key to slot. The slots lie in an array that user space maps into its memory: of each the
//! programs write the record, and user space the links. User space fills [`FREE_SLOTS`] and alone
//! takes slots back: it removes the key, waits until no program can still hold the slot, zeroes record and links, and only
//! then offers the slot again.

use aya_ebpf::{
    Global,
    bindings::{BPF_ANY, BPF_F_MMAPABLE, BPF_NOEXIST, BPF_RB_FORCE_WAKEUP, BPF_RB_NO_WAKEUP},
    helpers::{bpf_jiffies64, bpf_ktime_get_ns},
    macros::map,
    maps::{Array, HashMap, PerCpuArray, Queue, RingBuf},
};
use bytemuck::Pod;
use sctp_monitor_common::{
    abi::{
        CONTROL_LONG, CONTROL_SHORT, ControlHeader, Counter, Counters, FlowKey, FlowLinks, FlowRecord,
        FlowSlot, IndexKey, NO_SLOT, ProbePath, ProbeRecord, ProbeSlot, Rare, TableFacts, Trust,
        limits::{DEFAULT_FLOWS, DEFAULT_RING_BYTES},
    },
    track::{FlowTable, Scratch, Tables},
    wire::{ReadPacket, Readable, Reading},
};

use crate::{budget, reader::sum};

// User space sets the sizes when it loads the programs; these are its defaults.

#[map]
static FLOW_INDEX: HashMap<IndexKey, u32> = HashMap::with_max_entries(DEFAULT_FLOWS, 0);

#[map]
static FLOWS: Array<FlowSlot> = Array::with_max_entries(DEFAULT_FLOWS, BPF_F_MMAPABLE);

/// What the table was made with. Only user space reads and writes it: it outlives the agent with the maps.
#[map]
static TABLE: Array<TableFacts> = Array::with_max_entries(1, 0);

/// Slots for flows that are likely to be genuine. User space sees to it that flows which nothing proves never have more than
/// their share of all slots: the rest is here.
#[map]
static FREE_SLOTS: Queue<u32> = Queue::with_max_entries(DEFAULT_FLOWS, 0);

/// Slots for any flow.
#[map]
static UNPROVED_SLOTS: Queue<u32> = Queue::with_max_entries(DEFAULT_FLOWS, 0);

#[map]
static COUNTERS: PerCpuArray<Counters> = PerCpuArray::with_max_entries(1, 0);

#[map]
static SCRATCH: PerCpuArray<Scratch> = PerCpuArray::with_max_entries(1, 0);

/// What the last flows were that got no slot: a fingerprint each, at a place by their hash.
#[map]
static REFUSED: Array<u32> = Array::with_max_entries(REFUSED_PLACES, 0);

#[map]
pub(crate) static RING: RingBuf = RingBuf::with_byte_size(DEFAULT_RING_BYTES, 0);

/// See [`FlowKey::index`]; user space sets it, to what it stores in [`TABLE`].
#[unsafe(no_mangle)]
static INDEX_SEED: Global<[u64; 2]> = Global::new([0; 2]);

/// The key of the agent's probes; zero if it sends none: then the verifier leaves out what recognises them.
#[unsafe(no_mangle)]
static PROBE_KEY: Global<[u64; 2]> = Global::new([0; 2]);

/// Probed paths. User space makes it larger where it probes.
#[map]
static PROBES: Array<ProbeSlot> = Array::with_max_entries(1, BPF_F_MMAPABLE);

/// A power of two. A flood of 100,000 flows a second overwrites a fingerprint after two thirds of a second; the packets
/// of a handshake follow each other within milliseconds.
const REFUSED_PLACES: u32 = 1 << 16;

/// The maps, for one packet that may not need them.
pub(crate) struct KernelTables {
    table: Option<KernelTable>,
    mark: u32,
}

impl KernelTables {
    /// `mark` is the packet's `tc_index`, if it has one.
    #[inline(always)]
    pub(crate) fn new(mark: u32) -> Self {
        Self { table: None, mark }
    }
}

impl Tables for KernelTables {
    type Table = KernelTable;

    #[inline(always)]
    fn table(&mut self) -> Option<&mut KernelTable> {
        let scratch = SCRATCH.get_ptr_mut(0)?;
        // SAFETY: the pointer is this CPU's own value of the map, and a program is not interrupted by another packet's.
        let scratch = unsafe { &mut *scratch };
        let mark = self.mark;
        Some(self.table.insert(KernelTable { scratch, mark }))
    }

    #[inline(always)]
    fn count(&mut self, counter: Counter) {
        count(counter);
    }
}

/// The flow table over the maps, for one packet.
pub(crate) struct KernelTable {
    /// Looked up once: every look-up of a per-CPU map is a call.
    scratch: &'static mut Scratch,
    mark: u32,
}

impl FlowTable for KernelTable {
    #[inline(always)]
    fn find(&mut self, key: &FlowKey) -> u32 {
        // SAFETY: a slot is written once, when its key is inserted.
        match unsafe { FLOW_INDEX.get(key.index(index_seed())) } {
            Some(slot) => *slot,
            None => NO_SLOT,
        }
    }

    #[inline(always)]
    fn open(&mut self, key: &FlowKey, rare: &Rare) -> Result<u32, Counter> {
        let index = key.index(index_seed());
        let is_trusted = budget::number_of(rare.trust) != Trust::Unproved as usize;
        if !is_trusted && !budget::admits_flow(rare, || comes_again(index)) {
            return Err(Counter::NewFlowsLimited);
        }
        let free = if is_trusted {
            FREE_SLOTS.pop().ok().flatten()
        } else {
            None
        };
        let Some(slot) = free.or_else(|| UNPROVED_SLOTS.pop().ok().flatten()) else {
            return Err(Counter::FlowTableFull);
        };
        if FLOW_INDEX.insert(index, slot, u64::from(BPF_NOEXIST)).is_err() {
            // Another CPU was faster, or the index has no room. The slot is as free as before; should the queue
            // refuse it, user space finds it missing when it counts.
            let _ = if is_trusted {
                FREE_SLOTS.push(slot, u64::from(BPF_ANY))
            } else {
                UNPROVED_SLOTS.push(slot, u64::from(BPF_ANY))
            };
            return match self.find(key) {
                NO_SLOT => Err(Counter::FlowTableFull),
                slot => Ok(slot),
            };
        }
        Ok(slot)
    }

    #[inline(always)]
    fn admits(&mut self, rare: &Rare, limited: Counter) -> bool {
        if !budget::admits(rare) {
            self.count(limited);
            return false;
        }
        self.has_room(rare.trust)
    }

    #[inline(always)]
    fn has_room(&mut self, trust: Trust) -> bool {
        let has_room = budget::has_room(trust);
        if !has_room {
            self.count(Counter::RingFull);
        }
        has_room
    }

    #[inline(always)]
    fn record(&mut self, slot: u32) -> Option<&mut FlowRecord> {
        flow(slot).map(|(record, _)| record)
    }

    #[inline(always)]
    fn flow(&mut self, slot: u32) -> Option<(&mut FlowRecord, &FlowLinks)> {
        flow(slot)
    }

    #[inline(always)]
    fn scratch(&mut self) -> &mut Scratch {
        self.scratch
    }

    #[inline(always)]
    fn flow_and_scratch(&mut self, slot: u32) -> Option<(&mut FlowRecord, &FlowLinks, &mut Scratch)> {
        let (record, links) = flow(slot)?;
        Some((record, links, self.scratch))
    }

    #[inline(always)]
    fn mark(&self) -> u32 {
        self.mark
    }

    #[inline(always)]
    fn probe_key(&self) -> [u64; 2] {
        PROBE_KEY.load()
    }

    #[inline(always)]
    fn probe(&mut self, index: u32) -> Option<(&mut ProbeRecord, &ProbePath)> {
        let slot = PROBES.get_ptr_mut(index)?;
        // SAFETY: the pointer is the map's own and lives as long as the program; each part has one writer.
        Some(unsafe { (&mut (*slot).record, &(*slot).path) })
    }

    #[inline(always)]
    fn now_ns(&mut self) -> u64 {
        // SAFETY: the helper has no preconditions.
        unsafe { bpf_ktime_get_ns() }
    }

    #[inline(always)]
    fn now_ticks(&mut self) -> u64 {
        // SAFETY: the helper has no preconditions.
        unsafe { bpf_jiffies64() }
    }

    #[inline(always)]
    fn count(&mut self, counter: Counter) {
        count(counter);
    }

    #[inline(always)]
    fn emit<T: Pod>(&mut self, record: &T, urgent: bool) {
        match RING.reserve::<T>(0) {
            Some(mut entry) => {
                entry.write(*record);
                entry.submit(wake_up(urgent));
            }
            None => self.count(Counter::RingFull),
        }
    }

    #[inline(always)]
    fn emit_control<P: Readable>(&mut self, frame: &P, at: usize, header: &ControlHeader) {
        if header.packet_length as usize <= CONTROL_SHORT {
            self.emit_bytes::<_, CONTROL_SHORT>(frame, at, header);
        } else {
            self.emit_bytes::<_, CONTROL_LONG>(frame, at, header);
        }
    }
}

impl KernelTable {
    #[inline(always)]
    fn emit_bytes<P: Readable, const N: usize>(&mut self, frame: &P, at: usize, header: &ControlHeader) {
        let Some(mut entry) = RING.reserve::<ControlRecord<N>>(0) else {
            return self.count(Counter::RingFull);
        };
        let record = entry.as_mut_ptr();
        // SAFETY: the reserved entry has room for the record; fields are written through raw pointers because it is
        // not initialised, and `bytes` behind `captured` stay what they are: user space reads `captured_length`.
        unsafe {
            (&raw mut (*record).header).write(*header);
            let captured = frame.read_by(Copy::<N> {
                at,
                length: header.packet_length as usize,
                to: (&raw mut (*record).bytes).cast(),
            });
            (&raw mut (*record).header.captured_length).write(captured as u32);
        }
        // Nobody waits for what is not believed.
        entry.submit(wake_up(header.tag_mismatch == 0));
    }
}

/// A control record with room for `N` bytes.
#[repr(C)]
struct ControlRecord<const N: usize> {
    header: ControlHeader,
    bytes: [u8; N],
}

/// Copies `length` bytes of the packet (at most `N`) from offset `at` to where there is room for `N`, and says how many it
/// found.
struct Copy<const N: usize> {
    at: usize,
    length: usize,
    to: *mut u8,
}

impl<const N: usize> Reading for Copy<N> {
    type Output = usize;

    #[inline(always)]
    fn read<R: ReadPacket>(self, reader: &R) -> usize {
        // SAFETY: whoever made it has the room.
        unsafe { copy_packet::<R, N>(reader, self.at, self.length, self.to) }
    }
}

/// Does it.
///
/// # Safety
/// `to` has room for `N` bytes, a multiple of 8.
#[inline(always)]
unsafe fn copy_packet<R: ReadPacket, const N: usize>(
    reader: &R,
    at: usize,
    length: usize,
    to: *mut u8,
) -> usize {
    let length = length.min(N);
    for index in 0..N / WORD {
        let done = index * WORD;
        if done + WORD > length {
            break;
        }
        let Some(word) = reader.read::<WORD>(at + done) else {
            return done;
        };
        // SAFETY: `done + WORD <= N`; BPF has no alignment trap.
        unsafe { to.add(done).cast::<u64>().write(u64::from_ne_bytes(word)) };
    }
    // The last word overlaps the one before. LLVM knows that the bound holds and would drop it; the verifier does not
    // know and wants to see it.
    let last = sum(length, WORD.wrapping_neg());
    if length.is_multiple_of(WORD) || last > N - WORD {
        return length;
    }
    let Some(word) = reader.read::<WORD>(at + last) else {
        return length & !(WORD - 1);
    };
    // SAFETY: `last + WORD <= N`; BPF has no alignment trap.
    unsafe { (sum(to as usize, last) as *mut u64).write(u64::from_ne_bytes(word)) };
    length
}

const WORD: usize = 8;

/// A flow, for as long as the caller's borrow of the table lets it be the only one.
#[inline(always)]
pub(crate) fn flow<'a>(slot: u32) -> Option<(&'a mut FlowRecord, &'a FlowLinks)> {
    let slot = FLOWS.get_ptr_mut(slot)?;
    // SAFETY: the pointer is the map's own and lives as long as the program. What other CPUs and user space write
    // meanwhile is allowed for by the record's and the links' rules.
    Some(unsafe { (&mut (*slot).record, &(*slot).links) })
}

/// Adds one to a counter of this CPU.
#[inline(always)]
fn count(counter: Counter) {
    if let Some(counters) = COUNTERS.get_ptr_mut(0) {
        // SAFETY: the pointer is this CPU's own value of the map.
        unsafe { &mut *counters }.count(counter);
    }
}

/// Whether the flow was refused not long ago; it is remembered now.
#[inline(always)]
fn comes_again(key: IndexKey) -> bool {
    let hash = key.hash(index_seed());
    let Some(place) = REFUSED.get_ptr_mut(hash as u32 & (REFUSED_PLACES - 1)) else {
        return false;
    };
    let fingerprint = (hash >> 32) as u32;
    // SAFETY: the pointer is the map's own and lives as long as the program. Another CPU may write there at the same
    // time: then one of both flows is forgotten.
    unsafe {
        let again = place.read_volatile() == fingerprint;
        place.write_volatile(fingerprint);
        again
    }
}

#[inline(always)]
pub(crate) fn index_seed() -> [u64; 2] {
    INDEX_SEED.load()
}

/// Waking user space costs the packet 5 microseconds; what is not urgent waits for its next sweep.
#[inline(always)]
fn wake_up(urgent: bool) -> u64 {
    u64::from(if urgent {
        BPF_RB_FORCE_WAKEUP
    } else {
        BPF_RB_NO_WAKEUP
    })
}
