//! What belongs to no association: handshakes that were not completed, flows, counters, errors.

use maud::{Markup, html};
use sctp_monitor_common::wire::ChunkKind;

use super::{
    super::conclusion::{Conclusion, Flow},
    association::cards,
    verdict::Lasted,
};
use crate::page::words::{clean, date_time, length, plural};

/// INITs without an association.
pub(crate) fn unfinished(conclusion: &Conclusion<'_>) -> Markup {
    let all = &conclusion.unfinished;
    html! {
        @if !all.is_empty() {
            section #unfinished {
                h2 { "Handshakes that were not completed" }
                div.wide {
                    table.list {
                        thead { tr { th { "from" } th { "to" } th { "port" } th { "first" } th { "last" } th { "seen" } th { "check" } } }
                        tbody {
                            @for handshake in all.iter().take(MOST_HANDSHAKES) {
                                tr {
                                    td { (handshake.initiator) } td { (handshake.responder) } td { (handshake.port) }
                                    td { (date_time(handshake.first)) } td { (date_time(handshake.last)) }
                                    td { (clean(&handshake.seen())) } td { (clean(&handshake.check())) }
                                }
                            }
                        }
                    }
                }
                (left_out(all.len(), MOST_HANDSHAKES, "handshake"))
            }
        }
    }
}

/// What was found of two hosts or of one sender, and of no single association.
pub(crate) fn apart(conclusion: &Conclusion<'_>) -> Markup {
    let found: Vec<_> = conclusion
        .apart
        .iter()
        .map(|found| (*found, Lasted::apart(found)))
        .collect();
    html! {
        @if !found.is_empty() {
            section #apart {
                h2 { "Found of no single association" }
                (cards(&found))
            }
        }
    }
}

/// All flows, exactly as they were in the capture.
pub(crate) fn flows(conclusion: &Conclusion<'_>) -> Markup {
    let all = &conclusion.flows;
    html! {
        @if !all.is_empty() {
            section #flows {
                details open[all.len() <= FEW_FLOWS] {
                    summary { h2 { (plural(all.len() as u64, "flow")) } }
                    p.quiet { "Exact counts of the packets in the capture, a line for each direction of a path." }
                    div.wide {
                        table.list {
                            thead {
                                tr {
                                    th { "from" } th { "to" } th { "encapsulation" } th.number { "packets" } th.number { "bytes" }
                                    th.number { "DATA" } th.number { "retransmitted" } th.number { "SACK" } th.number { "HB / ACK" }
                                    th { "other chunks" } th { "tags" } th { "lasted" }
                                }
                            }
                            tbody { @for flow in all.iter().take(MOST_FLOWS) { (row(flow)) } }
                        }
                    }
                    (left_out(all.len(), MOST_FLOWS, "flow"))
                }
            }
        }
    }
}

fn row(flow: &Flow) -> Markup {
    let sum = &flow.sum;
    let key = sum.key.flow;
    let others: Vec<_> = sum
        .chunks_by_name()
        .filter(|(name, _)| !SHOWN.iter().any(|kind| kind.name() == name))
        .map(|(name, count)| format!("{count} {}", name.replace('_', " ")))
        .collect();
    let mut tags: Vec<_> = flow
        .tags
        .iter()
        .take(MOST_TAGS)
        .map(|tag| format!("{tag:#010x}"))
        .collect();
    if flow.tags.len() > MOST_TAGS {
        tags.push(format!("and {} more", flow.tags.len() - MOST_TAGS));
    }
    let chain = sum.key.chain.to_string();
    html! {
        tr {
            td { (key.src.to_ip()) span.quiet { " : " (key.src_port) } }
            td { (key.dst.to_ip()) span.quiet { " : " (key.dst_port) } }
            td { @if chain.is_empty() { "\u{2013}" } @else { (chain) } }
            td.number { (sum.packets) }
            td.number { (sum.bytes) }
            td.number { (sum.data_chunks()) }
            td.number { (sum.data_retransmissions) }
            td.number { (sum.count(ChunkKind::Sack) + sum.count(ChunkKind::NrSack)) }
            td.number { (sum.count(ChunkKind::Heartbeat)) " / " (sum.count(ChunkKind::HeartbeatAck)) }
            td { (others.join(", ")) }
            td.tags { (tags.join(" ")) }
            td { (length(std::time::Duration::from_nanos(sum.last_ns - sum.first_ns))) }
        }
    }
}

/// Kinds that have a column.
const SHOWN: [ChunkKind; 6] = [
    ChunkKind::Data,
    ChunkKind::IData,
    ChunkKind::Sack,
    ChunkKind::NrSack,
    ChunkKind::Heartbeat,
    ChunkKind::HeartbeatAck,
];

/// What was not understood, not kept or not read.
pub(crate) fn troubles(conclusion: &Conclusion<'_>) -> Markup {
    let passed_over = conclusion.unknown_links;
    html! {
        @if !conclusion.errors.is_empty() {
            section #errors {
                h2 { "What could not be read" }
                div.wide {
                    table.list {
                        thead { tr { th { "file" } th.number { "at byte" } th { "reason" } } }
                        tbody {
                            @for error in conclusion.errors.iter().take(MOST_ERRORS) {
                                tr.error {
                                    td { (clean(&error.file)) }
                                    td.number { @match error.offset { Some(offset) => (offset), None => "\u{2013}" } }
                                    td { (clean(&error.problem.to_string())) @if error.unpacked { " (offset in the decompressed file)" } }
                                }
                            }
                        }
                    }
                }
                (left_out(conclusion.errors.len(), MOST_ERRORS, "error"))
            }
        }
        @if !conclusion.counters.is_empty() || !conclusion.tunnelled().is_empty() || !passed_over.is_empty() {
            section #counters {
                h2 { "What was not understood, or not analysed" }
                ul {
                    @for (kind, packets) in conclusion.tunnelled() {
                        li { (plural(*packets, "SCTP packet")) " in " (kind) " tunnels, not analysed: use " code { "--decap" } }
                    }
                    @for (file, link, packets) in passed_over.iter().take(MOST_ERRORS) {
                        li { (clean(file)) ": " (plural(*packets, "packet")) " skipped, link type " (link) " is not supported" }
                    }
                    @for (name, value) in &conclusion.counters {
                        li { (value) " " (name.replace('_', " ")) }
                    }
                }
            }
        }
    }
}

pub(crate) fn left_out(count: usize, most: usize, noun: &str) -> Markup {
    html! {
        @if count > most {
            p.left-out {
                "and " (plural((count - most) as u64, noun)) " more; " code { "--format json" } " has all of them"
            }
        }
    }
}

const MOST_HANDSHAKES: usize = 200;
const MOST_ERRORS: usize = 200;
const MOST_FLOWS: usize = 500;
const FEW_FLOWS: usize = 12;
const MOST_TAGS: usize = 4;
