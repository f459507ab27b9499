//! The flow table, mapped into the agent's memory (BPF_F_MMAPABLE): a sweep costs no system call.
//!
//! Of each slot the programs write the record, which the agent reads, and the agent writes the links, which the programs
//! read. Both are the agent's while the slot is free. A record is read word by word, in order, so a number is old or new but
//! never torn, and what ends a wait is seen with its end (docs/architecture.md); other fields of one record may be one
//! packet apart.

use std::os::fd::{AsFd as _, AsRawFd as _};

use aya::maps::Map;
use bytemuck::Zeroable as _;
use memmap2::{MmapOptions, MmapRaw};
use sctp_monitor_common::abi::{FlowLinks, FlowRecord, FlowSlot};

use super::{KernelError, shared::read_words};

/// The mapped array of slots.
#[derive(Debug)]
pub struct Flows {
    mapping: MmapRaw,
    slots: u32,
    /// Keeps the map alive.
    _map: Map,
}

impl Flows {
    pub(super) fn map(map: Map, slots: u32) -> Result<Self, KernelError> {
        let Map::Array(data) = &map else {
            return Err(KernelError::NoMap("FLOWS"));
        };
        let fd = data.fd().as_fd().as_raw_fd();
        let mapping = MmapOptions::new()
            .len(slots as usize * size_of::<FlowSlot>())
            .map_raw(fd)
            .map_err(KernelError::Mmap)?;
        Ok(Self {
            mapping,
            slots,
            _map: map,
        })
    }

    /// A copy of the record in a slot; `None` past the end.
    #[must_use]
    pub fn read(&self, slot: u32) -> Option<FlowRecord> {
        let place = self.pointer(slot)?;
        // SAFETY: `pointer` checked the slot, which is aligned to cache lines.
        Some(unsafe { read_words(&raw const (*place).record) })
    }

    /// Packets of the flow in a slot: the cheapest way to see whether anything happened. 0 past the end.
    #[must_use]
    pub fn packets(&self, slot: u32) -> u64 {
        let Some(place) = self.pointer(slot) else {
            return 0;
        };
        // SAFETY: `pointer` checked the slot, and the field is the record's own.
        unsafe { (&raw const (*place).record.packets).read_volatile() }
    }

    /// What was said of the flow in a slot; `None` past the end.
    pub(super) fn links(&self, slot: u32) -> Option<FlowLinks> {
        let place = self.pointer(slot)?;
        // SAFETY: `pointer` checked the slot; only the agent writes the links.
        Some(unsafe { (&raw const (*place).links).read_volatile() })
    }

    /// Writes what is said of the flow in a slot. What a program sees meanwhile is each reference old or new.
    pub(super) fn link(&mut self, slot: u32, links: &FlowLinks) {
        let Some(place) = self.pointer(slot) else {
            return;
        };
        // SAFETY: `pointer` checked the slot, and the fields are the links' own.
        unsafe {
            let place = &raw mut (*place).links;
            (&raw mut (*place).tag).write_volatile(links.tag);
            (&raw mut (*place).reverse).write_volatile(links.reverse);
            (&raw mut (*place).next).write_volatile(links.next);
            (&raw mut (*place).tsn_state).write_volatile(links.tsn_state);
        }
    }

    /// Zeroes a slot that belongs to no flow.
    pub(super) fn clear(&mut self, slot: u32) {
        if let Some(place) = self.pointer(slot) {
            // SAFETY: `pointer` checked the slot.
            unsafe { place.write_volatile(FlowSlot::zeroed()) };
        }
    }

    fn pointer(&self, slot: u32) -> Option<*mut FlowSlot> {
        if slot >= self.slots {
            return None;
        }
        let first: *mut FlowSlot = self.mapping.as_mut_ptr().cast();
        // SAFETY: the mapping holds so many slots, page-aligned.
        Some(unsafe { first.add(slot as usize) })
    }
}

const _: () = assert!(std::mem::offset_of!(FlowSlot, record) == 0);
// What is waited for lies in front of what tells of the answer.
const _: () = {
    use std::mem::offset_of;
    assert!(offset_of!(FlowRecord, timed) < offset_of!(FlowRecord, acked_ticks));
    assert!(offset_of!(FlowRecord, timed) < offset_of!(FlowRecord, acknowledgements));
    assert!(offset_of!(FlowRecord, timed) < offset_of!(FlowRecord, acknowledged_here));
    assert!(offset_of!(FlowRecord, timed) < offset_of!(FlowRecord, is_timed));
    assert!(offset_of!(FlowRecord, acknowledgements) < offset_of!(FlowRecord, acknowledged_here));
    assert!(offset_of!(FlowRecord, outstanding) < offset_of!(FlowRecord, heartbeats_answered));
    assert!(offset_of!(FlowRecord, outstanding) < offset_of!(FlowRecord, answered_at_ns));
};

#[cfg(test)]
mod tests {
    use std::{
        mem::offset_of,
        sync::atomic::{AtomicBool, AtomicU64, Ordering},
    };

    use super::{super::shared::in_order, *};

    const RECORD_WORDS: usize = size_of::<FlowRecord>() / size_of::<u64>();

    /// As a program writes: a wait begins, it is answered, it ends.
    #[test]
    fn a_wait_that_is_over_is_seen_with_its_answer() {
        let words: Vec<AtomicU64> = (0..RECORD_WORDS).map(|_| AtomicU64::new(0)).collect();
        let at = |offset: usize| &words[offset / size_of::<u64>()];
        let begun = at(offset_of!(FlowRecord, packets));
        let waits_since = at(offset_of!(FlowRecord, timed));
        let answered = at(offset_of!(FlowRecord, answered_at_ns));
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for number in 1..=300_000 {
                    waits_since.store(number, Ordering::Release);
                    begun.store(number, Ordering::Release);
                    answered.store(number, Ordering::Release);
                    waits_since.store(0, Ordering::Release);
                }
                done.store(true, Ordering::Release);
            });
            let mut ends = 0;
            while !done.load(Ordering::Acquire) {
                let record: FlowRecord = in_order(&words);
                if !record.timed.is_armed() {
                    assert!(record.answered_at_ns >= record.packets, "{record:?}");
                    ends += 1;
                }
            }
            let last: FlowRecord = in_order(&words);
            assert_eq!((last.packets, last.answered_at_ns), (300_000, 300_000));
            println!("{ends} ends of waits seen");
        });
    }
}
