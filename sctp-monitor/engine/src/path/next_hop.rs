//! A path on which nothing passes because its next hop does not answer the host.
//!
//! A packet whose next hop is not resolved reaches no NIC, so nothing goes unanswered there: a path may be silent because it is
//! idle, and because nothing can leave. The neighbour table tells which, where something says that it should not be silent: an
//! answer that is missing, or HEARTBEATs that stay out of their rhythm. Without either nobody asks, and an entry that is not
//! there says nothing: it is dropped when nothing was sent for a while.

use std::time::Duration;

use crate::{
    model::{Neighbour, NextHop, Reason, Timestamp},
    path::{detector::Verdict, flow::Flow},
};

impl Flow {
    /// Whether the next hop of this flow, whose opposite one is `back`, tells anything: an answer is missing, or nothing was heard
    /// for longer than this host's HEARTBEATs are apart.
    pub(crate) fn asks_for_next_hop(&self, back: Option<&Self>, now: Timestamp) -> bool {
        match self.verdict() {
            Verdict::Suspect(_) => true,
            Verdict::Dead(reason) => reason.is_next_hop(),
            Verdict::Unknown | Verdict::Alive(_) => self
                .rhythm
                .overdue_after()
                .is_some_and(|limit| self.silent_for(back, now) > limit),
        }
    }

    /// How long nothing was heard on the path of this flow, whose opposite one is `back`.
    pub(crate) fn silent_for(&self, back: Option<&Self>, now: Timestamp) -> Duration {
        let heard_at = back.map(|back| back.heard_at).max(self.detector.alive_at());
        now.since(heard_at.unwrap_or(self.view.first_seen))
    }

    /// Takes what the neighbour table held at `read_at` of the next hop, on the NIC of that name.
    pub(crate) fn on_next_hop(
        &mut self,
        hop: NextHop,
        interface: String,
        silent_for: Duration,
        read_at: Timestamp,
    ) {
        let next_hop = hop.address;
        match hop.neighbour {
            Neighbour::Absent => self.unresolved_since = None,
            Neighbour::Resolved => {
                self.unresolved_since = None;
                self.detector
                    .on_resolved(Reason::NextHopResolved { next_hop, interface }, read_at);
            }
            Neighbour::Incomplete | Neighbour::Failed => {
                let since = *self.unresolved_since.get_or_insert(read_at);
                let is_lost = hop.neighbour == Neighbour::Failed || read_at.since(since) >= RESOLVED_WITHIN;
                // The doubt keeps its date: an answer may have come meanwhile.
                if is_lost && !matches!(self.verdict(), Verdict::Dead(_)) {
                    let reason = Reason::NextHopUnresolved {
                        next_hop,
                        interface,
                        neighbour: hop.neighbour,
                        silent_for,
                    };
                    self.detector.on_cut_off(&reason, read_at);
                }
            }
        }
    }
}

/// By then a host has asked twice for a neighbour that it did not know (RETRANS_TIMER is 1 s, RFC 4861 section 10; Linux does the
/// same by ARP).
const RESOLVED_WITHIN: Duration = Duration::from_secs(2);
