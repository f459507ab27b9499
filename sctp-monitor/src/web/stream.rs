//! `/api/v1/events/stream`: each event as soon as it is reported, as Server-Sent Events (WHATWG HTML, section 9.2).
//!
//! A reader that was disconnected says by Last-Event-ID what it has; it is given the rest, and told how much is missing if the rest is
//! no longer kept. A reader that is so slow that events go by is disconnected: it can come back and be told.

#![expect(unused_qualifications, reason = "utoipa's macros name in full what they use")]

use std::{collections::VecDeque, convert::Infallible, sync::Arc, time::Duration};

use axum::{
    Extension,
    extract::{Query, State, rejection::QueryRejection},
    http::{HeaderMap, StatusCode},
    response::{
        IntoResponse as _, Response, Sse,
        sse::{Event, KeepAlive},
    },
};
use futures_util::{Stream, stream};
use serde::Deserialize;
use tokio::sync::watch;
use utoipa::IntoParams;

use super::{
    App,
    answer::refusal,
    counts::{Counts, EventReader},
    guard::Endless,
};
use crate::history::{Events, Kept, Next};

/// Where a reader goes on.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct From {
    /// The id of the last event that is known, if the header Last-Event-ID cannot be set.
    last_event_id: Option<String>,
}

/// Events as they are reported, as Server-Sent Events: `data` is one line of `run --format json`, `id` names it. Begins with what comes
/// next, or after the event that Last-Event-ID names. An event `missed` says how many are gone. A reader that is too slow is
/// disconnected.
#[utoipa::path(
    get,
    path = "/api/v1/events/stream",
    operation_id = "event_stream",
    params(From, ("Last-Event-ID" = Option<String>, Header, description = "The id of the last event that is known")),
    responses(
        (status = 200, description = "A stream without end", content_type = "text/event-stream", body = String),
        (status = 400, description = "A parameter that is not known", body = super::answer::Refusal),
        (status = 503, description = "Too many readers", body = super::answer::Refusal),
    )
)]
pub(super) async fn events(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    from: Result<Query<From>, QueryRejection>,
) -> Response {
    let from = match from {
        Ok(Query(from)) => from,
        Err(error) => return refusal(StatusCode::BAD_REQUEST, &error.body_text()),
    };
    let Some(reader) = app.counts.event_reader() else {
        return refusal(
            StatusCode::SERVICE_UNAVAILABLE,
            "too many listen to events already",
        );
    };
    let header = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let last = header.or(from.last_event_id.as_deref());
    let events = Arc::clone(&app.events);
    let newest = events.newest();
    let taken = match last {
        None => *newest.borrow(),
        // Another run of the agent has numbered it: all that this one knows is new.
        Some(id) => events.number(id).unwrap_or_else(|| events.before_oldest()),
    };
    let listener = Listener {
        newest,
        taken,
        waiting: VecDeque::new(),
        has_begun: false,
        counts: Arc::clone(&app.counts),
        events,
        _reader: reader,
    };
    let stream = Sse::new(listener.stream()).keep_alive(KeepAlive::new().interval(ALIVE));
    (Extension(Endless), stream).into_response()
}

/// One reader, with its place in the ring.
struct Listener {
    events: Arc<Events>,
    newest: watch::Receiver<u64>,
    /// The number of the last event that was given to it.
    taken: u64,
    /// Taken from the ring, and not given to it yet.
    waiting: VecDeque<Arc<Kept>>,
    has_begun: bool,
    counts: Arc<Counts>,
    _reader: EventReader,
}

impl Listener {
    fn stream(self) -> impl Stream<Item = Result<Event, Infallible>> {
        stream::unfold(self, |mut listener| async {
            let next = listener.next().await?;
            Some((Ok(next), listener))
        })
    }

    /// `None` if it is too slow.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                self.taken = event.number;
                return Some(
                    Event::default()
                        .id(self.events.id(event.number))
                        .data(&event.json),
                );
            }
            let is_first = !std::mem::replace(&mut self.has_begun, true);
            // Marked as seen before the ring is looked at, so that none is slept through.
            let _ = self.newest.borrow_and_update();
            match self.events.after(self.taken, AT_ONCE) {
                Next::Missed(_) if !is_first => return None,
                Next::Missed(events) => {
                    self.taken += events;
                    return Some(
                        Event::default()
                            .event("missed")
                            .data(format!("{{\"events\":{events}}}")),
                    );
                }
                Next::Events(events) if events.is_empty() => self.newest.changed().await.ok()?,
                Next::Events(events) => self.waiting = events.into(),
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if self.taken < *self.newest.borrow() {
            self.counts.on_event_reader_dropped();
        }
    }
}

/// Without any event a comment is sent as often: proxies close connections on which nothing is said.
const ALIVE: Duration = Duration::from_secs(15);

/// Events taken from the ring at a time: what a reader holds beside the ring is little.
const AT_ONCE: usize = 64;

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt as _, StreamExt as _};

    use sctp_monitor_engine::model::Timestamp;

    use super::*;

    fn listener(events: &Arc<Events>, counts: &Arc<Counts>, taken: u64) -> Listener {
        Listener {
            events: Arc::clone(events),
            newest: events.newest(),
            taken,
            waiting: VecDeque::new(),
            has_begun: false,
            counts: Arc::clone(counts),
            _reader: counts.event_reader().unwrap(),
        }
    }

    /// Keeps [`KEPT`] of those that are pushed.
    fn ring() -> Arc<Events> {
        Events::new(100 * KEPT)
    }

    fn push(events: &Events, count: usize) {
        for _ in 0..count {
            events.push(Timestamp::default(), "true".to_owned());
        }
    }

    const KEPT: usize = 1_024;

    #[tokio::test]
    async fn each_event_is_given_once_and_awaited() {
        let (events, counts) = (ring(), Arc::default());
        push(&events, 100);
        let mut stream = Box::pin(listener(&events, &counts, 0).stream());
        for _ in 0..100 {
            assert!(stream.next().now_or_never().flatten().is_some());
        }
        assert!(stream.next().now_or_never().is_none(), "there is no more");
        let next = stream.next();
        push(&events, 1);
        assert!(next.await.is_some());
        drop(stream);
        assert_eq!(counts.figures().event_readers_dropped, 0);
    }

    #[tokio::test]
    async fn who_is_too_slow_is_disconnected_and_counted() {
        let (events, counts) = (ring(), Arc::default());
        push(&events, 1);
        let mut stream = Box::pin(listener(&events, &counts, 0).stream());
        assert!(stream.next().await.is_some());
        push(&events, KEPT + 1);
        assert!(stream.next().await.is_none());
        drop(stream);
        let figures = counts.figures();
        assert_eq!((figures.event_readers, figures.event_readers_dropped), (0, 1));
    }

    #[tokio::test]
    async fn who_comes_back_late_is_told_what_it_missed_and_given_the_rest() {
        let (events, counts) = (ring(), Arc::default());
        push(&events, KEPT + 7);
        let stream = listener(&events, &counts, 2).stream();
        let given: Vec<_> = stream.take(KEPT + 1).collect().await;
        assert_eq!(given.len(), KEPT + 1);
        let first = format!("{:?}", given[0]);
        assert!(first.contains("missed") && first.contains("5"), "{first}");
    }
}
