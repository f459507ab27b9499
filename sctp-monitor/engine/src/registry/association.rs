//! An association: two endpoints, their addresses, and the paths between them.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use sctp_monitor_common::{abi::FlowKey, wire::ChunkKind};
use serde::{Deserialize, Serialize};

use crate::{
    model::{
        AssociationId, AssociationRef, Direction, EndReason, Event, EventKind, HandshakeTimes, Offers,
        Origin, PathId, Schema, Side, Sides, Timestamp,
    },
    path::{flows::Flows, primary::Primary, state::Path},
    registry::{
        address_list::AddressList,
        addresses::Addresses,
        asconf::AddressRequest,
        change::Change,
        errors::{ErrorLog, Repeats},
        forgery::Suspicions,
    },
};

/// An association as the engine knows it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Association {
    pub(super) id: AssociationId,
    pub(super) local_port: u16,
    pub(super) remote_port: u16,
    pub(super) local_tag: Option<u32>,
    pub(super) remote_tag: Option<u32>,
    /// Whether the tag that packets in a direction carry is certain, by direction: a handshake gave it, or it was proved.
    pub(super) vouched: [bool; 2],
    /// Whether that tag may be spoken of, by direction: a handshake gave it, or it was proved once. Anyone can send another one.
    pub(super) sayable: [bool; 2],
    /// All its packets have had other tags for a while: it may have been restarted unseen.
    pub(super) tags_are_doubted: bool,
    pub(super) origin: Origin,
    /// Which endpoint is the local one.
    pub(super) sides: Sides,
    pub(super) phase: Phase,
    pub(super) known_since: Timestamp,
    /// The association that this one's handshake restarted.
    pub(super) restarts: Option<AssociationId>,
    /// What the endpoints said in their handshake, if that was seen.
    pub(super) offers: Option<Offers>,
    /// How long that took, as far as it is known.
    pub(super) handshake_times: HandshakeTimes,
    /// What is remarkable about the lists of addresses in their handshake.
    pub(super) lists: Vec<AddressList>,
    pub(super) local: Addresses,
    pub(super) remote: Addresses,
    pub(super) address_requests: Vec<AddressRequest>,
    pub(super) errors: ErrorLog,
    pub(super) paths: BTreeMap<PathId, Path>,
    /// Slots of the flows by direction, in the order in which they joined. The first one's record holds the TSN state of
    /// its direction.
    pub(super) flows: [Vec<u32>; 2],
    /// Where new DATA goes, by direction.
    pub(super) primary: [Primary; 2],
    /// Whether each of its packets of DATA and SACKs passes on two paths, by direction.
    pub(super) copies: [bool; 2],
    /// It was said that the capture lacks packets of it.
    pub(super) lacks_packets: bool,
    /// The path that carried the handshake: it is confirmed by it (RFC 9260 section 5.4).
    pub(super) confirmed_by_handshake: Option<PathId>,
    /// What was retransmitted without an acknowledgement, by direction.
    pub(super) in_vain: [InVain; 2],
    /// What came from addresses that are not its own, by chunk and address.
    pub(super) strangers: Repeats<(ChunkKind, IpAddr)>,
    /// What may be forged; nothing as a rule.
    pub(super) suspicions: Option<Box<Suspicions>>,
}

/// Where an association is in its life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Phase {
    /// Not yet reported.
    Opening,
    /// Reported as established.
    Established,
    /// SHUTDOWN was seen. Its packets and paths are what they were, until it is complete.
    ShuttingDown {
        by: Side,
        since: Timestamp,
        account: ShutdownAccount,
    },
    /// Over. What was never reported as established is not reported as over either.
    Ended {
        at: Timestamp,
        end: EndReason,
        was_reported: bool,
    },
}

/// What was seen of a shutdown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ShutdownAccount {
    /// SHUTDOWNs.
    pub(super) shutdowns: u64,
    /// When the last of them was sent.
    pub(super) last: Timestamp,
    /// SHUTDOWN ACKs between addresses of the association.
    pub(super) acks: u64,
    /// Another address that SHUTDOWN ACKs came from.
    pub(super) acked_from: Option<IpAddr>,
}

/// DATA that was retransmitted since a SACK last acknowledged anything.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct InVain {
    pub(super) retransmissions: u64,
    /// When the first retransmission was noticed.
    pub(super) since: Timestamp,
}

impl Association {
    /// One of which only the ports are known, by a packet's and its direction.
    pub(super) fn opening(
        id: AssociationId,
        key: &FlowKey,
        direction: Direction,
        origin: Origin,
        sides: Sides,
        now: Timestamp,
    ) -> Self {
        let (local_port, remote_port) = match direction {
            Direction::Forward => (key.src_port, key.dst_port),
            Direction::Return => (key.dst_port, key.src_port),
        };
        Self {
            id,
            local_port,
            remote_port,
            local_tag: None,
            remote_tag: None,
            vouched: [origin == Origin::Handshake; 2],
            sayable: [origin == Origin::Handshake; 2],
            tags_are_doubted: false,
            origin,
            sides,
            phase: Phase::Opening,
            known_since: now,
            restarts: None,
            offers: None,
            handshake_times: HandshakeTimes::default(),
            lists: Vec::new(),
            local: Addresses::default(),
            remote: Addresses::default(),
            address_requests: Vec::new(),
            errors: ErrorLog::default(),
            paths: BTreeMap::new(),
            flows: Default::default(),
            primary: Default::default(),
            copies: [false; 2],
            lacks_packets: false,
            confirmed_by_handshake: None,
            in_vain: Default::default(),
            strangers: Repeats::default(),
            suspicions: None,
        }
    }

    /// Its name in reports.
    #[must_use]
    pub fn reference(&self) -> AssociationRef {
        AssociationRef {
            id: self.id,
            sides: self.sides,
            local_port: self.local_port,
            remote_port: self.remote_port,
            local_tag: self.said_tag(Direction::Return),
            remote_tag: self.said_tag(Direction::Forward),
        }
    }

    /// The number of the association.
    #[must_use]
    pub fn id(&self) -> AssociationId {
        self.id
    }

    /// Whether the handshake was seen.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// Whether it was reported as established and is not over.
    #[must_use]
    pub fn is_established(&self) -> bool {
        matches!(self.phase, Phase::Established | Phase::ShuttingDown { .. })
    }

    /// Whether nothing is reported of it yet: so far it is what a few packets make of themselves.
    #[must_use]
    pub fn is_opening(&self) -> bool {
        self.phase == Phase::Opening
    }

    /// Who asked for its end by SHUTDOWN, if that is under way.
    #[must_use]
    pub fn shutting_down(&self) -> Option<Side> {
        match self.phase {
            Phase::ShuttingDown { by, .. } => Some(by),
            Phase::Opening | Phase::Established | Phase::Ended { .. } => None,
        }
    }

    /// Whether only one direction of it was ever seen, as far as can be known: the other one passes elsewhere, or a translator
    /// between two watched NICs gives it other addresses. What may be forged does not count.
    #[must_use]
    pub fn is_one_sided(&self) -> bool {
        Direction::BOTH
            .into_iter()
            .any(|direction| self.said_tag(direction).is_none())
    }

    /// Whether nothing at all was seen of one direction.
    pub(super) fn is_half(&self) -> bool {
        self.local_tag.is_none() || self.remote_tag.is_none()
    }

    /// The association that this one's handshake restarted.
    #[must_use]
    pub fn restarts(&self) -> Option<AssociationId> {
        self.restarts
    }

    /// What the endpoints said in their handshake, if that was seen.
    #[must_use]
    pub fn offers(&self) -> Option<&Offers> {
        self.offers.as_ref()
    }

    /// How long the handshake took, as far as it was seen.
    #[must_use]
    pub fn handshake_times(&self) -> HandshakeTimes {
        self.handshake_times
    }

    /// What the endpoints listed of their addresses in their handshake, if that was seen.
    pub(crate) fn lists(&self) -> &[AddressList] {
        &self.lists
    }

    /// The addresses of one endpoint.
    #[must_use]
    pub fn addresses(&self, side: Side) -> &Addresses {
        match side {
            Side::Local => &self.local,
            Side::Remote => &self.remote,
        }
    }

    pub(super) fn addresses_mut(&mut self, side: Side) -> &mut Addresses {
        match side {
            Side::Local => &mut self.local,
            Side::Remote => &mut self.remote,
        }
    }

    /// The ports of packets in this direction: source and destination.
    pub(super) fn ports(&self, direction: Direction) -> (u16, u16) {
        match direction {
            Direction::Forward => (self.local_port, self.remote_port),
            Direction::Return => (self.remote_port, self.local_port),
        }
    }

    /// Since when it is known.
    #[must_use]
    pub fn known_since(&self) -> Timestamp {
        self.known_since
    }

    /// Its paths, by their addresses.
    pub fn paths(&self) -> impl Iterator<Item = (&PathId, &Path)> + Clone {
        self.paths.iter()
    }

    /// The path that new DATA in this direction takes, if any was seen.
    #[must_use]
    pub fn primary(&self, direction: Direction) -> Option<PathId> {
        self.primary[direction as usize].path()
    }

    /// The tag that packets in this direction carry.
    pub(super) fn tag(&self, direction: Direction) -> Option<u32> {
        match direction {
            Direction::Forward => self.remote_tag,
            Direction::Return => self.local_tag,
        }
    }

    /// The tag that packets in this direction carry, if it may be spoken of.
    pub(super) fn said_tag(&self, direction: Direction) -> Option<u32> {
        self.tag(direction).filter(|_| self.sayable[direction as usize])
    }

    /// The tag that packets in this direction carry may be spoken of from now on.
    pub(super) fn may_say(&mut self, direction: Direction) {
        self.sayable[direction as usize] = true;
    }

    /// Whether the tag that packets in this direction carry is certain.
    pub(super) fn is_vouched(&self, direction: Direction) -> bool {
        self.vouched[direction as usize]
    }

    /// The tags of both directions, by direction, if they are certain.
    pub(crate) fn certain_tags(&self) -> Option<[u32; 2]> {
        let is_certain = self.vouched == [true; 2] && !self.tags_are_doubted;
        Some([self.remote_tag?, self.local_tag?]).filter(|_| is_certain)
    }

    /// The tag that packets in this direction carry is certain from now on, or not any more; `true` if that is news.
    pub(super) fn vouch(&mut self, direction: Direction, certain: bool) -> bool {
        self.sayable[direction as usize] |= certain;
        std::mem::replace(&mut self.vouched[direction as usize], certain) != certain
    }

    pub(super) fn set_tag(&mut self, direction: Direction, tag: u32) {
        match direction {
            Direction::Forward => self.remote_tag = Some(tag),
            Direction::Return => self.local_tag = Some(tag),
        }
    }

    /// The tag that packets in this direction carry is not known any more.
    pub(super) fn forget_tag(&mut self, direction: Direction) {
        match direction {
            Direction::Forward => self.remote_tag = None,
            Direction::Return => self.local_tag = None,
        }
        self.sayable[direction as usize] = false;
        self.vouched[direction as usize] = false;
    }

    /// The slots of its flows in a direction, in the order in which they joined.
    pub(crate) fn flows(&self, direction: Direction) -> &[u32] {
        &self.flows[direction as usize]
    }

    pub(super) fn flows_mut(&mut self, direction: Direction) -> &mut Vec<u32> {
        &mut self.flows[direction as usize]
    }

    /// The slots of its flows, those of the forward direction first.
    pub(super) fn slots(&self) -> impl Iterator<Item = u32> {
        self.flows.iter().flatten().copied()
    }

    /// Whether packets of it were last seen on one of these NICs.
    pub(crate) fn crosses(&self, nics: &BTreeSet<u32>, flows: &Flows) -> bool {
        let mut seen = self.slots().filter_map(|slot| flows.get(slot));
        !nics.is_empty() && seen.any(|flow| nics.contains(&flow.view.interface.if_index()))
    }

    /// Whether each of its packets passes on two paths, in either direction.
    pub(crate) fn is_copied(&self) -> bool {
        self.copies != [false; 2]
    }

    pub(super) fn has_flows(&self) -> bool {
        self.flows.iter().any(|slots| !slots.is_empty())
    }

    pub(super) fn is_ended(&self) -> bool {
        matches!(self.phase, Phase::Ended { .. })
    }

    /// Where it is in its life.
    pub(crate) fn phase(&self) -> &Phase {
        &self.phase
    }

    /// One of its paths.
    pub(crate) fn path(&self, path: &PathId) -> Option<&Path> {
        self.paths.get(path)
    }

    /// One of its paths.
    pub(crate) fn path_mut(&mut self, path: &PathId) -> Option<&mut Path> {
        self.paths.get_mut(path)
    }

    /// A report about it.
    pub(super) fn report(&self, kind: EventKind, time: Timestamp) -> Change {
        Change::Report(Box::new(Event {
            schema: Schema,
            time,
            association: Some(self.reference()),
            kind,
        }))
    }

    /// Every pair of addresses of one family is a path, whether or not anything ever crosses it.
    pub(super) fn list_paths(&mut self, now: Timestamp) {
        for local in self.local.iter() {
            for remote in self
                .remote
                .iter()
                .filter(|remote| remote.is_ipv4() == local.is_ipv4())
            {
                let path = PathId {
                    local: *local,
                    remote: *remote,
                };
                self.paths.entry(path).or_insert_with(|| Path::new(now));
            }
        }
    }
}
