//! How the state of a path is shown: the colour is never the only one to tell.

use sctp_monitor_engine::model::PathState;

/// Class, sign and name of a state, as RFC 6458 and RFC 7829 name it.
pub(crate) fn shown(state: Option<PathState>) -> (&'static str, &'static str, &'static str) {
    match state {
        Some(PathState::Active) => ("active", "\u{25cf}", "active"),
        Some(PathState::PotentiallyFailed) => ("potentially_failed", "\u{25d0}", "potentially failed"),
        Some(PathState::Inactive) => ("inactive", "\u{2715}", "inactive"),
        Some(PathState::Unconfirmed) => ("unconfirmed", "\u{25cb}", "unconfirmed"),
        None => ("unknown", "?", "not judged"),
    }
}
