//! Asks the agent that watches the NICs already: it has seen more than a watch of some seconds can.

use std::{collections::BTreeSet, time::Duration};

use sctp_monitor_engine::model::{AssociationView, words};

use crate::{
    clock,
    control::{self, Agent},
    log::Log,
    report::Summary,
};

/// What an agent knows, and which one.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) summary: Summary,
    pub(super) process: u32,
}

impl Told {
    /// Where it was seen, for people.
    pub(super) fn source(&self) -> String {
        let since = self.summary.since.map_or_else(String::new, |since| {
            format!(" since {} UTC", words::date_time(since))
        });
        format!(
            "on {}, watched by the running agent (process {}){since}",
            list(&interfaces(&self.summary)),
            self.process
        )
    }
}

/// Asks the agent that watches all these NICs, if there is one. One that has watched for a shorter time than `least` is asked
/// again when it has.
pub(super) fn ask(wanted: &[String], least: Duration, log: &Log) -> Option<Told> {
    let agents = control::agents()
        .inspect_err(|error| log.say(&format!("running agents are not known: {error}")))
        .ok()?;
    let (agent, told) = agents.into_iter().find_map(|agent| {
        let told = hear(&agent, log)?;
        watches_all(&told, wanted, log).then_some((agent, told))
    })?;
    let wait = least.saturating_sub(watched_for(&told.summary));
    let mut told = if wait.is_zero() {
        told
    } else {
        log.say(&format!(
            "the running agent (process {}) has just begun to watch: it is asked in {} s",
            told.process,
            wait.as_secs() + 1
        ));
        clock::wait(wait);
        hear(&agent, log)?
    };
    let associations = &mut told.summary.snapshot.associations;
    associations.retain(|association| crosses(association, wanted));
    Some(told)
}

fn hear(agent: &Agent, log: &Log) -> Option<Told> {
    let process = agent.process();
    let summary = agent.summary().inspect_err(|error| {
        log.say(&format!(
            "the running agent (process {process}) was not heard: {error}"
        ));
    });
    Some(Told {
        summary: summary.ok()?,
        process,
    })
}

/// Whether an agent watches all these NICs; says so if only some.
fn watches_all(told: &Told, wanted: &[String], log: &Log) -> bool {
    let watched = interfaces(&told.summary);
    let missing: Vec<_> = wanted
        .iter()
        .map(String::as_str)
        .filter(|name| !watched.contains(name))
        .collect();
    if !missing.is_empty() && missing.len() < wanted.len() {
        log.say(&format!(
            "the running agent (process {}) watches {}, but not {}: it is not asked",
            told.process,
            list(&watched),
            missing.join(", ")
        ));
    }
    missing.is_empty()
}

fn watched_for(summary: &Summary) -> Duration {
    let since = summary.since.unwrap_or(summary.snapshot.time);
    summary.snapshot.time.since(since)
}

/// Whether anything of an association was seen on one of these NICs, as far as is known where it was seen.
fn crosses(association: &AssociationView, wanted: &[String]) -> bool {
    let flows = association
        .paths
        .iter()
        .flat_map(|path| [&path.forward, &path.return_]);
    let mut interfaces = flows
        .flatten()
        .filter_map(|flow| flow.interface.as_ref())
        .peekable();
    interfaces.peek().is_none() || interfaces.any(|interface| wanted.contains(interface))
}

fn interfaces(summary: &Summary) -> BTreeSet<&str> {
    let interfaces = summary.interfaces.iter();
    interfaces.map(|watched| watched.interface.as_str()).collect()
}

fn list(names: &BTreeSet<&str>) -> String {
    let names: Vec<_> = names.iter().copied().collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use sctp_monitor_engine::model::PathState;

    use super::*;
    use crate::report::samples::{FIRST, association, flow, now, summary};

    #[test]
    fn associations_of_other_nics_are_left_out() {
        let on = |interface: Option<&str>| {
            let mut known = association(1, &[(FIRST, PathState::Active)]);
            let mut seen = flow(FIRST, now());
            seen.interface = interface.map(str::to_owned);
            known.paths[0].return_ = Some(Box::new(seen));
            known
        };
        let wanted = ["path1".to_owned()];
        assert!(crosses(&on(Some("path1")), &wanted));
        assert!(!crosses(&on(Some("path2")), &wanted));
        assert!(crosses(&on(None), &wanted), "nobody knows");
        assert!(crosses(&association(1, &[]), &wanted));
    }

    #[test]
    fn the_source_names_the_process_and_the_time() {
        let told = Told {
            summary: summary(&[]),
            process: 77,
        };
        assert_eq!(watched_for(&told.summary), Duration::from_millis(3_600_500));
        assert_eq!(
            told.source(),
            "on path1, watched by the running agent (process 77) since 2026-11-23 16:00:00.000 UTC"
        );
    }
}
