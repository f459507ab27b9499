//! What the agent shows: lines and tables for people, JSON lines for programs.

pub mod desk;
pub mod fifo;
pub mod json;
pub mod line;
pub mod loss;
mod no_sctp;
pub mod outlet;
mod pressure;
pub mod queue;
#[cfg(test)]
pub(crate) mod samples;
pub mod table;
mod words;
pub mod writer;

pub use self::{
    line::{FlowTable, Interface, Line, NotWatched, Notice, NoticeKind, Summary, WriterStatus},
    no_sctp::NoSctp,
    pressure::Pressure,
    writer::{Outlet, Report},
};

/// The writers of the agent's reports.
pub type Writers = desk::Reports<Line, Summary>;
