//! What is wrong, then all associations, the worst first, then what has happened.

use std::cmp::Reverse;

use maud::{Markup, html};
use sctp_monitor_engine::model::{AddressView, AssociationView, Direction, PathView, Short, Timestamp};

use super::{Past, association::section, cards, state_line};
use crate::{
    page::{
        state::shown,
        words::{clean, plural},
    },
    report::Summary,
    show::{active, rank, used, worst},
};

/// What is asked for.
#[derive(Debug, Default, Clone)]
pub(crate) struct Asked {
    /// Words that each association shown must have.
    pub(crate) words: String,
}

/// The overview.
pub(crate) fn overview(summary: &Summary, asked: &Asked, past: &Past) -> Markup {
    html! {
        h1 { (heading(summary)) }
        (blind(summary))
        (wrong(summary))
        (associations(summary, asked, |known| format!("/associations/{}", known.reference.id)))
        section #timeline {
            h2 { "What happened" }
            (past.timeline.of_all())
        }
    }
}

/// The overview and each association, as parts of one page.
pub(crate) fn report(summary: &Summary, past: &Past) -> Markup {
    let now = summary.snapshot.time;
    let all = matching(summary, "");
    html! {
        p.quiet { (heading(summary)) }
        (blind(summary))
        (wrong(summary))
        (past.incidents.over())
        section #associations {
            h2 { (plural(all.len() as u64, "association")) }
            @if all.len() > FEW {
                // Only a script can filter.
                form #filter hidden {
                    label { "Show those with " input #words type="search" placeholder="address, port, number" size="32"; }
                    label { input #wrong type="checkbox"; " only those that are not well" }
                    output #shown {}
                }
            }
            @for (place, known) in all.iter().take(MOST).enumerate() { (section(known, past, now, place < FEW)) }
            @if all.len() > MOST { p.left-out { (all.len() - MOST) " more, less bad than these." } }
        }
        section #timeline { h2 { "What happened" } (past.timeline.of_all()) }
    }
}

/// How many there are, in a line.
pub(super) fn heading(summary: &Summary) -> String {
    let up = || summary.snapshot.associations.iter().filter(|known| known.is_up());
    let works: usize = up().map(active).sum();
    let paths: usize = up().map(|known| used(known).count()).sum();
    format!(
        "{}, {works} of {} active",
        plural(up().count() as u64, "association"),
        plural(paths as u64, "path")
    )
}

/// What is not seen at all.
pub(super) fn blind(summary: &Summary) -> Markup {
    html! {
        @for nic in &summary.not_watched {
            p.finding.alarm { b { "\u{25b2} Not watching " (clean(&nic.interface)) ": " } (clean(&nic.reason)) }
        }
    }
}

/// Incidents, and findings that are of no association.
pub(super) fn wrong(summary: &Summary) -> Markup {
    let snapshot = &summary.snapshot;
    let mut incidents: Vec<_> = snapshot.incidents.iter().collect();
    incidents.sort_by_key(|incident| (Reverse(incident.severity), incident.id));
    html! {
        section #incidents aria-live="polite" {
            h2 { @if incidents.is_empty() { "No incident is open" } @else { (plural(incidents.len() as u64, "open incident")) } }
            @for incident in incidents.iter().take(MOST_INCIDENTS) { (cards::incident(incident, snapshot.time)) }
            @if incidents.len() > MOST_INCIDENTS {
                p.left-out { (incidents.len() - MOST_INCIDENTS) " more" }
            }
            @for finding in &snapshot.findings { (cards::finding(finding, snapshot.time, None)) }
        }
    }
}

/// The table of associations.
fn associations(summary: &Summary, asked: &Asked, place: impl Fn(&AssociationView) -> String) -> Markup {
    let all = matching(summary, &asked.words);
    let now = summary.snapshot.time;
    html! {
        section #associations {
            h2 { "Associations" }
            @if !asked.words.trim().is_empty() {
                p #asked { "Only those with \u{201c}" (clean(&asked.words)) "\u{201d}: " (all.len()) ". " a href="/" { "Show all" } }
            }
            @if all.is_empty() {
                p.quiet { "No association is established, or none that was asked for." }
            } @else {
                div.wide tabindex="0" role="region" aria-label="Associations" {
                    table.list #list {
                        thead { tr { @for name in COLUMNS { th scope="col" { (name) } } } }
                        tbody { @for known in all.iter().take(MOST) { (row(known, now, &place(known))) } }
                    }
                }
                @if all.len() > MOST {
                    p.left-out { (all.len() - MOST) " more, less bad than these; search for them above." }
                }
            }
        }
    }
}

fn row(association: &AssociationView, now: Timestamp, place: &str) -> Markup {
    let known = association.reference;
    let worst = worst(association);
    let (class, _, _) = shown(worst.map(|path| path.state));
    let kinds = kinds(association);
    html! {
        tr data-association=(known.id) {
            th scope="row" { a href=(place) { (known.id) } }
            td { (ends(&association.local_addresses)) }
            td { (ends(&association.remote_addresses)) }
            td { (known.local_port) " \u{2192} " (known.remote_port) }
            td { (active(association)) " of " (used(association).count()) }
            td { @if let Some(path) = worst { span.badge.(class) { (state_line(path.state)) } } }
            td { @if let Some(path) = worst { (rtt(path)) } }
            td { (kinds) }
            td { (Short(now.since(association.since))) }
        }
    }
}

/// The kinds of what is wrong with it, the worst first.
fn kinds(association: &AssociationView) -> String {
    let mut kinds: Vec<_> = super::past::findings(association)
        .iter()
        .map(|finding| finding.evidence.kind().to_string())
        .collect();
    kinds.dedup();
    kinds.join(", ")
}

fn ends(addresses: &[AddressView]) -> String {
    let all: Vec<_> = addresses.iter().map(|known| known.address.to_string()).collect();
    all.join(" ")
}

fn rtt(path: &PathView) -> String {
    let mut flows = Direction::BOTH
        .into_iter()
        .filter_map(|direction| path.flow(direction));
    let rtt = flows.find_map(|flow| flow.heartbeat_rtt);
    rtt.map_or_else(String::new, |rtt| Short(rtt.srtt).to_string())
}

/// The established associations that have all of the words, the worst first.
fn matching<'a>(summary: &'a Summary, words: &str) -> Vec<&'a AssociationView> {
    let words: Vec<_> = words.split_whitespace().map(str::to_lowercase).collect();
    let up = summary.snapshot.associations.iter().filter(|known| known.is_up());
    let mut all: Vec<_> = up
        .filter(|known| {
            words.is_empty() || {
                let text = text(known);
                words.iter().all(|word| text.contains(word))
            }
        })
        .collect();
    all.sort_by_key(|known| (rank(known), known.reference.id));
    all
}

/// What a search looks at.
fn text(association: &AssociationView) -> String {
    let known = association.reference;
    let states: Vec<_> = used(association).map(|path| shown(Some(path.state)).2).collect();
    format!(
        "{} {} {} {} {} {} {}",
        known.id,
        known.local_port,
        known.remote_port,
        ends(&association.local_addresses),
        ends(&association.remote_addresses),
        states.join(" "),
        kinds(association)
    )
    .to_lowercase()
}

const COLUMNS: [&str; 9] = [
    "id",
    "local",
    "remote",
    "ports",
    "active paths",
    "worst path",
    "HEARTBEAT RTT",
    "findings",
    "for",
];

/// Of so many associations all are unfolded, of more the worst.
const FEW: usize = 4;
/// Rows of the table: more can be searched for.
const MOST: usize = 500;
const MOST_INCIDENTS: usize = 50;
