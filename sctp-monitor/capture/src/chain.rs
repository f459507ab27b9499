//! The headers between a frame's first IP header and its SCTP packet.

use std::fmt;

use crate::tunnel::TunnelKind;

/// What a packet is wrapped in, from its first IP header on. VLAN tags and MPLS labels in front of that are no
/// encapsulation.
///
/// Shown as Wireshark names protocols, e.g. `ip/udp/vxlan/eth/ip`; nothing if the SCTP packet lies in the first IP header,
/// `ip/udp` for SCTP in UDP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Chain(u64);

/// One header; at most 15 kinds, four bits each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Ip = 1,
    Ipv6,
    Ethernet,
    Vlan,
    Udp,
    GtpU,
    Vxlan,
    Geneve,
    Gre,
    Erspan,
    Mpls,
}

impl Chain {
    /// Whether the packet lies in the first IP header of its frame.
    #[must_use]
    pub fn is_plain(self) -> bool {
        self.0 < 16
    }

    pub(crate) fn push(&mut self, step: Step) {
        // Sixteen steps fit; a seventeenth pushes the first one out.
        self.0 = self.0 << 4 | step as u64;
    }

    pub(crate) fn push_ip(&mut self, version: u8) {
        self.push(if version == 4 { Step::Ip } else { Step::Ipv6 });
    }

    pub(crate) fn push_tunnel(&mut self, kind: TunnelKind) {
        // In front of the first IP header there is no tunnel yet.
        if self.0 == 0 {
            return;
        }
        for step in match kind {
            TunnelKind::GtpU => &[Step::Udp, Step::GtpU][..],
            TunnelKind::Vxlan => &[Step::Udp, Step::Vxlan],
            TunnelKind::Geneve => &[Step::Udp, Step::Geneve],
            TunnelKind::Gre => &[Step::Gre],
            TunnelKind::Erspan => &[Step::Gre, Step::Erspan],
            TunnelKind::IpInIp | TunnelKind::Ipv6InIp => &[],
            TunnelKind::Mpls => &[Step::Mpls],
        } {
            self.push(*step);
        }
    }

    pub(crate) fn push_ethernet(&mut self, vlan_tags: usize) {
        if self.0 == 0 {
            return;
        }
        self.push(Step::Ethernet);
        for _ in 0..vlan_tags {
            self.push(Step::Vlan);
        }
    }
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_plain() {
            return Ok(());
        }
        let steps = (0..16).rev().map(|place| self.0 >> (4 * place) & 0xf);
        let mut separator = "";
        for step in steps.skip_while(|step| *step == 0) {
            f.write_str(separator)?;
            f.write_str(NAMES.get(step as usize).copied().unwrap_or("?"))?;
            separator = "/";
        }
        Ok(())
    }
}

const NAMES: [&str; 12] = [
    "?", "ip", "ipv6", "eth", "vlan", "udp", "gtp", "vxlan", "geneve", "gre", "erspan", "mpls",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_reads_as_wireshark_names_protocols() {
        let mut chain = Chain::default();
        assert_eq!(chain.to_string(), "");
        chain.push_tunnel(TunnelKind::Mpls);
        chain.push_ip(4);
        assert_eq!(chain.to_string(), "", "the first IP header");
        chain.push_tunnel(TunnelKind::Vxlan);
        chain.push_ethernet(1);
        chain.push_ip(6);
        assert_eq!(chain.to_string(), "ip/udp/vxlan/eth/vlan/ipv6");
        let mut chain = Chain::default();
        chain.push_ip(6);
        chain.push(Step::Udp);
        assert_eq!(chain.to_string(), "ipv6/udp");
    }
}
