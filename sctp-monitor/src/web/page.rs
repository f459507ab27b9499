//! The agent's page: `/`, `/associations/NUMBER`, and what these need. A browser loads nothing from anywhere else.

use std::{process, sync::Arc, time::Duration};

use axum::{
    Extension,
    extract::{Path, Query, State, rejection::QueryRejection},
    http::{StatusCode, header},
    response::{Html, IntoResponse as _, Response},
};
use maud::Markup;
use sctp_monitor_engine::model::AssociationId;
use serde::Deserialize;

use super::{App, answer::refusal, api::until_read, guard::Page};
use crate::{
    history::{Next, Wanted},
    page::{
        live::{self, Asked, MINUTES, Past},
        timeline::Link,
    },
    report::Line,
};

/// What is to be shown of all associations.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Search {
    #[serde(default)]
    words: String,
}

/// From when on an association is to be shown.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Time {
    minutes: Option<u32>,
}

pub(super) async fn overview(
    State(app): State<Arc<App>>,
    search: Result<Query<Search>, QueryRejection>,
) -> Response {
    let words = match search {
        Ok(Query(search)) => search.words,
        Err(error) => return refusal(StatusCode::BAD_REQUEST, &error.body_text()),
    };
    let Ok(permit) = Arc::clone(&app.documents).acquire_owned().await else {
        return refusal(StatusCode::SERVICE_UNAVAILABLE, "the agent is about to end");
    };
    let known = match app.source.latest().await {
        Ok(known) => known,
        Err(error) => return error.refusal(),
    };
    let newest = *app.events.newest().borrow();
    let after = newest.saturating_sub(EVENTS).max(app.events.before_oldest());
    let lines = lines(&app, after, |_| true);
    let now = known.summary.snapshot.time;
    let past = Past::new(now, app.events.kept_from(), Link::Elsewhere, lines, Vec::new());
    let content = live::overview(&known.summary, &Asked { words }, &past);
    let document = live::document("associations", &known.summary, process::id(), &content);
    until_read(page(document), permit).await
}

pub(super) async fn association(
    State(app): State<Arc<App>>,
    Path(number): Path<String>,
    time: Result<Query<Time>, QueryRejection>,
) -> Response {
    let minutes = match time {
        Ok(Query(time)) => time.minutes,
        Err(error) => return refusal(StatusCode::BAD_REQUEST, &error.body_text()),
    };
    let Ok(number) = number.parse() else {
        return refusal(StatusCode::BAD_REQUEST, "an association has a number");
    };
    let Ok(permit) = Arc::clone(&app.documents).acquire_owned().await else {
        return refusal(StatusCode::SERVICE_UNAVAILABLE, "the agent is about to end");
    };
    let known = match app.source.latest().await {
        Ok(known) => known,
        Err(error) => return error.refusal(),
    };
    let id = AssociationId(number);
    let all = &known.summary.snapshot.associations;
    let Some(association) = all.iter().find(|known| known.reference.id == id) else {
        return refusal(StatusCode::NOT_FOUND, "no association has this number");
    };
    let now = live::until(association, known.summary.snapshot.time);
    let since = now - Duration::from_secs(60) * minutes.unwrap_or(MINUTES).clamp(1, LONGEST);
    let named = [
        format!("\"association\":{number},"),
        format!("\"association\":{number}}}"),
    ];
    let lines = lines(&app, app.events.before_oldest(), |json| {
        named.iter().any(|name| json.contains(name))
    });
    let lines = lines.into_iter().filter(|line| line.time() >= since).collect();
    let paths = app.history.paths_of(&Wanted {
        since: Some(since),
        association: Some(id),
        paths: true,
        ..Wanted::default()
    });
    let past = Past::new(since, app.events.kept_from(), Link::Elsewhere, lines, paths);
    let content = live::association(association, &past, now, minutes);
    let title = format!("association {number}");
    let document = live::document(&title, &known.summary, process::id(), &content);
    until_read(page(document), permit).await
}

/// Events after this one of which the line is wanted.
fn lines(app: &App, after: u64, is_wanted: impl Fn(&str) -> bool) -> Vec<Line> {
    let Next::Events(events) = app.events.after(after, usize::MAX) else {
        return Vec::new();
    };
    events
        .iter()
        .filter(|event| is_wanted(&event.json))
        .filter_map(|event| serde_json::from_str(&event.json).ok())
        .collect()
}

pub(super) async fn style() -> Response {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], live::style()).into_response()
}

pub(super) async fn script() -> Response {
    let kind = [(header::CONTENT_TYPE, "text/javascript; charset=utf-8")];
    (kind, live::SCRIPT).into_response()
}

fn page(markup: Markup) -> Response {
    (Extension(Page), Html(markup.0)).into_response()
}

/// Events on the overview.
const EVENTS: u64 = 200;

/// Minutes that can be asked for: a month.
const LONGEST: u32 = 31 * 24 * 60;
