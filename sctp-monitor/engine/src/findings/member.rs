//! What a finding on a path shares with others: by that it is a member of an incident.

use crate::{
    config::Vantage,
    findings::{
        incidents::{Keys, Member},
        seen::PathSeen,
    },
    model::{Finding, PathId, PathState, Side},
};

impl Member {
    /// A finding on a path as a member of an incident, if it may be one.
    pub(super) fn of(seen: &PathSeen<'_>, finding: &Finding) -> Option<Self> {
        let cause = finding.evidence.cause()?;
        let sides: &[Side] = match seen.config.vantage {
            Vantage::Endpoint => &[Side::Remote],
            Vantage::Gateway => &[Side::Local, Side::Remote],
        };
        let addresses = |side: &Side| {
            let mut all: Vec<_> = seen.association.addresses(*side).iter().copied().collect();
            all.sort_unstable();
            all
        };
        let mut interfaces: Vec<_> = seen
            .at_hand()
            .map(|flow| flow.view.interface.if_index())
            .filter_map(|index| Some((index, seen.nics.name(index)?)))
            .collect();
        interfaces.sort_unstable();
        interfaces.dedup();
        let works = |on: &dyn Fn(&PathId) -> bool| {
            let mut paths = seen.association.paths();
            paths.any(|(id, path)| *id != seen.id && on(id) && path.state() == PathState::Active)
        };
        let failing = [Side::Local, Side::Remote]
            .into_iter()
            .filter(|side| !works(&|id| side.of(id) == side.of(&seen.id)))
            .map(|side| side.of(&seen.id));
        Some(Self {
            failing: failing.collect(),
            association: seen.association.id(),
            cause,
            kind: finding.evidence.kind(),
            keys: Keys {
                between_hosts: seen.config.vantage == Vantage::Gateway,
                interfaces,
                local: Some(seen.id.local),
                remote: Some(seen.id.remote),
                association: Some(seen.association.id()),
                endpoints: sides.iter().map(addresses).collect(),
                others_work: works(&|_| true),
            },
            alive_at: seen.at_hand().filter_map(|flow| flow.detector.alive_at()).max(),
            severity: finding.severity,
            reason: finding.text.clone(),
            next: finding.check.clone(),
        })
    }
}
