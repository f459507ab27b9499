//! The story of each association: how it began, over which paths it went, what happened to it, how it ended.
//!
//! Put together from the engine's events while the capture is read, because the engine forgets an association that is
//! over, and from the ledger at the end.

use std::{collections::BTreeMap, net::IpAddr};

use schemars::JsonSchema;
use sctp_monitor_common::abi::FlowKey;
use sctp_monitor_engine::{
    Engine,
    model::{
        AddressView, AssociationId, AssociationRef, AssociationView, Direction, End, Event, EventKind,
        Finding, PathId, PathState, PathView, PhaseView, Reason, Status, Timestamp, UnfinishedHandshake,
        WallClock, units::told,
    },
};
use serde::{Deserialize, Serialize};

use super::{entry::Entry, ledger::Ledger};

/// One association.
#[derive(Debug, Clone)]
pub(crate) struct Story {
    /// As it was at its end, or at the capture's.
    pub(crate) view: AssociationView,
    /// Every change of the state of its paths.
    changes: BTreeMap<PathId, Vec<Change>>,
    /// Everything that was wrong with it.
    pub(crate) found: Vec<Found>,
}

/// A change of a path's state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Change {
    /// When the change was found.
    pub(crate) time: Timestamp,
    /// The state from then on.
    pub(crate) to: PathState,
    /// The evidence for the new state.
    #[serde(flatten, with = "told")]
    #[schemars(with = "told::Told<Reason>")]
    pub(crate) reason: Reason,
}

/// Something that was wrong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Found {
    /// As it was said last.
    #[serde(flatten)]
    pub(crate) finding: Finding,
    /// When it was over; null if it was not, by the end.
    pub(crate) until: Option<Timestamp>,
}

/// All stories, by the association's number.
#[derive(Debug, Default)]
pub(crate) struct Stories {
    stories: BTreeMap<u64, Story>,
    /// Handshakes that led to no association, summed up by their addresses.
    unfinished: Vec<UnfinishedHandshake>,
    /// What was wrong, and of no single association.
    apart: Vec<Found>,
    most: usize,
    /// Associations beyond the most that are kept.
    pub(crate) left_out: u64,
}

impl Stories {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            most,
            ..Self::default()
        }
    }

    /// All of them, in the order in which the associations became known.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Story> {
        self.stories.values()
    }

    pub(crate) fn story(&self, id: u64) -> Option<&Story> {
        self.stories.get(&id)
    }

    /// Handshakes that led to no association, in the order in which they were first seen.
    pub(crate) fn unfinished(&self) -> impl Iterator<Item = &UnfinishedHandshake> {
        self.unfinished.iter()
    }

    /// What was wrong, and of no single association.
    pub(crate) fn apart(&self) -> impl Iterator<Item = &Found> {
        self.apart.iter()
    }

    pub(crate) fn on_event(&mut self, event: &Event, engine: &Engine, clock: &WallClock) {
        if let EventKind::HandshakeUnfinished(handshake) = &event.kind {
            return self.on_unfinished(handshake);
        }
        let Some(reference) = event.association else {
            if let EventKind::Finding { status, finding } = &event.kind {
                note(&mut self.apart, *status, finding, event.time);
            }
            return;
        };
        let id = reference.id;
        let view = || {
            engine
                .association_view(id, |_| None)
                .map(|view| view.dated(clock))
        };
        if let EventKind::AssociationUp { .. } = &event.kind {
            if self.stories.len() >= self.most {
                self.left_out += 1;
                return;
            }
            if let Some(mut view) = view() {
                view.since = event.time;
                self.stories.insert(id.0, Story::new(view));
            }
            return;
        }
        let Some(story) = self.stories.get_mut(&id.0) else {
            return;
        };
        story.view.reference = reference;
        match &event.kind {
            EventKind::PathStateChanged { path, to, reason, .. } => {
                let changes = story.changes.entry(*path).or_default();
                if changes.len() < MOST_CHANGES {
                    changes.push(Change {
                        time: event.time,
                        to: *to,
                        reason: reason.clone(),
                    });
                }
            }
            EventKind::AssociationGoesOn { .. } => story.view.phase = PhaseView::Established,
            EventKind::Finding { status, finding } => note(&mut story.found, *status, finding, event.time),
            EventKind::AssociationDown { end } => {
                if let Some(view) = view() {
                    story.look_at(view);
                }
                story.view.phase = PhaseView::Ended {
                    at: event.time,
                    end: end.clone(),
                };
            }
            _ => {}
        }
    }

    fn on_unfinished(&mut self, handshake: &UnfinishedHandshake) {
        match self
            .unfinished
            .iter_mut()
            .find(|known| known.is_between_same(handshake))
        {
            Some(known) => known.merge(handshake.clone()),
            None => self.unfinished.push(handshake.clone()),
        }
    }

    /// Behind the last record: what the engine still knows.
    pub(crate) fn finish(&mut self, engine: &Engine, clock: &WallClock) {
        for (id, story) in &mut self.stories {
            if let Some(view) = engine.association_view(AssociationId(*id), |_| None) {
                story.look_at(view.dated(clock));
            }
        }
        // It was reported when it began, and not with each figure since.
        for finding in engine.findings_apart() {
            note(&mut self.apart, Status::Updated, &finding, finding.since);
        }
    }
}

impl Story {
    fn new(view: AssociationView) -> Self {
        Self {
            view,
            changes: BTreeMap::new(),
            found: Vec::new(),
        }
    }

    /// What events do not tell. What it once had is not forgotten: the engine forgets addresses that were given up, and
    /// the paths of an association that is over. What crossed them is the ledger's to tell: the engine's figures are of the
    /// flow, whatever association it carried before.
    fn look_at(&mut self, now: AssociationView) {
        let before = std::mem::replace(&mut self.view, now);
        let now = &mut self.view;
        now.since = before.since;
        if matches!(before.phase, PhaseView::Ended { .. }) {
            now.phase = before.phase;
        }
        for (known, before) in [
            (&mut now.local_addresses, before.local_addresses),
            (&mut now.remote_addresses, before.remote_addresses),
        ] {
            let gone = |address: &AddressView| known.iter().all(|known| known.address != address.address);
            let gone: Vec<_> = before.into_iter().filter(gone).collect();
            known.extend(gone);
        }
        now.primary_forward = now.primary_forward.or(before.primary_forward);
        now.primary_return = now.primary_return.or(before.primary_return);
        for mut path in before.paths {
            match now.paths.iter_mut().find(|known| known.id == path.id) {
                Some(known) => {
                    known.reason = known.reason.take().or(path.reason.take());
                }
                // A path of an association that is over keeps the state that it had.
                None => now.paths.push(path),
            }
        }
        now.paths.sort_by_key(|path| path.id);
    }

    /// The number of the association.
    pub(crate) fn id(&self) -> AssociationId {
        self.view.reference.id
    }

    /// Addresses of the local endpoint.
    pub(crate) fn local(&self) -> Vec<IpAddr> {
        self.view
            .local_addresses
            .iter()
            .map(|known| known.address)
            .collect()
    }

    /// Addresses of the remote endpoint.
    pub(crate) fn remote(&self) -> Vec<IpAddr> {
        self.view
            .remote_addresses
            .iter()
            .map(|known| known.address)
            .collect()
    }

    /// When and how it ended.
    pub(crate) fn end(&self) -> Option<(Timestamp, &End)> {
        match &self.view.phase {
            PhaseView::Ended { at, end } => Some((*at, end)),
            PhaseView::Opening | PhaseView::Established | PhaseView::ShuttingDown { .. } => None,
        }
    }

    /// Every change of a path's state.
    pub(crate) fn changes(&self, path: PathId) -> &[Change] {
        self.changes.get(&path).map_or(&[], Vec::as_slice)
    }

    /// The paths: those that the engine lists, and address pairs that packets with the association's tags crossed.
    pub(crate) fn path_table<'a>(&'a self, ledger: &'a Ledger) -> Vec<PathNumbers<'a>> {
        let mut paths: BTreeMap<PathId, PathNumbers<'a>> = self
            .view
            .paths
            .iter()
            .map(|path| (path.id, PathNumbers::new(path.id, Some(path))))
            .collect();
        for entry in ledger.entries() {
            let Some((id, direction)) = self.path_of(entry) else {
                continue;
            };
            let numbers = paths.entry(id).or_insert_with(|| PathNumbers::new(id, None));
            match &mut numbers.flows[direction as usize] {
                Some(sum) => sum.merge(entry),
                none => *none = Some(entry.clone()),
            }
        }
        paths.into_values().collect()
    }

    /// The path of an entry, if it is this association's.
    fn path_of(&self, entry: &Entry) -> Option<(PathId, Direction)> {
        let AssociationRef {
            local_port,
            remote_port,
            local_tag,
            remote_tag,
            ..
        } = self.view.reference;
        let FlowKey {
            src,
            dst,
            src_port,
            dst_port,
        } = entry.key.flow;
        let (src, dst) = (src.to_ip(), dst.to_ip());
        let tag = Some(entry.key.tag);
        if (src_port, dst_port) == (local_port, remote_port) && tag == remote_tag {
            let id = PathId {
                local: src,
                remote: dst,
            };
            return self.knows(&id).then_some((id, Direction::Forward));
        }
        let id = PathId {
            local: dst,
            remote: src,
        };
        ((src_port, dst_port) == (remote_port, local_port) && tag == local_tag && self.knows(&id))
            .then_some((id, Direction::Return))
    }

    /// Two associations may have the same ports and tags by chance, but hardly share an address too.
    fn knows(&self, path: &PathId) -> bool {
        let has = |known: &[AddressView], address| known.iter().any(|known| known.address == address);
        has(&self.view.local_addresses, path.local) || has(&self.view.remote_addresses, path.remote)
    }

    /// Whether it has this address.
    pub(crate) fn has(&self, address: IpAddr) -> bool {
        let known = self
            .view
            .local_addresses
            .iter()
            .chain(&self.view.remote_addresses);
        known.into_iter().any(|known| known.address == address)
    }
}

/// Keeps a finding as it was said last, and when it was over.
fn note(found: &mut Vec<Found>, status: Status, finding: &Finding, at: Timestamp) {
    let same = |known: &&mut Found| {
        let is_same = known.finding.evidence.is_same_kind(&finding.evidence);
        known.until.is_none() && is_same && known.finding.object == finding.object
    };
    let has_room = found.len() < MOST_CHANGES;
    let known = found.iter_mut().rev().find(same);
    match (status, known) {
        (Status::Closed, Some(known)) => known.until = Some(at),
        (Status::Opened | Status::Updated, Some(known)) => {
            let since = known.finding.since;
            known.finding = finding.clone();
            known.finding.since = since;
        }
        (Status::Opened | Status::Updated, None) if has_room => found.push(Found {
            finding: finding.clone(),
            until: None,
        }),
        (_, None) => {}
    }
}

/// What crossed a path.
#[derive(Debug, Clone)]
pub(crate) struct PathNumbers<'a> {
    pub(crate) id: PathId,
    /// As the engine knows it, if it does.
    pub(crate) view: Option<&'a PathView>,
    /// By direction.
    pub(crate) flows: [Option<Entry>; 2],
}

impl<'a> PathNumbers<'a> {
    fn new(id: PathId, view: Option<&'a PathView>) -> Self {
        Self {
            id,
            view,
            flows: [None, None],
        }
    }

    pub(crate) fn flow(&self, direction: Direction) -> Option<&Entry> {
        self.flows[direction as usize].as_ref()
    }
}

/// Changes and findings that are kept of one path or association.
const MOST_CHANGES: usize = 1_000;
