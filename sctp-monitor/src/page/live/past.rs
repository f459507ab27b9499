//! What was, as a page shows it: events, the states of paths, findings that are over, and how paths did.

use std::collections::BTreeMap;

use sctp_monitor_engine::model::{
    AssociationId, AssociationView, Direction, EventKind, Finding, Object, PathId, Status, Timestamp,
};

use crate::{
    history::PathRecord,
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
    /// From when on all events are kept.
    kept_from: Timestamp,
    pub(crate) timeline: Timeline,
    pub(crate) incidents: Incidents,
    lines: Vec<Line>,
    paths: BTreeMap<(AssociationId, PathId), PathRecord>,
}

impl Past {
    /// Of these events and records, the oldest first. All events from `kept_from` on are among them, and none before `since`.
    pub(crate) fn new(
        since: Timestamp,
        kept_from: Timestamp,
        link: Link,
        lines: Vec<Line>,
        paths: Vec<PathRecord>,
    ) -> Self {
        let mut timeline = Timeline::newest(link);
        let mut incidents = Incidents::newest();
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
            kept_from,
            timeline,
            incidents,
            lines,
            paths,
        }
    }

    /// From when on something is shown of what was.
    pub(crate) fn begin(&self) -> Timestamp {
        self.since.max(self.kept_from)
    }

    /// The states of a path until now, as far as they are known: its state since it has it, and the one before a change since all changes
    /// are kept.
    pub(super) fn spans(&self, association: &AssociationView, path: PathId, now: Timestamp) -> Vec<Span<'_>> {
        let id = association.reference.id;
        let shown = self.since.max(association.since);
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
        let at_first = if let Some((_, from, ..)) = changes.first() {
            Some((*from, self.kept_from))
        } else {
            let known = association.paths.iter().find(|known| known.id == path);
            known.map(|known| (known.state, known.since))
        };
        let Some((at_first, known_from)) = at_first else {
            return Vec::new();
        };
        let begin = shown.max(known_from).as_nanos();
        let mut spans = vec![Span {
            from_ns: begin,
            to_ns: now.as_nanos().max(begin),
            state: at_first,
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

    /// How a path did, forward and return.
    pub(super) fn series(&self, association: AssociationId, path: PathId) -> Option<[Series; 2]> {
        let record = self.paths.get(&(association, path))?;
        let mut both = [Series::default(), Series::default()];
        for sample in &record.samples {
            let at = sample.time.as_nanos();
            for direction in Direction::BOTH {
                let series = &mut both[direction as usize];
                if let Some(rtt) = sample.measured(direction).heartbeat_rtt_us {
                    series.on_rtt(at, i64::from(rtt.get()) * 1_000);
                }
                let Some(crossed) = sample.crossed else {
                    continue;
                };
                let amount = crossed.amount(direction);
                let over_ms = u64::from(crossed.over_ms.get());
                // A rate is that of the time before the sample.
                let from = at.saturating_sub(over_ms * 1_000_000);
                series.on_bytes(from, at, u64::from(amount.rate) * over_ms / 1_000);
                for _ in 0..amount.retransmissions.min(MOST_MARKS) {
                    series.on_retransmission(at);
                }
            }
        }
        Some(both)
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
