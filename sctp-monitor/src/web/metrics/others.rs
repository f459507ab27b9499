//! What is told in sum of all associations that have no series of their own.

use std::collections::HashMap;

use sctp_monitor_engine::model::{AssociationId, AssociationView, Direction, PathId};

use super::{
    family::{Samples, Value},
    paths::{
        COUNTED, Name, PATH_STATE, PATHS, PATHS_ACTIVE, STATES, WITHOUT_REDUNDANCY, is_without_redundancy,
    },
};
use crate::show;

/// The sums of those that have no series of their own. Gauges are summed as they are. What is counted is what was counted while they
/// had none: sums of counters would fall when an association leaves them, and a counter that falls has been reset.
#[derive(Debug, Default)]
pub(super) struct Others {
    /// The last counts of every flow.
    seen: HashMap<(AssociationId, PathId, Direction), [u64; COUNTED.len()]>,
    /// What was counted, by direction.
    sums: [[u64; COUNTED.len()]; 2],
}

impl Others {
    /// Adds what was counted since the last time, of those at `others`; the rest is kept in mind. Says the sums.
    pub(super) fn take(&mut self, all: &[&AssociationView], is_other: impl Fn(usize) -> bool) -> Samples {
        let before = std::mem::take(&mut self.seen);
        let mut states = [0_u64; STATES.len()];
        let (mut paths, mut active, mut without_redundancy, mut count) = (0, 0, 0_u64, 0);
        for (index, association) in all.iter().enumerate() {
            let is_other = is_other(index);
            for path in show::used(association) {
                for (direction, sums) in Direction::BOTH.into_iter().zip(&mut self.sums) {
                    let Some(flow) = path.flow(direction) else {
                        continue;
                    };
                    let key = (association.reference.id, path.id, direction);
                    let counts = COUNTED.map(|(_, figure)| figure(flow));
                    if is_other {
                        let before = before.get(&key).copied().unwrap_or_default();
                        for ((sum, now), before) in sums.iter_mut().zip(counts).zip(before) {
                            // A flow that was forgotten and came back counts from zero.
                            *sum += now.checked_sub(before).unwrap_or(now);
                        }
                    }
                    self.seen.insert(key, counts);
                }
                if is_other {
                    for (state, count) in STATES.into_iter().zip(&mut states) {
                        *count += u64::from(state == path.state);
                    }
                }
            }
            if is_other {
                count += 1;
                paths += show::used(association).count();
                active += show::active(association);
                without_redundancy += u64::from(is_without_redundancy(association));
            }
        }
        let mut samples = Samples::default();
        let were_there = self.sums != <[[u64; COUNTED.len()]; 2]>::default();
        if count == 0 && !were_there {
            return samples;
        }
        let name = Name::other();
        let nowhere = |more: Value| name.with([String::new(), String::new(), more]);
        samples.push(&PATHS, name.with([]), paths);
        samples.push(&PATHS_ACTIVE, name.with([]), active);
        samples.push(&WITHOUT_REDUNDANCY, name.with([]), without_redundancy);
        for (state, count) in STATES.into_iter().zip(states) {
            samples.push(&PATH_STATE, nowhere(state.to_string()), count);
        }
        for (direction, sums) in Direction::BOTH.into_iter().zip(self.sums) {
            for ((family, _), sum) in COUNTED.into_iter().zip(sums) {
                samples.push(family, nowhere(direction.to_string()), sum);
            }
        }
        samples
    }
}
