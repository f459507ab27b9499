//! How it is drawn: incidents on top, the worst associations, what is known of the selected one, events, and the keys.

use std::time::Duration;

use super::{
    app::{App, findings, rtt_of},
    help,
    matrix::matrix,
};
use crate::{
    page::{
        state::shown,
        words::{clean, length},
    },
    show::{active, used, worst},
};
use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::{Color, Modifier, Style},
    text::{Line, Span},
    widgets::{Cell, Paragraph, Row, Sparkline, Table, TableState},
};
use sctp_monitor_engine::model::{
    AssociationView, PathState, PathView, Severity, Short, Status,
    words::{plural, time_of_day},
};

/// Colours, or none: signs, words and weight tell all that colours tell.
#[derive(Debug, Clone, Copy)]
pub(super) struct Styles {
    has_colours: bool,
}

impl Styles {
    fn coloured(self, colour: Color) -> Style {
        if self.has_colours {
            Style::new().fg(colour)
        } else {
            Style::new()
        }
    }

    pub(super) fn title(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    pub(super) fn quiet(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    /// Of what is selected.
    pub(super) fn chosen(self, style: Style) -> Style {
        style.add_modifier(Modifier::REVERSED)
    }

    pub(super) fn state(self, state: PathState) -> Style {
        match state {
            PathState::Active => self.coloured(Color::Green),
            PathState::PotentiallyFailed => self.coloured(Color::Yellow),
            PathState::Inactive => self.coloured(Color::Red).add_modifier(Modifier::BOLD),
            PathState::Unconfirmed => self.quiet(),
        }
    }

    fn severity(self, severity: Severity) -> Style {
        match severity {
            Severity::Critical => self.coloured(Color::Red).add_modifier(Modifier::BOLD),
            Severity::Warning => self.coloured(Color::Yellow),
            Severity::Info => Style::new(),
        }
    }
}

/// Draws all of it.
pub(super) fn draw(frame: &mut Frame<'_>, app: &mut App) {
    let styles = Styles {
        has_colours: app.has_colours,
    };
    let area = frame.area();
    let incidents = incidents(app, styles);
    let of_incidents = incidents.len().min(usize::from(area.height / 6).max(1));
    let [title, above, list, detail, events, keys] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(lines(of_incidents)),
        Constraint::Min(4),
        Constraint::Length(detail_height(area.height)),
        Constraint::Length((area.height / 5).clamp(2, 12)),
        Constraint::Length(1),
    ])
    .areas(area);
    frame.render_widget(title_line(app, styles), title);
    frame.render_widget(Paragraph::new(incidents), above);
    app.page = usize::from(list.height.saturating_sub(1)).max(1);
    let app = &*app;
    let all = app.shown();
    let selected = app.selected(&all);
    draw_list(frame, list, app, &all, selected.map(|(place, _)| place), styles);
    if let Some((_, association)) = selected {
        draw_detail(frame, detail, app, association, styles);
    }
    let of = selected.map(|(_, association)| association.reference.id);
    draw_events(frame, events, app, of, styles);
    frame.render_widget(Line::styled(key_line(app), styles.title()), keys);
    if app.shows_help {
        help::draw(frame, area, styles);
    }
}

/// Room for the selected association.
fn detail_height(height: u16) -> u16 {
    (height * 2 / 5).clamp(4, 16)
}

fn lines(count: usize) -> u16 {
    u16::try_from(count).unwrap_or(u16::MAX)
}

fn title_line(app: &App, styles: Styles) -> Line<'static> {
    let Some(summary) = &app.summary else {
        return Line::from("sctp-monitor");
    };
    let up = summary.snapshot.associations.iter().filter(|known| known.is_up());
    let (mut associations, mut works, mut all) = (0, 0, 0);
    for known in up {
        associations += 1;
        works += active(known);
        all += used(known).count();
    }
    let time = app.time().map_or_else(String::new, time_of_day);
    let mut text = format!(
        "sctp-monitor {time}Z  {}, {works} of {} active",
        plural(associations, "association"),
        plural(all as u64, "path"),
    );
    if app.is_paused {
        text += "  STOPPED (p goes on)";
    }
    Line::styled(text, styles.title())
}

/// What stands above all: that the agent is silent or blind, and incidents, the worst first.
fn incidents(app: &App, styles: Styles) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    let bad = styles.severity(Severity::Critical);
    if let Some(why) = &app.silence {
        lines.push(Line::styled(format!("\u{25b2} not heard: {why}"), bad));
    }
    let Some(summary) = &app.summary else {
        return lines;
    };
    for nic in &summary.not_watched {
        let text = format!("\u{25b2} not watching {}: {}", nic.interface, nic.reason);
        lines.push(Line::styled(clean(&text), bad));
    }
    let mut all: Vec<_> = summary.snapshot.incidents.iter().collect();
    all.sort_by_key(|incident| (std::cmp::Reverse(incident.severity), incident.id));
    for incident in all {
        let open_for = length(summary.snapshot.time.since(incident.since));
        let text = format!("\u{25b2} {open_for}: {}", incident.words(Status::Updated));
        lines.push(Line::styled(clean(&text), styles.severity(incident.severity)));
    }
    if lines.is_empty() {
        lines.push(Line::styled(
            "\u{25cf} no incident is open",
            styles.state(PathState::Active),
        ));
    }
    lines
}

fn draw_list(
    frame: &mut Frame<'_>,
    area: Rect,
    app: &App,
    all: &[&AssociationView],
    selected: Option<usize>,
    styles: Styles,
) {
    if all.is_empty() {
        let text = if app.filter.trim().is_empty() {
            "no association is established now".to_owned()
        } else {
            format!("no association has all of: {}", clean(&app.filter))
        };
        return frame.render_widget(Paragraph::new(text), area);
    }
    // The remote addresses tell more, where there is no room for both.
    let is_wide = area.width >= WIDE;
    let columns = || COLUMNS.iter().filter(|(name, _)| is_wide || *name != "local");
    let rows = all.iter().map(|association| row(association, is_wide, styles));
    let header = Row::new(columns().map(|(name, _)| *name));
    let table = Table::new(rows, columns().map(|(_, width)| *width))
        .header(header.style(styles.quiet()))
        .row_highlight_style(styles.chosen(Style::new()));
    let mut state = TableState::new().with_selected(selected);
    frame.render_stateful_widget(table, area, &mut state);
}

fn row(association: &AssociationView, is_wide: bool, styles: Styles) -> Row<'static> {
    let known = association.reference;
    let ends = |all: &[sctp_monitor_engine::model::AddressView]| match all {
        [] => "?".to_owned(),
        [only] => only.address.to_string(),
        [first, more @ ..] => format!("{} +{}", first.address, more.len()),
    };
    let worst = worst(association);
    let (state, style) = worst.map_or_else(
        || ("-".to_owned(), styles.quiet()),
        |path| {
            let (_, sign, name) = shown(Some(path.state));
            (format!("{sign} {name}"), styles.state(path.state))
        },
    );
    let mut kinds: Vec<_> = findings(association)
        .iter()
        .map(|finding| finding.evidence.kind().to_string())
        .collect();
    kinds.dedup();
    let local = is_wide.then(|| Cell::from(ends(&association.local_addresses)));
    let id = std::iter::once(Cell::from(known.id.to_string()));
    let rest = [
        Cell::from(ends(&association.remote_addresses)),
        Cell::from(format!("{}>{}", known.local_port, known.remote_port)),
        Cell::from(format!("{}/{}", active(association), used(association).count())),
        Cell::from(Span::styled(state, style)),
        Cell::from(worst.map_or_else(String::new, rtt)),
        Cell::from(clean(&kinds.join(", "))),
    ];
    Row::new(id.chain(local).chain(rest))
}

/// `~` says that it is no round trip of a HEARTBEAT.
fn rtt(path: &PathView) -> String {
    let by_heartbeat = [&path.forward, &path.return_]
        .into_iter()
        .flatten()
        .any(|flow| flow.heartbeat_rtt.is_some());
    rtt_of(path).map_or_else(String::new, |micros| {
        let sign = if by_heartbeat { "" } else { "~" };
        format!("{sign}{}", Short(Duration::from_micros(micros)))
    })
}

fn draw_detail(frame: &mut Frame<'_>, area: Rect, app: &App, association: &AssociationView, styles: Styles) {
    let chosen = app.path(association);
    let now = app.time().unwrap_or_default();
    let height = usize::from(area.height);
    let found = findings(association);
    // The title, the round-trip times, and what is found have their lines in any case.
    let of_findings = (2 * found.len()).min(height.saturating_sub(4).max(2));
    let of_matrix = height.saturating_sub(2 + of_findings);
    let (table, of_matrix) = matrix(association, chosen.map(|path| path.id), now, of_matrix, styles);
    let [title, paths, rtts, below] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(lines(of_matrix)),
        Constraint::Length(1),
        Constraint::Fill(1),
    ])
    .areas(area);
    let known = association.reference;
    let heading = format!(
        "\u{2500}\u{2500} association {}, ports {} > {}, since {} ",
        known.id,
        known.local_port,
        known.remote_port,
        length(now.since(association.since)),
    );
    frame.render_widget(Line::styled(ruled(&heading, title.width), styles.quiet()), title);
    frame.render_widget(table, paths);
    if let Some(path) = chosen {
        draw_rtts(frame, rtts, app, association, path);
    }
    let mut text = Vec::new();
    for finding in found {
        let words = finding.words(known.sides, Status::Opened);
        text.push(Line::styled(
            clean(&format!("\u{25b2} {words}")),
            styles.severity(finding.severity),
        ));
    }
    frame.render_widget(
        Paragraph::new(text).wrap(ratatui::widgets::Wrap { trim: true }),
        below,
    );
}

fn draw_rtts(frame: &mut Frame<'_>, area: Rect, app: &App, association: &AssociationView, path: &PathView) {
    let mut rtts = app.rtts(association.reference.id, path.id);
    let label = format!("RTT {}", path.id);
    let most = rtts.iter().max().copied();
    let figures = most.map_or_else(
        || " not measured".to_owned(),
        |most| format!(" {}, at most {}", rtt(path), Short(Duration::from_micros(most))),
    );
    let [name, line, value] = Layout::horizontal([
        Constraint::Length(lines(label.chars().count() + 1)),
        Constraint::Fill(1),
        Constraint::Length(lines(figures.chars().count() + 1)),
    ])
    .areas(area);
    let over = rtts.len().saturating_sub(usize::from(line.width));
    rtts.drain(..over);
    frame.render_widget(Line::from(label), name);
    frame.render_widget(Sparkline::default().data(&rtts), line);
    frame.render_widget(Line::from(figures), value);
}

fn draw_events(
    frame: &mut Frame<'_>,
    area: Rect,
    app: &App,
    of: Option<sctp_monitor_engine::model::AssociationId>,
    styles: Styles,
) {
    let [title, below] = Layout::vertical([Constraint::Length(1), Constraint::Fill(1)]).areas(area);
    let heading = if app.all_events {
        "\u{2500}\u{2500} events of all associations "
    } else {
        "\u{2500}\u{2500} events "
    };
    frame.render_widget(Line::styled(ruled(heading, title.width), styles.quiet()), title);
    let text: Vec<_> = app
        .lines(of, usize::from(below.height))
        .into_iter()
        .map(|line| Line::from(line.to_owned()))
        .collect();
    frame.render_widget(Paragraph::new(text), below);
}

fn ruled(heading: &str, width: u16) -> String {
    let used = heading.chars().count();
    format!(
        "{heading}{}",
        "\u{2500}".repeat(usize::from(width).saturating_sub(used))
    )
}

fn key_line(app: &App) -> String {
    if app.is_typing {
        return format!("/{}_  Enter: keep  Esc: no filter", clean(&app.filter));
    }
    let filter = if app.filter.is_empty() {
        String::new()
    } else {
        format!("/{}  Esc: no filter  ", clean(&app.filter))
    };
    format!(
        "{filter}? help  / filter  \u{2191}\u{2193} association  \u{2190}\u{2192} path  e events  p stop  q quit"
    )
}

/// The columns of the list.
const COLUMNS: [(&str, Constraint); 8] = [
    ("id", Constraint::Length(4)),
    ("local", Constraint::Fill(3)),
    ("remote", Constraint::Fill(3)),
    ("ports", Constraint::Length(11)),
    ("paths", Constraint::Length(5)),
    ("worst path", Constraint::Length(20)),
    ("RTT", Constraint::Length(8)),
    ("findings", Constraint::Fill(3)),
];

/// From so many columns on both endpoints are shown.
const WIDE: u16 = 100;

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
