//! What was before somebody looked: the last events, and how each path did, in bounded memory.
//!
//! Events come as they come to any writer of reports. How paths do is asked of the loop now and then, as other readers ask it. Both
//! forget the oldest first; neither can hold up the watch.

mod events;
mod record;
mod series;

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use schemars::JsonSchema;
use sctp_monitor_engine::model::{Schema, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::sync::{mpsc, oneshot};

pub(crate) use self::events::{Events, Kept, Next};
use self::series::Frames;
pub use self::{
    record::{Amount, Crossed, Measured, PathRecord, Record, Sample, Wanted},
    series::SAMPLE_BYTES,
};
use crate::{
    clock::{self, Clock},
    control::Question,
    report::{Line, Outlet, Summary},
};

/// The table `history` of the configuration file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct HistorySettings {
    /// Memory for events and for how paths did, in MiB.
    pub memory_mib: u32,
}

impl Default for HistorySettings {
    fn default() -> Self {
        Self { memory_mib: 16 }
    }
}

/// What was, as far as it is kept.
#[derive(Debug)]
pub struct History {
    events: Arc<Events>,
    frames: Mutex<Frames>,
}

impl History {
    /// Nothing yet.
    #[must_use]
    pub fn new(settings: &HistorySettings) -> Arc<Self> {
        let bytes = settings.memory_mib.max(1) as usize * MIB;
        Arc::new(Self {
            events: Events::new(bytes / 4),
            frames: Mutex::new(Frames::new(bytes / 4 * 3)),
        })
    }

    /// The last events.
    pub(crate) fn events(&self) -> &Arc<Events> {
        &self.events
    }

    /// The writer that puts events here. The watch goes on for it alone if somebody may come and read (`keeps_watch`).
    #[must_use]
    pub fn outlet(&self, keeps_watch: bool) -> Outlet<Line, Summary> {
        self.events.outlet(keeps_watch)
    }

    /// Asks by this queue how paths do, until the loop ends.
    ///
    /// # Errors
    /// If the system has no thread left.
    pub fn start(self: &Arc<Self>, questions: mpsc::Sender<Question>) -> io::Result<()> {
        let history = Arc::clone(self);
        thread::Builder::new().name("history".to_owned()).spawn(move || {
            while let Some(paths) = history.look(&questions) {
                clock::wait(pause(paths));
            }
        })?;
        Ok(())
    }

    /// Looks once; says how many paths there were, and nothing if the loop has ended.
    fn look(&self, questions: &mpsc::Sender<Question>) -> Option<usize> {
        let (to, answer) = oneshot::channel();
        questions.blocking_send(Question::Summary(to)).ok()?;
        let summary = answer.blocking_recv().ok()?;
        self.on_summary(&summary);
        let paths = summary
            .snapshot
            .associations
            .iter()
            .map(|known| known.paths.len());
        Some(paths.sum())
    }

    /// Takes in how paths do now.
    pub(crate) fn on_summary(&self, summary: &Summary) {
        // The kernel has this clock (`Clock::now`).
        if let Ok(now) = Clock::now() {
            self.lock().push(&summary.snapshot, now);
        }
    }

    /// What is wanted of what is kept.
    #[must_use]
    pub fn record(&self, wanted: &Wanted) -> Record<Box<RawValue>> {
        let after = wanted.after.max(self.events.before_oldest());
        let kept = match self.events.after(after, usize::MAX) {
            Next::Events(kept) => kept,
            // Some were dropped in between.
            Next::Missed(_) => Vec::new(),
        };
        let is_wanted = |time: Timestamp| wanted.since.is_none_or(|since| time >= since);
        let json = |kept: &Arc<Kept>| RawValue::from_string(kept.json.to_string()).ok();
        Record {
            schema: Schema,
            time: clock::time_of_day(),
            last: kept.last().map_or(after, |event| event.number),
            forgotten: self.events.before_oldest(),
            kept_from: self.events.kept_from(),
            events: kept
                .iter()
                .filter(|event| is_wanted(event.time))
                .filter_map(json)
                .collect(),
            paths: if wanted.paths {
                self.lock().of_paths(wanted)
            } else {
                Vec::new()
            },
        }
    }

    /// How one association's paths did.
    pub(crate) fn paths_of(&self, wanted: &Wanted) -> Vec<PathRecord> {
        self.lock().of_paths(wanted)
    }

    fn lock(&self) -> MutexGuard<'_, Frames> {
        self.frames.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Until the next look: a copy of so many paths takes the loop some time.
fn pause(paths: usize) -> Duration {
    APART * u32::try_from(paths.div_ceil(PATHS_AT_ONCE).max(1)).unwrap_or(u32::MAX)
}

/// Between two looks at how paths do.
pub const APART: Duration = Duration::from_secs(10);

/// Paths of which a copy can be made each time.
const PATHS_AT_ONCE: usize = 10_000;

const MIB: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use sctp_monitor_engine::model::PathState;

    use super::*;
    use crate::report::samples::{FIRST, association, summary};

    fn pushed(history: &History, second: u64) {
        let event = format!("{{\"event\":\"x\",\"second\":{second}}}");
        history
            .events
            .push(Timestamp::from_nanos(second * 1_000_000_000), event);
    }

    #[test]
    fn events_are_told_from_a_time_on_and_after_a_number() {
        let history = History::new(&HistorySettings::default());
        (1..=5).for_each(|second| pushed(&history, second));
        let all = history.record(&Wanted::default());
        assert_eq!((all.events.len(), all.last, all.forgotten), (5, 5, 0));
        let since = Some(Timestamp::from_nanos(4_000_000_000));
        let late = history.record(&Wanted {
            since,
            ..Wanted::default()
        });
        assert_eq!(late.events.len(), 2);
        let next = history.record(&Wanted {
            after: 4,
            ..Wanted::default()
        });
        assert_eq!((next.events.len(), next.last), (1, 5));
        let none = history.record(&Wanted {
            after: 5,
            ..Wanted::default()
        });
        assert_eq!((none.events.len(), none.last), (0, 5));
    }

    #[test]
    fn the_loop_is_asked_again_and_again_until_it_ends_and_no_more_often_than_it_can_bear() {
        let history = History::new(&HistorySettings::default());
        let (questions, mut asked) = mpsc::channel(1);
        let known = summary(&[association(1, &[(FIRST, PathState::Active)])]);
        let answering = thread::spawn(move || {
            let Some(Question::Summary(to)) = asked.blocking_recv() else {
                panic!("nothing was asked");
            };
            to.send(known).unwrap();
        });
        assert_eq!(history.look(&questions), Some(1));
        answering.join().unwrap();
        assert!(history.look(&questions).is_none(), "the loop has ended");
        let wanted = Wanted {
            paths: true,
            ..Wanted::default()
        };
        assert_eq!(history.record(&wanted).paths.len(), 1);
        assert_eq!([pause(0), pause(10_000)], [APART; 2]);
        assert_eq!(pause(100_000), 10 * APART);
    }
}
