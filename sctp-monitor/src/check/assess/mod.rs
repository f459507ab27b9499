//! From facts to findings: what is as it should be, what is a limitation, what is a problem, and what to do about it.

mod nic;

use super::{
    facts::Facts,
    finding::{Finding, Level},
    host::host,
    predict::{Prediction, predict},
};

/// Everything that is to be told.
#[derive(Debug, Clone)]
pub struct Report {
    /// About the kernel and this process.
    pub host: Vec<Finding>,
    /// About each NIC.
    pub nics: Vec<NicReport>,
}

/// What is to be told of a NIC.
#[derive(Debug, Clone)]
pub struct NicReport {
    /// Its name.
    pub name: String,
    /// What `run` would do with it.
    pub prediction: Prediction,
    /// Everything else.
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

/// Judges the facts.
#[must_use]
pub fn assess(facts: &Facts) -> Report {
    let mut host = host(&facts.host);
    if let Some(why) = &facts.no_listing {
        let advice = "allow this process netlink sockets (AF_NETLINK in systemd's RestrictAddressFamilies=, or the seccomp \
                      profile)";
        host.push(Finding::new(Level::Problem, "interfaces", why).advise(advice));
    } else if facts.nics.is_empty() {
        let says = "there is none in this network namespace but the loopback";
        host.push(
            Finding::ok("interfaces", says).advise("`ip netns` lists named namespaces, `nsenter` enters one"),
        );
    }
    let nics = facts.nics.iter().map(|nic| {
        let prediction = predict(nic, &facts.host);
        let findings = match &nic.facts {
            Some(found) => nic::nic(&nic.name, found, &prediction, &facts.host),
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
