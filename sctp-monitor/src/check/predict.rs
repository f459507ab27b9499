//! What `sctp-monitor run` would do with a NIC.

use super::{
    drivers::{self, MtuLimit},
    facts::{Framing, HostFacts, Load, Nic, NicFacts, Refusal, Side, Tc, TcxPrograms},
    finding::Level,
    host::{self, VERIFIER_ADVICE},
    obstacle::{self, Obstacle},
};
use crate::kernel::Hook;

/// What `run` would do with a NIC, its hook left to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Prediction {
    /// It watches it.
    Watched(Attached),
    /// It ends with an error.
    Refused {
        /// Why.
        why: String,
        /// What to do.
        advice: String,
        /// How it would attach once that is done, as far as it can be told.
        otherwise: Option<Attached>,
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

    /// How it attaches, or would if nothing kept it from that.
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
            advice: "`ip link` lists those there are".to_owned(),
            otherwise: None,
        };
    };
    if let Framing::Other(framing) = &facts.framing {
        return Prediction::Refused {
            why: format!(
                "its packets have no Ethernet header ({framing}), and only Ethernet can be watched yet"
            ),
            advice: format!(
                "leave {} out, and watch the Ethernet NIC that its packets go through, if they are not encrypted there",
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
            "this kernel takes no TC program: it was built without CONFIG_NET_XGRESS".to_owned(),
            "use a kernel with CONFIG_NET_CLS_ACT".to_owned(),
        ));
    }
    let refusal = refusal_of(host, Side::TcIngress)?;
    (attached.hook == Hook::Tc).then(|| {
        (
            format!(
                "{}, and the kernel refused the program for TC ingress: {}",
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
