//! Changes of an association's addresses (RFC 5061): asked by ASCONF, done when its ASCONF ACK says so.

use std::net::IpAddr;

use sctp_monitor_common::{
    abi::FlowKey,
    wire::{
        Chunk, Frame,
        control::{
            AddressAnswer, AddressChange, AddressChangeKind, address_answers, address_changes,
            asconf_lookup_address, asconf_serial,
        },
    },
};

use crate::{
    engine::Engine,
    model::{AssociationId, EventKind, PathId, Side, Timestamp},
    registry::association::Association,
};

/// An ASCONF whose ASCONF ACK has not been seen. An endpoint has one at a time (RFC 5061 section 5.1).
#[derive(Debug, Clone)]
pub(crate) struct AddressRequest {
    by: Side,
    serial: u32,
    /// The packet's own source: what the wildcard address stands for.
    source: IpAddr,
    changes: Vec<AddressChange>,
}

impl AddressRequest {
    /// The changes that were made, by the peer's answers. What has no answer was done, unless something before it was
    /// refused (RFC 5061 section 4.1.2).
    fn granted(&self, answers: &[AddressAnswer]) -> Vec<AddressChange> {
        let mut refused_before = false;
        self.changes
            .iter()
            .filter(|change| {
                let answer = answers
                    .iter()
                    .find(|answer| answer.correlation_id == change.correlation_id);
                match answer {
                    Some(answer) => {
                        refused_before |= answer.refused.is_some();
                        answer.refused.is_none()
                    }
                    None => !refused_before,
                }
            })
            .copied()
            .collect()
    }
}

/// What became of one endpoint's addresses.
#[derive(Debug, Default)]
struct Changed {
    added: Vec<IpAddr>,
    removed: Vec<IpAddr>,
    primary: Option<IpAddr>,
}

impl Engine {
    pub(crate) fn on_asconf(&mut self, key: &FlowKey, tag: u32, frame: &Frame<'_>, chunk: &Chunk) {
        // An address that is to be added may be the source; then the chunk names one that is known.
        let found = self.by_tag(key, tag).or_else(|| {
            let src = asconf_lookup_address(frame, chunk)?;
            self.by_tag(&FlowKey { src, ..*key }, tag)
        });
        let (Some((id, direction)), Some(serial)) = (found, asconf_serial(frame, chunk)) else {
            return;
        };
        let Some(association) = self.associations.get_mut(&id) else {
            return;
        };
        let by = Side::sending(direction);
        association.address_requests.retain(|request| request.by != by);
        association.address_requests.push(AddressRequest {
            by,
            serial,
            source: key.src.to_ip(),
            changes: address_changes(frame, chunk).take(MAX_CHANGES).collect(),
        });
    }

    pub(crate) fn on_asconf_ack(
        &mut self,
        key: &FlowKey,
        tag: u32,
        frame: &Frame<'_>,
        chunk: &Chunk,
        now: Timestamp,
    ) {
        let (Some((id, direction)), Some(serial)) = (self.by_tag(key, tag), asconf_serial(frame, chunk))
        else {
            return;
        };
        let Some(association) = self.associations.get_mut(&id) else {
            return;
        };
        let by = Side::sending(direction).other();
        let asked = association
            .address_requests
            .iter()
            .position(|request| request.by == by && request.serial == serial);
        let Some(asked) = asked else {
            return;
        };
        let request = association.address_requests.remove(asked);
        let answers: Vec<_> = address_answers(frame, chunk).collect();
        let mut changed = Changed::default();
        for change in request.granted(&answers) {
            change_address(association, &request, &change, &mut changed, now);
        }
        if association.is_up() {
            association.list_paths(now);
        }
        self.drop_paths(id, by, &changed.removed, now);
        self.report_addresses(id, by, changed, now);
    }

    /// Paths of an address that was given up go away, and their flows leave.
    fn drop_paths(&mut self, id: AssociationId, side: Side, addresses: &[IpAddr], now: Timestamp) {
        let Some(association) = self.associations.get(&id) else {
            return;
        };
        let gone: Vec<PathId> = association
            .paths
            .keys()
            .copied()
            .filter(|path| addresses.contains(&side.of(path)))
            .collect();
        let mut slots = Vec::new();
        for path in gone {
            self.settle_path(id, path, Vec::new(), now);
            let removed = self
                .associations
                .get_mut(&id)
                .and_then(|association| association.paths.remove(&path));
            if let Some(removed) = removed {
                slots.extend([removed.sent, removed.received].into_iter().flatten());
            }
        }
        for slot in slots {
            self.leave(slot);
        }
    }

    fn report_addresses(&mut self, id: AssociationId, side: Side, changed: Changed, now: Timestamp) {
        let Changed {
            added,
            removed,
            primary,
        } = changed;
        let any = !added.is_empty() || !removed.is_empty() || primary.is_some();
        // What changes before an association is reported as up is in that report.
        let up = self.associations.get(&id).is_some_and(Association::is_up);
        if any && up {
            let kind = EventKind::AddressesChanged {
                side,
                added,
                removed,
                primary,
            };
            self.report(id, kind, now);
        }
    }

    /// What an INIT or INIT ACK lists of an association that was joined before it was understood.
    pub(crate) fn correct_addresses(
        &mut self,
        id: AssociationId,
        side: Side,
        listed: &[IpAddr],
        now: Timestamp,
    ) {
        let in_use = |association: &Association, address: &IpAddr| {
            association
                .paths
                .iter()
                .any(|(id, path)| side.of(id) == *address && (path.sent.is_some() || path.received.is_some()))
        };
        let Some(association) = self.associations.get_mut(&id) else {
            return;
        };
        let mut changed = Changed::default();
        let known: Vec<_> = association.addresses(side).iter().copied().collect();
        for address in known {
            if !listed.contains(&address) && !in_use(association, &address) {
                association.addresses_mut(side).forget_learned(&address);
                changed.removed.push(address);
            }
        }
        for address in listed {
            let known = association.addresses(side).contains(address);
            association.addresses_mut(side).list(*address);
            if !known {
                changed.added.push(*address);
            }
        }
        if association.is_up() {
            association.list_paths(now);
        }
        self.drop_paths(id, side, &changed.removed, now);
        self.report_addresses(id, side, changed, now);
    }
}

fn change_address(
    association: &mut Association,
    request: &AddressRequest,
    change: &AddressChange,
    changed: &mut Changed,
    now: Timestamp,
) {
    let addresses = association.addresses_mut(request.by);
    let address = change.address.to_ip();
    let wildcard = address.is_unspecified();
    let meant = if wildcard { request.source } else { address };
    match change.kind {
        AddressChangeKind::Add => {
            if addresses.list(meant) {
                changed.added.push(meant);
            }
        }
        // The wildcard means all but the packet's source (RFC 5061 section 4.2.2).
        AddressChangeKind::Delete if wildcard => {
            let others: Vec<_> = addresses
                .iter()
                .copied()
                .filter(|other| *other != meant)
                .collect();
            let given_up = others.into_iter().filter(|other| addresses.give_up(*other, now));
            changed.removed.extend(given_up);
        }
        AddressChangeKind::Delete => {
            if addresses.give_up(address, now) {
                changed.removed.push(address);
            }
        }
        AddressChangeKind::SetPrimary => {
            if addresses.request_primary(meant) {
                changed.primary = Some(meant);
            }
        }
    }
}

/// Requests of one ASCONF that are heeded: as many as addresses are believed of one endpoint.
const MAX_CHANGES: usize = 32;
