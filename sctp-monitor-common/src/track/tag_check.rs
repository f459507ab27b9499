//! The tag check: whether a packet speaks for its flow's association.

use super::{
    links::{reverse_of, tag_of},
    scratch::Scratch,
    table::FlowTable,
};
use crate::{
    abi::{Counter, FlowRecord},
    wire::ChunkKind,
};

/// What a packet's tag makes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum TagCheck {
    /// It has the flow's tag and speaks for its association.
    Own,
    /// It begins a handshake and has no tag, or belongs to no flow: it speaks for nobody yet.
    Untagged,
    /// It answers with the tag that it was sent (RFC 9260 section 8.5.1). That may end an association, but proves nothing
    /// else: whatever is bundled with it counts for nothing.
    Reflected,
    /// It has another tag.
    Foreign,
}

/// How many outcomes there are.
pub const TAG_CHECKS: usize = 4;

impl Scratch {
    /// What the packet's tag makes of it: its [`TagCheck`] as an index below [`TAG_CHECKS`].
    #[inline(always)]
    #[must_use]
    pub fn tag_check(&self) -> usize {
        self.tag_check as usize % TAG_CHECKS
    }
}

impl TagCheck {
    /// The first tag that comes is the flow's tag, until user space knows better.
    #[inline(always)]
    pub(super) fn of(record: &mut FlowRecord, scratch: &Scratch) -> Self {
        let tag = scratch.tag;
        if tag == 0 {
            return if scratch.has(ChunkKind::Init) {
                Self::Untagged
            } else {
                Self::Foreign
            };
        }
        if scratch.reflects_tag() {
            return Self::Reflected;
        }
        if record.tag == 0 {
            record.tag = tag;
            // What came without a tag said nothing of where the flow passes.
            record.interface = record.interface.to_be_seen_again();
        }
        if record.tag == tag {
            Self::Own
        } else {
            Self::Foreign
        }
    }
}

/// Counts a packet without the flow's own tag: it is evidence of nothing. A reflected tag is a wrong one if it is not that
/// of the opposite direction; where that is not known, nothing speaks against it.
#[inline(always)]
pub(super) fn count_unproven<T: FlowTable>(slot: u32, table: &mut T) {
    let (tag, tag_check) = (table.scratch().tag, table.scratch().tag_check);
    if tag_check == TagCheck::Reflected as u32 {
        let reverse_slot = reverse_of(slot, table);
        let expected = tag_of(reverse_slot, table);
        if expected == 0 || expected == tag {
            return;
        }
        table.scratch().tag_check = TagCheck::Foreign as u32;
    }
    let Some(record) = table.record(slot) else {
        return;
    };
    if tag_check == TagCheck::Untagged as u32 {
        record.untagged = record.untagged.wrapping_add(1);
        return;
    }
    record.tag_mismatches = record.tag_mismatches.wrapping_add(1);
    record.mismatched_tag = tag;
    table.count(Counter::TagMismatch);
}
