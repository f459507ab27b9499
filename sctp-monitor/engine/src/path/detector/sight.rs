//! What counts after packets were not seen for a while.

use super::{Detector, Tries, TwiceInSilence, received::Received, verdict::Verdict};
use crate::model::Timestamp;

impl Detector {
    /// Packets that answer this flow's, or are its own, were not seen until now. What is thought already stays until something
    /// proves otherwise; what was sent before and is not answered is no evidence.
    pub(crate) fn on_seen_again(&mut self, now: Timestamp) {
        self.seen_since = now;
        self.data.wait = None;
        self.data.tries = Tries::default();
        self.data.twice_in_silence = TwiceInSilence::default();
        self.received = Received::default();
        self.probes.missing_since = None;
        if matches!(self.verdict, Verdict::Suspect(_) | Verdict::Dead(_)) && self.doubted.is_none() {
            self.doubted = Some(Box::new((now, self.verdict.clone())));
        }
    }

    /// Since when packets are seen without a gap, if there ever was one.
    pub(crate) fn seen_since(&self) -> Timestamp {
        self.seen_since
    }

    /// Whether it was dead, and nothing has proved since that it works.
    pub(super) fn is_dead_since_proof(&self) -> bool {
        matches!(self.verdict, Verdict::Dead(_))
            && self.since.is_some_and(|since| self.alive_at < Some(since))
    }

    /// Whether an answer to what was sent at that time may have passed unseen.
    pub(super) fn may_be_answered_unseen(&self, sent_at: Timestamp) -> bool {
        sent_at < self.seen_since
    }
}
