//! All that is known at the end of a capture, for whoever writes it down.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    path::PathBuf,
};

use schemars::JsonSchema;
use sctp_monitor_capture::{CaptureError, tunnel::TunnelKind};
use sctp_monitor_common::{abi::FlowKey, wire::ChunkKind};
use sctp_monitor_engine::model::{IncidentView, Timestamp};
use serde::{Deserialize, Serialize};

use super::{
    analysis::{Analysis, Seen},
    entry::Entry,
    figures::wall,
    story::{Stories, Story},
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
    pub(crate) unfinished: Vec<Unfinished>,
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

/// INITs that nothing came of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Unfinished {
    pub(crate) initiator: IpAddr,
    pub(crate) responder: IpAddr,
    pub(crate) port: u16,
    /// INITs that were sent.
    pub(crate) inits: u64,
    /// What came back.
    pub(crate) answer: Answer,
}

/// What came back for an INIT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) enum Answer {
    /// Nothing.
    #[serde(rename = "nothing")]
    Nothing,
    /// An ABORT: nobody listens there, or it will not.
    #[serde(rename = "ABORT")]
    Abort,
    /// An INIT ACK, but no COOKIE ECHO followed.
    #[serde(rename = "INIT_ACK")]
    InitAck,
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
        let unfinished = unfinished(&all);
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

/// Handshakes of which INITs are all that was sent.
fn unfinished(flows: &[Flow]) -> Vec<Unfinished> {
    let by_key: BTreeMap<_, _> = flows
        .iter()
        .map(|flow| {
            let key = flow.sum.key.flow;
            (
                (key.src.to_ip(), key.dst.to_ip(), key.src_port, key.dst_port),
                flow,
            )
        })
        .collect();
    let mut sums: BTreeMap<(IpAddr, IpAddr, u16), Unfinished> = BTreeMap::new();
    for ((src, dst, src_port, dst_port), flow) in &by_key {
        let inits = flow.sum.count_once(ChunkKind::Init);
        let more = flow.sum.packets_once() > inits;
        if inits == 0 || more {
            continue;
        }
        let back = by_key.get(&(*dst, *src, *dst_port, *src_port));
        let answer = match back.map(|back| &back.sum) {
            Some(back) if back.count(ChunkKind::InitAck) > 0 => Answer::InitAck,
            Some(back) if back.count(ChunkKind::Abort) > 0 => Answer::Abort,
            // Both began at the same time, or the capture has other addresses' part of the handshake.
            Some(back) if back.packets > 0 => continue,
            _ => Answer::Nothing,
        };
        let sum = sums.entry((*src, *dst, *dst_port)).or_insert(Unfinished {
            initiator: *src,
            responder: *dst,
            port: *dst_port,
            inits: 0,
            answer,
        });
        sum.inits += inits;
    }
    sums.into_values().collect()
}
