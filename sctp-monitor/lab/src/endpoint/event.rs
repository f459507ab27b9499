//! What `sctp-lab-endpoint` says on its standard output: one JSON object a line, the same type on both sides of the
//! pipe.
//!
//! Every event carries `time_ns` ([`MonotonicNs`]), taken inside the stack's callback where the event comes from the
//! stack. Associations are numbered from 0 in the order in which they came up.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::stack::StackKind;
use crate::clock::MonotonicNs;

/// One line of the endpoint's output.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// When it happened.
    pub time_ns: MonotonicNs,
    /// What happened.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// What an endpoint reports; the JSON field `event` holds the variant's name in snake case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum EventKind {
    /// The sockets are bound, a listener accepts associations from now on.
    Ready {
        /// The local SCTP ports, one for each socket.
        local_ports: Vec<u16>,
        /// Whose SCTP it speaks.
        stack: StackKind,
    },
    /// `SCTP_COMM_UP`: the handshake is over and messages flow.
    AssociationUp {
        /// The number of the association.
        association: usize,
        /// The local SCTP port.
        local_port: u16,
        /// The peer's SCTP port.
        peer_port: u16,
        /// Every address the peer listed in its INIT or INIT ACK.
        peer_addresses: Vec<IpAddr>,
    },
    /// `SCTP_RESTART`: the peer began the association anew (RFC 9260, 5.2), it keeps its number.
    AssociationRestarted {
        /// The number of the association.
        association: usize,
    },
    /// The association is over, or never came up.
    AssociationDown {
        /// Its number, none when it never came up.
        association: Option<usize>,
        /// Why the association ended.
        reason: DownReason,
    },
    /// `SCTP_PEER_ADDR_CHANGE`: the stack changed its mind about a peer address.
    PathChanged {
        /// The association's number.
        association: usize,
        /// The peer address.
        address: IpAddr,
        /// What it is now.
        state: AddressChange,
    },
    /// The answer to the command `paths`.
    Paths {
        /// Every peer address as the stack sees it, for each association by number; none for one that is down.
        associations: Vec<Vec<PathStatus>>,
    },
    /// The answer to the command `clock`: `time_ns` is the clock of the machine that the endpoint runs on.
    Clock,
    /// A message arrived after a silence of at least `--gap-threshold`.
    DeliveryGap {
        /// The association's number.
        association: usize,
        /// How long nothing was delivered.
        gap_ns: u64,
    },
    /// Totals so far, every `--stats-interval`.
    Stats(Traffic),
    /// Something went wrong; the endpoint goes on.
    Error {
        /// The error in words.
        message: String,
    },
    /// The last line before the process ends.
    Summary {
        /// Over all associations.
        total: Traffic,
        /// Each association, by number.
        associations: Vec<Traffic>,
        /// What the stack itself counted.
        stack: StackCounters,
    },
}

/// Messages counted over one association or over all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    /// Messages the stack took.
    pub sent: u64,
    /// Messages the stack refused because its send buffer was full; they are not sent later.
    pub refused: u64,
    /// Messages delivered to this endpoint.
    pub received: u64,
    /// Messages the peer numbered up to the highest delivered one and that were not delivered.
    pub missing: u64,
    /// The longest silence between two deliveries of one association.
    pub largest_gap_ns: u64,
}

impl Traffic {
    /// Adds another association's counts; the larger gap stays.
    pub fn add(&mut self, other: &Self) {
        self.sent += other.sent;
        self.refused += other.refused;
        self.received += other.received;
        self.missing += other.missing;
        self.largest_gap_ns = self.largest_gap_ns.max(other.largest_gap_ns);
    }
}

/// The stack's own statistics, counted over the life of the process: usrsctp's `struct sctpstat`, or the kernel's
/// `/proc/net/sctp/snmp`, which counts for the whole network namespace. What only usrsctp counts is none with the other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StackCounters {
    /// SCTP packets sent.
    pub packets_sent: u32,
    /// SCTP packets received, also those of other endpoints in the same namespace.
    pub packets_received: u32,
    /// DATA chunks sent, retransmissions not included.
    pub data_sent: u32,
    /// DATA chunks retransmitted.
    pub data_retransmitted: Option<u32>,
    /// DATA chunks received.
    pub data_received: u32,
    /// HEARTBEAT chunks sent.
    pub heartbeats_sent: Option<u32>,
    /// HEARTBEAT chunks received.
    pub heartbeats_received: Option<u32>,
    /// HEARTBEAT ACK chunks received.
    pub heartbeat_acks_received: Option<u32>,
    /// SACK chunks sent.
    pub sacks_sent: Option<u32>,
    /// SACK chunks received.
    pub sacks_received: Option<u32>,
}

/// `spc_state` of RFC 6458, 6.1.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AddressChange {
    /// `SCTP_ADDR_AVAILABLE`
    Available,
    /// `SCTP_ADDR_UNREACHABLE`
    Unreachable,
    /// `SCTP_ADDR_REMOVED`
    Removed,
    /// `SCTP_ADDR_ADDED`
    Added,
    /// `SCTP_ADDR_MADE_PRIM`
    MadePrimary,
    /// `SCTP_ADDR_CONFIRMED`
    Confirmed,
    /// `SCTP_ADDR_POTENTIALLY_FAILED` (RFC 7829), of the kernel's stack alone
    PotentiallyFailed,
}

/// One peer address of an association, as `SCTP_GET_PEER_ADDR_INFO` and `SCTP_STATUS` tell it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathStatus {
    /// The peer address.
    pub address: IpAddr,
    /// Its state.
    pub state: AddressState,
    /// Whether it is the primary path.
    pub primary: bool,
    /// The smoothed round-trip time as the stack holds it, in milliseconds.
    pub srtt_ms: u32,
    /// The retransmission time-out in milliseconds.
    pub rto_ms: u32,
}

/// `spinfo_state` of RFC 6458, 8.2.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AddressState {
    /// `SCTP_UNCONFIRMED`
    Unconfirmed,
    /// `SCTP_ACTIVE`
    Active,
    /// `SCTP_POTENTIALLY_FAILED` (RFC 7829); usrsctp has no word for it
    PotentiallyFailed,
    /// `SCTP_INACTIVE`
    Inactive,
}

/// How an association ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DownReason {
    /// `SCTP_SHUTDOWN_COMP`: both sides agreed.
    Shutdown,
    /// `SCTP_COMM_LOST`: aborted, or given up after too many retransmissions.
    Lost,
    /// `SCTP_CANT_STR_ASSOC`: the handshake failed.
    NotStarted,
    /// This endpoint aborted it.
    Aborted,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_flat_json_object() {
        let event = Event {
            time_ns: u64::MAX,
            kind: EventKind::PathChanged {
                association: 2,
                address: IpAddr::from([10, 1, 2, 2]),
                state: AddressChange::MadePrimary,
            },
        };
        let line = serde_json::to_string(&event).unwrap();
        assert_eq!(
            line,
            r#"{"time_ns":18446744073709551615,"event":"path_changed","association":2,"address":"10.1.2.2","state":"made_primary"}"#
        );
        assert_eq!(serde_json::from_str::<Event>(&line).unwrap(), event);
    }

    #[test]
    fn totals_add_up_and_keep_the_largest_gap() {
        let mut total = Traffic {
            sent: 1,
            largest_gap_ns: 7,
            ..Traffic::default()
        };
        total.add(&Traffic {
            sent: 2,
            missing: 1,
            largest_gap_ns: 5,
            ..Traffic::default()
        });
        assert_eq!(
            total,
            Traffic {
                sent: 3,
                missing: 1,
                largest_gap_ns: 7,
                ..Traffic::default()
            }
        );
    }
}
