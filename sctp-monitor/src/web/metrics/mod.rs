//! `/metrics`: what the agent knows, as Prometheus reads it.
//!
//! All samples are made anew of one summary, so that none is stale. Single associations and paths have series of their own up to a
//! limit, the worst associations first; those beyond it are summed as peer="other", and how many they are is a metric. A host with
//! ten thousand associations then costs Prometheus as much as one with a hundred, and a failure still has its own series.

mod agent;
mod family;
mod others;
mod page;
mod paths;

use std::{collections::HashSet, fmt};

use prometheus_client::{
    encoding::{prometheus_text, text},
    registry::Registry,
};
use sctp_monitor_engine::model::{AssociationId, AssociationView};

pub use self::page::page;
use self::{family::Samples, others::Others, paths::Name};
use super::counts::Figures;
use crate::{report::Summary, show};

/// What is needed beside the summary.
#[derive(Debug, Clone, Copy)]
struct Own {
    max_series: usize,
    summed: usize,
    web: Figures,
}

/// Makes metrics of summaries, one after the other.
#[derive(Debug)]
pub(super) struct Metrics {
    max_series: usize,
    others: Others,
}

/// All metrics at a moment, in both formats.
#[derive(Debug)]
pub(super) struct Exposition(Registry);

impl Metrics {
    pub(super) fn new(max_series: usize) -> Self {
        Self {
            max_series,
            others: Others::default(),
        }
    }

    /// The metrics of this summary, which is later than those before it.
    pub(super) fn of(&mut self, summary: &Summary, web: Figures) -> Exposition {
        let (samples, summed) = self.of_associations(summary);
        let own = Own {
            max_series: self.max_series,
            summed,
            web,
        };
        let mut all = agent::samples(summary, &own);
        all.append(samples);
        let mut registry = Registry::default();
        registry.register_collector(Box::new(all));
        Exposition(registry)
    }

    /// The samples of associations, and how many associations have none of their own.
    fn of_associations(&mut self, summary: &Summary) -> (Samples, usize) {
        let all = summary.snapshot.associations.iter();
        let mut all: Vec<_> = all.filter(|known| known.is_up()).collect();
        all.sort_by_cached_key(|association| rank(association));
        let mut samples = Samples::default();
        let mut named = HashSet::new();
        let mut own = 0;
        let mut is_full = false;
        let mut others = vec![false; all.len()];
        for (association, is_other) in all.iter().zip(&mut others) {
            let name = Name::of(association);
            // Behind NAT, or on two VLANs, two can look alike.
            if is_full || named.contains(&name) {
                *is_other = true;
                continue;
            }
            let more = paths::of_one(&name, association);
            own += more.len();
            if own > self.max_series {
                is_full = true;
                *is_other = true;
                continue;
            }
            samples.append(more);
            named.insert(name);
        }
        let summed = others.iter().filter(|is_other| **is_other).count();
        samples.append(self.others.take(&all, |index| others[index]));
        (samples, summed)
    }
}

impl Exposition {
    /// As OpenMetrics.
    pub(super) fn open_metrics(&self) -> Result<String, fmt::Error> {
        let mut out = String::new();
        text::encode(&mut out, &self.0)?;
        Ok(out)
    }

    /// As Prometheus' older text format.
    pub(super) fn prometheus(&self) -> Result<String, fmt::Error> {
        let mut out = String::new();
        prometheus_text::encode(&mut out, &self.0)?;
        Ok(out)
    }
}

/// The most interesting comes first: what has no active path, then by the worst path; then what anything was found of. Among equals the
/// older one, so that a new one takes no other's place.
fn rank(association: &AssociationView) -> (bool, u8, bool, AssociationId) {
    let (has_active, worst) = show::rank(association);
    let is_fine = paths::findings(association).next().is_none();
    (has_active, worst, is_fine, association.reference.id)
}

#[cfg(test)]
mod tests;
