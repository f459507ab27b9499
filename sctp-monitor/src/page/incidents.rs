//! Incidents, from their events: the engine forgets those that are over.

use std::collections::BTreeMap;

use maud::{Markup, html};
use sctp_monitor_engine::model::{Event, EventKind, IncidentView, Status, Timestamp};

use super::words::{between, clean, date_time, length, plural};

/// Incidents by their number.
#[derive(Debug, Default)]
pub(crate) struct Incidents {
    /// Of a running agent the newest are kept, of a capture the first.
    keeps_newest: bool,
    known: BTreeMap<u64, Incident>,
    left_out: u64,
}

#[derive(Debug)]
struct Incident {
    view: IncidentView,
    since: Timestamp,
    until: Option<Timestamp>,
    /// Associations that had a part in it, at most.
    associations: usize,
}

impl Incidents {
    /// Without any yet; it keeps the newest.
    pub(crate) fn newest() -> Self {
        Self {
            keeps_newest: true,
            ..Self::default()
        }
    }

    pub(crate) fn on_event(&mut self, event: &Event) {
        let EventKind::Incident { status, incident } = &event.kind else {
            return;
        };
        let id = incident.id.0;
        let before = self.known.get(&id).map(|known| known.associations);
        if before.is_none() && self.known.len() >= MOST {
            let is_oldest = self
                .known
                .first_key_value()
                .is_none_or(|(oldest, _)| id < *oldest);
            if !self.keeps_newest || is_oldest {
                self.left_out += u64::from(*status == Status::Opened);
                return;
            }
            self.known.pop_first();
            self.left_out += 1;
        }
        self.known.insert(
            id,
            Incident {
                view: incident.clone(),
                since: incident.since,
                until: (*status == Status::Closed).then_some(event.time),
                associations: incident.associations.max(before.unwrap_or(0)),
            },
        );
    }

    /// Those that were not over by the end, and those that were.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let open = self
            .known
            .values()
            .filter(|incident| incident.until.is_none())
            .count();
        (open, self.known.len() - open)
    }

    /// A card for each that is over, the last first.
    pub(crate) fn over(&self) -> Markup {
        let over = self
            .known
            .values()
            .rev()
            .filter(|incident| incident.until.is_some());
        html! {
            @for incident in over { (incident.card()) }
            @if self.left_out > 0 {
                p.left-out { (plural(self.left_out, "earlier incident")) " not shown" }
            }
        }
    }

    /// A card for each, the open ones first.
    pub(crate) fn section(&self) -> Markup {
        let mut all: Vec<_> = self.known.values().collect();
        all.sort_by_key(|incident| incident.until.is_some());
        html! {
            @if !all.is_empty() {
                section #incidents {
                    h2 { "Incidents" }
                    p.quiet { "Failures of one kind that begin at about the same time and share an address or a peer are one incident." }
                    @for incident in all { (incident.card()) }
                    @if self.left_out > 0 {
                        p.left-out { "and " (plural(self.left_out, "incident")) " more" }
                    }
                }
            }
        }
    }
}

impl Incident {
    fn card(&self) -> Markup {
        let view = &self.view;
        let (class, mark) = match self.until {
            None => ("alarm", "\u{25b2} open at the end"),
            Some(_) => ("over", "\u{2713} over"),
        };
        html! {
            div.finding.(class) {
                p.what {
                    span.badge.(class) { (mark) } " "
                    b { "Incident " (view.id) ": " (view.finding) ", " (clean(&view.scope.to_string())) }
                }
                p { (clean(&view.reason)) }
                p.quiet {
                    (date_time(self.since)) " UTC "
                    @match self.until {
                        Some(until) => { "to " (date_time(until)) " (" (length(between(self.since, until))) ")" }
                        None => "to the end"
                    }
                    "; " (plural(view.most_members as u64, "path")) " of "
                    (plural(self.associations as u64, "association")) " at most"
                }
                p.next { b { "Check: " } (clean(&view.next)) }
            }
        }
    }
}

/// Incidents that are shown.
const MOST: usize = 200;
