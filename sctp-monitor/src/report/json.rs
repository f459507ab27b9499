//! JSON lines: one object for each thing that happens, and one summary at the end.
//!
//! Every line has `event` and `time` (RFC 3339 with nanoseconds). Times in `evidence` are milliseconds, under names
//! that end in `_ms`; tags are hexadecimal strings, as Wireshark shows them.

use std::io::{self, Write};

use jiff::{Timestamp as WallTime, fmt::temporal::DateTimePrinter};
use sctp_monitor_common::wire::{ChunkKind, init::Extensions};
use sctp_monitor_engine::{
    NicState,
    model::{
        AddressView, AssociationRef, AssociationView, Direction, Event, EventKind, Figure, Finding, FlowView,
        IncidentView, Object, Offers, PathId, PathView, PhaseView, Side, ppid,
    },
};
use serde_json::{Map, Value, json};

use super::{Notice, Report, Snapshot, Told, WriterStatus, loss::ReportLost};
use crate::clock::Clock;

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

    fn line(&mut self, event: &str, time: WallTime, fields: Map<String, Value>) -> io::Result<()> {
        serde_json::to_writer(&mut self.out, &named(event, time, fields))?;
        self.out.write_all(b"\n")?;
        self.out.flush()
    }
}

impl<W: Write + Send> Report<Told, Snapshot> for JsonLines<W> {
    fn event(&mut self, told: &Told) -> io::Result<()> {
        let Told { time, clock, notice } = told;
        let wall = clock.wall(*time);
        match notice {
            Notice::Watching {
                interface,
                hook,
                why,
                egress,
            } => {
                let fields = json!({
                    "interface": interface, "hook": hook.to_string(), "reason": why, "egress": egress,
                });
                self.line("watch_started", wall, object(fields))
            }
            Notice::Unwatched { interface, why } => self.line(
                "watch_ended",
                wall,
                object(json!({ "interface": interface, "reason": why })),
            ),
            Notice::Nic(change) => {
                let state = match change.state {
                    NicState::Up => "up",
                    NicState::Down => "down",
                    NicState::Gone => "gone",
                };
                self.line(
                    "interface_state_changed",
                    wall,
                    object(json!({ "interface": change.name, "state": state })),
                )
            }
            Notice::Pressure(pressure) => {
                let fields = json!({
                    "reason": pressure.reason(),
                    "evidence": {
                        "slots_in_use": pressure.in_use,
                        "slots": pressure.max_flows,
                        "flow_table_full": pressure.table_full,
                        "new_flows_limited": pressure.limited,
                        "within_ms": pressure.within.map(milliseconds),
                    },
                    "next": pressure.next(),
                });
                self.line("flow_table_pressure", wall, object(fields))
            }
            Notice::Lost(ReportLost { writer, loss }) => {
                let fields = json!({
                    "writer": writer,
                    "lines": loss.lines,
                    "since": rfc3339(Clock::default().wall(loss.since)),
                    "reason": loss.reason.to_string(),
                });
                self.line("report_lost", wall, object(fields))
            }
            Notice::Behind(behind) => {
                let fields = json!({
                    "status": behind.status.to_string(),
                    "since": rfc3339(clock.wall(behind.since)),
                    "reason": behind.to_string(),
                    "evidence": {
                        "late_ms": milliseconds(behind.late),
                        "turn_ms": milliseconds(behind.turn),
                    },
                    "next": behind.next(),
                });
                self.line("agent_behind", wall, object(fields))
            }
            Notice::Event(event) => {
                let (name, fields) = engine_event(event, clock);
                self.line(name, wall, fields)
            }
        }
    }

    fn refresh(&mut self, _snapshot: &Snapshot) -> io::Result<()> {
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn finish(&mut self, snapshot: &Snapshot) -> io::Result<()> {
        let interfaces: Vec<_> = snapshot
            .interfaces
            .iter()
            .map(|watched| json!({ "interface": watched.interface, "hook": watched.hook.to_string() }))
            .collect();
        let associations: Vec<_> = snapshot
            .known
            .associations
            .iter()
            .filter(|known| known.phase != PhaseView::Opening)
            .map(|known| association(known, snapshot))
            .collect();
        let counters: Map<_, _> = snapshot
            .counters
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).into()))
            .collect();
        let incidents: Vec<_> = snapshot
            .known
            .incidents
            .iter()
            .map(|incident| Value::from(incident_fields(incident, &snapshot.clock)))
            .collect();
        let reports: Vec<_> = snapshot
            .reports
            .iter()
            .map(|WriterStatus { writer, status }| {
                json!({
                    "writer": writer,
                    "written": status.written,
                    "waiting": status.waiting,
                    "lost": status.lost,
                    "reason": status.reason.as_ref().map(ToString::to_string),
                })
            })
            .collect();
        let fields = json!({
            "interfaces": interfaces,
            "associations": associations,
            "incidents": incidents,
            "flows": {
                "slots": snapshot.flows.max,
                "in_use": snapshot.flows.in_use,
                "opened": snapshot.flows.opened,
            },
            "counters": counters,
            "reports": reports,
            "lag": {
                "recent_ms": milliseconds(snapshot.lag.recent),
                "max_ms": milliseconds(snapshot.lag.max),
                "turn_recent_ms": milliseconds(snapshot.lag.turn_recent),
                "turn_max_ms": milliseconds(snapshot.lag.turn_max),
                "behind": snapshot.lag.behind,
            },
            "log_lines_lost": snapshot.log_lines_lost,
        });
        self.line(
            "summary",
            snapshot.clock.wall(snapshot.known.time),
            object(fields),
        )
    }
}

/// An event as one object, as it stands in one line.
pub(crate) fn event_object(event: &Event, clock: &Clock) -> Map<String, Value> {
    let (name, fields) = engine_event(event, clock);
    named(name, clock.wall(event.time), fields)
}

fn named(event: &str, time: WallTime, fields: Map<String, Value>) -> Map<String, Value> {
    let mut object = Map::new();
    object.insert("event".into(), event.into());
    object.insert("time".into(), rfc3339(time).into());
    object.extend(fields);
    object
}

fn engine_event(event: &Event, clock: &Clock) -> (&'static str, Map<String, Value>) {
    let mut fields = event.association.as_ref().map(reference).unwrap_or_default();
    let name = match &event.kind {
        EventKind::AssociationUp {
            origin,
            local,
            remote,
            offers,
            restarts,
            one_sided,
        } => {
            fields.insert("origin".into(), origin.to_string().into());
            fields.insert("local_addresses".into(), json!(local));
            fields.insert("remote_addresses".into(), json!(remote));
            fields.extend(offered(offers.as_ref()));
            fields.insert("restarts".into(), json!(restarts.map(|id| id.0)));
            fields.insert("one_sided".into(), json!(one_sided));
            "association_up"
        }
        EventKind::ShuttingDown { by } => {
            fields.insert("by".into(), by.to_string().into());
            "association_shutting_down"
        }
        EventKind::AssociationError { by, causes } => {
            fields.insert("by".into(), by.to_string().into());
            fields.insert("causes".into(), json!(causes));
            "association_error"
        }
        EventKind::AddressesChanged {
            side,
            added,
            removed,
            primary,
        } => {
            fields.insert("side".into(), side.to_string().into());
            fields.insert("added".into(), json!(added));
            fields.insert("removed".into(), json!(removed));
            fields.insert("primary".into(), json!(primary));
            "addresses_changed"
        }
        EventKind::Translated {
            side,
            address,
            seen_as,
        } => {
            fields.insert("side".into(), side.to_string().into());
            fields.insert("address".into(), json!(address));
            fields.insert("seen_as".into(), json!(seen_as));
            "translated"
        }
        EventKind::AssociationDown { reason } => {
            fields.insert("reason".into(), reason.to_string().into());
            "association_down"
        }
        EventKind::PathStateChanged {
            path,
            from,
            to,
            reason,
        } => {
            fields.extend(addresses(path));
            fields.insert("from".into(), from.to_string().into());
            fields.insert("to".into(), to.to_string().into());
            fields.insert("reason".into(), reason.to_string().into());
            fields.insert("evidence".into(), evidence(reason.figures()).into());
            "path_state_changed"
        }
        EventKind::DataMoved {
            direction,
            from,
            to,
            gap,
        } => {
            let direction = match direction {
                Direction::Forward => "sent",
                Direction::Return => "received",
            };
            fields.insert("direction".into(), direction.into());
            fields.insert("from".into(), addresses(from).into());
            fields.insert("to".into(), addresses(to).into());
            fields.insert("gap_ms".into(), gap.map(milliseconds).into());
            "data_moved"
        }
        EventKind::Finding { status, finding } => {
            fields.insert("status".into(), status.to_string().into());
            fields.extend(finding_fields(finding, clock));
            "finding"
        }
        EventKind::Incident { status, incident } => {
            fields.insert("status".into(), status.to_string().into());
            fields.extend(incident_fields(incident, clock));
            "incident"
        }
    };
    (name, fields)
}

fn finding_fields(finding: &Finding, clock: &Clock) -> Map<String, Value> {
    let mut fields = object(json!({
        "finding": finding.diagnosis.name(),
        "incident": finding.incident.map(|id| id.0),
        "since": rfc3339(clock.wall(finding.since)),
        "reason": finding.diagnosis.to_string(),
        "evidence": evidence(finding.diagnosis.figures()),
        "next": finding.diagnosis.next(),
    }));
    match finding.object {
        Object::Association => {}
        Object::Remote(remote) => {
            fields.insert("remote".into(), json!(remote));
        }
        Object::Path(path) => fields.extend(addresses(&path)),
    }
    fields
}

pub(crate) fn incident_fields(incident: &IncidentView, clock: &Clock) -> Map<String, Value> {
    let scope = &incident.scope;
    let mut what: Map<String, Value> = [
        ("kind", Some(json!(scope.kind.to_string()))),
        ("interface", scope.interface.as_ref().map(|name| json!(name))),
        ("local", scope.local.map(|address| json!(address))),
        ("remote", scope.remote.map(|address| json!(address))),
        ("association", scope.association.map(|id| json!(id.0))),
        ("peer", (!scope.peer.is_empty()).then(|| json!(scope.peer))),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name.to_owned(), value?)))
    .collect();
    what.insert("words".into(), scope.to_string().into());
    object(json!({
        "incident": incident.id.0,
        "finding": incident.finding,
        "scope": what,
        "members": incident.members,
        "most_members": incident.most_members,
        "associations": incident.associations,
        "since": rfc3339(clock.wall(incident.since)),
        "reason": incident.reason,
        "next": incident.next,
    }))
}

pub(crate) fn reference(association: &AssociationRef) -> Map<String, Value> {
    object(json!({
        "association": association.id.0,
        "local_port": association.local_port,
        "remote_port": association.remote_port,
        "local_tag": association.local_tag.map(hex),
        "remote_tag": association.remote_tag.map(hex),
    }))
}

pub(crate) fn addresses(path: &PathId) -> Map<String, Value> {
    object(json!({ "local": path.local, "remote": path.remote }))
}

fn evidence(figures: Vec<(&'static str, Figure)>) -> Map<String, Value> {
    figures
        .into_iter()
        .map(|(name, figure)| match figure {
            Figure::Time(time) => (format!("{name}_ms"), json!(milliseconds(time))),
            Figure::Number(number) => (name.to_owned(), number.into()),
            Figure::Rate(rate) => (name.to_owned(), json!(rate)),
            Figure::Text(text) => (name.to_owned(), text.into()),
        })
        .collect()
}

fn association(association: &AssociationView, snapshot: &Snapshot) -> Value {
    let mut fields = reference(&association.reference);
    fields.insert("origin".into(), association.origin.to_string().into());
    fields.insert("up".into(), association.is_up().into());
    for (name, direction) in [
        ("primary_sent", Direction::Forward),
        ("primary_received", Direction::Return),
    ] {
        let primary = association.primary(direction);
        fields.insert(name.into(), primary.as_ref().map(addresses).into());
    }
    fields.insert("findings".into(), findings(&association.findings, snapshot));
    fields.insert(
        "shutting_down".into(),
        match association.phase {
            PhaseView::ShuttingDown { by } => by.to_string().into(),
            _ => Value::Null,
        },
    );
    fields.insert("one_sided".into(), association.one_sided.into());
    fields.insert("restarts".into(), json!(association.restarts.map(|id| id.0)));
    fields.extend(offered(association.offers.as_ref()));
    for (name, side) in [
        ("local_addresses", Side::Local),
        ("remote_addresses", Side::Remote),
    ] {
        fields.insert(name.into(), known_addresses(association.addresses(side)));
    }
    let paths: Vec<_> = association
        .paths
        .iter()
        .map(|known| path(known, snapshot))
        .collect();
    fields.insert("paths".into(), paths.into());
    fields.into()
}

fn findings(findings: &[Finding], snapshot: &Snapshot) -> Value {
    findings
        .iter()
        .map(|finding| Value::from(finding_fields(finding, &snapshot.clock)))
        .collect()
}

/// What the handshake agreed on; nothing of one that was not seen.
pub(crate) fn offered(offers: Option<&Offers>) -> Map<String, Value> {
    let Some(offers) = offers else {
        return Map::new();
    };
    let names = |extensions: Extensions| extensions.kinds().map(ChunkKind::name).collect::<Vec<_>>();
    object(json!({
        "streams": { "sent": offers.streams_sent(), "received": offers.streams_received() },
        "extensions": {
            "local": names(offers.local.extensions),
            "remote": names(offers.remote.extensions),
        },
    }))
}

fn known_addresses(addresses: &[AddressView]) -> Value {
    addresses
        .iter()
        .map(|known| {
            json!({
                "address": known.address,
                "source": known.source.to_string(),
                "seen_as": known.seen_as,
            })
        })
        .collect()
}

fn path(path: &PathView, snapshot: &Snapshot) -> Value {
    let mut fields = addresses(&path.id);
    fields.insert("state".into(), path.state.to_string().into());
    fields.insert("since".into(), rfc3339(snapshot.clock.wall(path.since)).into());
    fields.insert(
        "reason".into(),
        path.reason.as_ref().map(ToString::to_string).into(),
    );
    fields.insert("findings".into(), findings(&path.findings, snapshot));
    for (name, direction) in [("sent", Direction::Forward), ("received", Direction::Return)] {
        fields.insert(name.into(), path.flow(direction).map(flow).into());
    }
    fields.into()
}

fn flow(view: &FlowView) -> Value {
    let rtt = |rtt: Option<sctp_monitor_engine::model::RttView>| {
        rtt.map(|rtt| {
            json!({
                "last_ms": milliseconds(rtt.last),
                "min_ms": milliseconds(rtt.min),
                "srtt_ms": milliseconds(rtt.srtt),
                "rttvar_ms": milliseconds(rtt.rttvar),
            })
        })
    };
    json!({
        "tag": hex(view.tag),
        "packets": view.packets,
        "bytes": view.bytes,
        "chunks": view.chunks,
        "data_chunks": view.data_chunks,
        "data_bytes": view.data_bytes,
        "data_retransmissions": view.retransmissions,
        "heartbeats_answered": view.heartbeats_answered,
        "answered_elsewhere": view.answered_elsewhere,
        "ack_source": view.ack_source,
        "tag_mismatches": view.tag_mismatches,
        "ppid": view.ppid,
        "ppid_name": ppid::name(view.ppid),
        "packets_per_second": view.throughput.packets_per_second,
        "bytes_per_second": view.throughput.bytes_per_second,
        "heartbeat_rtt": rtt(view.heartbeat_rtt),
        "data_rtt": rtt(view.data_rtt),
    })
}

pub(crate) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

pub(crate) fn hex(tag: u32) -> String {
    format!("{tag:#010x}")
}

fn milliseconds(time: std::time::Duration) -> f64 {
    time.as_nanos() as f64 / 1e6
}

pub(crate) fn rfc3339(time: WallTime) -> String {
    DateTimePrinter::new()
        .precision(Some(9))
        .timestamp_to_string(&time)
}
