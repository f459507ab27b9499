//! The paths of the selected association: local addresses down, remote ones across.

use std::net::IpAddr;

use ratatui::{
    layout::Constraint,
    text::{Line, Span},
    widgets::{Cell, Row, Table},
};
use sctp_monitor_engine::model::{AssociationView, PathId, Short, Side, Timestamp};

use super::{app::rtt_of, view::Styles};
use crate::page::{state::shown, words::length};

/// The table, of so many lines at most with its header, and its lines.
pub(super) fn matrix(
    association: &AssociationView,
    chosen: Option<PathId>,
    now: Timestamp,
    most: usize,
    styles: Styles,
) -> (Table<'static>, usize) {
    let addresses = |side, pick: fn(&PathId) -> IpAddr| {
        let mut all: Vec<_> = association
            .addresses(side)
            .iter()
            .map(|known| known.address)
            .collect();
        for path in association.paths.iter().map(|path| pick(&path.id)) {
            if !all.contains(&path) {
                all.push(path);
            }
        }
        all
    };
    let local = addresses(Side::Local, |path| path.local);
    let mut remote = addresses(Side::Remote, |path| path.remote);
    remote.truncate(MOST_COLUMNS);
    let header = std::iter::once("local \u{2193}  remote \u{2192}".to_owned())
        .chain(remote.iter().map(ToString::to_string));
    let rows: Vec<_> = local
        .iter()
        .take(most.saturating_sub(1))
        .map(|from| {
            let cells = remote.iter().map(|to| {
                let id = PathId {
                    local: *from,
                    remote: *to,
                };
                cell(association, id, chosen == Some(id), now, styles)
            });
            Row::new(std::iter::once(Cell::from(from.to_string())).chain(cells))
        })
        .collect();
    let lines = rows.len() + 1;
    let widths = std::iter::once(Constraint::Max(20)).chain(remote.iter().map(|_| Constraint::Fill(1)));
    let header = Row::new(header.map(Cell::from)).style(styles.quiet());
    (Table::new(rows, widths).header(header), lines)
}

fn cell(
    association: &AssociationView,
    id: PathId,
    is_chosen: bool,
    now: Timestamp,
    styles: Styles,
) -> Cell<'static> {
    let path = association.paths.iter().find(|path| path.id == id);
    let Some(path) = path.filter(|path| path.is_used()) else {
        return Cell::from("no packets").style(styles.quiet());
    };
    let (_, sign, name) = shown(Some(path.state));
    let rtt = rtt_of(path).map_or_else(String::new, |rtt| {
        format!(" {}", Short(std::time::Duration::from_micros(rtt)))
    });
    let primary = [association.primary_forward, association.primary_return].contains(&Some(id));
    let marks = if primary { " DATA" } else { "" };
    let text = format!("{sign} {name} {}{rtt}{marks}", length(now.since(path.since)));
    let style = if is_chosen {
        styles.chosen(styles.state(path.state))
    } else {
        styles.state(path.state)
    };
    Cell::from(Line::from(Span::styled(text, style)))
}

/// Columns side by side that can be read.
const MOST_COLUMNS: usize = 6;
