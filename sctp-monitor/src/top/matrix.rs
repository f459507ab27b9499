//! The paths of the selected association: local addresses down, remote ones across.

use std::net::IpAddr;

use ratatui::{
    layout::Constraint,
    text::{Line, Span},
    widgets::{Cell, Row, Table},
};
use sctp_monitor_engine::model::{AssociationView, PathId, Side, Timestamp};

use super::{
    cut::{cut, cut_in_the_middle, wide},
    view::{Styles, rtt},
};
use crate::page::{state::shown, words::length};

/// The table, of this width and so many lines at most with its header, and its lines.
pub(super) fn matrix(
    association: &AssociationView,
    chosen: Option<PathId>,
    now: Timestamp,
    (width, most): (u16, usize),
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
    let remote = addresses(Side::Remote, |path| path.remote);
    let rows = local.len().min(most.saturating_sub(1));
    let of_names = local.iter().map(|address| wide(&address.to_string())).max();
    let first = of_names.unwrap_or(0).max(CORNER).min(usize::from(width) / 3);
    let columns = ((usize::from(width) - first) / LEAST).clamp(1, MOST_COLUMNS);
    let columns = columns.min(remote.len());
    // The path that was chosen is among those shown.
    let place = chosen.and_then(|path| remote.iter().position(|address| *address == path.remote));
    let begin = (place.unwrap_or(0) + 1).saturating_sub(columns);
    let shown = &remote[begin..begin + columns];
    let each = (usize::from(width) - first).checked_div(columns).unwrap_or(0);
    let [first, each] = [first, each.saturating_sub(1)].map(|width| u16::try_from(width).unwrap_or(u16::MAX));
    let more = |left_out: usize| match left_out {
        0 => String::new(),
        left_out => format!("+{left_out}"),
    };
    let corner = format!(
        "local \u{2193}{} remote \u{2192}{}",
        more(local.len() - rows),
        more(remote.len() - columns)
    );
    let header = std::iter::once(cut(&corner, first))
        .chain(shown.iter().map(|to| cut_in_the_middle(&to.to_string(), each)));
    let rows: Vec<_> = local
        .iter()
        .take(rows)
        .map(|from| {
            let cells = shown.iter().map(|to| {
                let id = PathId {
                    local: *from,
                    remote: *to,
                };
                cell(association, id, chosen == Some(id), now, each, styles)
            });
            let name = cut_in_the_middle(&from.to_string(), first);
            Row::new(std::iter::once(Cell::from(name)).chain(cells))
        })
        .collect();
    let lines = rows.len() + 1;
    let widths = std::iter::once(first).chain(shown.iter().map(|_| each));
    let header = Row::new(header.map(Cell::from)).style(styles.quiet());
    let table = Table::new(rows, widths.map(Constraint::Length)).header(header);
    (table, lines)
}

fn cell(
    association: &AssociationView,
    id: PathId,
    is_chosen: bool,
    now: Timestamp,
    width: u16,
    styles: Styles,
) -> Cell<'static> {
    let path = association.paths.iter().find(|path| path.id == id);
    let Some(path) = path.filter(|path| path.is_used()) else {
        return Cell::from("no packets").style(styles.quiet());
    };
    let (_, sign, name) = shown(Some(path.state));
    let rtt = match rtt(path) {
        rtt if rtt.is_empty() => rtt,
        rtt => format!(" {rtt}"),
    };
    let primary = [association.primary_forward, association.primary_return].contains(&Some(id));
    let marks = if primary { " DATA" } else { "" };
    let text = format!("{sign} {name} {}{rtt}{marks}", length(now.since(path.since)));
    let style = if is_chosen {
        styles.chosen(styles.state(path.state))
    } else {
        styles.state(path.state)
    };
    Cell::from(Line::from(Span::styled(cut(&text, width), style)))
}

/// Width of the corner, unless something is left out.
const CORNER: usize = 17;
/// For a state with its sign.
const LEAST: usize = 14;
/// Columns side by side that can be read.
const MOST_COLUMNS: usize = 6;
