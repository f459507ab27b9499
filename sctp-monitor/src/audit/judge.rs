//! Who is at risk, by a summary: the findings that are open, and what could not be found out.
//!
//! An association without findings is only fine if it was seen to be. One that was hardly seen, or of which an address
//! has no confirmed path yet, is not proven: calling it fine would be a guess.

use std::{cmp::Reverse, collections::BTreeSet, net::IpAddr, time::Duration};

use jiff::Timestamp;

use super::{
    Outcome,
    summary::{Association, Finding, Path, Summary},
};

/// What an audit found.
#[derive(Debug, Clone)]
pub(super) struct Audit {
    pub(super) time: Timestamp,
    /// The worst first.
    pub(super) associations: Vec<Judged>,
}

/// An association and what is wrong with it.
#[derive(Debug, Clone)]
pub(super) struct Judged {
    pub(super) id: u64,
    pub(super) local_port: u16,
    pub(super) remote_port: u16,
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
    pub(super) fn of(summary: Summary) -> Self {
        let time = summary.time;
        let mut associations: Vec<_> = summary
            .associations
            .into_iter()
            .map(|association| (association.up, Judged::of(association, time)))
            .filter(|(up, judged)| *up || !judged.findings.is_empty())
            .map(|(_, judged)| judged)
            .collect();
        associations.sort_by_key(|judged| {
            let worst = judged.findings.first().map(|finding| rank(&finding.finding));
            (Reverse(judged.verdict()), worst, judged.id)
        });
        Self { time, associations }
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
            _ => Outcome::NothingFound,
        }
    }
}

impl Judged {
    fn of(association: Association, now: Timestamp) -> Self {
        let doubts = doubts(&association, now);
        let mut findings = association.findings;
        let active_paths = association
            .paths
            .iter()
            .filter(|path| path.state == "active")
            .count();
        findings.extend(association.paths.into_iter().flat_map(|path| path.findings));
        if association.one_sided {
            // Halves of one association that do not find each other look like several that are single-homed.
            findings.retain(|finding| finding.finding != NOT_REDUNDANT);
        }
        findings.sort_by_key(|finding| (rank(&finding.finding), finding.local, finding.remote));
        Self {
            id: association.id,
            local_port: association.local_port,
            remote_port: association.remote_port,
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

fn doubts(association: &Association, now: Timestamp) -> Vec<Doubt> {
    if !association.up {
        return Vec::new();
    }
    if association.one_sided {
        // Nothing can be confirmed then, and that says nothing of its paths.
        return vec![Doubt::OneSided];
    }
    let is_new = |path: &Path| now.duration_since(path.since).unsigned_abs() < SETTLED;
    let just_seen = association.paths.iter().all(is_new).then_some(Doubt::JustSeen);
    let confirmed: BTreeSet<_> = association
        .paths
        .iter()
        .filter(|path| path.state != "unconfirmed")
        .map(|path| path.remote)
        .collect();
    let is_reported = |remote: IpAddr| {
        association
            .findings
            .iter()
            .any(|finding| finding.remote == Some(remote))
    };
    let unconfirmed = association
        .remote_addresses
        .iter()
        .map(|known| known.address)
        .filter(|remote| !confirmed.contains(remote) && !is_reported(*remote))
        .map(Doubt::Unconfirmed);
    just_seen.into_iter().chain(unconfirmed).collect()
}

/// How bad a finding is; the least is the worst. Kinds that this version does not know come last, but they come.
fn rank(finding: &str) -> usize {
    WORST_FIRST
        .iter()
        .position(|kind| *kind == finding)
        .unwrap_or(WORST_FIRST.len())
}

/// What is broken already, then what breaks with the next failure, then what works badly.
const WORST_FIRST: [&str; 12] = [
    "peer_down",
    "zombie",
    "path_mtu_black_hole",
    "path_down",
    "link_down",
    "spoofing_suspected",
    "secondary_unconfirmed",
    NOT_REDUNDANT,
    "flapping",
    "grey_loss",
    "answered_elsewhere",
    "latency_degraded",
];

const NOT_REDUNDANT: &str = "not_redundant";

/// How long the engine leaves an association alone until it says that it is not redundant.
pub(super) const SETTLED: Duration = sctp_monitor_engine::config::SETTLED_AFTER;
