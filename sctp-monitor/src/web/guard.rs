//! What holds for every request and every answer: it is read-only, it ends in time, and nothing keeps or embeds it.

use std::{sync::Arc, time::Duration};

use axum::{
    Extension,
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;

use super::{
    access::Access,
    answer::refusal,
    connections::{Activity, Answering},
    host::{REFUSAL, Reached},
};

/// Says of an answer that it is a stream.
#[derive(Debug, Clone, Copy)]
pub(super) struct Endless;

/// Says of an answer that it is a page for a browser, which loads its style and its script, and asks for more, from here only.
#[derive(Debug, Clone, Copy)]
pub(super) struct Page;

/// Stands around all that is served.
pub(super) async fn guard(
    State(access): State<Option<Arc<Access>>>,
    Extension(activity): Extension<Arc<Activity>>,
    Extension(reached): Extension<Reached>,
    request: Request,
    next: Next,
) -> Response {
    let answering = activity.answer();
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    let asks_for_password = access.as_ref().is_some_and(|access| access.asks_for_password());
    let mut response = if !reached.is_meant(asks_for_password, request.uri(), request.headers()) {
        refusal(StatusCode::MISDIRECTED_REQUEST, REFUSAL)
    } else if !may_read(access.as_deref(), request.headers().clone()).await {
        let mut response = refusal(StatusCode::UNAUTHORIZED, "a name and a password are needed");
        let wanted = HeaderValue::from_static("Basic realm=\"sctp-monitor\", charset=\"UTF-8\"");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, wanted);
        response
    } else if is_read {
        match tokio::time::timeout(PATIENCE, next.run(request)).await {
            Ok(response) => response,
            Err(_) => refusal(StatusCode::SERVICE_UNAVAILABLE, "this took too long"),
        }
    } else {
        let mut response = refusal(StatusCode::METHOD_NOT_ALLOWED, "nothing can be changed here");
        let allowed = HeaderValue::from_static("GET, HEAD");
        response.headers_mut().insert(header::ALLOW, allowed);
        response
    };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if response.extensions().get::<Page>().is_some() {
        headers_of_page(&mut response);
    }
    if response.extensions().get::<Endless>().is_some() {
        answering.listens();
        return response.map(|body| {
            Body::new(Held {
                body,
                _answering: answering,
            })
        });
    }
    held(response, answering).await
}

fn headers_of_page(response: &mut Response) {
    let policy = HeaderValue::from_static(PAGE_POLICY);
    response
        .headers_mut()
        .insert(header::CONTENT_SECURITY_POLICY, policy);
}

/// Whether somebody may read who says this of itself.
async fn may_read(access: Option<&Access>, headers: HeaderMap) -> bool {
    let Some(access) = access else {
        return true;
    };
    let authorization = headers.get(header::AUTHORIZATION);
    let authorization = authorization.and_then(|value| value.to_str().ok());
    tokio::time::timeout(PATIENCE, access.lets_in(authorization))
        .await
        .unwrap_or(false)
}

/// An answer that counts as being given until its last byte was handed to the system.
async fn held(response: Response, answering: Answering) -> Response {
    let (parts, body) = response.into_parts();
    // All answers but streams are made as a whole.
    match axum::body::to_bytes(body, usize::MAX).await {
        Ok(bytes) => {
            let bytes = Bytes::from_owner(Owned {
                bytes,
                _answering: answering,
            });
            Response::from_parts(parts, Body::from(bytes))
        }
        Err(error) => {
            tracing::debug!("an answer was not made: {error}");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

struct Owned {
    bytes: Bytes,
    _answering: Answering,
}

impl AsRef<[u8]> for Owned {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// A stream, and that it is being given.
struct Held {
    body: Body,
    _answering: Answering,
}

impl hyper::body::Body for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, axum::Error>>> {
        std::pin::Pin::new(&mut self.body).poll_frame(context)
    }
}

/// How long an answer may take to be made.
const PATIENCE: Duration = Duration::from_secs(10);

const PAGE_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; base-uri 'none'; \
    form-action 'self'; frame-ancestors 'none'";

const HEADERS: [(header::HeaderName, &str); 5] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_FRAME_OPTIONS, "DENY"),
];
