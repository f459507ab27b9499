//! Shows an audit: lines for people, one JSON object for programs.

use std::{
    fmt,
    io::{self, Write},
    net::IpAddr,
};

use schemars::JsonSchema;
use sctp_monitor_engine::config::HEARTBEAT_WITHIN;
use sctp_monitor_engine::model::{
    AssociationRef, Finding, Object, Schema, Sides, Timestamp,
    words::{date_time, plural},
};
use serde::Serialize;
use serde_json::{Map, Value};

use super::judge::{Audit, Doubt, Judged, SETTLED, Verdict};

/// For people: each association, the worst first, and the count; `source` says where they were seen.
pub(super) fn table(out: &mut impl Write, audit: &Audit, source: &str) -> io::Result<()> {
    if audit.associations.is_empty() {
        return none(out, audit, source);
    }
    for judged in &audit.associations {
        association(out, judged)?;
    }
    let count = audit.associations.len();
    write!(
        out,
        "{} {source}: {} at risk, {} not proven, {} fine",
        plural(count as u64, "association"),
        audit.count(Verdict::AtRisk),
        audit.count(Verdict::NotProven),
        audit.count(Verdict::Fine),
    )?;
    match audit.ended {
        0 => writeln!(out),
        ended => writeln!(out, "; {ended} ended"),
    }
}

/// What was seen instead.
fn none(out: &mut impl Write, audit: &Audit, source: &str) -> io::Result<()> {
    if audit.ended > 0 {
        return writeln!(out, "no association now {source}: {} ended", audit.ended);
    }
    if audit.flows_opened == 0 && audit.counters.is_empty() {
        return writeln!(out, "no association {source}: no SCTP packet seen");
    }
    let flows = plural(audit.flows_opened, "flow");
    write!(
        out,
        "no association {source}: {flows} opened, none of an established association"
    )?;
    let counters = audit.counters.iter();
    let counted: Vec<_> = counters
        .map(|(counter, value)| format!("{value} {}", counter.replace('_', " ")))
        .collect();
    if !counted.is_empty() {
        write!(out, "; counted: {}", counted.join(", "))?;
    }
    writeln!(out)
}

/// For programs: one object on one line.
pub(super) fn json(out: &mut impl Write, audit: &Audit) -> io::Result<()> {
    let associations = || audit.associations.iter();
    let document = Document {
        schema: Schema,
        time: audit.time,
        agent: audit.agent,
        associations: audit.associations.len(),
        associations_ended: audit.ended,
        flows_opened: audit.flows_opened,
        at_risk: audit.count(Verdict::AtRisk),
        not_proven: audit.count(Verdict::NotProven),
        findings: associations()
            .flat_map(|judged| judged.findings.iter().map(|finding| Of::new(judged, finding)))
            .collect(),
        doubts: associations()
            .flat_map(|judged| {
                judged
                    .doubts
                    .iter()
                    .map(|doubt| Of::new(judged, Told::from(doubt)))
            })
            .collect(),
    };
    serde_json::to_writer(&mut *out, &document)?;
    out.write_all(b"\n")
}

/// An audit as JSON.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AuditDocument")]
pub(crate) struct Document<'a> {
    schema: Schema,
    time: Timestamp,
    /// The process id of the running agent that was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    agent: Option<u32>,
    associations: usize,
    /// Those that ended while it watched.
    associations_ended: u64,
    /// Flows that were seen: with none and no association, no SCTP packet was tracked.
    flows_opened: u64,
    at_risk: usize,
    not_proven: usize,
    findings: Vec<Of<'a, &'a Finding>>,
    doubts: Vec<Of<'a, Told>>,
}

/// Something of an association.
#[derive(Serialize, JsonSchema)]
struct Of<'a, T> {
    #[serde(flatten)]
    association: &'a AssociationRef,
    #[serde(flatten)]
    what: T,
}

impl<'a, T> Of<'a, T> {
    fn new(judged: &'a Judged, what: T) -> Self {
        Self {
            association: &judged.reference,
            what,
        }
    }
}

/// A doubt as JSON.
#[derive(Serialize, JsonSchema)]
struct Told {
    #[serde(skip_serializing_if = "Option::is_none")]
    remote: Option<IpAddr>,
    reason: String,
}

impl From<&Doubt> for Told {
    fn from(doubt: &Doubt) -> Self {
        Self {
            remote: match doubt {
                Doubt::Unconfirmed(remote) | Doubt::NotSeen(remote) => Some(*remote),
                Doubt::OneSided | Doubt::JustSeen | Doubt::ListsUnknown => None,
            },
            reason: doubt.to_string(),
        }
    }
}

fn association(out: &mut impl Write, judged: &Judged) -> io::Result<()> {
    let verdict = match judged.verdict() {
        Verdict::AtRisk => "at risk".to_owned(),
        Verdict::NotProven => "not proven".to_owned(),
        Verdict::Fine => format!("fine, {}", plural(judged.active_paths as u64, "active path")),
    };
    let known = &judged.reference;
    writeln!(
        out,
        "association {}, ports {} > {}: {verdict}",
        known.id, known.local_port, known.remote_port
    )?;
    for finding in &judged.findings {
        let name = finding.evidence.name();
        writeln!(
            out,
            "  {name:<22} {}: {}{}",
            finding.severity,
            object(finding, known.sides),
            finding.text
        )?;
        writeln!(out, "{INDENT}{}", evidence(finding))?;
        writeln!(out, "{INDENT}Check: {}", finding.check)?;
    }
    for doubt in &judged.doubts {
        writeln!(out, "  {:<22} {doubt}", "not proven")?;
    }
    Ok(())
}

/// What a finding is about, if it is not the whole association.
fn object(finding: &Finding, sides: Sides) -> String {
    match finding.object {
        Object::Association => String::new(),
        object => format!("{}: ", object.words(sides)),
    }
}

/// The figures on one line, and since when.
fn evidence(finding: &Finding) -> String {
    let figures = figures(finding);
    let figures = figures.iter().map(|(name, value)| {
        let value = shown(value);
        match name.strip_suffix("_ms") {
            Some(name) => format!("{} {value} ms", name.replace('_', " ")),
            None => format!("{} {value}", name.replace('_', " ")),
        }
    });
    let incident = finding.incident.map(|incident| format!("incident {incident}"));
    let mut parts = vec![format!("since {} UTC", date_time(finding.since))];
    parts.extend(figures.chain(incident));
    parts.join("; ")
}

/// A figure as people read it.
fn shown(value: &Value) -> String {
    match value {
        Value::Number(number) if number.is_f64() => number
            .as_f64()
            .map_or_else(String::new, |number| format!("{number:.1}")),
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(shown).collect::<Vec<_>>().join(", "),
        Value::Object(fields) => {
            let fields = fields.iter();
            let named = fields.map(|(name, value)| format!("{} {}", name.replace('_', " "), shown(value)));
            named.collect::<Vec<_>>().join(" ")
        }
        other => other.to_string(),
    }
}

/// The figures by their names in JSON.
fn figures(finding: &Finding) -> Map<String, Value> {
    match serde_json::to_value(&finding.evidence) {
        Ok(Value::Object(mut fields)) => match fields.remove("evidence") {
            Some(Value::Object(figures)) => figures,
            _ => Map::new(),
        },
        _ => Map::new(),
    }
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OneSided => f.write_str("only one direction is seen here"),
            Self::JustSeen => write!(f, "first seen in the last {} s", SETTLED.as_secs()),
            Self::Unconfirmed(remote) => write!(f, "no path to {remote} confirmed yet"),
            Self::NotSeen(remote) => write!(
                f,
                "{remote} not seen: nothing came from it in {} s, a heartbeat interval",
                HEARTBEAT_WITHIN.as_secs()
            ),
            Self::ListsUnknown => f.write_str(
                "handshake not seen, one remote address seen: others that are silent, or down, are not known. An agent \
                 that runs since before knows them (`audit --events FILE`)",
            ),
        }
    }
}

/// Below what a finding says.
const INDENT: &str = "                         ";
