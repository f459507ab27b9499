//! What the agent shows: lines and tables for people, JSON lines for programs.

pub mod json;
pub mod line;
mod pressure;
pub mod table;
mod words;

use std::io;

use sctp_monitor_engine::model::Timestamp;

pub use self::{
    line::{FlowTable, Interface, Line, Notice, NoticeKind, Summary},
    pressure::Pressure,
};

/// Somebody to report to.
pub trait Report {
    /// Reports something at once.
    ///
    /// # Errors
    /// If it cannot be written.
    fn line(&mut self, line: &Line) -> io::Result<()>;

    /// Whether it shows how things are at this time of day: a summary is not made for nobody.
    fn wants_refresh(&self, _now: Timestamp) -> bool {
        false
    }

    /// Shows how things are.
    ///
    /// # Errors
    /// If it cannot be written.
    fn refresh(&mut self, _summary: &Summary) -> io::Result<()> {
        Ok(())
    }

    /// Shows how things were at the end.
    ///
    /// # Errors
    /// If it cannot be written.
    fn finish(&mut self, summary: &Summary) -> io::Result<()>;
}
