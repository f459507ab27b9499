//! The answer in words.

use std::io::{self, Write};

use sctp_monitor_engine::model::{SteeredPath, SteeringMode, SteeringProspect, SteeringView, WayView, words};

use crate::{cli::SteerVerb, control::SteerAnswer};

/// Writes it.
pub(super) fn write(out: &mut impl Write, verb: &SteerVerb, answer: &SteerAnswer) -> io::Result<()> {
    let paused = if answer.paused { ", paused" } else { "" };
    writeln!(out, "steering: {}{paused} (agent {})", answer.mode, answer.agent)?;
    if let Some(refused) = &answer.refused {
        writeln!(out, "nothing was done: {refused}")?;
    }
    if matches!(verb, SteerVerb::Explain { .. }) {
        for path in &answer.paths {
            prospect(out, path)?;
        }
        return Ok(());
    }
    if answer.steered.is_empty() {
        writeln!(out, "no packets are moved to another path")?;
    }
    for path in &answer.steered {
        steered(out, path)?;
    }
    Ok(())
}

fn steered(out: &mut impl Write, steered: &SteeredPath) -> io::Result<()> {
    writeln!(
        out,
        "association {}, ports {} > {}: {}",
        steered.association.id,
        steered.association.local_port,
        steered.association.remote_port,
        in_force(steered.path, &steered.steering)
    )
}

fn prospect(out: &mut impl Write, path: &SteeringProspect) -> io::Result<()> {
    write!(out, "path {}: {}; ", path.path, path.state.words())?;
    match (
        path.steering.filter(|steering| steering.onto.is_some()),
        path.onto,
        path.obstacle,
    ) {
        (Some(steering), ..) => writeln!(out, "{}", in_force(path.path, &steering)),
        (None, Some(onto), _) => writeln!(out, "if it fails, DATA and SACKs leave on path {onto}"),
        (None, None, Some(obstacle)) => writeln!(out, "if it fails, nothing is moved: {obstacle}"),
        (None, None, None) => writeln!(out),
    }?;
    if let Some(why) = path.not_copied {
        writeln!(out, "  they do not leave on two paths at once: {why}")?;
    }
    if let Some(way) = &path.way {
        writeln!(
            out,
            "  packets of other paths would leave on it by {}",
            self::way(way)
        )?;
    }
    match path.unfit {
        Some(unfit) => writeln!(out, "  they cannot be moved to it: {unfit}"),
        None => Ok(()),
    }
}

fn way(way: &WayView) -> String {
    let mut words = way.interface.clone();
    if let Some(other) = &way.routed_by {
        words.push_str(&format!(" (this host's own route leads by {other})"));
    }
    match (way.next_hop, way.neighbour) {
        (Some(next_hop), Some(neighbour)) => {
            words.push_str(&format!(", next hop {next_hop} (neighbour entry {neighbour})"));
        }
        _ => words.push_str(", no route known"),
    }
    if let Some(mtu) = way.mtu {
        words.push_str(&format!(", MTU {mtu}"));
    }
    if let Some(filter) = way.answers_filtered {
        words.push_str(&format!(", reverse-path filtering of answers {filter}"));
    }
    words
}

fn in_force(path: sctp_monitor_engine::model::PathId, steering: &SteeringView) -> String {
    let onto = steering
        .onto
        .map_or_else(String::new, |onto| format!(" on path {onto}"));
    let counts = steering.counts;
    let since = words::time_of_day(steering.since);
    match steering.mode {
        SteeringMode::Move => format!(
            "DATA and SACKs of path {path} leave{onto} since {since} UTC; {} moved, {} left as the host sent them",
            words::plural(counts.packets, "packet"),
            counts.kept + counts.lapsed
        ),
        SteeringMode::Both => format!(
            "DATA and SACKs of path {path} leave{onto} as well since {since} UTC; {} sent on both, {} on one only",
            words::plural(counts.packets, "packet"),
            counts.kept + counts.lapsed + counts.uncopied
        ),
        SteeringMode::DryRun | SteeringMode::Off => format!(
            "dry run: DATA and SACKs of path {path} would leave{onto} since {since} UTC; {} would have been moved",
            words::plural(counts.would_have_packets, "packet")
        ),
    }
}
