//! Who is connected, and who must go when there are too many.
//!
//! Whoever opens connections and says nothing would keep others out. So the one that has been idle longest makes room for a new
//! one, then one whose answer has taken too long; only if there is neither, the new one is refused.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use sctp_monitor_engine::model::Timestamp;
use tokio::task::AbortHandle;

use super::counts::Counts;
use crate::clock::Clock;

/// All connections.
#[derive(Debug)]
pub(super) struct Connections {
    most: usize,
    open: Mutex<Open>,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Open {
    next: u64,
    all: BTreeMap<u64, Connection>,
}

#[derive(Debug)]
struct Connection {
    activity: Arc<Activity>,
    task: Option<AbortHandle>,
}

/// The place of one connection; it is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    number: u64,
    connections: Arc<Connections>,
    activity: Arc<Activity>,
}

/// What a connection is doing, and since when.
#[derive(Debug)]
pub(super) struct Activity {
    since_ns: AtomicU64,
    doing: AtomicU64,
}

/// An answer that is being given; the connection is idle again when this is dropped.
#[derive(Debug)]
pub(super) struct Answering(Arc<Activity>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doing {
    /// It may ask, or not.
    Waits,
    /// It is given an answer.
    Answered,
    /// It listens to events.
    Listens,
}

impl Connections {
    pub(super) fn new(most: usize, counts: Arc<Counts>) -> Arc<Self> {
        Arc::new(Self {
            most,
            open: Mutex::default(),
            counts,
        })
    }

    /// A place for one more; `None` if nobody goes for it.
    pub(super) fn enter(self: &Arc<Self>) -> Option<Place> {
        self.enter_at(Clock::now().unwrap_or_default())
    }

    fn enter_at(self: &Arc<Self>, now: Timestamp) -> Option<Place> {
        let mut open = self.lock();
        if open.all.len() >= self.most {
            self.counts.on_refused();
            let gone = who_goes(&open.all, now).and_then(|number| open.all.remove(&number))?;
            if let Some(task) = gone.task {
                task.abort();
            }
        }
        let number = open.next;
        open.next += 1;
        let activity = Arc::new(Activity::new(now));
        let connection = Connection {
            activity: Arc::clone(&activity),
            task: None,
        };
        open.all.insert(number, connection);
        self.counts.set_connections(open.all.len());
        Some(Place {
            number,
            connections: Arc::clone(self),
            activity,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// What the connection does.
    pub(super) fn activity(&self) -> &Arc<Activity> {
        &self.activity
    }

    /// How the connection is closed, when it must.
    pub(super) fn set_task(connections: &Connections, number: u64, task: AbortHandle) {
        if let Some(connection) = connections.lock().all.get_mut(&number) {
            connection.task = Some(task);
        }
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.connections.lock();
        open.all.remove(&self.number);
        self.connections.counts.set_connections(open.all.len());
    }
}

impl Activity {
    pub(super) fn new(now: Timestamp) -> Self {
        Self {
            since_ns: AtomicU64::new(now.as_nanos()),
            doing: AtomicU64::new(Doing::Waits as u64),
        }
    }

    /// An answer begins.
    pub(super) fn answer(self: &Arc<Self>) -> Answering {
        self.set(Doing::Answered);
        Answering(Arc::clone(self))
    }

    fn set(&self, doing: Doing) {
        let now = Clock::now().unwrap_or_default();
        self.since_ns.store(now.as_nanos(), Ordering::Relaxed);
        self.doing.store(doing as u64, Ordering::Relaxed);
    }

    fn doing(&self) -> Doing {
        let doing = self.doing.load(Ordering::Relaxed);
        [Doing::Answered, Doing::Listens]
            .into_iter()
            .find(|known| *known as u64 == doing)
            .unwrap_or(Doing::Waits)
    }

    fn since(&self) -> Timestamp {
        Timestamp::from_nanos(self.since_ns.load(Ordering::Relaxed))
    }
}

impl Answering {
    /// The answer is a stream, which has no end of its own.
    pub(super) fn listens(&self) {
        self.0.set(Doing::Listens);
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.set(Doing::Waits);
    }
}

/// The one that makes room.
fn who_goes(all: &BTreeMap<u64, Connection>, now: Timestamp) -> Option<u64> {
    let longest = |doing| {
        let doing_this = all
            .iter()
            .filter(move |(_, connection)| connection.activity.doing() == doing);
        doing_this
            .map(|(number, connection)| (connection.activity.since(), *number))
            .min()
    };
    let idle = longest(Doing::Waits);
    let stuck = || longest(Doing::Answered).filter(|(since, _)| now.since(*since) >= STUCK);
    idle.or_else(stuck).map(|(_, number)| number)
}

/// An answer that takes so long is not being read.
const STUCK: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    fn connections() -> Arc<Connections> {
        Connections::new(2, Arc::default())
    }

    fn now() -> Timestamp {
        Clock::now().unwrap()
    }

    #[test]
    fn the_one_that_was_idle_longest_makes_room() {
        let connections = connections();
        let first = connections.enter().unwrap();
        let second = connections.enter().unwrap();
        let answering = first.activity().answer();
        let third = connections.enter().unwrap();
        let left: Vec<_> = connections.lock().all.keys().copied().collect();
        assert_eq!(left, [first.number(), third.number()]);
        drop(second);
        assert_eq!(connections.counts.figures().connections, 2);
        assert_eq!(connections.counts.figures().refused, 1);
        drop(answering);
        let _fourth = connections.enter().unwrap();
        assert_eq!(connections.lock().all.len(), 2);
    }

    #[test]
    fn an_answer_that_is_not_read_makes_room_and_a_listener_does_not() {
        let connections = connections();
        let first = connections.enter().unwrap();
        let second = connections.enter().unwrap();
        let _answering = first.activity().answer();
        let listening = second.activity().answer();
        listening.listens();
        assert!(connections.enter().is_none());
        assert!(connections.enter_at(now() + STUCK).is_some());
        let left: Vec<_> = connections.lock().all.keys().copied().collect();
        assert_eq!(left, [second.number()], "the new one has left too");
    }
}
