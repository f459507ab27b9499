//! Findings: what is wrong with a path or an association, with the evidence in figures and what to check next.

use crate::model::IncidentId;

use std::{fmt, mem::discriminant, net::IpAddr, time::Duration};

use crate::model::{Direction, Figure, Forgery, PathId, Rate, Reason, Short, Slow, Suspicion, Timestamp};

/// Something that is wrong, as long as it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// What it is about.
    pub object: Object,
    /// Since when.
    pub since: Timestamp,
    /// What was found, and by what.
    pub diagnosis: Diagnosis,
    /// The incident that it is part of.
    pub incident: Option<IncidentId>,
}

/// What a finding is about, in its association.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Object {
    /// All of it.
    Association,
    /// One address of the peer.
    Remote(IpAddr),
    /// One path.
    Path(PathId),
}

/// The direction in which a path is broken, as far as the evidence tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// Not known yet.
    Unknown,
    /// What the local endpoint sends does not arrive.
    Forward,
    /// What the remote endpoint sends does not arrive.
    Return,
    /// Neither.
    Both,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Unknown => "unknown",
            Self::Forward => "forward",
            Self::Return => "return",
            Self::Both => "both",
        })
    }
}

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub enum Diagnosis {
    /// The path carries nothing, in one direction at least.
    PathDown {
        /// Which.
        broken: Broken,
        /// By what it was noticed.
        reason: Reason,
    },
    /// All paths to the peer are down.
    PeerDown {
        /// How many.
        paths: usize,
    },
    /// The local NIC has no link, or is gone.
    LinkDown {
        /// Which of the two.
        reason: Reason,
    },
    /// Heartbeats and small packets pass, large ones do not.
    PathMtuBlackHole {
        /// The smallest packet that was lost, bytes by the IP header; `None` while no size is known.
        lost_bytes: Option<u32>,
        /// The largest one that passed since.
        passed_bytes: Option<u32>,
        /// What the network itself said, by ICMP.
        path_mtu: Option<u32>,
    },
    /// Part of the DATA is lost.
    GreyLoss {
        /// Whose DATA: what is sent to the peer, or what is received from it.
        direction: Direction,
        /// How much.
        rate: Rate,
    },
    /// The path has become slow.
    LatencyDegraded(Slow),
    /// The path comes and goes.
    Flapping {
        /// Failures in the window.
        failures: usize,
        /// The window.
        within: Duration,
    },
    /// Heartbeats are answered from another address than the one that they went to.
    AnsweredElsewhere {
        /// From which.
        source: IpAddr,
    },
    /// No path to this address of the peer was ever confirmed.
    SecondaryUnconfirmed {
        /// How long it is known.
        known_for: Duration,
    },
    /// The peer's host lives, the association does not.
    Zombie(Zombie),
    /// Somebody sends packets in an endpoint's name.
    SpoofingSuspected(Suspicion),
    /// One failure would end the association.
    NotRedundant {
        /// What all its paths share.
        shared: Vec<Shared>,
    },
}

/// How an association is dead alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zombie {
    /// The peer has advertised a window of zero for so long: nobody reads.
    NobodyReads(Duration),
    /// It was ended, but heartbeats are still answered.
    AnswersAfterEnd,
    /// A shutdown began so long ago.
    ShutdownPending(Duration),
}

/// Something that all paths of an association share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shared {
    /// There is only one local address.
    LocalAddress(IpAddr),
    /// There is only one remote address.
    RemoteAddress(IpAddr),
    /// The local NIC.
    Interface(String),
    /// The next hop's Ethernet address.
    NextHop([u8; 6]),
    /// The local addresses' subnet, as its first address: of 24 bits for IPv4, of 64 bits for IPv6.
    Subnet(IpAddr),
}

impl fmt::Display for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LocalAddress(address) => write!(f, "the local address {address}"),
            Self::RemoteAddress(address) => write!(f, "the remote address {address}"),
            Self::Interface(name) => write!(f, "the interface {name}"),
            Self::NextHop([a, b, c, d, e, g]) => {
                write!(f, "the next hop {a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
            }
            Self::Subnet(address) => write!(f, "the subnet of {address}"),
        }
    }
}

impl Diagnosis {
    /// Its name in reports.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::PathDown { .. } => "path_down",
            Self::PeerDown { .. } => "peer_down",
            Self::LinkDown { .. } => "link_down",
            Self::PathMtuBlackHole { .. } => "path_mtu_black_hole",
            Self::GreyLoss { .. } => "grey_loss",
            Self::LatencyDegraded(_) => "latency_degraded",
            Self::Flapping { .. } => "flapping",
            Self::AnsweredElsewhere { .. } => "answered_elsewhere",
            Self::SecondaryUnconfirmed { .. } => "secondary_unconfirmed",
            Self::Zombie(_) => "zombie",
            Self::SpoofingSuspected(_) => "spoofing_suspected",
            Self::NotRedundant { .. } => "not_redundant",
        }
    }

    /// What an operator should look at.
    #[must_use]
    pub fn next(&self) -> &'static str {
        match self {
            Self::PathDown { broken, .. } => match broken {
                Broken::Forward => {
                    "the way to the peer: routes and filters from here on, rules on protocol 132, reverse-path filters"
                }
                Broken::Return => {
                    "the way back: the peer's route and source address, filters and reverse-path filters towards here"
                }
                Broken::Both | Broken::Unknown => {
                    "ping the remote address from the local one; ARP or neighbour entries; the switches in between"
                }
            },
            Self::PeerDown { .. } => {
                "whether the peer's host and its SCTP process run; what all paths have in common"
            }
            Self::LinkDown { .. } => "cable, transceiver and switch port of this NIC; `ip link`, `ethtool`",
            Self::PathMtuBlackHole { .. } => {
                "ping with the don't-fragment bit and growing sizes; tunnels on the way; filters that drop ICMP; \
                 the MTU of the NICs on both sides"
            }
            Self::GreyLoss { .. } => {
                "error counters of NICs and switch ports on the way (`ethtool -S`), duplex, congestion, policers"
            }
            Self::LatencyDegraded(_) => "whether the route has changed; queues and policers on the way",
            Self::Flapping { .. } => {
                "cable, transceiver and spanning tree on the way; a routing protocol that oscillates"
            }
            Self::AnsweredElsewhere { .. } => {
                "the peer's routes and source address selection: the two paths may share one way back"
            }
            Self::SecondaryUnconfirmed { .. } => {
                "whether the address is reachable at all: it would not take over today. Routes, filters, the peer's configuration"
            }
            Self::Zombie(_) => "the peer's application: it holds the association, but does not serve it",
            Self::SpoofingSuspected(suspicion) => match suspicion.forgery {
                Forgery::WrongTag | Forgery::Init => {
                    "who else can send with these source addresses: capture on this NIC and compare Ethernet address and TTL \
                     with the peer's own packets; source address filters (BCP 38) at the edge; an old instance of the peer \
                     that still runs"
                }
                Forgery::IcmpError => {
                    "who sent these ICMP errors: source address filters (BCP 38) at the edge; a translator on the way that \
                     changes tags"
                }
            },
            Self::NotRedundant { .. } => "a second address, NIC or next hop for this association",
        }
    }

    /// The figures behind the words, by name.
    #[must_use]
    pub fn figures(&self) -> Vec<(&'static str, Figure)> {
        match self {
            Self::PathDown { broken, reason } => {
                let mut figures = vec![("direction", Figure::Text(broken.to_string()))];
                figures.extend(reason.figures());
                figures
            }
            Self::PeerDown { paths } => vec![("paths", Figure::Number(*paths as u64))],
            Self::LinkDown { reason } => reason.figures(),
            Self::PathMtuBlackHole {
                lost_bytes,
                passed_bytes,
                path_mtu,
            } => [
                ("lost_bytes", lost_bytes),
                ("passed_bytes", passed_bytes),
                ("path_mtu", path_mtu),
            ]
            .into_iter()
            .filter_map(|(name, bytes)| Some((name, Figure::Number(u64::from((*bytes)?)))))
            .collect(),
            Self::GreyLoss { direction, rate } => vec![
                ("direction", Figure::Text(way(*direction).to_owned())),
                ("loss_percent", Figure::Rate(rate.percent)),
                ("chunks", Figure::Number(u64::from(rate.chunks))),
            ],
            Self::LatencyDegraded(slow) => {
                vec![
                    ("rtt", Figure::Time(slow.rtt)),
                    ("baseline", Figure::Time(slow.baseline)),
                ]
            }
            Self::Flapping { failures, within } => {
                vec![
                    ("failures", Figure::Number(*failures as u64)),
                    ("within", Figure::Time(*within)),
                ]
            }
            Self::AnsweredElsewhere { source } => vec![("ack_source", Figure::Text(source.to_string()))],
            Self::SecondaryUnconfirmed { known_for } => vec![("known_for", Figure::Time(*known_for))],
            Self::Zombie(Zombie::NobodyReads(time)) => vec![("window_zero_for", Figure::Time(*time))],
            Self::Zombie(Zombie::ShutdownPending(time)) => vec![("shutdown_pending", Figure::Time(*time))],
            Self::Zombie(Zombie::AnswersAfterEnd) => Vec::new(),
            Self::SpoofingSuspected(suspicion) => suspicion.figures(),
            Self::NotRedundant { shared } => {
                let shared: Vec<_> = shared.iter().map(ToString::to_string).collect();
                vec![("shared", Figure::Text(shared.join(", ")))]
            }
        }
    }

    /// Whether failures of this kind may have one cause; such findings are members of incidents.
    pub(crate) fn cause(&self) -> Option<Cause> {
        Some(match self {
            Self::PathDown { .. } | Self::LinkDown { .. } => Cause::Failure,
            Self::PathMtuBlackHole { .. } => Cause::BlackHole,
            Self::GreyLoss { .. } => Cause::Loss,
            Self::LatencyDegraded(_) => Cause::Latency,
            Self::Flapping { .. } => Cause::Flapping,
            Self::PeerDown { .. }
            | Self::AnsweredElsewhere { .. }
            | Self::SecondaryUnconfirmed { .. }
            | Self::Zombie(_)
            | Self::SpoofingSuspected(_)
            | Self::NotRedundant { .. } => return None,
        })
    }

    /// Whether `other` is about the same trouble, with other figures perhaps.
    #[must_use]
    pub fn is_same_kind(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::GreyLoss { direction, .. }, Self::GreyLoss { direction: now, .. }) => direction == now,
            (Self::SpoofingSuspected(known), Self::SpoofingSuspected(now)) => known.forgery == now.forgery,
            _ => discriminant(self) == discriminant(other),
        }
    }

    /// Whether `other` says something that is worth an update.
    pub(crate) fn differs(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::PathDown { broken, .. }, Self::PathDown { broken: now, .. }) => broken != now,
            (Self::GreyLoss { rate, .. }, Self::GreyLoss { rate: now, .. }) => {
                (rate.percent - now.percent).abs() > LOSS_POINTS
            }
            (Self::LatencyDegraded(slow), Self::LatencyDegraded(now)) => {
                now.rtt > slow.rtt * 3 / 2 || now.rtt < slow.rtt * 2 / 3
            }
            (Self::SpoofingSuspected(known), Self::SpoofingSuspected(now)) => known.differs(now),
            (Self::Flapping { .. }, Self::Flapping { .. })
            | (Self::SecondaryUnconfirmed { .. }, Self::SecondaryUnconfirmed { .. })
            | (Self::LinkDown { .. }, Self::LinkDown { .. })
            | (Self::Zombie(_), Self::Zombie(_)) => false,
            _ => self != other,
        }
    }
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PathDown { broken, reason } => {
                f.write_str(match broken {
                    Broken::Unknown => "path down: ",
                    Broken::Forward => "path down towards the peer, the way back works: ",
                    Broken::Return => "path down on the way back, what is sent arrives: ",
                    Broken::Both => "path down in both directions: ",
                })?;
                write!(f, "{reason}")
            }
            Self::PeerDown { paths } => write!(f, "peer down: all paths to it are, {paths} in number"),
            Self::LinkDown { reason } => write!(f, "link down: {reason}"),
            Self::PathMtuBlackHole {
                lost_bytes,
                passed_bytes,
                path_mtu,
            } => {
                f.write_str("path MTU black hole: heartbeats pass, large DATA does not")?;
                let lost = lost_bytes.map(|bytes| format!("packets of {bytes} bytes and more are lost"));
                let passed = passed_bytes.map(|bytes| format!("up to {bytes} bytes pass"));
                let told = path_mtu.map(|bytes| format!("the network says {bytes} bytes by ICMP"));
                let figures: Vec<_> = [lost, passed, told].into_iter().flatten().collect();
                if figures.is_empty() {
                    return Ok(());
                }
                write!(f, " ({})", figures.join(", "))
            }
            Self::GreyLoss { direction, rate } => {
                let whose = match direction {
                    Direction::Forward => "DATA to the peer",
                    Direction::Return => "DATA from the peer",
                };
                write!(
                    f,
                    "{:.1} % of the {whose} is lost (of {} chunks)",
                    rate.percent, rate.chunks
                )
            }
            Self::LatencyDegraded(slow) => {
                write!(
                    f,
                    "round trip of {} instead of {}",
                    Short(slow.rtt),
                    Short(slow.baseline)
                )
            }
            Self::Flapping { failures, within } => {
                write!(f, "flapping: {failures} failures within {}", Short(*within))
            }
            Self::AnsweredElsewhere { source } => write!(f, "HEARTBEATs are answered from {source}"),
            Self::SecondaryUnconfirmed { known_for } => {
                write!(
                    f,
                    "no path to this address was confirmed in {}",
                    Short(*known_for)
                )
            }
            Self::Zombie(Zombie::NobodyReads(time)) => {
                write!(
                    f,
                    "zombie: the peer's receiver window has been zero for {}",
                    Short(*time)
                )
            }
            Self::Zombie(Zombie::AnswersAfterEnd) => {
                f.write_str("zombie: the association was ended, but its HEARTBEATs are still answered")
            }
            Self::Zombie(Zombie::ShutdownPending(time)) => {
                write!(f, "zombie: its shutdown has not finished for {}", Short(*time))
            }
            Self::SpoofingSuspected(suspicion) => write!(f, "spoofing suspected: {suspicion}"),
            Self::NotRedundant { shared } => {
                let shared: Vec<_> = shared.iter().map(ToString::to_string).collect();
                write!(f, "not redundant: every path needs {}", shared.join(" and "))
            }
        }
    }
}

/// A direction, seen from the local endpoint.
fn way(direction: Direction) -> &'static str {
    match direction {
        Direction::Forward => "forward",
        Direction::Return => "return",
    }
}

/// A rate that moves by more is worth an update.
const LOSS_POINTS: f32 = 3.0;
/// What failures of one kind have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Cause {
    Failure,
    BlackHole,
    Loss,
    Latency,
    Flapping,
}
