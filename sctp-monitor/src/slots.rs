//! Which slots of the flow table are in use, and which may be offered again, to whom.
//!
//! Flows that nothing proves have a share of all slots, so that a flood of them leaves the rest to genuine ones. A flow that is
//! proved takes its slot along, and another one is offered in its place.

use std::{collections::VecDeque, time::Duration};

use sctp_monitor_common::abi::limits::unproved_share;
use sctp_monitor_engine::model::Timestamp;

use crate::kernel::Found;

/// The agent's side of the flow table.
#[derive(Debug)]
pub struct Slots {
    /// By slot, up to the highest one ever used.
    used: Vec<Slot>,
    released: VecDeque<(u32, Timestamp)>,
    /// Neither offered nor used when the table was found; a program may have been about to open a flow there.
    nobodys: VecDeque<(u32, Timestamp)>,
    /// Whom each slot was offered to last, and whether its flow was proved since.
    offers: Vec<Offer>,
    /// Slots that flows may take which nothing proves, and those that are offered to them or taken by them.
    share: u32,
    unproved: u32,
    /// Flows that ever got a slot from here on.
    opened: u64,
    /// A flow was seen to go on.
    moved: bool,
    in_use: u32,
}

/// Whom a free slot is offered to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offer {
    /// Flows that are likely to be genuine.
    Genuine,
    /// Any flow.
    Any,
}

impl Offer {
    /// Whom a slot of a new table is offered to, of which the first `share` slots are for any flow.
    #[must_use]
    pub fn of(slot: u32, share: u32) -> Self {
        if slot < share { Self::Any } else { Self::Genuine }
    }
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
    /// All slots of a table of so many are free.
    #[must_use]
    pub fn new(slots: u32) -> Self {
        let share = unproved_share(slots);
        Self {
            used: Vec::new(),
            released: VecDeque::new(),
            nobodys: VecDeque::new(),
            offers: (0..slots).map(|slot| Offer::of(slot, share)).collect(),
            share,
            unproved: share,
            opened: 0,
            moved: false,
            in_use: 0,
        }
    }

    /// The slots of a table that an earlier agent made.
    #[must_use]
    pub fn found(found: &[Found], now: Timestamp) -> Self {
        let count = u32::try_from(found.len()).unwrap_or(u32::MAX);
        let mut slots = Self {
            offers: vec![Offer::Genuine; found.len()],
            unproved: 0,
            ..Self::new(count)
        };
        for (slot, found) in (0..count).zip(found) {
            match found {
                Found::Offered(Offer::Genuine) => {}
                Found::Offered(Offer::Any) => slots.change(slot, Offer::Any),
                Found::Used { is_proved } => {
                    slots.take(slot);
                    if !is_proved {
                        slots.change(slot, Offer::Any);
                    }
                }
                Found::Forgotten => {
                    slots.take(slot);
                    slots.release(slot, now);
                }
                Found::Nobodys => slots.nobodys.push_back((slot, now)),
            }
        }
        slots.opened = 0;
        slots
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

    /// Flows that ever got a slot, but those that were found.
    #[must_use]
    pub fn opened(&self) -> u64 {
        self.opened
    }

    /// Whether any packet was seen.
    #[must_use]
    pub fn is_used(&self) -> bool {
        self.opened > 0 || self.moved
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
                let before = std::mem::replace(packets, now);
                if before != now {
                    changed.push(slot);
                    self.moved |= before != 0;
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

    /// The flow in this slot was proved.
    pub fn prove(&mut self, slot: u32) {
        self.change(slot, Offer::Genuine);
    }

    /// Whether flows that nothing proves have less than their share.
    #[must_use]
    pub fn lacks_unproved(&self) -> bool {
        self.unproved < self.share
    }

    /// A slot that was for genuine flows is offered to any.
    pub fn on_offered(&mut self, slot: u32) {
        self.change(slot, Offer::Any);
    }

    fn change(&mut self, slot: u32, to: Offer) {
        let Some(offer) = self.offers.get_mut(slot as usize) else {
            return;
        };
        match (std::mem::replace(offer, to), to) {
            (Offer::Genuine, Offer::Any) => self.unproved += 1,
            (Offer::Any, Offer::Genuine) => self.unproved -= 1,
            _ => {}
        }
    }

    /// A slot that no program can hold any more, and whom to offer it to.
    pub fn poll_free(&mut self, packets_now: impl Fn(u32) -> u64, now: Timestamp) -> Option<(u32, Offer)> {
        let slot = self
            .poll_released(now)
            .or_else(|| self.poll_nobodys(packets_now, now))?;
        if self.lacks_unproved() {
            self.change(slot, Offer::Any);
        }
        let to = self.offers.get(slot as usize).copied()?;
        Some((slot, to))
    }

    fn poll_released(&mut self, now: Timestamp) -> Option<u32> {
        let (slot, _) = self.released.pop_front_if(|(_, at)| now.since(*at) >= GRACE)?;
        if let Some(state) = self.used.get_mut(slot as usize) {
            *state = Slot::Free;
            self.in_use -= 1;
        }
        Some(slot)
    }

    /// One in which no flow was opened meanwhile.
    fn poll_nobodys(&mut self, packets_now: impl Fn(u32) -> u64, now: Timestamp) -> Option<u32> {
        while let Some((slot, _)) = self.nobodys.pop_front_if(|(_, at)| now.since(*at) >= GRACE) {
            if packets_now(slot) > 0 {
                self.take(slot);
            } else if self.is_free(slot) {
                return Some(slot);
            }
        }
        None
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
        let mut slots = Slots::new(8);
        for slot in [0, 2, 3] {
            slots.take(slot);
        }
        assert_eq!(changed(&mut slots, |_| 5), [0, 2, 3]);
        assert!(changed(&mut slots, |_| 5).is_empty());
        assert_eq!(changed(&mut slots, |slot| if slot == 2 { 6 } else { 5 }), [2]);
    }

    #[test]
    fn a_released_slot_is_free_after_the_grace_time() {
        let mut slots = Slots::new(8);
        slots.take(1);
        slots.release(1, at(10));
        assert!(!slots.is_free(1));
        assert_eq!(slots.poll_free(|_| 0, at(10)), None);
        assert!(changed(&mut slots, |_| 9).is_empty(), "nobody reads it");
        assert_eq!(slots.poll_free(|_| 0, at(11)), Some((1, Offer::Any)));
        assert!(slots.is_free(1));
        assert_eq!(slots.poll_free(|_| 0, at(12)), None);
        slots.take(1);
        assert_eq!((slots.opened(), slots.in_use()), (2, 1));
    }

    #[test]
    fn a_slot_is_released_once() {
        let mut slots = Slots::new(8);
        slots.take(0);
        slots.release(0, at(1));
        slots.release(0, at(1));
        assert_eq!(slots.poll_free(|_| 0, at(9)), Some((0, Offer::Any)));
        assert_eq!(slots.poll_free(|_| 0, at(9)), None);
    }

    #[test]
    fn the_slots_of_an_earlier_agent_are_found_as_they_are() {
        let found = [
            Found::Offered(Offer::Any),
            Found::Used { is_proved: true },
            Found::Used { is_proved: false },
            Found::Forgotten,
            Found::Nobodys,
            Found::Nobodys,
            Found::Offered(Offer::Genuine),
            Found::Offered(Offer::Genuine),
        ];
        let mut slots = Slots::found(&found, at(10));
        assert_eq!((slots.in_use(), slots.is_used()), (3, false));
        assert_eq!(changed(&mut slots, |_| 5), [1, 2]);
        assert!(!slots.is_used(), "these packets others have seen");
        assert_eq!(changed(&mut slots, |slot| u64::from(slot) + 4), [2]);
        assert!(slots.is_used());
        assert_eq!(changed(&mut slots, |_| 5), [2]);
        assert!(slots.lacks_unproved(), "two of four");
        // A program was about to open a flow in the fourth.
        slots.take(4);
        assert_eq!(slots.poll_free(|_| 0, at(10)), None);
        assert_eq!(slots.poll_free(|_| 0, at(11)), Some((3, Offer::Any)));
        // And has opened one in the fifth, of which nobody told.
        assert_eq!(slots.poll_free(|_| 1, at(11)), None);
        assert_eq!(changed(&mut slots, |_| 5), [4, 5]);
    }

    #[test]
    fn flows_that_nothing_proves_keep_their_share_and_no_more() {
        let mut slots = Slots::new(8);
        for slot in 0..4 {
            slots.take(slot);
        }
        assert!(!slots.lacks_unproved(), "all are taken, but these are all");
        slots.prove(1);
        slots.prove(1);
        assert!(slots.lacks_unproved());
        slots.on_offered(4);
        assert!(!slots.lacks_unproved());
        // What is given back goes to whoever has less than his share.
        slots.release(1, at(1));
        slots.release(0, at(1));
        assert_eq!(slots.poll_free(|_| 0, at(9)), Some((1, Offer::Genuine)));
        assert_eq!(slots.poll_free(|_| 0, at(9)), Some((0, Offer::Any)));
    }
}
