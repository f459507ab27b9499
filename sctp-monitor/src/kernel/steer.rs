//! The orders of the program that moves packets to another path, in the agent's memory (BPF_F_MMAPABLE).
//!
//! A place is written before its key is in the index, and left alone until a program that found it there is done with it: so
//! no program sees half of an order. All orders lapse by themselves [`LEASE`] after the agent has renewed them last.

use std::{
    collections::{BTreeMap, VecDeque},
    os::fd::{AsFd as _, AsRawFd as _},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use aya::{
    Ebpf,
    maps::{Array, HashMap, Map, MapData, MapError},
};
use memmap2::{MmapOptions, MmapRaw};
use sctp_monitor_common::abi::{FlowKey, IndexKey, SteerCounts, SteerOrder, SteerPlace};
use sctp_monitor_engine::model::Timestamp;

use super::{
    KernelError,
    maps::{map_error, take, typed},
    shared::{Shared, read_words},
};

/// The orders that the program follows.
pub(super) struct Steering {
    mapping: MmapRaw,
    /// Keeps the map alive.
    _map: Map,
    index: HashMap<MapData, Shared<IndexKey>, u32>,
    /// How many there are, for the program.
    count: Array<MapData, u32>,
    /// Places that were never used.
    unused: std::ops::Range<u32>,
    /// Places that a program may still hold, the first one first.
    released: VecDeque<(u32, Timestamp)>,
    orders: BTreeMap<[u32; 9], u32>,
    renewed_at: Option<Timestamp>,
}

impl Steering {
    /// Takes the maps out of an object that was opened, with so many places.
    pub(super) fn take(ebpf: &mut Ebpf, places: u32) -> Result<Self, KernelError> {
        let map = take(ebpf, PLACES)?;
        let Map::Array(data) = &map else {
            return Err(KernelError::NoMap(PLACES));
        };
        let fd = data.fd().as_fd().as_raw_fd();
        let mapping = MmapOptions::new()
            .len(places as usize * size_of::<SteerPlace>())
            .map_raw(fd)
            .map_err(KernelError::Mmap)?;
        Ok(Self {
            mapping,
            _map: map,
            index: typed(ebpf, INDEX)?,
            count: typed(ebpf, COUNT)?,
            unused: 0..places,
            released: VecDeque::new(),
            orders: BTreeMap::new(),
            renewed_at: None,
        })
    }

    /// Puts an order into force, in place of what there was for the flow.
    ///
    /// # Errors
    /// If a map refuses, or there is no place left; the flow is not steered then.
    pub(super) fn order(
        &mut self,
        key: &FlowKey,
        index: IndexKey,
        order: &SteerOrder,
        now: Timestamp,
    ) -> Result<(), KernelError> {
        self.withdraw(key, index, now)?;
        let number = self.free_place(now).ok_or(KernelError::TooManyOrders)?;
        let order = SteerOrder {
            lease_until_ns: lease_from(now),
            ..*order
        };
        if let Some(place) = self.place(number) {
            // SAFETY: the place is the mapping's, and no program knows its number.
            unsafe {
                place.write_volatile(SteerPlace {
                    order,
                    counts: SteerCounts::default(),
                });
            };
        }
        let inserted = self.index.insert(Shared(index), number, 0);
        if let Err(source) = inserted {
            self.released.push_back((number, now));
            return Err(map_error(INDEX)(source));
        }
        self.orders.insert(bytemuck::must_cast(*key), number);
        let told = self.tell_count();
        if told.is_err() {
            // Nobody may renew what its owner takes for refused; why it was refused is what matters.
            let _ = self.withdraw(key, index, now);
        }
        told
    }

    /// Takes back what was ordered for a flow: its packets go as the host sends them.
    ///
    /// # Errors
    /// If a map refuses.
    pub(super) fn withdraw(
        &mut self,
        key: &FlowKey,
        index: IndexKey,
        now: Timestamp,
    ) -> Result<(), KernelError> {
        let Some(number) = self.orders.remove(bytemuck::must_cast_ref::<_, [u32; 9]>(key)) else {
            return Ok(());
        };
        // Whatever the maps say, the lease is over.
        if let Some(lease) = self.lease(number) {
            lease.store(0, Ordering::Release);
        }
        match self.index.remove(&Shared(index)) {
            Ok(()) | Err(MapError::KeyNotFound) => self.released.push_back((number, now)),
            // The key may lead there still: the place is never used again.
            Err(source) => return Err(map_error(INDEX)(source)),
        }
        self.tell_count()
    }

    /// What became of the packets of a flow that is steered.
    pub(super) fn counts(&self, key: &FlowKey) -> Option<SteerCounts> {
        let number = self.orders.get(bytemuck::must_cast_ref::<_, [u32; 9]>(key))?;
        let place = self.place(*number)?;
        // SAFETY: the place is the mapping's, aligned to cache lines; the program adds to its words atomically.
        Some(unsafe { read_words(&raw const (*place).counts) })
    }

    /// Moves all leases on, if that is due: the agent lives, and its loop turns.
    pub(super) fn renew(&mut self, now: Timestamp) {
        if self.renewed_at.is_some_and(|at| now.since(at) < RENEWAL) {
            return;
        }
        self.renewed_at = Some(now);
        let leases = self.orders.values().filter_map(|number| self.lease(*number));
        for lease in leases {
            lease.store(lease_from(now), Ordering::Release);
        }
    }

    /// A place that no program can hold.
    fn free_place(&mut self, now: Timestamp) -> Option<u32> {
        let released = self.released.front();
        if released.is_some_and(|(_, at)| now.since(*at) >= GRACE) {
            return self.released.pop_front().map(|(number, _)| number);
        }
        self.unused.next()
    }

    fn tell_count(&mut self) -> Result<(), KernelError> {
        let count = u32::try_from(self.orders.len()).unwrap_or(u32::MAX);
        self.count.set(0, count, 0).map_err(map_error(COUNT))
    }

    fn lease(&self, number: u32) -> Option<&AtomicU64> {
        let place = self.place(number)?;
        // SAFETY: the place is the mapping's, which lives as long as `self`; the word is aligned, and programs only read it.
        Some(unsafe { AtomicU64::from_ptr(&raw mut (*place).order.lease_until_ns) })
    }

    fn place(&self, number: u32) -> Option<*mut SteerPlace> {
        if number as usize >= self.mapping.len() / size_of::<SteerPlace>() {
            return None;
        }
        let first: *mut SteerPlace = self.mapping.as_mut_ptr().cast();
        // SAFETY: the mapping holds so many places, page-aligned.
        Some(unsafe { first.add(number as usize) })
    }
}

fn lease_from(now: Timestamp) -> u64 {
    (now + LEASE).as_nanos()
}

/// How long packets are moved after the agent has last said so.
pub const LEASE: Duration = Duration::from_secs(2);

/// How often the agent says so: a lease outlives three turns that come too late.
const RENEWAL: Duration = Duration::from_millis(500);

/// A program runs for microseconds; a stalled virtual CPU may hold one up for longer.
const GRACE: Duration = Duration::from_secs(1);

const COUNT: &str = "STEER_ORDERS";
const INDEX: &str = "STEER_INDEX";
const PLACES: &str = "STEER_PLACES";

// The kernel maps whole pages; a map of one place has a page as well.
const _: () = assert!(size_of::<SteerPlace>().is_power_of_two());
