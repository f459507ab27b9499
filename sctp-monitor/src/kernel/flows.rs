//! The flow table, mapped into the agent's memory (BPF_F_MMAPABLE): a sweep costs no system call.
//!
//! Of each slot the programs write the record, which the agent reads, and the agent writes the links, which the programs
//! read. Both are the agent's while the slot is free. Every access is volatile, and a field is at most eight bytes and
//! aligned, so a value is old or new but never torn; fields of one record may be one packet apart.

use std::os::fd::{AsFd as _, AsRawFd as _};

use aya::maps::Map;
use bytemuck::Zeroable as _;
use memmap2::{MmapOptions, MmapRaw};
use sctp_monitor_common::abi::{FlowLinks, FlowRecord, FlowSlot};

use super::KernelError;

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
        // SAFETY: `pointer` checked the slot, and every bit pattern is a record.
        Some(unsafe { (&raw const (*place).record).read_volatile() })
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
