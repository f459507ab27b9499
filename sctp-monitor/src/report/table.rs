//! For people: a line for each thing that happens, and a table of the paths.
//!
//! On a terminal the table is redrawn in place, with the last lines below it. Elsewhere lines are written as they come,
//! and the table every ten seconds and at the end.

use std::{
    collections::VecDeque,
    fmt::Write as _,
    io::{self, Write},
    net::IpAddr,
    time::Duration,
};

use comfy_table::{Table, presets::NOTHING};
use sctp_monitor_engine::{
    NicState,
    model::{
        AssociationView, Direction, Event, EventKind, FlowView, IncidentView, Object, PathView, Ppid, Short,
        Status, Timestamp,
    },
};

use super::{Notice, Report, Snapshot, Told, WriterStatus, plural};
use crate::clock::Clock;

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

    /// How often it is to be shown a snapshot.
    #[must_use]
    pub fn interval(&self) -> Duration {
        if self.terminal { REDRAWN_AFTER } else { INTERVAL }
    }
}

impl<W: Write + Send> Report<Told, Snapshot> for Tables<W> {
    fn event(&mut self, told: &Told) -> io::Result<()> {
        let Told { time, clock, notice } = told;
        if matches!(notice, Notice::Event(event) if is_told_by_incident(event)) {
            return Ok(());
        }
        let line = format!("{}  {}", clock_time(clock, *time), words(notice));
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

    fn refresh(&mut self, snapshot: &Snapshot) -> io::Result<()> {
        if self.terminal {
            write!(self.out, "{HOME_AND_CLEAR}")?;
            draw(&mut self.out, snapshot)?;
            writeln!(self.out)?;
            for line in &self.lines {
                writeln!(self.out, "{line}")?;
            }
            return self.out.flush();
        }
        if snapshot.known.associations.is_empty() {
            return Ok(());
        }
        draw(&mut self.out, snapshot)?;
        self.out.flush()
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn finish(&mut self, snapshot: &Snapshot) -> io::Result<()> {
        if self.terminal {
            for line in &self.lines {
                writeln!(self.out, "{line}")?;
            }
        }
        writeln!(self.out, "Summary")?;
        draw(&mut self.out, snapshot)?;
        for (counter, value) in &snapshot.counters {
            writeln!(self.out, "{:>12} {}", value, counter.replace('_', " "))?;
        }
        draw_agent(&mut self.out, snapshot)?;
        self.out.flush()
    }
}

fn draw(out: &mut impl Write, snapshot: &Snapshot) -> io::Result<()> {
    let mut none = true;
    for association in snapshot
        .known
        .associations
        .iter()
        .filter(|association| association.is_up())
    {
        none = false;
        draw_association(out, association, snapshot)?;
    }
    if none {
        let watched: Vec<_> = snapshot
            .interfaces
            .iter()
            .map(|watched| watched.interface.as_str())
            .collect();
        writeln!(out, "no association seen yet on {}", watched.join(", "))?;
    }
    for incident in &snapshot.known.incidents {
        let words = incident_words(Status::Updated, incident);
        let open_for = Short(snapshot.known.time.since(incident.since));
        writeln!(out, "{words}, for {open_for}")?;
    }
    Ok(())
}

/// What the agent says of itself at the end.
fn draw_agent(out: &mut impl Write, snapshot: &Snapshot) -> io::Result<()> {
    let lag = snapshot.lag;
    writeln!(
        out,
        "agent: its loop ran {} late at most, the longest turn took {}",
        Short(lag.max),
        Short(lag.turn_max)
    )?;
    for WriterStatus { writer, status } in &snapshot.reports {
        if let Some(reason) = &status.reason {
            let lines = plural(status.lost, "line");
            writeln!(out, "report to {writer}: {lines} lost; the last one: {reason}")?;
        }
    }
    if snapshot.log_lines_lost > 0 {
        writeln!(out, "log: {} lost", plural(snapshot.log_lines_lost, "line"))?;
    }
    Ok(())
}

fn draw_association(
    out: &mut impl Write,
    association: &AssociationView,
    snapshot: &Snapshot,
) -> io::Result<()> {
    let known = &association.reference;
    writeln!(
        out,
        "association {}  ports {} > {}  tags {} / {}  ({})",
        known.id,
        known.local_port,
        known.remote_port,
        tag(known.local_tag),
        tag(known.remote_tag),
        association.origin,
    )?;
    let mut table = Table::new();
    table.load_preset(NOTHING);
    table.set_header(HEADER);
    let mut unused = 0;
    for path in &association.paths {
        if path.forward.is_none() && path.return_.is_none() {
            unused += 1;
            continue;
        }
        table.add_row(row(path, snapshot));
    }
    writeln!(out, "{table}")?;
    if unused > 0 {
        writeln!(out, " and {unused} address pairs that nothing has crossed yet")?;
    }
    Ok(())
}

const HEADER: [&str; 11] = [
    "local",
    "remote",
    "state",
    "for",
    "RTT",
    "DATA sent/received",
    "retransmitted",
    "HEARTBEATs answered",
    "payload",
    "bytes/s sent/received",
    "reason",
];

fn row(path: &PathView, snapshot: &Snapshot) -> [String; 11] {
    let id = path.id;
    let (sent, received) = (path.flow(Direction::Forward), path.flow(Direction::Return));
    let count = |view: Option<&FlowView>, of: fn(&FlowView) -> u64| {
        view.map_or_else(|| "-".to_owned(), |view| of(view).to_string())
    };
    [
        id.local.to_string(),
        id.remote.to_string(),
        path.state.to_string(),
        Short(snapshot.known.time.since(path.since)).to_string(),
        rtt(sent, received),
        format!(
            "{}/{}",
            count(sent, |view| view.data_chunks),
            count(received, |view| view.data_chunks)
        ),
        count(sent, |view| view.retransmissions),
        sent.map_or_else(
            || "-".to_owned(),
            |view| format!("{}/{}", view.heartbeats_answered, view.heartbeats),
        ),
        payload(sent, received),
        format!(
            "{}/{}",
            count(sent, |view| view.throughput.bytes_per_second),
            count(received, |view| view.throughput.bytes_per_second)
        ),
        path.reason.as_ref().map_or_else(String::new, ToString::to_string),
    ]
}

/// What the DATA carries, by the direction that has some.
fn payload(sent: Option<&FlowView>, received: Option<&FlowView>) -> String {
    [sent, received]
        .into_iter()
        .flatten()
        .find(|view| view.data_chunks > 0)
        .map_or_else(|| "-".to_owned(), |view| Ppid(view.ppid).to_string())
}

/// By heartbeats if there were any: they are answered at once, DATA not always.
fn rtt(sent: Option<&FlowView>, received: Option<&FlowView>) -> String {
    let by_heartbeat = [sent, received]
        .into_iter()
        .flatten()
        .find_map(|view| view.heartbeat_rtt);
    match (by_heartbeat, sent.and_then(|view| view.data_rtt)) {
        (Some(rtt), _) => Short(rtt.srtt).to_string(),
        (None, Some(rtt)) => format!("{} (DATA)", Short(rtt.srtt)),
        (None, None) => "-".to_owned(),
    }
}

/// What begins or ends with an incident has that one's line.
pub(crate) fn is_told_by_incident(event: &Event) -> bool {
    match &event.kind {
        EventKind::Finding { status, finding } => *status != Status::Updated && finding.incident.is_some(),
        _ => false,
    }
}

fn words(notice: &Notice) -> String {
    match notice {
        Notice::Watching {
            interface,
            hook,
            why,
            egress,
        } => {
            let egress = if *egress {
                ", and what the host sends by tc"
            } else {
                ""
            };
            format!("watching {interface} by {hook} ({why}){egress}")
        }
        Notice::Unwatched { interface, why } => format!("no longer watching {interface}: {why}"),
        Notice::Nic(change) => {
            let state = match change.state {
                NicState::Up => "has a link",
                NicState::Down => "has no link",
                NicState::Gone => "is gone",
            };
            format!("{} {state}", change.name)
        }
        Notice::Pressure(pressure) => {
            format!("flow table: {}. Check {}", pressure.reason(), pressure.next())
        }
        Notice::Lost(lost) => lost.to_string(),
        Notice::Behind(behind) if behind.status == Status::Closed => behind.to_string(),
        Notice::Behind(behind) => format!("{behind}. Check {}", behind.next()),
        Notice::Event(event) => event_words(event),
    }
}

pub(crate) fn event_words(event: &Event) -> String {
    let name = event.association.as_ref().map_or_else(String::new, |known| {
        format!(
            "association {} ({} > {})",
            known.id, known.local_port, known.remote_port
        )
    });
    match &event.kind {
        EventKind::AssociationUp {
            origin,
            local,
            remote,
            offers,
            restarts,
            one_sided,
        } => {
            let mut line = format!(
                "{name} is up, known by {origin}: {} to {}",
                list(local),
                list(remote)
            );
            if let Some(offers) = offers {
                let (sent, received) = (offers.streams_sent(), offers.streams_received());
                let sent = plural(u64::from(sent), "stream");
                let _ = write!(line, "; {sent} there, {received} back");
            }
            if let Some(before) = restarts {
                let _ = write!(line, "; it restarts association {before}");
            }
            if *one_sided {
                line.push_str("; only one direction is seen here");
            }
            line
        }
        EventKind::ShuttingDown { by } => format!("{name} is shutting down: the {by} endpoint asked for it"),
        EventKind::AssociationError { by, causes } if causes.is_empty() => {
            format!("{name}: the {by} endpoint reports an error without a cause")
        }
        EventKind::AssociationError { by, causes } => {
            format!("{name}: the {by} endpoint reports: {}", causes.join(", "))
        }
        EventKind::AddressesChanged {
            side,
            added,
            removed,
            primary,
        } => {
            let mut changes = Vec::new();
            if !added.is_empty() {
                changes.push(format!("added {}", list(added)));
            }
            if !removed.is_empty() {
                changes.push(format!("removed {}", list(removed)));
            }
            if let Some(primary) = primary {
                changes.push(format!("wants DATA at {primary}"));
            }
            format!("{name} addresses of the {side} endpoint: {}", changes.join("; "))
        }
        EventKind::Translated {
            side,
            address,
            seen_as,
        } => format!("{name} is translated on the way: the {side} address {address} is seen as {seen_as}"),
        EventKind::AssociationDown { reason } => format!("{name} is down: {reason}"),
        EventKind::PathStateChanged {
            path,
            from,
            to,
            reason,
        } => {
            format!(
                "{name} path {} > {}: {from} -> {to}: {reason}",
                path.local, path.remote
            )
        }
        EventKind::DataMoved {
            direction,
            from,
            to,
            gap,
        } => {
            let whose = match direction {
                Direction::Forward => "DATA to the peer",
                Direction::Return => "DATA from the peer",
            };
            let gap = gap.map_or_else(String::new, |gap| {
                format!(", {} after the last that was acknowledged", Short(gap))
            });
            format!(
                "{name} {whose} moved from path {} > {} to {} > {}{gap}",
                from.local, from.remote, to.local, to.remote
            )
        }
        EventKind::Finding { status, finding } => {
            let object = match finding.object {
                Object::Association => String::new(),
                Object::Remote(remote) => format!(" remote address {remote}"),
                Object::Path(path) => format!(" path {} > {}", path.local, path.remote),
            };
            let diagnosis = &finding.diagnosis;
            match status {
                Status::Closed => format!("{name}{object}: over: {diagnosis}"),
                Status::Opened | Status::Updated => {
                    format!("{name}{object}: {diagnosis}. Check {}", diagnosis.next())
                }
            }
        }
        EventKind::Incident { status, incident } => incident_words(*status, incident),
    }
}

pub(crate) fn incident_words(status: Status, incident: &IncidentView) -> String {
    let IncidentView {
        id,
        finding,
        scope,
        most_members,
        associations,
        reason,
        next,
        ..
    } = incident;
    let finding = finding.replace('_', " ");
    match status {
        Status::Opened => format!("INCIDENT {id}, {scope}: {reason}. Check {next}"),
        Status::Updated => {
            let members = incident.members;
            let of = if *associations == 1 {
                "association"
            } else {
                "associations"
            };
            let paths = if members == 1 { "path" } else { "paths" };
            format!("INCIDENT {id}: {finding}, {scope}: {members} {paths} of {associations} {of}")
        }
        Status::Closed => {
            let paths = if *most_members == 1 { "path" } else { "paths" };
            format!("INCIDENT {id} is over: {finding}, {scope}, {most_members} {paths} at most")
        }
    }
}

pub(crate) fn list(addresses: &[IpAddr]) -> String {
    addresses
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

fn tag(tag: Option<u32>) -> String {
    tag.map_or_else(|| "unknown".to_owned(), |tag| format!("{tag:#010x}"))
}

/// The time of day in UTC, to the millisecond.
fn clock_time(clock: &Clock, time: Timestamp) -> String {
    clock.wall(time).strftime("%H:%M:%S%.3fZ").to_string()
}

const HOME_AND_CLEAR: &str = "\x1b[H\x1b[J";
const LINES_KEPT: usize = 12;
const INTERVAL: Duration = Duration::from_secs(10);
const REDRAWN_AFTER: Duration = Duration::from_secs(1);
