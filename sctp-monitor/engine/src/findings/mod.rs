//! What is wrong, and which of it has one cause: a file a kind of finding, with the rule that finds it,
//! how bad it is, its words and what to check.

mod answered_elsewhere;
mod flapping;
mod grey_loss;
mod incidents;
mod latency_degraded;
mod link_down;
mod not_redundant;
mod open;
mod path_down;
mod path_mtu_black_hole;
mod peer_down;
mod rules;
mod secondary_unconfirmed;
pub(crate) mod seen;
mod short_lived;
mod spoofing_suspected;
mod zombie;

use std::fmt;

pub(crate) use self::open::Findings;

use crate::model::{
    AnsweredElsewhere, Evidence, Finding, Flapping, GreyLoss, IncidentId, LinkDown, NotRedundant, Object,
    PathDown, PathMtuBlackHole, PeerDown, SecondaryUnconfirmed, Severity, ShortLived, Slow, Suspicion,
    Timestamp, Zombie,
};

impl Finding {
    /// One that was found just now.
    #[must_use]
    pub fn new(object: Object, since: Timestamp, evidence: Evidence, incident: Option<IncidentId>) -> Self {
        Self {
            severity: evidence.severity(),
            object,
            since,
            incident,
            text: evidence.to_string(),
            check: evidence.check(object),
            evidence,
        }
    }

    /// The same with other figures.
    pub(crate) fn update(&mut self, evidence: Evidence) {
        *self = Self::new(self.object, self.since, evidence, self.incident);
    }
}

impl Evidence {
    /// How severe it is.
    #[must_use]
    pub fn severity(&self) -> Severity {
        match self {
            Self::PathDown(_) => PathDown::SEVERITY,
            Self::PeerDown(_) => PeerDown::SEVERITY,
            Self::LinkDown(_) => LinkDown::SEVERITY,
            Self::PathMtuBlackHole(_) => PathMtuBlackHole::SEVERITY,
            Self::GreyLoss(_) => GreyLoss::SEVERITY,
            Self::LatencyDegraded(_) => Slow::SEVERITY,
            Self::Flapping(_) => Flapping::SEVERITY,
            Self::AnsweredElsewhere(_) => AnsweredElsewhere::SEVERITY,
            Self::SecondaryUnconfirmed(_) => SecondaryUnconfirmed::SEVERITY,
            Self::Zombie(_) => Zombie::SEVERITY,
            Self::SpoofingSuspected(_) => Suspicion::SEVERITY,
            Self::NotRedundant(_) => NotRedundant::SEVERITY,
            Self::ShortLived(_) => ShortLived::SEVERITY,
            Self::Unknown { .. } => Severity::Warning,
        }
    }

    /// What to check next, by the addresses of what it is about.
    #[must_use]
    pub fn check(&self, object: Object) -> String {
        match self {
            Self::PathDown(evidence) => evidence.check(object),
            Self::PeerDown(_) => PeerDown::check(),
            Self::LinkDown(evidence) => evidence.check(),
            Self::PathMtuBlackHole(_) => PathMtuBlackHole::check(object),
            Self::GreyLoss(_) => GreyLoss::check(),
            Self::LatencyDegraded(_) => Slow::check(),
            Self::Flapping(_) => Flapping::check(),
            Self::AnsweredElsewhere(_) => AnsweredElsewhere::check(),
            Self::SecondaryUnconfirmed(evidence) => evidence.check(object),
            Self::Zombie(_) => Zombie::check(),
            Self::SpoofingSuspected(evidence) => evidence.check(),
            Self::NotRedundant(_) => NotRedundant::check(),
            Self::ShortLived(evidence) => evidence.check(),
            Self::Unknown { .. } => "the documentation of the version that found it".to_owned(),
        }
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PathDown(evidence) => evidence.fmt(f),
            Self::PeerDown(evidence) => evidence.fmt(f),
            Self::LinkDown(evidence) => evidence.fmt(f),
            Self::PathMtuBlackHole(evidence) => evidence.fmt(f),
            Self::GreyLoss(evidence) => evidence.fmt(f),
            Self::LatencyDegraded(evidence) => evidence.fmt(f),
            Self::Flapping(evidence) => evidence.fmt(f),
            Self::AnsweredElsewhere(evidence) => evidence.fmt(f),
            Self::SecondaryUnconfirmed(evidence) => evidence.fmt(f),
            Self::Zombie(evidence) => evidence.fmt(f),
            Self::SpoofingSuspected(evidence) => evidence.fmt(f),
            Self::NotRedundant(evidence) => evidence.fmt(f),
            Self::ShortLived(evidence) => evidence.fmt(f),
            Self::Unknown { finding } => f.write_str(&finding.replace('_', " ")),
        }
    }
}
