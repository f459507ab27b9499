//! Whether the flow table that an earlier agent left can be used further, and which of its slots are whose.
//!
//! The programs of the earlier agent go on all the time: they count into these maps, take slots and open flows, until those of
//! this agent take their place.

use aya::maps::{Array, Map, MapData, MapInfo};
use sctp_monitor_common::abi::{Counters, FlowSlot, IndexKey, TABLE_LAYOUT, TableFacts};

use super::{
    Kernel, KernelError,
    attach::has_tcx,
    load::{LoadOptions, Origin},
    pins::Pins,
    shared::Shared,
};
use crate::slots::Offer;

/// The maps that outlive the agent: the table, what is counted, and what waits to be read.
pub(super) const KEPT: [&str; 7] = [
    "FLOWS",
    "FLOW_INDEX",
    "FREE_SLOTS",
    "UNPROVED_SLOTS",
    "COUNTERS",
    "RING",
    TABLE,
];
const TABLE: &str = "TABLE";

/// A slot of a table that was adopted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// It is offered to new flows.
    Offered(Offer),
    /// A flow has it.
    Used {
        /// Whether the flow was proved, so that others that are not can have a slot in its place.
        is_proved: bool,
    },
    /// Its flow was forgotten, but it was not offered again.
    Forgotten,
    /// Nobody has it, or a program is about to open a flow in it.
    Nobodys,
}

/// What the table that is left was made with, if it fits. What does not is taken away.
pub(super) fn what_is_left(
    pins: &Pins,
    options: &LoadOptions,
) -> Result<(Option<TableFacts>, Origin), KernelError> {
    if KEPT.iter().all(|name| !pins.map(name).exists()) {
        return Ok((None, Origin::New));
    }
    match fitting(pins, options) {
        Ok(facts) => Ok((Some(facts), Origin::Adopted)),
        Err(why) => {
            pins.forget_maps().map_err(KernelError::Pins)?;
            Ok((None, Origin::Replaced(why)))
        }
    }
}

/// The facts of the table that is left, or why it does not fit.
fn fitting(pins: &Pins, options: &LoadOptions) -> Result<TableFacts, String> {
    // An agent that ended by an error took its programs along. Filters, before TCX, have no files.
    if has_tcx() && !pins.leads_anywhere() {
        return Err("no program has counted into it since".to_owned());
    }
    let flows = options.max_flows;
    let expected = [
        ("FLOWS", 4, size_of::<FlowSlot>(), flows),
        ("FLOW_INDEX", size_of::<IndexKey>(), 4, flows),
        ("FREE_SLOTS", 0, 4, flows),
        ("UNPROVED_SLOTS", 0, 4, flows),
        ("COUNTERS", 4, size_of::<Counters>(), 1),
        ("RING", 0, 0, options.ring_bytes),
        (TABLE, 4, size_of::<TableFacts>(), 1),
    ];
    for (name, key, value, entries) in expected {
        let info = MapInfo::from_pin(pins.map(name)).map_err(|_| "it is not whole".to_owned())?;
        let sizes = (info.key_size() as usize, info.value_size() as usize);
        if sizes != (key, value) {
            return Err("it was made by another version".to_owned());
        }
        if info.max_entries() != entries {
            return Err(match name {
                "RING" => "its ring buffer has another size".to_owned(),
                _ => format!("it has room for {} flows", info.max_entries()),
            });
        }
    }
    let unreadable = |error| format!("it cannot be read: {error}");
    let data = MapData::from_pin(pins.map(TABLE)).map_err(unreadable)?;
    let table: Array<MapData, Shared<TableFacts>> = Map::Array(data).try_into().map_err(unreadable)?;
    let Shared(facts) = table.get(&0, 0).map_err(unreadable)?;
    if facts.layout != TABLE_LAYOUT || facts.flows != flows {
        return Err("it is not whole".to_owned());
    }
    Ok(facts)
}

impl Kernel {
    /// What every slot of a table that was adopted is, in the order of the slots.
    ///
    /// # Errors
    /// If a map cannot be read.
    pub fn find_slots(&mut self) -> Result<Vec<Found>, KernelError> {
        let offered = self.maps.offered(self.facts.flows)?;
        let mut found = vec![Found::Nobodys; self.facts.flows as usize];
        for (slot, to) in offered {
            if let Some(found) = found.get_mut(slot as usize) {
                *found = Found::Offered(to);
            }
        }
        for (slot, found) in (0_u32..).zip(&mut found) {
            let record = self.record(slot).filter(|record| record.packets > 0);
            let Some(record) = record else { continue };
            let index = record.key.index(self.facts.index_seed);
            *found = if self.maps.slot_of(index)? == Some(slot) {
                let links = self.maps.flows.links(slot);
                Found::Used {
                    is_proved: links.is_some_and(|links| !links.wants_proof()),
                }
            } else if matches!(found, Found::Offered(_)) {
                *found
            } else {
                Found::Forgotten
            };
        }
        Ok(found)
    }
}
