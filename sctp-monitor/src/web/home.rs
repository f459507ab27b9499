//! `/`: what is here, for somebody who opens the address in a browser.

use axum::response::{Html, IntoResponse as _, Response};
use maud::{DOCTYPE, html};

/// The page. It needs nothing else, and no script.
pub(super) async fn home() -> Response {
    let links = [
        ("/metrics", "metrics, for Prometheus"),
        ("/api/v1/status", "how the agent is"),
        (
            "/api/v1/associations",
            "associations, those with the worst paths first",
        ),
        ("/api/v1/paths", "paths, the worst first"),
        ("/api/v1/findings", "findings that are open"),
        ("/api/v1/incidents", "incidents that are open"),
        ("/api/v1/events", "the last events"),
        (
            "/api/v1/events/stream",
            "events as they are reported (Server-Sent Events)",
        ),
        ("/api/v1/openapi.json", "all of this as an OpenAPI document"),
        ("/healthz", "whether the agent lives"),
        ("/readyz", "whether it watches all NICs that it should"),
    ];
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "sctp-monitor" }
            }
            body {
                h1 { "sctp-monitor " (env!("CARGO_PKG_VERSION")) }
                ul {
                    @for (path, what) in links {
                        li { a href=(path) { (path) } ": " (what) }
                    }
                }
            }
        }
    };
    Html(page.into_string()).into_response()
}
