//! docs/metrics.md, made of the metrics themselves; a test holds the two equal.

use std::fmt::Write as _;

use super::{
    agent,
    family::{Family, Kind},
    paths,
};

/// The page docs/metrics.md.
#[must_use]
pub fn page() -> String {
    let mut page = BEGIN.to_owned();
    page += "\n## Associations and paths\n\n";
    page += OF_PATHS;
    table(&mut page, paths::FAMILIES);
    page += "\n## All together, and the agent itself\n\n";
    table(&mut page, agent::FAMILIES);
    page
}

fn table(page: &mut String, families: &[&Family]) {
    page.push_str("| metric | type | labels | meaning |\n|---|---|---|---|\n");
    for family in families {
        let labels: Vec<_> = family.labels.iter().map(|label| format!("`{label}`")).collect();
        let kind = match family.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Info => "info",
        };
        // Writing to a string cannot fail.
        let _ = writeln!(
            page,
            "| `{}` | {kind} | {} | {} |",
            family.name(),
            labels.join(", "),
            family.help
        );
    }
}

const BEGIN: &str = "\
# Metrics

This page is made of the code (`SCTP_MONITOR_RENEW=1 cargo test -p sctp-monitor --lib web::metrics` renews it).

`sctp-monitor run --web.listen-address :9143` serves these at `/metrics`, as OpenMetrics or in Prometheus' text format,
whichever is asked for ([web.md](web.md)). They are made anew when they are asked for, at most once a second.
";

const OF_PATHS: &str = "\
`endpoint` and `peer` are the lowest address of the local and of the remote endpoint; with the ports they tell
associations apart. `local` and `remote` are the addresses of a path. `direction` is `forward` from local to remote,
`return` from remote to local. A path without any packet has no series.

The worst associations have series of their own first: those without an active path, then by their worst path, then those
of which anything was found. As soon as the series of one more would exceed `--web.max-series` (2,000 unless set), all
further ones are summed: `peer=\"other\"`, with all other labels of the association and path empty. Sums of gauges count
associations and paths; sums of counters have what was counted while an association was among the others, so they never
fall. Times and findings are not summed.

";
