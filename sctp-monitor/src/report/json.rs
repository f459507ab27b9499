//! JSON lines: one object for each thing that happens, and one summary at the end.
//!
//! Every line has `schema`, `event` and `time` (RFC 3339 with nanoseconds); docs/schema.json says the rest.

use std::io::{self, Write};

use super::{Line, Report, Summary};

/// Writes JSON lines.
#[derive(Debug)]
pub struct JsonLines<W> {
    out: W,
}

impl<W: Write> JsonLines<W> {
    /// Writes to `out`, and flushes after each line.
    pub fn new(out: W) -> Self {
        Self { out }
    }

    fn write(&mut self, line: &impl serde::Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut self.out, line)?;
        self.out.write_all(b"\n")?;
        self.out.flush()
    }
}

impl<W: Write + Send> Report<Line, Summary> for JsonLines<W> {
    fn event(&mut self, line: &Line) -> io::Result<()> {
        self.write(line)
    }

    fn refresh(&mut self, _summary: &Summary) -> io::Result<()> {
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn finish(&mut self, summary: &Summary) -> io::Result<()> {
        if summary.is_reported() {
            return self.write(summary);
        }
        self.write(&summary.clone().reported())
    }
}
