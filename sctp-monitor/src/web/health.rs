//! `/healthz`, `/readyz`, and `/metrics`: for machines that ask all the time.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;

use super::{App, answer::refusal, known::NoAnswer};
use crate::report::Summary;

/// 200 if the agent's loop answers.
#[utoipa::path(get, path = "/healthz", responses(
    (status = 200, description = "The agent lives", content_type = "text/plain", body = String),
    (status = 503, description = "The agent does not answer", content_type = "text/plain", body = String),
))]
pub(super) async fn healthz(State(app): State<Arc<App>>) -> Response {
    match app.source.latest().await {
        Ok(_) => text(StatusCode::OK, "the agent lives"),
        Err(error) => silent(error),
    }
}

/// 200 if all NICs that should be watched are; 503 with the reason if the agent is blind on one of them.
#[utoipa::path(get, path = "/readyz", responses(
    (status = 200, description = "All NICs that should be watched are", content_type = "text/plain", body = String),
    (status = 503, description = "A NIC is not watched, or the agent does not answer", content_type = "text/plain", body = String),
))]
pub(super) async fn readyz(State(app): State<Arc<App>>) -> Response {
    match app.source.latest().await {
        Ok(known) => match obstacle(&known.summary) {
            None => {
                let watched = &known.summary.interfaces;
                let names: Vec<_> = watched.iter().map(|nic| nic.interface.as_str()).collect();
                text(StatusCode::OK, &format!("watching {}", names.join(", ")))
            }
            Some(obstacle) => text(StatusCode::SERVICE_UNAVAILABLE, &obstacle),
        },
        Err(error) => silent(error),
    }
}

/// What is known, as metrics (docs/metrics.md): OpenMetrics if it is asked for, Prometheus' text format else.
#[utoipa::path(get, path = "/metrics", responses(
    (status = 200, description = "The metrics", content_type = "text/plain", body = String),
    (status = 503, description = "The agent does not answer", body = super::answer::Refusal),
))]
pub(super) async fn metrics(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    let known = match app.source.latest().await {
        Ok(known) => known,
        Err(error) => return error.refusal(),
    };
    let accepts = headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok());
    let is_open = accepts.is_some_and(|accept| accept.contains("application/openmetrics-text"));
    let (kind, cell) = if is_open {
        (OPEN_METRICS, &known.open_metrics)
    } else {
        (PROMETHEUS, &known.prometheus)
    };
    let made = cell.get_or_init(|| {
        let text = if is_open {
            known.exposition.open_metrics()
        } else {
            known.exposition.prometheus()
        };
        text.map(Bytes::from).ok()
    });
    match made {
        Some(text) => ([(header::CONTENT_TYPE, kind)], text.clone()).into_response(),
        None => refusal(StatusCode::INTERNAL_SERVER_ERROR, "the metrics cannot be written"),
    }
}

/// Why the agent does not see all that it should, in words.
fn obstacle(summary: &Summary) -> Option<String> {
    let missing: Vec<_> = summary
        .not_watched
        .iter()
        .map(|nic| format!("not watching {}: {}", nic.interface, nic.reason))
        .collect();
    if !missing.is_empty() {
        return Some(missing.join("\n"));
    }
    summary
        .interfaces
        .is_empty()
        .then(|| "no NIC is watched".to_owned())
}

fn silent(error: NoAnswer) -> Response {
    text(StatusCode::SERVICE_UNAVAILABLE, &error.to_string())
}

fn text(status: StatusCode, line: &str) -> Response {
    let kind = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
    (status, kind, format!("{line}\n")).into_response()
}

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{NotWatched, samples::summary};

    #[test]
    fn an_agent_that_is_blind_somewhere_is_not_ready() {
        let mut known = summary(&[]);
        assert_eq!(obstacle(&known), None);
        known.not_watched = vec![NotWatched {
            interface: "path2".to_owned(),
            reason: "no such device".to_owned(),
        }];
        assert_eq!(obstacle(&known).unwrap(), "not watching path2: no such device");
        known.not_watched.clear();
        known.interfaces.clear();
        assert_eq!(obstacle(&known).unwrap(), "no NIC is watched");
    }
}
