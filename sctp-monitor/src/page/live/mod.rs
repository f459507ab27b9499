//! The page of a running agent: an overview, and a page for each association; or all of it in one file (`sctp-monitor report`).
//!
//! It is made here, of the agent's summary and of what is kept of the past, by the same means as the page about a capture: a browser
//! needs no script to read it, and a script does no more than fetch it anew and mark what has just changed.

mod association;
mod cards;
mod matrix;
mod overview;
mod past;

use maud::{DOCTYPE, Markup, PreEscaped, html};
use sctp_monitor_engine::model::{PathState, Timestamp, words::date_time};

pub(crate) use self::{
    association::{MINUTES, association, until},
    overview::{Asked, overview, report},
    past::Past,
};
use super::{STYLE, state::shown, words::clean};
use crate::report::Summary;

/// A whole page around what is shown.
pub(crate) fn document(title: &str, summary: &Summary, agent: u32, content: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (clean(title)) " \u{b7} sctp-monitor" }
                link rel="stylesheet" href="/page.css";
                script src="/page.js" defer {}
            }
            body.live {
                header.bar {
                    a.home href="/" { "sctp-monitor" }
                    span #now role="status" data-agent=(agent) data-time=(summary.snapshot.time.to_string()) { (now(summary)) }
                    form role="search" action="/" method="get" {
                        label { "Search " input #words type="search" name="words" placeholder="address, port, state, finding" size="28"; }
                    }
                }
                p #offline .finding.alarm role="alert" hidden {
                    b { "\u{25b2} Not connected to the agent: " } "what is shown here is old."
                }
                p #held .finding.note role="status" hidden { "Text on this page is selected: it stays as it is until nothing is selected." }
                p #anew .finding.note role="status" hidden {
                    "The agent was started anew since this page was opened: an association may have another number now."
                }
                main { (content) }
                footer {
                    "Written by sctp-monitor " (env!("CARGO_PKG_VERSION")) ", process " (agent) ". All times are in UTC. For programs: "
                    @for (path, what) in LINKS { a href=(path) title=(what) { (path) } " " }
                }
                // What a path looks like in a state, for the moment until the page is fetched anew.
                @for state in STATES {
                    template id={ "state-" (shown(Some(state)).0) } { (state_line(state)) }
                }
            }
        }
    }
}

/// All of it in one file that needs no other, to look at later and to mail: `sections` are the associations.
pub(crate) fn file(title: &str, summary: &Summary, sections: &Markup) -> Markup {
    html! {
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="referrer" content="no-referrer";
                title { (clean(title)) }
                style { (PreEscaped(STYLE)) (PreEscaped(MORE_STYLE)) }
                script { (PreEscaped(super::SCRIPT)) }
            }
            body {
                header { h1 { (clean(title)) } p.quiet { (now(summary)) } }
                (sections)
                footer { "Written by sctp-monitor " (env!("CARGO_PKG_VERSION")) " from what the running agent knew. All times are in UTC." }
            }
        }
    }
}

/// The style sheet of the agent's page.
pub(crate) fn style() -> String {
    format!("{STYLE}{MORE_STYLE}")
}

/// What keeps the agent's page up to date.
pub(crate) const SCRIPT: &str = include_str!("live.js");

fn now(summary: &Summary) -> String {
    format!("{} UTC", date_time(summary.snapshot.time))
}

/// Sign and name of a state, as the matrix has it.
fn state_line(state: PathState) -> Markup {
    let (_, sign, name) = shown(Some(state));
    html! { span.sign { (sign) } " " (name) }
}

/// A moment, in a line.
fn moment(at: Timestamp) -> Markup {
    html! { time datetime=(at.to_string()) { (date_time(at)) } " UTC" }
}

const STATES: [PathState; 4] = [
    PathState::Active,
    PathState::PotentiallyFailed,
    PathState::Inactive,
    PathState::Unconfirmed,
];

/// Where programs read.
const LINKS: [(&str, &str); 8] = [
    ("/metrics", "metrics, for Prometheus"),
    ("/api/v1/status", "how the agent is, as JSON"),
    ("/api/v1/associations", "associations, as JSON"),
    ("/api/v1/incidents", "open incidents, as JSON"),
    ("/api/v1/events", "the last events, as JSON"),
    ("/api/v1/openapi.json", "all of this as an OpenAPI document"),
    ("/healthz", "whether the agent lives"),
    ("/readyz", "whether it watches all NICs that it should"),
];

/// Nothing is loaded from anywhere, nothing is sent anywhere.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

const MORE_STYLE: &str = include_str!("live.css");

#[cfg(test)]
mod tests;
