//! Socket addresses as C lays them out: `sockaddr_in` (16 bytes) and `sockaddr_in6` (28), alone in a
//! `sockaddr_storage` or one after the other.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// Any socket address, with the size and alignment of C's `sockaddr_storage`.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
pub(crate) struct sockaddr_storage {
    pub(crate) bytes: [u8; 128],
}

/// The bytes of one address, as long as its family demands.
pub(crate) fn encode(address: SocketAddr) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(28);
    let family = if address.is_ipv4() {
        libc::AF_INET
    } else {
        libc::AF_INET6
    } as u16;
    bytes.extend(family.to_ne_bytes());
    bytes.extend(address.port().to_be_bytes());
    match address.ip() {
        IpAddr::V4(ip) => {
            bytes.extend(ip.octets());
            bytes.extend([0; 8]);
        }
        IpAddr::V6(ip) => {
            bytes.extend([0; 4]); // flow information
            bytes.extend(ip.octets());
            bytes.extend([0; 4]); // scope
        }
    }
    bytes
}

/// The address at the beginning of `bytes` and its length; none for another family. An IPv4 address that the stack
/// mapped into IPv6 comes out as IPv4.
pub(crate) fn decode(bytes: &[u8]) -> Option<(SocketAddr, usize)> {
    let family = i32::from(u16::from_ne_bytes(*bytes.first_chunk()?));
    let port = u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?);
    let (ip, length) = match family {
        libc::AF_INET => (IpAddr::from(*bytes.get(4..)?.first_chunk::<4>()?), 16),
        libc::AF_INET6 => (
            Ipv6Addr::from(*bytes.get(8..)?.first_chunk::<16>()?).to_canonical(),
            28,
        ),
        _ => return None,
    };
    Some((SocketAddr::new(ip, port), length))
}

impl sockaddr_storage {
    /// No address: options that carry it apply to all.
    pub(crate) const UNSPECIFIED: Self = Self { bytes: [0; 128] };

    pub(crate) fn decode(&self) -> Option<SocketAddr> {
        decode(&self.bytes).map(|(address, _)| address)
    }
}

impl From<SocketAddr> for sockaddr_storage {
    fn from(address: SocketAddr) -> Self {
        let mut storage = Self::UNSPECIFIED;
        let encoded = encode(address);
        storage.bytes[..encoded.len()].copy_from_slice(&encoded);
        storage
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv4_address_has_its_16_bytes() {
        let address = "10.1.2.3:3868".parse().unwrap();
        let bytes = encode(address);
        assert_eq!(bytes[..2], 2_u16.to_ne_bytes()); // AF_INET
        assert_eq!(bytes[2..], [0x0f, 0x1c, 10, 1, 2, 3, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(decode(&bytes), Some((address, 16)));
    }

    #[test]
    fn an_ipv6_address_has_its_28_bytes() {
        let address = "[fd00:1:2::3]:3868".parse().unwrap();
        let bytes = encode(address);
        assert_eq!(bytes[..2], 10_u16.to_ne_bytes()); // AF_INET6
        assert_eq!(
            (bytes.len(), &bytes[2..4], &bytes[8..11]),
            (28, &[0x0f, 0x1c][..], &[0xfd, 0, 0][..])
        );
        assert_eq!(decode(&bytes), Some((address, 28)));
        assert_eq!(sockaddr_storage::from(address).decode(), Some(address));
    }

    #[test]
    fn a_mapped_address_comes_out_as_ipv4() {
        let bytes = encode("[::ffff:10.1.2.3]:7".parse().unwrap());
        assert_eq!(decode(&bytes), Some(("10.1.2.3:7".parse().unwrap(), 28)));
    }

    #[test]
    fn what_is_no_internet_address_is_none() {
        assert_eq!(decode(&[1, 0, 0, 0, 0, 0, 0, 0]), None);
        assert_eq!(decode(&[]), None);
        assert_eq!(decode(&encode("[::1]:7".parse().unwrap())[..20]), None);
    }
}
