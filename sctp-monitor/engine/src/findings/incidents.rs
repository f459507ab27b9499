//! Incidents: failures that have one cause are one alarm.
//!
//! Findings of one kind at about the same time are one incident if there is something that all their paths share: the
//! NIC, the local address, the remote address, or the association. What fails later joins an open incident only if it
//! has had no answer since that began. An incident is reported when it opens, when it has grown, and once when its
//! last member is well again.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::model::{
    AssociationId, Cause, FindingKind, IncidentId, IncidentView, PeerDown, Scope, ScopeKind, Severity, Sides,
    SilentEndpoint, Timestamp,
};

/// What a path has that others may share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Keys {
    /// Neither endpoint is this host: which of them is local says nothing.
    pub(crate) between_hosts: bool,
    /// The NICs, in order.
    pub(crate) interfaces: Vec<(u32, String)>,
    pub(crate) local: Option<IpAddr>,
    pub(crate) remote: Option<IpAddr>,
    pub(crate) association: Option<AssociationId>,
    /// All addresses of the remote endpoint, in order; between the hosts, of either.
    pub(crate) endpoints: Vec<Vec<IpAddr>>,
    /// Some other path of the association works.
    pub(crate) others_work: bool,
}

impl Keys {
    /// What both have; `None` if nothing.
    fn common(&self, other: &Self) -> Option<Self> {
        let in_other = |address: &IpAddr| [other.local, other.remote].contains(&Some(*address));
        let interfaces = self.interfaces.iter();
        let endpoints = self.endpoints.iter();
        let common = Self {
            between_hosts: self.between_hosts,
            interfaces: interfaces
                .filter(|(index, _)| other.interfaces.iter().any(|(other, _)| other == index))
                .cloned()
                .collect(),
            local: self.local.filter(in_other),
            remote: self.remote.filter(in_other),
            association: self.association.filter(|_| self.association == other.association),
            endpoints: endpoints
                .filter(|endpoint| other.endpoints.contains(endpoint))
                .cloned()
                .collect(),
            others_work: self.others_work || other.others_work,
        };
        let any = !common.interfaces.is_empty()
            || common.local.is_some()
            || common.remote.is_some()
            || common.association.is_some()
            || !common.endpoints.is_empty();
        any.then_some(common)
    }

    /// The names of the NICs.
    fn interface(&self) -> Option<String> {
        let names: Vec<_> = self.interfaces.iter().map(|(_, name)| name.as_str()).collect();
        (!names.is_empty()).then(|| names.join(", "))
    }
}

/// A finding that may be part of an incident.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Member {
    pub(crate) association: AssociationId,
    pub(crate) cause: Cause,
    pub(crate) kind: FindingKind,
    pub(crate) keys: Keys,
    /// Those of the path's two addresses over which no path of the association works.
    pub(crate) failing: Vec<IpAddr>,
    /// The last proof that the path worked.
    pub(crate) alive_at: Option<Timestamp>,
    pub(crate) reason: String,
    pub(crate) severity: Severity,
    pub(crate) next: String,
}

/// All open incidents.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Incidents {
    open: BTreeMap<IncidentId, Incident>,
    next_id: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Incident {
    cause: Cause,
    view: IncidentView,
    keys: Keys,
    failing: BTreeSet<IpAddr>,
    last_joined: Timestamp,
    members: BTreeMap<AssociationId, u32>,
    /// Those of the associations that have no other path left, and the endpoint of each from which nothing comes, if that is known.
    cut_off: BTreeMap<AssociationId, Option<SilentEndpoint>>,
    /// When its growth is to be reported.
    update_at: Option<Timestamp>,
}

impl Incidents {
    /// Makes a finding part of an incident, of a new one if need be.
    pub(crate) fn join(
        &mut self,
        member: &Member,
        window: Duration,
        now: Timestamp,
    ) -> (IncidentId, Option<IncidentView>) {
        let found = self.open.iter_mut().rev().find_map(|(id, incident)| {
            if incident.cause != member.cause {
                return None;
            }
            let keys = incident.keys.common(&member.keys)?;
            let together = now.since(incident.last_joined) <= window;
            let silent_since = member.alive_at.is_none_or(|at| at <= incident.view.since);
            (together || silent_since).then_some((*id, keys))
        });
        if let Some((id, keys)) = found
            && let Some(incident) = self.open.get_mut(&id)
        {
            incident.keys = keys;
            incident.last_joined = now;
            incident.add(member);
            incident.update_at.get_or_insert(now + GROWTH);
            return (id, None);
        }
        self.next_id += 1;
        let id = IncidentId(self.next_id);
        let mut incident = Incident::new(id, member, now);
        incident.add(member);
        let view = incident.view.clone();
        self.open.insert(id, incident);
        (id, Some(view))
    }

    /// All paths of an association are down, by this incident.
    pub(crate) fn on_peer_down(
        &mut self,
        id: IncidentId,
        association: AssociationId,
        silent: Option<SilentEndpoint>,
        now: Timestamp,
    ) {
        if let Some(incident) = self.open.get_mut(&id) {
            incident.cut_off.insert(association, silent);
            incident.refresh();
            incident.update_at.get_or_insert(now + GROWTH);
        }
    }

    /// A finding is over. Gives the incident if it was the last one.
    pub(crate) fn leave(&mut self, id: IncidentId, association: AssociationId) -> Option<IncidentView> {
        let incident = self.open.get_mut(&id)?;
        incident.remove(association);
        if !incident.members.is_empty() {
            return None;
        }
        self.open.remove(&id).map(|incident| incident.view)
    }

    /// Incidents whose change is to be reported by now.
    pub(crate) fn due(&mut self, now: Timestamp) -> Vec<IncidentView> {
        self.open
            .values_mut()
            .filter_map(|incident| {
                incident.update_at.filter(|at| *at <= now)?;
                incident.update_at = None;
                Some(incident.view.clone())
            })
            .collect()
    }

    /// When the next change is to be reported.
    pub(crate) fn deadline(&self) -> Option<Timestamp> {
        self.open.values().filter_map(|incident| incident.update_at).min()
    }

    pub(crate) fn views(&self) -> impl Iterator<Item = &IncidentView> {
        self.open.values().map(|incident| &incident.view)
    }
}

impl Incident {
    fn new(id: IncidentId, member: &Member, now: Timestamp) -> Self {
        Self {
            cause: member.cause,
            view: IncidentView {
                id,
                finding: member.kind,
                severity: member.severity,
                scope: Scope {
                    kind: ScopeKind::Path,
                    interface: None,
                    local: None,
                    remote: None,
                    association: None,
                    failing: Vec::new(),
                    peer: Vec::new(),
                    hosts: Vec::new(),
                },
                members: 0,
                most_members: 0,
                associations: 0,
                since: now,
                reason: member.reason.clone(),
                next: member.next.clone(),
            },
            keys: member.keys.clone(),
            failing: BTreeSet::new(),
            last_joined: now,
            members: BTreeMap::new(),
            cut_off: BTreeMap::new(),
            update_at: None,
        }
    }

    fn add(&mut self, member: &Member) {
        *self.members.entry(member.association).or_default() += 1;
        if self.failing.len() < MOST_FAILING {
            self.failing.extend(&member.failing);
        }
        self.refresh();
    }

    fn remove(&mut self, association: AssociationId) {
        if let Some(count) = self.members.get_mut(&association) {
            *count -= 1;
            if *count == 0 {
                self.members.remove(&association);
                self.cut_off.remove(&association);
            }
        }
        self.count();
    }

    /// How many findings it has, and in how many associations.
    fn count(&mut self) {
        self.view.members = self.members.values().map(|count| *count as usize).sum();
        self.view.most_members = self.view.most_members.max(self.view.members);
        self.view.associations = self.members.len();
    }

    fn refresh(&mut self) {
        self.count();
        let members = self.view.members;
        if members > 1 {
            // The first one's words are not those of the others.
            self.view.reason = self.view.extent();
        }
        let kind = self.shared();
        if matches!(kind, ScopeKind::Peer | ScopeKind::Hosts) && self.cut_off.len() == self.members.len() {
            let peer_down = PeerDown {
                paths: members,
                silent: self.silent(),
            };
            let sides = if self.keys.between_hosts {
                Sides::SideA
            } else {
                Sides::ThisHost
            };
            self.view.finding = FindingKind::PeerDown;
            self.view.severity = PeerDown::SEVERITY;
            self.view.next = peer_down.check(sides);
            self.view.reason = peer_down.words(sides);
        }
        let keys = &self.keys;
        let is_path = kind == ScopeKind::Path;
        self.view.scope = Scope {
            kind: if self.view.finding == FindingKind::LinkDown && !keys.interfaces.is_empty() {
                ScopeKind::Interface
            } else {
                kind
            },
            interface: keys.interface(),
            local: keys.local.filter(|_| is_path || self.fails(keys.local)),
            remote: keys.remote.filter(|_| is_path || self.fails(keys.remote)),
            association: keys.association,
            failing: match kind {
                ScopeKind::Addresses => self.failing.iter().copied().collect(),
                ScopeKind::Address => [keys.local, keys.remote]
                    .into_iter()
                    .filter(|address| self.fails(*address))
                    .flatten()
                    .collect(),
                _ => Vec::new(),
            },
            peer: if keys.between_hosts {
                Vec::new()
            } else {
                keys.endpoints.concat()
            },
            hosts: if keys.between_hosts {
                keys.endpoints.clone()
            } else {
                Vec::new()
            },
        };
    }

    /// The endpoint from which nothing comes in any of the associations.
    fn silent(&self) -> Option<SilentEndpoint> {
        let mut silent = self.cut_off.values();
        let first = silent.next()?.as_ref()?;
        let same = |other: &Option<SilentEndpoint>| {
            other
                .as_ref()
                .is_some_and(|other| other.addresses == first.addresses)
        };
        silent.all(same).then(|| first.clone())
    }

    /// The most telling of the things that all members share.
    fn shared(&self) -> ScopeKind {
        let keys = &self.keys;
        let (local, remote) = (self.fails(keys.local), self.fails(keys.remote));
        let endpoints = keys.endpoints.len();
        let (hosts, all_down) = (keys.between_hosts, !keys.others_work);
        let of_endpoint = if hosts { ScopeKind::Hosts } else { ScopeKind::Peer };
        if keys.local.is_some() && keys.remote.is_some() {
            ScopeKind::Path
        } else if hosts && endpoints == 2 && all_down {
            ScopeKind::Hosts
        } else if hosts && (local || remote) {
            ScopeKind::Address
        } else if remote {
            ScopeKind::RemoteAddress
        } else if endpoints > 0 && all_down {
            of_endpoint
        } else if local {
            ScopeKind::LocalAddress
        } else if keys.association.is_some() && !self.failing.is_empty() {
            ScopeKind::Addresses
        } else if endpoints > 0 {
            of_endpoint
        } else {
            ScopeKind::Interface
        }
    }

    fn fails(&self, address: Option<IpAddr>) -> bool {
        address.is_some_and(|address| self.failing.contains(&address))
    }
}

/// Addresses that are kept of an incident, which may be of thousands of associations: as many as an association has.
const MOST_FAILING: usize = 64;

/// How long changes of an incident are collected before they are reported: 500 failures are found within a few sweeps.
const GROWTH: Duration = Duration::from_millis(500);
