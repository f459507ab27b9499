//! What `sctp-monitor run` would do with a NIC.

use super::{
    drivers::{self, MtuLimit},
    facts::{Framing, HostFacts, Load, Nic, NicFacts, Refusal, Side, Tc, TcxPrograms},
    finding::Level,
    host::{self, VERIFIER_ADVICE},
    obstacle::{self, Obstacle},
};
use crate::kernel::Hook;

/// What `run --hook auto` would do with a NIC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Prediction {
    /// `run` would watch the NIC.
    Watched(Attached),
    /// `run` would end with an error.
    Refused {
        /// The reason, in words.
        why: String,
        /// What to do about it.
        advice: String,
        /// How `run` would attach without this problem, if known.
        otherwise: Option<Attached>,
    },
}

/// How `run` attaches to a NIC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attached {
    /// The hook for incoming packets.
    pub hook: Hook,
    /// Whether this is certain; otherwise the driver may still refuse native XDP.
    pub certain: bool,
    /// Why this hook is used, in words.
    pub why: String,
    /// What to do to get native XDP, if anything helps.
    pub advice: Option<String>,
    /// The hook for outgoing packets.
    pub egress: Tc,
}

impl Prediction {
    /// Whether `run` would watch the NIC.
    #[must_use]
    pub fn works(&self) -> bool {
        matches!(self, Self::Watched(_))
    }

    /// How `run` would attach, or would without the problem.
    #[must_use]
    pub fn attached(&self) -> Option<&Attached> {
        match self {
            Self::Watched(attached) => Some(attached),
            Self::Refused { otherwise, .. } => otherwise.as_ref(),
        }
    }
}

/// What `run` would do with this NIC.
#[must_use]
pub fn predict(nic: &Nic, host: &HostFacts) -> Prediction {
    let Some(facts) = nic.facts.as_deref() else {
        return Prediction::Refused {
            why: format!("there is no interface {} in this network namespace", nic.name),
            advice: "`ip link` lists the interfaces".to_owned(),
            otherwise: None,
        };
    };
    if let Framing::Other(framing) = &facts.framing {
        return Prediction::Refused {
            why: format!(
                "its packets have no Ethernet header ({framing}); only Ethernet NICs can be watched"
            ),
            advice: format!(
                "do not watch {}; watch the Ethernet NIC that its packets take, unless they are encrypted there",
                nic.name
            ),
            otherwise: None,
        };
    }
    let attached = match obstacle::to_native_xdp(&nic.name, facts, host) {
        None => native(facts, host),
        Some(obstacle) => tc(obstacle, host),
    };
    match blocked(facts, &attached, host) {
        None => Prediction::Watched(attached),
        Some((why, advice)) => Prediction::Refused {
            why,
            advice,
            otherwise: Some(attached),
        },
    }
}

/// What makes `run` fail, and what to do about it.
fn blocked(nic: &NicFacts, attached: &Attached, host: &HostFacts) -> Option<(String, String)> {
    let mut findings = host::host(host).into_iter();
    if let Some(problem) = findings.find(|finding| finding.level == Level::Problem) {
        return Some((problem.says, problem.advice.unwrap_or_default()));
    }
    if host.tc == Tc::Tcx && nic.tcx == TcxPrograms::NotThere {
        return Some((
            "this kernel has no TC hook: it was built without CONFIG_NET_XGRESS".to_owned(),
            "use a kernel with CONFIG_NET_CLS_ACT".to_owned(),
        ));
    }
    let refusal = refusal_of(host, Side::TcIngress)?;
    (attached.hook == Hook::Tc).then(|| {
        (
            format!(
                "{}, and the kernel did not load the program for TC ingress: {}",
                attached.why, refusal.why
            ),
            VERIFIER_ADVICE.to_owned(),
        )
    })
}

fn native(nic: &NicFacts, host: &HostFacts) -> Attached {
    let maker = nic.maker().unwrap_or("NIC's");
    let driver = nic.maker().and_then(drivers::by_name);
    let (certain, why) = match nic.xdp_features {
        Some(features) => {
            let fits = nic.mtu <= 1500
                || (features.fragments() && host.kernel.xdp_fragments)
                || driver.is_some_and(|driver| driver.mtu == MtuLimit::None);
            let software = nic.kind.as_deref().is_some_and(|kind| kind != "bond");
            let why = format!("the {maker} driver supports native XDP");
            (software && fits, why)
        }
        None if driver.is_some() => (
            false,
            format!("the {maker} driver is known to support native XDP"),
        ),
        None => {
            let why = "this kernel does not say whether the driver supports native XDP (Linux 6.3 and later do): run tries \
                       it, and uses TC if it is refused";
            (false, why.to_owned())
        }
    };
    Attached {
        hook: Hook::XdpNative,
        certain,
        why,
        advice: None,
        egress: host.tc,
    }
}

fn tc(obstacle: Obstacle, host: &HostFacts) -> Attached {
    Attached {
        hook: Hook::Tc,
        certain: obstacle.certain,
        why: format!("no native XDP: {}", obstacle.why),
        advice: obstacle.advice,
        egress: host.tc,
    }
}

/// The kernel's refusal of the program of a side, if it refused it.
fn refusal_of(host: &HostFacts, side: Side) -> Option<&Refusal> {
    host.programs
        .iter()
        .filter(|program| program.side == side)
        .find_map(|program| match &program.load {
            Load::Refused(refusal) => Some(refusal),
            Load::Verified { .. } | Load::NotTried => None,
        })
}
