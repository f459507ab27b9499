//! The state machine of a path: what the verdicts on its two directions, and its NIC, make of it.

use std::{collections::VecDeque, time::Duration};

use crate::{
    config::{Config, Vantage},
    model::{Direction, PathState, Reason, Timestamp},
    path::detector::Verdict,
};

/// One (local address, remote address) pair of an association.
#[derive(Debug, Clone)]
pub struct Path {
    state: PathState,
    since: Timestamp,
    reason: Option<Reason>,
    /// Slots of its flows, by direction.
    flows: [Option<u32>; 2],
    /// It has been active.
    confirmed: bool,
    known_since: Timestamp,
    /// When it failed, as far back as matters for flapping.
    failures: VecDeque<Timestamp>,
    /// Since when it works again, while it is not trusted yet.
    works_since: Option<Timestamp>,
}

impl Path {
    pub(crate) fn new(now: Timestamp) -> Self {
        Self {
            state: PathState::Unconfirmed,
            since: now,
            reason: None,
            flows: [None; 2],
            confirmed: false,
            known_since: now,
            failures: VecDeque::new(),
            works_since: None,
        }
    }

    /// The state of the path.
    #[must_use]
    pub fn state(&self) -> PathState {
        self.state
    }

    /// Since when it has this state.
    #[must_use]
    pub fn since(&self) -> Timestamp {
        self.since
    }

    /// Why it has this state; `None` while nothing was found out.
    #[must_use]
    pub fn reason(&self) -> Option<&Reason> {
        self.reason.as_ref()
    }

    /// The slot of the flow in a direction, if anything was seen of it.
    #[must_use]
    pub fn flow(&self, direction: Direction) -> Option<u32> {
        self.flows[direction as usize]
    }

    /// The slot of a flow of it, if anything was seen: of the forward direction if there is one.
    pub(crate) fn any_flow(&self) -> Option<u32> {
        self.flows.into_iter().flatten().next()
    }

    /// The endpoints have changed their names.
    pub(crate) fn turn(&mut self) {
        self.flows.reverse();
    }

    pub(crate) fn set_flow(&mut self, direction: Direction, slot: Option<u32>) {
        self.flows[direction as usize] = slot;
    }

    /// Whether it was ever proved to work.
    pub(crate) fn is_confirmed(&self) -> bool {
        self.confirmed
    }

    /// How long it is known without ever having worked.
    pub(crate) fn unconfirmed_for(&self, now: Timestamp) -> Option<Duration> {
        (!self.confirmed).then(|| now.since(self.known_since))
    }

    /// Whether it is down by its NIC.
    pub(crate) fn is_cut_off(&self) -> bool {
        self.state == PathState::Inactive && self.reason.as_ref().is_some_and(Reason::is_nic)
    }

    /// Failures within the window, if they are so many that the path is not trusted.
    pub(crate) fn flapping(&self, config: &Config, now: Timestamp) -> Option<usize> {
        let recent = self
            .failures
            .iter()
            .filter(|at| now.since(**at) <= config.flap_window)
            .count();
        (recent >= config.flap_failures as usize).then_some(recent)
    }

    /// Whether only time keeps it from being active.
    pub(crate) fn is_held(&self) -> bool {
        self.works_since.is_some()
    }

    /// Draws the conclusion from what is thought of both directions and of the NIC. Gives the old state, the new one
    /// and the reason if it changed. A path that works does so since its proof came, at `alive_since`, unless only time kept it
    /// from being active; all else is found out now.
    pub(crate) fn conclude(
        &mut self,
        sent: &Verdict,
        received: &Verdict,
        nic: Option<Reason>,
        alive_since: Option<Timestamp>,
        config: &Config,
        now: Timestamp,
    ) -> Option<(PathState, PathState, Reason)> {
        let (state, reason) = match nic {
            Some(reason) => (PathState::Inactive, reason),
            None => judge(sent, received, config.vantage)?,
        };
        let from = self.state;
        if state == from {
            self.works_since = None;
            // Its link is back and it is dead nevertheless, or the other way round.
            if self
                .reason
                .as_ref()
                .is_some_and(|known| known.is_nic() != reason.is_nic())
            {
                self.reason = Some(reason);
            }
            return None;
        }
        if from == PathState::Unconfirmed && state == PathState::PotentiallyFailed {
            return None;
        }
        if from == PathState::Inactive && self.is_distrusted(state, config, now) {
            return None;
        }
        if state == PathState::Inactive {
            while self
                .failures
                .front()
                .is_some_and(|at| now.since(*at) > config.flap_window)
            {
                self.failures.pop_front();
            }
            self.failures.push_back(now);
        }
        let was_held = self.works_since.take().is_some();
        self.confirmed |= state == PathState::Active;
        self.state = state;
        let proved_at = alive_since.filter(|_| state == PathState::Active && !was_held);
        self.since = proved_at.map_or(now, |at| at.max(self.since).min(now));
        self.reason = Some(reason.clone());
        Some((from, state, reason))
    }

    /// A path that keeps failing stays inactive until it has worked for a while.
    fn is_distrusted(&mut self, state: PathState, config: &Config, now: Timestamp) -> bool {
        if self.flapping(config, now).is_none() && self.works_since.is_none() {
            return false;
        }
        if state != PathState::Active {
            self.works_since = None;
            return true;
        }
        let since = *self.works_since.get_or_insert(now);
        now.since(since) < config.flap_hold
    }
}

/// A path is as good as its worse direction. On an endpoint only what the host itself sends can be missed: what the
/// peer sends and this host does not answer says nothing of the path. But it proves that the return direction works, which
/// confirms a path that this host never probes.
fn judge(sent: &Verdict, received: &Verdict, vantage: Vantage) -> Option<(PathState, Reason)> {
    let judged: &[&Verdict] = match vantage {
        Vantage::Endpoint => &[sent],
        Vantage::Gateway => &[sent, received],
    };
    let worst = judged
        .iter()
        .filter_map(|verdict| match verdict {
            Verdict::Unknown => None,
            Verdict::Alive(reason) => Some((PathState::Active, reason)),
            Verdict::Suspect(reason) => Some((PathState::PotentiallyFailed, reason)),
            Verdict::Dead(reason) => Some((PathState::Inactive, reason)),
        })
        .max_by_key(|(state, _)| *state);
    match (worst, received) {
        (Some((state, reason)), _) => Some((state, reason.clone())),
        (None, Verdict::Alive(Reason::HeartbeatAnswered { .. })) => {
            Some((PathState::Active, Reason::PeerHeartbeatAnswered))
        }
        (None, _) => None,
    }
}
