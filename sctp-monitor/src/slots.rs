//! Which slots of the flow table are in use, and which may be offered again.

use std::{collections::VecDeque, time::Duration};

use sctp_monitor_engine::model::Timestamp;

/// The agent's side of the flow table.
#[derive(Debug)]
pub struct Slots {
    /// By slot, up to the highest one ever used.
    used: Vec<Slot>,
    released: VecDeque<(u32, Timestamp)>,
    /// Flows that ever got a slot.
    opened: u64,
    in_use: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Slot {
    Free,
    /// A flow, with the packets it had when it was last named.
    Used {
        packets: u64,
    },
    /// Forgotten, but a program may still hold it.
    Released,
}

impl Slots {
    /// All slots are free.
    #[must_use]
    pub fn new() -> Self {
        Self {
            used: Vec::new(),
            released: VecDeque::new(),
            opened: 0,
            in_use: 0,
        }
    }

    /// A flow got this slot.
    pub fn take(&mut self, slot: u32) {
        let index = slot as usize;
        if index >= self.used.len() {
            self.used.resize(index + 1, Slot::Free);
        }
        if self.used[index] == Slot::Free {
            self.used[index] = Slot::Used { packets: 0 };
            self.opened += 1;
            self.in_use += 1;
        }
    }

    /// Flows that ever got a slot.
    #[must_use]
    pub fn opened(&self) -> u64 {
        self.opened
    }

    /// Slots that no new flow can get now.
    #[must_use]
    pub fn in_use(&self) -> u32 {
        self.in_use
    }

    /// Whether a flow that is in this slot was never announced.
    #[must_use]
    pub fn is_free(&self, slot: u32) -> bool {
        self.used
            .get(slot as usize)
            .is_none_or(|slot| *slot == Slot::Free)
    }

    /// Appends the slots in use whose count of packets, `packets_now`, is another one than at the last call.
    pub fn take_changed(&mut self, packets_now: impl Fn(u32) -> u64, changed: &mut Vec<u32>) {
        for (state, slot) in self.used.iter_mut().zip(0_u32..) {
            if let Slot::Used { packets } = state {
                let now = packets_now(slot);
                if std::mem::replace(packets, now) != now {
                    changed.push(slot);
                }
            }
        }
    }

    /// The flow in this slot was forgotten.
    pub fn release(&mut self, slot: u32, now: Timestamp) {
        if let Some(state @ Slot::Used { .. }) = self.used.get_mut(slot as usize) {
            *state = Slot::Released;
            self.released.push_back((slot, now));
        }
    }

    /// A slot that no program can hold any more.
    pub fn poll_free(&mut self, now: Timestamp) -> Option<u32> {
        let (slot, released_at) = self.released.front().copied()?;
        if now.since(released_at) < GRACE {
            return None;
        }
        self.released.pop_front();
        if let Some(state) = self.used.get_mut(slot as usize) {
            *state = Slot::Free;
            self.in_use -= 1;
        }
        Some(slot)
    }
}

impl Default for Slots {
    fn default() -> Self {
        Self::new()
    }
}

/// A program runs for microseconds; a stalled virtual CPU may hold one up for longer.
const GRACE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_nanos(seconds * 1_000_000_000)
    }

    fn changed(slots: &mut Slots, packets_now: impl Fn(u32) -> u64) -> Vec<u32> {
        let mut changed = Vec::new();
        slots.take_changed(packets_now, &mut changed);
        changed
    }

    #[test]
    fn a_slot_is_named_once_for_each_change() {
        let mut slots = Slots::new();
        for slot in [0, 2, 3] {
            slots.take(slot);
        }
        assert_eq!(changed(&mut slots, |_| 5), [0, 2, 3]);
        assert!(changed(&mut slots, |_| 5).is_empty());
        assert_eq!(changed(&mut slots, |slot| if slot == 2 { 6 } else { 5 }), [2]);
    }

    #[test]
    fn a_released_slot_is_free_after_the_grace_time() {
        let mut slots = Slots::new();
        slots.take(1);
        slots.release(1, at(10));
        assert!(!slots.is_free(1));
        assert_eq!(slots.poll_free(at(10)), None);
        assert!(changed(&mut slots, |_| 9).is_empty(), "nobody reads it");
        assert_eq!(slots.poll_free(at(11)), Some(1));
        assert!(slots.is_free(1));
        assert_eq!(slots.poll_free(at(12)), None);
        slots.take(1);
        assert_eq!((slots.opened(), slots.in_use()), (2, 1));
    }

    #[test]
    fn a_slot_is_released_once() {
        let mut slots = Slots::new();
        slots.take(0);
        slots.release(0, at(1));
        slots.release(0, at(1));
        assert_eq!(slots.poll_free(at(9)), Some(0));
        assert_eq!(slots.poll_free(at(9)), None);
    }
}
