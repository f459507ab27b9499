//! What `sctp-monitor run` would do with a NIC.

use super::{
    assess,
    drivers::{self, MtuLimit},
    facts::{Framing, HostFacts, Load, Nic, NicFacts, Refusal, Side, Tc, TcxPrograms},
    finding::Level,
    obstacle::{self, Obstacle},
};
use crate::kernel::Hook;

/// What `run` would do with a NIC, its hook left to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Prediction {
    /// It watches it.
    Watched(Attached),
    /// It attaches, and understands nothing of what it sees.
    Blind {
        /// How it attaches.
        attached: Attached,
        /// Why it understands nothing.
        why: String,
    },
    /// It ends with an error.
    Refused {
        /// Why.
        why: String,
        /// What to do.
        advice: String,
    },
}

/// How `run` attaches to a NIC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attached {
    /// The hook for what arrives.
    pub hook: Hook,
    /// Whether nothing can come in between; a driver has the last word otherwise.
    pub certain: bool,
    /// Why it is this hook.
    pub why: String,
    /// How to get native XDP, where it can be got.
    pub advice: Option<String>,
    /// The hook for what the host sends.
    pub egress: Tc,
}

impl Prediction {
    /// Whether `run` would do its work.
    #[must_use]
    pub fn works(&self) -> bool {
        matches!(self, Self::Watched(_))
    }

    /// How it attaches, if it does.
    #[must_use]
    pub fn attached(&self) -> Option<&Attached> {
        match self {
            Self::Watched(attached) | Self::Blind { attached, .. } => Some(attached),
            Self::Refused { .. } => None,
        }
    }

    /// One word for it.
    #[must_use]
    pub fn outcome(&self) -> &'static str {
        match self {
            Self::Watched(_) => "watched",
            Self::Blind { .. } => "blind",
            Self::Refused { .. } => "refused",
        }
    }
}

/// What `run` would do with this NIC.
#[must_use]
pub fn predict(nic: &Nic, host: &HostFacts) -> Prediction {
    let Some(facts) = nic.facts.as_deref() else {
        return refused(
            format!("there is no interface {} in this network namespace", nic.name),
            "`ip link` lists those there are",
        );
    };
    if let Some(problem) = assess::host(host)
        .into_iter()
        .find(|finding| finding.level == Level::Problem)
    {
        let advice = problem.advice.unwrap_or_default();
        return refused(problem.says, advice);
    }
    if host.tc == Tc::Tcx && facts.tcx == TcxPrograms::NotThere {
        return refused(
            "this kernel takes no TC program: it was built without CONFIG_NET_XGRESS",
            "use a kernel with CONFIG_NET_CLS_ACT and CONFIG_NET_SCH_INGRESS",
        );
    }
    let attached = match obstacle::to_native_xdp(&nic.name, facts, host) {
        None => native(facts, host),
        Some(obstacle) => match refusal_of(host, Side::TcIngress) {
            Some(refusal) => {
                return refused(
                    format!(
                        "{}, and the kernel refused the program for TC ingress: {}",
                        obstacle.why, refusal.why
                    ),
                    assess::VERIFIER_ADVICE,
                );
            }
            None => tc(obstacle, host),
        },
    };
    match &facts.framing {
        Framing::Ethernet | Framing::Loopback => Prediction::Watched(attached),
        Framing::Other(framing) => Prediction::Blind {
            attached,
            why: format!("its packets have no Ethernet header ({framing}); only Ethernet can be watched yet"),
        },
    }
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
            let why = format!("the {maker} driver has native XDP, and nothing known is in its way");
            (software && fits, why)
        }
        None if driver.is_some() => (false, format!("the {maker} driver is known to have native XDP")),
        None => {
            let why = "this kernel does not say whether the driver has native XDP (Linux 6.3 does): run tries it, and \
                       takes TC if it is refused";
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

fn refused(why: impl Into<String>, advice: impl Into<String>) -> Prediction {
    Prediction::Refused {
        why: why.into(),
        advice: advice.into(),
    }
}
