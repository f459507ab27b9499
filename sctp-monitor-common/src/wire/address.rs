//! One form for both address families.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bytemuck::{Pod, Zeroable};

/// A transport address without its port: IPv6, or IPv4 as an IPv4-mapped IPv6 address (RFC 4291 section 2.5.5.2).
///
/// Words are in network byte order, so that the programs copy them from the packet as they are.
#[repr(transparent)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Pod, Zeroable)]
pub struct Address([u32; 4]);

impl Address {
    /// From the word of an IPv4 header's address field.
    #[inline(always)]
    #[must_use]
    pub const fn from_v4(word: u32) -> Self {
        Self([0, 0, V4_MAPPED, word])
    }

    /// From the words of an IPv6 header's address field.
    #[inline(always)]
    #[must_use]
    pub const fn from_v6(words: [u32; 4]) -> Self {
        Self(words)
    }

    /// The word of an IPv4 header's address field; `None` for IPv6.
    #[inline(always)]
    #[must_use]
    pub const fn v4_word(self) -> Option<u32> {
        if self.is_v4() { Some(self.0[3]) } else { None }
    }

    /// Equality, word by word: derived equality is a call to `bcmp`, byte by byte.
    #[inline(always)]
    #[must_use]
    pub const fn is(self, other: Self) -> bool {
        let [a, b, c, d] = self.0;
        let [e, f, g, h] = other.0;
        (a ^ e) | (b ^ f) | (c ^ g) | (d ^ h) == 0
    }

    /// The address in the standard library's form; IPv4-mapped addresses come back as IPv4.
    #[must_use]
    pub fn to_ip(self) -> IpAddr {
        let octets: [u8; 16] = bytemuck::must_cast(self.0);
        Ipv6Addr::from(octets).to_canonical()
    }

    /// The network that one who sends in many names may have for himself: /24 of IPv4, /56 of IPv6.
    #[inline(always)]
    #[must_use]
    pub const fn network(self) -> u64 {
        let [high, low, _, v4] = self.0;
        if self.is_v4() {
            (V4_MAPPED as u64) << 32 | (v4 & FIRST_THREE_BYTES) as u64
        } else {
            (high as u64) << 32 | (low & FIRST_THREE_BYTES) as u64
        }
    }

    /// Whether the address is IPv4.
    #[inline(always)]
    #[must_use]
    pub const fn is_v4(self) -> bool {
        self.0[0] == 0 && self.0[1] == 0 && self.0[2] == V4_MAPPED
    }
}

impl From<Ipv4Addr> for Address {
    fn from(ip: Ipv4Addr) -> Self {
        Self::from_v4(u32::from_ne_bytes(ip.octets()))
    }
}

impl From<Ipv6Addr> for Address {
    fn from(ip: Ipv6Addr) -> Self {
        Self::from_v6(bytemuck::must_cast(ip.octets()))
    }
}

impl From<IpAddr> for Address {
    fn from(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(ip) => ip.into(),
            IpAddr::V6(ip) => ip.into(),
        }
    }
}

/// What of a word is of the network, as it lies in memory.
const FIRST_THREE_BYTES: u32 = u32::from_ne_bytes([0xff, 0xff, 0xff, 0]);
/// The third word of `::ffff:a.b.c.d`.
const V4_MAPPED: u32 = 0xffff_u32.to_be();

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_families_survive_the_round_trip() {
        for text in [
            "10.0.0.1",
            "255.255.255.255",
            "0.0.0.0",
            "2001:db8::1",
            "::",
            "fe80::1",
        ] {
            let ip: IpAddr = text.parse().unwrap();
            let address = Address::from(ip);
            assert_eq!(address.to_ip(), ip, "{text}");
            assert_eq!(address.is_v4(), ip.is_ipv4(), "{text}");
        }
    }
}
