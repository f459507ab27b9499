//! Incidents as they are reported: failures that have one cause.

use std::{fmt, net::IpAddr};

use crate::model::{AssociationId, IncidentId, Timestamp};

/// An incident as it is reported.
#[derive(Debug, Clone, PartialEq)]
pub struct IncidentView {
    /// Its number.
    pub id: IncidentId,
    /// Name of the findings that it consists of: of the first one, if they differ; `peer_down` once all that they share
    /// is the peer, and no path to it is left.
    pub finding: &'static str,
    /// What all of them share.
    pub scope: Scope,
    /// Findings that are part of it now.
    pub members: usize,
    /// The most that ever were.
    pub most_members: usize,
    /// Associations that they belong to.
    pub associations: usize,
    /// Since when.
    pub since: Timestamp,
    /// The first finding, in words, or what all of them come to.
    pub reason: String,
    /// What to check next.
    pub next: &'static str,
}

/// What the members of an incident share: everything that is set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// What stands out.
    pub kind: ScopeKind,
    /// The local NIC.
    pub interface: Option<String>,
    /// The local address.
    pub local: Option<IpAddr>,
    /// The remote address.
    pub remote: Option<IpAddr>,
    /// The association.
    pub association: Option<AssociationId>,
    /// All addresses of the remote endpoint; none if there are several endpoints.
    pub peer: Vec<IpAddr>,
}

/// What the members of an incident share most remarkably.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScopeKind {
    /// One pair of addresses, and so one path through the network.
    Path,
    /// A local NIC without a link, or with several dead local or remote addresses.
    Interface,
    /// A local address.
    LocalAddress,
    /// A remote address.
    RemoteAddress,
    /// All paths between two endpoints.
    Peer,
}

impl fmt::Display for ScopeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Path => "path",
            Self::Interface => "interface",
            Self::LocalAddress => "local_address",
            Self::RemoteAddress => "remote_address",
            Self::Peer => "peer",
        })
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.kind, &self.interface, self.local, self.remote) {
            (ScopeKind::Path, interface, Some(local), Some(remote)) => {
                write!(f, "{local} > {remote}")?;
                match interface {
                    Some(interface) => write!(f, " on {interface}"),
                    None => Ok(()),
                }
            }
            (ScopeKind::Interface, Some(interface), ..) => write!(f, "interface {interface}"),
            (ScopeKind::LocalAddress, _, Some(local), _) => write!(f, "local address {local}"),
            (ScopeKind::RemoteAddress, _, _, Some(remote)) => write!(f, "remote address {remote}"),
            _ => {
                f.write_str("the peer at")?;
                for (index, address) in self.peer.iter().enumerate() {
                    write!(f, "{} {address}", if index > 0 { "," } else { "" })?;
                }
                Ok(())
            }
        }
    }
}
