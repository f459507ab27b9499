//! The path matrix: addresses of the local endpoint down, of the remote one across, a path in each cell.

use std::{net::IpAddr, time::Duration};

use maud::{Markup, html};
use sctp_monitor_common::wire::ChunkKind;
use sctp_monitor_engine::model::{Direction, PathId, PathState, Short, Side};

use super::{
    super::{
        entry::Entry,
        figures::Rtts,
        story::{PathNumbers, Story},
    },
    spans,
};
use crate::page::{
    span::Span,
    state::shown,
    words::{clean, length},
};

/// The table.
pub(crate) fn matrix(story: &Story, paths: &[PathNumbers<'_>], end_ns: u64) -> Markup {
    let local = listed(&story.local(), paths.iter().map(|path| path.id.local));
    let remote = listed(&story.remote(), paths.iter().map(|path| path.id.remote));
    let left_out = local.len().saturating_sub(MOST_ADDRESSES) + remote.len().saturating_sub(MOST_ADDRESSES);
    let sides = story.view.reference.sides;
    let [down, across] = [Side::Local, Side::Remote].map(|side| sides.label(side));
    let columns = &remote[..remote.len().min(MOST_ADDRESSES)];
    html! {
        div.wide {
            table.matrix {
                thead {
                    tr {
                        th.corner scope="col" { (down) " \u{2193}  " (across) " \u{2192}" }
                        @for address in columns { th scope="col" { (address) } }
                    }
                }
                tbody {
                    @for from in local.iter().take(MOST_ADDRESSES) {
                        tr {
                            th scope="row" { (from) }
                            @for to in columns {
                                (cell(story, PathId { local: *from, remote: *to }, paths, end_ns))
                            }
                        }
                    }
                }
            }
        }
        @if left_out > 0 {
            p.left-out { (left_out) " more addresses are not shown; " code { "--format json" } " lists all paths." }
        }
    }
}

/// Those that the endpoint named, and then those that were only seen.
fn listed(named: &[IpAddr], seen: impl Iterator<Item = IpAddr>) -> Vec<IpAddr> {
    let mut all = named.to_vec();
    for address in seen {
        if !all.contains(&address) {
            all.push(address);
        }
    }
    all
}

fn cell(story: &Story, id: PathId, paths: &[PathNumbers<'_>], end_ns: u64) -> Markup {
    let path = paths.iter().find(|path| path.id == id);
    let Some(path) = path else {
        let why = if id.local.is_ipv4() == id.remote.is_ipv4() {
            "no packets"
        } else {
            "IPv4 and IPv6: no path"
        };
        return html! { td.none data-state="none" { (why) } };
    };
    let state = path.view.map(|known| known.state);
    let (class, sign, name) = shown(state);
    html! {
        td class=(class) data-state=(class) data-path={ (id.local) ">" (id.remote) } {
            p.state { span.sign { (sign) } " " (name) }
            @for direction in Direction::BOTH {
                @if story.view.primary(direction) == Some(id) {
                    span.primary title="new DATA took this path at the end" { "DATA " (direction) }
                }
            }
            dl { (rows(path, !story.view.one_sided)) }
            @if let Some(known) = path.view {
                (troubles(&spans::of_path(id, story, end_ns)))
                @if let (Some(reason), true) = (&known.reason, known.state != PathState::Active) {
                    p.quiet { (clean(&reason.to_string())) }
                }
            }
        }
    }
}

fn rows(path: &PathNumbers<'_>, answers_seen: bool) -> Markup {
    let [forward, back] = Direction::BOTH.map(|direction| path.flow(direction));
    let both = |of: &dyn Fn(&Entry) -> String| {
        let one = |entry: Option<&Entry>| entry.map_or_else(|| "\u{2013}".to_owned(), of);
        format!("{} / {}", one(forward), one(back))
    };
    let has_data = [forward, back]
        .into_iter()
        .flatten()
        .any(|entry| entry.data_chunks() > 0);
    let is_silent = forward.is_none() && back.is_none();
    html! {
        @if is_silent {
            dt { "packets" } dd { "none" }
        } @else {
            @if let Some(rtt) = heartbeat_rtt(forward, back) {
                dt title="median (shortest to longest)" { "HEARTBEAT RTT" } dd { (rtt) }
            }
            @if let Some(time) = data_to_sack(forward, back) {
                dt title="smoothed; with the peer's delay of SACKs" { "DATA to SACK" } dd { (time) }
            }
            dt { "packets" } dd { (both(&|entry| entry.packets_once().to_string())) }
            @if has_data {
                dt { "DATA" } dd { (both(&|entry| entry.data_chunks_once().to_string())) }
                dt { "retransmitted" } dd { (both(&|entry| entry.data_retransmissions.to_string())) }
                dt { "lost" }
                dd {
                    (both(&|entry| entry.loss().map_or_else(|| "\u{2013}".to_owned(), |loss| format!("{:.1} %", loss * 100.0))))
                }
            }
            @for (entry, what) in [(forward, "HB forward"), (back, "HB return")] {
                @if let Some(entry) = entry.filter(|entry| entry.count_once(ChunkKind::Heartbeat) > 0) {
                    dt title="HEARTBEATs answered" { (what) }
                    dd {
                        @if answers_seen { (entry.heartbeats_answered) " of " } @else { "? of " }
                        (entry.count_once(ChunkKind::Heartbeat)) " answered"
                        @if entry.answered_elsewhere > 0 {
                            ", " (entry.answered_elsewhere) " by another path"
                        }
                    }
                }
            }
        }
    }
}

/// Of the heartbeats of either side.
fn heartbeat_rtt(forward: Option<&Entry>, back: Option<&Entry>) -> Option<String> {
    let entries = || [forward, back].into_iter().flatten();
    let rtts = entries().find_map(|entry| Rtts::of(&entry.heartbeat_rtts_once()))?;
    Some(match rtts.count {
        1 => Short(rtts.median).to_string(),
        _ => format!(
            "{} ({} to {})",
            Short(rtts.median),
            Short(rtts.min),
            Short(rtts.max)
        ),
    })
}

/// Of the first side that sends DATA: with the delay of the peer's SACKs, which is no part of a round trip.
fn data_to_sack(forward: Option<&Entry>, back: Option<&Entry>) -> Option<String> {
    let srtt = [forward, back]
        .into_iter()
        .flatten()
        .find_map(Entry::data_to_sack)?;
    Some(Short(srtt).to_string())
}

/// How often the path was in a bad state, and how long.
fn troubles(spans: &[Span<'_>]) -> Markup {
    let of = |state: PathState| {
        let lengths = || {
            spans
                .iter()
                .filter(|span| span.state == state)
                .map(|span| span.to_ns - span.from_ns)
        };
        (lengths().count(), Duration::from_nanos(lengths().sum()))
    };
    html! {
        @for state in [PathState::Inactive, PathState::PotentiallyFailed] {
            @let (times, time) = of(state);
            @if times > 0 {
                p.trouble { (shown(Some(state)).2) " " (times) "\u{d7}, " (length(time)) " in all" }
            }
        }
    }
}

/// Rows and columns that are shown; a peer may name any number of addresses.
const MOST_ADDRESSES: usize = 12;
