//! `/api/v1`: the documents that `sctp-monitor associations --json` and the others give, and the last events.

#![expect(unused_qualifications, reason = "utoipa's macros name in full what they use")]

use std::{net::IpAddr, process, sync::Arc};

use axum::{
    extract::{Path, Query, State, rejection::QueryRejection},
    http::StatusCode,
    response::Response,
};
use bytes::Bytes;
use schemars::JsonSchema;
use sctp_monitor_engine::model::{Schema, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::sync::OwnedSemaphorePermit;
use utoipa::IntoParams;

use super::{
    App,
    answer::{Refusal, json, refusal},
};
use crate::{
    cli::{AskArgs, ListArgs, StateArg},
    clock,
    history::{Kept, Next},
    report::Line,
    show::{self, Question},
};

/// What a list shows; all of it without any parameter.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Filter {
    /// Only what has this address, on either side.
    #[param(value_type = Option<String>)]
    address: Option<IpAddr>,
    /// Only associations with this port, on either side.
    port: Option<u16>,
    /// Only paths in this state, and what has one: `unconfirmed`, `active`, `potentially_failed` or `inactive`.
    #[param(value_type = Option<String>)]
    state: Option<StateArg>,
}

impl From<Filter> for ListArgs {
    fn from(filter: Filter) -> Self {
        Self {
            how: HOW,
            address: filter.address,
            port: filter.port,
            state: filter.state,
        }
    }
}

/// Where events begin, and how many are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct EventFilter {
    /// Only events after the one with this id (`last` of an earlier answer).
    after: Option<String>,
    /// Only so many of the newest of these.
    limit: Option<usize>,
}

/// The answer to `/api/v1/events`.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "EventsDocument")]
pub(super) struct EventsDocument<'a> {
    /// The version of the document's schema.
    schema: Schema,
    /// The process id of the agent.
    agent: u32,
    /// The time of the answer.
    time: Timestamp,
    /// The id of the newest event; name it as `after` to get those that come later.
    last: String,
    /// The number of events that were asked for and are no longer kept.
    missed: u64,
    /// The events, the oldest first: each is a line of `run --format json`.
    #[schemars(with = "Vec<Line>")]
    events: Vec<&'a RawValue>,
}

type FilterQuery = Result<Query<Filter>, QueryRejection>;

/// How the agent is, how many of each there are, and the open incidents: `sctp-monitor status --json`.
#[utoipa::path(get, path = "/api/v1/status", responses(
    (status = 200, description = "The document", body = ref("#/components/schemas/ShownDocument")),
    (status = 503, description = "The agent does not answer", body = Refusal),
))]
pub(super) async fn status(State(app): State<Arc<App>>) -> Response {
    document(&app, &Question::Status(&HOW)).await
}

/// The established associations, those with the worst paths first: `sctp-monitor associations --json`.
#[utoipa::path(get, path = "/api/v1/associations", params(Filter), responses(
    (status = 200, description = "The document", body = ref("#/components/schemas/ShownDocument")),
    (status = 400, description = "A parameter that is not understood", body = Refusal),
    (status = 503, description = "The agent does not answer", body = Refusal),
))]
pub(super) async fn associations(State(app): State<Arc<App>>, filter: FilterQuery) -> Response {
    list(&app, filter, |list| Question::Associations(list)).await
}

/// All that is known of one association: `sctp-monitor explain NUMBER --json`.
#[utoipa::path(get, path = "/api/v1/associations/{number}",
    params(("number" = u64, Path, description = "The number of the association")),
    responses(
        (status = 200, description = "The document", body = ref("#/components/schemas/ShownDocument")),
        (status = 400, description = "Not a number", body = Refusal),
        (status = 404, description = "No association has this number", body = Refusal),
        (status = 503, description = "The agent does not answer", body = Refusal),
    ))]
pub(super) async fn association(State(app): State<Arc<App>>, Path(number): Path<String>) -> Response {
    match number.parse() {
        Ok(number) => document(&app, &Question::Explain(number, &HOW)).await,
        Err(_) => refusal(StatusCode::BAD_REQUEST, "an association has a number"),
    }
}

/// The paths, the worst first: `sctp-monitor paths --json`.
#[utoipa::path(get, path = "/api/v1/paths", params(Filter), responses(
    (status = 200, description = "The document", body = ref("#/components/schemas/ShownDocument")),
    (status = 400, description = "A parameter that is not understood", body = Refusal),
    (status = 503, description = "The agent does not answer", body = Refusal),
))]
pub(super) async fn paths(State(app): State<Arc<App>>, filter: FilterQuery) -> Response {
    list(&app, filter, |list| Question::Paths(list)).await
}

/// The findings that are open, the worst first: `sctp-monitor findings --json`.
#[utoipa::path(get, path = "/api/v1/findings", params(Filter), responses(
    (status = 200, description = "The document", body = ref("#/components/schemas/ShownDocument")),
    (status = 400, description = "A parameter that is not understood", body = Refusal),
    (status = 503, description = "The agent does not answer", body = Refusal),
))]
pub(super) async fn findings(State(app): State<Arc<App>>, filter: FilterQuery) -> Response {
    list(&app, filter, |list| Question::Findings(list)).await
}

/// The incidents that are open, the worst first: `sctp-monitor incidents --json`.
#[utoipa::path(get, path = "/api/v1/incidents", responses(
    (status = 200, description = "The document", body = ref("#/components/schemas/ShownDocument")),
    (status = 503, description = "The agent does not answer", body = Refusal),
))]
pub(super) async fn incidents(State(app): State<Arc<App>>) -> Response {
    document(&app, &Question::Incidents(&HOW)).await
}

/// The last events of this run of the agent, the oldest first, as far as they are kept.
#[utoipa::path(get, path = "/api/v1/events", params(EventFilter), responses(
    (status = 200, description = "The document", body = ref("#/components/schemas/EventsDocument")),
    (status = 400, description = "A parameter that is not understood", body = Refusal),
))]
pub(super) async fn events(
    State(app): State<Arc<App>>,
    filter: Result<Query<EventFilter>, QueryRejection>,
) -> Response {
    let filter = match filter {
        Ok(Query(filter)) => filter,
        Err(error) => return refusal(StatusCode::BAD_REQUEST, &error.body_text()),
    };
    let Ok(permit) = Arc::clone(&app.documents).acquire_owned().await else {
        return refusal(StatusCode::SERVICE_UNAVAILABLE, "the agent is about to end");
    };
    let (missed, mut kept) = kept_after(&app, filter.after.as_deref());
    if let Some(limit) = filter.limit {
        kept.drain(..kept.len().saturating_sub(limit));
    }
    let newest = *app.events.newest().borrow();
    let events: Result<Vec<&RawValue>, _> = kept
        .iter()
        .map(|event| serde_json::from_str(&event.json))
        .collect();
    match events {
        Ok(events) => {
            let document = json(&EventsDocument {
                schema: Schema,
                agent: process::id(),
                time: clock::time_of_day(),
                last: app.events.id(kept.last().map_or(newest, |event| event.number)),
                missed,
                events,
            });
            until_read(document, permit).await
        }
        Err(error) => refusal(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

/// All events that are kept after this one, and how many are not. Those of another run are none of these: all are after them.
fn kept_after(app: &App, id: Option<&str>) -> (u64, Vec<Arc<Kept>>) {
    let oldest = app.events.before_oldest();
    let from = id.and_then(|id| app.events.number(id)).unwrap_or(oldest);
    match app.events.after(from, usize::MAX) {
        Next::Events(events) => (0, events),
        Next::Missed(missed) => match app.events.after(from + missed, usize::MAX) {
            Next::Events(events) => (missed, events),
            Next::Missed(more) => (missed + more, Vec::new()),
        },
    }
}

async fn list(app: &App, filter: FilterQuery, question: fn(&ListArgs) -> Question<'_>) -> Response {
    match filter {
        Ok(Query(filter)) => {
            let list = filter.into();
            document(app, &question(&list)).await
        }
        Err(error) => refusal(StatusCode::BAD_REQUEST, &error.body_text()),
    }
}

/// What was asked for. A few at a time: one of ten thousand associations takes many megabytes until it is read.
async fn document(app: &App, question: &Question<'_>) -> Response {
    let Ok(permit) = Arc::clone(&app.documents).acquire_owned().await else {
        return refusal(StatusCode::SERVICE_UNAVAILABLE, "the agent is about to end");
    };
    let known = match app.source.latest().await {
        Ok(known) => known,
        Err(error) => return error.refusal(),
    };
    let document = show::pick(question, known.summary.clone(), process::id());
    if matches!(question, Question::Explain(..)) && document.associations.is_none() {
        return refusal(StatusCode::NOT_FOUND, "no association has this number");
    }
    until_read(json(&document), permit).await
}

/// Holds the permit until the answer was handed to the system.
pub(super) async fn until_read(response: Response, permit: OwnedSemaphorePermit) -> Response {
    struct Owned(
        Bytes,
        #[expect(dead_code, reason = "it is let go with the bytes")] OwnedSemaphorePermit,
    );
    impl AsRef<[u8]> for Owned {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }
    let (parts, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
    Response::from_parts(parts, Bytes::from_owner(Owned(bytes, permit)).into())
}

/// How the agent would be asked by a command.
const HOW: AskArgs = AskArgs {
    agent: None,
    json: true,
};
