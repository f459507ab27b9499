//! What is said of steering.

use super::{ms, path};
use crate::model::{EventKind, SteeringCause, SteeringCounts, SteeringEnd, SteeringMode, SteeringObstacle};

pub(super) fn steering() -> Vec<EventKind> {
    let started = |mode, cause| EventKind::SteeringStarted {
        path: path(1),
        onto: path(2),
        mode,
        cause,
    };
    let changed = |mode| EventKind::SteeringChanged {
        path: path(1),
        from: path(2),
        onto: path(3),
        mode,
    };
    let ended = |mode, end, failed| EventKind::SteeringEnded {
        path: path(1),
        onto: path(2),
        mode,
        end,
        counts: SteeringCounts {
            packets: if mode == SteeringMode::DryRun { 0 } else { 1_204 },
            bytes: if mode == SteeringMode::DryRun { 0 } else { 180_600 },
            would_have_packets: if mode == SteeringMode::DryRun { 1 } else { 0 },
            would_have_bytes: if mode == SteeringMode::DryRun { 150 } else { 0 },
            failed,
            uncopied: u64::from(mode == SteeringMode::Both),
            ..SteeringCounts::default()
        },
        lasting: ms(61_500),
    };
    let mut kinds = vec![
        started(SteeringMode::Move, SteeringCause::PathInactive),
        started(SteeringMode::Move, SteeringCause::Operator),
        started(SteeringMode::DryRun, SteeringCause::PathInactive),
        changed(SteeringMode::Move),
        changed(SteeringMode::DryRun),
        ended(SteeringMode::DryRun, SteeringEnd::PathRecovered, 0),
        ended(SteeringMode::Move, SteeringEnd::PathRecovered, 2),
        started(SteeringMode::Both, SteeringCause::Always),
        changed(SteeringMode::Both),
        ended(SteeringMode::Both, SteeringEnd::PeerStopped, 0),
    ];
    let ends = [
        SteeringEnd::NoPathLeft,
        SteeringEnd::Operator,
        SteeringEnd::PathGone,
        SteeringEnd::Refused,
        SteeringEnd::AgentEnds,
        SteeringEnd::PeerStopped,
    ];
    kinds.extend(ends.map(|end| ended(SteeringMode::Move, end, 0)));
    let obstacles = [
        SteeringObstacle::NoActivePath,
        SteeringObstacle::MtuTooSmall,
        SteeringObstacle::TooManyAssociations,
        SteeringObstacle::TagUnknown,
        SteeringObstacle::Operator,
        SteeringObstacle::Paused,
        SteeringObstacle::Off,
        SteeringObstacle::NothingSent,
        SteeringObstacle::NoSuchPath,
        SteeringObstacle::NothingInForce,
        SteeringObstacle::NicIsMember,
        SteeringObstacle::NicIsLower,
        SteeringObstacle::NoRoute,
        SteeringObstacle::NextHopUnresolved,
        SteeringObstacle::AnswersFiltered,
        SteeringObstacle::NotChecked,
        SteeringObstacle::PeerDoesNotCopy,
        SteeringObstacle::RttTooLong,
        SteeringObstacle::NotProbed,
        SteeringObstacle::CarriesAlone,
    ];
    kinds.extend(obstacles.map(|obstacle| EventKind::SteeringRefused {
        path: path(1),
        obstacle,
    }));
    kinds
}
