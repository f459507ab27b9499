//! The story of each association: how it began, over which paths it went, what happened to it, how it ended.
//!
//! Put together from the engine's events while the capture is read, because the engine forgets an association that is
//! over, and from the ledger at the end.

use std::{collections::BTreeMap, net::IpAddr};

use jiff::Timestamp as WallTime;
use sctp_monitor_common::abi::FlowKey;
use sctp_monitor_engine::{
    Association, Engine,
    model::{
        AssociationRef, Diagnosis, Direction, Event, EventKind, Object, Offers, Origin, PathId, PathState,
        Side, Status,
    },
};

use super::ledger::{Entry, Ledger};
use crate::clock::Clock;

/// One association.
#[derive(Debug, Clone)]
pub(crate) struct Story {
    pub(crate) reference: AssociationRef,
    pub(crate) origin: Origin,
    /// When it became known.
    pub(crate) began: WallTime,
    pub(crate) ended: Option<Ending>,
    pub(crate) local: Vec<IpAddr>,
    pub(crate) remote: Vec<IpAddr>,
    pub(crate) offers: Option<Offers>,
    pub(crate) restarts: Option<u64>,
    pub(crate) one_sided: bool,
    /// Where new DATA went at the end, by direction.
    pub(crate) primary: [Option<PathId>; 2],
    pub(crate) paths: BTreeMap<PathId, PathStory>,
    pub(crate) findings: Vec<FindingStory>,
}

/// How an association ended.
#[derive(Debug, Clone)]
pub(crate) struct Ending {
    pub(crate) at: WallTime,
    pub(crate) reason: String,
}

/// One path of an association.
#[derive(Debug, Clone)]
pub(crate) struct PathStory {
    /// Its state at the end.
    pub(crate) state: PathState,
    pub(crate) reason: Option<String>,
    /// Every change of its state: when, to what, why.
    pub(crate) changes: Vec<(WallTime, PathState, String)>,
}

/// Something that was wrong.
#[derive(Debug, Clone)]
pub(crate) struct FindingStory {
    pub(crate) name: &'static str,
    /// As it was said last.
    diagnosis: Diagnosis,
    pub(crate) object: Object,
    pub(crate) since: WallTime,
    /// When it was over; `None` if it was not, by the end.
    pub(crate) until: Option<WallTime>,
    pub(crate) reason: String,
    pub(crate) next: String,
}

/// All stories, by the association's number.
#[derive(Debug, Default)]
pub(crate) struct Stories {
    stories: BTreeMap<u64, Story>,
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

    pub(crate) fn on_event(&mut self, event: &Event, engine: &Engine, clock: &Clock) {
        let Some(reference) = event.association else {
            return;
        };
        let at = clock.wall(event.time);
        let id = reference.id.0;
        if let EventKind::AssociationUp {
            origin,
            local,
            remote,
            offers,
            restarts,
            one_sided,
        } = &event.kind
        {
            if self.stories.len() >= self.most {
                self.left_out += 1;
                return;
            }
            let story = Story {
                reference,
                origin: *origin,
                began: at,
                ended: None,
                local: local.clone(),
                remote: remote.clone(),
                offers: *offers,
                restarts: restarts.map(|id| id.0),
                one_sided: *one_sided,
                primary: [None; 2],
                paths: BTreeMap::new(),
                findings: Vec::new(),
            };
            self.stories.insert(id, story);
            return;
        }
        let Some(story) = self.stories.get_mut(&id) else {
            return;
        };
        story.reference = reference;
        match &event.kind {
            EventKind::PathStateChanged { path, to, reason, .. } => {
                let path = story.paths.entry(*path).or_insert_with(|| PathStory::new(*to));
                path.state = *to;
                path.reason = Some(reason.to_string());
                if path.changes.len() < MOST_CHANGES {
                    path.changes.push((at, *to, reason.to_string()));
                }
            }
            EventKind::Finding { status, finding } => story.on_finding(*status, finding, at, clock),
            EventKind::AssociationDown { reason } => {
                story.ended = Some(Ending {
                    at,
                    reason: reason.to_string(),
                });
                if let Some(association) = find(engine, id) {
                    story.look_at(association);
                }
            }
            _ => {}
        }
    }

    /// Behind the last record: what the engine still knows.
    pub(crate) fn finish(&mut self, engine: &Engine) {
        for association in engine.associations() {
            if let Some(story) = self.stories.get_mut(&association.reference().id.0) {
                story.look_at(association);
            }
        }
    }
}

fn find(engine: &Engine, id: u64) -> Option<&Association> {
    engine
        .associations()
        .find(|association| association.reference().id.0 == id)
}

impl PathStory {
    fn new(state: PathState) -> Self {
        Self {
            state,
            reason: None,
            changes: Vec::new(),
        }
    }
}

impl Story {
    /// What events do not tell.
    fn look_at(&mut self, association: &Association) {
        self.reference = association.reference();
        self.one_sided = association.is_one_sided();
        for (side, known) in [(Side::Local, &mut self.local), (Side::Remote, &mut self.remote)] {
            for address in association.addresses(side).iter() {
                if !known.contains(address) {
                    known.push(*address);
                }
            }
        }
        for direction in [Direction::Forward, Direction::Return] {
            let primary = association.primary(direction);
            self.primary[direction as usize] = primary.or(self.primary[direction as usize]);
        }
        for (id, path) in association.paths() {
            let story = self
                .paths
                .entry(*id)
                .or_insert_with(|| PathStory::new(path.state()));
            // A path of an association that is over keeps the state that it had.
            story.state = path.state();
            story.reason = path.reason().map(ToString::to_string).or(story.reason.take());
        }
    }

    fn on_finding(
        &mut self,
        status: Status,
        finding: &sctp_monitor_engine::model::Finding,
        at: WallTime,
        clock: &Clock,
    ) {
        let same = |known: &&mut FindingStory| {
            let is_same = known.diagnosis.is_same_kind(&finding.diagnosis);
            known.until.is_none() && is_same && known.object == finding.object
        };
        let has_room = self.findings.len() < MOST_CHANGES;
        let known = self.findings.iter_mut().rev().find(same);
        match (status, known) {
            (Status::Closed, Some(known)) => known.until = Some(at),
            (Status::Opened | Status::Updated, Some(known)) => {
                known.diagnosis = finding.diagnosis.clone();
                known.reason = finding.diagnosis.to_string();
                known.next = finding.diagnosis.next().to_string();
            }
            (Status::Opened | Status::Updated, None) if has_room => {
                self.findings.push(FindingStory {
                    name: finding.diagnosis.name(),
                    diagnosis: finding.diagnosis.clone(),
                    object: finding.object,
                    since: clock.wall(finding.since),
                    until: None,
                    reason: finding.diagnosis.to_string(),
                    next: finding.diagnosis.next().to_string(),
                });
            }
            (_, None) => {}
        }
    }

    /// The paths: those that the engine lists, and address pairs that packets with the association's tags crossed.
    pub(crate) fn path_table<'a>(&'a self, ledger: &'a Ledger) -> Vec<PathNumbers<'a>> {
        let mut paths: BTreeMap<PathId, PathNumbers<'a>> = self
            .paths
            .iter()
            .map(|(id, story)| (*id, PathNumbers::new(*id, Some(story))))
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
        } = self.reference;
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
        self.local.contains(&path.local) || self.remote.contains(&path.remote)
    }

    /// Whether it has this address.
    pub(crate) fn has(&self, address: IpAddr) -> bool {
        self.local.contains(&address) || self.remote.contains(&address)
    }
}

/// What crossed a path.
#[derive(Debug, Clone)]
pub(crate) struct PathNumbers<'a> {
    pub(crate) id: PathId,
    pub(crate) story: Option<&'a PathStory>,
    /// By direction.
    pub(crate) flows: [Option<Entry>; 2],
}

impl<'a> PathNumbers<'a> {
    fn new(id: PathId, story: Option<&'a PathStory>) -> Self {
        Self {
            id,
            story,
            flows: [None, None],
        }
    }

    pub(crate) fn flow(&self, direction: Direction) -> Option<&Entry> {
        self.flows[direction as usize].as_ref()
    }
}

/// Changes and findings that are kept of one path or association.
const MOST_CHANGES: usize = 1_000;
