//! A capture as text: what happened, and then the story of each association.

use std::{
    io::{self, Write},
    time::Duration,
};

use comfy_table::{Table, presets::NOTHING};
use jiff::Timestamp as WallTime;
use sctp_monitor_common::wire::ChunkKind;
use sctp_monitor_engine::model::{Direction, Event, Object, Ppid, Short};

use super::{
    Sink,
    conclusion::{Answer, Conclusion},
    figures::Rtts,
    ledger::Entry,
    story::{PathNumbers, Story},
};
use crate::{
    clock::Clock,
    report::{
        plural,
        table::{event_words, is_told_by_incident, list},
    },
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
        let known = &story.reference;
        let tag = |tag: Option<u32>| tag.map_or_else(|| "unknown".to_owned(), |tag| format!("{tag:#010x}"));
        writeln!(
            out,
            "Association {}: ports {} > {}, tags {} / {}",
            known.id,
            known.local_port,
            known.remote_port,
            tag(known.local_tag),
            tag(known.remote_tag),
        )?;
        writeln!(
            out,
            "  between   {} and {}",
            list(&story.local),
            list(&story.remote)
        )?;
        let how = match story.restarts {
            Some(before) => format!(", which restarted association {before}"),
            None => String::new(),
        };
        writeln!(
            out,
            "  began     {}, known by {}{how}",
            time(story.began),
            story.origin
        )?;
        if let Some(offers) = &story.offers {
            let (sent, received) = (offers.streams_sent(), offers.streams_received());
            writeln!(out, "  streams   {sent} there, {received} back")?;
        }
        match &story.ended {
            Some(ending) => writeln!(out, "  ended     {}: {}", time(ending.at), ending.reason)?,
            None => writeln!(out, "  ended     not within the capture")?,
        }
        if story.one_sided {
            writeln!(out, "  seen      in one direction only")?;
        }
        for (what, direction) in [("there", Direction::Forward), ("back", Direction::Return)] {
            if let Some(path) = story.primary[direction as usize] {
                writeln!(out, "  DATA {what:<5} on {} > {}", path.local, path.remote)?;
            }
        }
        for finding in &story.findings {
            let until = finding
                .until
                .map_or_else(|| "to the end".to_owned(), |at| format!("to {}", time(at)));
            let object = match finding.object {
                Object::Association => String::new(),
                Object::Remote(remote) => format!("{remote}: "),
                Object::Path(path) => format!("{} > {}: ", path.local, path.remote),
            };
            let since = time(finding.since);
            writeln!(
                out,
                "  FOUND     {object}{} ({since} {until}). Check {}",
                finding.reason, finding.next
            )?;
        }
        let paths = story.path_table(&conclusion.analysis.ledger);
        let mut table = Table::new();
        table.load_preset(NOTHING);
        table.set_header(HEADER);
        let (used, unused): (Vec<_>, Vec<_>) = paths
            .iter()
            .partition(|path| path.flows.iter().any(Option::is_some));
        for path in used {
            table.add_row(row(path));
        }
        writeln!(out, "{table}")?;
        if !unused.is_empty() {
            writeln!(
                out,
                " and {} that nothing crossed",
                plural(unused.len() as u64, "address pair")
            )?;
        }
        writeln!(out)
    }

    fn rest(&mut self, conclusion: &Conclusion<'_>) -> io::Result<()> {
        let out = &mut self.out;
        for handshake in &conclusion.unfinished {
            let answer = match handshake.answer {
                Answer::Nothing => {
                    "nothing came back. Check whether the host is up, and the way there and back"
                }
                Answer::Abort => "ABORT came back. Check whether anybody listens on that port there",
                Answer::InitAck => {
                    "INIT ACK came back, but the initiator did not go on. Check whether it arrived there"
                }
            };
            let inits = plural(handshake.inits, "INIT");
            let (from, to, port) = (handshake.initiator, handshake.responder, handshake.port);
            writeln!(
                out,
                "No association from {from} to {to} port {port}: {inits}, {answer}"
            )?;
        }
        let told: u64 = conclusion.stories.iter().map(|_| 1).sum();
        let seen = conclusion.seen();
        let span = conclusion.span().map_or_else(String::new, |(first, last)| {
            let length = Duration::try_from(last.duration_since(first)).unwrap_or_default();
            format!(", {} to {} ({})", time(first), time(last), Short(length))
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
            writeln!(out, "{packets} in {kind} tunnels not looked into: --decap does")?;
        }
        for (file, link, packets) in conclusion.unknown_links {
            let packets = plural(*packets, "packet");
            writeln!(
                out,
                "{file}: {packets} of link type {link}, which cannot be read, passed over"
            )?;
        }
        for (name, value) in &conclusion.counters {
            writeln!(out, "{value:>12} {}", name.replace('_', " "))?;
        }
        Ok(())
    }
}

impl<W: Write> Sink for Text<W> {
    fn event(&mut self, event: &Event, clock: &Clock) -> io::Result<()> {
        if is_told_by_incident(event) {
            return Ok(());
        }
        if !self.any {
            writeln!(self.out, "What happened (times in UTC)")?;
            self.any = true;
        }
        writeln!(
            self.out,
            "{}  {}",
            time(clock.wall(event.time)),
            event_words(event)
        )
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

const HEADER: [&str; 10] = [
    "  local",
    "remote",
    "state",
    "packets",
    "DATA there/back",
    "retransmitted",
    "lost",
    "HEARTBEATs answered",
    "RTT min/median/max",
    "payload",
];

fn row(path: &PathNumbers<'_>) -> [String; 10] {
    let [there, back] = [Direction::Forward, Direction::Return].map(|direction| path.flow(direction));
    let both = |of: &dyn Fn(&Entry) -> String| {
        let one = |entry: Option<&Entry>| entry.map_or_else(|| "-".to_owned(), of);
        format!("{}/{}", one(there), one(back))
    };
    let heartbeats = |entry: &Entry| {
        let sent = entry.count(ChunkKind::Heartbeat);
        format!("{} of {sent}", entry.heartbeats_answered)
    };
    [
        format!("  {}", path.id.local),
        path.id.remote.to_string(),
        path.story
            .map_or_else(|| "-".to_owned(), |story| story.state.to_string()),
        both(&|entry| entry.packets.to_string()),
        both(&|entry| entry.data_chunks().to_string()),
        both(&|entry| entry.data_retransmissions.to_string()),
        both(&|entry| {
            entry
                .loss()
                .map_or_else(|| "-".to_owned(), |loss| format!("{:.1} %", loss * 100.0))
        }),
        [there, back]
            .into_iter()
            .flatten()
            .filter(|entry| entry.count(ChunkKind::Heartbeat) > 0)
            .map(heartbeats)
            .collect::<Vec<_>>()
            .join(", "),
        rtt(there, back),
        [there, back]
            .into_iter()
            .flatten()
            .find(|entry| entry.data_chunks() > 0)
            .map_or_else(|| "-".to_owned(), |entry| Ppid(entry.tracked.ppid).to_string()),
    ]
}

/// By the heartbeats of either side, or else by DATA.
fn rtt(there: Option<&Entry>, back: Option<&Entry>) -> String {
    let entries = || [there, back].into_iter().flatten();
    let heartbeats = entries().find_map(|entry| Rtts::of(&entry.heartbeat_rtts_ns));
    if let Some(rtts) = heartbeats {
        return format!(
            "{} / {} / {}",
            Short(rtts.min),
            Short(rtts.median),
            Short(rtts.max)
        );
    }
    match entries().find_map(Entry::data_rtt) {
        Some(srtt) => format!("{} (DATA)", Short(srtt)),
        None => "-".to_owned(),
    }
}

fn time(at: WallTime) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S%.3f").to_string()
}
