//! In which state a path was, and when.

use sctp_monitor_engine::model::{PathId, PathState};

use super::super::story::Story;
use crate::page::span::Span;

/// From the association's beginning to its end, or to the capture's.
pub(crate) fn of_path(path: PathId, story: &Story, end_ns: u64) -> Vec<Span<'_>> {
    let begin = story.view.since.as_nanos();
    let end = story.end().map_or(end_ns, |(at, _)| at.as_nanos()).max(begin);
    let first = (begin, PathState::Unconfirmed, None);
    let changes: Vec<_> = std::iter::once(first)
        .chain(story.changes(path).iter().map(|change| {
            let at = change.time.as_nanos().clamp(begin, end);
            (at, change.to, Some(&change.reason))
        }))
        .collect();
    let ends = changes
        .iter()
        .skip(1)
        .map(|(at, ..)| *at)
        .chain(std::iter::once(end));
    changes
        .iter()
        .zip(ends)
        .map(|((from_ns, state, reason), to_ns)| Span {
            from_ns: *from_ns,
            to_ns: to_ns.max(*from_ns),
            state: *state,
            reason: *reason,
        })
        .filter(|span| span.to_ns > span.from_ns)
        .collect()
}
