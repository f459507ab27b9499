//! What `check` reports about a NIC.

use super::super::{
    drivers,
    facts::{Framing, HostFacts, NicFacts, Offload, TcxPrograms, XdpMode},
    finding::{Finding, Level},
    obstacle,
    predict::Prediction,
};
use crate::kernel::Hook;

/// What `check` reports about a NIC besides the prediction.
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
        (true, false) => Finding::new(Level::Limitation, "link", format!("{says}, up, no link"))
            .advise("check its cable, its peer or its members; run reports `link_down` until it has a link"),
        (false, _) => Finding::new(
            Level::Limitation,
            "link",
            format!("{says}, down: it carries no packets"),
        )
        .advise(format!("ip link set {name} up; run can watch it before that")),
    }
}

/// Only where no obstacle is known: otherwise the prediction names it.
fn native_xdp(name: &str, nic: &NicFacts, host: &HostFacts) -> Option<Finding> {
    if obstacle::to_native_xdp(name, nic, host).is_some() {
        return None;
    }
    Some(match nic.xdp_features {
        Some(features) if features.fragments() => {
            Finding::ok("native_xdp", "supported by the driver, with fragments")
        }
        Some(_) => Finding::ok("native_xdp", "supported by the driver, without fragments"),
        None => Finding::new(
            Level::Unknown,
            "native_xdp",
            "not known: Linux before 6.3 does not say whether the driver supports it; run will try",
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
        let says = "by the name of the attached program, another sctp-monitor watches this NIC";
        return Some(
            Finding::new(Level::Limitation, "other_xdp", says)
                .advise("stop one of them, unless both are wanted"),
        );
    }
    let whose = obstacle::describe(other.id, other.name.as_deref());
    let says = format!(
        "another XDP program ({}, {whose}) gets the packets first: what it drops or redirects is not seen here",
        other.mode
    );
    Some(
        Finding::new(Level::Limitation, "other_xdp", says)
            .advise("if that program forwards SCTP (load balancer, CNI), watch the NIC that it forwards to"),
    )
}

/// Our own programs let everything pass. The kernel cuts names after 15 bytes.
fn is_ours(program: &str) -> bool {
    ["xdp_ingress", "tc_ingress", "tc_egress", "tc_steer"]
        .iter()
        .any(|name| program.starts_with(name))
}

fn merging(nic: &NicFacts) -> Option<Finding> {
    let Some(merging) = nic.merging else {
        return Some(Finding::new(
            Level::Unknown,
            "offloads",
            "not known: the kernel does not report them by netlink; with LRO on, most drivers do not accept native XDP",
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
    let says = format!("{receiving} receive queues, {cpus} CPUs");
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
        "other TC programs get the packets first ({}): what they drop or redirect is not seen here",
        others.join("; ")
    );
    Some(Finding::new(Level::Limitation, "other_tc", says).advise(
        "check that run sees the associations here; if not, watch the NIC that those programs redirect to",
    ))
}

fn ties(name: &str, nic: &NicFacts) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(master) = &nic.ties.master {
        let (says, advice) = match master.kind.as_deref() {
            Some("bond" | "team") => (
                format!("member of {}: it carries only a part of the packets", master.name),
                format!("watch {}, or all of its members; not both", master.name),
            ),
            Some("bridge") => (
                format!(
                    "port of bridge {}: it also carries what the bridge forwards",
                    master.name
                ),
                format!(
                    "with --vantage gateway watch the ports: {} itself carries only the packets of this host",
                    master.name
                ),
            ),
            kind => (
                format!(
                    "lower interface of {} ({})",
                    master.name,
                    kind.unwrap_or("kind unknown")
                ),
                format!(
                    "watch {name} or {}, not both: packets would be counted twice",
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
                format!(
                    "bridge with the ports {members}: it carries only the packets of this host, not what it forwards"
                ),
                "with --vantage gateway watch the ports",
            ),
            _ => (
                format!("members {members}: it carries the packets of all of them"),
                "watch it or its members, not both: packets would be counted twice",
            ),
        };
        findings.push(Finding::new(Level::Limitation, "members", says).advise(advice));
    }
    if let Some(lower) = &nic.ties.lower {
        let kind = nic.kind.as_deref().unwrap_or("interface");
        let says = format!("{kind} on {lower}: it carries only a part of the packets of {lower}");
        findings.push(Finding::new(Level::Limitation, "lower", says).advise(format!(
            "watch {lower} to see all packets, with VLAN tags, and by native XDP if {lower} supports it; not both"
        )));
    }
    findings
}

fn disturbance(nic: &NicFacts) -> Option<Finding> {
    let Some(driver) = nic.maker().and_then(drivers::by_name) else {
        let says =
            "not known for this driver: with some drivers the link goes down while native XDP is attached";
        return Some(Finding::new(Level::Unknown, "side_effects", says).advise(GENTLE));
    };
    Some(Finding::new(Level::Limitation, "side_effects", driver.disturbance?).advise(GENTLE))
}

const GENTLE: &str = "start run when that is acceptable, or use --hook tc, which has no such effect";
