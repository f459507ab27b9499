//! The peer's host lives, the association does not.
//!
//! Critical: HEARTBEATs are answered, so that nobody else notices.

use std::fmt;

use crate::{
    config::Config,
    findings::seen::Surroundings,
    model::{Direction, Evidence, Severity, Short, Timestamp, Zombie},
    registry::association::{Association, Phase},
};

impl Zombie {
    pub(crate) const SEVERITY: Severity = Severity::Critical;

    /// What to check next.
    pub(crate) fn check() -> String {
        "the peer's application: it holds the association, but does not serve it".to_owned()
    }
}

impl fmt::Display for Zombie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NobodyReads { window_zero_for } => {
                write!(
                    f,
                    "zombie: the peer's receiver window is zero for {}",
                    Short(*window_zero_for)
                )
            }
            Self::AnswersAfterEnd => {
                f.write_str("zombie: the association was ended, but its HEARTBEATs are still answered")
            }
            Self::ShutdownPending { pending } => {
                write!(f, "zombie: shutdown not finished for {}", Short(*pending))
            }
        }
    }
}

/// How an association is dead alive. `window_zero_since` is kept from look to look: since when the peer advertises no
/// window.
pub(super) fn rule(
    association: &Association,
    around: Surroundings<'_>,
    config: &Config,
    window_zero_since: &mut Option<Timestamp>,
) -> Option<Evidence> {
    zombie(association, around, config, window_zero_since).map(Evidence::Zombie)
}

fn zombie(
    association: &Association,
    around: Surroundings<'_>,
    config: &Config,
    window_zero_since: &mut Option<Timestamp>,
) -> Option<Zombie> {
    let Surroundings { flows, now, .. } = around;
    let after = config.zombie_after;
    let answers_long_after = |at: Timestamp| {
        let alive = flows
            .all_of(association.flows(Direction::Forward))
            .filter_map(|flow| flow.detector.alive_at());
        alive.max().is_some_and(|alive| alive > at + after / 2)
    };
    match association.phase() {
        Phase::Ended { at, .. } => return answers_long_after(*at).then_some(Zombie::AnswersAfterEnd),
        Phase::ShuttingDown { since, .. } => {
            let pending = now.since(*since);
            let is_zombie = pending >= after && answers_long_after(*since);
            return is_zombie.then_some(Zombie::ShutdownPending { pending });
        }
        Phase::Opening | Phase::Established => {}
    }
    let newest_window = flows
        .all_of(association.flows(Direction::Return))
        .filter(|flow| flow.view.a_rwnd.is_some())
        .max_by_key(|flow| flow.view.last_seen)
        .and_then(|flow| flow.view.a_rwnd);
    if newest_window != Some(0) {
        *window_zero_since = None;
        return None;
    }
    let since = *window_zero_since.get_or_insert(now);
    (now.since(since) >= after).then(|| Zombie::NobodyReads {
        window_zero_for: now.since(since),
    })
}
