//! What the columns, the signs and the keys mean.

use ratatui::{
    layout::Rect,
    text::Line,
    widgets::{Clear, Paragraph, Wrap},
};
use sctp_monitor_engine::model::PathState;

use super::view::Styles;
use crate::page::state::shown;

/// Draws it over everything.
pub(super) fn draw(frame: &mut ratatui::Frame<'_>, area: Rect, styles: Styles) {
    let mut lines = vec![Line::styled("sctp-monitor top: what is shown", styles.title())];
    lines.extend(COLUMNS.map(|(name, meaning)| Line::from(format!("  {name:<12}{meaning}"))));
    lines.push(Line::styled(
        "States of a path (RFC 6458, RFC 7829)",
        styles.title(),
    ));
    for (state, meaning) in STATES {
        let (_, sign, name) = shown(Some(state));
        lines.push(Line::styled(
            format!("  {sign} {name:<20}{meaning}"),
            styles.state(state),
        ));
    }
    lines.push(Line::styled("Keys", styles.title()));
    lines.extend(KEYS.map(|(key, meaning)| Line::from(format!("  {key:<18}{meaning}"))));
    frame.render_widget(Clear, area);
    frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: false }), area);
}

const COLUMNS: [(&str, &str); 5] = [
    ("id", "number of the association: see `sctp-monitor explain ID`"),
    ("paths", "active paths of those on which packets were seen"),
    ("worst path", "the worst path; the worst associations come first"),
    ("RTT", "round trip of HEARTBEATs; else DATA to SACK, after ~"),
    ("findings", "what is wrong now"),
];

const STATES: [(PathState, &str); 4] = [
    (PathState::Active, "answers arrive"),
    (PathState::PotentiallyFailed, "an answer is overdue"),
    (PathState::Inactive, "it has failed"),
    (PathState::Unconfirmed, "no answer was seen yet"),
];

const KEYS: [(&str, &str); 7] = [
    ("/", "filter: address, port, number, state or finding"),
    ("Esc", "no filter"),
    ("Up Down PgUp PgDn", "another association"),
    ("Left Right", "another path of it, for its round-trip times"),
    ("e", "events of all associations, or of the selected one"),
    ("p", "stop and go on"),
    ("q", "quit"),
];
