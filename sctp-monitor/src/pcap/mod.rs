//! `sctp-monitor pcap`: the story that a capture tells.
//!
//! Packets go from the capture files through the tracker to the engine, as live ones do (`analysis`); beside it an exact
//! `ledger` is kept of what crossed each flow. At the end there is a `story` for each association, written as text,
//! JSON or a page.

mod analysis;
mod clock;
mod conclusion;
pub mod document;
mod entry;
mod figures;
mod heartbeats;
mod html;
mod json;
mod ledger;
mod progress;
mod story;
mod text;
mod tracked;
mod tsns;

use std::{
    io::{self, BufWriter, Write as _},
    process::ExitCode,
};

use anyhow::Context as _;
use jiff::Timestamp as WallTime;
use sctp_monitor_capture::{CaptureError, Captures};
use sctp_monitor_common::wire::ParseOptions;
use sctp_monitor_engine::{
    Engine,
    model::{Event, EventKind, WallClock},
};

use self::{
    analysis::{Analysis, Audience, Options},
    conclusion::{Conclusion, Filter},
    progress::Bar,
    story::Stories,
};
use crate::{
    cli::{PcapArgs, PcapFormat},
    config,
};

/// Where the story is written.
trait Sink {
    /// Takes an event of the engine.
    fn event(&mut self, event: &Event) -> io::Result<()>;
    /// The capture is at its end.
    fn finish(&mut self, conclusion: &Conclusion<'_>) -> io::Result<()>;
}

/// Reads captures and tells their story. The exit code says whether all of them could be read: 0; or 1 if a file was
/// damaged or cut, and what was read of it before is in the report; or 2 if a file could not be read at all.
///
/// # Errors
/// If the report cannot be written, or the configuration not be read.
pub fn pcap(args: &PcapArgs) -> anyhow::Result<ExitCode> {
    let detector = config::detector(args.config.as_deref())?;
    let options = Options {
        parse: ParseOptions {
            udp_port: args.udp_port,
        },
        decapsulate: args.decap,
        max_flows: args.max_flows as usize,
        // For the plots of the page.
        with_series: args.html.is_some(),
    };
    let page = args.html.as_deref().map(html::Page::new).transpose()?;
    let mut analysis = Analysis::new(options, detector);
    let out = BufWriter::with_capacity(64 * 1024, io::stdout().lock());
    let mut teller = Teller {
        stories: Stories::new(args.max_flows as usize),
        filter: Filter {
            associations: args.associations.clone(),
            addresses: args.addresses.clone(),
        },
        sink: match args.format {
            PcapFormat::Table => Box::new(text::Text::new(out)),
            PcapFormat::Json => Box::new(json::Whole::new(out)),
            PcapFormat::Ndjson => Box::new(json::Lines::new(out)),
        },
        page,
    };
    let mut captures = Captures::open(&args.files);
    let window = Window::new(args.from, args.to);
    let mut bar = Bar::new(&args.files);
    while let Some(record) = captures.advance() {
        if window.has(record.time_ns) {
            analysis.handle_record(&record, &mut teller).context(WRITING)?;
        }
        if bar.is_due() {
            bar.show(captures.bytes_read());
        }
    }
    bar.finish();
    analysis.finish(&mut teller).context(WRITING)?;
    teller.stories.finish(analysis.engine(), &analysis.clock());
    let errors = captures.take_errors();
    let conclusion = Conclusion::new(
        &args.files,
        &analysis,
        &teller.stories,
        &teller.filter,
        captures.unknown_links(),
        &errors,
    );
    teller.sink.finish(&conclusion).context(WRITING)?;
    if let Some(page) = teller.page {
        page.finish(&conclusion)?;
    }
    for error in &errors {
        let _ = writeln!(io::stderr(), "sctp-monitor: {}", in_full(error));
    }
    Ok(match errors.iter().map(CaptureError::is_fatal).max() {
        None => ExitCode::SUCCESS,
        Some(false) => ExitCode::from(1),
        Some(true) => ExitCode::from(2),
    })
}

/// With what the system said.
fn in_full(error: &CaptureError) -> String {
    use std::error::Error as _;
    match error.problem.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

const WRITING: &str = "the report cannot be written";

/// The time that is looked at.
#[derive(Debug, Clone, Copy)]
struct Window {
    from_ns: i128,
    to_ns: i128,
}

impl Window {
    fn new(from: Option<WallTime>, to: Option<WallTime>) -> Self {
        Self {
            from_ns: from.map_or(i128::MIN, WallTime::as_nanosecond),
            to_ns: to.map_or(i128::MAX, WallTime::as_nanosecond),
        }
    }

    fn has(self, time_ns: u64) -> bool {
        (self.from_ns..=self.to_ns).contains(&i128::from(time_ns))
    }
}

/// Hears what the engine finds out, keeps the stories, and tells what is asked for.
struct Teller<'a> {
    stories: Stories,
    filter: Filter,
    sink: Box<dyn Sink + 'a>,
    /// Written beside, if it is asked for.
    page: Option<html::Page>,
}

impl Audience for Teller<'_> {
    fn on_event(&mut self, event: &Event, engine: &Engine, clock: &WallClock) -> io::Result<()> {
        self.stories.on_event(event, engine, clock);
        if self.is_asked_for(event) {
            self.sink.event(event)?;
            if let Some(page) = &mut self.page {
                page.on_event(event);
            }
        }
        Ok(())
    }
}

impl Teller<'_> {
    fn is_asked_for(&self, event: &Event) -> bool {
        let shows = |id: u64| {
            self.stories
                .story(id)
                .is_some_and(|story| self.filter.shows(story))
        };
        match (&event.association, &event.kind) {
            (Some(reference), _) => shows(reference.id.0) || self.filter.is_open(),
            // It may have many associations; the one that is asked for may be among them.
            (None, EventKind::Incident { incident, .. }) => {
                self.filter.is_open() || incident.scope.association.is_none_or(|id| shows(id.0))
            }
            (None, _) => true,
        }
    }
}
