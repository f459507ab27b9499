//! The words of steering: which packets leave on which path, and why.

use crate::model::{
    EventKind, PathId, Short, SteeringCause, SteeringCounts, SteeringEnd, SteeringMode, SteeringObstacle,
    words::plural,
};

/// What happened, if it is of steering.
pub(super) fn statement(kind: &EventKind) -> String {
    match kind {
        EventKind::SteeringStarted {
            path,
            onto,
            mode,
            cause,
        } => started(path, onto, *mode, *cause),
        EventKind::SteeringChanged {
            path,
            from,
            onto,
            mode,
        } => changed(path, from, onto, *mode),
        EventKind::SteeringEnded {
            path,
            mode,
            end,
            counts,
            lasting,
            ..
        } => ended(path, *mode, *end, *counts, *lasting),
        EventKind::SteeringRefused { path, obstacle } => refused(path, *obstacle),
        _ => String::new(),
    }
}

fn started(path: &PathId, onto: &PathId, mode: SteeringMode, cause: SteeringCause) -> String {
    let why = match cause {
        SteeringCause::PathInactive | SteeringCause::Always => "",
        SteeringCause::Operator => ", as the operator asked",
    };
    match mode {
        SteeringMode::Move => format!("DATA and SACKs of path {path} leave on path {onto} from now on{why}"),
        SteeringMode::Both => {
            format!("DATA and SACKs of path {path} leave on path {onto} as well from now on{why}")
        }
        SteeringMode::DryRun | SteeringMode::Off => {
            format!(
                "dry run: DATA and SACKs of path {path} would leave on path {onto} from now on{why}; nothing is moved"
            )
        }
    }
}

fn changed(path: &PathId, from: &PathId, onto: &PathId, mode: SteeringMode) -> String {
    match mode {
        SteeringMode::Move => {
            format!(
                "DATA and SACKs of path {path} leave on path {onto} from now on, and no longer on path {from}"
            )
        }
        SteeringMode::Both => format!(
            "DATA and SACKs of path {path} leave on path {onto} as well from now on, and no longer on path {from}"
        ),
        SteeringMode::DryRun | SteeringMode::Off => format!(
            "dry run: DATA and SACKs of path {path} would leave on path {onto} from now on, and no longer on path {from}"
        ),
    }
}

fn ended(
    path: &PathId,
    mode: SteeringMode,
    end: SteeringEnd,
    counts: SteeringCounts,
    lasting: std::time::Duration,
) -> String {
    let lasting = Short(lasting);
    let how_many = match mode {
        SteeringMode::Move => format!("{} moved in {lasting}", plural(counts.packets, "packet")),
        SteeringMode::Both => {
            let uncopied = match counts.uncopied {
                0 => String::new(),
                uncopied => format!(", {} not copied (SCTP GSO)", plural(uncopied, "packet")),
            };
            format!(
                "{} sent on both in {lasting}{uncopied}",
                plural(counts.packets, "packet")
            )
        }
        SteeringMode::DryRun | SteeringMode::Off => {
            format!(
                "{} would have been moved in {lasting}",
                plural(counts.would_have_packets, "packet")
            )
        }
    };
    let failed = match counts.failed {
        0 => String::new(),
        failed => format!(
            ", {} lost because they could be rewritten in part only",
            plural(failed, "packet")
        ),
    };
    let dry = match mode {
        SteeringMode::Move | SteeringMode::Both => "",
        SteeringMode::DryRun | SteeringMode::Off => "dry run: ",
    };
    format!("{dry}packets of path {path} leave as the host sends them: {end}; {how_many}{failed}")
}

fn refused(path: &PathId, why: SteeringObstacle) -> String {
    match why {
        SteeringObstacle::PeerDoesNotCopy | SteeringObstacle::RttTooLong | SteeringObstacle::NotProbed => {
            format!(
                "DATA and SACKs do not leave on two paths at once, and are moved if path {path} fails: {why}"
            )
        }
        _ => format!("DATA and SACKs of path {path} are not moved to another path: {why}"),
    }
}

impl std::fmt::Display for SteeringEnd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::PathRecovered => "the path works again",
            Self::NoPathLeft => "no other path of the association can take its packets any more",
            Self::Operator => "the operator asked for it",
            Self::PathGone => "the association or the path is no more",
            Self::NotWatched => "a NIC of the path, or of the one that takes them, is not watched now",
            Self::PeerStopped => "the agent at the other end does not send on two paths any more",
            Self::Refused => "the kernel did not take the order (see the log)",
            Self::AgentEnds => "the agent ends",
        })
    }
}

impl std::fmt::Display for SteeringObstacle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::NoActivePath => "no other path of the association is active",
            Self::MtuTooSmall => "the active paths have a smaller MTU",
            Self::TooManyAssociations => {
                "as many associations are steered as the configuration allows (most_associations)"
            }
            Self::TagUnknown => "the verification tag of the association is not known",
            Self::Operator => "the operator took it back; it is left alone until the path is active again",
            Self::Off => "steering is off, for all or for this peer (`run --steer`, table `steering` of the configuration)",
            Self::NothingSent => "this host has sent nothing on the path since the agent watches",
            Self::NotWatched => "its NIC is not watched now",
            Self::TakesOthers => "packets of another path leave on it",
            Self::NoSuchPath => "the association has no such path",
            Self::NothingInForce => "its packets leave as the host sends them already",
            Self::NicIsMember => {
                "they would leave by a member of a bond or bridge, past it; let the agent watch the bond or bridge itself (--iface)"
            }
            Self::NicIsLower => {
                "they would leave by a NIC below the one that this host sends by (VLAN, MACVLAN), without their tag or to nobody; let \
                 the agent watch the upper NIC (--iface)"
            }
            Self::NoRoute => "this host has no route to the remote address of the other path by the NIC of that path",
            Self::NextHopUnresolved => {
                "the next hop of the other path does not answer this host (neighbour entry failed or incomplete)"
            }
            Self::AnswersFiltered => {
                "this host would drop the answers: they arrive by a NIC with strict reverse-path filtering (rp_filter 1), and its route \
                 to the peer leads to another NIC"
            }
            Self::NotChecked => "this host's routes and neighbours are being looked up",
            Self::PeerDoesNotCopy => {
                "no agent at the other end says that it would too (`run --steer both` there; `copies_alone` does without)"
            }
            Self::RttTooLong => "the round-trip time of the other path is longer than the configuration allows (longest_rtt)",
            Self::NotProbed => {
                "no probe was answered yet on the path or on the other one (`probes` of the paths says why)"
            }
            Self::CarriesAlone => {
                "the other path alone carries its packets, and the host would have to find that out; taken back as soon as the path is \
                 active again"
            }
            Self::Paused => "the operator paused steering (`sctp-monitor steer resume`)",
        })
    }
}
