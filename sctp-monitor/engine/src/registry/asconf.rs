//! A request to change an endpoint's addresses (RFC 5061): asked by ASCONF, done when its ASCONF ACK says so.

use std::net::IpAddr;

use sctp_monitor_common::wire::{
    Chunk, Frame,
    control::{
        AddressAnswer, AddressChange, AddressChangeKind, address_answers, address_changes, asconf_serial,
    },
};
use serde::{Deserialize, Serialize};

use crate::{
    model::{Side, Timestamp},
    registry::addresses::{Addresses, MAX_ADDRESSES},
};

/// An ASCONF whose ASCONF ACK has not been seen. An endpoint has one at a time (RFC 5061 section 5.1).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct AddressRequest {
    by: Side,
    serial: u32,
    /// The packet's own source: what the wildcard address stands for.
    source: IpAddr,
    changes: Vec<AddressChange>,
}

/// What became of one endpoint's addresses.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct AddressesChanged {
    pub(super) added: Vec<IpAddr>,
    pub(super) removed: Vec<IpAddr>,
    pub(super) primary: Option<IpAddr>,
}

impl AddressRequest {
    /// The request in an ASCONF that came from this address.
    pub(super) fn read(by: Side, source: IpAddr, frame: &Frame<'_>, chunk: &Chunk) -> Option<Self> {
        Some(Self {
            by,
            serial: asconf_serial(frame, chunk)?,
            source,
            changes: address_changes(frame, chunk).take(MAX_ADDRESSES).collect(),
        })
    }

    /// The endpoints have changed their names.
    pub(super) fn turn(&mut self) {
        self.by = self.by.other();
    }

    /// The endpoint that asked.
    pub(super) fn by(&self) -> Side {
        self.by
    }

    /// Whether an ASCONF ACK to this endpoint answers it.
    pub(super) fn is_answered_by(&self, to: Side, frame: &Frame<'_>, chunk: &Chunk) -> bool {
        self.by == to && asconf_serial(frame, chunk) == Some(self.serial)
    }

    /// Does to the endpoint's addresses what the ASCONF ACK grants.
    pub(super) fn carry_out(
        &self,
        frame: &Frame<'_>,
        chunk: &Chunk,
        addresses: &mut Addresses,
        now: Timestamp,
    ) -> AddressesChanged {
        let answers: Vec<_> = address_answers(frame, chunk).collect();
        let mut changed = AddressesChanged::default();
        for change in self.granted(&answers) {
            self.change(&change, addresses, &mut changed, now);
        }
        changed
    }

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

    fn change(
        &self,
        change: &AddressChange,
        addresses: &mut Addresses,
        changed: &mut AddressesChanged,
        now: Timestamp,
    ) {
        let address = change.address.to_ip();
        let wildcard = address.is_unspecified();
        let meant = if wildcard { self.source } else { address };
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
}

impl AddressesChanged {
    /// Whether anything changed.
    pub(super) fn any(&self) -> bool {
        !self.added.is_empty() || !self.removed.is_empty() || self.primary.is_some()
    }
}
