//! What is wrong, a card each: incidents and findings, with their evidence and what to check.

use maud::{Markup, html};
use sctp_monitor_engine::model::{Finding, IncidentView, Object, Severity, Short, Timestamp};

use super::moment;
use crate::page::words::{clean, plural};

/// An incident that is open.
pub(super) fn incident(view: &IncidentView, now: Timestamp) -> Markup {
    let (class, mark) = severity(view.severity);
    html! {
        article.finding.(class) data-incident=(view.id) {
            p.what {
                span.badge.(class) { (mark) } " "
                b { "Incident " (view.id) ": " (view.finding) ", " (clean(&view.scope.to_string())) }
            }
            p { (clean(&view.reason)) }
            p.quiet {
                "since " (moment(view.since)) " (" (Short(now.since(view.since))) "); "
                (plural(view.members as u64, "finding")) " of " (plural(view.associations as u64, "association"))
            }
            p.next { b { "Check: " } (clean(&view.next)) }
        }
    }
}

/// A finding; `until` says when it was over.
pub(super) fn finding(finding: &Finding, now: Timestamp, until: Option<Timestamp>) -> Markup {
    let (class, mark) = match until {
        Some(_) => ("over", "\u{2713} over"),
        None => severity(finding.severity),
    };
    let figures = figures(finding);
    html! {
        article.finding.(class) data-finding=(finding.evidence.name()) {
            p.what {
                span.badge.(class) { (mark) } " "
                b { (finding.evidence.kind()) } ", " (object(finding))
            }
            p { (clean(&finding.text)) }
            p.quiet {
                "since " (moment(finding.since))
                @match until {
                    Some(until) => { ", until " (moment(until)) " (" (Short(until.since(finding.since))) ")" }
                    None => { " (" (Short(now.since(finding.since))) ")" }
                }
            }
            p.next { b { "Check: " } (clean(&finding.check)) }
            @if !figures.is_empty() {
                details {
                    summary { "Evidence" }
                    dl.facts { @for (name, figure) in figures { dt { (name) } dd { (figure) } } }
                }
            }
        }
    }
}

/// The figures of the evidence, named as in the JSON.
fn figures(finding: &Finding) -> Vec<(String, String)> {
    let json = serde_json::to_value(&finding.evidence).unwrap_or_default();
    let Some(evidence) = json.get("evidence").and_then(|evidence| evidence.as_object()) else {
        return Vec::new();
    };
    let figure = |value: &serde_json::Value| match value {
        serde_json::Value::String(text) => clean(text),
        other => clean(&other.to_string()),
    };
    evidence
        .iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| (clean(name), figure(value)))
        .collect()
}

/// What it is about.
fn object(finding: &Finding) -> String {
    match finding.object {
        Object::Association => "the association".to_owned(),
        Object::Local(address) | Object::Remote(address) => address.to_string(),
        Object::Path(path) => path.to_string(),
    }
}

/// Class, and sign and word.
pub(super) fn severity(severity: Severity) -> (&'static str, &'static str) {
    match severity {
        Severity::Critical => ("alarm", "\u{25b2} critical"),
        Severity::Warning => ("doubt", "\u{25d0} warning"),
        Severity::Info => ("note", "\u{2022} info"),
    }
}
