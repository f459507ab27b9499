//! From the time of whoever feeds the engine to the time of day.
//!
//! The engine's times are those of its feeder, which need not be times of day. What leaves for readers is dated once, at
//! the feeder: from there on every [`Timestamp`] is nanoseconds since 1970.

use crate::model::{
    AssociationView, Event, EventKind, Finding, FlowView, IncidentView, PathView, PhaseView, Snapshot,
    SteeredPath, SteeringProspect, SteeringView, Timestamp, UnfinishedHandshake,
};

/// What the feeder's clock shows, as a time of day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WallClock {
    /// Nanoseconds since 1970 when the feeder's clock showed zero; less than zero if it runs ahead.
    zero_ns: i128,
}

impl WallClock {
    /// Of a clock that showed zero so many nanoseconds after 1970 began, or before if less than zero.
    #[must_use]
    pub const fn with_zero_at(zero_ns: i128) -> Self {
        Self { zero_ns }
    }

    /// The time of day of a moment. Before 1970 it is 1970.
    #[must_use]
    pub fn date(self, time: Timestamp) -> Timestamp {
        let nanos = (self.zero_ns + i128::from(time.as_nanos())).max(0);
        Timestamp::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

/// What has times in it.
trait Dated {
    /// Makes times of day of them.
    fn date(&mut self, clock: WallClock);
}

impl Event {
    /// The same, with times of day.
    #[must_use]
    pub fn dated(mut self, clock: &WallClock) -> Self {
        self.time.date(*clock);
        match &mut self.kind {
            EventKind::Finding { finding, .. } => finding.date(*clock),
            EventKind::Incident { incident, .. } => incident.date(*clock),
            EventKind::HandshakeUnfinished(handshake) => handshake.date(*clock),
            EventKind::AssociationUp { .. }
            | EventKind::ShuttingDown { .. }
            | EventKind::ShutdownUnfinished { .. }
            | EventKind::AssociationError { .. }
            | EventKind::AnsweredFromElsewhere(_)
            | EventKind::AssociationGoesOn { .. }
            | EventKind::AbortUnknown { .. }
            | EventKind::AddressesChanged { .. }
            | EventKind::Translated { .. }
            | EventKind::CaptureLacks { .. }
            | EventKind::AssociationDown { .. }
            | EventKind::PathStateChanged { .. }
            | EventKind::NotProbed { .. }
            | EventKind::DataMoved { .. }
            | EventKind::SteeringStarted { .. }
            | EventKind::SteeringChanged { .. }
            | EventKind::SteeringEnded { .. }
            | EventKind::SteeringRefused { .. } => {}
        }
        self
    }
}

impl Dated for UnfinishedHandshake {
    fn date(&mut self, clock: WallClock) {
        self.first.date(clock);
        self.last.date(clock);
    }
}

impl Snapshot {
    /// The same, with times of day.
    #[must_use]
    pub fn dated(mut self, clock: &WallClock) -> Self {
        self.time.date(*clock);
        self.associations.date(*clock);
        self.incidents.date(*clock);
        self.findings.date(*clock);
        self
    }
}

impl AssociationView {
    /// The same, with times of day.
    #[must_use]
    pub fn dated(mut self, clock: &WallClock) -> Self {
        self.date(*clock);
        self
    }
}

impl IncidentView {
    /// The same, with times of day.
    #[must_use]
    pub fn dated(mut self, clock: &WallClock) -> Self {
        self.date(*clock);
        self
    }
}

impl Dated for Timestamp {
    fn date(&mut self, clock: WallClock) {
        *self = clock.date(*self);
    }
}

impl<T: Dated> Dated for Vec<T> {
    fn date(&mut self, clock: WallClock) {
        for one in self {
            one.date(clock);
        }
    }
}

impl<T: Dated> Dated for Box<T> {
    fn date(&mut self, clock: WallClock) {
        (**self).date(clock);
    }
}

impl<T: Dated> Dated for Option<T> {
    fn date(&mut self, clock: WallClock) {
        if let Some(one) = self {
            one.date(clock);
        }
    }
}

impl Dated for AssociationView {
    fn date(&mut self, clock: WallClock) {
        self.since.date(clock);
        if let PhaseView::Ended { at, .. } = &mut self.phase {
            at.date(clock);
        }
        self.findings.date(clock);
        self.paths.date(clock);
    }
}

impl Dated for PathView {
    fn date(&mut self, clock: WallClock) {
        self.since.date(clock);
        self.findings.date(clock);
        self.forward.date(clock);
        self.return_.date(clock);
        self.steering.date(clock);
    }
}

impl SteeredPath {
    /// The same, with times of day.
    #[must_use]
    pub fn dated(mut self, clock: &WallClock) -> Self {
        self.steering.date(*clock);
        self
    }
}

impl SteeringProspect {
    /// The same, with times of day.
    #[must_use]
    pub fn dated(mut self, clock: &WallClock) -> Self {
        self.steering.date(*clock);
        self
    }
}

impl Dated for SteeringView {
    fn date(&mut self, clock: WallClock) {
        self.since.date(clock);
    }
}

impl Dated for FlowView {
    fn date(&mut self, clock: WallClock) {
        self.first_seen.date(clock);
        self.last_seen.date(clock);
    }
}

impl Dated for Finding {
    fn date(&mut self, clock: WallClock) {
        self.since.date(clock);
    }
}

impl Dated for IncidentView {
    fn date(&mut self, clock: WallClock) {
        self.since.date(clock);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_day_follow_the_feeders_clock() {
        let at = Timestamp::from_nanos;
        let since_boot = WallClock::with_zero_at(1_700_000_000_000_000_000);
        assert_eq!(since_boot.date(at(5)), at(1_700_000_000_000_000_005));
        let ahead = WallClock::with_zero_at(-10);
        assert_eq!(ahead.date(at(12)), at(2));
        assert_eq!(ahead.date(at(9)), at(0), "not before 1970");
        assert_eq!(
            WallClock::with_zero_at(i128::from(u64::MAX)).date(at(9)),
            at(u64::MAX)
        );
    }
}
