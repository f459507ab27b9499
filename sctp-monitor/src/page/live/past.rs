//! What was, as a page shows it: events, the states of paths, findings that are over, and how paths did.

use std::collections::BTreeMap;

use sctp_monitor_engine::model::{
    AssociationId, AssociationView, EventKind, Finding, Object, PathId, PathState, Status, Timestamp,
};

use crate::{
    history::{APART, PathRecord},
    page::{
        incidents::Incidents,
        series::Series,
        span::{Shade, Span},
        timeline::{Link, Timeline},
    },
    report::Line,
};

/// What was, of one association or of all.
#[derive(Debug)]
pub(crate) struct Past {
    /// From when on it is shown.
    pub(crate) since: Timestamp,
    pub(crate) timeline: Timeline,
    pub(crate) incidents: Incidents,
    lines: Vec<Line>,
    paths: BTreeMap<(AssociationId, PathId), PathRecord>,
}

impl Past {
    /// Of these events and records, the oldest first.
    pub(crate) fn new(since: Timestamp, link: Link, lines: Vec<Line>, paths: Vec<PathRecord>) -> Self {
        let mut timeline = Timeline::new(link);
        let mut incidents = Incidents::default();
        for line in &lines {
            match line {
                Line::Event(event) => {
                    timeline.on_event(event);
                    incidents.on_event(event);
                }
                Line::Notice(notice) => timeline.on_note(notice.time, &notice.kind.to_string()),
                Line::Summary(_) => {}
            }
        }
        let paths = paths
            .into_iter()
            .map(|record| ((record.association, record.path), record))
            .collect();
        Self {
            since,
            timeline,
            incidents,
            lines,
            paths,
        }
    }

    /// The states of a path until now, as far as they are known.
    pub(super) fn spans(&self, association: &AssociationView, path: PathId, now: Timestamp) -> Vec<Span<'_>> {
        let id = association.reference.id;
        let begin = self.since.max(association.since).as_nanos();
        let changes: Vec<_> = self
            .lines
            .iter()
            .filter_map(|line| {
                let Line::Event(event) = line else { return None };
                match &event.kind {
                    EventKind::PathStateChanged {
                        path: changed,
                        from,
                        to,
                        reason,
                    } if *changed == path && event.association.is_some_and(|known| known.id == id) => {
                        Some((event.time.as_nanos(), *from, *to, reason))
                    }
                    _ => None,
                }
            })
            .collect();
        let at_first = changes.first().map(|(_, from, ..)| *from).or_else(|| {
            let known = association.paths.iter().find(|known| known.id == path)?;
            Some(known.state)
        });
        let mut spans = vec![Span {
            from_ns: begin,
            to_ns: now.as_nanos().max(begin),
            state: at_first.unwrap_or(PathState::Unconfirmed),
            reason: None,
        }];
        for (at, _, to, reason) in changes {
            let at = at.clamp(begin, now.as_nanos().max(begin));
            if let Some(last) = spans.last_mut() {
                last.to_ns = at;
            }
            spans.push(Span {
                from_ns: at,
                to_ns: now.as_nanos().max(begin),
                state: to,
                reason: Some(reason),
            });
        }
        spans.retain(|span| span.to_ns > span.from_ns);
        spans
    }

    /// Findings about an association that are over, the last first.
    pub(super) fn over(&self, id: AssociationId) -> Vec<(&Finding, Timestamp)> {
        let closed = self.lines.iter().rev().filter_map(|line| {
            let Line::Event(event) = line else { return None };
            match &event.kind {
                EventKind::Finding {
                    status: Status::Closed,
                    finding,
                } if event.association.is_some_and(|known| known.id == id) => Some((finding, event.time)),
                _ => None,
            }
        });
        closed.collect()
    }

    /// What was wrong with a path, and when.
    pub(super) fn shades<'a>(&'a self, association: &'a AssociationView, path: PathId) -> Vec<Shade<'a>> {
        let is_of = |finding: &Finding| match finding.object {
            Object::Association => true,
            Object::Local(local) => local == path.local,
            Object::Remote(remote) => remote == path.remote,
            Object::Path(id) => id == path,
        };
        let open = findings(association)
            .into_iter()
            .map(|finding| Shade { finding, until: None });
        let over = self.over(association.reference.id).into_iter();
        let over = over.map(|(finding, until)| Shade {
            finding,
            until: Some(until),
        });
        open.chain(over).filter(|shade| is_of(shade.finding)).collect()
    }

    /// How a path did: forward with its round-trip times, and return.
    pub(super) fn series(&self, association: AssociationId, path: PathId) -> Option<[Series; 2]> {
        let record = self.paths.get(&(association, path))?;
        let [mut forward, mut back] = [Series::default(), Series::default()];
        let mut before: Option<Timestamp> = None;
        for sample in &record.samples {
            let at = sample.time.as_nanos();
            let step = before.map_or(APART, |before| sample.time.since(before));
            before = Some(sample.time);
            // A rate is that of the time before the sample.
            let from = at.saturating_sub(u64::try_from(step.as_nanos()).unwrap_or(u64::MAX));
            let seconds = step.as_secs_f64();
            forward.on_bytes(from, at, (f64::from(sample.forward) * seconds) as u64);
            back.on_bytes(from, at, (f64::from(sample.return_) * seconds) as u64);
            if sample.heartbeat_rtt_us > 0 {
                forward.on_rtt(at, i64::from(sample.heartbeat_rtt_us) * 1_000);
            }
            for _ in 0..sample.retransmissions.min(MOST_MARKS) {
                forward.on_retransmission(at);
            }
        }
        Some([forward, back])
    }
}

/// All open findings of an association, the worst first.
pub(super) fn findings(association: &AssociationView) -> Vec<&Finding> {
    let of_paths = association.paths.iter().flat_map(|path| &path.findings);
    let mut all: Vec<_> = association.findings.iter().chain(of_paths).collect();
    all.sort_by_key(|finding| (std::cmp::Reverse(finding.severity), finding.since));
    all
}

/// Counted in a loop: a plot needs no more.
const MOST_MARKS: u32 = 10_000;
