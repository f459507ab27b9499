//! What an operator reads of the agent itself. The words of what the engine found are the model's.

use std::fmt;

use sctp_monitor_engine::{NicState, model::Status};

use super::line::{Line, NoticeKind};

impl fmt::Display for NoticeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WatchStarted {
                interface,
                hook,
                reason,
                egress,
            } => {
                write!(f, "watching {interface}: incoming packets by {hook} ({reason})")?;
                if *egress {
                    f.write_str(", outgoing packets by tc")?;
                }
                Ok(())
            }
            Self::NotWatched { interface, reason } => write!(f, "not watching {interface}: {reason}"),
            Self::InterfaceRenamed { interface, before } => {
                write!(f, "interface {before} is called {interface} now, and watched on")
            }
            Self::WatchEnded { interface, reason } => write!(f, "no longer watching {interface}: {reason}"),
            Self::InterfaceStateChanged { interface, state } => {
                let state = match state {
                    NicState::Up => "has a link",
                    NicState::Down => "has no link",
                    NicState::Gone => "is gone",
                };
                write!(f, "interface {interface} {state}")
            }
            Self::ReportLost(lost) => lost.fmt(f),
            Self::AgentBehind {
                status: Status::Closed,
                reason,
                ..
            } => f.write_str(reason),
            Self::AgentBehind { reason, next, .. } | Self::NoSctpSeen { reason, next, .. } => {
                write!(f, "{reason}. Check: {next}")
            }
            Self::FlowTablePressure { reason, next, .. } => write!(f, "flow table: {reason}. Check: {next}"),
        }
    }
}

impl Line {
    /// One line for people, without the time; none for what has its words elsewhere.
    #[must_use]
    pub fn words(&self) -> Option<String> {
        match self {
            Self::Event(event) if event.is_told_by_incident() => None,
            Self::Event(event) => Some(event.words().to_string()),
            Self::Notice(notice) => Some(notice.kind.to_string()),
            Self::Summary(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{
        super::{NoSctp, Pressure},
        *,
    };

    #[test]
    fn notices_are_said_in_these_words() {
        let interface = || "path1".to_owned();
        let watch_started = |egress| NoticeKind::WatchStarted {
            interface: interface(),
            hook: "xdp-native".to_owned(),
            reason: "the driver supports it".to_owned(),
            egress,
        };
        let state = |state| NoticeKind::InterfaceStateChanged {
            interface: interface(),
            state,
        };
        let notices = [
            watch_started(true),
            watch_started(false),
            NoticeKind::NotWatched {
                interface: interface(),
                reason: "there is no interface of this name yet".to_owned(),
            },
            NoticeKind::InterfaceRenamed {
                interface: interface(),
                before: "ens7".to_owned(),
            },
            NoticeKind::WatchEnded {
                interface: interface(),
                reason: "the interface is gone".to_owned(),
            },
            state(NicState::Up),
            state(NicState::Down),
            state(NicState::Gone),
            NoticeKind::no_sctp(NoSctp {
                within: Duration::from_secs(45),
                interfaces: [interface()].into(),
                carriers: ["path2".to_owned()].into(),
            }),
            NoticeKind::pressure(Pressure {
                table_full: 7,
                limited: 1_200,
                within: Some(Duration::from_secs(10)),
                in_use: 16_000,
                max_flows: 16_384,
            }),
        ];
        let lines: Vec<_> = notices.iter().map(ToString::to_string).collect();
        insta::assert_snapshot!(lines.join("\n"), @r"
        watching path1: incoming packets by xdp-native (the driver supports it), outgoing packets by tc
        watching path1: incoming packets by xdp-native (the driver supports it)
        not watching path1: there is no interface of this name yet
        interface ens7 is called path1 now, and watched on
        no longer watching path1: the interface is gone
        interface path1 has a link
        interface path1 has no link
        interface path1 is gone
        no SCTP packet seen in 45.0 s on path1. Check: watch path2 too: addresses of the kernel's SCTP associations are there (/proc/net/sctp/assocs)
        flow table: 16000 of 16384 slots used; packets not tracked in 10.0 s: 7 for want of a free slot, 1200 because of the rate limit for new flows; known flows are still tracked. Check: whether so many SCTP flows are genuine (`tcpdump -i NIC sctp`): if they are, raise --max-flows; if not, find the source of the scan or of the forged packets
        ");
    }
}
