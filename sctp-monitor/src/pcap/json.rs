//! A capture as JSON: one object, or lines.
//!
//! Events are written as they come, so that their number does not matter.

use std::io::{self, Write};

use sctp_monitor_engine::model::{Event, SCHEMA};
use serde::Serialize;

use super::{
    Sink,
    conclusion::Conclusion,
    document::{AssociationStory, CaptureSummary, FlowCounts, RestLine},
};

/// One object: a [`Document`](super::document::Document).
#[derive(Debug)]
pub(crate) struct Whole<W> {
    out: W,
    any: bool,
}

impl<W: Write> Whole<W> {
    pub(crate) fn new(out: W) -> Self {
        Self { out, any: false }
    }

    /// Up to the list of events.
    fn begin(&mut self) -> io::Result<()> {
        write!(self.out, "{{\"schema\":{SCHEMA},\n\"events\":[")
    }
}

impl<W: Write> Sink for Whole<W> {
    fn event(&mut self, event: &Event) -> io::Result<()> {
        if self.any {
            self.out.write_all(b",\n")?;
        } else {
            self.begin()?;
            self.out.write_all(b"\n")?;
        }
        self.any = true;
        serde_json::to_writer(&mut self.out, event)?;
        Ok(())
    }

    fn finish(&mut self, conclusion: &Conclusion<'_>) -> io::Result<()> {
        if self.any {
            self.out.write_all(b"\n")?;
        } else {
            self.begin()?;
        }
        self.out.write_all(b"],\n\"associations\":")?;
        array(&mut self.out, associations(conclusion))?;
        self.out.write_all(b",\n\"flows\":")?;
        array(&mut self.out, conclusion.flows.iter().map(FlowCounts::new))?;
        let summary = serde_json::to_value(CaptureSummary::new(conclusion))?;
        for (name, value) in summary.as_object().into_iter().flatten() {
            self.out.write_all(b",\n")?;
            serde_json::to_writer(&mut self.out, name)?;
            self.out.write_all(b":")?;
            serde_json::to_writer(&mut self.out, value)?;
        }
        self.out.write_all(b"}\n")?;
        self.out.flush()
    }
}

/// A line for each event, association and flow, and a summary at the end.
#[derive(Debug)]
pub(crate) struct Lines<W> {
    out: W,
}

impl<W: Write> Lines<W> {
    pub(crate) fn new(out: W) -> Self {
        Self { out }
    }

    fn line(&mut self, value: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut self.out, value)?;
        self.out.write_all(b"\n")
    }
}

impl<W: Write> Sink for Lines<W> {
    fn event(&mut self, event: &Event) -> io::Result<()> {
        self.line(event)
    }

    fn finish(&mut self, conclusion: &Conclusion<'_>) -> io::Result<()> {
        for story in associations(conclusion) {
            self.line(&RestLine::from(story))?;
        }
        for flow in &conclusion.flows {
            self.line(&RestLine::from(FlowCounts::new(flow)))?;
        }
        self.line(&RestLine::from(CaptureSummary::new(conclusion)))?;
        self.out.flush()
    }
}

fn associations(conclusion: &Conclusion<'_>) -> impl Iterator<Item = AssociationStory> {
    let ledger = &conclusion.analysis.ledger;
    conclusion
        .stories
        .iter()
        .map(|story| AssociationStory::new(story, ledger))
}

fn array(out: &mut impl Write, values: impl Iterator<Item = impl Serialize>) -> io::Result<()> {
    let mut separator: &[u8] = b"[\n";
    let mut any = false;
    for value in values {
        out.write_all(separator)?;
        serde_json::to_writer(&mut *out, &value)?;
        separator = b",\n";
        any = true;
    }
    out.write_all(if any { b"\n]" } else { b"[]" })
}
