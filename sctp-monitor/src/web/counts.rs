//! What the server counts of itself.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// Shared by all connections.
#[derive(Debug, Default)]
pub(super) struct Counts {
    connections: AtomicU64,
    refused: AtomicU64,
    event_readers: AtomicU64,
    event_readers_dropped: AtomicU64,
}

/// Their values at a moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Figures {
    /// Connections that are open.
    pub(super) connections: u64,
    /// Connections that were closed because there were too many.
    pub(super) refused: u64,
    /// Readers of the stream of events.
    pub(super) event_readers: u64,
    /// Those that were too slow.
    pub(super) event_readers_dropped: u64,
}

/// One of the readers of the stream of events, while it is there.
#[derive(Debug)]
pub(super) struct EventReader(Arc<Counts>);

impl Drop for EventReader {
    fn drop(&mut self) {
        self.0.event_readers.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Counts {
    pub(super) fn figures(&self) -> Figures {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Figures {
            connections: read(&self.connections),
            refused: read(&self.refused),
            event_readers: read(&self.event_readers),
            event_readers_dropped: read(&self.event_readers_dropped),
        }
    }

    pub(super) fn set_connections(&self, open: usize) {
        self.connections.store(open as u64, Ordering::Relaxed);
    }

    pub(super) fn on_refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// One more reader of events, unless there are too many.
    pub(super) fn event_reader(self: &Arc<Self>) -> Option<EventReader> {
        let reader = EventReader(Arc::clone(self));
        let before = self.event_readers.fetch_add(1, Ordering::Relaxed);
        (before < MOST_EVENT_READERS).then_some(reader)
    }

    pub(super) fn on_event_reader_dropped(&self) {
        self.event_readers_dropped.fetch_add(1, Ordering::Relaxed);
    }
}

/// They hold a connection each, for as long as they like: others are left for those who ask.
const MOST_EVENT_READERS: u64 = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_of_events_are_limited_and_make_room() {
        let counts = Arc::new(Counts::default());
        let readers: Vec<_> = (0..MOST_EVENT_READERS)
            .map(|_| counts.event_reader().unwrap())
            .collect();
        assert!(counts.event_reader().is_none());
        assert_eq!(counts.figures().event_readers, MOST_EVENT_READERS);
        drop(readers);
        assert_eq!(counts.figures().event_readers, 0);
        assert!(counts.event_reader().is_some());
    }
}
