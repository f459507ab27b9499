//! An association: two endpoints, their addresses, and the paths between them.

use std::collections::BTreeMap;

use crate::{
    model::{
        AssociationId, AssociationRef, Direction, EndReason, Finding, Offers, Origin, PathId, Side, Timestamp,
    },
    path::{primary::Primary, state::Path},
    registry::{addresses::Addresses, asconf::AddressRequest, errors::ErrorLog, strangers::Suspicions},
};

/// An association as the engine knows it.
#[derive(Debug, Clone)]
pub struct Association {
    pub(crate) id: AssociationId,
    pub(crate) local_port: u16,
    pub(crate) remote_port: u16,
    pub(crate) local_tag: Option<u32>,
    pub(crate) remote_tag: Option<u32>,
    pub(crate) origin: Origin,
    pub(crate) phase: Phase,
    pub(crate) known_since: Timestamp,
    /// The association that this one's handshake restarted.
    pub(crate) restarts: Option<AssociationId>,
    /// What the endpoints said in their handshake, if that was seen.
    pub(crate) offers: Option<Offers>,
    pub(crate) local: Addresses,
    pub(crate) remote: Addresses,
    pub(crate) address_requests: Vec<AddressRequest>,
    pub(crate) errors: ErrorLog,
    pub(crate) paths: BTreeMap<PathId, Path>,
    /// Slots of the flows to the remote endpoint, in the order in which they joined. The first one's record holds the
    /// TSN state of the direction.
    pub(crate) sent: Vec<u32>,
    /// The same for the flows from the remote endpoint.
    pub(crate) received: Vec<u32>,
    /// Where new DATA goes, by direction.
    pub(crate) primary: [Primary; 2],
    /// What is wrong with it as a whole, or with one address of the peer.
    pub(crate) findings: Vec<Finding>,
    /// Since when the peer advertises no window.
    pub(crate) window_zero_since: Option<Timestamp>,
    /// What may be forged; nothing as a rule.
    pub(crate) suspicions: Option<Box<Suspicions>>,
}

/// Where an association is in its life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Not yet reported.
    Opening,
    /// Reported as up.
    Up,
    /// SHUTDOWN was seen. Its packets and paths are what they were, until it is complete.
    ShuttingDown { by: Side, since: Timestamp },
    /// Reported as over.
    Ended { at: Timestamp, end: EndReason },
}

impl Association {
    /// One of which only the ports are known.
    pub(crate) fn opening(
        id: AssociationId,
        local_port: u16,
        remote_port: u16,
        origin: Origin,
        now: Timestamp,
    ) -> Self {
        Self {
            id,
            local_port,
            remote_port,
            local_tag: None,
            remote_tag: None,
            origin,
            phase: Phase::Opening,
            known_since: now,
            restarts: None,
            offers: None,
            local: Addresses::default(),
            remote: Addresses::default(),
            address_requests: Vec::new(),
            errors: ErrorLog::default(),
            paths: BTreeMap::new(),
            sent: Vec::new(),
            received: Vec::new(),
            primary: Default::default(),
            findings: Vec::new(),
            window_zero_since: None,
            suspicions: None,
        }
    }

    /// Its name in reports.
    #[must_use]
    pub fn reference(&self) -> AssociationRef {
        AssociationRef {
            id: self.id,
            local_port: self.local_port,
            remote_port: self.remote_port,
            local_tag: self.local_tag,
            remote_tag: self.remote_tag,
        }
    }

    /// How it became known.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// Whether it was reported as up and is not over.
    #[must_use]
    pub fn is_up(&self) -> bool {
        matches!(self.phase, Phase::Up | Phase::ShuttingDown { .. })
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
            Phase::Opening | Phase::Up | Phase::Ended { .. } => None,
        }
    }

    /// Whether only one direction of it was ever seen: the other one passes elsewhere, or a translator between two
    /// watched NICs gives it other addresses.
    #[must_use]
    pub fn is_one_sided(&self) -> bool {
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

    /// The addresses of one endpoint.
    #[must_use]
    pub fn addresses(&self, side: Side) -> &Addresses {
        match side {
            Side::Local => &self.local,
            Side::Remote => &self.remote,
        }
    }

    pub(crate) fn addresses_mut(&mut self, side: Side) -> &mut Addresses {
        match side {
            Side::Local => &mut self.local,
            Side::Remote => &mut self.remote,
        }
    }

    /// The ports of packets in this direction: source and destination.
    pub(crate) fn ports(&self, direction: Direction) -> (u16, u16) {
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
    pub fn paths(&self) -> impl Iterator<Item = (&PathId, &Path)> {
        self.paths.iter()
    }

    /// The path that new DATA in this direction takes, if any was seen.
    #[must_use]
    pub fn primary(&self, direction: Direction) -> Option<PathId> {
        self.primary[direction as usize].path()
    }

    /// What is wrong with it as a whole, or with one address of the peer.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// The tag that packets in this direction carry.
    pub(crate) fn tag(&self, direction: Direction) -> Option<u32> {
        match direction {
            Direction::Forward => self.remote_tag,
            Direction::Return => self.local_tag,
        }
    }

    pub(crate) fn set_tag(&mut self, direction: Direction, tag: u32) {
        match direction {
            Direction::Forward => self.remote_tag = Some(tag),
            Direction::Return => self.local_tag = Some(tag),
        }
    }

    pub(crate) fn flows(&self, direction: Direction) -> &[u32] {
        match direction {
            Direction::Forward => &self.sent,
            Direction::Return => &self.received,
        }
    }

    pub(crate) fn flows_mut(&mut self, direction: Direction) -> &mut Vec<u32> {
        match direction {
            Direction::Forward => &mut self.sent,
            Direction::Return => &mut self.received,
        }
    }

    pub(crate) fn has_flows(&self) -> bool {
        !(self.sent.is_empty() && self.received.is_empty())
    }

    pub(crate) fn is_ended(&self) -> bool {
        matches!(self.phase, Phase::Ended { .. })
    }

    /// Every pair of addresses of one family is a path, whether or not anything ever crosses it.
    pub(crate) fn list_paths(&mut self, now: Timestamp) {
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
