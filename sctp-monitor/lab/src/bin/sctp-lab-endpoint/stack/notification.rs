//! Notifications (RFC 6458, 6.1) as the stack delivers them: bytes in the place of a message.

use std::net::IpAddr;

use sctp_monitor_lab::endpoint::AddressChange;

use super::address;
use super::ffi::{SCTP_ASSOC_CHANGE, SCTP_PEER_ADDR_CHANGE};

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
    pub(crate) fn parse(bytes: &[u8]) -> Option<(u32, Self)> {
        let word16 = |offset: usize| Some(u16::from_ne_bytes(*bytes.get(offset..)?.first_chunk()?));
        let word32 = |offset: usize| Some(u32::from_ne_bytes(*bytes.get(offset..)?.first_chunk()?));
        match word16(0)? {
            SCTP_ASSOC_CHANGE => {
                let change = match word16(8)? {
                    1 => AssociationChange::Up,
                    2 => AssociationChange::Lost,
                    3 => AssociationChange::Restarted,
                    4 => AssociationChange::ShutDown,
                    5 => AssociationChange::NotStarted,
                    _ => return None,
                };
                Some((word32(16)?, Self::Association(change)))
            }
            SCTP_PEER_ADDR_CHANGE => {
                let (address, _) = address::decode(bytes.get(8..136)?)?;
                let state = match word32(136)? {
                    1 => AddressChange::Available,
                    2 => AddressChange::Unreachable,
                    3 => AddressChange::Removed,
                    4 => AddressChange::Added,
                    5 => AddressChange::MadePrimary,
                    6 => AddressChange::Confirmed,
                    _ => return None,
                };
                Some((
                    word32(144)?,
                    Self::Path {
                        address: address.ip(),
                        state,
                    },
                ))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_association_change_is_read() {
        let mut bytes = Vec::new();
        bytes.extend([1_u16, 0].map(u16::to_ne_bytes).concat()); // type, flags
        bytes.extend(20_u32.to_ne_bytes()); // length
        bytes.extend([1_u16, 0, 10, 10].map(u16::to_ne_bytes).concat()); // COMM_UP, error, streams
        bytes.extend(7_u32.to_ne_bytes()); // association
        let expected = Notification::Association(AssociationChange::Up);
        assert_eq!(Notification::parse(&bytes), Some((7, expected)));
        assert_eq!(Notification::parse(&bytes[..18]), None);
    }

    #[test]
    fn a_peer_address_change_is_read() {
        let mut bytes = vec![0; 152];
        bytes[..2].copy_from_slice(&2_u16.to_ne_bytes());
        bytes[8..24].copy_from_slice(&address::encode("10.1.2.2:3868".parse().unwrap()));
        bytes[136..140].copy_from_slice(&2_u32.to_ne_bytes()); // SCTP_ADDR_UNREACHABLE
        bytes[144..148].copy_from_slice(&9_u32.to_ne_bytes());
        let expected = Notification::Path {
            address: [10, 1, 2, 2].into(),
            state: AddressChange::Unreachable,
        };
        assert_eq!(Notification::parse(&bytes), Some((9, expected)));
    }

    #[test]
    fn other_notifications_are_none() {
        assert_eq!(Notification::parse(&5_u16.to_ne_bytes()), None);
    }
}
