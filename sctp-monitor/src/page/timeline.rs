//! The events, a line each: of one association, and of all.
//!
//! There can be any number of events, and a page cannot hold them. Failures and ends have a room of their own; of each, the first are
//! kept of a capture, and the newest of a running agent; and what was left out is counted.

use std::collections::VecDeque;

use maud::{Markup, html};
use sctp_monitor_engine::model::{EndReason, Event, EventKind, PathState, Status, Timestamp};

use super::words::{clean, date, date_time, plural, time_of_day};

/// Everything that is kept of what happened.
#[derive(Debug, Default)]
pub(crate) struct Timeline {
    link: Link,
    /// Of a running agent the newest events are kept, of a capture the first.
    keeps_newest: bool,
    grave: Kept,
    other: Kept,
    heard: u64,
}

/// Where associations are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Link {
    /// On the same page.
    #[default]
    Here,
    /// On a page of their own.
    Elsewhere,
}

#[derive(Debug, Default)]
struct Kept {
    lines: VecDeque<Line>,
    left_out: u64,
}

/// One event.
#[derive(Debug)]
pub(crate) struct Line {
    /// Its place among all events.
    number: u64,
    pub(crate) at: Timestamp,
    mark: Mark,
    association: Option<u64>,
    is_told_by_incident: bool,
    /// What happened, without the association's name.
    text: String,
}

/// What an event means to whoever is on call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    /// Something broke.
    Alarm,
    /// Something may have broken.
    Doubt,
    /// Something works again.
    Over,
    /// It is good to know.
    Note,
}

impl Mark {
    fn of(kind: &EventKind) -> Self {
        match kind {
            EventKind::Finding { finding, .. } if finding.evidence.kind().is_weakness() => Self::Note,
            EventKind::Incident { status, .. } | EventKind::Finding { status, .. } => match status {
                Status::Closed => Self::Over,
                Status::Opened | Status::Updated => Self::Alarm,
            },
            EventKind::PathStateChanged { to, .. } => match to {
                PathState::Inactive => Self::Alarm,
                PathState::PotentiallyFailed => Self::Doubt,
                PathState::Active => Self::Over,
                PathState::Unconfirmed => Self::Note,
            },
            EventKind::AssociationDown { end } => match end.reason {
                EndReason::Abort(_) => Self::Alarm,
                EndReason::Silent { .. } => Self::Doubt,
                _ => Self::Note,
            },
            EventKind::AssociationError { .. }
            | EventKind::ShutdownUnfinished { .. }
            | EventKind::AnsweredFromElsewhere(_)
            | EventKind::HandshakeUnfinished(_)
            | EventKind::AbortUnknown { .. }
            | EventKind::DataMoved { .. } => Self::Doubt,
            _ => Self::Note,
        }
    }

    /// Class, sign and word: the colour is never the only one to tell.
    fn shown(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Alarm => ("alarm", "\u{25b2}", "alarm"),
            Self::Doubt => ("doubt", "\u{25d0}", "doubt"),
            Self::Over => ("over", "\u{2713}", "over"),
            Self::Note => ("note", "\u{2022}", "note"),
        }
    }
}

impl Timeline {
    /// Without any event yet; it keeps the newest.
    pub(crate) fn newest(link: Link) -> Self {
        Self {
            link,
            keeps_newest: true,
            ..Self::default()
        }
    }

    /// Takes in something that is of no association, and no failure.
    pub(crate) fn on_note(&mut self, at: Timestamp, text: &str) {
        self.heard += 1;
        let line = Line {
            number: self.heard,
            at,
            mark: Mark::Note,
            association: None,
            is_told_by_incident: false,
            text: clean(text),
        };
        self.other.push(line, self.keeps_newest);
    }

    pub(crate) fn on_event(&mut self, event: &Event) {
        self.heard += 1;
        let mark = Mark::of(&event.kind);
        let is_grave = mark == Mark::Alarm
            || matches!(
                event.kind,
                EventKind::Incident { .. } | EventKind::AssociationDown { .. }
            );
        let kept = if is_grave {
            &mut self.grave
        } else {
            &mut self.other
        };
        let line = Line {
            number: self.heard,
            at: event.time,
            mark,
            association: event.association.map(|reference| reference.id.0),
            is_told_by_incident: event.is_told_by_incident(),
            text: clean(&event.words().text),
        };
        kept.push(line, self.keeps_newest);
    }

    /// The lines of one association; they need not name it.
    pub(crate) fn of_association(&self, id: u64) -> Markup {
        let lines = self.lines(|line| line.association == Some(id));
        html! {
            @if lines.is_empty() {
                p.quiet { "No events." }
            } @else {
                (self.table(&lines, true))
                (self.left_out())
            }
        }
    }

    /// All lines, but those that an incident tells.
    pub(crate) fn of_all(&self) -> Markup {
        let lines = self.lines(|line| !line.is_told_by_incident);
        html! {
            @if lines.is_empty() {
                p.quiet { "No events." }
            } @else {
                (self.table(&lines, false))
                (self.left_out())
            }
        }
    }

    /// How many lines [`Timeline::of_all`] has.
    pub(crate) fn len(&self) -> usize {
        self.lines(|line| !line.is_told_by_incident).len()
    }

    fn lines(&self, is_asked_for: impl Fn(&Line) -> bool) -> Vec<&Line> {
        let mut lines: Vec<_> = self
            .grave
            .lines
            .iter()
            .chain(&self.other.lines)
            .filter(|line| is_asked_for(line))
            .collect();
        lines.sort_unstable_by_key(|line| line.number);
        lines
    }

    fn left_out(&self) -> Markup {
        let (grave, other) = (self.grave.left_out, self.other.left_out);
        html! {
            @if grave + other > 0 {
                p.left-out {
                    @if self.keeps_newest {
                        (plural(grave + other, "older event")) " of all associations are not shown here, " (grave) " of them failures. "
                        code { "sctp-monitor run --events FILE" } " keeps all events in a file."
                    } @else {
                        (plural(grave + other, "event")) " are not shown here, " (grave) " of them failures. "
                        code { "--format ndjson" } " writes all events; "
                        code { "--assoc" } " and " code { "--address" } " select some."
                    }
                }
            }
        }
    }

    fn table(&self, lines: &[&Line], of_one: bool) -> Markup {
        let day = |line: &Line| date(line.at);
        html! {
            div.scroll tabindex="0" {
                table.timeline {
                    tbody {
                        @for (at, line) in lines.iter().enumerate() {
                            @if at == 0 || day(lines[at - 1]) != day(line) {
                                tr.day { th colspan="3" { (day(line)) " UTC" } }
                            }
                            @let (class, sign, word) = line.mark.shown();
                            tr class=(class) {
                                td { time datetime=(line.at.to_string()) title={ (date_time(line.at)) " UTC" } { (time_of_day(line.at)) } }
                                td { span.mark { (sign) " " (word) } }
                                td { (self.words(line, of_one)) }
                            }
                        }
                    }
                }
            }
        }
    }

    /// What a line says, with a link to its association unless it is the only one.
    fn words(&self, line: &Line, of_one: bool) -> Markup {
        html! {
            @if let Some(id) = line.association.filter(|_| !of_one) {
                a href=(self.place(id)) { "association " (id) } ": "
            }
            (line.text)
        }
    }

    fn place(&self, id: u64) -> String {
        match self.link {
            Link::Here => format!("#a{id}"),
            Link::Elsewhere => format!("/associations/{id}"),
        }
    }
}

impl Kept {
    fn push(&mut self, line: Line, keeps_newest: bool) {
        let is_full = self.lines.len() >= MOST_OF_EACH;
        self.left_out += u64::from(is_full);
        if is_full && keeps_newest {
            self.lines.pop_front();
        }
        if !is_full || keeps_newest {
            self.lines.push_back(line);
        }
    }
}

/// Lines that are kept of failures, and of everything else.
const MOST_OF_EACH: usize = 1_500;

#[cfg(test)]
mod tests {
    use sctp_monitor_engine::model::{
        Abort, AssociationId, AssociationRef, End, ErrorCause, Schema, Side, Sides,
    };

    use super::*;

    fn event(kind: EventKind) -> Event {
        Event {
            schema: Schema,
            time: Timestamp::from_nanos(1),
            association: Some(AssociationRef {
                id: AssociationId(7),
                sides: Sides::Initiator,
                local_port: 1,
                remote_port: 2,
                local_tag: None,
                remote_tag: None,
            }),
            kind,
        }
    }

    #[test]
    fn failures_are_kept_when_there_is_no_room_for_the_rest() {
        let mut timeline = Timeline::default();
        for _ in 0..5_000 {
            let ended_ago = std::time::Duration::from_secs(2);
            timeline.on_event(&event(EventKind::AssociationGoesOn { ended_ago }));
        }
        let said = Some("<script>alert(1)</script>".to_owned());
        let reason = EndReason::Abort(Abort {
            by: Side::Remote,
            source: [10, 1, 0, 2].into(),
            destination: [10, 1, 0, 1].into(),
            t_bit: false,
            causes: vec![ErrorCause::UserInitiated { said }],
            answers: None,
            gave_up: None,
        });
        let end = End::new(reason, Sides::Initiator);
        timeline.on_event(&event(EventKind::AssociationDown { end }));
        let page = timeline.of_association(7).into_string();
        assert!(
            page.contains("user-initiated abort &quot;&lt;script&gt;"),
            "escaped, and there"
        );
        assert!(page.contains("3500 events are not shown here, 0 of them failures"));
        assert!(timeline.of_association(8).into_string().contains("No events."));
    }

    #[test]
    fn of_a_running_agent_the_newest_are_kept() {
        let mut timeline = Timeline::newest(Link::Here);
        for minutes in 0..2_000_u64 {
            let ended_ago = std::time::Duration::from_secs(60 * minutes);
            timeline.on_event(&event(EventKind::AssociationGoesOn { ended_ago }));
        }
        let page = timeline.of_all().into_string();
        assert!(page.contains("500 older events of all associations are not shown here"));
        let told = |minutes: u64| {
            let ended_ago = std::time::Duration::from_secs(60 * minutes);
            let event = event(EventKind::AssociationGoesOn { ended_ago });
            page.contains(&format!("{}<", clean(&event.words().text)))
        };
        assert_eq!([0, 499, 500, 1_999].map(told), [false, false, true, true]);
        assert!(!page.contains("ndjson"), "the agent's page has no such option");
    }
}
