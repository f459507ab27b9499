//! One association: its addresses and ports, findings, paths, plots and timeline.

use std::time::Duration;

use maud::{Markup, html};
use sctp_monitor_engine::model::{Direction, Ppid, Short, Side, Timestamp};

use super::{
    super::{
        conclusion::Conclusion,
        figures::wall,
        story::{Found, PathNumbers, Story},
    },
    matrix::matrix,
    plots,
    verdict::{Lasted, Verdict, in_short, object},
};
use crate::page::{
    state::shown,
    timeline::Timeline,
    words::{between, clean, date_time, how_known, length, list, plural, streams, tag},
};

/// How an association is shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look {
    /// Unfolded.
    pub(crate) is_open: bool,
    /// Paths of it that get plots.
    pub(crate) plots: usize,
}

/// An association's section.
pub(crate) fn section(story: &Story, look: Look, conclusion: &Conclusion<'_>, timeline: &Timeline) -> Markup {
    let known = &story.view.reference;
    let verdict = Verdict::of(story);
    let paths = story.path_table(&conclusion.analysis.ledger);
    let capture = capture_ns(conclusion);
    let extent = extent(story, &paths, capture);
    html! {
        details.association #{ "a" (known.id) } data-verdict=(verdict.class()) open[look.is_open] {
            summary {
                span.badge.(verdict.class()) { (verdict.sign()) " " (in_short(story)) }
                span.name { "Association " (known.id) }
                span.ends { (list(&story.local())) " : " (known.local_port) " \u{21c4} " (list(&story.remote())) " : " (known.remote_port) }
                (whereabouts(extent, capture))
            }
            (facts(story, &paths))
            (findings(story))
            h3 { "Paths" }
            p.quiet { "State at the end; figures are forward / return; forward is from "
                (known.sides.endpoint(Side::Local)) " to " (known.sides.endpoint(Side::Remote)) "." }
            (matrix(story, &paths, capture.1))
            (plotted(story, &paths, look.plots, extent, capture))
            h3 { "What happened" }
            (timeline.of_association(known.id.0))
        }
    }
}

/// When it was, within the capture.
fn whereabouts((from, to): (u64, u64), capture: (u64, u64)) -> Markup {
    let whole = (capture.1 - capture.0).max(1) as f64;
    let share = |nanos: u64| (nanos as f64 / whole * 1000.0).round() / 10.0;
    let (left, width) = (
        share(from.saturating_sub(capture.0)).min(99.0),
        share(to - from).clamp(1.0, 100.0),
    );
    html! {
        span.where title="when it was seen, within the capture" {
            i style={ "left:" (left) "%;width:" (width.min(100.0 - left)) "%" } {}
        }
    }
}

/// From the first to the last that is known of it.
fn extent(story: &Story, paths: &[PathNumbers<'_>], capture: (u64, u64)) -> (u64, u64) {
    let flows = || paths.iter().flat_map(|path| path.flows.iter().flatten());
    let began = story.view.since.as_nanos();
    let from = flows()
        .map(|entry| entry.first_ns)
        .min()
        .unwrap_or(began)
        .min(began);
    let ended = story.end().map(|(at, _)| at.as_nanos());
    let closed = story
        .found
        .iter()
        .filter_map(|finding| finding.until)
        .map(Timestamp::as_nanos);
    let last = flows().map(|entry| entry.last_ns);
    let to = last.chain(ended).chain(closed).max().unwrap_or(from);
    let within = |at: u64| at.clamp(capture.0, capture.1);
    (within(from), within(to.max(from)))
}

pub(crate) fn capture_ns(conclusion: &Conclusion<'_>) -> (u64, u64) {
    let seen = conclusion.seen();
    let first = seen.first_ns.unwrap_or(seen.last_ns);
    (first, seen.last_ns.max(first))
}

fn facts(story: &Story, paths: &[PathNumbers<'_>]) -> Markup {
    let known = &story.view.reference;
    let mut payloads: Vec<_> = paths
        .iter()
        .flat_map(|path| path.flows.iter().flatten())
        .filter_map(|entry| entry.ppid.filter(|ppid| *ppid > 0))
        .collect();
    payloads.sort_unstable();
    payloads.dedup();
    html! {
        dl.facts {
            dt { (known.sides.label(Side::Local)) }
            dd { (list(&story.local())) ", port " (known.local_port) ", tag " (tag(known.local_tag)) }
            dt { (known.sides.label(Side::Remote)) }
            dd { (list(&story.remote())) ", port " (known.remote_port) ", tag " (tag(known.remote_tag)) }
            dt { "began" }
            dd {
                (date_time(story.view.since)) " UTC (" (how_known(story.view.origin)) ")"
                @if let Some(before) = story.view.restarts {
                    "; restarts " a href={ "#a" (before) } { "association " (before) }
                }
            }
            dt { "ended" }
            dd {
                @match story.end() {
                    Some((at, end)) => {
                        (date_time(at)) " UTC, after " (length(between(story.view.since, at))) ": " (clean(&end.text))
                    }
                    None => "not within the capture"
                }
            }
            @for (name, direction) in [("DATA forward", Direction::Forward), ("DATA return", Direction::Return)] {
                @if let Some(path) = story.view.primary(direction) {
                    dt { (name) } dd { "on " (path) " at the end" }
                }
            }
            @if !payloads.is_empty() {
                dt { "payload" } dd { (payloads.iter().map(|ppid| Ppid(*ppid).to_string()).collect::<Vec<_>>().join(", ")) }
            }
            @if let Some(times) = story.view.handshake_times.words() {
                dt { "handshake" } dd { (times) }
            }
            @if let Some(offers) = &story.view.offers {
                dt { "streams" } dd { (streams(offers)) }
            }
            @if story.view.one_sided {
                dt { "seen" } dd { "only in one direction" }
            }
        }
    }
}

/// What was found of the association.
fn findings(story: &Story) -> Markup {
    let lasted = |found| (found, Lasted::of(found, story));
    let found: Vec<_> = story.found.iter().map(lasted).collect();
    html! {
        @if !found.is_empty() {
            h3 { "What was found" }
            (cards(&found))
        }
    }
}

/// A card for each finding, those of the end first.
pub(crate) fn cards(found: &[(&Found, Lasted)]) -> Markup {
    let mut sorted = found.to_vec();
    sorted.sort_by_key(|(found, _)| (found.until.is_some(), found.finding.evidence.kind().is_weakness()));
    html! {
        @for (found, lasted) in sorted.iter().take(MOST_FINDINGS) { (card(found, *lasted)) }
        @if sorted.len() > MOST_FINDINGS {
            p.left-out { "and " (plural((sorted.len() - MOST_FINDINGS) as u64, "finding")) " more" }
        }
    }
}

fn card(found: &Found, lasted: Lasted) -> Markup {
    let finding = &found.finding;
    let (class, mark) = match (lasted, finding.evidence.kind().is_weakness()) {
        (Lasted::Over, _) => ("over", "\u{2713} over"),
        (_, true) => ("weak", "\u{25cb} risk"),
        (Lasted::ToItsEnd, false) => ("doubt", "\u{25d0} until the association ended"),
        (Lasted::ToTheEnd, false) => ("alarm", "\u{25b2} to the end"),
    };
    html! {
        div.finding.(class) data-finding=(finding.evidence.name()) {
            p.what {
                span.badge.(class) { (mark) } " "
                b { (finding.evidence.kind().to_string()) } ", " (object(found))
            }
            p { (clean(&finding.text)) }
            p.quiet {
                (date_time(finding.since)) " UTC "
                @match found.until {
                    Some(until) => { "to " (date_time(until)) " (" (Short(between(finding.since, until))) ")" }
                    None => "to the end"
                }
            }
            p.next { b { "Check: " } (clean(&finding.check)) }
        }
    }
}

/// Paths that packets crossed, each with its plots; the busiest, if not all.
fn plotted(
    story: &Story,
    paths: &[PathNumbers<'_>],
    most: usize,
    extent: (u64, u64),
    capture: (u64, u64),
) -> Markup {
    let mut used: Vec<_> = paths
        .iter()
        .filter(|path| path.flows.iter().any(Option::is_some))
        .collect();
    let count = used.len();
    if count > most {
        used.sort_by_key(|path| std::cmp::Reverse(bytes(path)));
        used.truncate(most);
        used.sort_by_key(|path| path.id);
    }
    let is_short = (extent.1 - extent.0) < (capture.1 - capture.0) / SHORT;
    let shown_ns = if is_short { extent } else { capture };
    let scale = plots::scale(&used, shown_ns);
    html! {
        @if !used.is_empty() {
            h3 { "Over time" }
            p.quiet {
                @if is_short {
                    "Times are in UTC. The association was seen in a small part of the capture; the plots show only that part, "
                    (length(Duration::from_nanos(extent.1 - extent.0))) ", from " (date_time(wall(extent.0))) " on."
                } @else {
                    "Times are in UTC. All plots show the whole capture, from " (date_time(wall(capture.0))) " on."
                }
            }
            p.legend {
                span.key."forward" {} "forward " span.key."return" {} "return "
                span.key.again { "\u{25be}" } "DATA retransmitted " span.key.shade {} "a finding "
                span.quiet { "and the path's state below each plot" }
            }
            @for path in &used {
                section.path {
                    @let (class, sign, name) = shown(path.view.map(|known| known.state));
                    h4 { (path.id) " " span.state.(class) { (sign) " " (name) } }
                    (plots::of_path(path, story, &scale, capture.1))
                }
            }
        }
        @if count > used.len() {
            p.left-out {
                (plural((count - used.len()) as u64, "path")) " without plots, to limit the size of the page. "
                code { "--assoc " (story.id()) } " shows more plots."
            }
        }
    }
}

pub(crate) fn bytes(path: &PathNumbers<'_>) -> u64 {
    path.flows.iter().flatten().map(|entry| entry.bytes).sum()
}

/// Findings of one association that are shown.
const MOST_FINDINGS: usize = 50;
/// An association that takes less than this part of the capture would be a dash on the capture's time axis.
const SHORT: u64 = 10;
