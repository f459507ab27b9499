//! The path matrix of an association as it is now: local addresses down, remote ones across.

use std::net::IpAddr;

use maud::{Markup, html};
use sctp_monitor_engine::model::{
    AssociationView, Direction, FlowView, PathId, PathState, Short, Side, Timestamp,
};

use super::state_line;
use crate::page::{
    state::shown,
    words::{clean, with_prefix},
};

/// The table.
pub(super) fn matrix(association: &AssociationView, now: Timestamp) -> Markup {
    let local = listed(association, Side::Local);
    let remote = listed(association, Side::Remote);
    let left_out = local.len().saturating_sub(MOST_ADDRESSES) + remote.len().saturating_sub(MOST_ADDRESSES);
    let sides = association.reference.sides;
    let [down, across] = [Side::Local, Side::Remote].map(|side| sides.label(side));
    let columns = &remote[..remote.len().min(MOST_ADDRESSES)];
    html! {
        div.wide tabindex="0" role="region" aria-label="Paths" {
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
                            @for to in columns { (cell(association, PathId { local: *from, remote: *to }, now)) }
                        }
                    }
                }
            }
        }
        @if left_out > 0 { p.left-out { (left_out) " more addresses are not shown; " code { "sctp-monitor explain" } " lists all paths." } }
    }
}

/// Those that the endpoint named, and then those that were only seen.
fn listed(association: &AssociationView, side: Side) -> Vec<IpAddr> {
    let named = association.addresses(side).iter().map(|known| known.address);
    let seen = association.paths.iter().map(|path| match side {
        Side::Local => path.id.local,
        Side::Remote => path.id.remote,
    });
    let mut all = Vec::new();
    for address in named.chain(seen) {
        if !all.contains(&address) {
            all.push(address);
        }
    }
    all
}

fn cell(association: &AssociationView, id: PathId, now: Timestamp) -> Markup {
    let path = association.paths.iter().find(|path| path.id == id);
    let Some(path) = path.filter(|path| path.is_used()) else {
        let why = if id.local.is_ipv4() == id.remote.is_ipv4() {
            "no packets"
        } else {
            "IPv4 and IPv6: no path"
        };
        return html! { td.none data-state="none" { (why) } };
    };
    let (class, _, _) = shown(Some(path.state));
    let flows = Direction::BOTH.map(|direction| path.flow(direction));
    html! {
        td class=(class) data-state=(class) data-path={ (id.local) ">" (id.remote) } {
            p.state { (state_line(path.state)) }
            p.quiet { "for " (Short(now.since(path.since))) }
            @for direction in Direction::BOTH {
                @if association.primary(direction) == Some(id) {
                    span.primary title="new DATA takes this path" { "DATA " (direction) }
                }
            }
            dl { (rows(flows)) }
            @if let Some(onto) = path.steering.as_ref().and_then(|steering| steering.onto) {
                p.trouble { "its packets leave on path " (onto) }
            }
            @if let (Some(reason), true) = (&path.reason, path.state != PathState::Active) {
                p.quiet { (clean(&reason.to_string())) }
            }
        }
    }
}

fn rows(flows: [Option<&FlowView>; 2]) -> Markup {
    let both = |of: &dyn Fn(&FlowView) -> String| {
        let one = |flow: Option<&FlowView>| flow.map_or_else(|| "\u{2013}".to_owned(), of);
        format!("{} / {}", one(flows[0]), one(flows[1]))
    };
    let all = || flows.into_iter().flatten();
    let rate = |flow: &FlowView| {
        let bytes = flow.throughput.bytes_per_second;
        bytes.map_or_else(|| "\u{2013}".to_owned(), |bytes| with_prefix(bytes as f64, "B/s"))
    };
    html! {
        @if let Some(rtt) = all().find_map(|flow| flow.heartbeat_rtt) {
            dt title="smoothed (the shortest)" { "HEARTBEAT RTT" } dd { (Short(rtt.srtt)) " (" (Short(rtt.min)) ")" }
        }
        @if let Some(time) = all().find_map(|flow| flow.data_to_sack) {
            dt title="smoothed; with the peer's delay of SACKs" { "DATA to SACK" } dd { (Short(time.srtt)) }
        }
        dt { "throughput" } dd { (both(&rate)) }
        dt { "packets" } dd { (both(&|flow| flow.packets.to_string())) }
        @if all().any(|flow| flow.data_chunks > 0) {
            dt { "DATA" } dd { (both(&|flow| flow.data_chunks.to_string())) }
            dt { "retransmitted" } dd { (both(&|flow| flow.retransmissions.to_string())) }
        }
        @for (flow, what) in flows.into_iter().zip(["HB forward", "HB return"]) {
            @if let Some(flow) = flow.filter(|flow| flow.heartbeats > 0) {
                dt title="HEARTBEATs answered" { (what) } dd { (flow.heartbeats_answered) " of " (flow.heartbeats) " answered" }
            }
        }
    }
}

/// Rows and columns that are shown; a peer may name any number of addresses.
const MOST_ADDRESSES: usize = 12;
