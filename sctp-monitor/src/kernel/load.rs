//! How the maps are made and the programs opened.
//!
//! The programs read the seed of the index from frozen memory, which the verifier turns into constants: a look-up in a map
//! for each packet would cost more than its hash. Nobody can read it back from there without the object's own names, so the
//! agent stores it in the map TABLE as well, beside the table that it belongs to. Who adopts the maps takes it from there
//! and opens its own programs with it.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};

use aya::{Ebpf, EbpfLoader};
use sctp_monitor_common::{
    abi::{TABLE_LAYOUT, TableFacts, limits},
    wire::sctp::UDP_ENCAPSULATION_PORT,
};

use super::{Kernel, KernelError, adopt, maps::Maps, pins::Pins, shared::Shared, steer::Steering};

/// The programs as [`aya_build`] left them.
static PROGRAMS: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/sctp-monitor-ebpf"));

/// How the programs are loaded.
#[derive(Debug, Clone)]
pub struct LoadOptions {
    /// Flows that can be tracked at a time; two make a path. A slot takes 640 bytes, its index entry about 80.
    pub max_flows: u32,
    /// UDP port of SCTP in UDP; 0 looks at no UDP packet.
    pub udp_port: u16,
    /// Bytes of the ring buffer, a power of two and at least a page.
    pub ring_bytes: u32,
    /// New flows that nothing proves, in a second.
    pub new_flows_per_second: u64,
    /// Control packets that nothing proves of each outcome of the tag check, in a second.
    pub control_per_second: u64,
    /// Paths that the agent probes at a time; 0 if it sends no probes, and nothing looks for their answers.
    pub probed_paths: u32,
    /// Flows that can be steered at a time; 0 if none ever is.
    pub steered_flows: u32,
}

impl Default for LoadOptions {
    fn default() -> Self {
        Self {
            max_flows: limits::DEFAULT_FLOWS,
            udp_port: UDP_ENCAPSULATION_PORT,
            ring_bytes: limits::DEFAULT_RING_BYTES,
            new_flows_per_second: limits::DEFAULT_NEW_FLOWS_PER_SECOND,
            control_per_second: limits::DEFAULT_CONTROL_PER_SECOND,
            probed_paths: 0,
            steered_flows: 0,
        }
    }
}

impl Kernel {
    /// Makes the maps and gives every slot to the programs. Programs are loaded when they are first attached or tested.
    ///
    /// # Errors
    /// [`KernelError`]: usually a missing privilege or a kernel without a feature.
    pub fn load(options: &LoadOptions) -> Result<Self, KernelError> {
        Self::load_over(options, None)
    }

    /// The same, over the maps that an earlier agent left, if they fit; what is made stays when this agent is gone.
    ///
    /// # Errors
    /// [`KernelError`]
    pub fn load_pinned(options: &LoadOptions, pins: Pins) -> Result<Self, KernelError> {
        Self::load_over(options, Some(pins))
    }

    /// The same over a new table, in place of the one that an earlier agent left.
    ///
    /// # Errors
    /// [`KernelError`]
    pub fn begin_anew(self, options: &LoadOptions) -> Result<Self, KernelError> {
        if let Some(pins) = &self.pins {
            pins.forget_maps().map_err(KernelError::Pins)?;
        }
        Self::load_over(options, self.pins)
    }

    fn load_over(options: &LoadOptions, pins: Option<Pins>) -> Result<Self, KernelError> {
        let (left, origin) = match &pins {
            Some(pins) => adopt::what_is_left(pins, options)?,
            None => (None, Origin::New),
        };
        let facts = left.unwrap_or_else(|| new_table(options.max_flows));
        let probe_key = if options.probed_paths == 0 {
            [0; 2]
        } else {
            secret()
        };
        let mut ebpf = open(options, &facts, probe_key, pins.as_ref())?;
        let mut maps = Maps::take(&mut ebpf, facts.flows, options.probed_paths.max(1))?;
        if left.is_none() {
            maps.fill(&facts)?;
        }
        Ok(Self {
            facts: maps.facts()?,
            origin,
            pins,
            probe_key,
            steering: Steering::take(&mut ebpf, options.steered_flows.max(1))?,
            ebpf,
            maps,
        })
    }
}

/// Where the flow table comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// It is new.
    New,
    /// An earlier agent made it.
    Adopted,
    /// An earlier agent left one that does not fit, for this reason: it is new.
    Replaced(String),
}

/// A table that no agent has made yet, under a seed of its own.
fn new_table(flows: u32) -> TableFacts {
    TableFacts {
        index_seed: secret(),
        flows,
        layout: TABLE_LAYOUT,
    }
}

/// What nobody can guess.
fn secret() -> [u64; 2] {
    [(); 2].map(|()| RandomState::new().build_hasher().finish())
}

/// Opens the programs over the maps of a table.
fn open(
    options: &LoadOptions,
    table: &TableFacts,
    probe_key: [u64; 2],
    pins: Option<&Pins>,
) -> Result<Ebpf, KernelError> {
    let mut loader = EbpfLoader::new();
    for map in pins.map_or(&[][..], |_| &adopt::KEPT) {
        if let Some(pins) = pins {
            loader.map_pin_path(map, pins.map(map));
        }
    }
    loader
        .override_global("INDEX_SEED", &Shared(table.index_seed), true)
        .override_global("UDP_PORT", &options.udp_port, true)
        .override_global("NEW_FLOWS_PER_SECOND", &options.new_flows_per_second, true)
        .override_global("CONTROL_PER_SECOND", &options.control_per_second, true)
        .override_global("RING_SHARE", &(u64::from(options.ring_bytes) / 2), true)
        .override_global("PROBE_KEY", &Shared(probe_key), true)
        .map_max_entries("PROBES", options.probed_paths.max(1))
        .map_max_entries("FLOW_INDEX", table.flows)
        .map_max_entries("FLOWS", table.flows)
        .map_max_entries("FREE_SLOTS", table.flows)
        .map_max_entries("UNPROVED_SLOTS", table.flows)
        .map_max_entries("RING", options.ring_bytes)
        // A map has one entry at least.
        .map_max_entries("STEER_INDEX", options.steered_flows.max(1))
        .map_max_entries("STEER_PLACES", options.steered_flows.max(1))
        .load(PROGRAMS)
        .map_err(KernelError::Load)
}
