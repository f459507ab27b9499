//! Putting a summary together for those who ask, a part at a time.
//!
//! Copying what is known of ten thousand associations takes longer than the report of a failure should wait. So the loop copies a few
//! at a time, and looks after the packets in between. The parts of a summary are as much apart in time as all of that takes.

use sctp_monitor_engine::model::{AssociationId, AssociationView};

/// What was copied so far, and what is left.
#[derive(Debug, Default)]
pub(super) struct Gathering {
    left: std::vec::IntoIter<AssociationId>,
    views: Vec<AssociationView>,
}

impl Gathering {
    /// Of these.
    pub(super) fn of(ids: Vec<AssociationId>) -> Self {
        Self {
            views: Vec::with_capacity(ids.len()),
            left: ids.into_iter(),
        }
    }

    /// Copies some more; `view` gives those that are still known. Gives all when none is left.
    pub(super) fn step(
        &mut self,
        view: impl Fn(AssociationId) -> Option<AssociationView>,
    ) -> Option<Vec<AssociationView>> {
        let mut cost = 0;
        while cost < AT_ONCE {
            let Some(id) = self.left.next() else {
                return Some(std::mem::take(&mut self.views));
            };
            cost += 1;
            if let Some(view) = view(id) {
                cost += view.paths.len();
                self.views.push(view);
            }
        }
        None
    }
}

/// Associations and paths that are copied at once: less than a millisecond's work.
const AT_ONCE: usize = 100;

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use sctp_monitor_engine::model::PathState;

    use super::*;
    use crate::report::samples::{FIRST, SECOND, association};

    #[test]
    fn each_is_copied_once_a_few_at_a_time_and_those_that_end_meanwhile_are_left_out() {
        let paths = [(FIRST, PathState::Active), (SECOND, PathState::Active)];
        let copied = Cell::new(0);
        let view = |id: AssociationId| {
            copied.set(copied.get() + 1);
            (!id.0.is_multiple_of(10)).then(|| association(id.0 as u16, &paths))
        };
        let mut gathering = Gathering::of((0..1_000).map(AssociationId).collect());
        let mut steps = 0;
        let all = loop {
            let before = copied.get();
            steps += 1;
            let done = gathering.step(view);
            assert!(copied.get() - before <= AT_ONCE);
            if let Some(all) = done {
                break all;
            }
        };
        assert_eq!(copied.get(), 1_000);
        assert_eq!(all.len(), 900);
        assert!(steps >= 28, "{steps} steps for 2,800");
        let mut none = Gathering::of(Vec::new());
        assert_eq!(none.step(|_| None), Some(Vec::new()));
    }
}
