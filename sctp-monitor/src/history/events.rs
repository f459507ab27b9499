//! The last events, for those who ask and those who listen.
//!
//! One writer of reports puts each event here, as the text of its JSON line, once for all readers. A reader has a place in
//! this ring and takes what is there when it can: what it has not taken before it was dropped, it has missed.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use sctp_monitor_engine::model::Timestamp;
use tokio::sync::watch;

use crate::{
    clock,
    report::{Line, Outlet, Report, Summary, outlet::Progress},
};

/// The last events of this agent.
#[derive(Debug)]
pub(crate) struct Events {
    /// Makes numbers of one run of the agent differ from those of another.
    run: u64,
    /// Bytes of lines that are kept, at most.
    most_bytes: usize,
    ring: Mutex<Ring>,
    /// The number of the newest event; 0 before the first.
    newest: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Ring {
    kept: VecDeque<Arc<Kept>>,
    bytes: usize,
}

/// One event.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    /// They are numbered from 1 on.
    pub(crate) number: u64,
    /// When it was.
    pub(crate) time: Timestamp,
    /// A line of JSON, without its end.
    pub(crate) json: Box<str>,
}

/// What a reader gets next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// These, in their order.
    Events(Vec<Arc<Kept>>),
    /// So many are gone before it took them.
    Missed(u64),
}

impl Events {
    pub(crate) fn new(most_bytes: usize) -> Arc<Self> {
        Arc::new(Self {
            most_bytes,
            run: clock::time_of_day().as_nanos(),
            ring: Mutex::default(),
            newest: watch::Sender::new(0),
        })
    }

    /// The writer that puts events here. The watch goes on for it alone if somebody may come and read.
    pub(crate) fn outlet(self: &Arc<Self>, keeps_watch: bool) -> Outlet<Line, Summary> {
        Outlet {
            name: "history".to_owned(),
            keeps_watch,
            report: Box::new(Into(Arc::clone(self))),
            progress: Progress::default(),
            every: None,
            ends_with_reader: false,
        }
    }

    /// Those that are kept after this one, the oldest of them first, `most` at most.
    pub(crate) fn after(&self, number: u64, most: usize) -> Next {
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
    pub(crate) fn before_oldest(&self) -> u64 {
        let ring = self.lock();
        ring.kept.front().map_or(0, |event| event.number - 1)
    }

    /// From when on all are kept: since the agent's start, or since the oldest that is left.
    pub(crate) fn kept_from(&self) -> Timestamp {
        let ring = self.lock();
        let oldest = ring.kept.front().filter(|event| event.number > 1);
        oldest.map_or(Timestamp::from_nanos(self.run), |event| event.time)
    }

    /// The number of the newest; changes are seen.
    pub(crate) fn newest(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }

    /// How a reader names an event.
    pub(crate) fn id(&self, number: u64) -> String {
        format!("{}-{number}", self.run)
    }

    /// The number of an event that a reader names; `None` if it is not one of this run of the agent.
    pub(crate) fn number(&self, id: &str) -> Option<u64> {
        let (run, number) = id.split_once('-')?;
        let number = number.parse().ok()?;
        (run.parse() == Ok(self.run) && number <= *self.newest.borrow()).then_some(number)
    }

    /// Takes one more.
    pub(crate) fn push(&self, time: Timestamp, json: String) {
        // What serde_json has in reserve is not kept.
        let json = json.into_boxed_str();
        let mut ring = self.lock();
        let number = *self.newest.borrow() + 1;
        ring.bytes += size(&json);
        ring.kept.push_back(Arc::new(Kept { number, time, json }));
        while ring.bytes > self.most_bytes && ring.kept.len() > 1 {
            let oldest = ring.kept.pop_front();
            ring.bytes -= oldest.map_or(0, |oldest| size(&oldest.json));
        }
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
        self.0.push(event.time(), serde_json::to_string(event)?);
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

/// What an event takes: its line, and its place.
fn size(json: &str) -> usize {
    json.len() + 96
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn numbers(next: Next) -> Vec<u64> {
        match next {
            Next::Events(events) => events.iter().map(|event| event.number).collect(),
            Next::Missed(missed) => panic!("{missed} missed"),
        }
    }

    fn push(events: &Events, json: &str) {
        events.push(Timestamp::default(), json.to_owned());
    }

    #[test]
    fn who_is_late_is_told_how_much_it_missed() {
        let events = Events::new(10 * size("1234"));
        assert_eq!(numbers(events.after(0, 99)), [0; 0]);
        for _ in 0..13 {
            push(&events, "1234");
        }
        assert_eq!(events.after(0, 1), Next::Missed(3));
        let all = numbers(events.after(events.before_oldest(), 99));
        assert_eq!((all.len(), all[0]), (10, 4));
        assert_eq!(numbers(events.after(10, 2)), [11, 12]);
        assert_eq!(numbers(events.after(12, 99)), [13]);
        assert_eq!(numbers(events.after(13, 99)), [0; 0]);
    }

    #[test]
    fn long_lines_push_out_more_and_the_newest_stays() {
        let events = Events::new(1_000);
        (0..5).for_each(|_| push(&events, "short"));
        push(&events, &"x".repeat(750));
        assert_eq!(numbers(events.after(events.before_oldest(), 99)), [5, 6]);
        push(&events, &"x".repeat(7_000));
        assert_eq!(numbers(events.after(events.before_oldest(), 99)), [7]);
    }

    #[test]
    fn all_are_kept_from_the_start_or_from_the_oldest_that_is_left() {
        let events = Events::new(2 * size("1234"));
        let start = Timestamp::from_nanos(events.run);
        for second in 1..=3 {
            assert_eq!(events.kept_from(), start);
            events.push(start + Duration::from_secs(second), "1234".to_owned());
        }
        assert_eq!(events.kept_from(), start + Duration::from_secs(2));
    }

    #[test]
    fn an_event_of_another_run_is_none_of_this() {
        let events = Events::new(1_000);
        push(&events, "1");
        assert_eq!(events.number(&events.id(1)), Some(1));
        for id in ["", "1", "7-1", "x-1", &events.id(2)] {
            assert_eq!(events.number(id), None, "{id}");
        }
    }
}
