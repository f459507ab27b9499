//! One probed path.

use std::time::Duration;

use bytemuck::Zeroable as _;
use sctp_monitor_common::abi::{Announcement, ProbeRecord};

use super::{request::ProbeRequest, sent::SentProbes, target::Target};
use crate::{
    config::{Config, ProbeConfig},
    model::{ProbeObstacle, ProbesView, RttView, Timestamp},
    path::odds::Odds,
};

/// A path, its probes, and what is known by them.
#[derive(Debug)]
pub(super) struct Probed {
    pub(super) index: u32,
    pub(super) generation: u32,
    pub(super) target: Target,
    /// What keeps it from being probed at present.
    pub(super) obstacle: Option<ProbeObstacle>,
    sequence: u32,
    pub(super) sent: SentProbes,
    pub(super) record: ProbeRecord,
    /// The last answer that was told on.
    pub(super) told_at_ns: u64,
    /// The round trip, by whatever else measures it.
    usual: Option<RttView>,
    /// It is probed until it is active again, whatever the mode.
    pub(super) is_kept: bool,
    /// What its probes tell an agent at the other end.
    pub(super) says: Announcement,
    /// It is dead by its probes.
    pub(super) is_down: bool,
    pub(super) trial: Option<Trial>,
    /// When the last trial ended without a result.
    pub(super) undecided_at: Option<Timestamp>,
    /// When the first trial began since answers are missing.
    pub(super) asking_since: Option<Timestamp>,
    /// When the next probe beside those of trials is due.
    pub(super) next_at: Option<Timestamp>,
    /// Probes before the first one was answered.
    first_tries: u32,
    pub(super) odds: Odds,
    totals: Totals,
    /// When it is to be looked at.
    pub(super) due: Option<Timestamp>,
}

/// A few probes on a path and its siblings, in short order.
#[derive(Debug, Clone, Copy)]
pub(super) struct Trial {
    pub(super) began_at: Timestamp,
    next_at: Timestamp,
}

#[derive(Debug, Clone, Copy, Default)]
struct Totals {
    sent: u64,
    old: u64,
    unanswered: u64,
    limited: u64,
    failed_last: bool,
}

impl Probed {
    pub(super) fn new(index: u32, generation: u32, target: Target, now: Timestamp) -> Self {
        Self {
            index,
            generation,
            target,
            obstacle: None,
            sequence: 0,
            sent: SentProbes::default(),
            record: ProbeRecord::zeroed(),
            told_at_ns: 0,
            usual: None,
            is_kept: false,
            says: Announcement::default(),
            is_down: false,
            trial: None,
            undecided_at: None,
            asking_since: None,
            next_at: Some(now),
            first_tries: 0,
            odds: Odds::of_heartbeats(),
            totals: Totals::default(),
            due: None,
        }
    }

    /// Nothing stands in the way: it is probed so. `true` if that is not as before.
    pub(super) fn follow(&mut self, target: Target, usual: UsualRtt, now: Timestamp) -> bool {
        // An idle path may have filled up since it was probed last. What DATA waits for holds the peer's delay of SACKs too: it
        // counts only where nothing better is new.
        let is_new = now.since(Timestamp::from_nanos(self.record.answered_at_ns)) < NEW;
        self.usual = longer(usual.heartbeats, usual.data.filter(|_| !is_new));
        if self.obstacle.take().is_some() {
            self.next_at = Some(now);
        }
        if self.target == target {
            return false;
        }
        // What was sent so is no evidence of how it is sent now.
        let fresh = Self::new(self.index, self.generation.wrapping_add(1).max(1), target, now);
        *self = Self {
            // A program may hold the old place still: its answers must not look newer than what is sent from now on.
            sequence: self.sequence,
            usual: self.usual,
            is_kept: self.is_kept,
            says: self.says,
            is_down: self.is_down,
            odds: self.odds,
            totals: self.totals,
            due: self.due,
            ..fresh
        };
        true
    }

    /// Something stands in the way.
    pub(super) fn pause(&mut self, obstacle: ProbeObstacle) {
        self.obstacle = Some(obstacle);
        self.trial = None;
        self.asking_since = None;
        self.next_at = None;
        self.sent.clear();
    }

    /// One was answered, as this path sends them now: that one is not answered tells something.
    pub(super) fn is_trusted(&self) -> bool {
        self.record.answered > 0 && self.leaves_rightly()
    }

    /// When the newest probe was sent that left this host.
    pub(super) fn left_until(&self) -> Timestamp {
        Timestamp::from_nanos(self.record.left_sent_at_ns)
    }

    pub(super) fn leaves_rightly(&self) -> bool {
        self.record.left > 0 && self.record.interface.if_index() == self.target.if_index
    }

    /// Takes what the programs know. `true` if one more was answered.
    pub(super) fn take_record(&mut self, record: &ProbeRecord, now: Timestamp) -> bool {
        let record = record.settled(&self.record);
        let is_answered = self.record.answered != record.answered;
        self.record = record;
        self.sent.take_answers(&record);
        let (old, unanswered) = self.sent.count_old(self.left_until(), now);
        self.totals.old += old;
        self.totals.unanswered += unanswered;
        if !self.is_down && self.is_trusted() && self.asking_since.is_none() {
            let narrow = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
            self.odds.count(narrow(old), narrow(unanswered));
        }
        is_answered
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.sent.are_waiting()
    }

    /// The time that an answer may take.
    pub(super) fn timeout(&self, config: &Config) -> Duration {
        let least = (config.probe.interval / 2).clamp(SHORTEST_TIMEOUT, config.rto_min);
        match longer(RttView::of(&self.record.rtt), self.usual) {
            Some(rtt) => rto(rtt).clamp(least, config.rto_max),
            None => config.rto_initial,
        }
    }

    /// An answer is missing since then, or none is.
    pub(super) fn on_doubt(&mut self, is_missing: bool, has_siblings: bool, now: Timestamp) {
        if !is_missing {
            if self.trial.is_none() {
                self.asking_since = None;
            }
            return;
        }
        let rests = self.undecided_at.is_some_and(|at| now.since(at) < REST);
        let may_ask = has_siblings && self.is_trusted() && self.obstacle.is_none();
        if self.trial.is_none() && !self.is_down && !rests && may_ask {
            self.asking_since.get_or_insert(now);
            self.trial = Some(Trial {
                began_at: now,
                next_at: now,
            });
        }
    }

    /// Whether its probes will tell soon whether it is dead: until then nobody else says so.
    pub(super) fn is_asking(&self, now: Timestamp) -> bool {
        self.trial.is_some() && self.asking_since.is_some_and(|at| now.since(at) < TRIAL)
    }

    /// The newest probe that should have been answered was not.
    pub(super) fn misses_one(&self, config: &Config, now: Timestamp) -> bool {
        self.sent.misses_one(self.timeout(config), now)
    }

    /// Whether a probe of the trial is due; the next one is then due a little later.
    pub(super) fn trial_is_due(&mut self, config: &ProbeConfig, now: Timestamp) -> bool {
        let Some(trial) = &mut self.trial else {
            return false;
        };
        if now.since(trial.began_at) >= TRIAL {
            self.trial = None;
            self.undecided_at = Some(now);
            return false;
        }
        let is_due = trial.next_at <= now;
        if is_due {
            trial.next_at = now + (config.interval / 2).clamp(CLOSEST, WIDEST);
        }
        is_due
    }

    /// Whether a probe beside those of trials is due; when the next one is follows from the mode.
    pub(super) fn regular_is_due(&mut self, config: &ProbeConfig, now: Timestamp) -> bool {
        if !self.wants_regular(config) {
            self.next_at = None;
            return false;
        }
        let is_due = self.next_at.is_some_and(|at| at <= now);
        if !is_due && self.next_at.is_some() {
            return false;
        }
        self.next_at = self.pause_before_next(config).map(|pause| now + pause);
        is_due
    }

    fn wants_regular(&self, config: &ProbeConfig) -> bool {
        self.obstacle.is_none()
            && (config.is_continuous() || self.is_kept || self.is_down || !self.is_trusted())
    }

    fn pause_before_next(&mut self, config: &ProbeConfig) -> Option<Duration> {
        if self.obstacle.is_some() {
            return None;
        }
        if config.is_continuous() {
            return Some(jittered(
                config.interval,
                u64::from(self.target.ack_tag) << 32 | u64::from(self.sequence),
            ));
        }
        if self.is_kept || self.is_down {
            return Some(KEEP);
        }
        if self.is_trusted() {
            return None;
        }
        let pause = FIRST_PAUSE * (1 << self.first_tries.min(6));
        self.first_tries += 1;
        Some(pause.min(LONGEST_PAUSE))
    }

    /// The next probe.
    pub(super) fn request(&mut self) -> ProbeRequest {
        self.sequence = self.sequence.wrapping_add(1);
        ProbeRequest {
            index: self.index,
            generation: self.generation,
            sequence: self.sequence,
            key: self.target.key,
            tag: self.target.tag,
            ack_tag: self.target.ack_tag,
            chunk_length: self.target.chunk_length,
            says: self.says,
        }
    }

    pub(super) fn on_limited(&mut self) {
        self.totals.limited += 1;
    }

    /// It was sent then, or could not be.
    pub(super) fn on_sent(&mut self, sequence: u32, at: Option<Timestamp>) {
        self.totals.failed_last = at.is_none();
        if let Some(at) = at {
            self.totals.sent += 1;
            self.sent.push(sequence, at);
        }
    }

    /// When the last one was sent.
    pub(super) fn last_sent_at(&self) -> Option<Timestamp> {
        self.sent.last_at()
    }

    /// When it is to be looked at next.
    pub(super) fn next_due(&self, config: &Config, now: Timestamp) -> Option<Timestamp> {
        if self.obstacle.is_some() {
            return None;
        }
        let due = [
            self.next_at,
            self.trial.map(|trial| trial.next_at),
            self.sent.next_overdue(self.timeout(config), now),
            self.sent.are_waiting().then(|| now + COUNTING),
        ];
        due.into_iter().flatten().min().map(|at| at.max(now + GRAIN))
    }

    /// What stands in the way, or what a reader should know beside the figures.
    pub(super) fn hindrance(&self) -> Option<ProbeObstacle> {
        if self.obstacle.is_some() {
            return self.obstacle;
        }
        if self.totals.failed_last {
            Some(ProbeObstacle::NotSent)
        } else if self.record.left > 0 && !self.leaves_rightly() {
            Some(ProbeObstacle::LeavesElsewhere)
        } else {
            (self.record.answered == 0).then_some(ProbeObstacle::NeverAnswered)
        }
    }

    pub(super) fn view(&self) -> ProbesView {
        let Totals {
            sent,
            old,
            unanswered,
            limited,
            ..
        } = self.totals;
        ProbesView {
            obstacle: self.hindrance(),
            sent,
            left: self.record.left.into(),
            answered: self.record.answered.into(),
            unanswered,
            loss_percent: (old > 0).then(|| unanswered as f32 * 100.0 / old as f32),
            rtt: RttView::of(&self.record.rtt),
            answered_elsewhere: self.record.answered_elsewhere.into(),
            ack_source: (self.record.answered_elsewhere > 0).then(|| self.record.ack_source.to_ip()),
            passed_on: self.record.passed.into(),
            limited,
        }
    }
}

/// A quarter longer or shorter, by chance: the same for the same number.
fn jittered(interval: Duration, number: u64) -> Duration {
    // SplitMix64 (G. L. Steele, D. Lea, C. H. Flood, "Fast splittable pseudorandom number generators", 2014).
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    let share = (mixed ^ (mixed >> 31)) >> 40;
    let unit = share as f64 / f64::from(1 << 24);
    interval.mul_f64(0.75 + unit / 2.0)
}

/// Round trips of a path as others measured them.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct UsualRtt {
    /// By the host's HEARTBEATs.
    pub(crate) heartbeats: Option<RttView>,
    /// By its DATA: with the peer's delay of SACKs.
    pub(crate) data: Option<RttView>,
}

/// What allows for more.
fn longer(one: Option<RttView>, other: Option<RttView>) -> Option<RttView> {
    one.into_iter().chain(other).max_by_key(|rtt| rto(*rtt))
}

/// RFC 9260 section 6.3.1.
fn rto(rtt: RttView) -> Duration {
    rtt.srtt + 4 * rtt.rttvar
}

/// How long an answer says how loaded a path is.
const NEW: Duration = Duration::from_secs(5);
/// Between the probes of a trial: as close as the interval allows, and so far from each other that one burst on the way does not
/// take them all.
pub(super) const CLOSEST: Duration = Duration::from_millis(5);
const WIDEST: Duration = Duration::from_millis(30);
/// A trial that has no result by then has none: the peer answers on no path.
const TRIAL: Duration = Duration::from_secs(1);
/// Before the next trial.
const REST: Duration = Duration::from_millis(500);
/// The agent's timers and the interrupts of both hosts take some milliseconds.
const SHORTEST_TIMEOUT: Duration = Duration::from_millis(10);
/// From one probe of a dead path to the next.
pub(super) const KEEP: Duration = Duration::from_secs(1);
/// Before a path is asked again that has never answered; doubled with each.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// How often answers are counted that nobody waits for.
const COUNTING: Duration = Duration::from_millis(500);
/// The agent's timers count milliseconds.
const GRAIN: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probes_come_a_quarter_sooner_or_later_and_on_average_in_time() {
        let interval = Duration::from_millis(100);
        let pauses: Vec<_> = (0..1_000).map(|number| jittered(interval, number)).collect();
        assert!(pauses.iter().all(|pause| (75..=125).contains(&pause.as_millis())));
        let mean = pauses.iter().sum::<Duration>() / 1_000;
        assert!((98..=102).contains(&mean.as_millis()), "{mean:?}");
        assert_eq!(jittered(interval, 7), pauses[7]);
    }
}
