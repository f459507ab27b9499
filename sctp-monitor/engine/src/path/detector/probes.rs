//! What the agent's own probes tell of a flow, and when it should send some.
//!
//! An answered probe proves that the path works, as an answered heartbeat does, but it is no answer to what the host sent: what is
//! lost of that goes on being counted. Unanswered probes are weighed elsewhere, against those of other paths.

use std::time::Duration;

use sctp_monitor_common::abi::FlowRecord;

use super::{Context, Detector, Verdict, heartbeat_rto};
use crate::{
    config::Config,
    model::{Reason, Timestamp},
};

impl Detector {
    /// When the oldest packet was sent whose answer is missing: it is time to ask.
    pub(crate) fn missing_since(&self) -> Option<Timestamp> {
        self.probes.missing_since
    }

    /// A probe was answered.
    pub(crate) fn on_probe_answered(&mut self, at: Timestamp, rtt: Duration) {
        self.probes.answered_at = self.probes.answered_at.max(Some(at));
        self.forget_outage(at - rtt);
        self.on_alive(at, Reason::ProbeAnswered { rtt });
        if self.heartbeats.last_missed.is_none_or(|last| last < at) {
            self.heartbeats.missed = 0;
            self.heartbeats.first_missed = None;
        }
        // What is thought because DATA is missing, its own answers change.
        let is_about_data = matches!(self.verdict, Verdict::Suspect(Reason::DataUnacknowledged { .. }));
        if !is_about_data && self.doubted.is_none() {
            self.decide(self.weigh_signs(), at);
        }
    }

    /// The path works at that time. What was lost before by an outage says nothing of it, and where the sender has turned to
    /// another path nothing else is going to.
    fn forget_outage(&mut self, works_at: Timestamp) {
        let is_dead = matches!(self.verdict, Verdict::Dead(_));
        let is_before = self.data.missed_at.is_some_and(|at| at < works_at);
        if is_dead && is_before && self.data.wait.is_none() {
            self.data.missed = 0;
            self.data.first_missed = None;
        }
    }

    /// Probes were not answered, the first of them sent at that time, while the peer answered others on another path. `false` if
    /// that is not believed: something else was answered since.
    pub(crate) fn on_probes_unanswered(
        &mut self,
        reason: Reason,
        first_sent_at: Timestamp,
        now: Timestamp,
    ) -> bool {
        if self.alive_at.is_some_and(|at| at >= first_sent_at) {
            return false;
        }
        let verdict = Verdict::Dead(reason);
        self.doubted = Some(Box::new((first_sent_at, verdict.clone())));
        self.data.outage_until = Some(self.last.highest_sent);
        self.decide(verdict, now);
        true
    }

    /// Whether a probe was answered after that time.
    pub(super) fn probe_answered_since(&self, since: Timestamp) -> bool {
        self.probes.answered_at.is_some_and(|at| at > since)
    }

    /// Notes what should have been answered by now, if the peer did not stand still for a moment.
    pub(super) fn look_for_missing_answers(
        &mut self,
        record: &FlowRecord,
        context: Context,
        config: &Config,
        now: Timestamp,
    ) {
        self.probes.missing_since = None;
        if !config.probe.is_on() {
            return;
        }
        if context.answers_are_seen {
            let rto = heartbeat_rto(record, config)
                .or_else(|| self.rtt.rto(config))
                .unwrap_or(config.rto_initial);
            for heartbeat in record.outstanding {
                let sent_at = Timestamp::from_nanos(heartbeat.sent_at_ns);
                let is_answered = self.heartbeats.answered == Some(heartbeat.fingerprint)
                    || self.alive_at.is_some_and(|at| at > sent_at);
                let is_unseen = self.may_be_answered_unseen(sent_at);
                if heartbeat.sent_at_ns != 0 && heartbeat.padded == 0 && !is_answered && !is_unseen {
                    self.note_missing(sent_at, sent_at + rto, now);
                }
            }
        }
        if context.sacks_are_seen
            && let Some(wait) = self.data.wait
        {
            let due = wait.obliged_at(config) + self.data_rto(record, config);
            self.note_missing(wait.sent_at, due, now);
        }
    }

    fn note_missing(&mut self, sent_at: Timestamp, due: Timestamp, now: Timestamp) {
        if now < due {
            return self.look_again(due);
        }
        let known = self.probes.missing_since;
        self.probes.missing_since = Some(known.map_or(sent_at, |known| known.min(sent_at)));
    }
}
