//! Ring buffer records: what is too rare or too long for the flow table.
//!
//! Each begins with a [`RingHeader`] that names its kind. A record may be lost when the ring is full; it is counted
//! then, and all that detection needs is in the flow table as well.

use bytemuck::{Pod, Zeroable};

use super::{FlowKey, Interface};
use crate::wire::{Address, icmp::IcmpMessage};

/// How every record begins.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
pub struct RingHeader {
    /// A [`RingKind`].
    pub kind: u32,
    /// The flow's slot; [`NO_SLOT`](super::NO_SLOT) if it is not in the table.
    pub slot: u32,
    /// CLOCK_MONOTONIC, nanoseconds.
    pub time_ns: u64,
}

/// What a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum RingKind {
    /// [`FlowOpened`].
    FlowOpened = 1,
    /// [`HeartbeatSent`].
    HeartbeatSent = 2,
    /// [`HeartbeatAcked`].
    HeartbeatAcked = 3,
    /// [`ControlHeader`] and bytes.
    Control = 4,
    /// [`IcmpErrorSeen`].
    IcmpError = 5,
}

impl TryFrom<u32> for RingKind {
    type Error = UnknownRingKind;

    fn try_from(value: u32) -> Result<Self, UnknownRingKind> {
        [
            Self::FlowOpened,
            Self::HeartbeatSent,
            Self::HeartbeatAcked,
            Self::Control,
            Self::IcmpError,
        ]
        .into_iter()
        .find(|kind| *kind as u32 == value)
        .ok_or(UnknownRingKind(value))
    }
}

/// A kind that no program of this build writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownRingKind(pub u32);

/// A record as user space reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RingRecord<'a> {
    /// A flow got a slot.
    FlowOpened(FlowOpened),
    /// A HEARTBEAT passed.
    HeartbeatSent(HeartbeatSent),
    /// A HEARTBEAT ACK passed.
    HeartbeatAcked(HeartbeatAcked),
    /// A packet with control chunks passed: the bytes from its common header on.
    Control(ControlHeader, &'a [u8]),
    /// An ICMP error quoted a packet of a known flow.
    IcmpError(IcmpErrorSeen),
}

impl<'a> RingRecord<'a> {
    /// Reads a record as the programs wrote it.
    ///
    /// # Errors
    /// [`RingRecordError`] if it is of another build.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, RingRecordError> {
        let header: RingHeader = read(bytes)?;
        Ok(match RingKind::try_from(header.kind)? {
            RingKind::FlowOpened => Self::FlowOpened(read(bytes)?),
            RingKind::HeartbeatSent => Self::HeartbeatSent(read(bytes)?),
            RingKind::HeartbeatAcked => Self::HeartbeatAcked(read(bytes)?),
            RingKind::Control => {
                let control: ControlHeader = read(bytes)?;
                let packet = bytes
                    .get(size_of::<ControlHeader>()..)
                    .and_then(|rest| rest.get(..control.captured_length as usize))
                    .ok_or(RingRecordError::Short(bytes.len()))?;
                Self::Control(control, packet)
            }
            RingKind::IcmpError => Self::IcmpError(read(bytes)?),
        })
    }
}

fn read<T: bytemuck::AnyBitPattern>(bytes: &[u8]) -> Result<T, RingRecordError> {
    let exact = bytes
        .get(..size_of::<T>())
        .ok_or(RingRecordError::Short(bytes.len()))?;
    Ok(bytemuck::pod_read_unaligned(exact))
}

/// A record that no program of this build wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RingRecordError {
    /// Its kind is unknown.
    Kind(UnknownRingKind),
    /// It has fewer bytes than its kind needs; how many.
    Short(usize),
}

impl From<UnknownRingKind> for RingRecordError {
    fn from(kind: UnknownRingKind) -> Self {
        Self::Kind(kind)
    }
}

impl core::fmt::Display for RingRecordError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Kind(UnknownRingKind(kind)) => write!(f, "ring record of unknown kind {kind}"),
            Self::Short(length) => write!(f, "ring record of only {length} bytes"),
        }
    }
}

impl core::error::Error for RingRecordError {}

/// A flow got a slot.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
pub struct FlowOpened {
    /// Kind, slot and time.
    pub header: RingHeader,
    /// The flow.
    pub key: FlowKey,
    /// The verification tag of its first packet; 0 if that one was an INIT.
    pub tag: u32,
}

/// A HEARTBEAT passed.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
pub struct HeartbeatSent {
    /// Kind, slot and time.
    pub header: RingHeader,
    /// See [`HeartbeatInfo`](crate::wire::heartbeat::HeartbeatInfo).
    pub fingerprint: u32,
    /// The chunk's length field.
    pub chunk_length: u16,
    /// 1 if the packet also held a PAD chunk.
    pub padded: u16,
}

/// A HEARTBEAT ACK passed.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
pub struct HeartbeatAcked {
    /// Kind, slot (of the flow that carried the ack) and time.
    pub header: RingHeader,
    /// See [`HeartbeatInfo`](crate::wire::heartbeat::HeartbeatInfo).
    pub fingerprint: u32,
    /// The chunk's length field.
    pub chunk_length: u16,
    /// An [`AckOutcome`].
    pub outcome: u16,
    /// Slot of the flow that carried the heartbeat, if it was found.
    pub heartbeat_slot: u32,
    /// Makes the layout explicit; 0.
    pub reserved: u32,
    /// Time since the heartbeat, nanoseconds, if it was found.
    pub rtt_ns: u64,
}

/// What an ack answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub enum AckOutcome {
    /// A heartbeat of the same address pair.
    SamePath = 1,
    /// A heartbeat to another address of the association.
    OtherPath = 2,
    /// No heartbeat that is still waited for.
    Unmatched = 3,
}

/// A packet with control chunks that carry lists or change the association, as bytes from its common header on.
///
/// The record holds [`CONTROL_SHORT`] or [`CONTROL_LONG`] bytes after this header, of which `captured_length` are
/// the packet's.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
pub struct ControlHeader {
    /// Kind, slot and time.
    pub header: RingHeader,
    /// The packet's addresses and ports.
    pub key: FlowKey,
    /// Where it was seen.
    pub interface: Interface,
    /// Bytes of the SCTP packet, by the IP or UDP header.
    pub packet_length: u32,
    /// Bytes of it that follow.
    pub captured_length: u32,
    /// 1 if the tag is not the flow's.
    pub tag_mismatch: u32,
    /// Makes the layout explicit; 0.
    pub reserved: u32,
}

/// An ICMP error that quotes a packet of a known flow.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
pub struct IcmpErrorSeen {
    /// Kind, slot (of the quoted packet's flow) and time.
    pub header: RingHeader,
    /// The quoted packet's addresses and ports.
    pub key: FlowKey,
    /// Its verification tag.
    pub tag: u32,
    /// The tag that its INIT gives; 0 if it is none, or the error does not quote as much.
    pub initiate_tag: u32,
    /// Zero.
    pub reserved: u32,
    /// Who sent the error.
    pub reporter: Address,
    /// The MTU of the next hop; 0 if the error names none.
    pub mtu: u32,
    /// 4 for ICMP, 6 for ICMPv6.
    pub version: u8,
    /// ICMP type.
    pub kind: u8,
    /// ICMP code.
    pub code: u8,
    /// 1 if the tag is not the flow's.
    pub tag_mismatch: u8,
}

impl IcmpErrorSeen {
    /// The ICMP version, type and code.
    #[must_use]
    pub fn message(&self) -> IcmpMessage {
        IcmpMessage {
            version: self.version,
            kind: self.kind,
            code: self.code,
        }
    }
}

/// Bytes of a short control record: enough for COOKIE ACK, SHUTDOWN, ABORT and most INITs.
pub const CONTROL_SHORT: usize = 256;
/// Bytes of a long control record: a full Ethernet packet.
pub const CONTROL_LONG: usize = 1504;

const _: () = assert!(size_of::<RingHeader>() == 16);
const _: () = assert!(size_of::<FlowOpened>() == 56);
const _: () = assert!(size_of::<HeartbeatSent>() == 24);
const _: () = assert!(size_of::<HeartbeatAcked>() == 40);
const _: () = assert!(size_of::<ControlHeader>() == 72);
const _: () = assert!(size_of::<IcmpErrorSeen>() == 88);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_survive_the_round_trip() {
        for kind in [
            RingKind::FlowOpened,
            RingKind::HeartbeatSent,
            RingKind::HeartbeatAcked,
            RingKind::Control,
            RingKind::IcmpError,
        ] {
            assert_eq!(RingKind::try_from(kind as u32), Ok(kind));
        }
        assert_eq!(RingKind::try_from(0), Err(UnknownRingKind(0)));
    }

    #[test]
    fn a_control_record_carries_its_packet() {
        let mut header = ControlHeader::zeroed();
        header.header.kind = RingKind::Control as u32;
        header.captured_length = 3;
        let mut bytes = bytemuck::bytes_of(&header).to_vec();
        bytes.extend([1, 2, 3, 0, 0]);
        assert_eq!(
            RingRecord::parse(&bytes),
            Ok(RingRecord::Control(header, &[1, 2, 3]))
        );
        bytes.truncate(size_of::<ControlHeader>() + 2);
        assert_eq!(RingRecord::parse(&bytes), Err(RingRecordError::Short(74)));
    }

    #[test]
    fn nonsense_is_an_error() {
        assert_eq!(RingRecord::parse(&[1, 0, 0, 0]), Err(RingRecordError::Short(4)));
        let unknown = [9; 64];
        assert!(matches!(
            RingRecord::parse(&unknown),
            Err(RingRecordError::Kind(_))
        ));
    }
}
