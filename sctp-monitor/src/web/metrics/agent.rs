//! What is told of everything together, and of the agent itself.

use std::collections::BTreeMap;

use sctp_monitor_engine::model::{FindingKind, PathState, Severity};

use super::{
    Own,
    family::{Samples, families},
    paths::{findings, is_without_redundancy},
};
use crate::{report::Summary, show};

families! {
    ASSOCIATIONS: Gauge "sctp_associations", &[]
        => "Established associations";
    ASSOCIATIONS_ENDED: Counter "sctp_associations_ended", &[]
        => "Associations that ended since the watch began";
    ASSOCIATIONS_WITHOUT_REDUNDANCY: Gauge "sctp_associations_without_redundancy", &[]
        => "Established associations with more than one path, fewer than two of them active";
    PATHS: Gauge "sctp_paths", &["state"]
        => "Paths of established associations on which packets were seen, by state";
    FINDINGS: Gauge "sctp_findings", &["finding", "severity"]
        => "Findings that are open; of a kind that is not open, one sample of zero with an empty severity";
    INCIDENTS: Gauge "sctp_incidents", &["finding", "severity"]
        => "Incidents that are open; one sample of zero with empty labels if none is";
    BUILD: Info "sctp_monitor_build", &["version"]
        => "1, with the version of the agent";
    WATCH_STARTED: Gauge "sctp_monitor_watch_start_timestamp", &[], in Seconds
        => "When the watch began, in seconds since 1970";
    INTERFACE_WATCHED: Gauge "sctp_monitor_interface_watched", &["interface", "hook"]
        => "1 for each NIC whose programs are attached, with the hook for incoming packets; 0, without a hook, for one that should be watched \
     and cannot be";
    INTERFACES_NOT_WATCHED: Gauge "sctp_monitor_interfaces_not_watched", &[]
        => "NICs that should be watched and cannot be now: what passes them is not seen";
    FLOW_SLOTS: Gauge "sctp_monitor_flow_table_slots", &[]
        => "Slots of the flow table; a flow needs one, a path two";
    FLOW_SLOTS_USED: Gauge "sctp_monitor_flow_table_slots_used", &[]
        => "Slots of the flow table that are not free";
    FLOWS_OPENED: Counter "sctp_monitor_flows_opened", &[]
        => "Flows that were ever tracked";
    FLOWS_REFUSED: Counter "sctp_monitor_flows_refused", &["reason"]
        => "Packets of new flows that were not tracked: the flow table was full, or too many flows were new";
    RING_RECORDS_LOST: Counter "sctp_monitor_ring_records_lost", &[]
        => "Records for which the ring buffer had no room";
    NOT_USED: Counter "sctp_monitor_not_used", &["reason"]
        => "Packets, chunks and records that were not understood or not kept, by reason; reasons that never occurred are left out";
    REPORT_LINES: Counter "sctp_monitor_report_lines", &["writer"]
        => "Lines that a writer has written";
    REPORT_LINES_LOST: Counter "sctp_monitor_report_lines_lost", &["writer"]
        => "Lines that a writer has lost: it was too slow, or could not write";
    REPORT_LINES_WAITING: Gauge "sctp_monitor_report_lines_waiting", &["writer"]
        => "Lines that wait for a writer";
    LOG_LINES_LOST: Counter "sctp_monitor_log_lines_lost", &[]
        => "Lines of the agent's own log that were lost";
    LATE: Gauge "sctp_monitor_late", &[], in Seconds
        => "By how much the most delayed turn of the agent's loop was late in about the last second; failures are reported as much later";
    LATE_MAX: Gauge "sctp_monitor_late_max", &[], in Seconds
        => "The same since the agent started";
    BEHIND: Counter "sctp_monitor_behind", &[]
        => "How often the agent was so late that it reported it (agent_behind)";
    SERIES_LIMIT: Gauge "sctp_monitor_metrics_series_limit", &[]
        => "Series of single associations and paths, at most (--web.max-series)";
    ASSOCIATIONS_SUMMED: Gauge "sctp_monitor_metrics_associations_summed", &[]
        => "Associations that have no series of their own because of this limit; they are summed as peer=\"other\"";
    CONNECTIONS: Gauge "sctp_monitor_web_connections", &[]
        => "Connections to the agent's HTTP server";
    CONNECTIONS_REFUSED: Counter "sctp_monitor_web_connections_refused", &[]
        => "Connections to the HTTP server that were closed because there were too many";
    EVENT_READERS: Gauge "sctp_monitor_web_event_readers", &[]
        => "Readers of the stream of events";
    EVENT_READERS_DROPPED: Counter "sctp_monitor_web_event_readers_dropped", &[]
        => "Readers of the stream of events that were disconnected because they were too slow";
}

/// All samples that are not of single associations.
pub(super) fn samples(summary: &Summary, own: &Own) -> Samples {
    let mut samples = Samples::default();
    of_sctp(summary, &mut samples);
    of_watch(summary, &mut samples);
    of_reports(summary, &mut samples);
    samples.push(&SERIES_LIMIT, vec![], own.max_series);
    samples.push(&ASSOCIATIONS_SUMMED, vec![], own.summed);
    samples.push(&CONNECTIONS, vec![], own.web.connections);
    samples.push(&CONNECTIONS_REFUSED, vec![], own.web.refused);
    samples.push(&EVENT_READERS, vec![], own.web.event_readers);
    samples.push(&EVENT_READERS_DROPPED, vec![], own.web.event_readers_dropped);
    samples
}

fn of_sctp(summary: &Summary, samples: &mut Samples) {
    let established = || summary.snapshot.associations.iter().filter(|known| known.is_up());
    samples.push(&ASSOCIATIONS, vec![], established().count());
    samples.push(&ASSOCIATIONS_ENDED, vec![], summary.associations_ended);
    let at_risk = established().filter(|known| is_without_redundancy(known)).count();
    samples.push(&ASSOCIATIONS_WITHOUT_REDUNDANCY, vec![], at_risk);
    for state in [
        PathState::Unconfirmed,
        PathState::Active,
        PathState::PotentiallyFailed,
        PathState::Inactive,
    ] {
        let paths = established().flat_map(show::used);
        let count = paths.filter(|path| path.state == state).count();
        samples.push(&PATHS, vec![state.to_string()], count);
    }
    let mut open: BTreeMap<(FindingKind, Option<Severity>), usize> = FindingKind::ALL
        .into_iter()
        .map(|kind| ((kind, None), 0))
        .collect();
    let all = established().flat_map(findings).chain(&summary.snapshot.findings);
    for finding in all {
        open.remove(&(finding.evidence.kind(), None));
        *open
            .entry((finding.evidence.kind(), Some(finding.severity)))
            .or_default() += 1;
    }
    for ((kind, severity), count) in open {
        let severity = severity.map_or_else(String::new, |severity| severity.to_string());
        samples.push(&FINDINGS, vec![kind.name().to_owned(), severity], count);
    }
    let mut open: BTreeMap<(FindingKind, Severity), usize> = BTreeMap::new();
    for incident in &summary.snapshot.incidents {
        *open.entry((incident.finding, incident.severity)).or_default() += 1;
    }
    if open.is_empty() {
        samples.push(&INCIDENTS, vec![String::new(), String::new()], 0_usize);
    }
    for ((kind, severity), count) in open {
        samples.push(
            &INCIDENTS,
            vec![kind.name().to_owned(), severity.to_string()],
            count,
        );
    }
}

fn of_watch(summary: &Summary, samples: &mut Samples) {
    samples.push(&BUILD, vec![env!("CARGO_PKG_VERSION").to_owned()], true);
    if let Some(since) = summary.since {
        let since = std::time::Duration::from_nanos(since.as_nanos());
        samples.push(&WATCH_STARTED, vec![], since);
    }
    for watched in &summary.interfaces {
        let labels = vec![watched.interface.clone(), watched.hook.clone()];
        samples.push(&INTERFACE_WATCHED, labels, true);
    }
    for missing in &summary.not_watched {
        let labels = vec![missing.interface.clone(), String::new()];
        samples.push(&INTERFACE_WATCHED, labels, false);
    }
    samples.push(&INTERFACES_NOT_WATCHED, vec![], summary.not_watched.len());
    samples.push(&FLOW_SLOTS, vec![], u64::from(summary.flows.slots));
    samples.push(&FLOW_SLOTS_USED, vec![], u64::from(summary.flows.in_use));
    samples.push(&FLOWS_OPENED, vec![], summary.flows.opened);
    let counted = |name: &str| summary.counters.get(name).copied().unwrap_or(0);
    for reason in REFUSED {
        samples.push(&FLOWS_REFUSED, vec![reason.to_owned()], counted(reason));
    }
    samples.push(&RING_RECORDS_LOST, vec![], counted(RING));
    for (reason, count) in &summary.counters {
        if reason != RING && !REFUSED.contains(&reason.as_str()) {
            samples.push(&NOT_USED, vec![reason.clone()], *count);
        }
    }
    samples.push(&LATE, vec![], summary.lag.recent);
    samples.push(&LATE_MAX, vec![], summary.lag.max);
    samples.push(&BEHIND, vec![], summary.lag.behind);
}

fn of_reports(summary: &Summary, samples: &mut Samples) {
    for writer in &summary.reports {
        let name = || vec![writer.writer.clone()];
        samples.push(&REPORT_LINES, name(), writer.written);
        samples.push(&REPORT_LINES_LOST, name(), writer.lost);
        samples.push(&REPORT_LINES_WAITING, name(), writer.waiting);
    }
    samples.push(&LOG_LINES_LOST, vec![], summary.log_lines_lost);
}

/// Reasons for which packets of new flows are not tracked, as the agent's counters name them.
const REFUSED: [&str; 2] = ["flow_table_full", "new_flows_limited"];

/// A record had no room in the ring buffer.
const RING: &str = "ring_full";
