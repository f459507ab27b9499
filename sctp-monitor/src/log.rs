//! The log goes to standard error as reports go to theirs: by a queue and a thread, so that a reader that hangs stops
//! nobody who has something to say.
//!
//! The appender of the tracing crates does the same, but at its end prints to standard output when it cannot: where both
//! are the same full pipe, the agent would hang instead of ending. And it does not say where lines are missing.

use std::{
    io::{self, Write},
    sync::Arc,
};

use sctp_monitor_engine::model::Timestamp;
use tracing_subscriber::fmt::MakeWriter;

use crate::{
    clock,
    report::{
        desk::Reports,
        loss::ReportLost,
        outlet::{Descriptor, WholeLines},
        queue::{Message, Status},
        writer::{Outlet, Report},
    },
};

/// Lines for standard error. Clones write to the same queue.
#[derive(Clone)]
pub struct Log(Arc<Reports<LogLine, ()>>);

impl Log {
    /// Starts the thread that writes.
    ///
    /// # Errors
    /// If the system has no thread or descriptor left.
    pub fn start() -> io::Result<Self> {
        Self::to(Descriptor::of(&io::stderr())?)
    }

    fn to(out: impl Write + Send + 'static) -> io::Result<Self> {
        let out = WholeLines::new(out);
        let progress = out.progress();
        let outlet = Outlet {
            name: "stderr".into(),
            report: Box::new(Lines(out)),
            progress,
            every: None,
            ends_with_reader: false,
            keeps_watch: true,
        };
        Reports::start(vec![outlet]).map(|reports| Self(Arc::new(reports)))
    }

    /// Adds a line.
    pub fn say(&self, line: &str) {
        self.add(format!("{line}\n"));
    }

    /// How the thread does.
    #[must_use]
    pub fn status(&self) -> Status {
        self.0
            .statuses()
            .next()
            .map(|(_, status)| status)
            .unwrap_or_default()
    }

    /// Waits until all is written, but not for a reader that hangs.
    pub fn end(&self) {
        self.0.end();
    }

    fn add(&self, text: String) {
        self.0.event(LogLine {
            at: clock::time_of_day(),
            text,
        });
    }
}

/// The log's own events.
struct LogLine {
    at: Timestamp,
    text: String,
}

impl Message for LogLine {
    fn at(&self) -> Timestamp {
        self.at
    }

    fn lost(lost: ReportLost) -> Self {
        let now = clock::time_of_day();
        Self {
            at: now,
            text: format!("sctp-monitor: {lost}\n"),
        }
    }
}

struct Lines<W>(WholeLines<W>);

impl<W: Write + Send> Report<LogLine, ()> for Lines<W> {
    fn event(&mut self, line: &LogLine) -> io::Result<()> {
        self.0.write_all(line.text.as_bytes())?;
        self.0.flush()
    }

    fn refresh(&mut self, (): &()) -> io::Result<()> {
        Ok(())
    }

    fn finish(&mut self, (): &()) -> io::Result<()> {
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = LogWriter<'a>;

    fn make_writer(&'a self) -> Self::Writer {
        LogWriter(self)
    }
}

/// Takes a line a call, as the subscriber writes them.
pub struct LogWriter<'a>(&'a Log);

impl Write for LogWriter<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.add(String::from_utf8_lossy(line).into_owned());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn lines_come_out_whole_and_in_order() {
        let (mut reader, writer) = io::pipe().unwrap();
        let log = Log::to(writer).unwrap();
        log.say("first");
        log.make_writer().write_all(b"second\n").unwrap();
        log.end();
        let mut text = [0; 13];
        reader.read_exact(&mut text).unwrap();
        assert_eq!(&text, b"first\nsecond\n");
        assert_eq!(log.status().written, 2);
    }

    #[test]
    fn a_pipe_that_nobody_reads_stops_nobody() {
        let (_reader, writer) = io::pipe().unwrap();
        let log = Log::to(writer).unwrap();
        let line = "x".repeat(1000);
        // More than the pipe and the queue take.
        for _ in 0..40_000 {
            log.say(&line);
        }
        assert!(log.status().lost > 0, "{:?}", log.status());
        log.end();
    }
}
