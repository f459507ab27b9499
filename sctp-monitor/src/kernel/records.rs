//! The two arrays of the flow table, mapped into the agent's memory (BPF_F_MMAPABLE): a sweep costs no system call.
//!
//! Each has one writer. The programs write records, and the agent reads them; the agent writes links, and the programs
//! read them. Both are the agent's while their slot is free. Every access is volatile, and a field is at most eight bytes
//! and aligned, so a value is old or new but never torn; fields of one record may be one packet apart.

use std::{
    marker::PhantomData,
    os::fd::{AsFd as _, AsRawFd as _},
};

use aya::maps::Map;
use bytemuck::{Pod, Zeroable as _};
use memmap2::{MmapOptions, MmapRaw};
use sctp_monitor_common::abi::{FlowLinks, FlowRecord};

use super::KernelError;

/// What the programs write: a record by slot.
#[derive(Debug)]
pub struct Records(Mapped<FlowRecord>);

impl Records {
    pub(super) fn map(map: Map, slots: u32) -> Result<Self, KernelError> {
        Mapped::map("FLOWS", map, slots).map(Self)
    }

    /// A copy of the record in a slot; `None` past the end.
    #[must_use]
    pub fn read(&self, slot: u32) -> Option<FlowRecord> {
        let record = self.0.pointer(slot)?;
        // SAFETY: `pointer` checked the slot, and every bit pattern is a record.
        Some(unsafe { record.read_volatile() })
    }

    /// Packets of the flow in a slot: the cheapest way to see whether anything happened. 0 past the end.
    #[must_use]
    pub fn packets(&self, slot: u32) -> u64 {
        let Some(record) = self.0.pointer(slot) else {
            return 0;
        };
        // SAFETY: `pointer` checked the slot, and the field is the record's own.
        unsafe { (&raw const (*record).packets).read_volatile() }
    }

    /// Zeroes the record in a slot that belongs to no flow.
    pub(super) fn clear(&mut self, slot: u32) {
        if let Some(record) = self.0.pointer(slot) {
            // SAFETY: `pointer` checked the slot.
            unsafe { record.write_volatile(FlowRecord::zeroed()) };
        }
    }
}

/// What the agent writes: a flow's links by slot.
#[derive(Debug)]
pub(super) struct Links(Mapped<FlowLinks>);

impl Links {
    pub(super) fn map(map: Map, slots: u32) -> Result<Self, KernelError> {
        Mapped::map("LINKS", map, slots).map(Self)
    }

    /// Writes what is said of the flow in a slot. What a program sees meanwhile is each reference old or new.
    pub(super) fn write(&mut self, slot: u32, links: &FlowLinks) {
        let Some(place) = self.0.pointer(slot) else {
            return;
        };
        // SAFETY: `pointer` checked the slot, and the fields are the links' own.
        unsafe {
            (&raw mut (*place).tag).write_volatile(links.tag);
            (&raw mut (*place).reverse).write_volatile(links.reverse);
            (&raw mut (*place).next).write_volatile(links.next);
            (&raw mut (*place).tsn_state).write_volatile(links.tsn_state);
        }
    }
}

/// A mapped array of so many values.
#[derive(Debug)]
struct Mapped<T> {
    mapping: MmapRaw,
    slots: u32,
    /// Keeps the map alive.
    _map: Map,
    values: PhantomData<T>,
}

impl<T: Pod> Mapped<T> {
    fn map(name: &'static str, map: Map, slots: u32) -> Result<Self, KernelError> {
        let Map::Array(data) = &map else {
            return Err(KernelError::NoMap(name));
        };
        let fd = data.fd().as_fd().as_raw_fd();
        let mapping = MmapOptions::new()
            .len(slots as usize * size_of::<T>())
            .map_raw(fd)
            .map_err(KernelError::Mmap)?;
        Ok(Self {
            mapping,
            slots,
            _map: map,
            values: PhantomData,
        })
    }

    fn pointer(&self, slot: u32) -> Option<*mut T> {
        if slot >= self.slots {
            return None;
        }
        let first: *mut T = self.mapping.as_mut_ptr().cast();
        // SAFETY: the mapping holds `slots` values, page-aligned.
        Some(unsafe { first.add(slot as usize) })
    }
}
