//! The state machine of a path: what the verdicts on its two directions, and its NIC, make of it.

use std::{collections::VecDeque, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    config::{Config, Vantage},
    model::{Direction, PathState, Reason, Timestamp},
    path::detector::{Judged, Verdict},
};

/// One (local address, remote address) pair of an association.
#[derive(Debug, Clone, Serialize, Deserialize)]
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
    /// and the reason if it changed. It is so since the evidence showed it, unless only time kept the path from being active or
    /// the NIC decides.
    pub(crate) fn conclude(
        &mut self,
        sent: Judged<'_>,
        received: Judged<'_>,
        nic: Option<Reason>,
        config: &Config,
        now: Timestamp,
    ) -> Option<(PathState, PathState, Reason)> {
        let (state, reason, shown_at) = match nic {
            Some(reason) => (PathState::Inactive, reason, None),
            None => judge(sent, received, config.vantage).or_else(|| self.ends_by_receiving(received))?,
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
        let shown_at = shown_at.filter(|_| !was_held);
        self.since = shown_at.map_or(now, |at| at.max(self.since).min(now));
        self.reason = Some(reason.clone());
        Some((from, state, reason))
    }

    /// What ends a doubt or a failure that was concluded from what the host receives.
    fn ends_by_receiving(&self, received: Judged<'_>) -> Option<(PathState, Reason, Option<Timestamp>)> {
        let Verdict::Alive(reason) = received.verdict else {
            return None;
        };
        let is_of_receiver = self.reason.as_ref().is_some_and(Reason::is_of_receiver);
        is_of_receiver.then(|| (PathState::Active, reason.clone(), received.since))
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
/// confirms a path that this host never probes; and where the peer's packets stay away, what the host sends does not help unless it
/// is answered later.
fn judge(
    sent: Judged<'_>,
    received: Judged<'_>,
    vantage: Vantage,
) -> Option<(PathState, Reason, Option<Timestamp>)> {
    let stays_away = match received.verdict {
        Verdict::Suspect(reason) | Verdict::Dead(reason) => {
            reason.is_of_receiver() && sent.proved_at <= received.since
        }
        _ => false,
    };
    let judged: &[Judged<'_>] = match vantage {
        Vantage::Endpoint if !stays_away => &[sent],
        Vantage::Endpoint | Vantage::Gateway => &[sent, received],
    };
    let worst = judged
        .iter()
        .filter_map(|judged| match judged.verdict {
            Verdict::Unknown => None,
            Verdict::Alive(reason) => Some((PathState::Active, reason, judged.since)),
            Verdict::Suspect(reason) => Some((PathState::PotentiallyFailed, reason, judged.since)),
            Verdict::Dead(reason) => Some((PathState::Inactive, reason, judged.since)),
        })
        .max_by_key(|(state, _, since)| (*state, *since));
    match (worst, received.verdict) {
        (Some((state, reason, since)), _) => Some((state, reason.clone(), since)),
        (None, Verdict::Alive(Reason::HeartbeatAnswered { .. })) => {
            Some((PathState::Active, Reason::PeerHeartbeatAnswered, received.since))
        }
        (None, _) => None,
    }
}
