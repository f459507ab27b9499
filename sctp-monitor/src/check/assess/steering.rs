//! What `check --steer` reports about a NIC: whether packets of failed paths can be moved to it.
//!
//! Which routes and neighbours there are for a path is told by the running agent (`steer explain`): here no path is known.

use sctp_monitor_engine::model::ReversePathFilter;

use super::super::{
    facts::{Nic, NicFacts, SteeringFacts},
    finding::{Finding, Level},
};

/// What stands in the way of moving packets to a NIC; nothing if nobody asked.
pub(super) fn steering(name: &str, nic: &NicFacts, all: &[Nic]) -> Vec<Finding> {
    let Some(facts) = &nic.steering else {
        return Vec::new();
    };
    let mut findings = vec![target(name, nic, facts)];
    findings.extend(mtu(name, nic, all));
    findings.push(reverse_path_filter(name, facts));
    findings
}

fn target(name: &str, nic: &NicFacts, facts: &SteeringFacts) -> Finding {
    if facts.member {
        let master = nic
            .ties
            .master
            .as_ref()
            .map_or("its master", |master| &master.name);
        let says = format!(
            "no packets of failed paths are moved to it: it is a member of {master}, and they would be sent past {master}"
        );
        return Finding::new(Level::Limitation, TOPIC, says)
            .advise(format!("watch {master} instead: --iface {master}"));
    }
    if !facts.uppers.is_empty() {
        let uppers = facts.uppers.join(", ");
        let says = format!(
            "no packets of failed paths are moved to paths that this host sends by {uppers}: they would leave {name} without their \
             tag, or reach nobody"
        );
        return Finding::new(Level::Limitation, TOPIC, says)
            .advise(format!("for these paths watch {uppers} instead of {name}"));
    }
    Finding::ok(
        TOPIC,
        "packets of failed paths can be moved to it; route and neighbour are looked up for each path (`sctp-monitor steer explain`)",
    )
}

/// A packet that is too large for the other path vanishes there.
fn mtu(name: &str, nic: &NicFacts, all: &[Nic]) -> Option<Finding> {
    let larger: Vec<_> = all
        .iter()
        .filter_map(|other| Some((&other.name, other.facts.as_ref()?.mtu)))
        .filter(|(_, mtu)| *mtu > nic.mtu)
        .collect();
    let largest = larger.iter().map(|(_, mtu)| *mtu).max()?;
    let names: Vec<_> = larger
        .iter()
        .map(|(name, mtu)| format!("{name} ({mtu})"))
        .collect();
    let says = format!(
        "MTU {}: packets of paths on {} are not moved to it",
        nic.mtu,
        names.join(", ")
    );
    Some(Finding::new(Level::Limitation, TOPIC, says).advise(format!(
        "ip link set {name} mtu {largest}, if its network carries such packets"
    )))
}

fn reverse_path_filter(name: &str, facts: &SteeringFacts) -> Finding {
    match facts.reverse_path_filter {
        Some(ReversePathFilter::Off) => Finding::ok(
            FILTER,
            "reverse-path filtering is off: answers may arrive by any NIC",
        ),
        Some(ReversePathFilter::Loose) => Finding::ok(
            FILTER,
            "reverse-path filtering is loose (rp_filter 2): answers may arrive by any NIC if there is a route to the peer",
        ),
        Some(ReversePathFilter::Strict) => {
            let says = format!(
                "reverse-path filtering is strict (rp_filter 1): this host drops IPv4 answers that arrive by {name} if its route to \
                 the peer leads to another NIC; no packets are moved to a path of which that is seen"
            );
            Finding::new(Level::Limitation, FILTER, says)
                .advise(format!("sysctl net.ipv4.conf.{name}.rp_filter=2 makes it loose"))
        }
        None => Finding::new(
            Level::Unknown,
            FILTER,
            format!("not known: net.ipv4.conf.{name}.rp_filter cannot be read"),
        )
        .advise("sysctl -a | grep rp_filter"),
    }
}

const TOPIC: &str = "steering";
const FILTER: &str = "rp_filter";
