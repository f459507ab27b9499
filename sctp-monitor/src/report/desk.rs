//! All writers, as the loop sees them: it hands over what it has and goes on, whatever they do.
//!
//! Each has its own queue and thread. What one loses is told to the others, so that a full disk is seen on the terminal.
//! At the end all get time as long as they get on, and a little patience when they do not.

use std::{io, sync::Arc, thread, time::Duration};

use sctp_monitor_engine::model::Timestamp;
use tokio::sync::Notify;
use tracing::warn;

use super::{
    loss::ReportLost,
    outlet::Progress,
    queue::{Message, Queue, Status},
    writer::{Outlet, Writer},
};
use crate::clock::Clock;

/// The writers of a watch.
pub struct Reports<E: Message, S> {
    desks: Vec<Desk<E, S>>,
    /// A reader has left for good.
    left: Arc<Notify>,
}

/// One writer's.
struct Desk<E, S> {
    name: String,
    queue: Arc<Queue<E, S>>,
    progress: Progress,
    every: Option<Duration>,
    keeps_watch: bool,
    shown_at: Option<Timestamp>,
    /// When the others were told of a loss.
    told_at: Option<Timestamp>,
    /// What it is busy with, and since when: its progress at the first look.
    busy: Option<(u64, Timestamp)>,
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

    /// Tells the other writers what one has lost: at once when it begins, then every ten seconds while it lasts. The log is
    /// told when it begins, for the others may hang, and each time if there is no other that writes. A queue that is full
    /// is told nothing: that would be one more loss.
    pub fn tell_losses(&mut self, now: Timestamp) {
        for desk in &mut self.desks {
            desk.look(now);
        }
        for index in 0..self.desks.len() {
            let desk = &mut self.desks[index];
            let status = desk.queue.status();
            let wait = desk
                .told_at
                .is_some_and(|at| status.gone || now.since(at) < INTERVAL);
            let Some(loss) = (!wait).then(|| desk.queue.take_untold()).flatten() else {
                continue;
            };
            let is_first = desk.told_at.replace(now).is_none();
            let lost = ReportLost {
                writer: desk.name.clone(),
                loss,
            };
            let others: Vec<_> = self
                .desks
                .iter()
                .enumerate()
                .filter(|(other, desk)| *other != index && desk.queue.status().is_well())
                .map(|(_, desk)| desk)
                .collect();
            if !status.gone && (is_first || others.iter().all(|desk| !desk.keeps_watch || desk.hangs(now))) {
                warn!("{lost}");
            }
            let event = Arc::new(E::lost(lost));
            for other in others {
                other.queue.push(Arc::clone(&event));
            }
        }
    }

    /// Completes when nobody reads any report any more, and nobody will.
    pub async fn all_gone(&self) {
        let keep = || self.desks.iter().filter(|desk| desk.keeps_watch);
        while self.desks.is_empty() || !keep().all(|desk| desk.queue.status().gone) {
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
    pub fn statuses(&self) -> impl Iterator<Item = (&str, Status)> {
        self.desks
            .iter()
            .map(|desk| (desk.name.as_str(), desk.queue.status()))
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
            name: outlet.name.clone(),
            queue: Arc::clone(&queue),
            progress: outlet.progress.clone(),
            every: outlet.every,
            keeps_watch: outlet.keeps_watch,
            shown_at: None,
            told_at: None,
            busy: None,
        };
        let writer = Writer {
            name: outlet.name,
            report: outlet.report,
            progress: outlet.progress,
            ends_with_reader: outlet.ends_with_reader,
            queue,
            owed: Vec::new(),
            torn: None,
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

    /// Notes whether it gets on.
    fn look(&mut self, now: Timestamp) {
        let steps = self.progress.steps();
        self.busy = match self.busy {
            _ if self.queue.wait_until_idle(Duration::ZERO) => None,
            Some((before, since)) if before == steps => Some((before, since)),
            _ => Some((steps, now)),
        };
    }

    /// Whether it has stood still, with something to write.
    fn hangs(&self, now: Timestamp) -> bool {
        self.busy.is_some_and(|(_, since)| now.since(since) > STILL)
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
                "report to {name}: it accepts no more lines; {waiting} lines and the summary were not written, {lost} lines were lost before"
            );
        } else if let Some(reason) = reason {
            warn!("report to {name}: {lost} lines were lost in total; last reason: {reason}");
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

/// How long a writer may stand still before it is no longer one that writes.
const STILL: Duration = Duration::from_secs(1);

/// How long a writer may stand still at the end, twice: before the summary and with it.
const PATIENCE: Duration = Duration::from_millis(500);

/// How long the end may take with a reader that is slow but reads.
const LONGEST: Duration = Duration::from_secs(5);

/// Between two looks at how far a writer is.
const LOOK: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{self, Receiver, Sender};

    use super::*;
    use crate::report::writer::Report;

    /// What was reported to a writer that does so at once, fails or hangs.
    #[derive(Debug, Clone, PartialEq, Eq)]
    enum Said {
        Event(u32),
        Lost(String, u64),
        Snapshot(&'static str),
        Last(&'static str),
    }

    impl Message for Said {
        fn at(&self) -> Timestamp {
            Timestamp::default()
        }

        fn lost(lost: ReportLost) -> Self {
            Self::Lost(lost.writer, lost.loss.lines)
        }
    }

    struct Wire {
        said: Sender<Said>,
        refuses: Option<io::ErrorKind>,
        /// It hangs until this is dropped.
        hangs: Option<Receiver<()>>,
    }

    impl Wire {
        fn say(&self, said: Said) -> io::Result<()> {
            if let Some(hangs) = &self.hangs {
                let _ = hangs.recv();
            }
            match self.refuses {
                Some(kind) => Err(kind.into()),
                None => self.said.send(said).map_err(io::Error::other),
            }
        }
    }

    impl Report<Said, &'static str> for Wire {
        fn event(&mut self, event: &Said) -> io::Result<()> {
            self.say(event.clone())
        }

        fn refresh(&mut self, snapshot: &&'static str) -> io::Result<()> {
            self.say(Said::Snapshot(snapshot))
        }

        fn finish(&mut self, snapshot: &&'static str) -> io::Result<()> {
            self.say(Said::Last(snapshot))
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    type Outlets = Outlet<Said, &'static str>;

    fn outlet(name: &str, refuses: Option<io::ErrorKind>) -> (Outlets, Receiver<Said>) {
        let (said, receiver) = mpsc::channel();
        let wire = Wire {
            said,
            refuses,
            hangs: None,
        };
        (with(name, wire), receiver)
    }

    fn with(name: &str, wire: Wire) -> Outlets {
        Outlet {
            name: name.into(),
            report: Box::new(wire),
            progress: Progress::default(),
            every: Some(Duration::from_secs(10)),
            ends_with_reader: true,
            keeps_watch: true,
        }
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_nanos(seconds * 1_000_000_000)
    }

    fn tell_losses(reports: &mut Reports<Said, &'static str>, seconds: u64) {
        reports.settle();
        reports.tell_losses(at(seconds));
        reports.settle();
    }

    #[test]
    fn what_one_writer_loses_the_others_tell_at_once_and_then_now_and_then() {
        let (good, said) = outlet("good", None);
        let (bad, _) = outlet("bad", Some(io::ErrorKind::StorageFull));
        let mut reports = Reports::start(vec![good, bad]).unwrap();
        for (second, event) in [(1, 1), (2, 2), (5, 3), (11, 4)] {
            reports.event(Said::Event(event));
            tell_losses(&mut reports, second);
        }
        tell_losses(&mut reports, 30);
        let lost = |lines| Said::Lost("bad".to_owned(), lines);
        let expected = [
            Said::Event(1),
            lost(1),
            Said::Event(2),
            Said::Event(3),
            Said::Event(4),
            lost(3),
        ];
        assert_eq!(said.try_iter().collect::<Vec<_>>(), expected);
        let counts: Vec<_> = reports
            .statuses()
            .map(|(name, status)| (name.to_string(), status.written, status.lost))
            .collect();
        assert_eq!(counts, [("good".to_owned(), 6, 0), ("bad".to_owned(), 0, 4)]);
    }

    fn hanging(name: &str) -> (Outlets, Sender<()>) {
        let (let_go, hangs) = mpsc::channel();
        let (said, _) = mpsc::channel();
        let wire = Wire {
            said,
            refuses: None,
            hangs: Some(hangs),
        };
        (with(name, wire), let_go)
    }

    /// What the log is told meanwhile.
    fn logged(work: impl FnOnce()) -> Vec<String> {
        let (reader, writer) = io::pipe().unwrap();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(std::sync::Mutex::new(writer));
        tracing::subscriber::with_default(subscriber.finish(), work);
        io::read_to_string(reader)
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn the_log_is_told_every_ten_seconds_while_all_writers_hang_and_overflow() {
        let (first, _let_go_first) = hanging("first");
        let (second, _let_go_second) = hanging("second");
        let mut reports = Reports::start(vec![first, second]).unwrap();
        for event in 0..40_000 {
            reports.event(Said::Event(event));
        }
        for (second, told) in [(1, 2), (2, 0), (10, 0), (11, 2), (12, 0), (21, 2)] {
            reports.event(Said::Event(second));
            let log = logged(|| reports.tell_losses(at(u64::from(second))));
            assert_eq!(log.len(), told, "at {second} s: {log:?}");
            assert!(log.iter().all(|line| line.contains("queue full")), "{log:?}");
        }
        // What is said of one is no loss of the other.
        let lost: Vec<_> = reports.statuses().map(|(_, status)| status.lost).collect();
        let expected = 40_006 - CAPACITY as u64;
        assert!(
            lost.iter().all(|lost| (expected - 1..=expected).contains(lost)),
            "{lost:?}"
        );
    }

    #[test]
    fn the_log_is_told_each_time_if_the_other_writer_hangs_but_has_room() {
        let (hung, _let_go) = hanging("hung");
        let (bad, _) = outlet("bad", Some(io::ErrorKind::StorageFull));
        let mut reports = Reports::start(vec![hung, bad]).unwrap();
        for (second, told) in [(1, 1), (2, 0), (11, 1), (21, 1)] {
            reports.event(Said::Event(second));
            let bad = &reports.desks[1].queue;
            while !bad.wait_until_idle(LOOK) {}
            let log = logged(|| reports.tell_losses(at(u64::from(second))));
            assert_eq!(log.len(), told, "at {second} s: {log:?}");
        }
        // It is told when it gets on again.
        assert_eq!(reports.desks[0].queue.status().lost, 0);
    }

    #[test]
    fn the_end_waits_for_who_gets_on_but_not_for_who_hangs() {
        let (good, said) = outlet("good", None);
        let (_let_go, hangs) = mpsc::channel();
        let (sender, nothing) = mpsc::channel();
        let wire = Wire {
            said: sender,
            refuses: None,
            hangs: Some(hangs),
        };
        let reports = Reports::start(vec![with("hung", wire), good]).unwrap();
        reports.event(Said::Event(1));
        let began = Clock::now().unwrap();
        reports.finish("last");
        let took = Clock::now().unwrap().since(began);
        assert!(took >= PATIENCE && took < LONGEST, "{took:?}");
        assert_eq!(
            said.try_iter().collect::<Vec<_>>(),
            [Said::Event(1), Said::Last("last")]
        );
        assert!(nothing.try_recv().is_err());
    }

    #[test]
    fn a_watch_that_fails_still_writes_what_it_has_told() {
        let (good, said) = outlet("good", None);
        let reports = Reports::start(vec![good]).unwrap();
        reports.event(Said::Event(1));
        drop(reports);
        assert_eq!(said.try_iter().collect::<Vec<_>>(), [Said::Event(1)]);
    }

    #[test]
    fn snapshots_are_made_when_somebody_looks_and_each_time_while_there_is_nothing_to_see() {
        let (good, said) = outlet("good", None);
        let (mut file, _said) = outlet("file", None);
        file.every = None;
        let mut reports = Reports::start(vec![good, file]).unwrap();
        let mut looks = Vec::new();
        for second in 0..14 {
            if reports.wants_snapshot(at(second)) {
                looks.push(second);
                reports.show("now", second < 2, at(second));
                reports.settle();
            }
        }
        assert_eq!(looks, [0, 1, 2, 12]);
        assert_eq!(said.try_iter().count(), 4);
    }

    #[tokio::test]
    async fn nobody_watches_for_a_writer_that_nobody_waits_for() {
        let (first, _) = outlet("first", Some(io::ErrorKind::BrokenPipe));
        let (mut kept, _said) = outlet("kept", None);
        kept.keeps_watch = false;
        let reports = Reports::start(vec![first, kept]).unwrap();
        reports.event(Said::Event(1));
        reports.all_gone().await;
        assert!(reports.statuses().any(|(_, status)| !status.gone));
    }

    #[tokio::test]
    async fn all_are_gone_when_the_last_reader_left() {
        let broken = Some(io::ErrorKind::BrokenPipe);
        let (first, _) = outlet("first", broken);
        let (second, _) = outlet("second", broken);
        let reports = Reports::start(vec![first, second]).unwrap();
        reports.event(Said::Event(1));
        reports.all_gone().await;
        assert!(reports.statuses().all(|(_, status)| status.gone));
    }
}
