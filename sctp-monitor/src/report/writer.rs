//! The thread of one writer: it takes what waits for it, writes it, and owns up to what it lost.
//!
//! A line that cannot be written is lost and counted, and the next one is tried like the first. Before anything else is
//! written, the writer says how many lines are missing at this place, why and since when. While it owes that, it tries
//! again every second: the disk has room again, or it has not.

use std::{io, ops::ControlFlow, sync::Arc, time::Duration};

use sctp_monitor_engine::model::Timestamp;

use super::{
    loss::{Loss, LossReason, ReportLost},
    outlet::Progress,
    queue::{Message, Next, Queue},
};
use crate::clock;

/// Somebody to report to, on a thread of its own: it may block, and it may fail.
pub trait Report<E, S>: Send {
    /// Reports something at once.
    ///
    /// # Errors
    /// If nothing of it will be seen.
    fn event(&mut self, event: &E) -> io::Result<()>;

    /// Shows how things are.
    ///
    /// # Errors
    /// If it cannot be shown.
    fn refresh(&mut self, snapshot: &S) -> io::Result<()>;

    /// Shows how things were at the end.
    ///
    /// # Errors
    /// If nothing of it will be seen.
    fn finish(&mut self, snapshot: &S) -> io::Result<()>;

    /// Goes on with what was begun, and writes nothing new.
    ///
    /// # Errors
    /// If it cannot be written now.
    fn flush(&mut self) -> io::Result<()>;
}

/// What a writer is called, how it reports, and how often it is shown a snapshot.
pub struct Outlet<E, S> {
    /// `stdout`, or the path of a file.
    pub name: String,
    /// What it does.
    pub report: Box<dyn Report<E, S>>,
    /// How far it is.
    pub progress: Progress,
    /// The time between two snapshots, if it shows any.
    pub every: Option<Duration>,
    /// Whether a reader that closed its end is gone for good.
    pub ends_with_reader: bool,
}

/// One writer, with what it owes.
pub(super) struct Writer<E: Message, S> {
    pub(super) name: String,
    pub(super) report: Box<dyn Report<E, S>>,
    pub(super) progress: Progress,
    pub(super) ends_with_reader: bool,
    pub(super) queue: Arc<Queue<E, S>>,
    /// Lost, and not yet said here.
    pub(super) owed: Vec<Loss>,
}

impl<E: Message, S> Writer<E, S> {
    /// Writes until the end.
    pub(super) fn run(mut self) {
        loop {
            let has_unfinished = !self.owed.is_empty() || self.progress.is_torn();
            let next = self.queue.next(has_unfinished.then_some(RETRY));
            if self.handle(next).is_break() {
                break;
            }
        }
    }

    /// Does one thing; breaks when there is nothing more to do.
    fn handle(&mut self, next: Next<E, S>) -> ControlFlow<()> {
        self.progress.step();
        match next {
            Next::Event(event) => {
                let result = self.settle().and_then(|()| self.report.event(&event));
                self.count(result, event.at())
            }
            Next::Lost(loss) => {
                self.owe(&loss);
                self.try_to_settle()
            }
            Next::Snapshot(snapshot) => {
                let result = self.settle().and_then(|()| self.report.refresh(&snapshot));
                self.end_if_gone(result)
            }
            Next::Nothing => self.try_to_settle(),
            Next::Finish(last) => {
                if let Some(last) = last {
                    let result = self.settle().and_then(|()| self.report.finish(&last));
                    let _ = self.count(result, clock::time_of_day());
                } else {
                    let _ = self.settle();
                }
                if self.progress.is_torn() {
                    let reason = self.report.flush().err();
                    if let Some(reason) = reason {
                        self.queue
                            .on_lost(&Loss::one(clock::time_of_day(), (&reason).into()));
                    }
                }
                ControlFlow::Break(())
            }
        }
    }

    /// Says what was lost, and ends a line that was begun.
    fn settle(&mut self) -> io::Result<()> {
        if self.progress.is_torn() {
            self.report.flush()?;
        }
        while let Some(loss) = self.owed.first() {
            let lost = ReportLost {
                writer: self.name.clone(),
                loss: loss.clone(),
            };
            self.report.event(&E::lost(lost))?;
            self.owed.remove(0);
            self.queue.on_written();
        }
        Ok(())
    }

    fn try_to_settle(&mut self) -> ControlFlow<()> {
        let result = self.settle();
        self.end_if_gone(result)
    }

    /// Counts a line by what became of it.
    fn count(&mut self, result: io::Result<()>, at: Timestamp) -> ControlFlow<()> {
        match &result {
            Ok(()) => self.queue.on_written(),
            Err(error) => {
                let loss = Loss::one(at, LossReason::from(error));
                self.queue.on_lost(&loss);
                self.owe(&loss);
            }
        }
        self.end_if_gone(result)
    }

    fn end_if_gone(&mut self, result: io::Result<()>) -> ControlFlow<()> {
        match result {
            Err(error) if self.ends_with_reader && error.kind() == io::ErrorKind::BrokenPipe => {
                self.queue.on_gone(&LossReason::from(&error));
                ControlFlow::Break(())
            }
            _ => ControlFlow::Continue(()),
        }
    }

    /// Lines lost one after the other for the same reason are one loss.
    fn owe(&mut self, loss: &Loss) {
        let is_full = self.owed.len() >= REASONS_KEPT;
        match self.owed.last_mut() {
            Some(last) if last.reason == loss.reason || is_full => last.add(loss),
            _ => self.owed.push(loss.clone()),
        }
    }
}

impl<E: Message, S> Drop for Writer<E, S> {
    fn drop(&mut self) {
        self.queue.on_ended();
    }
}

/// Between two attempts to say what was lost.
const RETRY: Duration = Duration::from_secs(1);

/// Losses that are told apart before the last two are told as one.
const REASONS_KEPT: usize = 8;

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[derive(Debug, Clone, PartialEq, Eq)]
    enum Line {
        Event(u64),
        Lost(u64, LossReason),
        Refresh,
        Finish,
    }

    impl Message for Line {
        fn at(&self) -> Timestamp {
            match self {
                Self::Event(time) => at(*time),
                _ => at(0),
            }
        }

        fn lost(lost: ReportLost) -> Self {
            assert_eq!(lost.writer, "file");
            Self::Lost(lost.loss.lines, lost.loss.reason)
        }
    }

    /// What was written, and what the next attempts come to (nothing: success).
    #[derive(Clone, Default)]
    struct Paper {
        lines: Arc<Mutex<Vec<Line>>>,
        refusal: Arc<Mutex<Option<io::ErrorKind>>>,
    }

    impl Paper {
        fn write(&self, line: Line) -> io::Result<()> {
            if let Some(kind) = *self.refusal.lock().unwrap() {
                return Err(kind.into());
            }
            self.lines.lock().unwrap().push(line);
            Ok(())
        }

        fn refuse(&self, why: impl Into<Option<io::ErrorKind>>) {
            *self.refusal.lock().unwrap() = why.into();
        }

        fn lines(&self) -> Vec<Line> {
            self.lines.lock().unwrap().clone()
        }
    }

    impl Report<Line, ()> for Paper {
        fn event(&mut self, event: &Line) -> io::Result<()> {
            self.write(event.clone())
        }

        fn refresh(&mut self, (): &()) -> io::Result<()> {
            self.write(Line::Refresh)
        }

        fn finish(&mut self, (): &()) -> io::Result<()> {
            self.write(Line::Finish)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn at(nanos: u64) -> Timestamp {
        Timestamp::from_nanos(nanos)
    }

    fn writer(capacity: usize) -> (Writer<Line, ()>, Arc<Queue<Line, ()>>, Paper) {
        let paper = Paper::default();
        let queue = Arc::new(Queue::new(capacity));
        let writer = Writer {
            name: "file".into(),
            report: Box::new(paper.clone()),
            progress: Progress::default(),
            ends_with_reader: false,
            queue: Arc::clone(&queue),
            owed: Vec::new(),
        };
        (writer, queue, paper)
    }

    fn push(queue: &Queue<Line, ()>, times: impl IntoIterator<Item = u64>) {
        for time in times {
            queue.push(Arc::new(Line::Event(time)));
        }
    }

    /// Everything that waits, and one look more.
    fn work(writer: &mut Writer<Line, ()>) {
        loop {
            let next = writer.queue.next(Some(Duration::ZERO));
            let is_last = next == Next::Nothing;
            if writer.handle(next).is_break() || is_last {
                return;
            }
        }
    }

    fn no_room() -> LossReason {
        LossReason::from(&io::ErrorKind::StorageFull.into())
    }

    #[test]
    fn a_line_that_cannot_be_written_is_lost_and_owned_up_to() {
        let (mut writer, queue, paper) = writer(10);
        push(&queue, [1]);
        work(&mut writer);
        paper.refuse(io::ErrorKind::StorageFull);
        push(&queue, 2..=4);
        work(&mut writer);
        work(&mut writer);
        let status = queue.status();
        assert_eq!((status.written, status.lost, status.failing), (1, 3, true));
        assert_eq!(status.reason, Some(no_room()));
        paper.refuse(None);
        push(&queue, [5]);
        work(&mut writer);
        let lines = [Line::Event(1), Line::Lost(3, no_room()), Line::Event(5)];
        assert_eq!(paper.lines(), lines);
        let status = queue.status();
        assert_eq!((status.written, status.lost, status.failing), (3, 3, false));
    }

    #[test]
    fn a_loss_is_told_as_soon_as_there_is_room_without_another_event() {
        let (mut writer, queue, paper) = writer(10);
        paper.refuse(io::ErrorKind::StorageFull);
        push(&queue, [1]);
        work(&mut writer);
        paper.refuse(None);
        work(&mut writer);
        assert_eq!(paper.lines(), [Line::Lost(1, no_room())]);
    }

    #[test]
    fn a_queue_that_overflowed_is_told_at_its_place() {
        let (mut writer, queue, paper) = writer(2);
        push(&queue, 1..=5);
        work(&mut writer);
        push(&queue, [6]);
        work(&mut writer);
        let lines = [
            Line::Event(1),
            Line::Event(2),
            Line::Lost(3, LossReason::QueueFull),
            Line::Event(6),
        ];
        assert_eq!(paper.lines(), lines);
        assert_eq!(queue.status().lost, 3);
    }

    #[test]
    fn reasons_are_told_apart() {
        let (mut writer, queue, paper) = writer(2);
        push(&queue, 1..=5);
        paper.refuse(io::ErrorKind::StorageFull);
        work(&mut writer);
        paper.refuse(None);
        work(&mut writer);
        let lines = [Line::Lost(2, no_room()), Line::Lost(3, LossReason::QueueFull)];
        assert_eq!(paper.lines(), lines);
        assert_eq!(queue.status().lost, 5);
    }

    #[test]
    fn the_end_comes_after_all_that_waits_and_counts_the_summary() {
        for (refusal, lines, written, lost) in [
            (Some(io::ErrorKind::StorageFull), vec![], 0, 2),
            (None, vec![Line::Event(1), Line::Refresh, Line::Finish], 2, 0),
        ] {
            let (mut writer, queue, paper) = writer(10);
            push(&queue, [1]);
            queue.show(Arc::new(()));
            queue.close(Some(Arc::new(())));
            paper.refuse(refusal);
            work(&mut writer);
            assert_eq!(paper.lines(), lines);
            let status = queue.status();
            assert_eq!((status.written, status.lost), (written, lost));
            drop(writer);
            assert!(queue.wait_until_ended(Duration::ZERO));
        }
    }

    #[test]
    fn a_reader_that_left_ends_its_own_writer_only_where_it_cannot_come_back() {
        for ends_with_reader in [false, true] {
            let (mut writer, queue, paper) = writer(10);
            writer.ends_with_reader = ends_with_reader;
            paper.refuse(io::ErrorKind::BrokenPipe);
            push(&queue, [1, 2]);
            work(&mut writer);
            let status = queue.status();
            assert_eq!((status.lost, status.gone), (2, ends_with_reader));
        }
    }

    #[test]
    fn a_writer_that_hangs_delays_nobody_and_loses_only_what_found_no_room() {
        let (writer, queue, paper) = writer(2);
        let hanging = paper.lines.lock().unwrap();
        let thread = std::thread::spawn(move || writer.run());
        // It takes the first line and hangs.
        push(&queue, [1]);
        while queue.status().waiting > 0 {
            assert!(!queue.wait_until_idle(Duration::from_millis(1)));
        }
        push(&queue, 2..=6);
        assert_eq!(queue.status().lost, 3);
        assert!(!queue.wait_until_ended(Duration::ZERO));
        drop(hanging);
        queue.close(Some(Arc::new(())));
        thread.join().unwrap();
        let lines = [
            Line::Event(1),
            Line::Event(2),
            Line::Event(3),
            Line::Lost(3, LossReason::QueueFull),
            Line::Finish,
        ];
        assert_eq!(paper.lines(), lines);
    }
}
