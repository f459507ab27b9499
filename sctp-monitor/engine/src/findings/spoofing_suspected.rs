//! Somebody sends packets in an endpoint's name.
//!
//! A warning: they change nothing, but the next one may guess the tag.

use std::fmt;

use crate::{
    findings::seen::Surroundings,
    model::{Evidence, Forgery, Severity, Short, Suspicion, words::plural},
    registry::forgery::Account,
};

impl Suspicion {
    pub(crate) const SEVERITY: Severity = Severity::Warning;

    /// What to check next.
    pub(crate) fn check(&self) -> String {
        match self.forgery {
            Forgery::WrongTag | Forgery::Init => {
                let interface = self.interface.as_deref().unwrap_or("the NIC");
                format!(
                    "who else can send from {}: capture on {interface}, and compare Ethernet address and TTL with that \
                     host's own packets; source address filters (BCP 38) at the edge; an old instance of its SCTP process that \
                     still runs",
                    self.source_names()
                )
            }
            Forgery::IcmpError => format!(
                "who sends ICMP errors as {}: source address filters (BCP 38) at the edge; a translator on the way that \
                 changes tags",
                self.source_names()
            ),
        }
    }
}

impl fmt::Display for Suspicion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { packets, tag, .. } = self;
        f.write_str("spoofing suspected: ")?;
        match self.forgery {
            Forgery::WrongTag => write!(
                f,
                "{} with a wrong verification tag (last {tag:#010x})",
                plural(*packets, "packet")
            )?,
            Forgery::Init => write!(
                f,
                "{} that would have restarted the association (last with tag {tag:#010x}), while its endpoint goes on",
                plural(*packets, "INIT")
            )?,
            Forgery::IcmpError => write!(
                f,
                "{} that quote a wrong verification tag (last {tag:#010x})",
                plural(*packets, "ICMP error")
            )?,
        }
        if self.forgery == Forgery::WrongTag && !self.chunks.is_empty() {
            write!(f, ", with {}", self.chunk_names())?;
        }
        write!(f, ", from {}", self.source_names())?;
        if let Some(interface) = &self.interface {
            write!(f, ", on {interface}")?;
        }
        write!(f, ", in {}; they changed nothing", Short(self.lasting))
    }
}

/// What the registry suspects, as it is reported.
pub(super) fn rule(
    suspected: Vec<(Forgery, Account)>,
    around: Surroundings<'_>,
) -> impl Iterator<Item = Evidence> {
    let suspicion = move |(forgery, account): (Forgery, Account)| Suspicion {
        forgery,
        packets: account.packets,
        tag: account.tag,
        chunks: account.chunk_kinds(),
        interface: account.if_index.and_then(|index| around.nics.name(index)),
        lasting: account.lasting(),
        sources: account.sources,
    };
    suspected
        .into_iter()
        .map(suspicion)
        .map(Evidence::SpoofingSuspected)
}
