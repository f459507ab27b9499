//! The associations, a line each: columns are as wide as what they hold, and what has no room is cut so that it can be seen.

use ratatui::{
    Frame,
    layout::{Constraint, Rect},
    style::Style,
    text::Span,
    widgets::{Cell, Paragraph, Row, Table, TableState},
};
use sctp_monitor_engine::model::{AddressView, AssociationView};

use super::{
    app::{App, findings},
    cut::{cut, cut_in_the_middle, wide},
    view::{Styles, rtt},
};
use crate::{
    page::{state::shown, words::clean},
    show::{active, used, worst},
};

/// Draws the list, or why it is empty.
pub(super) fn draw(
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
        return frame.render_widget(Paragraph::new(cut(&text, area.width)), area);
    }
    let texts: Vec<_> = all.iter().map(|association| texts(association)).collect();
    let columns = columns(&texts, area.width);
    let rows = all.iter().zip(&texts).map(|(association, texts)| {
        let cells = columns.iter().map(|(column, width)| {
            let text = column.cut(&texts[*column as usize], *width);
            Cell::from(Span::styled(text, column.style(association, styles)))
        });
        Row::new(cells)
    });
    let header = columns.iter().map(|(column, width)| cut(column.name(), *width));
    let widths = columns.iter().map(|(_, width)| Constraint::Length(*width));
    let table = Table::new(rows, widths)
        .header(Row::new(header).style(styles.quiet()))
        .row_highlight_style(styles.chosen(Style::new()));
    let mut state = TableState::new().with_selected(selected);
    frame.render_stateful_widget(table, area, &mut state);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Id,
    Local,
    Remote,
    Ports,
    Paths,
    Worst,
    Rtt,
    Findings,
}

impl Column {
    const ALL: [Self; 8] = [
        Self::Id,
        Self::Local,
        Self::Remote,
        Self::Ports,
        Self::Paths,
        Self::Worst,
        Self::Rtt,
        Self::Findings,
    ];
    /// Left out where there is no room, the first first. The remote addresses tell more than the local ones.
    const LEFT_OUT: [Self; 4] = [Self::Local, Self::Rtt, Self::Ports, Self::Paths];

    const fn name(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Local => "local",
            Self::Remote => "remote",
            Self::Ports => "ports",
            Self::Paths => "paths",
            Self::Worst => "worst path",
            Self::Rtt => "RTT",
            Self::Findings => "findings",
        }
    }

    /// What it holds usually, so that columns do not move with every change.
    const fn usual(self) -> usize {
        match self {
            Self::Ports => 11,
            Self::Worst => 12,
            Self::Rtt => 8,
            _ => 0,
        }
    }

    const fn is_address(self) -> bool {
        matches!(self, Self::Local | Self::Remote)
    }

    /// Numbers and states have as much room as they need.
    const fn can_be_cut(self) -> bool {
        self.is_address() || matches!(self, Self::Findings)
    }

    fn cut(self, text: &str, width: u16) -> String {
        if self.is_address() {
            cut_in_the_middle(text, width)
        } else {
            cut(text, width)
        }
    }

    fn style(self, association: &AssociationView, styles: Styles) -> Style {
        match (self, worst(association)) {
            (Self::Worst, Some(path)) => styles.state(path.state),
            (Self::Worst, None) => styles.quiet(),
            _ => Style::new(),
        }
    }
}

/// The columns that are shown, and their widths.
fn columns(texts: &[[String; 8]], width: u16) -> Vec<(Column, u16)> {
    let needed = |column: Column| {
        let texts = texts.iter().map(|texts| wide(&texts[column as usize]));
        texts
            .max()
            .unwrap_or(0)
            .max(wide(column.name()))
            .max(column.usual())
    };
    let mut all: Vec<_> = Column::ALL
        .map(|column| (column, needed(column)))
        .into_iter()
        .filter(|(column, _)| width >= WIDE || *column != Column::Local)
        .collect();
    let room = |all: &[(Column, usize)]| {
        let exact = all.iter().filter(|(column, _)| !column.can_be_cut());
        let taken: usize = exact.map(|(_, needed)| needed).sum();
        usize::from(width).checked_sub(taken + all.len() - 1)
    };
    for column in Column::LEFT_OUT {
        if room(&all).is_none_or(|room| room < LEAST) {
            all.retain(|(known, _)| *known != column);
        }
    }
    let room = room(&all).unwrap_or(0);
    let of_addresses = all
        .iter()
        .filter(|(column, _)| column.is_address())
        .count()
        .max(1);
    let of_findings = needed(Column::Findings).min(room / 3);
    let each = (room - of_findings) / of_addresses;
    let mut left = room;
    for (column, needed) in &mut all {
        if column.is_address() {
            *needed = each.min(*needed);
            left -= *needed;
        } else if *column == Column::Findings {
            *needed = left;
        }
    }
    all.into_iter()
        .map(|(column, width)| (column, u16::try_from(width).unwrap_or(u16::MAX)))
        .collect()
}

/// What stands in each column.
fn texts(association: &AssociationView) -> [String; 8] {
    let known = association.reference;
    let ends = |all: &[AddressView]| match all {
        [] => "?".to_owned(),
        [only] => only.address.to_string(),
        [first, more @ ..] => format!("{} +{}", first.address, more.len()),
    };
    let worst = worst(association);
    let state = worst.map_or_else(
        || "-".to_owned(),
        |path| {
            let (_, sign, name) = shown(Some(path.state));
            format!("{sign} {name}")
        },
    );
    let mut kinds: Vec<_> = findings(association)
        .iter()
        .map(|finding| finding.evidence.kind().to_string())
        .collect();
    kinds.dedup();
    [
        known.id.to_string(),
        ends(&association.local_addresses),
        ends(&association.remote_addresses),
        format!("{}>{}", known.local_port, known.remote_port),
        format!("{}/{}", active(association), used(association).count()),
        state,
        worst.map_or_else(String::new, rtt),
        clean(&kinds.join(", ")),
    ]
}

/// From so many columns on both endpoints are shown.
const WIDE: u16 = 100;

/// For an address and for findings, at least.
const LEAST: usize = 24;
