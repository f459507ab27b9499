//! A NIC.

use super::super::{
    drivers,
    facts::{Framing, HostFacts, NicFacts, Offload, TcxPrograms, XdpMode},
    finding::{Finding, Level},
    obstacle,
    predict::Prediction,
};
use crate::kernel::Hook;

/// What is to be told of a NIC besides the prediction.
pub(super) fn nic(name: &str, nic: &NicFacts, prediction: &Prediction, host: &HostFacts) -> Vec<Finding> {
    let mut findings = vec![link(name, nic)];
    findings.extend(native_xdp(name, nic, host));
    findings.extend(beside_another_xdp_program(nic));
    findings.extend(merging(nic));
    findings.extend(queues(nic, host));
    findings.extend(tcx(nic, prediction));
    findings.extend(ties(name, nic));
    if prediction
        .attached()
        .is_some_and(|attached| attached.hook == Hook::XdpNative)
    {
        findings.extend(disturbance(nic));
    }
    findings
}

fn link(name: &str, nic: &NicFacts) -> Finding {
    let what = match (&nic.kind, &nic.driver) {
        (Some(kind), Some(driver)) => format!("{kind} ({driver})"),
        (Some(maker), None) | (None, Some(maker)) => maker.clone(),
        (None, None) if nic.framing == Framing::Loopback => "loopback".to_owned(),
        (None, None) => "driver unknown".to_owned(),
    };
    let says = format!("{what}, MTU {}", nic.mtu);
    match (nic.up, nic.link) {
        (true, true) => Finding::ok("link", format!("{says}, up")),
        (true, false) => Finding::new(
            Level::Limitation,
            "link",
            format!("{says}, up, but it has no link"),
        )
        .advise("see to its cable, its peer or its members; run reports it as down until it has a link"),
        (false, _) => Finding::new(
            Level::Limitation,
            "link",
            format!("{says}, down: nothing crosses it"),
        )
        .advise(format!("ip link set {name} up; run attaches all the same")),
    }
}

/// Only where nothing keeps it away: the prediction says what does.
fn native_xdp(name: &str, nic: &NicFacts, host: &HostFacts) -> Option<Finding> {
    if obstacle::to_native_xdp(name, nic, host).is_some() {
        return None;
    }
    Some(match nic.xdp_features {
        Some(features) if features.fragments() => {
            Finding::ok("native_xdp", "the driver has it, with fragments")
        }
        Some(_) => Finding::ok("native_xdp", "the driver has it, without fragments"),
        None => Finding::new(
            Level::Unknown,
            "native_xdp",
            "Linux before 6.3 does not say whether the driver has it; run will try it",
        ),
    })
}

/// TC sees what another XDP program lets pass, and sees it as that program left it.
fn beside_another_xdp_program(nic: &NicFacts) -> Option<Finding> {
    let other = nic
        .xdp
        .iter()
        .find(|program| program.mode != XdpMode::Offloaded)?;
    if is_ours(other.name.as_deref().unwrap_or_default()) {
        let says = "another sctp-monitor watches it already, by its program's name";
        return Some(
            Finding::new(Level::Limitation, "other_xdp", says)
                .advise("stop one of them, if it is not meant so"),
        );
    }
    let whose = obstacle::describe(other.id, other.name.as_deref());
    let says = format!(
        "another program ({}, {whose}) sees packets first: what it drops or redirects is not watched",
        other.mode
    );
    Some(
        Finding::new(Level::Limitation, "other_xdp", says).advise(
            "if that program forwards SCTP (a load balancer, a CNI), watch the NIC that it forwards to",
        ),
    )
}

/// Our own programs let everything pass. The kernel cuts names after 15 bytes.
fn is_ours(program: &str) -> bool {
    ["xdp_ingress", "tc_ingress", "tc_egress"]
        .iter()
        .any(|name| program.starts_with(name))
}

fn merging(nic: &NicFacts) -> Option<Finding> {
    let Some(merging) = nic.merging else {
        return Some(Finding::new(
            Level::Unknown,
            "offloads",
            "the kernel does not tell them by netlink; LRO would keep native XDP away",
        ));
    };
    let state = |offload: Offload| match offload {
        Offload::Off => "off",
        Offload::On => "on",
        Offload::Fixed => "on, fixed",
    };
    Some(Finding::ok(
        "offloads",
        format!(
            "LRO {}, hardware GRO {}",
            state(merging.lro),
            state(merging.gro_hw)
        ),
    ))
}

fn queues(nic: &NicFacts, host: &HostFacts) -> Option<Finding> {
    let channels = nic.channels?;
    let receiving = channels.rx + channels.combined;
    let cpus = host.kernel.cpus?;
    // A veth's packets arrive on the CPU that sent them.
    if receiving == 0 || nic.kind.as_deref() == Some("veth") {
        return None;
    }
    let says = format!("{receiving} for receiving, {cpus} CPUs");
    Some(Finding::ok("queues", says))
}

/// TC programs run in turn; one that ends the turn hides the packet from ours.
fn tcx(nic: &NicFacts, prediction: &Prediction) -> Option<Finding> {
    let attached = prediction.attached()?;
    let TcxPrograms::Listed { ingress, egress } = &nic.tcx else {
        return None;
    };
    let foreign = |programs: &[String]| {
        let foreign: Vec<_> = programs.iter().filter(|name| !is_ours(name)).cloned().collect();
        (!foreign.is_empty()).then(|| foreign.join(", "))
    };
    let mut others = Vec::new();
    if attached.hook == Hook::Tc {
        others.extend(foreign(ingress).map(|names| format!("ingress: {names}")));
    }
    others.extend(foreign(egress).map(|names| format!("egress: {names}")));
    if others.is_empty() {
        return None;
    }
    let says = format!(
        "other programs run before ours ({}): what they take out or redirect is not watched",
        others.join("; ")
    );
    Some(Finding::new(Level::Limitation, "other_tc", says).advise(
        "look whether run sees the associations here; if not, watch the NIC that those programs send to",
    ))
}

fn ties(name: &str, nic: &NicFacts) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(master) = &nic.ties.master {
        let (says, advice) = match master.kind.as_deref() {
            Some("bond" | "team") => (
                format!(
                    "member of {}: it sees its own share of the packets only",
                    master.name
                ),
                format!("watch {} to see all, or every member; never both", master.name),
            ),
            Some("bridge") => (
                format!(
                    "port of bridge {}: it sees what the bridge forwards too",
                    master.name
                ),
                format!(
                    "as a gateway watch the ports; {} itself sees this host's packets only",
                    master.name
                ),
            ),
            kind => (
                format!("under {} ({})", master.name, kind.unwrap_or("kind unknown")),
                format!(
                    "watch {name} or {}, not both: a packet would count twice",
                    master.name
                ),
            ),
        };
        findings.push(Finding::new(Level::Limitation, "member", says).advise(advice));
    }
    if !nic.ties.members.is_empty() {
        let members = nic.ties.members.join(", ");
        let (says, advice) = match nic.kind.as_deref() {
            Some("bridge") => (
                format!("bridge over {members}: it sees this host's packets only, not what it forwards"),
                "as a gateway watch the ports",
            ),
            _ => (
                format!("over {members}: it sees what all of them carry"),
                "watch it or its members, not both: a packet would count twice",
            ),
        };
        findings.push(Finding::new(Level::Limitation, "members", says).advise(advice));
    }
    if let Some(lower) = &nic.ties.lower {
        let kind = nic.kind.as_deref().unwrap_or("interface");
        let says = format!("{kind} on {lower}: it sees its own part of what {lower} carries");
        findings.push(Finding::new(Level::Limitation, "lower", says).advise(format!(
            "watch {lower} to see all of it, VLAN tags included, and with native XDP if it has that; not both"
        )));
    }
    findings
}

fn disturbance(nic: &NicFacts) -> Option<Finding> {
    let Some(driver) = nic.maker().and_then(drivers::by_name) else {
        let says = "what attaching does to the traffic is not known of this driver: some reset the link";
        return Some(Finding::new(Level::Unknown, "side_effects", says).advise(GENTLE));
    };
    Some(Finding::new(Level::Limitation, "side_effects", driver.disturbance?).advise(GENTLE))
}

const GENTLE: &str = "attach when that may happen, or run with --hook tc, which disturbs nothing";
