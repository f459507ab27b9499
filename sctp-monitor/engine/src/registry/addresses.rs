//! The addresses of one endpoint of an association, and how each of them is known.
//!
//! What an endpoint lists of itself (INIT, INIT ACK, ASCONF) is better than what traffic shows, and outlives it. An
//! address that was given up stays in mind: late packets from it must not bring it back.

use serde::{Deserialize, Serialize};

use crate::model::{AddressSource, Translation};

use std::{net::IpAddr, time::Duration};

use crate::{config::RFC_RTO_MAX, model::Timestamp};

/// The addresses of one endpoint.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Addresses {
    known: Vec<(IpAddr, AddressSource)>,
    /// Addresses that were given up, with the time when they were.
    given_up: Vec<(IpAddr, Timestamp)>,
    translations: Vec<Translation>,
    /// Where the endpoint asked the other one to send its DATA.
    primary: Option<IpAddr>,
}

impl Addresses {
    /// The addresses, in the order in which they became known.
    pub fn iter(&self) -> impl Iterator<Item = &IpAddr> {
        self.known.iter().map(|(address, _)| address)
    }

    /// How an address is known, if it is.
    #[must_use]
    pub fn source(&self, address: &IpAddr) -> Option<AddressSource> {
        self.known
            .iter()
            .find(|(known, _)| known == address)
            .map(|(_, source)| *source)
    }

    /// Whether the address is known as the endpoint's.
    #[must_use]
    pub fn contains(&self, address: &IpAddr) -> bool {
        self.source(address).is_some()
    }

    /// The number of known addresses.
    #[must_use]
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether no address is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Where the endpoint asked the other one to send its DATA, by ASCONF.
    #[must_use]
    pub fn requested_primary(&self) -> Option<IpAddr> {
        self.primary
    }

    /// Addresses that a translator replaces on the way.
    #[must_use]
    pub fn translations(&self) -> &[Translation] {
        &self.translations
    }

    /// Whether packets show the endpoint by this address: it is its own, or stands for one of them.
    pub(crate) fn recognizes(&self, address: &IpAddr) -> bool {
        self.contains(address)
            || self
                .translations
                .iter()
                .any(|translation| translation.seen_as == *address)
    }

    /// The endpoint's own address that a packet shows as this one.
    pub(crate) fn own(&self, address: IpAddr) -> IpAddr {
        self.translations
            .iter()
            .find(|translation| translation.seen_as == address)
            .map_or(address, |translation| translation.address)
    }

    pub(crate) fn is_given_up(&self, address: &IpAddr) -> bool {
        self.given_up.iter().any(|(gone, _)| gone == address)
    }

    pub(crate) fn translate(&mut self, translation: Translation) {
        self.translations.push(translation);
    }

    /// Traffic shows the address.
    pub(crate) fn learn(&mut self, address: IpAddr) {
        if !self.contains(&address) {
            self.known.push((address, AddressSource::Learned));
        }
    }

    /// The endpoint lists the address; `true` if it had not yet.
    pub(crate) fn list(&mut self, address: IpAddr) -> bool {
        self.given_up.retain(|(gone, _)| *gone != address);
        match self.known.iter_mut().find(|(known, _)| *known == address) {
            Some((_, AddressSource::Listed)) => return false,
            Some((_, source)) => *source = AddressSource::Listed,
            None => self.known.push((address, AddressSource::Listed)),
        }
        true
    }

    /// The endpoint gives the address up; `false` if it was none of its own, or is its last one, which cannot be
    /// given up (RFC 5061 section 4.3.1).
    pub(crate) fn give_up(&mut self, address: IpAddr, now: Timestamp) -> bool {
        if !self.contains(&address) || self.len() == 1 {
            return false;
        }
        self.known.retain(|(known, _)| *known != address);
        self.primary = self.primary.filter(|primary| *primary != address);
        if self.given_up.len() == MAX_GIVEN_UP {
            self.given_up.remove(0);
        }
        self.given_up.push((address, now));
        true
    }

    /// What still uses an address long after it was given up is not late: its return was not seen.
    pub(crate) fn expire_given_up(&mut self, now: Timestamp) {
        self.given_up.retain(|(_, at)| now.since(*at) < LATE);
    }

    /// The endpoint asks for DATA at this address; `false` if it is none of its own.
    pub(crate) fn request_primary(&mut self, address: IpAddr) -> bool {
        let own = self.contains(&address);
        if own {
            self.primary = Some(address);
        }
        own
    }

    /// Forgets a learned address that turned out to be wrong.
    pub(crate) fn forget_learned(&mut self, address: &IpAddr) {
        self.known
            .retain(|(known, source)| known != address || *source == AddressSource::Listed);
    }
}

/// Addresses that are believed of one endpoint. Linux binds any number, FreeBSD 1,080; products use 2 to 4.
pub(super) const MAX_ADDRESSES: usize = 32;
/// Addresses that are kept in mind after they were given up.
const MAX_GIVEN_UP: usize = 8;

/// How long packets of an address that was given up may be late.
const LATE: Duration = RFC_RTO_MAX;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_address_stays() {
        let [first, second] = ["10.0.0.1", "10.0.0.2"].map(|text| text.parse().unwrap());
        let mut addresses = Addresses::default();
        addresses.list(first);
        let now = Timestamp::default();
        assert!(!addresses.give_up(first, now));
        addresses.learn(second);
        assert!(addresses.give_up(first, now));
        assert!(addresses.is_given_up(&first));
        assert!(!addresses.give_up(second, now));
        assert!(addresses.list(first), "and it may come back");
        assert!(!addresses.is_given_up(&first));
    }

    #[test]
    fn a_listed_address_is_never_less() {
        let address = "10.0.0.1".parse().unwrap();
        let mut addresses = Addresses::default();
        addresses.learn(address);
        assert_eq!(addresses.source(&address), Some(AddressSource::Learned));
        assert!(addresses.list(address), "that is news");
        addresses.learn(address);
        addresses.forget_learned(&address);
        assert_eq!(addresses.source(&address), Some(AddressSource::Listed));
    }
}
