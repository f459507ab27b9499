//! One handshake that is not complete: its two endpoints, and the account of what was sent and what came back.

use std::{net::IpAddr, time::Duration};

use sctp_monitor_common::{
    abi::FlowKey,
    wire::{Address, Chunk, init::Init},
};
use serde::{Deserialize, Serialize};

use crate::{
    config::Vantage,
    model::{HandshakeTimes, Offer, Reply, SeenAt, Timestamp, UnfinishedHandshake},
    registry::{addresses::MAX_ADDRESSES, packet::ControlPacket},
};

/// A handshake under way.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Pending {
    /// The INIT's addresses and ports.
    pub(super) key: FlowKey,
    /// When the last INIT was sent.
    pub(super) began: Timestamp,
    /// The time between the last two packets of the initiator.
    pub(super) gap: Duration,
    /// The INIT left this host.
    pub(super) initiator_sent: bool,
    pub(super) initiator: Endpoint,
    /// What the responder answered, the newest last: a stack answers every retransmitted INIT with another tag,
    /// and the initiator takes the answer that comes first.
    pub(super) responders: Vec<Endpoint>,
    /// The responder knows the initiator's address as this one.
    pub(super) seen_as: Option<IpAddr>,
    /// Addresses and ports of the last COOKIE ECHO, and its tag.
    pub(super) echoed: Option<(FlowKey, u32)>,
    /// When that was sent.
    pub(super) echoed_at: Timestamp,
    /// How long the legs took that were answered.
    pub(super) times: HandshakeTimes,
    pub(super) account: UnfinishedHandshake,
}

/// What one endpoint said of itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Endpoint {
    pub(crate) tag: u32,
    /// The packet's source, and those that it lists.
    pub(crate) addresses: Vec<IpAddr>,
    /// Those that it lists.
    pub(crate) listed: Vec<IpAddr>,
    pub(crate) offer: Offer,
}

/// A handshake with both endpoints known.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Answered {
    pub(crate) initiator_sent: bool,
    pub(crate) initiator: Endpoint,
    pub(crate) responder: Endpoint,
    /// The responder knows the source of the INIT as this address.
    pub(crate) seen_as: Option<IpAddr>,
    /// The source of the INIT.
    pub(crate) source: IpAddr,
    /// When the INIT was sent.
    pub(crate) began: Timestamp,
    /// How long it took, as far as it is known.
    pub(crate) times: HandshakeTimes,
    /// Addresses and ports of the COOKIE ECHO, or of the INIT if that was not seen.
    pub(crate) key: FlowKey,
}

/// A handshake that came to nothing.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Failed {
    /// The INIT's addresses and ports.
    pub(crate) key: FlowKey,
    /// The tag that the initiator gave.
    pub(crate) tag: u32,
    /// The INIT left this host.
    pub(crate) initiator_sent: bool,
    pub(crate) account: UnfinishedHandshake,
}

impl Pending {
    pub(super) fn new(packet: &ControlPacket<'_>, initiator: Endpoint, vantage: Vantage) -> Self {
        let key = *packet.key();
        let initiator_sent = packet.header.interface.is_egress();
        let seen_at = match vantage {
            Vantage::Endpoint if initiator_sent => SeenAt::Initiator,
            Vantage::Endpoint => SeenAt::Responder,
            Vantage::Gateway => SeenAt::Between,
        };
        Self {
            key,
            began: packet.time,
            gap: Duration::ZERO,
            initiator_sent,
            initiator,
            responders: Vec::new(),
            seen_as: None,
            echoed: None,
            echoed_at: Timestamp::default(),
            times: HandshakeTimes::default(),
            account: UnfinishedHandshake {
                initiator: key.src.to_ip(),
                responder: key.dst.to_ip(),
                port: key.dst_port,
                seen_at,
                attempts: 1,
                inits: 0,
                init_bytes: 0,
                init_acks: 0,
                init_ack_bytes: 0,
                cookie_echoes: 0,
                cookie_echo_bytes: 0,
                first: packet.time,
                last: packet.time,
                answers: Vec::new(),
            },
        }
    }

    /// The initiator sent a packet.
    pub(super) fn on_sent(&mut self, now: Timestamp) {
        self.gap = now.since(self.account.last);
        self.account.last = now;
    }

    /// Something came back.
    pub(super) fn on_reply(&mut self, reply: Reply, now: Timestamp) {
        self.account.last = now;
        self.account.answered(reply, 1);
    }

    pub(super) fn has_ports_of(&self, key: &FlowKey) -> bool {
        (self.key.src_port, self.key.dst_port) == (key.src_port, key.dst_port)
    }

    /// Whether a packet from the initiator to the responder may have these addresses.
    pub(super) fn knows(&self, key: &FlowKey) -> bool {
        let (src, dst) = (key.src.to_ip(), key.dst.to_ip());
        let from = self.initiator.addresses.contains(&src) || self.seen_as == Some(src);
        let mut responders = self.responders.iter();
        from && (key.dst == self.key.dst || responders.any(|known| known.addresses.contains(&dst)))
    }

    /// Whether an endpoint gave this tag.
    pub(super) fn gives(&self, tag: u32) -> bool {
        self.initiator.tag == tag || self.responders.iter().any(|known| known.tag == tag)
    }

    pub(super) fn is_echoed_by(&self, key: &FlowKey, tag: u32) -> bool {
        self.has_ports_of(key)
            && self.initiator.addresses.contains(&key.src.to_ip())
            && self.responders.iter().any(|known| known.tag == tag)
    }

    /// When the next packet of the initiator is overdue: its time-out doubles each time (RFC 9260 section 6.3.3), and one
    /// of 3 s is the largest that any stack begins with.
    pub(super) fn given_up_at(&self) -> Timestamp {
        self.account.last + (2 * self.gap + LATE_BY).max(HANDSHAKE_TIME)
    }

    pub(super) fn fail(self) -> Failed {
        Failed {
            key: self.key,
            tag: self.initiator.tag,
            initiator_sent: self.initiator_sent,
            account: self.account,
        }
    }
}

impl Endpoint {
    /// Where the packet came from.
    pub(crate) fn source(&self) -> IpAddr {
        self.addresses[0]
    }

    pub(super) fn read(packet: &ControlPacket<'_>, chunk: &Chunk) -> Option<Self> {
        let (frame, source) = (&packet.frame, packet.key().src.to_ip());
        // A tag of 0 is forbidden (RFC 9260 section 3.3.2).
        let init = Init::read(frame, chunk).filter(|init| init.initiate_tag != 0)?;
        let mut listed = Vec::new();
        for address in Init::addresses(frame, chunk).map(Address::to_ip) {
            if !listed.contains(&address) && listed.len() < MAX_ADDRESSES {
                listed.push(address);
            }
        }
        let others = listed.iter().copied().filter(|address| *address != source);
        Some(Self {
            tag: init.initiate_tag,
            addresses: [source].into_iter().chain(others).take(MAX_ADDRESSES).collect(),
            listed,
            offer: Offer::read(&init, frame, chunk),
        })
    }
}

/// How long the legs of a handshake may be apart: the first time-out, and the second one of it doubled.
pub(super) const HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// A retransmission may be later than its time-out says: timers of stacks are coarse, and the host is busy.
const LATE_BY: Duration = Duration::from_secs(1);
