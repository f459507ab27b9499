//! From facts to findings: what is as it should be, what is a limitation, what is a problem, and what to do about it.

mod nic;
mod steering;

use super::{
    facts::{Facts, Nic},
    finding::{Finding, Level},
    host::host,
    predict::{Prediction, predict},
};
use crate::layers::{self, Layer, Purpose};

/// What `check` reports.
#[derive(Debug, Clone)]
pub struct Report {
    /// About the kernel and this process.
    pub host: Vec<Finding>,
    /// About each NIC.
    pub nics: Vec<NicReport>,
}

/// What `check` reports about a NIC.
#[derive(Debug, Clone)]
pub struct NicReport {
    /// The name of the NIC.
    pub name: String,
    /// What `run` would do with it.
    pub prediction: Prediction,
    /// The other findings about this NIC.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Leaves out what only a programmer wants to read.
    pub(super) fn drop_details(&mut self) {
        let of_nics = self.nics.iter_mut().flat_map(|nic| &mut nic.findings);
        for finding in self.host.iter_mut().chain(of_nics) {
            finding.detail.clear();
        }
    }

    /// Whether `run` would work on every NIC that was looked at.
    #[must_use]
    pub fn works(&self) -> bool {
        self.host.iter().all(|finding| finding.level != Level::Problem)
            && self.nics.iter().all(|nic| nic.prediction.works())
    }
}

/// What `run` would leave out of these NICs, as of a host that moves no packets.
fn seen_twice(name: &str, nics: &[Nic]) -> Option<Finding> {
    let known = nics.iter().filter_map(|nic| Some((nic, nic.facts.as_deref()?)));
    let layers: Vec<_> = known
        .map(|(nic, facts)| Layer {
            name: &nic.name,
            kind: facts.kind.as_deref(),
            master: facts
                .ties
                .master
                .as_ref()
                .map(|master| (master.name.as_str(), master.kind.as_deref())),
            lower: facts.ties.lower.as_deref(),
        })
        .collect();
    let purpose = Purpose {
        forwarded: false,
        moved: false,
    };
    let left_out = layers::left_out(&layers, purpose);
    let why = left_out.into_iter().find(|left_out| left_out.name == name)?;
    Some(Finding::new(
        Level::Limitation,
        "seen_twice",
        format!("run leaves it out if both are named: {why}"),
    ))
}

/// Judges the facts.
#[must_use]
pub fn assess(facts: &Facts) -> Report {
    let mut host = host(&facts.host);
    if let Some(why) = &facts.no_listing {
        let advice = "allow netlink sockets (AF_NETLINK in RestrictAddressFamilies= of the systemd unit, or in the seccomp \
                      profile)";
        host.push(Finding::new(Level::Problem, "interfaces", why).advise(advice));
    } else if facts.nics.is_empty() {
        let says = "none in this network namespace except the loopback";
        host.push(
            Finding::ok("interfaces", says).advise("look for the NICs in another namespace: `ip netns` lists them, `ip netns exec NAME sctp-monitor check` runs there"),
        );
    }
    let nics = facts.nics.iter().map(|nic| {
        let prediction = predict(nic, &facts.host);
        let findings = match &nic.facts {
            Some(found) => {
                let mut findings = nic::nic(&nic.name, found, &prediction, &facts.host);
                findings.extend(seen_twice(&nic.name, &facts.nics));
                findings.extend(steering::steering(&nic.name, found, &facts.nics));
                findings
            }
            None => Vec::new(),
        };
        NicReport {
            name: nic.name.clone(),
            prediction,
            findings,
        }
    });
    Report {
        nics: nics.collect(),
        host,
    }
}
