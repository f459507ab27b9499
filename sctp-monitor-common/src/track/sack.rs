//! SACK: what has arrived, and over which address pair it went.
//!
//! A SACK speaks for the flow that carried the TSN, whatever flow the SACK itself came over.

use core::sync::atomic::{Ordering, compiler_fence};

use super::{
    links::choose_reverse,
    proof::{answers_mark, prove},
    scratch::{Scratch, bit},
    table::{FlowTable, MAX_SIBLINGS},
    tag_check::TagCheck,
};
use crate::{
    abi::{Counter, FlowRecord, SlotRef, TimedTsn, tsn_after, tsn_at_or_before},
    wire::{Chunk, ChunkKind, ReadPacket, Readable, Reading, sack::Sack},
};

/// Acknowledges for the flows whose timed chunk the SACK reaches, whatever flow the SACK came over.
#[inline(always)]
pub(super) fn on_sack<P: Readable, T: FlowTable>(frame: &P, slot: u32, table: &mut T) {
    let chunk = *table.scratch().last_sack();
    let Some(sack) = frame.read_by(ReadSack(chunk)) else {
        return table.count(Counter::ChunkTruncated);
    };
    let Some((record, links)) = table.flow(slot) else {
        return;
    };
    let (pair, reverse) = (record.pair, links.reverse);
    let (wants_proof, is_proved) = (links.wants_proof(), record.proofs > 0);
    let first = choose_reverse(slot, pair, reverse, table);
    let Some(tsn_slot) = table.flow(first).map(|(_, links)| links.tsn_slot(first)) else {
        return;
    };
    if wants_proof {
        let Some((canonical, links, scratch)) = table.flow_and_scratch(tsn_slot) else {
            return;
        };
        canonical.follow(links);
        let is_own = scratch.tag_check == TagCheck::Own as u32;
        if canonical.sender.awaits(sack.highest_acked) {
            prove(slot, tsn_slot, 0, table);
        } else if answers_mark(first, sack.cum_tsn_ack, table) {
            // Its TSN state may be with a flow that only claims to be of the same association.
            prove(slot, first, sack.cum_tsn_ack, table);
        } else if answers_mark(tsn_slot, sack.cum_tsn_ack, table) {
            prove(slot, tsn_slot, sack.cum_tsn_ack, table);
        } else if !(is_own && is_proved) {
            // It earns nothing yet.
            return;
        }
    }
    let Some((record, _)) = table.flow(slot) else {
        return;
    };
    record.window = sack.a_rwnd.saturating_add(1);
    let Some((canonical, links)) = table.flow(tsn_slot) else {
        return;
    };
    canonical.follow(links);
    let more = canonical
        .sender
        .acknowledged(sack.cum_tsn_ack, sack.highest_acked);
    if !more && sack.duplicate_tsns == 0 {
        return;
    }
    let mut at = first;
    for _ in 0..MAX_SIBLINGS {
        let Some((record, links)) = table.flow(at) else {
            return;
        };
        let next = links.next.slot();
        if sack.duplicate_tsns > 0 && !links.is_copied() && record.carried_first(sack.first_duplicate) {
            record.spurious = record.spurious.wrapping_add(u32::from(sack.duplicate_tsns));
        }
        if more && record.timed.is_armed() && !record.is_outdated(links) {
            let progress = Progress::of(&record.timed, record.highest_sent, sack);
            let here = pair == SlotRef::to(at) && record.pair == SlotRef::to(slot);
            acknowledge(at, progress, sack, here, table);
        }
        at = next;
        if at == first {
            return;
        }
    }
}

/// Reads a SACK.
struct ReadSack(Chunk);

impl Reading for ReadSack {
    type Output = Option<Sack>;

    #[inline(always)]
    fn read<R: ReadPacket>(self, reader: &R) -> Self::Output {
        Sack::read(reader, &self.0)
    }
}

impl Scratch {
    /// The last SACK, or NR-SACK if there is none.
    #[inline(always)]
    fn last_sack(&self) -> &Chunk {
        self.last(if self.has(ChunkKind::Sack) {
            ChunkKind::Sack
        } else {
            ChunkKind::NrSack
        })
    }
}

/// What a SACK says of a flow that waits for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// Nothing.
    None,
    /// The timed chunk arrived, over this flow: a round-trip time.
    Timed,
    /// The chunk that is waited for arrived, over this flow, but which packet brought it is not known, or when it was sent.
    Untimed,
    /// A later chunk of this flow arrived; the timed one may be lost. The path works, but there is nothing to time.
    Later,
    /// The timed chunk arrived, but it was sent over another flow as well: nothing is known of this one.
    Ambiguous,
}

impl Progress {
    #[inline(always)]
    fn of(timed: &TimedTsn, highest_sent: u32, sack: Sack) -> Self {
        if tsn_at_or_before(timed.tsn, sack.cum_tsn_ack) {
            return if timed.is_resent_elsewhere() {
                Self::Ambiguous
            } else if timed.is_timed() && !timed.is_resent() {
                Self::Timed
            } else {
                Self::Untimed
            };
        }
        // Whoever acknowledges beyond the timed chunk has something newer. It came over this flow if this flow was
        // the first to carry a TSN as high.
        let newer = if timed.is_resent() {
            tsn_after(sack.highest_acked, timed.tsn)
        } else {
            !tsn_after(timed.tsn, sack.highest_acked)
        };
        if newer && tsn_at_or_before(sack.highest_acked, highest_sent) {
            Self::Later
        } else {
            Self::None
        }
    }
}

#[inline(always)]
fn acknowledge<T: FlowTable>(slot: u32, progress: Progress, sack: Sack, here: bool, table: &mut T) {
    if progress == Progress::None {
        return;
    }
    let now_ticks = table.now_ticks();
    let now_ns = table.now_ns();
    let Some(record) = table.record(slot) else {
        return;
    };
    if record.sized_bytes != 0 && sack.tells_of(record.sized_tsn) {
        record.sized_passes();
    }
    if progress == Progress::Ambiguous {
        return record.timed.stop();
    }
    record.is_timed = 0;
    let second_is_left = record.second_at_ns != 0 && tsn_after(record.second_tsn, sack.highest_acked);
    // From the second packet on the peer may not wait. If it acknowledges the first one only, it has waited.
    if progress == Progress::Timed && !second_is_left {
        let obliged_at_ns = if record.second_at_ns == 0 {
            record.timed.sent_at_ns
        } else {
            record.second_at_ns
        };
        let rtt_ns = now_ns.saturating_sub(obliged_at_ns);
        if rtt_ns <= LONGEST_RTT_NS {
            record.data_rtt.sample(rtt_ns);
            record.is_timed = 1;
        }
    }
    record.acked_ticks = now_ticks;
    record.acknowledged_here = record.acknowledged_here.wrapping_add(u32::from(here));
    // Whoever sees the acknowledgement sees where it came.
    compiler_fence(Ordering::Release);
    record.acknowledgements = record.acknowledgements.wrapping_add(1);
    record.acknowledged_packets = record.timed.packets();
    // Whoever sees that the wait is over sees the answer.
    compiler_fence(Ordering::Release);
    wait_on(record, sack, second_is_left, now_ns);
}

/// What the SACK left unacknowledged is waited for at once: a sender that gets no further SACK may send nothing new.
#[inline(always)]
fn wait_on(record: &mut FlowRecord, sack: Sack, second_is_left: bool, now_ns: u64) {
    let left = record.highest_sent.wrapping_sub(sack.highest_acked);
    if (left as i32) <= 0 {
        return record.timed.stop();
    }
    // Who has retransmitted goes on with the rest now.
    if second_is_left && !record.timed.is_resent() {
        record
            .timed
            .wait_for_second(record.second_tsn, record.second_at_ns);
        record.second_at_ns = 0;
    } else {
        // At most as many packets as chunks, and as packets there were but the one that was acknowledged.
        let packets = left.min(record.timed.packets().saturating_sub(1)).max(1);
        let first_left = sack.highest_acked.wrapping_add(1);
        record.timed.wait_for_rest(first_left, packets, now_ns);
    }
}

/// Whoever waits longer has retransmitted: Linux begins with an RTO of 3 s, RFC 9260 section 16 with 1 s. If nobody has, the SACK
/// that answered was not seen here, and this one answers something else. A path that is slower is of no use to a session.
const LONGEST_RTT_NS: u64 = 3_000_000_000;

pub(super) const SACK: u32 = bit(ChunkKind::Sack) | bit(ChunkKind::NrSack);
