//! The plots of a path of a capture.

use maud::Markup;
use sctp_monitor_engine::model::{Direction, Object, Short};

use super::{
    super::{
        entry::Entry,
        story::{PathNumbers, Story},
    },
    spans,
};
use crate::page::{
    plots::{Drawn, Scale, plots},
    series::Series,
    span::Shade,
};

/// What the plots of these paths share.
pub(crate) fn scale(paths: &[&PathNumbers<'_>], extent: (u64, u64)) -> Scale {
    let flows = paths.iter().flat_map(|path| path.flows.iter().flatten());
    Scale::new(flows.filter_map(|entry| entry.series.as_deref()), extent)
}

/// Both plots of a path.
pub(crate) fn of_path(path: &PathNumbers<'_>, story: &Story, scale: &Scale, end_ns: u64) -> Markup {
    let spans = path
        .view
        .map_or_else(Vec::new, |known| spans::of_path(known.id, story, end_ns));
    let shades: Vec<_> = story
        .found
        .iter()
        .filter(|found| match found.finding.object {
            Object::Association => true,
            Object::Local(local) => local == path.id.local,
            Object::Remote(remote) => remote == path.id.remote,
            Object::Path(id) => id == path.id,
        })
        .map(|found| Shade {
            finding: &found.finding,
            until: found.until,
        })
        .collect();
    let flow = |direction| path.flow(direction).and_then(|entry| entry.series.as_deref());
    let drawn = Drawn {
        flows: Direction::BOTH.map(|direction| -> Option<&Series> { flow(direction) }),
        spans: &spans,
        shades: &shades,
        unknown: None,
        without_heartbeats: &without_heartbeats(path),
    };
    plots(&drawn, scale)
}

fn without_heartbeats(path: &PathNumbers<'_>) -> String {
    match path.flows.iter().flatten().find_map(Entry::data_to_sack) {
        Some(srtt) => format!(
            "no answer to a HEARTBEAT seen; DATA to SACK takes {}",
            Short(srtt)
        ),
        None => "no answer to a HEARTBEAT seen".to_owned(),
    }
}
