//! How it is drawn: incidents on top, the worst associations, what is known of the selected one, events, and the keys.

use std::time::Duration;

use super::{
    app::{App, findings, rtt_of},
    cut::{cut, cut_in_the_middle},
    help, list,
    matrix::matrix,
    rtts::Kind,
};
use crate::{
    page::words::{clean, length},
    show::{active, used},
};
use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::{Color, Modifier, Style},
    text::Line,
    widgets::{Paragraph, Sparkline},
};
use sctp_monitor_engine::model::{
    AssociationView, PathState, PathView, Severity, Short, Sides, Status,
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
    let incidents = above(app, area.width, usize::from(area.height / 6).max(2), styles);
    let [title, above, list, detail, events, keys] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(lines(incidents.len())),
        Constraint::Min(4),
        Constraint::Length(detail_height(area.height)),
        Constraint::Length((area.height / 5).clamp(2, 12)),
        Constraint::Length(1),
    ])
    .areas(area);
    frame.render_widget(title_line(app, area.width, styles), title);
    frame.render_widget(Paragraph::new(incidents), above);
    app.page = usize::from(list.height.saturating_sub(1)).max(1);
    let app = &*app;
    let all = app.shown();
    let selected = app.selected(&all);
    list::draw(frame, list, app, &all, selected.map(|(place, _)| place), styles);
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

fn title_line(app: &App, width: u16, styles: Styles) -> Line<'static> {
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
    let stopped = if app.is_paused {
        "STOPPED (p goes on)  "
    } else {
        ""
    };
    let text = format!(
        "sctp-monitor {time}Z  {stopped}{}, {works} of {} active",
        plural(associations, "association"),
        plural(all as u64, "path"),
    );
    Line::styled(cut(&text, width), styles.title())
}

/// What stands above all, in so many lines at most: that the agent is silent or blind, then incidents and findings that are of no
/// association, the worst first.
fn above(app: &App, width: u16, room: usize, styles: Styles) -> Vec<Line<'static>> {
    let mut said = Vec::new();
    let heard = app.last_heard();
    match (&app.silence, heard) {
        (Some(why), None) => said.push((Severity::Critical, format!("not heard: {why}"))),
        (Some(why), Some(ago)) => said.push((
            Severity::Critical,
            format!("last heard {} s ago: {why}", ago.as_secs()),
        )),
        (None, Some(ago)) => said.push((Severity::Critical, format!("last heard {} s ago", ago.as_secs()))),
        (None, None) => {}
    }
    let Some(summary) = &app.summary else {
        return lines_of(said, width, room, styles);
    };
    match &summary.not_watched[..] {
        [] => {}
        [nic] => said.push((
            Severity::Critical,
            format!("not watching {}: {}", nic.interface, nic.reason),
        )),
        nics => {
            let names: Vec<_> = nics.iter().map(|nic| nic.interface.as_str()).collect();
            let text = format!("not watching {} NICs: {}", nics.len(), names.join(", "));
            said.push((Severity::Critical, text));
        }
    }
    let of_agent = said.len();
    let open_for = |since| length(summary.snapshot.time.since(since));
    for incident in &summary.snapshot.incidents {
        let text = format!(
            "{}: {}",
            open_for(incident.since),
            incident.words(Status::Updated)
        );
        said.push((incident.severity, text));
    }
    for finding in &summary.snapshot.findings {
        let words = finding.words(Sides::default(), Status::Opened);
        said.push((finding.severity, format!("{}: {words}", open_for(finding.since))));
    }
    said[of_agent..].sort_by_key(|(severity, _)| std::cmp::Reverse(*severity));
    lines_of(said, width, room, styles)
}

fn lines_of(
    mut said: Vec<(Severity, String)>,
    width: u16,
    room: usize,
    styles: Styles,
) -> Vec<Line<'static>> {
    if said.is_empty() {
        let text = "\u{25cf} no incident is open";
        return vec![Line::styled(text, styles.state(PathState::Active))];
    }
    let left_out = if said.len() > room {
        said.split_off(room - 1)
    } else {
        Vec::new()
    };
    let mut lines: Vec<_> = said
        .into_iter()
        .map(|(severity, text)| {
            let text = clean(&format!("\u{25b2} {text}"));
            Line::styled(cut(&text, width), styles.severity(severity))
        })
        .collect();
    if let Some((severity, _)) = left_out.first() {
        let text = format!(
            "\u{25b2} {} more: see `sctp-monitor incidents` and `findings`",
            left_out.len()
        );
        lines.push(Line::styled(cut(&text, width), styles.severity(*severity)));
    }
    lines
}

/// `~` says that it is no round trip of a HEARTBEAT.
pub(super) fn rtt(path: &PathView) -> String {
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
    let (table, of_matrix) = matrix(
        association,
        chosen.map(|path| path.id),
        now,
        (area.width, of_matrix),
        styles,
    );
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
    let short = |time| Short(time).to_string();
    let shown = |columns| app.rtts(association.reference.id, path.id, columns);
    let (kind, figures) = shown(usize::from(area.width)).map_or_else(
        || (Kind::Heartbeat, " not measured".to_owned()),
        |known| {
            let figures = format!(" {}, at most {}", short(known.last), short(known.most));
            (known.kind, figures)
        },
    );
    let name = match kind {
        Kind::Heartbeat => "RTT",
        Kind::DataToSack => "DATA to SACK",
    };
    // Figures are never cut.
    let of_figures = lines(figures.chars().count());
    let label = cut_in_the_middle(
        &format!("{name} {}", path.id),
        area.width.saturating_sub(of_figures + 1),
    );
    let [name, line, value] = Layout::horizontal([
        Constraint::Length(lines(label.chars().count() + 1)),
        Constraint::Fill(1),
        Constraint::Length(of_figures),
    ])
    .areas(area);
    frame.render_widget(Line::from(label), name);
    if let Some(shown) = shown(usize::from(line.width)) {
        frame.render_widget(Sparkline::default().data(shown.columns), line);
    }
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
        .map(|line| Line::from(cut(line, below.width)))
        .collect();
    frame.render_widget(Paragraph::new(text), below);
}

fn ruled(heading: &str, width: u16) -> String {
    let heading = cut(heading, width);
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

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
