//! The last events, for those who ask and those who listen.
//!
//! One writer of reports puts each event here, as the text of its JSON line, once for all readers. A reader has a place in
//! this ring and takes what is there when it can: what it has not taken before the ring has gone round, it has missed.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

use crate::{
    clock,
    report::{Line, Outlet, Report, Summary, outlet::Progress},
};

/// The last events of this agent.
#[derive(Debug)]
pub(super) struct Events {
    /// Makes numbers of one run of the agent differ from those of another.
    run: u64,
    ring: Mutex<Ring>,
    /// The number of the newest event; 0 before the first.
    newest: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Ring {
    kept: VecDeque<Arc<Kept>>,
}

/// One event.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Kept {
    /// They are numbered from 1 on.
    pub(super) number: u64,
    /// A line of JSON, without its end.
    pub(super) json: String,
}

/// What a reader gets next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// These, in their order.
    Events(Vec<Arc<Kept>>),
    /// So many are gone before it took them.
    Missed(u64),
}

impl Events {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            run: clock::time_of_day().as_nanos(),
            ring: Mutex::default(),
            newest: watch::Sender::new(0),
        })
    }

    /// The writer that puts events here.
    pub(super) fn outlet(self: &Arc<Self>) -> Outlet<Line, Summary> {
        Outlet {
            name: "web".to_owned(),
            report: Box::new(Into(Arc::clone(self))),
            progress: Progress::default(),
            every: None,
            ends_with_reader: false,
        }
    }

    /// Those that are kept after this one, the oldest of them first, `most` at most.
    pub(super) fn after(&self, number: u64, most: usize) -> Next {
        let ring = self.lock();
        let Some(oldest) = ring.kept.front().map(|event| event.number) else {
            return Next::Events(Vec::new());
        };
        if number + 1 < oldest {
            return Next::Missed(oldest - 1 - number);
        }
        let known = usize::try_from(number + 1 - oldest).unwrap_or(usize::MAX);
        Next::Events(ring.kept.iter().skip(known).take(most).cloned().collect())
    }

    /// The number after which the oldest that is kept comes.
    pub(super) fn before_oldest(&self) -> u64 {
        let ring = self.lock();
        ring.kept.front().map_or(0, |event| event.number - 1)
    }

    /// The number of the newest; changes are seen.
    pub(super) fn newest(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }

    /// How a reader names an event.
    pub(super) fn id(&self, number: u64) -> String {
        format!("{}-{number}", self.run)
    }

    /// The number of an event that a reader names; `None` if it is not one of this run of the agent.
    pub(super) fn number(&self, id: &str) -> Option<u64> {
        let (run, number) = id.split_once('-')?;
        let number = number.parse().ok()?;
        (run.parse() == Ok(self.run) && number <= *self.newest.borrow()).then_some(number)
    }

    /// Takes one more.
    pub(super) fn push(&self, json: String) {
        let mut ring = self.lock();
        let number = *self.newest.borrow() + 1;
        if ring.kept.len() == KEPT {
            ring.kept.pop_front();
        }
        ring.kept.push_back(Arc::new(Kept { number, json }));
        self.newest.send_replace(number);
    }

    fn lock(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Puts what is reported into the ring.
struct Into(Arc<Events>);

impl Report<Line, Summary> for Into {
    fn event(&mut self, event: &Line) -> io::Result<()> {
        self.0.push(serde_json::to_string(event)?);
        Ok(())
    }

    fn refresh(&mut self, _: &Summary) -> io::Result<()> {
        Ok(())
    }

    fn finish(&mut self, _: &Summary) -> io::Result<()> {
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Events that are kept: less than a kilobyte each.
pub(super) const KEPT: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(next: Next) -> Vec<u64> {
        match next {
            Next::Events(events) => events.iter().map(|event| event.number).collect(),
            Next::Missed(missed) => panic!("{missed} missed"),
        }
    }

    #[test]
    fn who_is_late_is_told_how_much_it_missed() {
        let events = Events::new();
        assert_eq!(numbers(events.after(0, KEPT)), [0; 0]);
        for number in 1..=KEPT + 3 {
            events.push(number.to_string());
        }
        assert_eq!(events.after(0, 1), Next::Missed(3));
        let all = numbers(events.after(events.before_oldest(), KEPT));
        assert_eq!((all.len(), all[0]), (KEPT, 4));
        assert_eq!(numbers(events.after(10, 2)), [11, 12]);
        let last = KEPT as u64 + 3;
        assert_eq!(numbers(events.after(last - 1, KEPT)), [last]);
        assert_eq!(numbers(events.after(last, KEPT)), [0; 0]);
    }

    #[test]
    fn an_event_of_another_run_is_none_of_this() {
        let events = Events::new();
        events.push("1".to_owned());
        assert_eq!(events.number(&events.id(1)), Some(1));
        for id in ["", "1", "7-1", "x-1", &events.id(2)] {
            assert_eq!(events.number(id), None, "{id}");
        }
    }
}
