//! The kernel's side of the agent, and the only place that knows aya.
//!
//! [`Kernel`] loads the programs and owns the maps. It hands out what the engine eats (ring records, flow records,
//! counters) and carries out what the engine decides (links of flows, slots to free).

mod attach;
mod records;
mod shared;

use std::{
    hash::{BuildHasher as _, Hasher as _, RandomState},
    io,
    os::fd::{AsFd as _, OwnedFd},
};

use aya::{
    Ebpf, EbpfError, EbpfLoader,
    maps::{HashMap, MapData, MapError, PerCpuArray, Queue, RingBuf},
    programs::ProgramError,
    util::KernelVersion,
};
use sctp_monitor_common::{
    abi::{Counters, FlowKey, FlowLinks, FlowRecord, IndexKey, limits},
    wire::sctp::UDP_ENCAPSULATION_PORT,
};
use tokio::io::{Interest, unix::AsyncFd};

use self::records::Links;
use self::shared::Shared;
pub use self::{
    attach::{AttachError, Attachment, Hook, HookChoice, has_tcx, xdp_program},
    records::Records,
};

/// The programs as [`aya_build`] left them.
static PROGRAMS: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/sctp-monitor-ebpf"));

/// How the programs are loaded.
#[derive(Debug, Clone)]
pub struct LoadOptions {
    /// Flows that can be tracked at a time; two make a path. A record takes 512 bytes, its links 64, its index entry about 80.
    pub max_flows: u32,
    /// UDP port of SCTP in UDP; 0 looks at no UDP packet.
    pub udp_port: u16,
    /// Bytes of the ring buffer, a power of two and at least a page.
    pub ring_bytes: u32,
    /// New flows that one CPU opens in a second.
    pub new_flows_per_second: u64,
    /// Control packets that one CPU hands to user space in a second.
    pub control_per_second: u64,
}

impl Default for LoadOptions {
    fn default() -> Self {
        Self {
            max_flows: limits::DEFAULT_FLOWS,
            udp_port: UDP_ENCAPSULATION_PORT,
            ring_bytes: limits::DEFAULT_RING_BYTES,
            new_flows_per_second: limits::DEFAULT_NEW_FLOWS_PER_SECOND,
            control_per_second: limits::DEFAULT_CONTROL_PER_SECOND,
        }
    }
}

/// Why the programs could not be loaded or a map not be used.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// The object was refused before any program.
    #[error("the kernel refused the maps; {}", advice(.0))]
    Load(#[source] EbpfError),
    /// A program is not in the object: the agent and its programs are of different builds.
    #[error("the program {0} is missing from this build")]
    NoProgram(&'static str),
    /// A map is not in the object: the agent and its programs are of different builds.
    #[error("the map {0} is missing from this build")]
    NoMap(&'static str),
    /// The verifier, or the lack of a privilege, kept a program out.
    #[error("the kernel refused the program {name}")]
    Program {
        /// The program.
        name: &'static str,
        /// What aya says, the verifier's log included.
        #[source]
        source: Box<ProgramError>,
    },
    /// A map operation failed.
    #[error("the map {name} failed")]
    Map {
        /// The map.
        name: &'static str,
        /// What aya says.
        #[source]
        source: MapError,
    },
    /// The flow records could not be mapped into memory.
    #[error("the flow records could not be mapped into memory")]
    Mmap(#[source] io::Error),
}

/// The loaded programs and their maps.
pub struct Kernel {
    ebpf: Ebpf,
    records: Records,
    links: Links,
    index: HashMap<MapData, Shared<IndexKey>, u32>,
    index_seed: [u64; 2],
    free_slots: Queue<MapData, u32>,
    counters: PerCpuArray<MapData, Shared<Counters>>,
    ring: RingBuf<MapData>,
    max_flows: u32,
}

impl Kernel {
    /// Loads the maps. Programs are loaded when they are first attached or tested.
    ///
    /// # Errors
    /// [`KernelError`]: usually a missing privilege or a kernel without a feature.
    pub fn load(options: &LoadOptions) -> Result<Self, KernelError> {
        let index_seed = [(); 2].map(|()| RandomState::new().build_hasher().finish());
        let mut ebpf = EbpfLoader::new()
            .override_global("INDEX_SEED", &Shared(index_seed), true)
            .override_global("UDP_PORT", &options.udp_port, true)
            .override_global("NEW_FLOWS_PER_SECOND", &options.new_flows_per_second, true)
            .override_global("CONTROL_PER_SECOND", &options.control_per_second, true)
            .map_max_entries("FLOW_INDEX", options.max_flows)
            .map_max_entries("FLOWS", options.max_flows)
            .map_max_entries("LINKS", options.max_flows)
            .map_max_entries("FREE_SLOTS", options.max_flows)
            .map_max_entries("RING", options.ring_bytes)
            .load(PROGRAMS)
            .map_err(KernelError::Load)?;
        let records = Records::map(take_map(&mut ebpf, "FLOWS")?, options.max_flows)?;
        let links = Links::map(take_map(&mut ebpf, "LINKS")?, options.max_flows)?;
        let index = take_map(&mut ebpf, "FLOW_INDEX")?
            .try_into()
            .map_err(map_error("FLOW_INDEX"))?;
        let free_slots = take_map(&mut ebpf, "FREE_SLOTS")?
            .try_into()
            .map_err(map_error("FREE_SLOTS"))?;
        let counters = take_map(&mut ebpf, "COUNTERS")?
            .try_into()
            .map_err(map_error("COUNTERS"))?;
        let ring = take_map(&mut ebpf, "RING")?
            .try_into()
            .map_err(map_error("RING"))?;
        let mut kernel = Self {
            ebpf,
            records,
            links,
            index,
            index_seed,
            free_slots,
            counters,
            ring,
            max_flows: options.max_flows,
        };
        for slot in 0..options.max_flows {
            kernel.push_slot(slot)?;
        }
        Ok(kernel)
    }

    /// Slots in the flow table.
    #[must_use]
    pub fn max_flows(&self) -> u32 {
        self.max_flows
    }

    /// A copy of the record in a slot; `None` past the end of the table.
    #[must_use]
    pub fn record(&self, slot: u32) -> Option<FlowRecord> {
        self.records.read(slot)
    }

    /// The mapped records, for a sweep.
    #[must_use]
    pub fn records(&self) -> &Records {
        &self.records
    }

    /// Sums the counters of all CPUs.
    ///
    /// # Errors
    /// If the map cannot be read.
    pub fn counters(&self) -> Result<Counters, KernelError> {
        let values = self.counters.get(&0, 0).map_err(map_error("COUNTERS"))?;
        let mut sum = Counters::default();
        for Shared(counters) in values.iter() {
            sum.merge(counters);
        }
        Ok(sum)
    }

    /// Takes the oldest record from the ring buffer and hands it to `use_record`; `false` if there was none.
    pub fn with_ring_record(&mut self, use_record: impl FnOnce(&[u8])) -> bool {
        match self.ring.next() {
            Some(record) => {
                use_record(&record);
                true
            }
            None => false,
        }
    }

    /// Becomes readable when an urgent record waits in the ring buffer. Needs a tokio runtime.
    ///
    /// # Errors
    /// If no more descriptors can be had.
    pub fn ring_signal(&self) -> io::Result<AsyncFd<OwnedFd>> {
        let descriptor = self.ring.as_fd().try_clone_to_owned()?;
        // SAFETY: the descriptor belongs to the AsyncFd, which keeps it open as long as it is registered.
        let signal = unsafe { AsyncFd::register_with_interest(descriptor, Interest::READABLE) };
        signal.map_err(io::Error::from)
    }

    /// Tells the programs of a flow's association.
    pub fn link(&mut self, slot: u32, links: &FlowLinks) {
        self.links.write(slot, links);
    }

    /// Removes a flow from the index. Its slot may be offered again once no program can still hold it.
    ///
    /// # Errors
    /// If the map refuses; a key that is not there is none.
    pub fn forget(&mut self, key: &FlowKey) -> Result<(), KernelError> {
        match self.index.remove(&Shared(key.index(self.index_seed))) {
            Ok(()) | Err(MapError::KeyNotFound) => Ok(()),
            Err(source) => Err(map_error("FLOW_INDEX")(source)),
        }
    }

    /// Zeroes a forgotten flow's record and links, and offers its slot to new flows.
    ///
    /// # Errors
    /// If the queue refuses, which it does only if it holds the slot already.
    pub fn offer_slot(&mut self, slot: u32) -> Result<(), KernelError> {
        self.records.clear(slot);
        self.links.write(slot, &FlowLinks::default());
        self.push_slot(slot)
    }

    fn push_slot(&mut self, slot: u32) -> Result<(), KernelError> {
        self.free_slots.push(slot, 0).map_err(map_error("FREE_SLOTS"))
    }
}

/// From this release on an XDP program may see packets that span buffers.
pub const XDP_FRAGS_SINCE: KernelVersion = KernelVersion::new(5, 18, 0);

fn take_map(ebpf: &mut Ebpf, name: &'static str) -> Result<aya::maps::Map, KernelError> {
    ebpf.take_map(name).ok_or(KernelError::NoMap(name))
}

fn map_error(name: &'static str) -> impl FnOnce(MapError) -> KernelError {
    move |source| KernelError::Map { name, source }
}

/// What to do about a load error, as far as it can be told.
fn advice(error: &EbpfError) -> &'static str {
    let denied = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source())
        .filter_map(|error| error.downcast_ref::<io::Error>())
        .any(|error| error.kind() == io::ErrorKind::PermissionDenied);
    if denied {
        "run as root, or with CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON (`sctp-monitor check` shows what is missing)"
    } else {
        "`sctp-monitor check` shows what this kernel allows"
    }
}
