//! A captured frame, in whichever format its file has it.

use std::ops::Range;

use sctp_monitor_common::wire::LinkType;

/// One captured frame.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// When it was captured, nanoseconds since 1970.
    pub time_ns: u64,
    /// The link type of its first header.
    pub link: LinkType,
    /// The bytes that were captured.
    pub bytes: &'a [u8],
    /// Bytes that the frame had on the wire.
    pub original_length: usize,
}

/// A record in the buffer.
#[derive(Debug, Clone)]
pub(crate) struct Current {
    pub(crate) time_ns: u64,
    pub(crate) link: LinkType,
    /// Where its frame is in the buffer.
    pub(crate) bytes: Range<usize>,
    pub(crate) original_length: usize,
}
