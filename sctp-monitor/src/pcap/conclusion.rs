//! All that is known at the end of a capture, for whoever writes it down.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    path::PathBuf,
};

use sctp_monitor_capture::{CaptureError, tunnel::TunnelKind};
use sctp_monitor_common::abi::FlowKey;
use sctp_monitor_engine::model::{IncidentView, Object, Timestamp, UnfinishedHandshake};

use super::{
    analysis::{Analysis, Seen},
    entry::Entry,
    figures::wall,
    story::{Found, Stories, Story},
};

/// Which associations and flows are shown.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    /// Associations by number; all if empty.
    pub(crate) associations: Vec<u64>,
    /// Associations and flows with one of these addresses; all if empty.
    pub(crate) addresses: Vec<IpAddr>,
}

impl Filter {
    /// Whether an association is shown.
    pub(crate) fn shows(&self, story: &Story) -> bool {
        (self.associations.is_empty() || self.associations.contains(&story.id().0))
            && (self.addresses.is_empty() || self.addresses.iter().any(|address| story.has(*address)))
    }

    /// Whether a handshake is shown that led to no association.
    fn shows_handshake(&self, handshake: &UnfinishedHandshake) -> bool {
        let has = |address: &IpAddr| *address == handshake.initiator || *address == handshake.responder;
        self.associations.is_empty() && (self.addresses.is_empty() || self.addresses.iter().any(has))
    }

    /// Whether something is shown that was found of two hosts.
    fn shows_found(&self, found: &Found) -> bool {
        let has = |address: &IpAddr| match found.finding.object {
            Object::Path(path) => [path.local, path.remote].contains(address),
            Object::Local(one) | Object::Remote(one) => one == *address,
            Object::Association => false,
        };
        self.associations.is_empty() && (self.addresses.is_empty() || self.addresses.iter().any(has))
    }

    /// Whether everything is shown.
    pub(crate) fn is_open(&self) -> bool {
        self.associations.is_empty() && self.addresses.is_empty()
    }
}

/// The end of a capture.
pub(crate) struct Conclusion<'a> {
    pub(crate) files: &'a [PathBuf],
    pub(crate) analysis: &'a Analysis,
    pub(crate) stories: Vec<&'a Story>,
    pub(crate) flows: Vec<Flow>,
    /// Handshakes that were begun and not finished.
    pub(crate) unfinished: Vec<&'a UnfinishedHandshake>,
    /// What was wrong, and of no single association.
    pub(crate) apart: Vec<&'a Found>,
    pub(crate) counters: Vec<(String, u64)>,
    /// Packets that were passed over because their link type is not understood: file, link type, how many.
    pub(crate) unknown_links: &'a [(String, u32, u64)],
    pub(crate) errors: &'a [CaptureError],
}

/// A flow: what crossed one direction of an address pair, whatever its tags.
#[derive(Debug, Clone)]
pub(crate) struct Flow {
    pub(crate) sum: Entry,
    pub(crate) tags: BTreeSet<u32>,
}

impl<'a> Conclusion<'a> {
    pub(crate) fn new(
        files: &'a [PathBuf],
        analysis: &'a Analysis,
        stories: &'a Stories,
        filter: &Filter,
        unknown_links: &'a [(String, u32, u64)],
        errors: &'a [CaptureError],
    ) -> Self {
        let stories_shown: Vec<_> = stories.iter().filter(|story| filter.shows(story)).collect();
        let all = flows(analysis.ledger.entries());
        let asked_for = |handshake: &&UnfinishedHandshake| filter.shows_handshake(handshake);
        let unfinished = stories.unfinished().filter(asked_for).collect();
        let flows = all
            .into_iter()
            .filter(|flow| filter.is_open() || is_shown(flow, filter, &stories_shown))
            .collect();
        let mut counters = analysis.counters();
        if stories.left_out > 0 {
            counters.push(("associations_beyond_max_flows".to_owned(), stories.left_out));
        }
        Self {
            files,
            analysis,
            stories: stories_shown,
            flows,
            unfinished,
            apart: stories
                .apart()
                .filter(|found| filter.shows_found(found))
                .collect(),
            counters,
            unknown_links,
            errors,
        }
    }

    /// What the capture holds.
    pub(crate) fn seen(&self) -> &Seen {
        &self.analysis.seen
    }

    /// SCTP packets in tunnels that were not looked into.
    pub(crate) fn tunnelled(&self) -> &[(TunnelKind, u64)] {
        &self.analysis.seen.tunnelled
    }

    /// When the capture began and ended, by its own clock.
    pub(crate) fn span(&self) -> Option<(Timestamp, Timestamp)> {
        let seen = self.seen();
        Some((wall(seen.first_ns?), wall(seen.last_ns)))
    }

    /// Incidents that were not over by the end.
    pub(crate) fn open_incidents(&self) -> Vec<IncidentView> {
        let clock = self.analysis.clock();
        let open = self.analysis.engine().incidents();
        open.map(|incident| incident.clone().dated(&clock)).collect()
    }
}

fn is_shown(flow: &Flow, filter: &Filter, stories: &[&Story]) -> bool {
    let key = flow.sum.key.flow;
    let (src, dst) = (key.src.to_ip(), key.dst.to_ip());
    let by_address = |address: &IpAddr| *address == src || *address == dst;
    if filter.associations.is_empty() && filter.addresses.iter().any(by_address) {
        return true;
    }
    stories.iter().any(|story| {
        let reference = &story.view.reference;
        let ports = [reference.local_port, reference.remote_port];
        let has = |port| ports.contains(&port);
        has(key.src_port) && has(key.dst_port) && story.has(src) && story.has(dst)
    })
}

/// Sums the entries up by flow and encapsulation, in the order of addresses.
fn flows(entries: &[Entry]) -> Vec<Flow> {
    let mut sums: BTreeMap<_, Flow> = BTreeMap::new();
    for entry in entries {
        let FlowKey {
            src,
            dst,
            src_port,
            dst_port,
        } = entry.key.flow;
        let order = (entry.key.chain, src.to_ip(), dst.to_ip(), src_port, dst_port);
        sums.entry(order)
            .and_modify(|flow| {
                flow.sum.merge(entry);
                flow.tags.insert(entry.key.tag);
            })
            .or_insert_with(|| Flow {
                sum: entry.clone(),
                tags: BTreeSet::from([entry.key.tag]),
            });
    }
    sums.into_values().collect()
}
