//! What is rare: how often user space is told of it, and new flows are opened, by how much is known of who sends.
//!
//! Anyone can send packets that look like control chunks, HEARTBEATs or new flows. So what nothing proves shares a budget
//! over all CPUs, of which no flow, and no network that it comes from, gets more than a part. What was proved, or answers
//! what was, has a share of its own on each flow and is held up by nobody else.

use bytemuck::{Pod, Zeroable};

use crate::wire::Address;

/// Events in the current second.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Pod, Zeroable)]
pub struct Rate {
    second: u32,
    /// Events in it. Where several CPUs count, they do so atomically.
    pub count: u32,
}

impl Rate {
    /// Whether one more event is within `per_second`; it is not counted yet. A second is 2^30 ns.
    #[inline(always)]
    pub fn has_room(&mut self, now_ns: u64, per_second: u64) -> bool {
        let second = (now_ns >> 30) as u32;
        if self.second != second {
            self.second = second;
            self.count = 0;
        }
        u64::from(self.count) < per_second
    }

    /// Whether one more event is within `per_second`; it is counted then. For one CPU.
    #[inline(always)]
    pub fn admits(&mut self, now_ns: u64, per_second: u64) -> bool {
        let admits = self.has_room(now_ns, per_second);
        if admits {
            self.count += 1;
        }
        admits
    }
}

/// How far a packet is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Trust {
    /// It has a tag that was proved, or this host sends it of its own accord.
    Proved,
    /// It answers what was proved, or what this host sent of its own accord, as far as addresses and ports tell.
    Answer,
    /// Anyone may have sent it, or made this host send it.
    Unproved,
}

impl Trust {
    /// Room for each of them: a power of two.
    pub const SLOTS: usize = 4;
}

/// What is rare, by what has a budget of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum RareKind {
    /// Control chunks: this and the next three by the outcome of the tag check.
    Control = 0,
    /// HEARTBEATs and their acknowledgements.
    Heartbeat = 4,
    /// ICMP errors.
    Icmp = 5,
    /// New flows.
    NewFlow = 6,
    /// New flows that were refused before.
    NewFlowAgain = 7,
}

impl RareKind {
    /// How many budgets there are: a power of two.
    pub const COUNT: usize = 8;
}

/// One rare event.
#[derive(Debug, Clone, Copy)]
pub struct Rare {
    /// A [`RareKind`], for control chunks plus the outcome of the tag check.
    pub kind: u32,
    /// The flow's slot, if it has one.
    pub slot: u32,
    /// How far its packet is believed.
    pub trust: Trust,
    /// The host that sent the packet, or that this host sends it to.
    pub remote: Address,
    /// The time.
    pub now_ns: u64,
}

const _: () = assert!(RareKind::COUNT.is_power_of_two());

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_so_much_room_and_the_next_as_much_again() {
        let mut rate = Rate::default();
        let second = |n: u64| n << 30;
        let admitted = (0..10).filter(|_| rate.admits(second(5), 3)).count();
        assert_eq!(admitted, 3);
        assert!(rate.admits(second(6), 3));
        assert!(!rate.admits(second(7), 0));
    }
}
