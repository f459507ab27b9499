//! All writers, as the loop sees them: it hands over what it has and goes on, whatever they do.
//!
//! Each has its own queue and thread. What one loses is told to the others, so that a full disk is seen on the terminal.
//! At the end all get time as long as they get on, and a little patience when they do not.

use std::{io, sync::Arc, thread, time::Duration};

use jiff::Timestamp as WallTime;
use sctp_monitor_engine::model::Timestamp;
use tokio::sync::Notify;
use tracing::warn;

use super::{
    loss::ReportLost,
    outlet::Progress,
    queue::{Message, Queue, Status},
    writer::{Outlet, Writer},
};
use crate::clock::{self, Clock};

/// The writers of a watch.
pub struct Reports<E: Message, S> {
    desks: Vec<Desk<E, S>>,
    /// A reader has left for good.
    left: Arc<Notify>,
}

/// One writer's.
struct Desk<E, S> {
    name: Arc<str>,
    queue: Arc<Queue<E, S>>,
    progress: Progress,
    every: Option<Duration>,
    shown_at: Option<Timestamp>,
    /// When the others were told of a loss.
    told_at: Option<Timestamp>,
}

impl<E: Message, S: Send + Sync + 'static> Reports<E, S> {
    /// Starts a thread for each.
    ///
    /// # Errors
    /// If the system has no thread left.
    pub fn start(outlets: Vec<Outlet<E, S>>) -> io::Result<Self> {
        let left = Arc::new(Notify::new());
        let desks = outlets
            .into_iter()
            .map(|outlet| Desk::start(outlet, Arc::clone(&left)))
            .collect::<io::Result<_>>()?;
        Ok(Self { desks, left })
    }

    /// Reports something at once.
    pub fn event(&self, event: E) {
        let event = Arc::new(event);
        for desk in &self.desks {
            desk.queue.push(Arc::clone(&event));
        }
    }

    /// Whether somebody would look at a snapshot now: it is not made for nobody.
    pub fn wants_snapshot(&self, now: Timestamp) -> bool {
        self.desks.iter().any(|desk| desk.wants_snapshot(now))
    }

    /// Shows how things are to those who look now. As long as there is nothing to see, they look each time.
    pub fn show(&mut self, snapshot: S, is_empty: bool, now: Timestamp) {
        let snapshot = Arc::new(snapshot);
        for desk in self.desks.iter_mut().filter(|desk| desk.wants_snapshot(now)) {
            desk.queue.show(Arc::clone(&snapshot));
            desk.shown_at = (!is_empty).then_some(now);
        }
    }

    /// Tells the other writers what one has lost, or standard error if there is no other that writes: at once when it
    /// begins, then every ten seconds while it lasts.
    pub fn tell_losses(&mut self, now: Timestamp, wall: WallTime) {
        for index in 0..self.desks.len() {
            let desk = &mut self.desks[index];
            let status = desk.queue.status();
            let wait = desk
                .told_at
                .is_some_and(|at| status.gone || now.since(at) < INTERVAL);
            let Some(loss) = (!wait).then(|| desk.queue.take_untold()).flatten() else {
                continue;
            };
            desk.told_at = Some(now);
            let lost = ReportLost {
                writer: Arc::clone(&desk.name),
                loss,
            };
            let others = || {
                let others = self.desks.iter().enumerate();
                others.filter(|(other, desk)| *other != index && desk.queue.status().is_well())
            };
            if others().next().is_none() && !status.gone {
                warn!("{lost}");
                continue;
            }
            let event = Arc::new(E::lost(lost, wall));
            for (_, other) in others() {
                other.queue.push(Arc::clone(&event));
            }
        }
    }

    /// Completes when nobody reads any report any more, and nobody will.
    pub async fn all_gone(&self) {
        while self.desks.is_empty() || !self.desks.iter().all(|desk| desk.queue.status().gone) {
            self.left.notified().await;
        }
    }

    /// Waits until what was handed over is written, so that its losses are known.
    pub fn settle(&self) {
        self.wait(|desk| desk.queue.wait_until_idle(LOOK));
    }

    /// Shows how things were at the end, waits until that is written, and says what could not be.
    pub fn finish(mut self, last: S) {
        let last = Arc::new(last);
        for desk in &self.desks {
            desk.queue.close(Some(Arc::clone(&last)));
        }
        self.end();
        for desk in std::mem::take(&mut self.desks) {
            desk.say_what_is_missing();
        }
    }
}

impl<E: Message, S> Reports<E, S> {
    /// How each writer does, by name.
    pub fn statuses(&self) -> impl Iterator<Item = (&Arc<str>, Status)> {
        self.desks.iter().map(|desk| (&desk.name, desk.queue.status()))
    }

    /// Nothing more will come: waits for the writers as long as they get on.
    pub fn end(&self) {
        for desk in &self.desks {
            desk.queue.close(None);
        }
        self.wait(|desk| desk.queue.wait_until_ended(LOOK));
    }

    fn wait(&self, is_done: impl Fn(&Desk<E, S>) -> bool) {
        let Ok(begun) = Clock::now() else { return };
        let steps: Vec<_> = self.desks.iter().map(|desk| desk.progress.steps()).collect();
        for (desk, mut steps) in self.desks.iter().zip(steps) {
            let mut moved = begun;
            while !is_done(desk) {
                let Ok(now) = Clock::now() else { return };
                if desk.progress.steps() != steps {
                    steps = desk.progress.steps();
                    moved = now;
                }
                if now.since(moved) >= PATIENCE || now.since(begun) >= LONGEST {
                    break;
                }
            }
        }
    }
}

impl<E: Message, S> Desk<E, S> {
    fn start(outlet: Outlet<E, S>, left: Arc<Notify>) -> io::Result<Self>
    where
        S: Send + Sync + 'static,
    {
        let queue = Arc::new(Queue::new(CAPACITY));
        let desk = Self {
            name: Arc::clone(&outlet.name),
            queue: Arc::clone(&queue),
            progress: outlet.progress.clone(),
            every: outlet.every,
            shown_at: None,
            told_at: None,
        };
        let writer = Writer {
            name: outlet.name,
            report: outlet.report,
            progress: outlet.progress,
            ends_with_reader: outlet.ends_with_reader,
            queue,
            now: clock::time_of_day,
            owed: Vec::new(),
        };
        thread::Builder::new().name("report".to_owned()).spawn(move || {
            writer.run();
            left.notify_one();
        })?;
        Ok(desk)
    }

    fn wants_snapshot(&self, now: Timestamp) -> bool {
        self.every.is_some_and(|every| {
            self.queue.wants_snapshot() && self.shown_at.is_none_or(|at| now.since(at) >= every)
        })
    }

    fn say_what_is_missing(&self) {
        let Status {
            waiting,
            lost,
            reason,
            gone,
            ..
        } = self.queue.status();
        let name = &self.name;
        // Who left knows that lines are missing.
        if gone {
            return;
        }
        if !self.queue.wait_until_ended(Duration::ZERO) {
            warn!(
                "report to {name}: it takes no more; {waiting} lines and the summary are not written, {lost} were lost before"
            );
        } else if let Some(reason) = reason {
            warn!("report to {name}: {lost} lines were lost in all; the last one: {reason}");
        }
    }
}

/// A watch that fails still writes what it has told.
impl<E: Message, S> Drop for Reports<E, S> {
    fn drop(&mut self) {
        self.end();
    }
}

/// Events that wait for one writer at most: 10,000 associations that come up at once have two or three each. At less than
/// a kilobyte an event, which all writers share, a full queue takes some 30 MB.
const CAPACITY: usize = 32_768;

/// Between two reports of losses.
const INTERVAL: Duration = Duration::from_secs(10);

/// How long a writer may stand still at the end, twice: before the summary and with it.
const PATIENCE: Duration = Duration::from_millis(500);

/// How long the end may take with a reader that is slow but reads.
const LONGEST: Duration = Duration::from_secs(5);

/// Between two looks at how far a writer is.
const LOOK: Duration = Duration::from_millis(20);
