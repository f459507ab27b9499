//! For people: a line for each thing that happens, and a table of the paths.
//!
//! On a terminal the table is redrawn in place, with the last lines below it. Elsewhere lines are written as they come,
//! and the table every ten seconds and at the end.

use std::{
    collections::VecDeque,
    io::{self, Write},
    time::Duration,
};

use comfy_table::{Table, presets::NOTHING};
use sctp_monitor_engine::model::{
    AssociationView, FlowView, PathView, Ppid, RttView, Short, Side, Sides, Status, Timestamp,
    words::{how_known, plural, tag, time_of_day},
};

use super::{Line, Report, Summary};

/// Writes lines and tables.
#[derive(Debug)]
pub struct Tables<W> {
    out: W,
    terminal: bool,
    lines: VecDeque<String>,
}

impl<W: Write> Tables<W> {
    /// Writes to `out`; `terminal` redraws in place.
    pub fn new(out: W, terminal: bool) -> Self {
        Self {
            out,
            terminal,
            lines: VecDeque::new(),
        }
    }

    /// How often it is to be shown how things are.
    #[must_use]
    pub fn interval(&self) -> Duration {
        if self.terminal { REDRAWN_AFTER } else { INTERVAL }
    }
}

impl<W: Write + Send> Report<Line, Summary> for Tables<W> {
    fn event(&mut self, line: &Line) -> io::Result<()> {
        let Some(words) = line.words() else {
            return Ok(());
        };
        let line = format!("{}Z  {words}", time_of_day(line.time()));
        if self.terminal {
            if self.lines.len() == LINES_KEPT {
                self.lines.pop_front();
            }
            self.lines.push_back(line);
            return Ok(());
        }
        writeln!(self.out, "{line}")?;
        self.out.flush()
    }

    fn refresh(&mut self, summary: &Summary) -> io::Result<()> {
        if self.terminal {
            write!(self.out, "{HOME_AND_CLEAR}")?;
            draw(&mut self.out, summary)?;
            writeln!(self.out)?;
            for line in &self.lines {
                writeln!(self.out, "{line}")?;
            }
            return self.out.flush();
        }
        if summary.snapshot.associations.is_empty() {
            return Ok(());
        }
        draw(&mut self.out, summary)?;
        self.out.flush()
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn finish(&mut self, summary: &Summary) -> io::Result<()> {
        if self.terminal {
            for line in &self.lines {
                writeln!(self.out, "{line}")?;
            }
        }
        writeln!(self.out, "Summary")?;
        draw(&mut self.out, summary)?;
        draw_ended(&mut self.out, summary)?;
        for (counter, value) in &summary.counters {
            writeln!(self.out, "{value:>12} {}", counter.replace('_', " "))?;
        }
        draw_agent(&mut self.out, summary)?;
        self.out.flush()
    }
}

fn draw(out: &mut impl Write, summary: &Summary) -> io::Result<()> {
    let snapshot = &summary.snapshot;
    let mut none = true;
    for association in snapshot.associations.iter().filter(|known| known.is_up()) {
        none = false;
        draw_association(out, association, snapshot.time)?;
    }
    if none {
        let watched: Vec<_> = summary
            .interfaces
            .iter()
            .map(|watched| watched.interface.as_str())
            .collect();
        let watched = watched.join(", ");
        match summary.ended() {
            0 => writeln!(out, "no association seen yet on {watched}")?,
            ended => writeln!(out, "no association now on {watched} ({ended} ended)")?,
        }
    }
    for incident in &snapshot.incidents {
        let words = incident.words(Status::Updated);
        let open_for = Short(snapshot.time.since(incident.since));
        writeln!(out, "{words}, for {open_for}")?;
    }
    for finding in &snapshot.findings {
        let words = finding.words(Sides::default(), Status::Opened);
        let open_for = Short(snapshot.time.since(finding.since));
        writeln!(out, "for {open_for}: {words}")?;
    }
    Ok(())
}

/// Those that are over, and how many more are forgotten.
fn draw_ended(out: &mut impl Write, summary: &Summary) -> io::Result<()> {
    let mut named = 0;
    for (known, at, end) in summary.known_ended() {
        named += 1;
        writeln!(
            out,
            "association {}  ports {} > {}  ended at {}Z: {}",
            known.id,
            known.local_port,
            known.remote_port,
            time_of_day(at),
            end.text
        )?;
        let mut associations = summary.snapshot.associations.iter();
        if let Some(association) = associations.find(|association| association.reference.id == known.id) {
            draw_paths(out, association, at)?;
        }
    }
    match summary.ended() - named {
        0 => Ok(()),
        more if named == 0 => writeln!(out, "{} ended", plural(more, "association")),
        more => writeln!(out, "{} ended before", plural(more, "more association")),
    }
}

/// What the agent says of itself at the end.
fn draw_agent(out: &mut impl Write, summary: &Summary) -> io::Result<()> {
    let (late, turn) = (Short(summary.lag.max), Short(summary.lag.turn_max));
    writeln!(
        out,
        "agent: late by at most {late}; the longest turn of its loop took {turn}"
    )?;
    for report in &summary.reports {
        if let Some(reason) = &report.reason {
            let (writer, lines) = (&report.writer, plural(report.lost, "line"));
            writeln!(out, "report to {writer}: {lines} lost; last reason: {reason}")?;
        }
    }
    if summary.log_lines_lost > 0 {
        writeln!(out, "log: {} lost", plural(summary.log_lines_lost, "line"))?;
    }
    Ok(())
}

pub(crate) fn draw_association(
    out: &mut impl Write,
    association: &AssociationView,
    now: Timestamp,
) -> io::Result<()> {
    let known = association.reference;
    let times = association.handshake_times.words();
    let times = times.map_or_else(String::new, |times| format!(": {times}"));
    writeln!(
        out,
        "association {}  ports {} > {}  tags {} / {}  ({}{times})",
        known.id,
        known.local_port,
        known.remote_port,
        tag(known.local_tag),
        tag(known.remote_tag),
        how_known(association.origin),
    )?;
    draw_paths(out, association, now)
}

/// The table of an association's paths, if any packet crossed one.
fn draw_paths(out: &mut impl Write, association: &AssociationView, now: Timestamp) -> io::Result<()> {
    let mut table = Table::new();
    table.load_preset(NOTHING);
    let [local, remote] = [Side::Local, Side::Remote].map(|side| association.reference.sides.label(side));
    table.set_header([local, remote].into_iter().chain(HEADER));
    let mut unused = association.more_unused_paths;
    for path in &association.paths {
        if !path.is_used() {
            unused += 1;
            continue;
        }
        table.add_row(row(path, association.reference.sides, now));
    }
    if table.row_count() > 0 {
        writeln!(out, "{table}")?;
    }
    if unused > 0 {
        writeln!(out, " {}", unused_paths(unused))?;
    }
    Ok(())
}

/// Paths that are listed and not used: `2 more address pairs, no packets yet`.
fn unused_paths(count: u64) -> String {
    format!("{}, no packets yet", plural(count, "more address pair"))
}

/// What follows the addresses of both endpoints.
const HEADER: [&str; 10] = [
    "state",
    "for",
    "HEARTBEAT RTT",
    "DATA to SACK",
    "DATA forward/return",
    "retransmitted",
    "HEARTBEATs answered",
    "payload",
    "bytes/s forward/return",
    "reason",
];

/// On a host only what the host itself sends is judged by its answers; between the hosts what both send.
fn row(path: &PathView, sides: Sides, now: Timestamp) -> [String; 12] {
    let (forward, back) = (path.forward.as_deref(), path.return_.as_deref());
    let both = |of: &dyn Fn(Option<&FlowView>) -> String| match sides {
        Sides::ThisHost => of(forward),
        Sides::Initiator | Sides::SideA => format!("{}, {}", of(forward), of(back)),
    };
    let count = |view: Option<&FlowView>, of: fn(&FlowView) -> Option<u64>| {
        view.and_then(of)
            .map_or_else(|| "-".to_owned(), |count| count.to_string())
    };
    [
        path.id.local.to_string(),
        path.id.remote.to_string(),
        path.state.words().to_owned(),
        Short(now.since(path.since)).to_string(),
        heartbeat_rtt(forward, back),
        both(&data_to_sack),
        format!(
            "{}/{}",
            count(forward, |view| Some(view.data_chunks)),
            count(back, |view| Some(view.data_chunks))
        ),
        both(&|view| count(view, |view| Some(view.retransmissions))),
        both(&heartbeats_answered),
        payload(forward, back),
        format!(
            "{}/{}",
            count(forward, |view| view.throughput.bytes_per_second),
            count(back, |view| view.throughput.bytes_per_second)
        ),
        path.reason.as_ref().map_or_else(String::new, ToString::to_string),
    ]
}

/// What the DATA carries, by the direction that has some.
fn payload(forward: Option<&FlowView>, back: Option<&FlowView>) -> String {
    [forward, back]
        .into_iter()
        .flatten()
        .find(|view| view.data_chunks > 0)
        .map_or_else(|| "-".to_owned(), |view| Ppid(view.ppid).to_string())
}

/// Of the heartbeats of either side, smoothed.
pub(crate) fn heartbeat_rtt(forward: Option<&FlowView>, back: Option<&FlowView>) -> String {
    let by_heartbeat = [forward, back]
        .into_iter()
        .flatten()
        .find_map(|view| view.heartbeat_rtt);
    smoothed(by_heartbeat)
}

/// With the receiver's delay of SACKs, which is no part of a round trip.
fn data_to_sack(view: Option<&FlowView>) -> String {
    smoothed(view.and_then(|view| view.data_to_sack))
}

fn heartbeats_answered(view: Option<&FlowView>) -> String {
    view.map_or_else(
        || "-".to_owned(),
        |view| format!("{}/{}", view.heartbeats_answered, view.heartbeats),
    )
}

fn smoothed(rtt: Option<RttView>) -> String {
    rtt.map_or_else(|| "-".to_owned(), |rtt| Short(rtt.srtt).to_string())
}

const HOME_AND_CLEAR: &str = "\x1b[H\x1b[J";
const LINES_KEPT: usize = 12;
const INTERVAL: Duration = Duration::from_secs(10);
const REDRAWN_AFTER: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use sctp_monitor_engine::model::{
        End, EndReason, Evidence, Finding, Object, PathState, PhaseView, ShortLived,
    };

    use super::*;
    use crate::report::samples::{association, summary};

    fn ended(id: u16) -> AssociationView {
        let mut association = association(id, &[]);
        association.phase = PhaseView::Ended {
            at: "2026-11-23T16:59:58Z".parse().unwrap(),
            end: End::new(EndReason::Shutdown { by: None }, Sides::ThisHost),
        };
        association
    }

    fn at_the_end(summary: &Summary) -> String {
        let mut out = Vec::new();
        Tables::new(&mut out, false).finish(summary).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn no_association_seen_yet_is_said_only_if_none_ever_was() {
        let none = at_the_end(&summary(&[]));
        assert!(none.contains("no association seen yet on path1\n"), "{none}");
        assert!(!none.contains("ended"), "{none}");
    }

    #[test]
    fn those_that_ended_are_counted_and_named_at_the_end() {
        let mut both = summary(&[ended(1), ended(2)]);
        both.associations_ended = 2;
        let text = at_the_end(&both);
        for words in [
            "no association now on path1 (2 ended)\n",
            "association 1  ports 40001 > 3868  ended at 16:59:58.000Z: shut down\n",
            "association 2  ports 40002 > 3868  ended at 16:59:58.000Z: shut down\n",
        ] {
            assert!(text.contains(words), "{words}: {text}");
        }
        both.associations_ended = 5;
        let text = at_the_end(&both);
        assert!(text.contains("(5 ended)\n"), "{text}");
        assert!(text.contains("\n3 more associations ended before\n"), "{text}");
    }

    #[test]
    fn what_is_of_no_single_association_is_shown() {
        let refused = Evidence::ShortLived(ShortLived {
            refused: 5,
            ended_by: vec![[10, 1, 1, 2].into()],
            ..ShortLived::default()
        });
        let object = Object::Path(association(1, &[("10.1.1.2", PathState::Active)]).paths[0].id);
        let mut summary = summary(&[]);
        let since = "2026-11-23T16:59:48.5Z".parse().unwrap();
        summary.snapshot.findings = vec![Finding::new(object, Sides::default(), since, refused, None)];
        let words = "for 12.0 s: path 10.1.1.1 > 10.1.1.2: short-lived: 5 handshakes refused in a row, by 10.1.1.2. Check: ";
        let text = at_the_end(&summary);
        assert!(text.contains(words), "{text}");
    }

    #[test]
    fn those_that_are_forgotten_are_counted() {
        let mut forgotten = summary(&[]);
        forgotten.associations_ended = 2;
        let text = at_the_end(&forgotten);
        assert!(
            text.contains("no association now on path1 (2 ended)\n2 associations ended\n"),
            "{text}"
        );
    }
}
