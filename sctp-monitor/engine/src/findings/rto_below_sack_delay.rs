//! A sender retransmits what has arrived, because its time-out is shorter than the peer's delay of SACKs.
//!
//! A warning: nothing is lost, but each retransmission is an error to the sender, halves its rate and may move the association
//! to another path.

use std::fmt;

use crate::{
    findings::seen::PathSeen,
    model::{Direction, Evidence, Object, RtoBelowSackDelay, Severity, Short},
};

impl RtoBelowSackDelay {
    pub(crate) const SEVERITY: Severity = Severity::Warning;

    /// What to check next.
    pub(crate) fn check(&self, object: Object) -> String {
        let [sender, receiver] = match (object, self.direction) {
            (Object::Path(path), Direction::Forward) => {
                [path.local, path.remote].map(|address| address.to_string())
            }
            (Object::Path(path), Direction::Return) => {
                [path.remote, path.local].map(|address| address.to_string())
            }
            _ => ["the sender", "the receiver"].map(str::to_owned),
        };
        format!(
            "RTO.Min of {sender} (Linux: net.sctp.rto_min), which must exceed the SACK delay of {receiver} (Linux: \
             net.sctp.sack_timeout) and the round-trip time together"
        )
    }
}

impl fmt::Display for RtoBelowSackDelay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            direction,
            rto,
            sack_delay,
            retransmitted,
            chunks,
        } = self;
        write!(
            f,
            "RTO below the SACK delay, {direction} direction: {retransmitted} of {chunks} DATA chunks retransmitted after \
             {}, though they had arrived (the peer reports them as duplicates)",
            Short(*rto)
        )?;
        match sack_delay {
            Some(delay) => write!(f, "; the peer delays its SACKs by up to {}", Short(*delay)),
            None => f.write_str("; no SACK came sooner"),
        }
    }
}

/// Retransmissions of what has arrived, in either direction.
pub(super) fn rule(seen: &PathSeen<'_>) -> impl Iterator<Item = Evidence> {
    seen.flows().filter_map(|flow| {
        let timeouts = flow.too_soon.timeouts()?;
        Some(Evidence::RtoBelowSackDelay(RtoBelowSackDelay {
            direction: flow.member?.direction,
            rto: timeouts.rto,
            sack_delay: timeouts.sack_delay,
            retransmitted: timeouts.retransmitted,
            chunks: timeouts.chunks,
        }))
    })
}
