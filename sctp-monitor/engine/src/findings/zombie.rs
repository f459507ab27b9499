//! The peer's host lives, the association does not.
//!
//! Critical: HEARTBEATs are answered, so that nobody else notices.

use serde::{Deserialize, Serialize};

use crate::{
    config::{Config, Vantage},
    findings::seen::Surroundings,
    model::{Direction, Evidence, Severity, Short, Side, Sides, Timestamp, Zombie},
    path::flows::Flows,
    registry::association::{Association, Phase},
};

impl Zombie {
    pub(crate) const SEVERITY: Severity = Severity::Critical;

    /// What to check next.
    pub(crate) fn check(&self, sides: Sides) -> String {
        let whose = match (self, sides) {
            (Self::NobodyReads { side, .. }, _) => format!("{} application: it holds", whose(sides, *side)),
            (_, Sides::ThisHost) => "the peer's application: it holds".to_owned(),
            (_, Sides::Initiator | Sides::SideA) => {
                "the applications of both sides: one of them holds".to_owned()
            }
        };
        format!("{whose} the association, but does not serve it")
    }

    /// How it is dead alive.
    pub(super) fn words(&self, sides: Sides) -> String {
        match self {
            Self::NobodyReads {
                side,
                window_zero_for,
            } => format!(
                "zombie: {} receiver window is zero for {}",
                whose(sides, *side),
                Short(*window_zero_for)
            ),
            Self::AnswersAfterEnd => {
                "zombie: the association was ended, but its HEARTBEATs are still answered".to_owned()
            }
            Self::ShutdownPending { pending } => {
                format!("zombie: shutdown not finished for {}", Short(*pending))
            }
        }
    }
}

/// On a host only the peer is judged.
fn whose(sides: Sides, side: Side) -> String {
    match sides {
        Sides::ThisHost => "the peer's".to_owned(),
        Sides::Initiator | Sides::SideA => format!("{}'s", sides.endpoint(side)),
    }
}

/// Since when endpoints advertise no window, by side. It is kept from look to look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ZeroWindows([Option<Timestamp>; 2]);

impl ZeroWindows {
    /// Whether no window is zero.
    pub(super) fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// How an association is dead alive.
pub(super) fn rule(
    association: &Association,
    around: Surroundings<'_>,
    config: &Config,
    zero_windows: &mut ZeroWindows,
) -> Vec<Evidence> {
    let zombies = zombies(association, around, config, zero_windows);
    zombies.into_iter().map(Evidence::Zombie).collect()
}

fn zombies(
    association: &Association,
    around: Surroundings<'_>,
    config: &Config,
    zero_windows: &mut ZeroWindows,
) -> Vec<Zombie> {
    let Surroundings { flows, now, .. } = around;
    let after = config.zombie_after;
    // On a host only what the host itself sends is judged by its answers.
    let judged: &[Direction] = match config.vantage {
        Vantage::Endpoint => &[Direction::Forward],
        Vantage::Gateway => &Direction::BOTH,
    };
    let answers_long_after = |at: Timestamp| {
        let asked = judged
            .iter()
            .flat_map(|direction| flows.all_of(association.flows(*direction)));
        let alive = asked.filter_map(|flow| flow.detector.alive_at()).max();
        alive.is_some_and(|alive| alive > at + after / 2)
    };
    match association.phase() {
        Phase::Ended { at, .. } => {
            let answers = answers_long_after(*at).then_some(Zombie::AnswersAfterEnd);
            return answers.into_iter().collect();
        }
        Phase::ShuttingDown { since, .. } => {
            let pending = now.since(*since);
            let is_zombie = pending >= after && answers_long_after(*since);
            let zombie = is_zombie.then_some(Zombie::ShutdownPending { pending });
            return zombie.into_iter().collect();
        }
        Phase::Opening | Phase::Established => {}
    }
    let nobody_reads = |direction: &Direction| {
        let answering = direction.reversed();
        let side = Side::sending(answering);
        let zero_since = &mut zero_windows.0[answering as usize];
        if newest_window(flows, association, answering) != Some(0) {
            *zero_since = None;
            return None;
        }
        let window_zero_for = now.since(*zero_since.get_or_insert(now));
        (window_zero_for >= after).then_some(Zombie::NobodyReads {
            side,
            window_zero_for,
        })
    };
    judged.iter().filter_map(nobody_reads).collect()
}

/// The receiver window that the endpoint which sends in this direction advertised last.
fn newest_window(flows: &Flows, association: &Association, direction: Direction) -> Option<u32> {
    flows
        .all_of(association.flows(direction))
        .filter(|flow| flow.view.a_rwnd.is_some())
        .max_by_key(|flow| flow.view.last_seen)
        .and_then(|flow| flow.view.a_rwnd)
}
