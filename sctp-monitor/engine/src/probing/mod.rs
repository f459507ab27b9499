//! Which paths the agent probes, and when; and what their answers tell.
//!
//! A probe is a HEARTBEAT of the agent's own (see `abi::probe` of the common crate). Under `confirm` one is sent when a path is first
//! seen, until it is answered once: only where probes were answered does it tell anything that one is not. Then none, until an answer
//! to the host's own packets is missing: a trial follows, a few probes on the path and on its siblings. The path is dead if its
//! probes stay unanswered while others, sent no sooner, are answered. Where none is, the peer stands still or is gone, which no probe
//! can tell: the detector's own rules decide then, a little later. Under `continuous` each path is probed all the time as well, and a
//! probe without an answer begins a trial.
//!
//! Nothing here reads a clock or sends: what is to be sent is queued, and who sends it says when it did.

mod budget;
mod judge;
mod probed;
pub(crate) mod request;
mod sent;
pub(crate) mod target;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use bytemuck::Zeroable as _;
use sctp_monitor_common::abi::{Announcement, ProbePath, ProbeRecord};

pub(crate) use self::judge::Judgement;
pub(crate) use self::probed::UsualRtt;
use self::{budget::Budget, probed::Probed, request::ProbeRequest, target::Target};
use crate::{
    config::Config,
    model::{AssociationId, PathId, ProbeObstacle, ProbesView, RttView, Timestamp},
};

/// A path of an association.
pub(crate) type ProbedPath = (AssociationId, PathId);

/// What is to be done for the probes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ProbeOutput {
    /// A place in the map of probes passes to a path, or to none.
    Assign { index: u32, path: ProbePath },
    /// A probe is to be sent.
    Send(ProbeRequest),
}

/// All probed paths.
#[derive(Debug)]
pub(crate) struct Probing {
    config: Arc<Config>,
    paths: BTreeMap<ProbedPath, Probed>,
    by_index: BTreeMap<u32, ProbedPath>,
    /// Places that were given back, with the generation that was theirs last, the first one first.
    free: VecDeque<(u32, u32)>,
    places_used: u32,
    due: BTreeSet<(Timestamp, ProbedPath)>,
    budget: Budget,
    outputs: VecDeque<ProbeOutput>,
    /// What was told of an association that stands in the way.
    told: BTreeSet<(AssociationId, ProbeObstacle)>,
}

impl Probing {
    pub(crate) fn new(config: Arc<Config>) -> Self {
        Self {
            config,
            paths: BTreeMap::new(),
            by_index: BTreeMap::new(),
            free: VecDeque::new(),
            places_used: 0,
            due: BTreeSet::new(),
            budget: Budget::default(),
            outputs: VecDeque::new(),
            told: BTreeSet::new(),
        }
    }

    /// Whether any probes are sent.
    pub(crate) fn is_on(&self) -> bool {
        self.config.probe.is_on()
    }

    /// Goes by another configuration from now on. Whether anything is probed at all stays as it is.
    pub(crate) fn follow_config(&mut self, config: Arc<Config>, now: Timestamp) {
        self.config = config;
        for probed in self.paths.values_mut() {
            probed.regular_is_due(&self.config.probe, now);
        }
        for path in self.paths.keys().copied().collect::<Vec<_>>() {
            self.schedule(path, now);
        }
    }

    /// The next thing to do.
    pub(crate) fn poll_output(&mut self) -> Option<ProbeOutput> {
        self.outputs.pop_front()
    }

    /// Takes how a path is probed, or what stands in the way, and its round-trip time as something else measured it.
    pub(crate) fn follow(
        &mut self,
        path: ProbedPath,
        target: Result<Target, ProbeObstacle>,
        usual: UsualRtt,
        now: Timestamp,
    ) {
        match (self.paths.get_mut(&path), target) {
            (Some(probed), Ok(target)) => {
                if probed.follow(target, usual, now) {
                    let (index, path) = (probed.index, probed.target.path(probed.generation));
                    self.outputs.push_back(ProbeOutput::Assign { index, path });
                }
            }
            (Some(probed), Err(obstacle)) => probed.pause(obstacle),
            (None, Ok(target)) => {
                let Some((index, generation)) = self.take_place() else {
                    return;
                };
                let mut probed = Probed::new(index, generation, target, now);
                probed.follow(target, usual, now);
                let assigned = target.path(generation);
                self.outputs.push_back(ProbeOutput::Assign {
                    index,
                    path: assigned,
                });
                self.by_index.insert(index, path);
                self.paths.insert(path, probed);
            }
            (None, Err(_)) => return,
        }
        self.schedule(path, now);
    }

    /// A path is to be probed once a second at least, or not any more.
    pub(crate) fn keep(&mut self, path: ProbedPath, is_kept: bool, now: Timestamp) {
        if let Some(probed) = self.paths.get_mut(&path) {
            probed.is_kept = is_kept;
            probed.regular_is_due(&self.config.probe, now);
        }
        self.schedule(path, now);
    }

    /// What the probes of an association tell an agent at the other end.
    pub(crate) fn say(&mut self, association: AssociationId, says: Announcement) {
        let of_association = self.paths.range_mut((association, FIRST)..);
        for (_, probed) in of_association.take_while(|((id, _), _)| *id == association) {
            probed.says = says;
        }
    }

    /// An answer to the host's own packets is missing on a path, or none is.
    pub(crate) fn on_doubt(&mut self, path: ProbedPath, is_missing: bool, now: Timestamp) {
        let has_siblings = is_missing && self.siblings(path).next().is_some();
        let Some(probed) = self.paths.get_mut(&path) else {
            return;
        };
        let had_trial = probed.trial.is_some();
        probed.on_doubt(is_missing, has_siblings, now);
        if probed.trial.is_some() != had_trial {
            self.schedule(path, now);
        }
    }

    /// The detector knows better than the probes: they may be dropped where other packets pass. Others may be asked again.
    pub(crate) fn on_disbelieved(&mut self, path: &ProbedPath, now: Timestamp) {
        if let Some(probed) = self.paths.get_mut(path) {
            probed.is_down = false;
            probed.undecided_at = Some(now);
        }
    }

    /// Whether the path's probes will tell soon whether it is dead: until then nobody else says so for want of answers.
    pub(crate) fn is_asking(&self, path: &ProbedPath, now: Timestamp) -> bool {
        self.paths.get(path).is_some_and(|probed| probed.is_asking(now))
    }

    /// Whether a few probes in short order go on.
    pub(crate) fn is_on_trial(&self, path: &ProbedPath) -> bool {
        self.paths.get(path).is_some_and(|probed| probed.trial.is_some())
    }

    /// The paths that are to be looked at by now.
    pub(crate) fn take_due(&mut self, now: Timestamp) -> Vec<ProbedPath> {
        let mut paths = Vec::new();
        while let Some((_, path)) = self.due.first().copied().filter(|(at, _)| *at <= now) {
            self.due.pop_first();
            if let Some(probed) = self.paths.get_mut(&path) {
                probed.due = None;
            }
            paths.push(path);
        }
        paths
    }

    /// When [`Self::take_due`] is due.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Sends what is due on a path. Whatever may stand in its way, and in that of its siblings, was looked at just now.
    pub(crate) fn act(&mut self, path: ProbedPath, now: Timestamp) {
        let Some(probed) = self.paths.get(&path) else {
            return;
        };
        if probed.misses_one(&self.config, now) {
            self.on_doubt(path, true, now);
        }
        let config = Arc::clone(&self.config);
        let Some(probed) = self.paths.get_mut(&path) else {
            return;
        };
        let (of_trial, regular) = (
            probed.trial_is_due(&config.probe, now),
            probed.regular_is_due(&config.probe, now),
        );
        if of_trial || regular {
            self.send(path, now);
        }
        if of_trial {
            let siblings: Vec<_> = self.siblings(path).map(|(path, _)| path).take(SIBLINGS).collect();
            for sibling in siblings {
                let known = self.paths.get(&sibling).and_then(Probed::last_sent_at);
                if known.is_none_or(|at| at < now) {
                    self.send(sibling, now);
                }
            }
        }
        self.schedule(path, now);
    }

    fn send(&mut self, path: ProbedPath, now: Timestamp) {
        let Some(probed) = self.paths.get_mut(&path) else {
            return;
        };
        let if_index = probed.target.if_index;
        if self.budget.admits(path.0, if_index, &self.config.probe, now) {
            self.outputs.push_back(ProbeOutput::Send(probed.request()));
        } else {
            probed.on_limited();
        }
    }

    /// A probe was sent then, or could not be.
    pub(crate) fn on_sent(&mut self, request: &ProbeRequest, at: Option<Timestamp>, now: Timestamp) {
        let Some(path) = self.by_index.get(&request.index).copied() else {
            return;
        };
        if let Some(probed) = self.paths.get_mut(&path)
            && probed.generation == request.generation
        {
            probed.on_sent(request.sequence, at);
            self.schedule(path, now);
        }
    }

    /// The paths to whose probes answers are waited for, with their places.
    pub(crate) fn waiting(&self) -> Vec<(ProbedPath, u32)> {
        let waiting = self.paths.iter().filter(|(_, probed)| probed.is_waiting());
        waiting.map(|(path, probed)| (*path, probed.index)).collect()
    }

    /// Takes what the programs know of a path's probes. `true` if one more was answered.
    pub(crate) fn take_record(&mut self, path: ProbedPath, record: &ProbeRecord, now: Timestamp) -> bool {
        let probed = self.paths.get_mut(&path);
        probed.is_some_and(|probed| probed.take_record(record, now))
    }

    /// What a path's probes tell by now, if that is news. The records of all that are waited for were taken.
    pub(crate) fn judge(&mut self, path: ProbedPath, now: Timestamp) -> Option<Judgement> {
        let mut probed = self.paths.remove(&path)?;
        let judgement = probed.take_answer().or_else(|| {
            let siblings: Vec<_> = self
                .siblings(path)
                .map(|((_, path), probed)| (path, probed))
                .collect();
            probed.condemn(&siblings, &self.config, now)
        });
        self.paths.insert(path, probed);
        if judgement.is_some() {
            self.schedule(path, now);
        }
        judgement
    }

    /// The other probed paths of the association that are not known to be dead.
    fn siblings(&self, path: ProbedPath) -> impl Iterator<Item = (ProbedPath, &Probed)> {
        let (association, own) = path;
        self.paths
            .range((association, FIRST)..)
            .take_while(move |((id, _), _)| *id == association)
            .filter(move |((_, path), probed)| *path != own && !probed.is_down && probed.obstacle.is_none())
            .map(|(path, probed)| (*path, probed))
    }

    /// An association is over: nothing more is sent into it.
    pub(crate) fn forget_association(&mut self, association: AssociationId) {
        let paths: Vec<_> = self
            .paths
            .range((association, FIRST)..)
            .map(|(path, _)| *path)
            .take_while(|(id, _)| *id == association)
            .collect();
        for path in paths {
            self.forget(path);
        }
        self.told.retain(|(id, _)| *id != association);
    }

    /// A path is one no longer.
    pub(crate) fn forget(&mut self, path: ProbedPath) {
        let Some(probed) = self.paths.remove(&path) else {
            return;
        };
        if let Some(at) = probed.due {
            self.due.remove(&(at, path));
        }
        self.by_index.remove(&probed.index);
        self.free.push_back((probed.index, probed.generation));
        self.outputs
            .retain(|output| !matches!(output, ProbeOutput::Send(request) if request.index == probed.index));
        self.outputs.push_back(ProbeOutput::Assign {
            index: probed.index,
            path: ProbePath::zeroed(),
        });
    }

    /// What stands in the way of probing a path that is probed, or of what follows from that.
    pub(crate) fn hindrance(&self, path: &ProbedPath) -> Option<ProbeObstacle> {
        match self.paths.get(path) {
            Some(probed) => probed.hindrance(),
            None => Some(ProbeObstacle::TooManyPaths),
        }
    }

    /// Whether this was not yet told of the association.
    pub(crate) fn is_news(&mut self, association: AssociationId, obstacle: ProbeObstacle) -> bool {
        self.told.insert((association, obstacle))
    }

    /// What a reader is told of a path's probes, if it is probed.
    pub(crate) fn view(&self, path: &ProbedPath) -> Option<ProbesView> {
        self.paths.get(path).map(Probed::view)
    }

    /// Time from a path's probes to their answers.
    pub(crate) fn rtt(&self, path: &ProbedPath) -> Option<RttView> {
        RttView::of(&self.paths.get(path)?.record.rtt)
    }

    /// A place in the map of probes, and the generation of whoever has it now.
    fn take_place(&mut self) -> Option<(u32, u32)> {
        if self.places_used < places(&self.config) {
            let index = self.places_used;
            self.places_used += 1;
            return Some((index, 1));
        }
        let (index, generation) = self.free.pop_front()?;
        Some((index, generation.wrapping_add(1).max(1)))
    }

    /// Notes when a path is to be looked at.
    fn schedule(&mut self, path: ProbedPath, now: Timestamp) {
        let Some(probed) = self.paths.get_mut(&path) else {
            return;
        };
        let due = probed.next_due(&self.config, now);
        let before = std::mem::replace(&mut probed.due, due);
        if before == due {
            return;
        }
        if let Some(before) = before {
            self.due.remove(&(before, path));
        }
        if let Some(due) = due {
            self.due.insert((due, path));
        }
    }
}

/// Places in the map of probes: a path has two flows.
fn places(config: &Config) -> u32 {
    config.probed_paths()
}

/// The first of all address pairs.
const FIRST: PathId = PathId {
    local: std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED),
    remote: std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED),
};
/// Siblings that are probed in a trial, at most: one that answers is enough.
const SIBLINGS: usize = 3;
