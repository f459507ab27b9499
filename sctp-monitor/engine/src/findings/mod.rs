//! What is wrong, and which of it has one cause: a file a kind of finding, with the rule that finds it,
//! how bad it is, its words and what to check.

mod address_list_suspect;
mod answered_elsewhere;
mod bad_checksum;
mod flapping;
mod grey_loss;
mod incidents;
mod latency_degraded;
mod link_down;
mod member;
mod not_redundant;
mod open;
mod path_down;
mod path_mtu_black_hole;
mod peer_down;
mod rto_below_sack_delay;
mod rules;
mod secondary_unconfirmed;
pub(crate) mod seen;
mod short_lived;
mod spoofing_suspected;
mod zombie;

pub(crate) use self::open::Findings;

use crate::model::{
    AddressListSuspect, AnsweredElsewhere, BadChecksum, Evidence, Finding, Flapping, GreyLoss, IncidentId,
    LinkDown, NotRedundant, Object, PathDown, PathMtuBlackHole, PeerDown, RtoBelowSackDelay,
    SecondaryUnconfirmed, Severity, ShortLived, Sides, Slow, Suspicion, Timestamp, Zombie,
};

impl Finding {
    /// One that was found just now, in words by the names of the endpoints.
    #[must_use]
    pub fn new(
        object: Object,
        sides: Sides,
        since: Timestamp,
        evidence: Evidence,
        incident: Option<IncidentId>,
    ) -> Self {
        Self {
            severity: evidence.severity(),
            object,
            since,
            incident,
            text: evidence.words(object, sides),
            check: evidence.check(object, sides),
            evidence,
        }
    }

    /// The same with other figures.
    pub(crate) fn update(&mut self, sides: Sides, evidence: Evidence) {
        *self = Self::new(self.object, sides, self.since, evidence, self.incident);
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
            Self::RtoBelowSackDelay(_) => RtoBelowSackDelay::SEVERITY,
            Self::BadChecksum(_) => BadChecksum::SEVERITY,
            Self::Flapping(_) => Flapping::SEVERITY,
            Self::AnsweredElsewhere(_) => AnsweredElsewhere::SEVERITY,
            Self::SecondaryUnconfirmed(_) => SecondaryUnconfirmed::SEVERITY,
            Self::AddressListSuspect(_) => AddressListSuspect::SEVERITY,
            Self::Zombie(_) => Zombie::SEVERITY,
            Self::SpoofingSuspected(_) => Suspicion::SEVERITY,
            Self::NotRedundant(_) => NotRedundant::SEVERITY,
            Self::ShortLived(_) => ShortLived::SEVERITY,
            Self::Unknown { .. } => Severity::Warning,
        }
    }

    /// What to check next, by the addresses of what it is about and by the names of the endpoints.
    #[must_use]
    pub fn check(&self, object: Object, sides: Sides) -> String {
        match self {
            Self::PathDown(evidence) => evidence.check(object, sides),
            Self::PeerDown(evidence) => evidence.check(sides),
            Self::LinkDown(evidence) => evidence.check(),
            Self::PathMtuBlackHole(evidence) => evidence.check(object),
            Self::GreyLoss(_) => GreyLoss::check(),
            Self::LatencyDegraded(_) => Slow::check(),
            Self::RtoBelowSackDelay(evidence) => evidence.check(object),
            Self::BadChecksum(_) => BadChecksum::check(object),
            Self::Flapping(_) => Flapping::check(),
            Self::AnsweredElsewhere(evidence) => evidence.check(object),
            Self::SecondaryUnconfirmed(evidence) => evidence.check(object),
            Self::AddressListSuspect(evidence) => evidence.check(),
            Self::Zombie(evidence) => evidence.check(sides),
            Self::SpoofingSuspected(evidence) => evidence.check(),
            Self::NotRedundant(_) => NotRedundant::check(),
            Self::ShortLived(evidence) => evidence.check(),
            Self::Unknown { .. } => "the documentation of the version that found it".to_owned(),
        }
    }

    /// The fact with its figures, by the addresses of what it is about and by the names of the endpoints.
    fn words(&self, object: Object, sides: Sides) -> String {
        match self {
            Self::PathDown(evidence) => evidence.to_string(),
            Self::PeerDown(evidence) => evidence.words(sides),
            Self::LinkDown(evidence) => evidence.to_string(),
            Self::PathMtuBlackHole(evidence) => evidence.to_string(),
            Self::GreyLoss(evidence) => evidence.to_string(),
            Self::LatencyDegraded(evidence) => evidence.to_string(),
            Self::RtoBelowSackDelay(evidence) => evidence.to_string(),
            Self::BadChecksum(evidence) => evidence.to_string(),
            Self::Flapping(evidence) => evidence.to_string(),
            Self::AnsweredElsewhere(evidence) => evidence.words(object),
            Self::SecondaryUnconfirmed(evidence) => evidence.words(object),
            Self::AddressListSuspect(evidence) => evidence.to_string(),
            Self::Zombie(evidence) => evidence.words(sides),
            Self::SpoofingSuspected(evidence) => evidence.to_string(),
            Self::NotRedundant(evidence) => evidence.words(sides),
            Self::ShortLived(evidence) => evidence.to_string(),
            Self::Unknown { finding } => finding.replace('_', " "),
        }
    }
}
