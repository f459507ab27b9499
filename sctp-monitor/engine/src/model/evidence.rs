//! Which findings are of one kind, which may have one cause, and what about one is worth an update.

use std::mem::discriminant;

use serde::{Deserialize, Serialize};

use crate::model::{Evidence, FindingKind, ShortLived, Zombie};

impl Evidence {
    /// The kind of the finding.
    #[must_use]
    pub fn kind(&self) -> FindingKind {
        match self {
            Self::PathDown(_) => FindingKind::PathDown,
            Self::PeerDown(_) => FindingKind::PeerDown,
            Self::LinkDown(_) => FindingKind::LinkDown,
            Self::PathMtuBlackHole(_) => FindingKind::PathMtuBlackHole,
            Self::GreyLoss(_) => FindingKind::GreyLoss,
            Self::LatencyDegraded(_) => FindingKind::LatencyDegraded,
            Self::BadChecksum(_) => FindingKind::BadChecksum,
            Self::RtoBelowSackDelay(_) => FindingKind::RtoBelowSackDelay,
            Self::Flapping(_) => FindingKind::Flapping,
            Self::AnsweredElsewhere(_) => FindingKind::AnsweredElsewhere,
            Self::SecondaryUnconfirmed(_) => FindingKind::SecondaryUnconfirmed,
            Self::AddressListSuspect(_) => FindingKind::AddressListSuspect,
            Self::Zombie(_) => FindingKind::Zombie,
            Self::SpoofingSuspected(_) => FindingKind::SpoofingSuspected,
            Self::NotRedundant(_) => FindingKind::NotRedundant,
            Self::ShortLived(_) => FindingKind::ShortLived,
            Self::Unknown { .. } => FindingKind::Unknown,
        }
    }

    /// The name of the kind in reports.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Unknown { finding } => finding,
            known => known.kind().name(),
        }
    }

    /// Whether failures of this kind may have one cause; such findings are members of incidents.
    pub(crate) fn cause(&self) -> Option<Cause> {
        Some(match self {
            Self::PathDown(_) | Self::LinkDown(_) => Cause::Failure,
            Self::PathMtuBlackHole(_) => Cause::BlackHole,
            Self::GreyLoss(_) => Cause::Loss,
            Self::LatencyDegraded(_) => Cause::Latency,
            Self::Flapping(_) => Cause::Flapping,
            Self::PeerDown(_)
            | Self::AnsweredElsewhere(_)
            | Self::BadChecksum(_)
            | Self::RtoBelowSackDelay(_)
            | Self::SecondaryUnconfirmed(_)
            | Self::AddressListSuspect(_)
            | Self::Zombie(_)
            | Self::SpoofingSuspected(_)
            | Self::NotRedundant(_)
            | Self::ShortLived(_)
            | Self::Unknown { .. } => return None,
        })
    }

    /// Whether `other` is of the same kind; its figures may differ.
    #[must_use]
    pub fn is_same_kind(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::GreyLoss(known), Self::GreyLoss(now)) => known.direction == now.direction,
            (Self::AnsweredElsewhere(known), Self::AnsweredElsewhere(now)) => {
                known.direction == now.direction
            }
            (
                Self::Zombie(Zombie::NobodyReads { side: known, .. }),
                Self::Zombie(Zombie::NobodyReads { side: now, .. }),
            ) => known == now,
            (Self::PathMtuBlackHole(known), Self::PathMtuBlackHole(now)) => known.direction == now.direction,
            (Self::RtoBelowSackDelay(known), Self::RtoBelowSackDelay(now)) => {
                known.direction == now.direction
            }
            (Self::SpoofingSuspected(known), Self::SpoofingSuspected(now)) => known.forgery == now.forgery,
            (Self::AddressListSuspect(known), Self::AddressListSuspect(now)) => {
                known.side == now.side && discriminant(&known.problem) == discriminant(&now.problem)
            }
            _ => discriminant(self) == discriminant(other),
        }
    }

    /// Whether `other` says something that is worth an update.
    pub(crate) fn differs(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::PathDown(known), Self::PathDown(now)) => known.broken != now.broken,
            (Self::PathMtuBlackHole(known), Self::PathMtuBlackHole(now)) => !known.says(now),
            (Self::GreyLoss(known), Self::GreyLoss(now)) => {
                (known.rate.percent - now.rate.percent).abs() > LOSS_POINTS
            }
            (Self::LatencyDegraded(slow), Self::LatencyDegraded(now)) => {
                now.rtt > slow.rtt * 3 / 2 || now.rtt < slow.rtt * 2 / 3
            }
            (Self::SpoofingSuspected(known), Self::SpoofingSuspected(now)) => known.differs(now),
            (Self::BadChecksum(known), Self::BadChecksum(now)) => {
                now.packets >= known.packets.saturating_mul(2)
            }
            (Self::SecondaryUnconfirmed(known), Self::SecondaryUnconfirmed(now)) => {
                (known.heartbeats == 0) != (now.heartbeats == 0)
            }
            (Self::ShortLived(known), Self::ShortLived(now)) => now.times() >= 2 * known.times(),
            (Self::Flapping(_), Self::Flapping(_))
            | (Self::RtoBelowSackDelay(_), Self::RtoBelowSackDelay(_))
            | (Self::LinkDown(_), Self::LinkDown(_))
            | (Self::Zombie(_), Self::Zombie(_)) => false,
            _ => self != other,
        }
    }
}

impl ShortLived {
    /// How often something did not last.
    pub(crate) fn times(&self) -> u32 {
        self.refused + self.associations + self.restarts
    }
}

/// What failures of one kind have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Cause {
    Failure,
    BlackHole,
    Loss,
    Latency,
    Flapping,
}

/// A rate that moves by more is worth an update.
const LOSS_POINTS: f32 = 3.0;
