//! What breaks, and where.

use anyhow::Context as _;
use sctp_monitor_lab::{
    Endpoint, Lab,
    clock::{MonotonicNs, monotonic_ns},
};

/// The address at the far end of the primary path, which carries the DATA.
const PRIMARY: &str = "10.1.1.2";
/// That of the other path, which carries heartbeats only.
const SECONDARY: &str = "10.1.2.2";

/// One way to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scenario {
    /// The network between the hosts drops everything, both ways.
    SilentBreak,
    /// The same, of one association again and again: each time its DATA goes back to the path that was healed.
    BreakAgain,
    /// It drops what the watched host sends.
    ForwardOnly,
    /// It drops what the watched host should receive.
    ReturnOnly,
    /// The watched host's NIC loses its link.
    LinkDownHere,
    /// The far host's NIC loses its link.
    LinkDownThere,
    /// A silent break of the path without DATA.
    IdlePath,
    /// The far process dies. Its host's kernel, which has no SCTP, answers with ICMP protocol unreachable.
    PeerKilled,
    /// The far host dies: silence on all paths.
    PeerSilent,
}

impl Scenario {
    pub(crate) const ALL: [Self; 9] = [
        Self::SilentBreak,
        Self::BreakAgain,
        Self::ForwardOnly,
        Self::ReturnOnly,
        Self::LinkDownHere,
        Self::LinkDownThere,
        Self::IdlePath,
        Self::PeerKilled,
        Self::PeerSilent,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::SilentBreak => "silent_break",
            Self::BreakAgain => "break_again",
            Self::ForwardOnly => "forward_only",
            Self::ReturnOnly => "return_only",
            Self::LinkDownHere => "link_down_here",
            Self::LinkDownThere => "link_down_there",
            Self::IdlePath => "idle_path",
            Self::PeerKilled => "peer_killed",
            Self::PeerSilent => "peer_silent",
        }
    }

    /// Whether the stack's timers must be short: at its defaults it sends a heartbeat every 30 s, and an idle path tells
    /// of nothing but that interval.
    pub(crate) fn needs_short_timers(self) -> bool {
        matches!(self, Self::IdlePath | Self::BreakAgain)
    }

    /// Whether all breaks happen to one association.
    pub(crate) fn keeps_association(self) -> bool {
        self == Self::BreakAgain
    }

    /// The remote address of the path that breaks, or of the first one that does.
    pub(crate) fn remote(self) -> &'static str {
        match self {
            Self::IdlePath => SECONDARY,
            _ => PRIMARY,
        }
    }

    /// Whether the other path is all right all the time.
    pub(crate) fn spares_other_path(self) -> bool {
        !matches!(self, Self::PeerKilled | Self::PeerSilent)
    }

    /// Breaks it; gives the moment.
    pub(crate) fn strike(self, lab: &Lab, server: &mut Option<Endpoint>) -> anyhow::Result<MonotonicNs> {
        let primary = lab.path("path1");
        let at_ns = match self {
            Self::SilentBreak | Self::BreakAgain => primary.break_silently()?,
            Self::ForwardOnly => primary.drop_direction("mme")?,
            Self::ReturnOnly => primary.drop_direction("hss")?,
            Self::LinkDownHere => {
                // The agent hears of it before the system call returns.
                let at_ns = monotonic_ns();
                primary.link_down("mme")?;
                at_ns
            }
            Self::LinkDownThere => primary.link_down("hss")?,
            Self::IdlePath => lab.path("path2").break_silently()?,
            Self::PeerKilled => {
                let server = server.take().context("the peer is dead already")?;
                // Before the signal: killing takes until the process is gone.
                let at_ns = monotonic_ns();
                let _ = server.kill();
                at_ns
            }
            Self::PeerSilent => {
                lab.path("path2").break_silently()?;
                primary.break_silently()?
            }
        };
        Ok(at_ns)
    }
}
