//! One association as its endpoint sees it: what it has sent and received, and when something came last.

use sctp_monitor_lab::clock::MonotonicNs;
use sctp_monitor_lab::endpoint::Traffic;

/// An association and its counts.
#[derive(Debug)]
pub(crate) struct Association {
    /// The socket it belongs to, by number.
    pub(crate) socket: usize,
    /// The stack's id for it, unique within its socket.
    pub(crate) id: u32,
    pub(crate) is_up: bool,
    /// Whether a send has failed for another reason than a full buffer: that is reported once.
    pub(crate) has_failed: bool,
    counts: Traffic,
    next_sequence: u64,
    highest_sequence: Option<u64>,
    last_delivery_ns: Option<MonotonicNs>,
    /// Whether the last part of a message has not come yet.
    is_amid_message: bool,
}

impl Association {
    pub(crate) fn new(socket: usize, id: u32) -> Self {
        Self {
            socket,
            id,
            is_up: true,
            has_failed: false,
            counts: Traffic::default(),
            next_sequence: 0,
            highest_sequence: None,
            last_delivery_ns: None,
            is_amid_message: false,
        }
    }

    pub(crate) fn counts(&self) -> Traffic {
        // An echo or a peer that sends short messages numbers nothing, and nothing is missing then.
        let numbered = self.highest_sequence.map_or(0, |highest| highest + 1);
        Traffic {
            missing: numbered.saturating_sub(self.counts.received),
            ..self.counts
        }
    }

    /// The number of the next message; the stream takes turns with it.
    pub(crate) fn next_sequence(&self) -> u64 {
        self.next_sequence
    }

    pub(crate) fn on_sent(&mut self) {
        self.counts.sent += 1;
        self.next_sequence += 1;
    }

    pub(crate) fn on_refused(&mut self) {
        self.counts.refused += 1;
    }

    /// Counts what was delivered and answers the silence before it, if a whole message came and one came before.
    pub(crate) fn on_delivery(
        &mut self,
        time_ns: MonotonicNs,
        bytes: &[u8],
        is_complete: bool,
    ) -> Option<u64> {
        if !self.is_amid_message
            && let Some(sequence) = bytes.first_chunk()
        {
            self.highest_sequence = self.highest_sequence.max(Some(u64::from_be_bytes(*sequence)));
        }
        self.is_amid_message = !is_complete;
        if !is_complete {
            return None;
        }
        self.counts.received += 1;
        let gap_ns = self
            .last_delivery_ns
            .map(|last_ns| time_ns.saturating_sub(last_ns));
        self.counts.largest_gap_ns = self.counts.largest_gap_ns.max(gap_ns.unwrap_or(0));
        self.last_delivery_ns = Some(time_ns);
        gap_ns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(sequence: u64) -> [u8; 8] {
        sequence.to_be_bytes()
    }

    #[test]
    fn gaps_and_missing_messages_are_counted() {
        let mut association = Association::new(0, 1);
        assert_eq!(association.on_delivery(100, &message(0), true), None);
        assert_eq!(association.on_delivery(150, &message(1), true), Some(50));
        assert_eq!(association.on_delivery(250, &message(4), true), Some(100));
        let expected = Traffic {
            received: 3,
            missing: 2,
            largest_gap_ns: 100,
            ..Traffic::default()
        };
        assert_eq!(association.counts(), expected);
    }

    #[test]
    fn a_message_in_parts_counts_once_and_is_numbered_by_its_first() {
        let mut association = Association::new(0, 1);
        assert_eq!(association.on_delivery(1, &message(0), false), None);
        assert_eq!(association.on_delivery(2, &message(u64::MAX), true), None);
        assert_eq!(association.counts().received, 1);
        assert_eq!(association.counts().missing, 0);
    }
}
