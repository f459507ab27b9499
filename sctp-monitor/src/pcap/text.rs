//! A capture as text: the events in order of time, then each association.

use std::io::{self, Write};

use comfy_table::{Table, presets::NOTHING};
use sctp_monitor_common::wire::ChunkKind;
use sctp_monitor_engine::model::{
    Direction, Event, Object, Ppid, Short, Side, Sides,
    words::{FORWARD, date_time, how_known, list, plural, streams, tag},
};

use super::{
    Sink,
    conclusion::Conclusion,
    entry::Entry,
    figures::Rtts,
    story::{Found, PathNumbers, Story},
};

/// Writes text.
#[derive(Debug)]
pub(crate) struct Text<W> {
    out: W,
    any: bool,
}

impl<W: Write> Text<W> {
    pub(crate) fn new(out: W) -> Self {
        Self { out, any: false }
    }

    fn association(&mut self, story: &Story, conclusion: &Conclusion<'_>) -> io::Result<()> {
        let out = &mut self.out;
        let view = &story.view;
        let known = &view.reference;
        writeln!(
            out,
            "Association {}: ports {} > {}, tags {} / {}",
            known.id,
            known.local_port,
            known.remote_port,
            tag(known.local_tag),
            tag(known.remote_tag),
        )?;
        for (side, addresses) in [(Side::Local, story.local()), (Side::Remote, story.remote())] {
            writeln!(out, "  {:<9} {}", known.sides.label(side), list(&addresses))?;
        }
        let restarts = match view.restarts {
            Some(before) => format!("; restarted association {before}"),
            None => String::new(),
        };
        let how = how_known(view.origin);
        writeln!(out, "  began     {} ({how}){restarts}", date_time(view.since))?;
        if let Some(times) = view.handshake_times.words() {
            writeln!(out, "  handshake {times}")?;
        }
        if let Some(offers) = &view.offers {
            writeln!(out, "  streams   {}", streams(offers))?;
        }
        match story.end() {
            Some((at, end)) => writeln!(out, "  ended     {}: {}", date_time(at), end.text)?,
            None => writeln!(out, "  ended     not within the capture")?,
        }
        if view.one_sided {
            writeln!(out, "  seen      only in one direction")?;
        }
        for direction in Direction::BOTH {
            if let Some(path) = view.primary(direction) {
                writeln!(out, "  {direction:<9} DATA on {path}")?;
            }
        }
        for found in &story.found {
            writeln!(out, "  FOUND     {}", words(found, known.sides))?;
        }
        let paths = story.path_table(&conclusion.analysis.ledger);
        let mut table = Table::new();
        table.load_preset(NOTHING);
        let [local, remote] = [Side::Local, Side::Remote].map(|side| known.sides.label(side));
        table.set_header([&format!("  {local}"), remote].into_iter().chain(HEADER));
        let (used, unused): (Vec<_>, Vec<_>) = paths
            .iter()
            .partition(|path| path.flows.iter().any(Option::is_some));
        for path in used {
            table.add_row(row(path, !view.one_sided));
        }
        writeln!(out, "{table}")?;
        if !unused.is_empty() {
            writeln!(
                out,
                "  {}, no packets",
                plural(unused.len() as u64, "more address pair")
            )?;
        }
        writeln!(out)
    }

    fn rest(&mut self, conclusion: &Conclusion<'_>) -> io::Result<()> {
        let out = &mut self.out;
        for found in &conclusion.apart {
            writeln!(out, "FOUND {}", words(found, Sides::default()))?;
        }
        for handshake in &conclusion.unfinished {
            let (first, last) = (date_time(handshake.first), date_time(handshake.last));
            let text = handshake.to_string();
            writeln!(out, "N{} ({first} to {last})", &text[1..])?;
        }
        let told: u64 = conclusion.stories.iter().map(|_| 1).sum();
        let seen = conclusion.seen();
        let span = conclusion.span().map_or_else(String::new, |(first, last)| {
            let length = last.since(first);
            format!(
                ", {} to {} ({})",
                date_time(first),
                date_time(last),
                Short(length)
            )
        });
        writeln!(
            out,
            "{}, {} of them SCTP in {}, {}{span}",
            plural(seen.records, "packet"),
            seen.sctp_packets,
            plural(conclusion.flows.len() as u64, "flow"),
            plural(told, "association"),
        )?;
        for (kind, packets) in conclusion.tunnelled() {
            let packets = plural(*packets, "SCTP packet");
            writeln!(out, "{packets} in {kind} tunnels not analysed: use --decap")?;
        }
        for (file, link, packets) in conclusion.unknown_links {
            let packets = plural(*packets, "packet");
            writeln!(
                out,
                "{file}: {packets} skipped, link type {link} is not supported"
            )?;
        }
        for (name, value) in &conclusion.counters {
            writeln!(out, "{value:>12} {}", name.replace('_', " "))?;
        }
        Ok(())
    }
}

impl<W: Write> Sink for Text<W> {
    fn event(&mut self, event: &Event) -> io::Result<()> {
        if event.is_told_by_incident() {
            return Ok(());
        }
        if !self.any {
            writeln!(self.out, "What happened (times in UTC; {FORWARD})")?;
            self.any = true;
        }
        writeln!(self.out, "{}  {}", date_time(event.time), event.words())
    }

    fn finish(&mut self, conclusion: &Conclusion<'_>) -> io::Result<()> {
        if self.any {
            writeln!(self.out)?;
        }
        for story in &conclusion.stories {
            self.association(story, conclusion)?;
        }
        self.rest(conclusion)?;
        self.out.flush()
    }
}

/// What was found, and from when to when.
fn words(found: &Found, sides: Sides) -> String {
    let Found { finding, until } = found;
    let object = match finding.object {
        Object::Association => String::new(),
        object => format!("{}: ", object.words(sides)),
    };
    let since = date_time(finding.since);
    let until = until.map_or_else(|| "to the end".to_owned(), |at| format!("to {}", date_time(at)));
    format!(
        "{object}{} ({since} {until}). Check: {}",
        finding.text, finding.check
    )
}

/// What follows the addresses of both endpoints.
const HEADER: [&str; 9] = [
    "state",
    "packets",
    "DATA forward/return",
    "retransmitted",
    "lost",
    "HEARTBEATs answered",
    "HEARTBEAT RTT min/median/max",
    "DATA to SACK",
    "payload",
];

fn row(path: &PathNumbers<'_>, answers_seen: bool) -> [String; 11] {
    let [forward, back] = Direction::BOTH.map(|direction| path.flow(direction));
    let both = |of: &dyn Fn(&Entry) -> String| {
        let one = |entry: Option<&Entry>| entry.map_or_else(|| "-".to_owned(), of);
        format!("{}/{}", one(forward), one(back))
    };
    let heartbeats = |entry: &Entry| {
        let sent = entry.count_once(ChunkKind::Heartbeat);
        match answers_seen {
            true => format!("{} of {sent}", entry.heartbeats_answered),
            false => format!("? of {sent}"),
        }
    };
    [
        format!("  {}", path.id.local),
        path.id.remote.to_string(),
        path.view
            .map_or_else(|| "-".to_owned(), |view| view.state.words().to_owned()),
        both(&|entry| entry.packets_once().to_string()),
        both(&|entry| entry.data_chunks_once().to_string()),
        both(&|entry| entry.data_retransmissions.to_string()),
        both(&|entry| {
            entry
                .loss()
                .map_or_else(|| "-".to_owned(), |loss| format!("{:.1} %", loss * 100.0))
        }),
        [forward, back]
            .into_iter()
            .flatten()
            .filter(|entry| entry.count_once(ChunkKind::Heartbeat) > 0)
            .map(heartbeats)
            .collect::<Vec<_>>()
            .join(", "),
        heartbeat_rtt(forward, back),
        data_to_sack(forward, back),
        [forward, back]
            .into_iter()
            .flatten()
            .find(|entry| entry.data_chunks() > 0)
            .and_then(|entry| entry.ppid)
            .map_or_else(|| "-".to_owned(), |ppid| Ppid(ppid).to_string()),
    ]
}

/// Of the heartbeats of either side.
fn heartbeat_rtt(forward: Option<&Entry>, back: Option<&Entry>) -> String {
    let entries = || [forward, back].into_iter().flatten();
    let heartbeats = entries().find_map(|entry| Rtts::of(&entry.heartbeat_rtts_once()));
    let rtts = heartbeats.map(|rtts| {
        let Rtts { min, median, max, .. } = rtts;
        format!("{} / {} / {}", Short(min), Short(median), Short(max))
    });
    rtts.unwrap_or_else(|| "-".to_owned())
}

/// Of the first side that sends DATA: with the delay of the peer's SACKs, which is no part of a round trip.
fn data_to_sack(forward: Option<&Entry>, back: Option<&Entry>) -> String {
    let srtt = [forward, back]
        .into_iter()
        .flatten()
        .find_map(Entry::data_to_sack);
    srtt.map_or_else(|| "-".to_owned(), |srtt| Short(srtt).to_string())
}
