//! In which state a path was, and when.

use jiff::Timestamp as WallTime;
use sctp_monitor_engine::model::PathState;

use super::super::story::{PathStory, Story};

/// A time in one state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span<'a> {
    pub(crate) from_ns: u64,
    pub(crate) to_ns: u64,
    pub(crate) state: PathState,
    /// Why it went into this state.
    pub(crate) reason: &'a str,
}

/// From the association's beginning to its end, or to the capture's.
pub(crate) fn of_path<'a>(path: &'a PathStory, story: &Story, end_ns: u64) -> Vec<Span<'a>> {
    let begin = nanoseconds(story.began);
    let end = story
        .ended
        .as_ref()
        .map_or(end_ns, |ending| nanoseconds(ending.at))
        .max(begin);
    let first = (begin, PathState::Unconfirmed, "");
    let changes: Vec<_> = std::iter::once(first)
        .chain(
            path.changes
                .iter()
                .map(|(at, to, reason)| (nanoseconds(*at).clamp(begin, end), *to, reason.as_str())),
        )
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
            reason,
        })
        .filter(|span| span.to_ns > span.from_ns)
        .collect()
}

/// Since 1970.
pub(crate) fn nanoseconds(at: WallTime) -> u64 {
    u64::try_from(at.as_nanosecond()).unwrap_or(0)
}
