//! What the engine reports: events, each with its reason in words and in figures.

use std::{fmt, net::IpAddr, time::Duration};

use sctp_monitor_common::wire::icmp::IcmpMessage;

use crate::{
    addresses::Side,
    finding::Finding,
    flow::Direction,
    incident::IncidentView,
    offer::Offers,
    time::{Short, Timestamp},
};

/// Something changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// When the engine found out.
    pub time: Timestamp,
    /// The association it is about; an incident may have many.
    pub association: Option<AssociationRef>,
    /// What changed.
    pub kind: EventKind,
}

/// Names an association in reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AssociationRef {
    /// Unique while the engine runs.
    pub id: AssociationId,
    /// SCTP port of the local endpoint.
    pub local_port: u16,
    /// SCTP port of the remote endpoint.
    pub remote_port: u16,
    /// The tag in packets to the local endpoint, if known.
    pub local_tag: Option<u32>,
    /// The tag in packets to the remote endpoint, if known.
    pub remote_tag: Option<u32>,
}

/// A number for an association, unique while the engine runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AssociationId(pub u64);

impl fmt::Display for AssociationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// One (local address, remote address) pair of an association.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PathId {
    /// The local address.
    pub local: IpAddr,
    /// The remote address.
    pub remote: IpAddr,
}

/// What changed.
#[derive(Debug, Clone, PartialEq)]
pub enum EventKind {
    /// An association is known.
    AssociationUp {
        /// How it became known.
        origin: Origin,
        /// Addresses of the local endpoint.
        local: Vec<IpAddr>,
        /// Addresses of the remote endpoint.
        remote: Vec<IpAddr>,
        /// What the endpoints offered, if the handshake was seen.
        offers: Option<Offers>,
        /// The association that the handshake restarted.
        restarts: Option<AssociationId>,
        /// Only one direction was seen.
        one_sided: bool,
    },
    /// An endpoint asked for the end of an association by SHUTDOWN.
    ShuttingDown {
        /// The one that asked.
        by: Side,
    },
    /// An endpoint reported an error by ERROR.
    AssociationError {
        /// The one that reported it.
        by: Side,
        /// The error causes.
        causes: Vec<String>,
    },
    /// An endpoint has other addresses (RFC 5061), or better is known of them.
    AddressesChanged {
        /// The one whose addresses they are.
        side: Side,
        /// Those that it has now.
        added: Vec<IpAddr>,
        /// Those that it has no longer.
        removed: Vec<IpAddr>,
        /// Where it wants its DATA, if it said so.
        primary: Option<IpAddr>,
    },
    /// A translator between two watched NICs gives an endpoint another address.
    Translated {
        /// The one whose address it is.
        side: Side,
        /// Its own address; paths are named by it.
        address: IpAddr,
        /// As the other endpoint sees it.
        seen_as: IpAddr,
    },
    /// An association is over.
    AssociationDown {
        /// Why.
        reason: EndReason,
    },
    /// A path changed its state.
    PathStateChanged {
        /// The path.
        path: PathId,
        /// Its state before.
        from: PathState,
        /// Its state now.
        to: PathState,
        /// Why.
        reason: Reason,
    },
    /// New DATA goes over another path than before.
    DataMoved {
        /// Whose DATA.
        direction: Direction,
        /// The path that it left.
        from: PathId,
        /// The path that it took.
        to: PathId,
        /// From the last DATA that was acknowledged on the old path to the first on the new one.
        gap: Option<Duration>,
    },
    /// Something is wrong, or no longer.
    Finding {
        /// Whether it is new.
        status: Status,
        /// What it is.
        finding: Finding,
    },
    /// Failures with one cause.
    Incident {
        /// Whether it is new.
        status: Status,
        /// What they have in common.
        incident: IncidentView,
    },
}

/// What happened to a finding or an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It began.
    Opened,
    /// More is known of it.
    Updated,
    /// It is over.
    Closed,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Opened => "opened",
            Self::Updated => "updated",
            Self::Closed => "closed",
        })
    }
}

/// The state of a path, as RFC 6458 section 6.1.2 and RFC 7829 name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PathState {
    /// Nothing proves yet that the path works.
    Unconfirmed,
    /// The path works.
    Active,
    /// An answer is missing.
    PotentiallyFailed,
    /// The path does not work.
    Inactive,
}

impl fmt::Display for PathState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Unconfirmed => "unconfirmed",
            Self::Active => "active",
            Self::PotentiallyFailed => "potentially_failed",
            Self::Inactive => "inactive",
        })
    }
}

/// How an association became known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Its handshake was seen; the addresses are those of INIT and INIT ACK.
    Handshake,
    /// It was there already; the addresses are those that were seen.
    MidLife,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Handshake => "handshake",
            Self::MidLife => "mid-life",
        })
    }
}

/// Why an association is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EndReason {
    /// SHUTDOWN COMPLETE was seen.
    Shutdown,
    /// ABORT was seen, with these error causes.
    Abort(Vec<String>),
    /// A handshake between the same addresses and ports began it anew.
    Restarted,
    /// A new association took its ports and addresses.
    Replaced,
    /// Its packets turned out to be those of another association.
    PartOf(AssociationId),
    /// Nothing was seen of it for so long.
    Silent(Duration),
    /// The flow table fills up, nothing had proved that it works, and it had been silent for so long.
    CrowdedOut(Duration),
}

impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shutdown => f.write_str("shut down"),
            Self::Abort(causes) if causes.is_empty() => f.write_str("aborted without a cause"),
            Self::Abort(causes) => write!(f, "aborted: {}", causes.join(", ")),
            Self::Restarted => f.write_str("restarted by a new handshake between the same addresses"),
            Self::PartOf(id) => write!(f, "found to be part of association {id}"),
            Self::Replaced => f.write_str("replaced by a new association on the same ports and addresses"),
            Self::Silent(time) => write!(f, "nothing seen for {}", Short(*time)),
            Self::CrowdedOut(time) => write!(
                f,
                "the flow table fills up, nothing had proved it and it was silent for {}",
                Short(*time)
            ),
        }
    }
}

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

    #[test]
    fn an_abort_names_its_causes() {
        assert_eq!(
            EndReason::Abort(vec!["user-initiated abort".to_owned()]).to_string(),
            "aborted: user-initiated abort"
        );
    }
}
