//! The answer in words and tables.

use std::io::{self, Write};

use comfy_table::{Table, presets::NOTHING};
use sctp_monitor_engine::model::{
    AssociationView, IncidentView, PhaseView, Short, Side, Sides, Status as Opened, SteeringMode,
    words::{date_time, plural},
};

use super::{
    Document, FindingOf, PathOf, Question, Status,
    pick::{active, used, worst},
};
use crate::report::table;

/// Writes it.
pub(super) fn write(out: &mut impl Write, question: &Question<'_>, document: &Document) -> io::Result<()> {
    if let Some(status) = &document.status {
        write_status(out, document, status)?;
    }
    for missing in &document.not_watched {
        writeln!(out, "not watching {}: {}", missing.interface, missing.reason)?;
    }
    if let Some(associations) = &document.associations {
        if matches!(question, Question::Explain(..)) {
            for association in associations {
                explain(out, association, document)?;
            }
        } else {
            list_associations(out, associations, document)?;
        }
    }
    if let Some(paths) = &document.paths {
        list_paths(out, paths, document)?;
    }
    if let Some(findings) = &document.findings {
        list_findings(out, findings, document)?;
    }
    if let Some(incidents) = &document.incidents {
        list_incidents(out, incidents, document)?;
    }
    Ok(())
}

fn write_status(out: &mut impl Write, document: &Document, status: &Status) -> io::Result<()> {
    let since = document.since.map_or_else(String::new, |since| {
        let lasting = Short(document.time.since(since));
        format!(", since {} UTC ({lasting})", date_time(since))
    });
    writeln!(out, "agent {}{since}", document.agent)?;
    for watched in &status.interfaces {
        writeln!(
            out,
            "  watching {}: incoming packets by {}",
            watched.interface, watched.hook
        )?;
    }
    let paths: Vec<_> = status
        .paths
        .iter()
        .map(|(state, count)| format!("{count} {}", state.words()))
        .collect();
    let paths = if paths.is_empty() {
        "none".to_owned()
    } else {
        paths.join(", ")
    };
    writeln!(
        out,
        "{} established, {} ended; paths: {paths}",
        plural(status.established as u64, "association"),
        status.ended
    )?;
    if status.without_redundancy > 0 {
        writeln!(
            out,
            "{} with fewer than two active paths (`sctp-monitor associations`)",
            plural(status.without_redundancy as u64, "multihomed association")
        )?;
    }
    let flows = status.flows;
    writeln!(
        out,
        "{}; flow table: {} of {} slots used; agent late by at most {}",
        plural(status.findings as u64, "open finding"),
        flows.in_use,
        flows.slots,
        Short(status.lag.max)
    )
}

fn list_associations(
    out: &mut impl Write,
    associations: &[AssociationView],
    document: &Document,
) -> io::Result<()> {
    let mut table = table_of(&[
        "id",
        "local",
        "remote",
        "ports",
        "active paths",
        "worst path",
        "for",
        "findings",
    ]);
    for association in associations {
        let known = association.reference;
        let addresses = |side| {
            let all: Vec<_> = association
                .addresses(side)
                .iter()
                .map(|known| known.address.to_string())
                .collect();
            all.join(" ")
        };
        let worst = worst(association);
        let of_paths: usize = association.paths.iter().map(|path| path.findings.len()).sum();
        table.add_row([
            known.id.to_string(),
            addresses(Side::Local),
            addresses(Side::Remote),
            format!("{} > {}", known.local_port, known.remote_port),
            format!("{} of {}", active(association), used(association).count()),
            worst.map_or_else(String::new, |path| format!("{}: {}", path.id, path.state.words())),
            Short(document.time.since(association.since)).to_string(),
            (association.findings.len() + of_paths).to_string(),
        ]);
    }
    finish(
        out,
        &table,
        "no association is established, or none that was asked for",
    )
}

fn list_paths(out: &mut impl Write, paths: &[PathOf], document: &Document) -> io::Result<()> {
    let mut table = table_of(&[
        "association",
        "path",
        "state",
        "for",
        "HEARTBEAT RTT",
        "findings",
        "reason",
    ]);
    for PathOf { association, path } in paths {
        table.add_row([
            association.id.to_string(),
            path.id.to_string(),
            path.state.words().to_owned(),
            Short(document.time.since(path.since)).to_string(),
            table::heartbeat_rtt(path.forward.as_deref(), path.return_.as_deref()),
            path.findings.len().to_string(),
            path.reason.as_ref().map_or_else(String::new, ToString::to_string),
        ]);
    }
    finish(out, &table, "no path is known, or none that was asked for")
}

fn list_findings(out: &mut impl Write, findings: &[FindingOf], document: &Document) -> io::Result<()> {
    if findings.is_empty() {
        return writeln!(out, "no finding is open, or none that was asked for");
    }
    for FindingOf { association, finding } in findings {
        let whose = association.map_or_else(String::new, |known| format!("association {}: ", known.id));
        let sides = association.map_or_else(Sides::default, |known| known.sides);
        let open_for = Short(document.time.since(finding.since));
        writeln!(
            out,
            "for {open_for}: {whose}{}",
            finding.words(sides, Opened::Opened)
        )?;
    }
    Ok(())
}

fn list_incidents(out: &mut impl Write, incidents: &[IncidentView], document: &Document) -> io::Result<()> {
    if incidents.is_empty() {
        return writeln!(out, "no incident is open");
    }
    for incident in incidents {
        let open_for = Short(document.time.since(incident.since));
        writeln!(out, "{}, for {open_for}", incident.words(Opened::Updated))?;
    }
    Ok(())
}

/// All that is known of one.
fn explain(out: &mut impl Write, association: &AssociationView, document: &Document) -> io::Result<()> {
    let known = association.reference;
    if let PhaseView::Ended { at, end } = &association.phase {
        writeln!(
            out,
            "association {} ended at {} UTC: {}",
            known.id,
            date_time(*at),
            end.text
        )?;
    }
    table::draw_association(out, association, document.time)?;
    for path in used(association) {
        let since = date_time(path.since);
        let reason = path
            .reason
            .as_ref()
            .map_or_else(|| "no answer was seen yet".to_owned(), ToString::to_string);
        writeln!(
            out,
            "path {}: {} since {since} UTC: {reason}",
            path.id,
            path.state.words()
        )?;
        if let Some(steering) = path.steering.filter(|steering| steering.onto.is_some()) {
            let onto = steering.onto.map_or_else(String::new, |onto| onto.to_string());
            let as_well = if steering.mode == SteeringMode::Both {
                "as well "
            } else {
                ""
            };
            writeln!(
                out,
                "  its packets leave on path {onto} {as_well}({})",
                steering.mode
            )?;
        }
        if let Some(obstacle) = path.probes.as_ref().and_then(|probes| probes.obstacle) {
            writeln!(out, "  it is not probed: {obstacle}")?;
        }
    }
    let of_paths = association.paths.iter().flat_map(|path| &path.findings);
    for finding in association.findings.iter().chain(of_paths) {
        let open_for = Short(document.time.since(finding.since));
        writeln!(
            out,
            "for {open_for}: {}",
            finding.words(known.sides, Opened::Opened)
        )?;
    }
    Ok(())
}

fn table_of(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(NOTHING);
    table.set_header(header);
    table
}

fn finish(out: &mut impl Write, table: &Table, none: &str) -> io::Result<()> {
    if table.row_count() == 0 {
        return writeln!(out, "{none}");
    }
    writeln!(out, "{table}")
}
