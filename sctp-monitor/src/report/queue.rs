//! What waits between the loop and one writer: bounded, and never in the loop's way.
//!
//! Events are a FIFO. One that finds it full is lost, and a mark takes its place, so that the writer can say where in its
//! lines how many are missing; no channel of the usual crates keeps that place. Of snapshots only the latest counts. The
//! loop takes the lock for the time of a push; a writer holds it to take one item and never while it writes.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use sctp_monitor_engine::model::Timestamp;

use super::loss::{Loss, LossReason, ReportLost};

/// What a queue carries, as far as it needs to know.
pub trait Message: Send + Sync + 'static {
    /// The time of day at which it happened.
    fn at(&self) -> Timestamp;

    /// What says now that a writer lost lines.
    fn lost(lost: ReportLost) -> Self;
}

/// A queue of events `E` and snapshots `S`.
#[derive(Debug)]
pub struct Queue<E, S> {
    capacity: usize,
    state: Mutex<State<E, S>>,
    /// There is something to take, or the writer ended.
    changed: Condvar,
}

/// What a writer does next.
#[derive(Debug, PartialEq, Eq)]
pub enum Next<E, S> {
    /// Writes an event.
    Event(Arc<E>),
    /// Says that lines are missing here.
    Lost(Loss),
    /// Shows how things are.
    Snapshot(Arc<S>),
    /// Nothing came in the time that was given.
    Nothing,
    /// Shows how things were at the end, if that is known, and ends.
    Finish(Option<Arc<S>>),
}

/// How a writer does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// Lines that wait.
    pub waiting: u64,
    /// Lines that were written.
    pub written: u64,
    /// Lines that were lost.
    pub lost: u64,
    /// Why the last one was lost.
    pub reason: Option<LossReason>,
    /// Whether nobody will ever read what is written, as behind `head`.
    pub gone: bool,
    /// Whether the last attempt to write failed.
    pub failing: bool,
    /// Whether there is no room for another line.
    pub full: bool,
}

impl Status {
    /// Whether what is handed over now will be written, unless the writer hangs.
    #[must_use]
    pub fn is_well(&self) -> bool {
        !self.gone && !self.failing && !self.full
    }
}

#[derive(Debug)]
struct State<E, S> {
    items: VecDeque<Item<E>>,
    latest: Option<Arc<S>>,
    status: Status,
    /// Lost, and not yet told to the other writers.
    untold: Option<Loss>,
    end: End<S>,
    /// An item was taken that is not done yet.
    busy: bool,
}

#[derive(Debug)]
enum Item<E> {
    Event(Arc<E>),
    /// The place of the latest snapshot.
    Snapshot,
    Lost(Loss),
}

#[derive(Debug)]
enum End<S> {
    Open,
    /// Close after this snapshot.
    Closing(Option<Arc<S>>),
    Ended,
}

impl<E: Message, S> Queue<E, S> {
    /// An empty queue for so many events.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity,
            state: Mutex::new(State {
                items: VecDeque::new(),
                latest: None,
                status: Status::default(),
                untold: None,
                end: End::Open,
                busy: false,
            }),
            changed: Condvar::new(),
        }
    }

    /// Adds an event, or counts it as lost.
    pub fn push(&self, event: Arc<E>) {
        let mut state = self.lock();
        let at = event.at();
        if state.status.gone {
            let reason = state.status.reason.clone().unwrap_or(LossReason::QueueFull);
            state.count(&Loss::one(at, reason));
        } else if state.status.waiting < self.capacity as u64 {
            state.status.waiting += 1;
            state.items.push_back(Item::Event(event));
        } else {
            let loss = Loss::one(at, LossReason::QueueFull);
            state.count(&loss);
            match state.items.back_mut() {
                Some(Item::Lost(before)) => before.lines += 1,
                _ => state.items.push_back(Item::Lost(loss)),
            }
        }
        drop(state);
        self.changed.notify_all();
    }

    /// Whether a snapshot would be shown: the one before is taken.
    pub fn wants_snapshot(&self) -> bool {
        let state = self.lock();
        state.latest.is_none() && !state.status.gone
    }

    /// Replaces the snapshot that waits.
    pub fn show(&self, snapshot: Arc<S>) {
        let mut state = self.lock();
        if state.latest.replace(snapshot).is_none() {
            state.items.push_back(Item::Snapshot);
        }
        drop(state);
        self.changed.notify_all();
    }

    /// Nothing more comes but this snapshot.
    pub fn close(&self, last: Option<Arc<S>>) {
        let mut state = self.lock();
        if matches!(state.end, End::Open) {
            state.end = End::Closing(last);
        }
        drop(state);
        self.changed.notify_all();
    }

    /// How the writer does.
    pub fn status(&self) -> Status {
        let state = self.lock();
        Status {
            full: state.status.waiting >= self.capacity as u64,
            ..state.status.clone()
        }
    }

    /// What was lost since this was asked for the last time.
    pub fn take_untold(&self) -> Option<Loss> {
        self.lock().untold.take()
    }

    /// Waits until the writer has done all that waits here and said so; tells whether it has.
    pub fn wait_until_idle(&self, within: Duration) -> bool {
        self.wait_until(within, |state| {
            matches!(state.end, End::Ended) || (state.items.is_empty() && !state.busy)
        })
    }

    /// Waits until the writer has ended; tells whether it has.
    pub fn wait_until_ended(&self, within: Duration) -> bool {
        self.wait_until(within, |state| matches!(state.end, End::Ended))
    }

    fn wait_until(&self, within: Duration, is_so: impl Fn(&State<E, S>) -> bool) -> bool {
        let waited = self
            .changed
            .wait_timeout_while(self.lock(), within, |state| !is_so(state));
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        is_so(&state)
    }

    /// For the writer: what it does next; waits for it, for this time at most. What was taken before is done.
    pub fn next(&self, within: Option<Duration>) -> Next<E, S> {
        let mut state = self.lock();
        state.busy = false;
        self.changed.notify_all();
        let has_nothing =
            |state: &mut State<E, S>| state.items.is_empty() && !matches!(state.end, End::Closing(_));
        state = match within {
            None => self
                .changed
                .wait_while(state, has_nothing)
                .unwrap_or_else(PoisonError::into_inner),
            Some(within) => {
                self.changed
                    .wait_timeout_while(state, within, has_nothing)
                    .unwrap_or_else(PoisonError::into_inner)
                    .0
            }
        };
        let next = state.take();
        state.busy = next.is_some();
        next.unwrap_or(Next::Nothing)
    }

    /// For the writer: a line is out.
    pub fn on_written(&self) {
        let mut state = self.lock();
        state.status.written += 1;
        state.status.failing = false;
    }

    /// For the writer: it lost lines.
    pub fn on_lost(&self, loss: &Loss) {
        let mut state = self.lock();
        state.count(loss);
        state.status.failing = true;
    }

    /// For the writer: nobody will read any more, for this reason. What waits is lost.
    pub fn on_gone(&self, reason: &LossReason) {
        let mut state = self.lock();
        state.status.gone = true;
        state.latest = None;
        state.status.waiting = 0;
        for item in std::mem::take(&mut state.items) {
            // What a mark stands for was counted when it was lost.
            if let Item::Event(event) = item {
                state.count(&Loss::one(event.at(), reason.clone()));
            }
        }
        state.status.reason = Some(reason.clone());
    }

    /// For the writer: it does nothing more.
    pub fn on_ended(&self) {
        self.lock().end = End::Ended;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State<E, S>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<E, S> State<E, S> {
    fn count(&mut self, loss: &Loss) {
        self.status.lost += loss.lines;
        self.status.reason = Some(loss.reason.clone());
        match &mut self.untold {
            Some(untold) => untold.add(loss),
            None => self.untold = Some(loss.clone()),
        }
    }

    fn take(&mut self) -> Option<Next<E, S>> {
        match self.items.pop_front() {
            Some(Item::Event(event)) => {
                self.status.waiting -= 1;
                Some(Next::Event(event))
            }
            Some(Item::Lost(loss)) => Some(Next::Lost(loss)),
            Some(Item::Snapshot) => self.latest.take().map(Next::Snapshot),
            None => match std::mem::replace(&mut self.end, End::Open) {
                End::Closing(last) => {
                    self.end = End::Closing(None);
                    Some(Next::Finish(last))
                }
                end => {
                    self.end = end;
                    None
                }
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Eq)]
    struct Line(u64);

    impl Message for Line {
        fn at(&self) -> Timestamp {
            at(self.0)
        }

        fn lost(_: ReportLost) -> Self {
            Self(0)
        }
    }

    type Lines = Queue<Line, &'static str>;

    const AT_ONCE: Option<Duration> = Some(Duration::ZERO);

    fn at(nanos: u64) -> Timestamp {
        Timestamp::from_nanos(nanos)
    }

    fn full(lines: u64, since: u64) -> Loss {
        Loss {
            lines,
            ..Loss::one(at(since), LossReason::QueueFull)
        }
    }

    fn push(queue: &Lines, times: impl IntoIterator<Item = u64>) {
        for time in times {
            queue.push(Arc::new(Line(time)));
        }
    }

    fn event(time: u64) -> Next<Line, &'static str> {
        Next::Event(Arc::new(Line(time)))
    }

    #[test]
    fn what_finds_it_full_is_lost_and_its_place_is_kept() {
        let queue = Lines::new(2);
        push(&queue, 1..=5);
        assert_eq!(queue.next(AT_ONCE), event(1));
        push(&queue, [6]);
        assert_eq!(queue.status().lost, 3);
        assert_eq!(queue.take_untold(), Some(full(3, 3)));
        assert_eq!(queue.take_untold(), None);
        push(&queue, [7, 8]);
        assert_eq!(queue.next(AT_ONCE), event(2));
        assert_eq!(queue.next(AT_ONCE), Next::Lost(full(3, 3)));
        assert_eq!(queue.next(AT_ONCE), event(6));
        assert_eq!(queue.next(AT_ONCE), Next::Lost(full(2, 7)));
        assert_eq!(queue.next(AT_ONCE), Next::Nothing);
        let status = queue.status();
        assert_eq!(
            (status.lost, status.waiting, status.reason),
            (5, 0, Some(LossReason::QueueFull))
        );
    }

    #[test]
    fn of_snapshots_only_the_latest_counts() {
        let queue = Lines::new(2);
        assert!(queue.wants_snapshot());
        queue.show(Arc::new("old"));
        assert!(!queue.wants_snapshot());
        push(&queue, [1]);
        queue.show(Arc::new("new"));
        assert_eq!(queue.next(AT_ONCE), Next::Snapshot(Arc::new("new")));
        assert!(queue.wants_snapshot());
        assert_eq!(queue.next(AT_ONCE), event(1));
        assert_eq!(queue.next(AT_ONCE), Next::Nothing);
    }

    #[test]
    fn what_waits_is_written_before_the_end() {
        let queue = Lines::new(2);
        push(&queue, [1]);
        queue.close(Some(Arc::new("last")));
        queue.close(None);
        assert_eq!(queue.next(None), event(1));
        assert_eq!(queue.next(None), Next::Finish(Some(Arc::new("last"))));
        assert!(!queue.wait_until_ended(Duration::ZERO));
        queue.on_ended();
        assert!(queue.wait_until_ended(Duration::ZERO));
    }

    #[test]
    fn it_is_idle_when_the_last_item_is_done() {
        let queue = Lines::new(2);
        assert!(queue.wait_until_idle(Duration::ZERO));
        push(&queue, [1]);
        assert!(!queue.wait_until_idle(Duration::ZERO));
        assert_eq!(queue.next(AT_ONCE), event(1));
        assert!(!queue.wait_until_idle(Duration::ZERO), "it is being written");
        assert_eq!(queue.next(AT_ONCE), Next::Nothing);
        assert!(queue.wait_until_idle(Duration::ZERO));
    }

    #[test]
    fn what_comes_after_the_reader_has_left_is_lost_as_what_waited() {
        let queue = Lines::new(4);
        push(&queue, 1..=3);
        assert_eq!(queue.next(AT_ONCE), event(1));
        let broken = LossReason::System("broken pipe".to_owned());
        queue.on_lost(&Loss::one(at(1), broken.clone()));
        queue.on_gone(&broken);
        push(&queue, [4]);
        let status = queue.status();
        assert_eq!((status.lost, status.waiting, status.gone), (4, 0, true));
        assert_eq!(status.reason, Some(broken));
        assert!(!queue.wants_snapshot());
    }

    #[test]
    fn a_writer_that_waits_is_woken_by_what_comes() {
        let queue = Lines::new(4);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| queue.next(None));
            push(&queue, [1]);
            assert_eq!(waiting.join().unwrap(), event(1));
        });
    }
}
