//! Notifications (RFC 6458, 6.1) as the stack delivers them: bytes in the place of a message.

use std::net::IpAddr;

use sctp_monitor_lab::endpoint::AddressChange;

use super::address;

/// The numbers in which stacks differ; the structures are the same.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dialect {
    /// `sn_type` of `SCTP_ASSOC_CHANGE`.
    pub(crate) association_change: u16,
    /// `sn_type` of `SCTP_PEER_ADDR_CHANGE`.
    pub(crate) peer_address_change: u16,
    /// The number of the first value of `sac_state` and of `spc_state`; the others follow in RFC 6458's order.
    pub(crate) first_state: u32,
}

/// What the endpoint wants to hear of the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Notification {
    /// `SCTP_ASSOC_CHANGE`
    Association(AssociationChange),
    /// `SCTP_PEER_ADDR_CHANGE`
    Path { address: IpAddr, state: AddressChange },
}

/// `sac_state`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AssociationChange {
    Up,
    Lost,
    Restarted,
    ShutDown,
    NotStarted,
}

impl Notification {
    /// The association's id and what happened to it; none for what was not subscribed to.
    pub(crate) fn parse(bytes: &[u8], dialect: &Dialect) -> Option<(u32, Self)> {
        let word16 = |offset: usize| Some(u16::from_ne_bytes(*bytes.get(offset..)?.first_chunk()?));
        let word32 = |offset: usize| Some(u32::from_ne_bytes(*bytes.get(offset..)?.first_chunk()?));
        let rank = |state: u32| state.checked_sub(dialect.first_state);
        match word16(0)? {
            kind if kind == dialect.association_change => {
                let change = match rank(u32::from(word16(8)?))? {
                    0 => AssociationChange::Up,
                    1 => AssociationChange::Lost,
                    2 => AssociationChange::Restarted,
                    3 => AssociationChange::ShutDown,
                    4 => AssociationChange::NotStarted,
                    _ => return None,
                };
                Some((word32(16)?, Self::Association(change)))
            }
            kind if kind == dialect.peer_address_change => {
                let (address, _) = address::decode(bytes.get(8..136)?)?;
                let state = match rank(word32(136)?)? {
                    0 => AddressChange::Available,
                    1 => AddressChange::Unreachable,
                    2 => AddressChange::Removed,
                    3 => AddressChange::Added,
                    4 => AddressChange::MadePrimary,
                    5 => AddressChange::Confirmed,
                    6 => AddressChange::PotentiallyFailed,
                    _ => return None,
                };
                let address = address.ip();
                Some((word32(144)?, Self::Path { address, state }))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// usrsctp's.
    const BSD: Dialect = Dialect {
        association_change: 1,
        peer_address_change: 2,
        first_state: 1,
    };
    const LINUX: Dialect = Dialect {
        association_change: 0x8001,
        peer_address_change: 0x8002,
        first_state: 0,
    };

    fn association_change(kind: u16, state: u16) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend([kind, 0].map(u16::to_ne_bytes).concat()); // type, flags
        bytes.extend(20_u32.to_ne_bytes()); // length
        bytes.extend([state, 0, 10, 10].map(u16::to_ne_bytes).concat()); // state, error, streams
        bytes.extend(7_u32.to_ne_bytes()); // association
        bytes
    }

    fn peer_address_change(kind: u16, state: u32) -> Vec<u8> {
        let mut bytes = vec![0; 152];
        bytes[..2].copy_from_slice(&kind.to_ne_bytes());
        bytes[8..24].copy_from_slice(&address::encode("10.1.2.2:3868".parse().unwrap()));
        bytes[136..140].copy_from_slice(&state.to_ne_bytes());
        bytes[144..148].copy_from_slice(&9_u32.to_ne_bytes());
        bytes
    }

    #[test]
    fn an_association_change_is_read() {
        let expected = Some((7, Notification::Association(AssociationChange::Up)));
        let bytes = association_change(1, 1);
        assert_eq!(Notification::parse(&bytes, &BSD), expected);
        assert_eq!(Notification::parse(&bytes[..18], &BSD), None);
        assert_eq!(
            Notification::parse(&association_change(0x8001, 0), &LINUX),
            expected
        );
    }

    #[test]
    fn a_peer_address_change_is_read() {
        let unreachable = Notification::Path {
            address: [10, 1, 2, 2].into(),
            state: AddressChange::Unreachable,
        };
        assert_eq!(
            Notification::parse(&peer_address_change(2, 2), &BSD),
            Some((9, unreachable))
        );
        assert_eq!(
            Notification::parse(&peer_address_change(0x8002, 1), &LINUX),
            Some((9, unreachable))
        );
    }

    #[test]
    fn other_notifications_are_none() {
        assert_eq!(Notification::parse(&5_u16.to_ne_bytes(), &BSD), None);
        assert_eq!(
            Notification::parse(&association_change(1, 0), &BSD),
            None,
            "below the first"
        );
        assert_eq!(Notification::parse(&association_change(1, 1), &LINUX), None);
    }
}
