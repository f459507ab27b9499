//! What user space tells the programs of a flow: its association.
//!
//! A slot has two parts, and each has one writer. The programs write its record and only read its links: [`FlowLinks`] are
//! handed out to them for reading. The agent writes links and only reads records; it zeroes both while the slot belongs to
//! no flow. They share an array and no cache line. In an array of their own the links cost DATA and SACK 3 to 4 ns more: a
//! look-up and a check for each flow that a packet touches.
//!
//! So the agent cannot make the programs forget anything; it names the tag, and a program that finds another one in the
//! record forgets what that one's packets left behind (see [`FlowRecord::follow`]).

use bytemuck::{Pod, Zeroable};

use super::{FlowRecord, NO_SLOT};

/// A slot of the flow table, or none. Zero is none: a record of zeroes refers to nothing.
///
/// The value is the slot's number plus one. Tables end at [`MOST_FLOWS`](super::limits::MOST_FLOWS), 2^22: the upper
/// eight bits are free, should a reference have to tell one flow of a slot from the next.
#[repr(transparent)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Pod, Zeroable)]
pub struct SlotRef(u32);

impl SlotRef {
    /// No slot.
    pub const NONE: Self = Self(0);

    /// A reference to a slot; to none for [`NO_SLOT`].
    #[inline(always)]
    #[must_use]
    pub const fn to(slot: u32) -> Self {
        Self(slot.wrapping_add(1))
    }

    /// The slot's number; [`NO_SLOT`], which is past the end of every table, for none.
    #[inline(always)]
    #[must_use]
    pub const fn slot(self) -> u32 {
        self.0.wrapping_sub(1)
    }

    /// Whether it refers to a slot.
    #[inline(always)]
    #[must_use]
    pub const fn is_some(self) -> bool {
        self.0 != 0
    }
}

/// A flow's place in its association: a cache line that the agent writes. All zero while the flow has no association.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Pod, Zeroable)]
pub struct FlowLinks {
    /// The association's verification tag in this flow's direction, if the agent vouches for it: a handshake gave it, or it was
    /// proved. 0 otherwise: the flow has the first one that comes, until another is proved.
    pub tag: u32,
    /// The flow whose record holds the TSN state of this direction of the association. None while the flow has no
    /// association: its own record does.
    pub tsn_state: SlotRef,
    /// A flow of the opposite direction: of the same address pair if there is one.
    pub reverse: SlotRef,
    /// The next flow of the same direction, in a ring. None, or the flow's own slot, if it is alone.
    pub next: SlotRef,
    /// Whether each packet of DATA and SACKs passes on two paths, 1 or 0: this agent copies them, or one at the peer's host does.
    pub copies: u32,
    /// Room for what the agent may say next; 0.
    pub reserved: [u32; 11],
}

impl FlowLinks {
    /// Whether the flow has an association.
    #[inline(always)]
    #[must_use]
    pub const fn is_set(&self) -> bool {
        self.tsn_state.is_some()
    }

    /// Whether the flow's tag is only believed so far: packets with it, and those with another one, have to prove it.
    #[inline(always)]
    #[must_use]
    pub const fn wants_proof(&self) -> bool {
        self.tag == 0
    }

    /// Whether each packet passes on two paths.
    #[inline(always)]
    #[must_use]
    pub const fn is_copied(&self) -> bool {
        self.copies != 0
    }

    /// The slot whose record holds the TSN state of a flow's direction; `own` is the flow's.
    #[inline(always)]
    #[must_use]
    pub const fn tsn_slot(&self, own: u32) -> u32 {
        if self.is_set() { self.tsn_state.slot() } else { own }
    }

    /// Whether any of the references is to this slot.
    #[must_use]
    pub fn refer_to(&self, slot: u32) -> bool {
        [self.tsn_state, self.reverse, self.next].contains(&SlotRef::to(slot))
    }
}

/// A slot of the flow table.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub struct FlowSlot {
    /// What the programs know of the flow.
    pub record: FlowRecord,
    /// What the agent says of it.
    pub links: FlowLinks,
}

const _: () = assert!(size_of::<FlowLinks>() == 64);
const _: () = assert!(core::mem::offset_of!(FlowSlot, links) % 64 == 0);
const _: () = assert!(size_of::<FlowSlot>() == 10 * 64);
const _: () = assert!(!SlotRef::to(NO_SLOT).is_some());
const _: () = assert!(SlotRef::NONE.slot() == NO_SLOT);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slot_zero_is_not_none() {
        assert!(SlotRef::to(0).is_some());
        assert_eq!(SlotRef::to(0).slot(), 0);
        assert_eq!(SlotRef::zeroed(), SlotRef::NONE);
        assert_eq!(SlotRef::to(SlotRef::NONE.slot()), SlotRef::NONE);
    }

    #[test]
    fn links_of_zeroes_refer_to_nothing() {
        let links = FlowLinks::zeroed();
        assert!(!links.is_set());
        assert_eq!(links.tsn_slot(7), 7);
        assert!(!links.refer_to(0) && !links.refer_to(NO_SLOT - 1));
    }
}
