//! DATA and I-DATA: which TSNs are new, which are retransmitted or come late, and which one is timed.

use super::{
    scratch::{DATA_CUT, Found, HAS_PPID, Scratch, TSNS, Tsns, bit},
    table::{FlowTable, MAX_SIBLINGS},
    tag_check::TagCheck,
};
use crate::{
    abi::{Counter, NO_SLOT, SenderState, Sent, SteerMark, negative, tsn_after},
    wire::{
        Chunk, ChunkKind, ReadPacket, Readable, Reading,
        chunk::{Visit, walk},
        data::Data,
    },
};

#[inline(always)]
pub(super) fn on_data<P: Readable, T: FlowTable>(frame: &P, slot: u32, max_chunks: usize, table: &mut T) {
    let Some((record, links, scratch)) = table.flow_and_scratch(slot) else {
        return;
    };
    let found = Found::of(scratch);
    if found.any(DATA_CUT) {
        return table.count(Counter::ChunkTruncated);
    }
    let tsn = scratch.tsns[0];
    if scratch.tag_check != TagCheck::Own as u32 {
        record.mark(scratch.tag, tsn);
        return;
    }
    if found.any(HAS_PPID) {
        record.ppid = scratch.ppid;
    }
    let tsn_slot = links.tsn_slot(slot);
    let Some((canonical, links, scratch)) = table.flow_and_scratch(tsn_slot) else {
        return;
    };
    canonical.follow(links);
    scratch.previous_highest = if canonical.sender.data_seen() {
        canonical.sender.highest_tsn
    } else {
        tsn // no flow has this one, so a run begins
    };
    if scratch.data_count == 1 {
        canonical.sender.begin(tsn);
        scratch.note_tsn(tsn, &mut canonical.sender);
    } else {
        scratch.note_tsns(frame, &mut canonical.sender, max_chunks);
    }
    let old = OldTsns {
        count: scratch.old.count,
        first: scratch.old.first,
        last: scratch.old.last,
        late: scratch.late.count,
        last_late: scratch.late.last,
        bytes: Data::payload_length(scratch.last_data()) + HEADERS_LEN,
    };
    if scratch.new.count > 0 {
        time_data(slot, table);
    }
    if old.count + old.late > 0 && !is_copy(slot, &old, table) {
        on_retransmission(slot, old, table);
    }
}

/// Whether chunks that had been seen before came first on another path, from a sender whose packets come on two.
#[inline(always)]
fn is_copy<T: FlowTable>(slot: u32, old: &OldTsns, table: &mut T) -> bool {
    table
        .flow(slot)
        .is_some_and(|(record, links)| links.is_copied() && old.late == 0 && !record.carried_first(old.last))
}

/// What stands in front of the user data in a packet of one chunk: IPv4, common header, DATA header.
const HEADERS_LEN: u32 = 20 + 12 + 16;

/// Reads the TSNs of a packet that has more than there is room for, and enters them.
struct ManyTsns<'a> {
    sender: &'a mut SenderState,
    scratch: &'a mut Scratch,
    max_chunks: usize,
}

impl Reading for ManyTsns<'_> {
    type Output = ();

    #[inline(always)]
    fn read<R: ReadPacket>(self, reader: &R) {
        let (at, end, max_chunks) = (self.scratch.chunks_at(), self.scratch.end(), self.max_chunks);
        let mut note = NoteTsns {
            reader,
            sender: self.sender,
            scratch: self.scratch,
        };
        walk(reader, at, end, max_chunks, &mut note);
    }
}

struct NoteTsns<'a, R> {
    reader: &'a R,
    sender: &'a mut SenderState,
    scratch: &'a mut Scratch,
}

impl<R: ReadPacket> Visit for NoteTsns<'_, R> {
    #[inline(always)]
    fn visit(&mut self, chunk: &Chunk) {
        if chunk.is_data()
            && let Some(tsn) = self.reader.read_u32(chunk.value_at())
        {
            self.sender.begin(tsn);
            self.scratch.note_tsn(tsn, self.sender);
        }
    }
}

/// TSNs of one packet that had been seen before, or come late.
#[derive(Debug, Clone, Copy)]
struct OldTsns {
    count: u32,
    first: u32,
    last: u32,
    late: u32,
    last_late: u32,
    /// Bytes of a packet with just the last chunk.
    bytes: u32,
}

impl OldTsns {
    #[inline(always)]
    fn holds(&self, tsn: u32) -> bool {
        !tsn_after(self.first, tsn) && !tsn_after(tsn, self.last)
    }
}

/// Waits for the SACK of a packet's last new chunk, if the flow waits for none.
#[inline(always)]
fn time_data<T: FlowTable>(slot: u32, table: &mut T) {
    let Some((record, _, scratch)) = table.flow_and_scratch(slot) else {
        return;
    };
    if record.highest_sent != scratch.previous_highest {
        record.run_start = scratch.new.first;
    }
    let (tsn, bytes) = (scratch.new.last, scratch.total_length);
    record.highest_sent = tsn;
    if scratch.mark == SteerMark::First as u32 {
        // Which of two brought it is not told by what acknowledges it.
        return;
    }
    if record.timed.is_armed() && !record.timed.is_left_over() {
        if record.timed.another_packet() {
            let now_ns = table.now_ns();
            if let Some(record) = table.record(slot) {
                record.second_at_ns = now_ns;
                record.second_tsn = tsn;
            }
        }
        return;
    }
    let now_ns = table.now_ns();
    if let Some(record) = table.record(slot) {
        record.second_at_ns = 0;
        record.watch_size(tsn, bytes);
        record.timed.start(tsn, now_ns);
    }
}

/// Tells the flows of this direction which of their chunks the packet carries again, or late.
#[inline(always)]
fn on_retransmission<T: FlowTable>(slot: u32, old: OldTsns, table: &mut T) {
    let mut at = slot;
    for _ in 0..MAX_SIBLINGS {
        let Some((record, links)) = table.flow(at) else {
            return;
        };
        let next = links.next.slot();
        if at == slot {
            record.retransmissions = record.retransmissions.wrapping_add(old.count);
        }
        let mut was_alone = false;
        if old.count > 0 {
            if record.timed.is_armed() && old.holds(record.timed.tsn) {
                was_alone = record.timed.is_alone();
                record.timed.mark_resent(at != slot);
            }
            if old.holds(record.sized_tsn) {
                record.sized_bytes = 0;
            }
            if record.carried_first(old.last) {
                record.lost = record.lost.wrapping_add(old.count);
                record.lost_bytes = old.bytes;
                if at != slot && tsn_after(old.last, record.timed.tsn) {
                    record.timed.mark_rest_elsewhere();
                }
            }
        }
        if old.late > 0 && record.carried_first(old.last_late) {
            record.late = record.late.wrapping_add(old.late);
            record.lost_bytes = old.bytes;
        }
        if was_alone {
            time_retransmission(at, table);
        }
        at = next;
        if at == slot || at == NO_SLOT {
            return;
        }
    }
}

/// The only chunk that is waited for is retransmitted: nobody could report it missing, so its time-out has passed.
#[inline(always)]
fn time_retransmission<T: FlowTable>(slot: u32, table: &mut T) {
    let now_ns = table.now_ns();
    if let Some(record) = table.record(slot) {
        let after_us = now_ns.saturating_sub(record.timed.sent_at_ns) / 1_000;
        record.resent_after_us = after_us.min(u64::from(u32::MAX)) as u32;
    }
}

/// A TSN that is so far below the highest one was lost and retransmitted; one that comes less late may just have been
/// overtaken. A sender waits for three reports of a gap before it sends again (RFC 9260 section 7.2.4).
const LATE: u32 = 3;

pub(super) const DATA: u32 = bit(ChunkKind::Data) | bit(ChunkKind::IData);

impl Scratch {
    /// The last DATA chunk, or I-DATA if there is none.
    #[inline(always)]
    fn last_data(&self) -> &Chunk {
        self.last(if self.has(ChunkKind::Data) {
            ChunkKind::Data
        } else {
            ChunkKind::IData
        })
    }

    /// Enters all TSNs of a packet.
    #[inline(always)]
    fn note_tsns<P: Readable>(&mut self, frame: &P, sender: &mut SenderState, max_chunks: usize) {
        if max_chunks > TSNS && self.data_count as usize > TSNS {
            return frame.read_by(ManyTsns {
                sender,
                scratch: self,
                max_chunks,
            });
        }
        sender.begin(self.tsns[0]);
        for index in 0..TSNS {
            if index >= self.data_count as usize {
                return;
            }
            self.note_tsn(self.tsns[index], sender);
        }
    }

    /// Enters a TSN into the state of its direction, and notes what it was there.
    #[inline(always)]
    fn note_tsn(&mut self, tsn: u32, sender: &mut SenderState) {
        match sender.sent(tsn) {
            Sent::Ahead => self.new.note(tsn),
            Sent::Again => self.old.note(tsn),
            Sent::Behind(by) if by >= LATE => self.late.note(tsn),
            Sent::Behind(_) => {}
        }
    }
}

impl Tsns {
    /// One more. Without a branch: the verifier would tell apart how many there were before.
    #[inline(always)]
    fn note(&mut self, tsn: u32) {
        let is_first = negative(self.count.wrapping_sub(1)) as u32;
        self.first ^= (self.first ^ tsn) & is_first;
        self.count = self.count.wrapping_add(1);
        self.last = tsn;
    }
}
