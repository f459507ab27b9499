//! Whether a packet's CRC32c is right (RFC 9260 section 6.8 and appendix A).

use crate::unwrap::Layers;

/// Whether the checksum of a packet is right; `None` if the capture cut the packet off.
#[must_use]
pub fn is_right(layers: &Layers<'_>) -> Option<bool> {
    let packet = &layers.packet;
    let frame = layers.inner.frame().bytes;
    bytes_are_right(frame.get(packet.at..packet.end)?)
}

/// The same of a packet's bytes, from the common header on; `None` if there is no whole header.
#[must_use]
pub fn bytes_are_right(bytes: &[u8]) -> Option<bool> {
    let (before, rest) = bytes.split_at_checked(CHECKSUM_AT)?;
    let (stored, behind) = rest.split_first_chunk::<4>()?;
    // It is computed with the field zero, and stored with the lowest byte first.
    let crc = crc32c::crc32c_append(crc32c::crc32c_append(crc32c::crc32c(before), &[0; 4]), behind);
    Some(crc.to_le_bytes() == *stored)
}

/// Behind ports and verification tag.
const CHECKSUM_AT: usize = 8;

#[cfg(test)]
mod tests {
    use sctp_monitor_testkit::frames::{self, Packet};

    use super::*;

    #[test]
    fn a_right_checksum_is_told_from_wrong_ones_and_from_cut_packets() {
        let frame = Packet::v4(7, vec![frames::cookie_ack()]).ethernet();
        let packet = &frame[34..50];
        assert_eq!(bytes_are_right(packet), Some(true));
        for at in 0..packet.len() {
            let mut spoiled = packet.to_vec();
            spoiled[at] ^= 0x10;
            assert_eq!(bytes_are_right(&spoiled), Some(false), "byte {at}");
        }
        assert_eq!(bytes_are_right(&packet[..11]), None);
    }
}
