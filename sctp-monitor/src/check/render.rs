//! Shows a report: lines for people, one JSON object for programs.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::{
    assess::{NicReport, Report},
    facts::Facts,
    finding::{Finding, Level},
    predict::{Attached, Prediction},
};
use crate::kernel::Hook;

/// For people: a paragraph for the host and for each NIC, problems and limitations with what to do, and the verdict.
pub(super) fn table(mut out: impl Write, report: &Report) -> io::Result<()> {
    writeln!(out, "this host")?;
    for finding in &report.host {
        line(&mut out, finding)?;
    }
    for nic in &report.nics {
        writeln!(out, "\n{}", nic.name)?;
        line(&mut out, &prediction(nic))?;
        for finding in &nic.findings {
            line(&mut out, finding)?;
        }
    }
    writeln!(out, "\n{}", verdict(report))?;
    out.flush()
}

/// For programs: one object on one line.
pub(super) fn json(mut out: impl Write, report: &Report, facts: &Facts) -> io::Result<()> {
    let interfaces: Vec<_> = report
        .nics
        .iter()
        .zip(&facts.nics)
        .map(|(nic, found)| {
            json!({
                "interface": nic.name,
                "prediction": prediction_json(&nic.prediction),
                "findings": nic.findings,
                "facts": found.facts,
            })
        })
        .collect();
    let object = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "ok": report.works(),
        "verdict": verdict(report),
        "host": { "findings": report.host, "facts": facts.host },
        "interfaces": interfaces,
    });
    serde_json::to_writer(&mut out, &object)?;
    out.write_all(b"\n")?;
    out.flush()
}

/// The whole in a sentence.
pub(super) fn verdict(report: &Report) -> String {
    let names = |works: bool| {
        let nics = report.nics.iter().filter(|nic| nic.prediction.works() == works);
        nics.map(|nic| nic.name.as_str()).collect::<Vec<_>>().join(", ")
    };
    let (works, fails) = (names(true), names(false));
    match (works.is_empty(), fails.is_empty()) {
        (_, true) if !report.works() => "run would not work here".to_owned(),
        (true, true) => "run would work here".to_owned(),
        (false, true) => format!("run would work on {works}"),
        (true, false) => format!("run would not work on {fails}"),
        (false, false) => format!("run would not work on {fails}; it would on {works}"),
    }
}

fn prediction(nic: &NicReport) -> Finding {
    match &nic.prediction {
        Prediction::Watched(attached) => {
            let level = if attached.hook == Hook::XdpNative {
                Level::Ok
            } else {
                Level::Limitation
            };
            let finding = Finding::new(level, "run", words(attached));
            match &attached.advice {
                Some(advice) => finding.advise(advice),
                None => finding,
            }
        }
        Prediction::Refused {
            why,
            advice,
            otherwise,
        } => {
            let then = otherwise
                .as_ref()
                .map(|attached| format!(". Without this problem: {}", words(attached)))
                .unwrap_or_default();
            Finding::new(Level::Problem, "run", format!("would fail: {why}{then}")).advise(advice)
        }
    }
}

fn words(attached: &Attached) -> String {
    let Attached {
        hook,
        certain,
        why,
        egress,
        ..
    } = attached;
    let probably = if *certain { "" } else { "probably " };
    format!("{probably}{hook} ({why}); outgoing packets by {}", egress.name())
}

fn prediction_json(prediction: &Prediction) -> Value {
    let attached = |attached: &Attached| {
        json!({
            "hook": attached.hook.to_string(),
            "certain": attached.certain,
            "reason": attached.why,
            "advice": attached.advice,
            "egress": attached.egress.name(),
        })
    };
    match prediction {
        Prediction::Watched(how) => json!({ "outcome": "watched", "attached": attached(how) }),
        Prediction::Refused {
            why,
            advice,
            otherwise,
        } => json!({
            "outcome": "refused",
            "problem": why,
            "advice": advice,
            "otherwise": otherwise.as_ref().map(attached),
        }),
    }
}

fn line(out: &mut impl Write, finding: &Finding) -> io::Result<()> {
    let Finding {
        level,
        topic,
        says,
        advice,
        detail,
    } = finding;
    writeln!(out, "  {level:<10}  {:<12}  {says}", topic.replace('_', " "))?;
    if let Some(advice) = advice {
        writeln!(out, "{INDENT}> {advice}")?;
    }
    for line in detail {
        writeln!(out, "{INDENT}| {line}")?;
    }
    Ok(())
}

/// Below what a finding says.
const INDENT: &str = "                            ";
