//! What the programs could not understand or could not keep, by reason.

use bytemuck::{Pod, Zeroable};

use crate::wire::Unparsed;

macro_rules! counters {
    ($($(#[$doc:meta])* $variant:ident, $name:literal;)*) => {
        /// A reason why a packet, a chunk or a record was counted instead of used. The packet itself always passes.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u32)]
        pub enum Counter {
            $($(#[$doc])* $variant,)*
        }

        impl Counter {
            /// Every counter, in the order of the discriminants.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The name under which reports show it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

counters! {
    /// Frames cut before the IP header.
    LinkHeaderTruncated, "link_header_truncated";
    /// Frames with more VLAN tags than are looked behind.
    VlanTooDeep, "vlan_too_deep";
    /// Packets cut within the IP header or its extension headers.
    IpHeaderTruncated, "ip_header_truncated";
    /// IP headers with a wrong version, impossible lengths, or IPv4-mapped addresses in IPv6.
    IpHeaderInvalid, "ip_header_invalid";
    /// IPv6 packets with more extension headers than are followed.
    ExtensionHeadersTooMany, "extension_headers_too_many";
    /// First fragments of SCTP packets: used as far as they go.
    FirstFragment, "first_fragment";
    /// Later fragments of SCTP packets: they have no ports and belong to no flow.
    LaterFragment, "later_fragment";
    /// SCTP packets cut within the common header.
    CommonHeaderTruncated, "common_header_truncated";
    /// SCTP packets without any chunk.
    NoChunks, "no_chunks";
    /// Packets that end within a chunk header.
    ChunkHeaderTruncated, "chunk_header_truncated";
    /// Chunks with a length field below 4; the rest of the packet is not looked at.
    ChunkLengthTooShort, "chunk_length_too_short";
    /// Chunks with a length field past the end of their packet.
    ChunkLengthPastEnd, "chunk_length_past_end";
    /// Packets with more chunks than the programs walk; the first ones were used.
    ChunksTooMany, "chunks_too_many";
    /// Chunks whose fixed part is cut.
    ChunkTruncated, "chunk_truncated";
    /// Chunks of a type that no RFC named when this was built.
    ChunkUnknown, "chunk_unknown";
    /// Packets with a verification tag that is not their flow's: no evidence of anything.
    TagMismatch, "tag_mismatch";
    /// HEARTBEAT ACKs that answer no outstanding heartbeat of their association.
    HeartbeatAckUnmatched, "heartbeat_ack_unmatched";
    /// Packets of flows that found the flow table full, or the half of it that flows may take which nothing proves: seen, but
    /// not tracked.
    FlowTableFull, "flow_table_full";
    /// Packets of new flows beyond the rate at which flows are opened: seen, but not tracked.
    NewFlowsLimited, "new_flows_limited";
    /// Ring buffer records that found it full, or that nothing proves and that found it half full.
    RingFull, "ring_full";
    /// Control packets beyond the rate at which they are handed to user space.
    ControlLimited, "control_limited";
    /// HEARTBEATs and HEARTBEAT ACKs beyond the rate at which they are told to user space; the flow table has them.
    HeartbeatLimited, "heartbeat_limited";
    /// ICMP errors that quote SCTP, but not up to its verification tag.
    IcmpQuoteTruncated, "icmp_quote_truncated";
    /// ICMP errors that quote a packet of a flow that is not known.
    IcmpFlowUnknown, "icmp_flow_unknown";
    /// ICMP errors that quote a packet of a known flow with another verification tag: no evidence of anything.
    IcmpTagMismatch, "icmp_tag_mismatch";
    /// ICMP errors beyond the rate at which they are handed to user space.
    IcmpLimited, "icmp_limited";
}

impl From<Unparsed> for Counter {
    #[inline(always)]
    fn from(reason: Unparsed) -> Self {
        match reason {
            Unparsed::LinkHeaderTruncated => Self::LinkHeaderTruncated,
            Unparsed::VlanTooDeep => Self::VlanTooDeep,
            Unparsed::IpHeaderTruncated => Self::IpHeaderTruncated,
            Unparsed::IpHeaderInvalid => Self::IpHeaderInvalid,
            Unparsed::ExtensionHeadersTooMany => Self::ExtensionHeadersTooMany,
            Unparsed::LaterFragment => Self::LaterFragment,
            Unparsed::CommonHeaderTruncated => Self::CommonHeaderTruncated,
            Unparsed::IcmpQuoteTruncated => Self::IcmpQuoteTruncated,
        }
    }
}

/// The counters of one CPU.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
pub struct Counters {
    values: [u64; SLOTS],
}

impl Counters {
    /// Adds one.
    #[inline(always)]
    pub fn count(&mut self, counter: Counter) {
        let value = &mut self.values[counter as usize % SLOTS];
        *value = value.wrapping_add(1);
    }

    /// The value of a counter.
    #[must_use]
    pub fn value(&self, counter: Counter) -> u64 {
        self.values[counter as usize % SLOTS]
    }

    /// Adds another CPU's counters.
    pub fn merge(&mut self, other: &Self) {
        for (sum, value) in self.values.iter_mut().zip(other.values) {
            *sum = sum.wrapping_add(value);
        }
    }

    /// Name and value of every counter.
    pub fn iter(&self) -> impl Iterator<Item = (Counter, u64)> + '_ {
        Counter::ALL
            .iter()
            .map(|counter| (*counter, self.value(*counter)))
    }
}

impl Default for Counters {
    fn default() -> Self {
        Self::zeroed()
    }
}

/// Room for counters to come, without changing the map.
const SLOTS: usize = 32;

const _: () = assert!(Counter::ALL.len() <= SLOTS);
const _: () = assert!(size_of::<Counters>() == 8 * SLOTS);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_add_up_over_cpus() {
        let mut one = Counters::default();
        let mut other = Counters::default();
        one.count(Counter::RingFull);
        other.count(Counter::RingFull);
        other.count(Counter::NoChunks);
        one.merge(&other);
        assert_eq!(one.value(Counter::RingFull), 2);
        assert_eq!(one.value(Counter::NoChunks), 1);
        assert_eq!(one.iter().map(|(_, value)| value).sum::<u64>(), 3);
    }

    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> = Counter::ALL.iter().map(|counter| counter.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Counter::ALL.len());
    }
}
