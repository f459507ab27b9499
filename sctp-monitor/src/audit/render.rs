//! Shows an audit: lines for people, one JSON object for programs.

use std::{
    fmt,
    io::{self, Write},
};

use serde_json::{Map, Value, json};

use super::{
    judge::{Audit, Doubt, Judged, SETTLED, Verdict},
    summary::Finding,
};

/// For people: each association, the worst first, and the count; `source` says where they were seen.
pub(super) fn table(out: &mut impl Write, audit: &Audit, source: &str) -> io::Result<()> {
    if audit.associations.is_empty() {
        return writeln!(out, "no association {source}");
    }
    for judged in &audit.associations {
        association(out, judged)?;
    }
    let count = audit.associations.len();
    let associations = if count == 1 { "association" } else { "associations" };
    writeln!(
        out,
        "{count} {associations} {source}: {} at risk, {} not proven, {} fine",
        audit.count(Verdict::AtRisk),
        audit.count(Verdict::NotProven),
        audit.count(Verdict::Fine),
    )
}

/// For programs: one object on one line.
pub(super) fn json(out: &mut impl Write, audit: &Audit) -> io::Result<()> {
    let findings: Vec<_> = audit
        .associations
        .iter()
        .flat_map(|judged| {
            judged
                .findings
                .iter()
                .map(|finding| finding_json(judged, finding))
        })
        .collect();
    let doubts: Vec<_> = audit
        .associations
        .iter()
        .flat_map(|judged| judged.doubts.iter().map(|doubt| doubt_json(judged, *doubt)))
        .collect();
    let object = json!({
        "time": audit.time.to_string(),
        "associations": audit.associations.len(),
        "at_risk": audit.count(Verdict::AtRisk),
        "not_proven": audit.count(Verdict::NotProven),
        "findings": findings,
        "doubts": doubts,
    });
    serde_json::to_writer(&mut *out, &object)?;
    out.write_all(b"\n")
}

fn association(out: &mut impl Write, judged: &Judged) -> io::Result<()> {
    let verdict = match judged.verdict() {
        Verdict::AtRisk => "at risk".to_owned(),
        Verdict::NotProven => "not proven".to_owned(),
        Verdict::Fine if judged.active_paths == 1 => "fine, 1 active path".to_owned(),
        Verdict::Fine => format!("fine, {} active paths", judged.active_paths),
    };
    writeln!(
        out,
        "association {} ({} > {}): {verdict}",
        judged.id, judged.local_port, judged.remote_port
    )?;
    for finding in &judged.findings {
        writeln!(
            out,
            "  {:<22} {}{}",
            finding.finding,
            object(finding),
            finding.reason
        )?;
        writeln!(out, "{INDENT}| {}", evidence(finding))?;
        writeln!(out, "{INDENT}> check {}", finding.next)?;
    }
    for doubt in &judged.doubts {
        writeln!(out, "  {:<22} {doubt}", "not proven")?;
    }
    Ok(())
}

/// What a finding is about, if it is not the whole association.
fn object(finding: &Finding) -> String {
    match (finding.local, finding.remote) {
        (Some(local), Some(remote)) => format!("path {local} > {remote}: "),
        (None, Some(remote)) => format!("remote address {remote}: "),
        (_, None) => String::new(),
    }
}

/// The figures on one line, and since when.
fn evidence(finding: &Finding) -> String {
    let figures = finding.evidence.iter().map(|(name, value)| {
        let value = match value {
            Value::Number(number) if number.is_f64() => number
                .as_f64()
                .map_or_else(String::new, |number| format!("{number:.1}")),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        match name.strip_suffix("_ms") {
            Some(name) => format!("{} {value} ms", name.replace('_', " ")),
            None => format!("{} {value}", name.replace('_', " ")),
        }
    });
    let incident = finding.incident.map(|incident| format!("incident {incident}"));
    let mut parts = vec![format!("since {}", finding.since)];
    parts.extend(figures.chain(incident));
    parts.join("; ")
}

fn finding_json(judged: &Judged, finding: &Finding) -> Value {
    let mut fields = reference(judged);
    for (name, address) in [("local", finding.local), ("remote", finding.remote)] {
        if let Some(address) = address {
            fields.insert(name.to_owned(), json!(address));
        }
    }
    fields.insert("finding".to_owned(), json!(finding.finding));
    fields.insert("incident".to_owned(), json!(finding.incident));
    fields.insert("since".to_owned(), json!(finding.since));
    fields.insert("reason".to_owned(), json!(finding.reason));
    fields.insert("evidence".to_owned(), json!(finding.evidence));
    fields.insert("next".to_owned(), json!(finding.next));
    fields.into()
}

fn doubt_json(judged: &Judged, doubt: Doubt) -> Value {
    let mut fields = reference(judged);
    if let Doubt::Unconfirmed(remote) = doubt {
        fields.insert("remote".to_owned(), json!(remote));
    }
    fields.insert("reason".to_owned(), doubt.to_string().into());
    fields.into()
}

fn reference(judged: &Judged) -> Map<String, Value> {
    [
        ("association", json!(judged.id)),
        ("local_port", json!(judged.local_port)),
        ("remote_port", json!(judged.remote_port)),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OneSided => f.write_str("only one direction of it is seen here"),
            Self::JustSeen => write!(f, "it was first seen in the last {} s", SETTLED.as_secs()),
            Self::Unconfirmed(remote) => write!(f, "no path to {remote} is confirmed yet"),
        }
    }
}

/// Below what a finding says.
const INDENT: &str = "                         ";
