//! What was reported, in the shape in which tests ask for it.

use sctp_monitor_engine::model::{Broken, EventKind, Evidence, Finding, IncidentView, PathDown, Status};

pub(crate) use sctp_monitor_testkit::invariants::left_open;
use sctp_monitor_testkit::world::World;

/// All reports of findings with this name.
pub(crate) fn findings<'a>(world: &'a World, name: &str) -> Vec<(Status, &'a Finding)> {
    world
        .events
        .iter()
        .filter_map(|event| match &event.kind {
            EventKind::Finding { status, finding } if finding.evidence.name() == name => {
                Some((*status, finding))
            }
            _ => None,
        })
        .collect()
}

/// What happened to findings with this name.
pub(crate) fn statuses(world: &World, name: &str) -> Vec<Status> {
    findings(world, name)
        .into_iter()
        .map(|(status, _)| status)
        .collect()
}

/// Names of all findings that were opened.
pub(crate) fn opened(world: &World) -> Vec<&str> {
    world
        .events
        .iter()
        .filter_map(|event| match &event.kind {
            EventKind::Finding {
                status: Status::Opened,
                finding,
            } => Some(finding.evidence.name()),
            _ => None,
        })
        .collect()
}

/// What was said of the direction in which paths are broken.
pub(crate) fn directions(world: &World) -> Vec<(Status, Broken)> {
    findings(world, "path_down")
        .into_iter()
        .filter_map(|(status, finding)| match finding.evidence {
            Evidence::PathDown(PathDown { broken, .. }) => Some((status, broken)),
            _ => None,
        })
        .collect()
}

/// All reports of incidents.
pub(crate) fn incidents(world: &World) -> Vec<(Status, &IncidentView)> {
    world
        .events
        .iter()
        .filter_map(|event| match &event.kind {
            EventKind::Incident { status, incident } => Some((*status, incident)),
            _ => None,
        })
        .collect()
}
