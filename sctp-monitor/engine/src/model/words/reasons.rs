//! Why a path has its state, in words.

use std::fmt;

use sctp_monitor_common::abi::tsn_after;

use crate::model::{Reason, Short, words::plural};

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HeartbeatAnswered { rtt } => write!(f, "HEARTBEAT answered after {}", Short(*rtt)),
            Self::DataAcknowledged { after: None } => f.write_str("DATA acknowledged"),
            Self::DataAcknowledged { after: Some(after) } => {
                write!(f, "DATA acknowledged, {} after the last answer", Short(*after))
            }
            Self::HandshakeCompleted => {
                f.write_str("handshake completed: COOKIE ECHO answered by COOKIE ACK")
            }
            Self::PeerHeartbeatAnswered => f.write_str("HEARTBEAT of the peer arrived and was answered"),
            Self::HeartbeatUnanswered {
                sent_ago,
                timeout,
                misses,
                last_alive_ago,
            } => {
                let (sent_ago, timeout) = (Short(*sent_ago), Short(*timeout));
                write!(f, "HEARTBEAT unanswered for {sent_ago} (limit {timeout}")?;
                if *misses > 1 {
                    write!(f, "; {misses} in a row")?;
                }
                f.write_str(")")?;
                last_answer(f, *last_alive_ago)
            }
            Self::DataUnacknowledged {
                tsn,
                cum_tsn_ack,
                sent_ago,
                timeout,
                packets,
                missed,
                tries,
                last_alive_ago,
            } => {
                write!(f, "no SACK for TSN {tsn} for {} (", Short(*sent_ago))?;
                // Retransmissions of an impatient sender tell sooner.
                if sent_ago >= timeout {
                    write!(f, "limit {}; ", Short(*timeout))?;
                }
                write!(
                    f,
                    "{} overdue, {} sent since",
                    plural(u64::from(*missed), "SACK"),
                    plural(u64::from(*packets), "packet"),
                )?;
                if *tries > 0 {
                    write!(f, ", retransmitted {}", plural(u64::from(*tries), "time"))?;
                }
                // It is 0 where no SACK was seen.
                if *cum_tsn_ack != 0 && !tsn_after(*tsn, *cum_tsn_ack) {
                    f.write_str("; acknowledged later")?;
                }
                f.write_str(")")?;
                last_answer(f, *last_alive_ago)
            }
            Self::ProbeAnswered { rtt } => write!(f, "probe answered after {}", Short(*rtt)),
            Self::ProbesUnanswered {
                probes,
                sent_ago,
                timeout,
                sibling,
                sibling_probes,
                sibling_answered,
                last_alive_ago,
            } => {
                write!(
                    f,
                    "{} unanswered for {} (limit {}), {sibling_answered} of {sibling_probes} answered on {sibling}",
                    plural(u64::from(*probes), "probe"),
                    Short(*sent_ago),
                    Short(*timeout),
                )?;
                last_answer(f, *last_alive_ago)
            }
            Self::IcmpError { what, reporter } => write!(f, "ICMP error from {reporter}: {}", what.words()),
            Self::AnswersLost { chunks, silent_for } => write!(
                f,
                "DATA arrives, but no SACK comes back: {} retransmitted although received, no packet on this path \
                 for {}",
                plural(u64::from(*chunks), "chunk"),
                Short(*silent_for)
            ),
            Self::NextHopUnresolved {
                next_hop,
                interface,
                neighbour,
                silent_for,
            } => write!(
                f,
                "next hop {next_hop} on {interface} does not answer {}: neighbour entry {neighbour}; nothing heard on \
                 this path for {}",
                if next_hop.is_ipv4() {
                    "ARP"
                } else {
                    "neighbour solicitations"
                },
                Short(*silent_for)
            ),
            Self::NextHopResolved { next_hop, interface } => write!(
                f,
                "next hop {next_hop} on {interface} is known again; no answer from the peer yet"
            ),
            Self::DataElsewhere {
                missing,
                duplicates,
                silent_for,
            } => {
                let part = |count: u32, what| {
                    (count > 0).then(|| format!("{} {what}", plural(count.into(), "chunk")))
                };
                let parts = [
                    part(*missing, "that had not arrived"),
                    part(*duplicates, "that had arrived"),
                ];
                let parts = parts.into_iter().flatten().collect::<Vec<_>>().join(", ");
                write!(
                    f,
                    "the peer sends DATA again over another path ({parts}), none on this path for {}",
                    Short(*silent_for)
                )
            }
            Self::HeartbeatsStayOut { silent_for, usual } => write!(
                f,
                "no packet from the peer for {} (a HEARTBEAT every {} before), while it is heard on other paths",
                Short(*silent_for),
                Short(*usual)
            ),
            Self::HeartbeatsRepeated {
                heartbeats,
                interval,
                usual,
            } => write!(
                f,
                "the peer repeats its HEARTBEAT as if it got no answer: {}, the last one after {} (every {} before)",
                plural(u64::from(*heartbeats), "time"),
                Short(*interval),
                Short(*usual)
            ),
            Self::LinkDown { interface } => write!(f, "no link on {interface}"),
            Self::InterfaceGone { interface } => write!(f, "interface {interface} is gone"),
        }
    }
}

fn last_answer(f: &mut fmt::Formatter<'_>, ago: Option<std::time::Duration>) -> fmt::Result {
    match ago {
        Some(ago) => write!(f, "; last answer {} ago", Short(ago)),
        None => Ok(()),
    }
}
