//! One association: its paths, what is wrong, how it went, what happened.

use maud::{Markup, html};
use sctp_monitor_engine::model::{AssociationView, Direction, PhaseView, Ppid, Side, Timestamp};

use super::{Past, cards, matrix::matrix, moment, past::findings, state_line};
use crate::{
    page::{
        plots::{Drawn, Scale, plots},
        series::Series,
        span::Span,
        state::shown,
        words::{clean, date_time, how_known, list, streams, tag},
    },
    show::{active, used, worst},
};

/// Until when there is something to say of it: its end, or now.
pub(crate) fn until(known: &AssociationView, now: Timestamp) -> Timestamp {
    match &known.phase {
        PhaseView::Ended { at, .. } => *at,
        _ => now,
    }
}

/// The page about an association.
pub(crate) fn association(
    known: &AssociationView,
    past: &Past,
    now: Timestamp,
    minutes: Option<u32>,
) -> Markup {
    let now = until(known, now);
    html! {
        h1 { "Association " (known.reference.id) ": " (in_short(known)) }
        (body(known, past, now))
        nav.spans aria-label="Time shown" {
            "Time shown: "
            @for (choice, name) in CHOICES {
                @if choice == minutes.unwrap_or(MINUTES) { b aria-current="true" { (name) } } @else { a href={ "?minutes=" (choice) } { (name) } }
                " "
            }
        }
    }
}

/// The same as a part of a page with others.
pub(crate) fn section(known: &AssociationView, past: &Past, now: Timestamp, is_open: bool) -> Markup {
    let worst = worst(known);
    let (class, _, _) = shown(worst.map(|path| path.state));
    let verdict = if findings(known).is_empty() {
        "over"
    } else {
        "alarm"
    };
    html! {
        details.association #{ "a" (known.reference.id) } data-verdict=(verdict) open[is_open] {
            summary {
                span.badge.(class) { @if let Some(path) = worst { (state_line(path.state)) } " " (in_short(known)) }
                span.name { "Association " (known.reference.id) }
                span.ends { (ends(known)) }
            }
            (body(known, past, now))
        }
    }
}

fn in_short(known: &AssociationView) -> String {
    match &known.phase {
        PhaseView::Ended { at, .. } => format!("ended {} UTC", date_time(*at)),
        _ => format!("{} of {} paths active", active(known), used(known).count()),
    }
}

fn addresses(known: &AssociationView, side: Side) -> String {
    let all: Vec<_> = known.addresses(side).iter().map(|known| known.address).collect();
    list(&all)
}

fn ends(known: &AssociationView) -> String {
    let reference = known.reference;
    format!(
        "{} : {} \u{21c4} {} : {}",
        addresses(known, Side::Local),
        reference.local_port,
        addresses(known, Side::Remote),
        reference.remote_port
    )
}

fn body(known: &AssociationView, past: &Past, now: Timestamp) -> Markup {
    let open = findings(known);
    let over = past.over(known.reference.id);
    let is_over = matches!(known.phase, PhaseView::Ended { .. });
    html! {
        @if let PhaseView::Ended { at, end } = &known.phase {
            p.finding.note { b { "It ended " (moment(*at)) ": " } (clean(&end.text)) }
        }
        @for finding in &open { (cards::finding(finding, now, None)) }
        h2 { @if is_over { "Paths at its end" } @else { "Paths" } }
        p.quiet { "Figures are forward / return; forward is from " (known.reference.sides.endpoint(Side::Local)) " to "
            (known.reference.sides.endpoint(Side::Remote)) "." }
        (matrix(known, now))
        (plotted(known, past, now))
        h2 { "What happened" }
        p.quiet { "Since " (moment(past.begin())) "; what was before is not shown, or not kept." }
        (past.timeline.of_association(known.reference.id.0))
        @if !over.is_empty() {
            h2 { "Findings that are over" }
            @for (finding, until) in over.iter().take(MOST_OVER) { (cards::finding(finding, now, Some(*until))) }
        }
        h2 { "Endpoints" }
        (facts(known))
    }
}

fn plotted(known: &AssociationView, past: &Past, now: Timestamp) -> Markup {
    let id = known.reference.id;
    let paths: Vec<_> = used(known).take(MOST_PLOTTED).collect();
    let series: Vec<Option<[Series; 2]>> = paths.iter().map(|path| past.series(id, path.id)).collect();
    let extent = (past.since.as_nanos(), now.as_nanos());
    let scale = Scale::new(series.iter().flatten().flatten(), extent);
    html! {
        @if !paths.is_empty() {
            h2 { "Over time" }
            p.legend {
                span.key."forward" {} "forward " span.key."return" {} "return "
                span.key.again { "\u{25be}" } "DATA retransmitted " span.key.shade {} "a finding "
                span.quiet { "and the path's state below each plot" }
            }
            @for (path, series) in paths.iter().zip(&series) {
                @let (class, _, _) = shown(Some(path.state));
                @let (spans, shades) = (past.spans(known, path.id, now), past.shades(known, path.id));
                @let flows = series.as_ref().map_or([None, None], |[forward, back]| [Some(forward), Some(back)]);
                section.path {
                    h3 { (path.id) " " span.badge.(class) { (state_line(path.state)) } }
                    (plots(&Drawn { flows, spans: &spans, shades: &shades, unknown: unknown(known, past, &spans), without_heartbeats: "no answer to a HEARTBEAT seen" }, &scale))
                }
            }
            @if used(known).count() > paths.len() {
                p.left-out { (used(known).count() - paths.len()) " more paths without plots." }
            }
        }
    }
}

/// When its states are not known though it was there.
fn unknown(known: &AssociationView, past: &Past, spans: &[Span<'_>]) -> Option<(u64, u64)> {
    let from = known.since.max(past.since).as_nanos();
    let to = spans.first()?.from_ns;
    (from < to).then_some((from, to))
}

fn facts(known: &AssociationView) -> Markup {
    let reference = known.reference;
    let sides = reference.sides;
    let mut payloads: Vec<_> = used(known)
        .flat_map(|path| Direction::BOTH.map(|direction| path.flow(direction)))
        .flatten()
        .filter(|flow| flow.data_chunks > 0 && flow.ppid > 0)
        .map(|flow| Ppid(flow.ppid).to_string())
        .collect();
    payloads.sort_unstable();
    payloads.dedup();
    html! {
        dl.facts {
            dt { (sides.label(Side::Local)) }
            dd { (addresses(known, Side::Local)) ", port " (reference.local_port) ", tag " (tag(reference.local_tag)) }
            dt { (sides.label(Side::Remote)) }
            dd { (addresses(known, Side::Remote)) ", port " (reference.remote_port) ", tag " (tag(reference.remote_tag)) }
            dt { "began" } dd { (moment(known.since)) " (" (how_known(known.origin)) ")" }
            @if !payloads.is_empty() { dt { "payload" } dd { (payloads.join(", ")) } }
            @if let Some(times) = known.handshake_times.words() { dt { "handshake" } dd { (times) } }
            @if let Some(offers) = &known.offers { dt { "streams" } dd { (streams(offers)) } }
            @if known.one_sided { dt { "seen" } dd { "only in one direction" } }
            @if known.more_unused_paths > 0 { dt { "other address pairs" } dd { (known.more_unused_paths) ", no packets yet" } }
        }
    }
}

/// How long it takes to go back, in words, by minutes.
const CHOICES: [(u32, &str); 4] = [
    (15, "15 minutes"),
    (60, "1 hour"),
    (360, "6 hours"),
    (1_440, "1 day"),
];
/// Shown unless something else is asked for.
pub(crate) const MINUTES: u32 = 15;
/// Each is some ten kilobytes.
const MOST_PLOTTED: usize = 16;
const MOST_OVER: usize = 20;
