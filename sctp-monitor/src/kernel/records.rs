//! The flow records, mapped into the agent's memory (BPF_F_MMAPABLE): a sweep costs no system call.
//!
//! The programs write while the agent reads. Every access is volatile, and a field is at most eight bytes and aligned,
//! so a value is old or new but never torn; fields of one record may be one packet apart.

use std::os::fd::{AsFd as _, AsRawFd as _};

use aya::maps::Map;
use bytemuck::Zeroable as _;
use memmap2::{MmapOptions, MmapRaw};
use sctp_monitor_common::abi::FlowRecord;

use super::KernelError;

/// The mapped array of records.
#[derive(Debug)]
pub struct Records {
    mapping: MmapRaw,
    slots: u32,
    /// Keeps the map alive.
    _map: Map,
}

impl Records {
    pub(super) fn map(map: Map, slots: u32) -> Result<Self, KernelError> {
        let Map::Array(data) = &map else {
            return Err(KernelError::NoMap("FLOWS"));
        };
        let fd = data.fd().as_fd().as_raw_fd();
        let mapping = MmapOptions::new()
            .len(slots as usize * size_of::<FlowRecord>())
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
        let record = self.pointer(slot)?;
        // SAFETY: `pointer` checked the slot, and every bit pattern is a record.
        Some(unsafe { record.read_volatile() })
    }

    /// Packets of the flow in a slot: the cheapest way to see whether anything happened. 0 past the end.
    #[must_use]
    pub fn packets(&self, slot: u32) -> u64 {
        let Some(record) = self.pointer(slot) else {
            return 0;
        };
        // SAFETY: `pointer` checked the slot, and the field is the record's own.
        unsafe { (&raw const (*record).packets).read_volatile() }
    }

    pub(super) fn link(&mut self, slot: u32, data_slot: u32, reverse_slot: u32, sibling_slot: u32) {
        // SAFETY: `write` checked the slot, and the fields are the record's own.
        self.write(slot, |record| unsafe {
            (&raw mut (*record).data_slot).write_volatile(data_slot);
            (&raw mut (*record).reverse_slot).write_volatile(reverse_slot);
            (&raw mut (*record).sibling_slot).write_volatile(sibling_slot);
        });
    }

    pub(super) fn set_tag(&mut self, slot: u32, tag: u32) {
        let fresh = FlowRecord::zeroed();
        // SAFETY: `write` checked the slot, and the fields are the record's own.
        self.write(slot, |record| unsafe {
            (&raw mut (*record).sender).write_volatile(fresh.sender);
            (&raw mut (*record).timed).write_volatile(fresh.timed);
            (&raw mut (*record).outstanding).write_volatile(fresh.outstanding);
            (&raw mut (*record).tag).write_volatile(tag);
        });
    }

    pub(super) fn clear(&mut self, slot: u32) {
        // SAFETY: `write` checked the slot.
        self.write(slot, |record| unsafe {
            record.write_volatile(FlowRecord::zeroed());
        });
    }

    fn write(&mut self, slot: u32, change: impl FnOnce(*mut FlowRecord)) {
        if let Some(record) = self.pointer(slot) {
            change(record);
        }
    }

    fn pointer(&self, slot: u32) -> Option<*mut FlowRecord> {
        if slot >= self.slots {
            return None;
        }
        let first: *mut FlowRecord = self.mapping.as_mut_ptr().cast();
        // SAFETY: the mapping holds `slots` records, page-aligned.
        Some(unsafe { first.add(slot as usize) })
    }
}
