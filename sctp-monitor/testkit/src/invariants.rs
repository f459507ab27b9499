//! What holds of the engine's reports whatever it was told. Shared by the properties and the fuzz targets.

use std::collections::BTreeSet;

use sctp_monitor_engine::model::{
    AnsweredElsewhere, Event, EventKind, Evidence, GreyLoss, PathMtuBlackHole, PathState, Reason,
    RtoBelowSackDelay, Status, Zombie,
};

/// A state changes for a reason that is of its kind.
///
/// # Panics
/// If not.
pub fn check_reason(event: &Event) {
    let EventKind::PathStateChanged { from, to, reason, .. } = &event.kind else {
        return;
    };
    assert_ne!(from, to);
    let missing = matches!(
        reason,
        Reason::HeartbeatUnanswered { .. }
            | Reason::DataUnacknowledged { .. }
            | Reason::AnswersLost { .. }
            | Reason::DataElsewhere { .. }
            | Reason::HeartbeatsStayOut { .. }
            | Reason::HeartbeatsRepeated { .. }
    );
    let answered = matches!(
        reason,
        Reason::HeartbeatAnswered { .. }
            | Reason::DataAcknowledged { .. }
            | Reason::PeerHeartbeatAnswered
            | Reason::HandshakeCompleted
    );
    let nic = matches!(reason, Reason::LinkDown { .. } | Reason::InterfaceGone { .. });
    let icmp = matches!(reason, Reason::IcmpError { .. });
    let fits = match to {
        PathState::Unconfirmed => false,
        PathState::Active => answered,
        PathState::PotentiallyFailed => missing || icmp,
        PathState::Inactive => missing || nic,
    };
    assert!(fits, "{from} -> {to}: {reason}");
}

/// Panics unless the events are in the order of time, and findings and incidents are opened, updated and closed in this order;
/// gives the number of those that are still open.
pub fn left_open(events: &[Event]) -> usize {
    assert!(events.is_sorted_by_key(|event| event.time), "out of order");
    let mut open = BTreeSet::new();
    for event in events {
        let (name, status) = match &event.kind {
            EventKind::Finding { status, finding } => {
                let association = event.association.map(|association| association.id.0);
                // Each direction and each side is found by itself.
                let way = match &finding.evidence {
                    Evidence::GreyLoss(GreyLoss { direction, .. })
                    | Evidence::PathMtuBlackHole(PathMtuBlackHole { direction, .. })
                    | Evidence::RtoBelowSackDelay(RtoBelowSackDelay { direction, .. })
                    | Evidence::AnsweredElsewhere(AnsweredElsewhere { direction, .. }) => {
                        format!("{direction:?}")
                    }
                    Evidence::Zombie(Zombie::NobodyReads { side, .. }) => format!("{side:?}"),
                    Evidence::SpoofingSuspected(suspicion) => format!("{:?}", suspicion.forgery),
                    _ => String::new(),
                };
                let object = finding.object;
                let name = format!("{association:?} {object:?} {} {way}", finding.evidence.name());
                (name, *status)
            }
            EventKind::Incident { status, incident } => (format!("incident {}", incident.id), *status),
            _ => continue,
        };
        let known = open.contains(&name);
        match status {
            Status::Opened => assert!(!known && open.insert(name.clone()), "opened twice: {name}"),
            Status::Updated => assert!(known, "updated, but not open: {name}"),
            Status::Closed => assert!(open.remove(&name), "closed, but not open: {name}"),
        }
    }
    open.len()
}
