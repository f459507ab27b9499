//! The map of probes, mapped into the agent's memory as the flow table is.
//!
//! Of each place the programs write the record, which the agent reads, and the agent writes the path, which the programs read.
//! A place that passes to another path gets a new generation last, so that no answer to the old path's probes is taken for one
//! of the new path.

use std::{
    os::fd::{AsFd as _, AsRawFd as _},
    sync::atomic::{Ordering, fence},
};

use aya::maps::Map;
use bytemuck::Zeroable as _;
use memmap2::{MmapOptions, MmapRaw};
use sctp_monitor_common::abi::{ProbePath, ProbeRecord, ProbeSlot};

use super::{KernelError, shared::read_words};

/// The mapped array of probed paths.
#[derive(Debug)]
pub(super) struct Probes {
    mapping: MmapRaw,
    places: u32,
    /// Keeps the map alive.
    _map: Map,
}

impl Probes {
    pub(super) fn map(map: Map, places: u32) -> Result<Self, KernelError> {
        let Map::Array(data) = &map else {
            return Err(KernelError::NoMap("PROBES"));
        };
        let fd = data.fd().as_fd().as_raw_fd();
        let mapping = MmapOptions::new()
            .len(places as usize * size_of::<ProbeSlot>())
            .map_raw(fd)
            .map_err(KernelError::Mmap)?;
        Ok(Self {
            mapping,
            places,
            _map: map,
        })
    }

    /// A copy of what is known of a path's probes; `None` past the end.
    pub(super) fn read(&self, index: u32) -> Option<ProbeRecord> {
        let place = self.pointer(index)?;
        // SAFETY: `pointer` checked the place, which is aligned to cache lines.
        Some(unsafe { read_words(&raw const (*place).record) })
    }

    /// Gives a place to a path, of whose probes nothing is known yet; to none if its generation is 0.
    pub(super) fn assign(&mut self, index: u32, path: &ProbePath) {
        let Some(place) = self.pointer(index) else {
            return;
        };
        // SAFETY: `pointer` checked the place, and the fields are its own.
        unsafe {
            (&raw mut (*place).path.generation).write_volatile(0);
            fence(Ordering::SeqCst);
            (&raw mut (*place).record).write_volatile(ProbeRecord::zeroed());
            let unassigned = ProbePath {
                generation: 0,
                ..*path
            };
            (&raw mut (*place).path).write_volatile(unassigned);
            fence(Ordering::SeqCst);
            (&raw mut (*place).path.generation).write_volatile(path.generation);
        }
    }

    fn pointer(&self, index: u32) -> Option<*mut ProbeSlot> {
        if index >= self.places {
            return None;
        }
        let first: *mut ProbeSlot = self.mapping.as_mut_ptr().cast();
        // SAFETY: the mapping holds so many places, page-aligned.
        Some(unsafe { first.add(index as usize) })
    }
}
