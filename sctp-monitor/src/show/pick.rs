//! Picks from a summary what was asked for, the worst first.

use std::{cmp::Reverse, collections::BTreeMap, net::IpAddr};

use sctp_monitor_engine::model::{AssociationView, PathState, PathView, Schema, Side};

use super::{Document, FindingOf, PathOf, Question, Status};
use crate::{cli::ListArgs, report::Summary};

/// What was asked for, of an agent's summary.
pub(crate) fn pick(question: &Question<'_>, summary: Summary, agent: u32) -> Document {
    let mut document = Document {
        schema: Schema,
        agent,
        time: summary.snapshot.time,
        since: summary.since,
        not_watched: summary.not_watched.clone(),
        status: None,
        associations: None,
        paths: None,
        findings: None,
        incidents: None,
    };
    match question {
        Question::Status(_) => {
            document.status = Some(status(&summary));
            document.incidents = Some(summary.snapshot.incidents);
        }
        Question::Associations(list) => {
            let mut all = established(summary);
            all.retain(|association| {
                is_of(association, list) && used(association).any(|path| is_in(path, list))
            });
            all.sort_by_key(|association| (rank(association), association.reference.id));
            document.associations = Some(all);
        }
        Question::Paths(list) => {
            let mut all: Vec<_> = established(summary)
                .into_iter()
                .filter(|association| is_of(association, list))
                .flat_map(paths_of)
                .filter(|known| known.path.is_used())
                .filter(|known| is_in(&known.path, list) && is_between(&known.path, list.address))
                .collect();
            all.sort_by_key(|known| (badness(known.path.state), known.association.id, known.path.id));
            document.paths = Some(all);
        }
        Question::Findings(list) => document.findings = Some(findings(summary, list)),
        Question::Incidents(_) => {
            let mut all = summary.snapshot.incidents;
            all.sort_by_key(|incident| (Reverse(incident.severity), incident.id));
            document.incidents = Some(all);
        }
        Question::Explain(id, _) => {
            let mut all = summary.snapshot.associations;
            all.retain(|association| association.reference.id.0 == *id);
            document.associations = Some(all).filter(|found| !found.is_empty());
        }
    }
    document
}

fn status(summary: &Summary) -> Status {
    let mut paths = BTreeMap::new();
    let mut findings = summary.snapshot.findings.len();
    let mut established = 0;
    let mut without_redundancy = 0;
    for association in summary.snapshot.associations.iter().filter(|known| known.is_up()) {
        established += 1;
        findings += association.findings.len();
        for path in &association.paths {
            if path.is_used() {
                *paths.entry(path.state).or_insert(0) += 1;
            }
            findings += path.findings.len();
        }
        without_redundancy += usize::from(association.paths.len() > 1 && active(association) < 2);
    }
    Status {
        interfaces: summary.interfaces.clone(),
        established,
        ended: summary.ended(),
        paths,
        without_redundancy,
        incidents: summary.snapshot.incidents.len(),
        findings,
        flows: summary.flows,
        lag: summary.lag,
        counters: summary.counters.clone(),
    }
}

fn findings(summary: Summary, list: &ListArgs) -> Vec<FindingOf> {
    let of_none = summary.snapshot.findings.clone().into_iter();
    let has_filter = list.address.is_some() || list.port.is_some() || list.state.is_some();
    let mut all: Vec<_> = of_none
        .filter(|_| !has_filter)
        .map(|finding| FindingOf {
            association: None,
            finding,
        })
        .collect();
    for association in established(summary) {
        if !is_of(&association, list) {
            continue;
        }
        let reference = association.reference;
        let of_paths = association.paths.into_iter().filter(|path| is_in(path, list));
        let of_association = association.findings.into_iter().filter(|_| list.state.is_none());
        let found = of_association.chain(of_paths.flat_map(|path| path.findings));
        all.extend(found.map(|finding| FindingOf {
            association: Some(reference),
            finding,
        }));
    }
    all.sort_by_key(|known| (Reverse(known.finding.severity), known.finding.since));
    all
}

fn established(summary: Summary) -> Vec<AssociationView> {
    let mut all = summary.snapshot.associations;
    all.retain(AssociationView::is_up);
    all
}

fn paths_of(association: AssociationView) -> impl Iterator<Item = PathOf> {
    let reference = association.reference;
    association.paths.into_iter().map(move |path| PathOf {
        association: reference,
        path,
    })
}

fn is_of(association: &AssociationView, list: &ListArgs) -> bool {
    let has = |address: IpAddr| {
        [Side::Local, Side::Remote]
            .into_iter()
            .flat_map(|side| association.addresses(side))
            .any(|known| known.address == address || known.seen_as == Some(address))
    };
    let known = association.reference;
    list.address.is_none_or(has)
        && list
            .port
            .is_none_or(|port| port == known.local_port || port == known.remote_port)
}

fn is_in(path: &PathView, list: &ListArgs) -> bool {
    list.state
        .is_none_or(|state| PathState::from(state) == path.state)
}

fn is_between(path: &PathView, address: Option<IpAddr>) -> bool {
    address.is_none_or(|address| [path.id.local, path.id.remote].contains(&address))
}

/// How many paths of an association are active.
pub(crate) fn active(association: &AssociationView) -> usize {
    let is_active = |path: &&PathView| path.state == PathState::Active;
    used(association).filter(is_active).count()
}

/// The paths on which packets were seen.
pub(crate) fn used(association: &AssociationView) -> impl Iterator<Item = &PathView> {
    association.paths.iter().filter(|path| path.is_used())
}

/// The worst association comes first: none of its paths is active, then by its worst path.
pub(crate) fn rank(association: &AssociationView) -> (bool, u8) {
    let worst = worst(association).map_or(u8::MAX, |path| badness(path.state));
    (active(association) > 0, worst)
}

/// The worst path on which packets were seen.
pub(crate) fn worst(association: &AssociationView) -> Option<&PathView> {
    used(association).min_by_key(|path| badness(path.state))
}

/// The worst state comes first.
fn badness(state: PathState) -> u8 {
    match state {
        PathState::Inactive => 0,
        PathState::PotentiallyFailed => 1,
        PathState::Unconfirmed => 2,
        PathState::Active => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cli::{AskArgs, StateArg},
        report::samples::{FIRST, LOCAL, SECOND, association, flow, now, summary},
    };

    fn list() -> ListArgs {
        ListArgs {
            how: AskArgs {
                agent: None,
                json: false,
            },
            address: None,
            port: None,
            state: None,
        }
    }

    fn known() -> Summary {
        let mut known = summary(&[
            association(1, &[(FIRST, PathState::Active), (SECOND, PathState::Active)]),
            association(2, &[(FIRST, PathState::Active), (SECOND, PathState::Inactive)]),
            association(3, &[(FIRST, PathState::Inactive)]),
            association(4, &[("10.9.9.9", PathState::PotentiallyFailed)]),
        ]);
        let all = known.snapshot.associations.iter_mut();
        for path in all.flat_map(|association| &mut association.paths) {
            path.forward = Some(Box::new(flow(LOCAL, now())));
        }
        known
    }

    #[test]
    fn paths_that_nothing_has_crossed_are_no_paths_yet() {
        let mut known = known();
        known.snapshot.associations[1].paths[1].forward = None;
        let status = pick(&Question::Status(&list().how), known.clone(), 7)
            .status
            .unwrap();
        assert_eq!(status.paths[&PathState::Inactive], 1);
        let paths = pick(&Question::Paths(&list()), known, 7).paths.unwrap();
        assert_eq!(paths.len(), 5);
    }

    fn ids(list: &ListArgs) -> Vec<u64> {
        let picked = pick(&Question::Associations(list), known(), 7)
            .associations
            .unwrap();
        picked.iter().map(|known| known.reference.id.0).collect()
    }

    #[test]
    fn the_worst_come_first() {
        assert_eq!(ids(&list()), [3, 4, 2, 1]);
        let all = list();
        let paths = pick(&Question::Paths(&all), known(), 7).paths.unwrap();
        let states: Vec<_> = paths.iter().map(|known| known.path.state).collect();
        assert_eq!(
            states[..3],
            [
                PathState::Inactive,
                PathState::Inactive,
                PathState::PotentiallyFailed
            ]
        );
    }

    #[test]
    fn they_are_picked_by_address_port_and_state() {
        let by = |change: fn(&mut ListArgs)| {
            let mut list = list();
            change(&mut list);
            list
        };
        assert_eq!(
            ids(&by(|list| list.address = Some(SECOND.parse().unwrap()))),
            [2, 1]
        );
        assert_eq!(ids(&by(|list| list.port = Some(40_004))), [4]);
        assert_eq!(ids(&by(|list| list.state = Some(StateArg::Inactive))), [3, 2]);
        let nobody = by(|list| list.address = Some("192.0.2.1".parse().unwrap()));
        assert_eq!(ids(&nobody), [0; 0]);
        let second = by(|list| list.address = Some(SECOND.parse().unwrap()));
        let paths = pick(&Question::Paths(&second), known(), 7).paths.unwrap();
        assert_eq!(paths.len(), 2, "only the paths to it");
    }

    #[test]
    fn the_status_counts_them() {
        let how = list().how;
        let status = pick(&Question::Status(&how), known(), 7).status.unwrap();
        assert_eq!((status.established, status.without_redundancy), (4, 1));
        assert_eq!(status.paths[&PathState::Inactive], 2);
    }

    #[test]
    fn one_is_explained_if_it_is_known() {
        let how = list().how;
        let explained = |id| pick(&Question::Explain(id, &how), known(), 7).associations;
        assert_eq!(explained(2).unwrap().len(), 1);
        assert_eq!(explained(9), None);
    }
}
