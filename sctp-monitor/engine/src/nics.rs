//! The watched NICs: their names, and which of them carry nothing.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    config::Vantage,
    model::{NicTies, Reason, ReversePathFilter},
    path::flow::Flow,
};

/// The state of a NIC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NicState {
    /// It has a link.
    Up,
    /// It has none.
    Down,
    /// It no longer exists.
    Gone,
}

/// All NICs that are known, by interface index.
#[derive(Debug, Default)]
pub(crate) struct Nics {
    by_index: BTreeMap<u32, Nic>,
    mtus: BTreeMap<u32, u32>,
    ties: BTreeMap<u32, NicTies>,
    filters: BTreeMap<u32, ReversePathFilter>,
}

#[derive(Debug)]
struct Nic {
    name: String,
    state: NicState,
}

impl Nics {
    /// Takes the state of a NIC; gives the reason why it carries nothing, if so.
    pub(crate) fn set(&mut self, if_index: u32, name: &str, state: NicState) -> Option<Reason> {
        let nic = Nic {
            name: name.to_owned(),
            state,
        };
        let reason = nic.fault();
        self.by_index.insert(if_index, nic);
        reason
    }

    /// Takes the MTU of a NIC.
    pub(crate) fn set_mtu(&mut self, if_index: u32, mtu: u32) {
        self.mtus.insert(if_index, mtu);
    }

    /// The MTU of a NIC, if it is known.
    pub(crate) fn mtu(&self, if_index: u32) -> Option<u32> {
        self.mtus.get(&if_index).copied()
    }

    /// Takes how a NIC stands to others.
    pub(crate) fn set_ties(&mut self, if_index: u32, ties: NicTies) {
        self.ties.insert(if_index, ties);
    }

    /// Whether a NIC is a member of a bond, team or bridge.
    pub(crate) fn is_member(&self, if_index: u32) -> bool {
        self.ties.get(&if_index).is_some_and(|ties| ties.master.is_some())
    }

    /// Whether packets of one NIC leave by another one below it: a VLAN's, or a bond's under a VLAN.
    pub(crate) fn stands_on(&self, upper: u32, lower: u32) -> bool {
        // Whoever is below `lower` stands on it in no arrangement of NICs; the bound is for what a race of messages may tell.
        let mut above = vec![lower];
        for _ in 0..MOST_LAYERS {
            let is_next =
                |(_, ties): &(&u32, &NicTies)| ties.lower.is_some_and(|lower| above.contains(&lower));
            let mut next: Vec<_> = self
                .ties
                .iter()
                .filter(is_next)
                .map(|(index, _)| *index)
                .collect();
            next.extend(above.iter().filter_map(|index| self.ties.get(index)?.master));
            if next.contains(&upper) {
                return upper != lower;
            }
            above = next;
        }
        false
    }

    /// Takes how a NIC filters what arrives.
    pub(crate) fn set_filter(&mut self, if_index: u32, filter: ReversePathFilter) {
        self.filters.insert(if_index, filter);
    }

    /// How a NIC filters what arrives, if it is known.
    pub(crate) fn filter(&self, if_index: u32) -> Option<ReversePathFilter> {
        self.filters.get(&if_index).copied()
    }

    /// The name of a NIC, if it is known.
    pub(crate) fn name(&self, if_index: u32) -> Option<String> {
        self.by_index.get(&if_index).map(|nic| nic.name.clone())
    }

    /// The reason why a path's NIC cannot carry it, if so. On an endpoint the NIC counts that this host sends over, if
    /// it sends at all.
    pub(crate) fn fault_of(
        &self,
        vantage: Vantage,
        forward: Option<&Flow>,
        back: Option<&Flow>,
    ) -> Option<Reason> {
        let flows = match vantage {
            Vantage::Endpoint => [forward.or(back), None],
            Vantage::Gateway => [forward, back],
        };
        flows
            .into_iter()
            .flatten()
            .find_map(|flow| self.by_index.get(&flow.view.interface.if_index())?.fault())
    }
}

impl Nic {
    fn fault(&self) -> Option<Reason> {
        let interface = || self.name.clone();
        match self.state {
            NicState::Up => None,
            NicState::Down => Some(Reason::LinkDown {
                interface: interface(),
            }),
            NicState::Gone => Some(Reason::InterfaceGone {
                interface: interface(),
            }),
        }
    }
}

/// A bond under a bridge under a VLAN under a MACVLAN, and as many again. The kernel allows MAX_NEST_DEV (include/linux/netdevice.h).
const MOST_LAYERS: usize = 8;
