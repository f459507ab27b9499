//! What is reported of packets that may be forged.

use std::{fmt, net::IpAddr, time::Duration};

use sctp_monitor_common::wire::ChunkKind;

use crate::model::{Figure, Short};

/// What kind of packets is suspected to be forged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Forgery {
    /// Packets between the association's addresses and ports with a verification tag that is not its own.
    WrongTag,
    /// INITs between its addresses and ports, of an endpoint that goes on as before: they would have restarted it.
    Init,
    /// ICMP errors that quote a packet with a tag that is not its own.
    IcmpError,
}

impl fmt::Display for Forgery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::WrongTag => "wrong_tag",
            Self::Init => "init",
            Self::IcmpError => "icmp_error",
        })
    }
}

/// What is known of packets that may be forged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suspicion {
    /// What kind they are of.
    pub forgery: Forgery,
    /// How many.
    pub packets: u64,
    /// The tag of the last one; of an INIT the one that it would have brought.
    pub tag: u32,
    /// Control chunks that were found in them. Of a flood only a sample is looked into.
    pub chunks: Vec<ChunkKind>,
    /// Where they claim to come from, a few addresses at most; of an ICMP error, who claims to report it.
    pub sources: Vec<IpAddr>,
    /// The NIC on which the last one was seen, if its name is known.
    pub interface: Option<String>,
    /// From the first to the last.
    pub lasting: Duration,
}

impl fmt::Display for Suspicion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { packets, tag, .. } = self;
        let plural = if *packets == 1 { "" } else { "s" };
        match self.forgery {
            Forgery::WrongTag => write!(
                f,
                "{packets} packet{plural} with a wrong verification tag (the last {tag:#010x})"
            )?,
            Forgery::Init => write!(
                f,
                "{packets} INIT{plural} that would have restarted it (the last with tag {tag:#010x}), while its endpoint goes \
                 on as before"
            )?,
            Forgery::IcmpError => write!(
                f,
                "{packets} ICMP error{plural} that quote a wrong verification tag (the last {tag:#010x})"
            )?,
        }
        if self.forgery == Forgery::WrongTag && !self.chunks.is_empty() {
            write!(f, ", with {}", self.chunk_names())?;
        }
        write!(f, ", as if from {}", self.source_names())?;
        if let Some(interface) = &self.interface {
            write!(f, ", on {interface}")?;
        }
        write!(f, ", in {}. They change nothing", Short(self.lasting))
    }
}

impl Suspicion {
    /// The control chunks by their names, with commas.
    #[must_use]
    pub fn chunk_names(&self) -> String {
        let names: Vec<_> = self.chunks.iter().map(|kind| kind.name()).collect();
        names.join(", ")
    }

    /// The sources, with commas.
    #[must_use]
    pub fn source_names(&self) -> String {
        let names: Vec<_> = self.sources.iter().map(ToString::to_string).collect();
        names.join(", ")
    }

    /// The figures behind the words, by name.
    #[must_use]
    pub fn figures(&self) -> Vec<(&'static str, Figure)> {
        let mut figures = vec![
            ("kind", Figure::Text(self.forgery.to_string())),
            ("packets", Figure::Number(self.packets)),
            ("tag", Figure::Text(format!("{:#010x}", self.tag))),
            ("sources", Figure::Text(self.source_names())),
            ("lasting", Figure::Time(self.lasting)),
        ];
        if !self.chunks.is_empty() {
            figures.push(("chunks", Figure::Text(self.chunk_names())));
        }
        if let Some(interface) = &self.interface {
            figures.push(("interface", Figure::Text(interface.clone())));
        }
        figures
    }

    /// Whether `other` says something that is worth an update: twice as many, or something new in them.
    pub(crate) fn differs(&self, other: &Self) -> bool {
        other.packets >= self.packets.saturating_mul(2)
            || other.chunks.len() > self.chunks.len()
            || other.sources.len() > self.sources.len()
    }
}
