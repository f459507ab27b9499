//! The frames of captures, as a NIC receives them.

use std::{path::PathBuf, time::Duration};

use sctp_monitor_capture::{Captures, Record};
use sctp_monitor_common::wire::{Frame, LinkType, link::network_layer};

/// Frames, and how long behind the first each was captured.
pub(crate) type Frames = Vec<(Duration, Vec<u8>)>;

/// The frames of captures, in the order of time.
pub(crate) fn read(files: &[PathBuf]) -> Frames {
    let mut captures = Captures::open(files);
    let mut first_ns = None;
    let mut frames = Vec::new();
    while let Some(record) = captures.advance() {
        let first_ns = *first_ns.get_or_insert(record.time_ns);
        let after = Duration::from_nanos(record.time_ns.saturating_sub(first_ns));
        frames.extend(ethernet(&record).map(|frame| (after, frame)));
    }
    assert!(captures.take_errors().is_empty());
    frames
}

/// How long they last.
pub(crate) fn last(frames: &Frames) -> Duration {
    frames.last().map_or(Duration::ZERO, |(after, _)| *after)
}

/// The frame with an Ethernet header. What was not captured of it is zero.
fn ethernet(record: &Record<'_>) -> Option<Vec<u8>> {
    let mut bytes = record.bytes.to_vec();
    bytes.resize(record.original_length, 0);
    if record.link == LinkType::Ethernet {
        return Some(bytes);
    }
    let network = network_layer(&Frame(record.bytes), record.link).ok()?;
    let ether_type = if network.version == 4 {
        [8, 0]
    } else {
        [0x86, 0xdd]
    };
    Some([&MAC_ADDRESSES[..], &ether_type, &bytes[network.at..]].concat())
}

/// To the one, from the other: nobody's.
const MAC_ADDRESSES: [u8; 12] = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
