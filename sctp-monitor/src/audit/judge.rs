//! Who is at risk, by a summary: the findings that are open, and what could not be found out.
//!
//! An association without findings is only fine if it was seen to be. One that was hardly seen, or of which an address
//! has no confirmed path yet, is not proven: calling it fine would be a guess.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    time::Duration,
};

use sctp_monitor_engine::{
    config::HEARTBEAT_WITHIN,
    model::{
        AssociationRef, AssociationView, Finding, FindingKind, Object, Origin, PathState, PathView, Timestamp,
    },
};

use crate::report::Summary;

/// What an audit came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Every association that was seen is fine, or none was seen.
    NothingFound,
    /// Nothing is known to be at risk, but not everything could be judged.
    NotProven,
    /// Something is.
    Found,
}

/// What an audit found.
#[derive(Debug, Clone)]
pub(super) struct Audit {
    pub(super) time: Timestamp,
    /// The process that was asked, if one was.
    pub(super) agent: Option<u32>,
    /// The worst first.
    pub(super) associations: Vec<Judged>,
    /// How many ended.
    pub(super) ended: u64,
    /// Flows that the programs saw.
    pub(super) flows_opened: u64,
    /// What was not understood or not kept, by name.
    pub(super) counters: BTreeMap<String, u64>,
}

/// An association and what is wrong with it.
#[derive(Debug, Clone)]
pub(super) struct Judged {
    pub(super) reference: AssociationRef,
    pub(super) active_paths: usize,
    /// The worst first.
    pub(super) findings: Vec<Finding>,
    pub(super) doubts: Vec<Doubt>,
}

/// Why it cannot be said that all is well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doubt {
    /// Half of it passes elsewhere.
    OneSided,
    /// Redundancy is judged after [`SETTLED`].
    JustSeen,
    /// Its paths had no heartbeat yet, or none that was answered.
    Unconfirmed(IpAddr),
    /// It worked once, but nothing came from it for longer than a heartbeat interval.
    NotSeen(IpAddr),
    /// The handshake, which lists the addresses, was not seen: one that is silent is not known.
    ListsUnknown,
}

/// What is to be said of an association.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Verdict {
    Fine,
    NotProven,
    AtRisk,
}

impl Audit {
    /// Judges every association that is in use, or that should not be but is.
    pub(super) fn of(summary: Summary, agent: Option<u32>) -> Self {
        let ended = summary.ended();
        let snapshot = summary.snapshot;
        let time = snapshot.time;
        let mut associations: Vec<_> = snapshot
            .associations
            .into_iter()
            .map(|association| (association.is_up(), Judged::of(association, time)))
            .filter(|(up, judged)| *up || !judged.findings.is_empty())
            .map(|(_, judged)| judged)
            .collect();
        associations.sort_by_key(|judged| {
            let worst = judged.findings.first().map(|finding| finding.evidence.kind());
            (Reverse(judged.verdict()), worst, judged.reference.id)
        });
        Self {
            time,
            agent,
            associations,
            ended,
            flows_opened: summary.flows.opened,
            counters: summary.counters,
        }
    }

    /// How many associations have this verdict.
    pub(super) fn count(&self, verdict: Verdict) -> usize {
        self.associations
            .iter()
            .filter(|judged| judged.verdict() == verdict)
            .count()
    }

    /// What scripts are told; with `strict`, what could not be judged is as bad as what was found.
    pub(super) fn outcome(&self, strict: bool) -> Outcome {
        let worst = self.associations.first().map(Judged::verdict);
        match worst {
            Some(Verdict::AtRisk) => Outcome::Found,
            Some(Verdict::NotProven) | None if strict => Outcome::Found,
            Some(Verdict::NotProven) => Outcome::NotProven,
            Some(Verdict::Fine) | None => Outcome::NothingFound,
        }
    }
}

impl Judged {
    fn of(association: AssociationView, now: Timestamp) -> Self {
        let doubts = doubts(&association, now);
        let mut findings = association.findings;
        let active_paths = association
            .paths
            .iter()
            .filter(|path| path.state == PathState::Active)
            .count();
        findings.extend(association.paths.into_iter().flat_map(|path| path.findings));
        if association.one_sided {
            // Halves of one association that do not find each other look like several that are single-homed.
            findings.retain(|finding| finding.evidence.kind() != FindingKind::NotRedundant);
        }
        findings.sort_by_key(|finding| (finding.evidence.kind(), finding.object));
        Self {
            reference: association.reference,
            active_paths,
            findings,
            doubts,
        }
    }

    pub(super) fn verdict(&self) -> Verdict {
        match (self.findings.is_empty(), self.doubts.is_empty()) {
            (false, _) => Verdict::AtRisk,
            (true, false) => Verdict::NotProven,
            (true, true) => Verdict::Fine,
        }
    }
}

fn doubts(association: &AssociationView, now: Timestamp) -> Vec<Doubt> {
    if !association.is_up() {
        return Vec::new();
    }
    if association.one_sided {
        // Nothing can be confirmed then, and that says nothing of its paths.
        return vec![Doubt::OneSided];
    }
    let is_new = |path: &PathView| now.since(path.since) < SETTLED;
    let just_seen = association.paths.iter().all(is_new).then_some(Doubt::JustSeen);
    let confirmed: BTreeSet<_> = association
        .paths
        .iter()
        .filter(|path| path.state != PathState::Unconfirmed)
        .map(|path| path.id.remote)
        .collect();
    let is_reported = |remote: IpAddr| {
        association
            .findings
            .iter()
            .any(|finding| finding.object == Object::Remote(remote))
    };
    let unconfirmed = association
        .remote_addresses
        .iter()
        .map(|known| known.address)
        .filter(|remote| !confirmed.contains(remote) && !is_reported(*remote))
        .map(Doubt::Unconfirmed);
    let active = association
        .paths
        .iter()
        .filter(|path| path.state == PathState::Active);
    let active: BTreeSet<_> = active.map(|path| path.id.remote).collect();
    let silent = active
        .into_iter()
        .filter(|remote| !is_heard(association, *remote, now));
    let lists_unknown = association.origin == Origin::MidLife && confirmed.len() < 2;
    just_seen
        .into_iter()
        .chain(unconfirmed)
        .chain(silent.map(Doubt::NotSeen))
        .chain(lists_unknown.then_some(Doubt::ListsUnknown))
        .collect()
}

/// Whether anything came from a remote address within a heartbeat interval: an idle path that works has a HEARTBEAT and its
/// answer in that time.
fn is_heard(association: &AssociationView, remote: IpAddr, now: Timestamp) -> bool {
    let paths = association.paths.iter().filter(|path| path.id.remote == remote);
    paths
        .filter_map(|path| path.return_.as_deref())
        .any(|flow| now.since(flow.last_seen) < HEARTBEAT_WITHIN)
}

/// How long the engine leaves an association alone until it says that it is not redundant.
pub(super) const SETTLED: Duration = sctp_monitor_engine::config::SETTLED_AFTER;
