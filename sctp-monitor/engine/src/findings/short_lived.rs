//! Associations between the same two hosts that do not last, one after the other: they are refused, they end soon, or they
//! are restarted.
//!
//! A warning: each time by itself is an event; that it repeats itself is what is wrong.

use std::{collections::BTreeMap, fmt, net::IpAddr};

use serde::{Deserialize, Serialize};

use crate::{
    config::Config,
    findings::seen::NO_NAMES,
    model::{
        EndReason, Evidence, Finding, Object, Origin, PathId, Severity, Short, ShortLived, Side, Status,
        Timestamp,
        words::{list, plural},
    },
    registry::association::{Association, Phase},
};

impl ShortLived {
    pub(crate) const SEVERITY: Severity = Severity::Warning;

    /// What to check next.
    pub(crate) fn check(&self) -> String {
        if self.ended_by.is_empty() {
            return "the applications on both hosts: one restarts the other's association".to_owned();
        }
        let by = list(&self.ended_by);
        if self.associations == 0 && self.restarts == 0 {
            return format!(
                "the causes that {by} gives in its ABORTs; where it gives none, whether a process listens on the SCTP port that is \
                 asked (`ss --sctp -l`)"
            );
        }
        format!("the application on {by}: its log says why it ends them")
    }
}

impl fmt::Display for ShortLived {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if self.refused > 0 {
            parts.push(format!(
                "{} refused",
                plural(u64::from(self.refused), "handshake")
            ));
        }
        if self.associations > 0 {
            parts.push(format!(
                "{} ended within {}",
                plural(u64::from(self.associations), "association"),
                Short(self.longest)
            ));
        }
        if self.restarts > 0 {
            parts.push(format!(
                "{} restarted within {}",
                plural(u64::from(self.restarts), "association"),
                Short(self.longest)
            ));
        }
        write!(f, "short-lived: {} in a row", parts.join(", "))?;
        if !self.ended_by.is_empty() {
            write!(f, ", by {}", list(&self.ended_by))?;
        }
        Ok(())
    }
}

/// What did not last, by the two hosts.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Rows {
    rows: BTreeMap<PathId, Row>,
}

/// What did not last between two hosts, one after the other.
#[derive(Debug, Serialize, Deserialize)]
struct Row {
    seen: ShortLived,
    began: Timestamp,
    last: Timestamp,
    /// What was reported, if it was.
    reported: Option<Finding>,
}

/// What is to be reported.
pub(super) type Report = (Status, Finding);

impl Rows {
    /// A handshake was refused.
    pub(super) fn on_refused(
        &mut self,
        initiator: IpAddr,
        responder: IpAddr,
        by: IpAddr,
        config: &Config,
        now: Timestamp,
    ) -> Option<Report> {
        let between = PathId {
            local: initiator,
            remote: responder,
        };
        self.count(between, Some(by), config, now, |seen| seen.refused += 1)
    }

    /// An association is over.
    pub(super) fn on_ended(
        &mut self,
        association: &Association,
        config: &Config,
        now: Timestamp,
    ) -> Option<Report> {
        let first = |side| association.addresses(side).iter().next().copied();
        let between = PathId {
            local: first(Side::Local)?,
            remote: first(Side::Remote)?,
        };
        let Phase::Ended { end, .. } = association.phase() else {
            return None;
        };
        if association.origin() != Origin::Handshake {
            return None;
        }
        let lived = now.since(association.known_since());
        if lived > config.short_life {
            return self.over(between);
        }
        match end {
            EndReason::Abort(abort) => self.count(between, Some(abort.source), config, now, |seen| {
                seen.associations += 1;
                seen.longest = seen.longest.max(lived);
            }),
            EndReason::Shutdown { by } => self.count(between, by.and_then(first), config, now, |seen| {
                seen.associations += 1;
                seen.longest = seen.longest.max(lived);
            }),
            EndReason::Restarted | EndReason::Replaced => self.count(between, None, config, now, |seen| {
                seen.restarts += 1;
                seen.longest = seen.longest.max(lived);
            }),
            EndReason::PartOf { .. }
            | EndReason::Silent { .. }
            | EndReason::NotWatched { .. }
            | EndReason::CrowdedOut { .. } => None,
        }
    }

    /// What is reported and not over, with the figures of now.
    pub(super) fn open(&self) -> impl Iterator<Item = Finding> {
        self.rows.values().filter_map(|row| {
            let mut finding = row.reported.clone()?;
            finding.update(NO_NAMES, Evidence::ShortLived(row.seen.clone()));
            Some(finding)
        })
    }

    /// Ends the rows to which nothing was added for long.
    pub(super) fn expire(&mut self, config: &Config, now: Timestamp) -> Vec<Report> {
        let over: Vec<_> = self
            .rows
            .iter()
            .filter(|(_, row)| now.since(row.last) > config.short_lives_apart)
            .map(|(between, _)| *between)
            .collect();
        over.into_iter()
            .filter_map(|between| self.over(between))
            .collect()
    }

    fn count(
        &mut self,
        between: PathId,
        by: Option<IpAddr>,
        config: &Config,
        now: Timestamp,
        add: impl FnOnce(&mut ShortLived),
    ) -> Option<Report> {
        let between = self.known_as(between);
        if self.rows.len() >= MOST && !self.rows.contains_key(&between) {
            return None;
        }
        let row = self.rows.entry(between).or_insert_with(|| Row {
            seen: ShortLived::default(),
            began: now,
            last: now,
            reported: None,
        });
        if now.since(row.last) > config.short_lives_apart && row.reported.is_none() {
            row.seen = ShortLived::default();
            row.began = now;
        }
        row.last = now;
        add(&mut row.seen);
        if let Some(by) = by
            && !row.seen.ended_by.contains(&by)
            && row.seen.ended_by.len() < MOST_NAMED
        {
            row.seen.ended_by.push(by);
        }
        let evidence = Evidence::ShortLived(row.seen.clone());
        match &mut row.reported {
            Some(reported) if reported.evidence.differs(&evidence) => {
                reported.update(NO_NAMES, evidence);
                Some((Status::Updated, reported.clone()))
            }
            None if row.seen.times() >= config.short_lives => {
                let finding = Finding::new(Object::Path(between), NO_NAMES, row.began, evidence, None);
                row.reported = Some(finding.clone());
                Some((Status::Opened, finding))
            }
            _ => None,
        }
    }

    /// An association lasts, or nothing more comes.
    fn over(&mut self, between: PathId) -> Option<Report> {
        let row = self.rows.remove(&self.known_as(between))?;
        let mut finding = row.reported?;
        finding.update(NO_NAMES, Evidence::ShortLived(row.seen));
        Some((Status::Closed, finding))
    }

    /// The two hosts in the order in which they are known: either may begin.
    fn known_as(&self, between: PathId) -> PathId {
        let turned = PathId {
            local: between.remote,
            remote: between.local,
        };
        if self.rows.contains_key(&turned) {
            turned
        } else {
            between
        }
    }
}

/// Pairs of hosts that are watched. Anyone can have his INITs refused from any address.
const MOST: usize = 256;
/// Addresses that are named.
const MOST_NAMED: usize = 4;
