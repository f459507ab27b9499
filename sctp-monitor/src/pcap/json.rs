//! A capture as JSON: one object, or lines.
//!
//! Events are written as they come, so that their number does not matter. An event is the same object that the agent
//! writes; flows are exact counts of what the capture holds.

use std::io::{self, Write};

use sctp_monitor_common::wire::ChunkKind;
use sctp_monitor_engine::model::{Direction, Event, Object, PathId};
use serde_json::{Map, Value, json};

use super::{
    Sink,
    conclusion::{Answer, Conclusion, Flow},
    figures::Rtts,
    ledger::Entry,
    story::{FindingStory, PathNumbers, Story},
};
use crate::{
    clock::Clock,
    report::json::{addresses, event_object, hex, incident_fields, object, offered, reference, rfc3339},
};

/// One object: `events`, `associations`, `flows`, and what else there is to say.
#[derive(Debug)]
pub(crate) struct Whole<W> {
    out: W,
    any: bool,
}

impl<W: Write> Whole<W> {
    pub(crate) fn new(out: W) -> Self {
        Self { out, any: false }
    }
}

impl<W: Write> Sink for Whole<W> {
    fn event(&mut self, event: &Event, clock: &Clock) -> io::Result<()> {
        self.out
            .write_all(if self.any { b",\n" } else { b"{\"events\":[\n" })?;
        self.any = true;
        serde_json::to_writer(&mut self.out, &event_object(event, clock))?;
        Ok(())
    }

    fn finish(&mut self, conclusion: &Conclusion<'_>) -> io::Result<()> {
        self.out
            .write_all(if self.any { b"\n]" } else { b"{\"events\":[]" })?;
        self.out.write_all(b",\n\"associations\":")?;
        array(
            &mut self.out,
            conclusion
                .stories
                .iter()
                .map(|story| association(story, conclusion)),
        )?;
        self.out.write_all(b",\n\"flows\":")?;
        array(&mut self.out, conclusion.flows.iter().map(flow))?;
        for (name, value) in summary(conclusion) {
            write!(self.out, ",\n{}:", Value::from(name))?;
            serde_json::to_writer(&mut self.out, &value)?;
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

    fn line(&mut self, value: &impl serde::Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut self.out, value)?;
        self.out.write_all(b"\n")
    }

    fn named(&mut self, event: &str, value: Value) -> io::Result<()> {
        let mut line = Map::new();
        line.insert("event".into(), event.into());
        line.extend(object(value));
        self.line(&line)
    }
}

impl<W: Write> Sink for Lines<W> {
    fn event(&mut self, event: &Event, clock: &Clock) -> io::Result<()> {
        self.line(&event_object(event, clock))
    }

    fn finish(&mut self, conclusion: &Conclusion<'_>) -> io::Result<()> {
        for story in &conclusion.stories {
            self.named("association", association(story, conclusion))?;
        }
        for known in &conclusion.flows {
            self.named("flow", flow(known))?;
        }
        self.named("summary", summary(conclusion).into())?;
        self.out.flush()
    }
}

fn array(out: &mut impl Write, values: impl Iterator<Item = Value>) -> io::Result<()> {
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

fn association(story: &Story, conclusion: &Conclusion<'_>) -> Value {
    let mut fields = reference(&story.reference);
    fields.insert("origin".into(), story.origin.to_string().into());
    fields.insert("began".into(), rfc3339(story.began).into());
    let ended = story.ended.as_ref();
    fields.insert("ended".into(), json!(ended.map(|ending| rfc3339(ending.at))));
    fields.insert("end_reason".into(), json!(ended.map(|ending| &ending.reason)));
    fields.insert("local_addresses".into(), json!(story.local));
    fields.insert("remote_addresses".into(), json!(story.remote));
    fields.extend(offered(story.offers.as_ref()));
    fields.insert("restarts".into(), json!(story.restarts));
    fields.insert("one_sided".into(), story.one_sided.into());
    for (name, direction) in [
        ("primary_sent", Direction::Forward),
        ("primary_received", Direction::Return),
    ] {
        let primary = story.primary[direction as usize];
        fields.insert(name.into(), primary.as_ref().map(addresses).into());
    }
    let findings: Vec<_> = story.findings.iter().map(finding).collect();
    fields.insert("findings".into(), findings.into());
    let paths: Vec<_> = story
        .path_table(&conclusion.analysis.ledger)
        .iter()
        .map(path)
        .collect();
    fields.insert("paths".into(), paths.into());
    fields.into()
}

fn finding(finding: &FindingStory) -> Value {
    let mut fields = object(json!({
        "finding": finding.name,
        "since": rfc3339(finding.since),
        "until": finding.until.map(rfc3339),
        "reason": finding.reason,
        "next": finding.next,
    }));
    match finding.object {
        Object::Association => {}
        Object::Remote(remote) => {
            fields.insert("remote".into(), json!(remote));
        }
        Object::Path(path) => fields.extend(addresses(&path)),
    }
    fields.into()
}

fn path(numbers: &PathNumbers<'_>) -> Value {
    let mut fields = addresses(&PathId {
        local: numbers.id.local,
        remote: numbers.id.remote,
    });
    let story = numbers.story;
    fields.insert("state".into(), json!(story.map(|story| story.state.to_string())));
    fields.insert(
        "reason".into(),
        json!(story.and_then(|story| story.reason.as_ref())),
    );
    let changes = story.map_or(&[][..], |story| &story.changes);
    let changes: Vec<_> = changes
        .iter()
        .map(|(at, to, reason)| json!({ "time": rfc3339(*at), "to": to.to_string(), "reason": reason }))
        .collect();
    fields.insert("changes".into(), changes.into());
    for (name, direction) in [("sent", Direction::Forward), ("received", Direction::Return)] {
        fields.insert(name.into(), numbers.flow(direction).map(counts).into());
    }
    fields.into()
}

/// What crossed one direction of a path.
fn counts(entry: &Entry) -> Value {
    let heartbeats = entry.count(ChunkKind::Heartbeat);
    json!({
        "packets": entry.packets,
        "bytes": entry.bytes,
        "data_chunks": entry.data_chunks(),
        "data_bytes": entry.data_bytes,
        "data_retransmissions": entry.data_retransmissions,
        "data_lost": entry.lost(),
        "loss": entry.loss(),
        "heartbeats": heartbeats,
        "heartbeats_answered": entry.heartbeats_answered,
        "heartbeats_unanswered": heartbeats.saturating_sub(entry.heartbeats_answered),
        "answered_elsewhere": entry.answered_elsewhere,
        "heartbeat_rtt": Rtts::of(&entry.heartbeat_rtts_ns).map(|rtts| rtts.json()),
        "data_rtt": entry.data_rtt_ms(),
        "ppid": entry.tracked.ppid,
        "first": rfc3339(wall(entry.first_ns)),
        "last": rfc3339(wall(entry.last_ns)),
    })
}

fn flow(flow: &Flow) -> Value {
    let sum = &flow.sum;
    let key = sum.key.flow;
    let chunks: Map<_, _> = sum
        .chunks_by_name()
        .map(|(name, count)| (name, count.into()))
        .collect();
    let tags: Vec<_> = flow.tags.iter().map(|tag| hex(*tag)).collect();
    json!({
        "src": key.src.to_ip(),
        "dst": key.dst.to_ip(),
        "sport": key.src_port,
        "dport": key.dst_port,
        "encapsulation": sum.key.chain.to_string(),
        "packets": sum.packets,
        "bytes": sum.bytes,
        "chunks": chunks,
        "data_chunks": sum.data_chunks(),
        "data_bytes": sum.data_bytes,
        "data_retransmissions": sum.data_retransmissions,
        "capture_duplicates": sum.capture_duplicates,
        "sacks": sum.count(ChunkKind::Sack) + sum.count(ChunkKind::NrSack),
        "heartbeats": sum.count(ChunkKind::Heartbeat),
        "heartbeat_acks": sum.count(ChunkKind::HeartbeatAck),
        "heartbeats_answered": sum.heartbeats_answered,
        "heartbeat_rtts_ns": sum.heartbeat_rtts_ns,
        "tags": tags,
        "first": rfc3339(wall(sum.first_ns)),
        "last": rfc3339(wall(sum.last_ns)),
    })
}

fn summary(conclusion: &Conclusion<'_>) -> Map<String, Value> {
    let seen = conclusion.seen();
    let files: Vec<_> = conclusion
        .files
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    let span = conclusion.span();
    let clock = conclusion.clock();
    let incidents: Vec<_> = conclusion
        .open_incidents()
        .map(|incident| Value::from(incident_fields(incident, &clock)))
        .collect();
    let unfinished: Vec<_> = conclusion
        .unfinished
        .iter()
        .map(|handshake| {
            json!({
                "initiator": handshake.initiator,
                "responder": handshake.responder,
                "port": handshake.port,
                "inits": handshake.inits,
                "answer": match handshake.answer {
                    Answer::Nothing => "nothing",
                    Answer::Abort => "ABORT",
                    Answer::InitAck => "INIT_ACK",
                },
            })
        })
        .collect();
    let tunnelled: Map<_, _> = conclusion
        .tunnelled()
        .iter()
        .map(|(kind, packets)| (kind.to_string(), (*packets).into()))
        .collect();
    let passed_over: Vec<_> = conclusion
        .unknown_links
        .iter()
        .map(|(file, link, packets)| json!({ "file": file, "link_type": link, "packets": packets }))
        .collect();
    let errors: Vec<_> = conclusion
        .errors
        .iter()
        .map(|error| {
            json!({ "file": error.file, "offset": error.offset, "reason": error.problem.to_string(), "message": error.to_string() })
        })
        .collect();
    let counters: Map<_, _> = conclusion
        .counters
        .iter()
        .map(|(name, value)| (name.clone(), (*value).into()))
        .collect();
    object(json!({
        "unfinished_handshakes": unfinished,
        "open_incidents": incidents,
        "capture": {
            "files": files,
            "first": span.map(|(first, _)| rfc3339(first)),
            "last": span.map(|(_, last)| rfc3339(last)),
            "records": seen.records,
            "bytes": seen.bytes,
            "sctp_packets": seen.sctp_packets,
            "capture_duplicates": seen.capture_duplicates,
            "tunnelled": tunnelled,
            "link_types_passed_over": passed_over,
        },
        "counters": counters,
        "errors": errors,
    }))
}

fn wall(time_ns: u64) -> jiff::Timestamp {
    super::figures::wall(time_ns)
}
