//! Records that come a little out of order within a file, put in order.
//!
//! A capture of several interfaces is written by a thread for each, and a bond or a NIC with several queues hands packets
//! over queue by queue; so a HEARTBEAT ACK may stand in the file before its HEARTBEAT, or behind a packet that came long
//! after it. Records are held until one that is [`WINDOW_NS`] younger has been read, and given in the order of their times,
//! those of the same time in the order of the file. What is later than that is given at once.
//!
//! A time that is more than [`SET_BACK_NS`] behind was taken by a clock that had been set back. What is held is given
//! before it then, and the order begins anew.
//!
//! Records lie one behind the other in two buffers, of which one is filled while the other is emptied: nothing is allocated
//! for a record, and memory is bounded. Where more comes within the window than fits, the window is shorter.

use std::collections::VecDeque;

use sctp_monitor_common::wire::LinkType;

use crate::record::Record;

/// Records on their way from the file to whoever reads them.
#[derive(Debug, Default)]
pub(crate) struct Reorder {
    /// In the order in which they will be given.
    held: VecDeque<Held>,
    buffers: [Buffer; 2],
    /// The one of `buffers` that is being filled.
    filling: usize,
    /// Times that the clock was set back.
    epoch: u64,
    /// The latest time read since then.
    newest_ns: u64,
    /// The latest time given since then.
    given_ns: u64,
}

#[derive(Debug, Clone)]
struct Held {
    epoch: u64,
    time_ns: u64,
    link: LinkType,
    original_length: usize,
    /// Of `buffers`.
    buffer: usize,
    at: usize,
    length: usize,
}

#[derive(Debug, Default)]
struct Buffer {
    bytes: Vec<u8>,
    /// Records in it that were not given yet.
    held: usize,
}

impl Reorder {
    /// Whether a record must be taken before the next one is held.
    pub(crate) fn is_due(&self) -> bool {
        let Some(first) = self.held.front() else {
            return false;
        };
        first.epoch < self.epoch
            || first.time_ns < self.given_ns
            || self.newest_ns.saturating_sub(first.time_ns) >= WINDOW_NS
            || self.held.len() >= MOST_HELD
            || self.is_full()
    }

    /// Neither buffer has room.
    fn is_full(&self) -> bool {
        self.buffers[self.filling].bytes.len() >= BUFFER && self.buffers[1 - self.filling].held > 0
    }

    /// Keeps a copy of a record.
    pub(crate) fn hold(&mut self, record: &Record<'_>) {
        if self.newest_ns.saturating_sub(record.time_ns) > SET_BACK_NS {
            self.epoch += 1;
            (self.newest_ns, self.given_ns) = (0, 0);
        }
        self.newest_ns = self.newest_ns.max(record.time_ns);
        let (at, buffer) = self.keep(record.bytes);
        let held = Held {
            epoch: self.epoch,
            time_ns: record.time_ns,
            link: record.link,
            original_length: record.original_length,
            buffer,
            at,
            length: record.bytes.len(),
        };
        let place = |held: &Held| (held.epoch, held.time_ns);
        // Nearly every record is the latest.
        if self.held.back().is_none_or(|last| place(last) <= place(&held)) {
            self.held.push_back(held);
        } else {
            let at = self.held.partition_point(|other| place(other) <= place(&held));
            self.held.insert(at, held);
        }
    }

    /// Copies bytes into a buffer; where, and into which one.
    fn keep(&mut self, bytes: &[u8]) -> (usize, usize) {
        let [is_empty, is_full, other_is_empty] = [
            self.buffers[self.filling].held == 0,
            self.buffers[self.filling].bytes.len() >= BUFFER,
            self.buffers[1 - self.filling].held == 0,
        ];
        if !is_empty && is_full && other_is_empty {
            self.filling = 1 - self.filling;
        }
        if is_empty || is_full && other_is_empty {
            self.buffers[self.filling].clear();
        }
        let buffer = &mut self.buffers[self.filling];
        buffer.held += 1;
        let at = buffer.bytes.len();
        buffer.bytes.extend_from_slice(bytes);
        (at, self.filling)
    }

    /// The earliest record that is held.
    pub(crate) fn take(&mut self) -> Option<Record<'_>> {
        let first = self.held.pop_front()?;
        if first.epoch == self.epoch {
            self.given_ns = self.given_ns.max(first.time_ns);
        }
        let buffer = &mut self.buffers[first.buffer];
        buffer.held -= 1;
        Some(Record {
            time_ns: first.time_ns,
            link: first.link,
            bytes: buffer.bytes.get(first.at..first.at + first.length)?,
            original_length: first.original_length,
        })
    }
}

impl Buffer {
    fn clear(&mut self) {
        self.bytes.clear();
        // A record larger than the buffer came through it.
        if self.bytes.capacity() > LARGEST_KEPT {
            self.bytes.shrink_to(BUFFER);
        }
    }
}

/// Twice what was seen: threads that dumpcap has for its interfaces were up to 64 ms behind each other.
pub const WINDOW_NS: u64 = 100_000_000;
/// Queues and threads are milliseconds behind each other, and clocks are set by seconds.
pub const SET_BACK_NS: u64 = 1_000_000_000;
/// Records within the window at 80,000 a second; half a megabyte.
const MOST_HELD: usize = 8_192;
/// Bytes at which a buffer is full. Two of them stay in a processor's second cache.
const BUFFER: usize = 256 * 1024;
/// A last record of usual length fits in behind a full buffer.
const LARGEST_KEPT: usize = 2 * BUFFER;

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    /// What comes out of records with these times in milliseconds, and the most bytes that were kept.
    fn order(times_ms: &[u64], length: usize) -> (Vec<u64>, usize) {
        let mut reorder = Reorder::default();
        let (mut given, mut kept) = (Vec::new(), 0);
        for (number, time_ms) in times_ms.iter().enumerate() {
            let bytes = vec![number as u8; length];
            reorder.hold(&Record {
                time_ns: time_ms * MS,
                link: LinkType::RawIp,
                bytes: &bytes,
                original_length: number,
            });
            kept = kept.max(reorder.buffers.iter().map(|buffer| buffer.bytes.capacity()).sum());
            while reorder.is_due() {
                given.push(taken(&mut reorder, length));
            }
        }
        while !reorder.held.is_empty() {
            given.push(taken(&mut reorder, length));
        }
        (given, kept)
    }

    fn taken(reorder: &mut Reorder, length: usize) -> u64 {
        let record = reorder.take().unwrap();
        // Its bytes are its own.
        assert_eq!(record.bytes, vec![record.original_length as u8; length]);
        record.time_ns / MS
    }

    #[test]
    fn records_within_the_window_are_put_in_order() {
        assert_eq!(order(&[500, 564, 501, 600, 560], 40).0, [500, 501, 560, 564, 600]);
        assert_eq!(order(&[0, 99, 198, 100, 297], 40).0, [0, 99, 100, 198, 297]);
    }

    #[test]
    fn what_is_later_than_the_window_is_given_at_once() {
        assert_eq!(order(&[0, 200, 300, 50, 301], 40).0, [0, 200, 50, 300, 301]);
    }

    #[test]
    fn records_are_given_when_the_window_is_over_and_not_later() {
        let mut reorder = Reorder::default();
        let mut hold = |time_ms: u64| {
            let time_ns = time_ms * MS;
            let (link, bytes) = (LinkType::RawIp, &[0_u8; 40][..]);
            reorder.hold(&Record {
                time_ns,
                link,
                bytes,
                original_length: 40,
            });
            let mut given = 0;
            while reorder.is_due() {
                reorder.take().unwrap();
                given += 1;
            }
            given
        };
        assert_eq!([0, 99, 100, 198, 300].map(&mut hold), [0, 0, 1, 0, 3]);
    }

    #[test]
    fn a_clock_that_was_set_back_changes_no_order() {
        let times = [5_000, 5_010, 1_000, 1_020, 1_010, 1_200];
        assert_eq!(order(&times, 40).0, [5_000, 5_010, 1_000, 1_010, 1_020, 1_200]);
        // Packets without a time among others.
        assert_eq!(
            order(&[9_000, 0, 9_001, 0, 9_002], 40).0,
            [9_000, 0, 9_001, 0, 9_002]
        );
    }

    #[test]
    fn a_flood_within_the_window_is_bounded_and_loses_nothing() {
        let (given, kept) = order(&vec![7; 100_000], 1_500);
        assert_eq!(given.len(), 100_000);
        assert!(kept <= 2 * LARGEST_KEPT, "{kept} bytes");
        let (given, _) = order(&vec![7; 100_000], 0);
        assert_eq!(given.len(), 100_000);
        let (given, kept) = order(&[1, 2, 400, 401, 402, 900, 901], 3 << 20);
        assert_eq!(given.len(), 7);
        assert!(kept <= 16 << 20, "{kept} bytes");
    }
}
