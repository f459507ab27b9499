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
    /// `stdout`, `history`, or the path of a file.
    pub name: String,
    /// What it does.
    pub report: Box<dyn Report<E, S>>,
    /// How far it is.
    pub progress: Progress,
    /// The time between two snapshots, if it shows any.
    pub every: Option<Duration>,
    /// Whether a reader that closed its end is gone for good.
    pub ends_with_reader: bool,
    /// Whether the watch goes on for it alone.
    pub keeps_watch: bool,
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
    /// When the line was whose first part is out: it counts as written when all of it is.
    pub(super) torn: Option<Timestamp>,
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
                match self.settle().and_then(|()| self.report.refresh(&snapshot)) {
                    // It may have had nothing to show; only what was to be seen and is not counts.
                    Ok(()) => ControlFlow::Continue(()),
                    Err(error) => self.count(Err(error), clock::time_of_day()),
                }
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
                    let at = self.torn.unwrap_or_else(clock::time_of_day);
                    if let Err(reason) = self.finish_torn() {
                        self.queue.on_lost(&Loss::one(at, (&reason).into()));
                    }
                }
                ControlFlow::Break(())
            }
        }
    }

    /// Says what was lost, and ends a line that was begun.
    fn settle(&mut self) -> io::Result<()> {
        loop {
            self.finish_torn()?;
            let Some(loss) = self.owed.first() else {
                return Ok(());
            };
            let lost = ReportLost {
                writer: self.name.clone(),
                loss: loss.clone(),
            };
            let lost = E::lost(lost);
            self.report.event(&lost)?;
            self.owed.remove(0);
            self.on_out(lost.at());
        }
    }

    /// Ends a line that was begun.
    fn finish_torn(&mut self) -> io::Result<()> {
        if self.progress.is_torn() {
            self.report.flush()?;
        }
        if !self.progress.is_torn() && self.torn.take().is_some() {
            self.queue.on_written();
        }
        Ok(())
    }

    /// A line is out, or the first part of it.
    fn on_out(&mut self, at: Timestamp) {
        if self.progress.is_torn() {
            self.torn = Some(at);
        } else {
            self.queue.on_written();
        }
    }

    fn try_to_settle(&mut self) -> ControlFlow<()> {
        let result = self.settle();
        self.end_if_gone(result)
    }

    /// Counts a line by what became of it.
    fn count(&mut self, result: io::Result<()>, at: Timestamp) -> ControlFlow<()> {
        match &result {
            Ok(()) => self.on_out(at),
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
    use crate::report::outlet::WholeLines;

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
            torn: None,
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
    fn a_table_that_cannot_be_drawn_is_lost_and_owned_up_to() {
        let (mut writer, queue, paper) = writer(10);
        paper.refuse(io::ErrorKind::StorageFull);
        queue.show(Arc::new(()));
        work(&mut writer);
        let status = queue.status();
        assert_eq!((status.lost, status.reason), (1, Some(no_room())));
        paper.refuse(None);
        queue.show(Arc::new(()));
        work(&mut writer);
        assert_eq!(paper.lines(), [Line::Lost(1, no_room()), Line::Refresh]);
        assert_eq!(queue.status().lost, 1);
    }

    /// Events of nine bytes on a disk with so much room.
    struct Disk(Arc<Mutex<usize>>);

    impl io::Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut room = self.0.lock().unwrap();
            let count = bytes.len().min(*room);
            *room -= count;
            if count == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Report<Line, ()> for WholeLines<Disk> {
        fn event(&mut self, _: &Line) -> io::Result<()> {
            io::Write::write_all(self, b"12345678\n")?;
            io::Write::flush(self)
        }

        fn refresh(&mut self, (): &()) -> io::Result<()> {
            Ok(())
        }

        fn finish(&mut self, (): &()) -> io::Result<()> {
            self.event(&Line::Finish)
        }

        fn flush(&mut self) -> io::Result<()> {
            io::Write::flush(self)
        }
    }

    #[test]
    fn a_torn_line_is_written_when_it_is_finished_and_lost_if_it_never_is() {
        for (more_room, written, lost) in [(100, 3, 0), (0, 1, 2)] {
            let (mut writer, queue, _) = writer(10);
            let room = Arc::new(Mutex::new(13));
            let out = WholeLines::new(Disk(Arc::clone(&room)));
            writer.progress = out.progress();
            writer.report = Box::new(out);
            push(&queue, [1, 2]);
            work(&mut writer);
            let status = queue.status();
            assert_eq!((status.written, status.lost), (1, 0), "the second one is begun");
            *room.lock().unwrap() = more_room;
            queue.close(Some(Arc::new(())));
            work(&mut writer);
            let status = queue.status();
            assert_eq!((status.written, status.lost), (written, lost));
        }
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
            // The event, the table and the summary.
            (Some(io::ErrorKind::StorageFull), vec![], 0, 3),
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
