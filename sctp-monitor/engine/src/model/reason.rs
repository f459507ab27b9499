//! Why a path changed its state: the evidence, in words and in figures.

use std::{fmt, net::IpAddr, time::Duration};

use sctp_monitor_common::wire::icmp::IcmpMessage;

use crate::model::Short;

/// Why a path changed its state.
#[derive(Debug, Clone, PartialEq)]
pub enum Reason {
    /// A HEARTBEAT was answered.
    HeartbeatAnswered {
        /// Time from HEARTBEAT to HEARTBEAT ACK.
        rtt: Duration,
    },
    /// DATA was acknowledged.
    DataAcknowledged {
        /// Time since the path last worked, if it did before.
        after: Option<Duration>,
    },
    /// A HEARTBEAT of the peer was answered: it arrives, and the answer leaves.
    PeerHeartbeatAnswered,
    /// A HEARTBEAT was not answered in time.
    HeartbeatUnanswered {
        /// Time since it was sent.
        sent_ago: Duration,
        /// The path's time-out.
        timeout: Duration,
        /// Heartbeats in a row without an answer.
        misses: u32,
        /// Time since the path last worked, if it did before.
        last_alive_ago: Option<Duration>,
    },
    /// DATA was not acknowledged in time, on any path.
    DataUnacknowledged {
        /// The TSN that is waited for.
        tsn: u32,
        /// The highest cumulative TSN ack of the peer.
        cum_tsn_ack: u32,
        /// Time since it was sent.
        sent_ago: Duration,
        /// The path's time-out.
        timeout: Duration,
        /// Packets with new DATA on the path since then.
        packets: u32,
        /// Acknowledgements that should have come by now.
        missed: u32,
        /// Time since the path last worked, if it did before.
        last_alive_ago: Option<Duration>,
    },
    /// A router or the remote host answered a packet with an ICMP error that quotes it, with the association's tag.
    IcmpError {
        /// What it says.
        what: IcmpMessage,
        /// Who sent it.
        reporter: IpAddr,
    },
    /// DATA arrives, but its SACKs do not come back.
    AnswersLost {
        /// Chunks that were sent again although they had arrived, by the peer's word.
        chunks: u32,
        /// Time since anything came back on this path, at least.
        silent_for: Duration,
    },
    /// The NIC that the path uses has no link.
    LinkDown {
        /// Its name.
        interface: String,
    },
    /// The NIC that the path uses is gone.
    InterfaceGone {
        /// Its name.
        interface: String,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HeartbeatAnswered { rtt } => write!(f, "HEARTBEAT answered after {}", Short(*rtt)),
            Self::DataAcknowledged { after: None } => f.write_str("DATA acknowledged"),
            Self::DataAcknowledged { after: Some(after) } => {
                write!(
                    f,
                    "DATA acknowledged, {} after the last sign of life",
                    Short(*after)
                )
            }
            Self::PeerHeartbeatAnswered => f.write_str("the peer's HEARTBEAT arrives and is answered"),
            Self::HeartbeatUnanswered {
                sent_ago,
                timeout,
                misses,
                last_alive_ago,
            } => {
                write!(
                    f,
                    "HEARTBEAT unanswered for {} (time-out {}",
                    Short(*sent_ago),
                    Short(*timeout)
                )?;
                if *misses > 1 {
                    write!(f, ", {misses} in a row")?;
                }
                f.write_str(")")?;
                last_alive(f, *last_alive_ago)
            }
            Self::DataUnacknowledged {
                tsn,
                sent_ago,
                timeout,
                packets,
                missed,
                last_alive_ago,
                ..
            } => {
                let plural = if *packets == 1 { "" } else { "s" };
                write!(
                    f,
                    "DATA unacknowledged on any path for {} (time-out {}, {missed} SACKs missing; TSN {tsn}, {packets} packet{plural} since)",
                    Short(*sent_ago),
                    Short(*timeout)
                )?;
                last_alive(f, *last_alive_ago)
            }
            Self::IcmpError { what, reporter } => {
                write!(
                    f,
                    "{reporter} answered a packet with an ICMP error: {}",
                    what.words()
                )
            }
            Self::AnswersLost { chunks, silent_for } => write!(
                f,
                "DATA arrives, but nothing comes back: {chunks} chunks were sent twice, and the path has been silent for {}",
                Short(*silent_for)
            ),
            Self::LinkDown { interface } => write!(f, "no link on {interface}"),
            Self::InterfaceGone { interface } => write!(f, "the interface {interface} is gone"),
        }
    }
}

fn last_alive(f: &mut fmt::Formatter<'_>, ago: Option<Duration>) -> fmt::Result {
    match ago {
        Some(ago) => write!(f, "; last sign of life {} ago", Short(ago)),
        None => Ok(()),
    }
}

/// A figure of a reason.
#[derive(Debug, Clone, PartialEq)]
pub enum Figure {
    /// A time; exported in milliseconds under a name with `_ms`.
    Time(Duration),
    /// A count or a sequence number.
    Number(u64),
    /// A share or a rate.
    Rate(f32),
    /// A name.
    Text(String),
}

impl Reason {
    /// Whether it is the NIC's, and not the network's.
    pub(crate) fn is_nic(&self) -> bool {
        matches!(self, Self::LinkDown { .. } | Self::InterfaceGone { .. })
    }

    /// The figures behind the words, by name.
    #[must_use]
    pub fn figures(&self) -> Vec<(&'static str, Figure)> {
        let mut figures = Vec::new();
        match self {
            Self::HeartbeatAnswered { rtt } => figures.push(("rtt", Figure::Time(*rtt))),
            Self::DataAcknowledged { after } => push_time(&mut figures, "last_alive_ago", *after),
            Self::PeerHeartbeatAnswered => {}
            Self::HeartbeatUnanswered {
                sent_ago,
                timeout,
                misses,
                last_alive_ago,
            } => {
                figures.push(("sent_ago", Figure::Time(*sent_ago)));
                figures.push(("timeout", Figure::Time(*timeout)));
                figures.push(("heartbeats_unanswered", Figure::Number(u64::from(*misses))));
                push_time(&mut figures, "last_alive_ago", *last_alive_ago);
            }
            Self::DataUnacknowledged {
                tsn,
                cum_tsn_ack,
                sent_ago,
                timeout,
                packets,
                missed,
                last_alive_ago,
            } => {
                figures.push(("tsn", Figure::Number(u64::from(*tsn))));
                figures.push(("cum_tsn_ack", Figure::Number(u64::from(*cum_tsn_ack))));
                figures.push(("sent_ago", Figure::Time(*sent_ago)));
                figures.push(("timeout", Figure::Time(*timeout)));
                figures.push(("packets", Figure::Number(u64::from(*packets))));
                figures.push(("sacks_missing", Figure::Number(u64::from(*missed))));
                push_time(&mut figures, "last_alive_ago", *last_alive_ago);
            }
            Self::IcmpError { what, reporter } => {
                figures.push(("icmp_type", Figure::Number(u64::from(what.kind))));
                figures.push(("icmp_code", Figure::Number(u64::from(what.code))));
                figures.push(("reporter", Figure::Text(reporter.to_string())));
            }
            Self::AnswersLost { chunks, silent_for } => {
                figures.push(("duplicates", Figure::Number(u64::from(*chunks))));
                figures.push(("silent_for", Figure::Time(*silent_for)));
            }
            Self::LinkDown { interface } | Self::InterfaceGone { interface } => {
                figures.push(("interface", Figure::Text(interface.clone())));
            }
        }
        figures
    }
}

fn push_time(figures: &mut Vec<(&'static str, Figure)>, name: &'static str, time: Option<Duration>) {
    if let Some(time) = time {
        figures.push((name, Figure::Time(time)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_speak_in_words_and_figures() {
        let reason = Reason::DataUnacknowledged {
            tsn: 77,
            cum_tsn_ack: 76,
            sent_ago: Duration::from_millis(231),
            timeout: Duration::from_millis(150),
            packets: 5,
            missed: 2,
            last_alive_ago: Some(Duration::from_millis(262)),
        };
        assert_eq!(
            reason.to_string(),
            "DATA unacknowledged on any path for 231 ms (time-out 150 ms, 2 SACKs missing; TSN 77, 5 packets since); \
             last sign of life 262 ms ago"
        );
        assert!(reason.figures().contains(&("tsn", Figure::Number(77))));
    }

    #[test]
    fn an_icmp_error_names_its_reporter() {
        let reason = Reason::IcmpError {
            what: IcmpMessage {
                version: 4,
                kind: 3,
                code: 1,
            },
            reporter: "10.1.0.254".parse().unwrap(),
        };
        assert_eq!(
            reason.to_string(),
            "10.1.0.254 answered a packet with an ICMP error: host unreachable"
        );
        assert!(reason.figures().contains(&("icmp_code", Figure::Number(1))));
    }
}
