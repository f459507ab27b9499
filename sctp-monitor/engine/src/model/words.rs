//! What an operator reads of events, reasons and ends: made from the typed values here, and nowhere else.
//!
//! First the fact, then the figures, then what to do. What was found has its words beside its rule, in `findings/`.

mod causes;
mod ends;
mod handshakes;
mod reasons;
mod sides;
mod steering;

use std::{
    fmt::{self, Write as _},
    net::IpAddr,
};

use crate::model::{
    AssociationRef, Direction, Event, EventKind, Finding, IncidentView, Missing, Object, Offers, Origin,
    PathId, PathState, Scope, ScopeKind, Short, Sides, Status, Timestamp,
};

/// The words of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    /// The association that they are about, if it is one.
    pub association: Option<AssociationRef>,
    /// They say something of the association itself, and follow its name without a colon.
    is_predicate: bool,
    /// What is to be said of it.
    pub text: String,
}

impl Event {
    /// In words, without the time.
    #[must_use]
    pub fn words(&self) -> Words {
        let (is_predicate, text) = match &self.kind {
            EventKind::AssociationUp { .. }
            | EventKind::ShuttingDown { .. }
            | EventKind::AssociationGoesOn { .. }
            | EventKind::AssociationDown { .. } => (true, self.predicate()),
            _ => (false, self.statement()),
        };
        Words {
            association: self.association,
            is_predicate,
            text,
        }
    }

    /// What the endpoints are called. What is of no association names none.
    fn sides(&self) -> Sides {
        self.association.map_or_else(Sides::default, |known| known.sides)
    }

    /// What happened to the association itself.
    fn predicate(&self) -> String {
        let sides = self.sides();
        match &self.kind {
            EventKind::AssociationUp {
                origin,
                local,
                remote,
                offers,
                restarts,
                one_sided,
            } => {
                let mut text = format!("established ({})", how_known(*origin));
                if let Some(known) = &self.association {
                    let _ = write!(text, ", ports {} > {}", known.local_port, known.remote_port);
                }
                let _ = write!(text, ": {}", sides.both([&list(local), &list(remote)]));
                if let Some(offers) = offers {
                    let _ = write!(text, "; {}", streams(offers));
                }
                if let Some(before) = restarts {
                    let _ = write!(text, "; restarts association {before}");
                }
                if *one_sided {
                    text.push_str("; only one direction is seen here");
                }
                text
            }
            EventKind::ShuttingDown {
                by,
                by_ack,
                source,
                destination,
            } => ends::shutting_down(sides, *by, *by_ack, [*source, *destination]),
            EventKind::AssociationGoesOn { ended_ago } => format!(
                "goes on: DATA was acknowledged {} after its end was seen",
                Short(*ended_ago)
            ),
            EventKind::AssociationDown { end } => format!("ended: {}", end.text),
            _ => String::new(),
        }
    }

    /// What happened to a part of it, or beyond it.
    fn statement(&self) -> String {
        let sides = self.sides();
        match &self.kind {
            EventKind::AssociationError {
                by,
                source,
                destination,
                causes,
                answers,
                times,
            } => ends::error(
                sides.endpoint(*by),
                [*source, *destination],
                causes,
                answers.as_ref(),
                *times,
            ),
            EventKind::ShutdownUnfinished {
                by,
                shutdowns,
                acks,
                acked_from,
                lasting,
            } => ends::shutdown_unfinished(sides.endpoint(*by), *shutdowns, *acks, *acked_from, *lasting),
            EventKind::AnsweredFromElsewhere(seen) => seen.to_string(),
            EventKind::HandshakeUnfinished(handshake) => handshake.to_string(),
            EventKind::AbortUnknown {
                source,
                destination,
                source_port,
                destination_port,
                tag,
                t_bit,
                causes,
                answers,
            } => ends::abort_unknown(
                (*source, *source_port),
                (*destination, *destination_port),
                *tag,
                *t_bit,
                causes,
                answers.as_ref(),
            ),
            EventKind::AddressesChanged {
                side,
                added,
                removed,
                primary,
            } => {
                let added = (!added.is_empty()).then(|| format!("added {}", list(added)));
                let removed = (!removed.is_empty()).then(|| format!("removed {}", list(removed)));
                let primary = primary.map(|primary| format!("asks for DATA at {primary}"));
                let changes: Vec<_> = [added, removed, primary].into_iter().flatten().collect();
                format!("addresses of {}: {}", sides.endpoint(*side), changes.join("; "))
            }
            EventKind::Translated {
                side,
                address,
                seen_as,
            } => {
                let own = sides.address(*side, *address);
                format!("address translation: {own} is seen as {seen_as}")
            }
            EventKind::CaptureLacks {
                direction,
                missing: Missing::Data,
            } => format!(
                "the capture lacks packets: {direction} DATA was acknowledged that is not in it; what is missing counts \
                 as no failure"
            ),
            EventKind::CaptureLacks {
                direction,
                missing: Missing::Sack,
            } => format!(
                "the capture may lack SACKs: {direction} DATA was neither acknowledged nor retransmitted; that counts as \
                 no failure"
            ),
            EventKind::PathStateChanged {
                path,
                from,
                to,
                reason,
            } => format!("path {path}: {} -> {}: {reason}", from.words(), to.words()),
            EventKind::NotProbed { path, obstacle } if obstacle.keeps_from_sending() => {
                format!("path {path} is not probed: {obstacle}")
            }
            EventKind::NotProbed { path, obstacle } => {
                format!("nothing is concluded from probes of path {path}: {obstacle}")
            }
            EventKind::DataMoved {
                direction,
                from,
                to,
                gap,
            } => {
                let gap = gap.map_or_else(String::new, |gap| {
                    format!(", {} after the last acknowledged DATA", Short(gap))
                });
                format!("{direction} DATA moved from path {from} to path {to}{gap}")
            }
            EventKind::SteeringStarted { .. }
            | EventKind::SteeringChanged { .. }
            | EventKind::SteeringEnded { .. }
            | EventKind::SteeringRefused { .. } => steering::statement(&self.kind),
            EventKind::Finding { status, finding } => finding.words(sides, *status),
            EventKind::Incident { status, incident } => incident.words(*status),
            EventKind::AssociationUp { .. }
            | EventKind::ShuttingDown { .. }
            | EventKind::AssociationGoesOn { .. }
            | EventKind::AssociationDown { .. } => String::new(),
        }
    }

    /// Whether an incident says the same: what begins or ends with it has its line.
    #[must_use]
    pub fn is_told_by_incident(&self) -> bool {
        match &self.kind {
            EventKind::Finding { status, finding } => {
                *status != Status::Updated && finding.incident.is_some()
            }
            _ => false,
        }
    }
}

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.association {
            Some(known) if self.is_predicate => write!(f, "association {} {}", known.id, self.text),
            Some(known) => write!(f, "association {}: {}", known.id, self.text),
            None => f.write_str(&self.text),
        }
    }
}

impl Finding {
    /// In words, with what to check unless it is over.
    #[must_use]
    pub fn words(&self, sides: Sides, status: Status) -> String {
        let object = match self.object {
            Object::Association => String::new(),
            object => format!("{}: ", object.words(sides)),
        };
        match status {
            Status::Closed => format!("{object}over: {}", self.text),
            Status::Opened | Status::Updated => format!("{object}{}. Check: {}", self.text, self.check),
        }
    }
}

impl IncidentView {
    /// What it is, of how many paths and associations.
    pub(crate) fn extent(&self) -> String {
        format!(
            "{}, {} of {}",
            self.finding,
            plural(self.members as u64, "path"),
            plural(self.associations as u64, "association")
        )
    }

    /// In words, with what to check when it begins.
    #[must_use]
    pub fn words(&self, status: Status) -> String {
        let Self {
            id, finding, scope, ..
        } = self;
        match status {
            Status::Opened => format!("INCIDENT {id}, {scope}: {}. Check: {}", self.reason, self.next),
            Status::Updated => format!("INCIDENT {id}, {scope}: {}", self.extent()),
            Status::Closed => format!(
                "INCIDENT {id} over, {scope}: {finding}, {} at most",
                plural(self.most_members as u64, "path")
            ),
        }
    }
}

impl PathState {
    /// As RFC 6458 and RFC 7829 name it.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Unconfirmed => "unconfirmed",
            Self::Active => "active",
            Self::PotentiallyFailed => "potentially failed",
            Self::Inactive => "inactive",
        }
    }
}

impl fmt::Display for PathId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} > {}", self.local, self.remote)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.kind, &self.interface, self.local, self.remote) {
            (ScopeKind::Path, interface, Some(local), Some(remote)) => {
                write!(f, "path {local} > {remote}")?;
                match interface {
                    Some(interface) => write!(f, " on {interface}"),
                    None => Ok(()),
                }
            }
            (ScopeKind::Interface, Some(interface), ..) => write!(f, "interface {interface}"),
            (ScopeKind::LocalAddress, _, Some(local), _) => write!(f, "local address {local}"),
            (ScopeKind::RemoteAddress, _, _, Some(remote)) => write!(f, "remote address {remote}"),
            (ScopeKind::Address, ..) => write!(f, "address {}", list(&self.failing)),
            (ScopeKind::Addresses, ..) => write!(f, "addresses {}", list(&self.failing)),
            (ScopeKind::Hosts, ..) => {
                let hosts: Vec<_> = self.hosts.iter().map(|host| list(host)).collect();
                let s = if hosts.len() == 1 { "" } else { "s" };
                write!(f, "host{s} {}", hosts.join(" and "))
            }
            _ => write!(f, "peer {}", list(&self.peer)),
        }
    }
}

/// Which direction is the forward one between the hosts, for the head of a report.
pub const FORWARD: &str =
    "forward: from the initiator to the responder; from side A to side B if the handshake was not seen";

/// How an association became known.
#[must_use]
pub const fn how_known(origin: Origin) -> &'static str {
    match origin {
        Origin::Handshake => "handshake seen",
        Origin::MidLife => "handshake not seen",
    }
}

/// Streams in both directions: `10 streams forward, 5 return`.
#[must_use]
pub fn streams(offers: &Offers) -> String {
    let [forward, back] = Direction::BOTH.map(|direction| offers.streams(direction));
    format!("{} forward, {back} return", plural(u64::from(forward), "stream"))
}

/// A verification tag as Wireshark shows it.
#[must_use]
pub fn tag(tag: Option<u32>) -> String {
    tag.map_or_else(|| "unknown".to_owned(), |tag| format!("{tag:#010x}"))
}

/// `1 packet`, `2 packets`.
#[must_use]
pub fn plural(count: u64, noun: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{s}")
}

/// With commas.
#[must_use]
pub fn list(addresses: &[IpAddr]) -> String {
    let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
    addresses.join(", ")
}

/// The time of day in UTC, to the millisecond.
#[must_use]
pub fn time_of_day(time: Timestamp) -> String {
    strftime(time, "%H:%M:%S%.3f")
}

/// In UTC, as strftime would show it.
#[must_use]
pub fn strftime(time: Timestamp, format: &str) -> String {
    time.civil().strftime(format).to_string()
}

/// The date in UTC.
#[must_use]
pub fn date(time: Timestamp) -> String {
    strftime(time, "%Y-%m-%d")
}

/// Date and time of day in UTC, to the millisecond.
#[must_use]
pub fn date_time(time: Timestamp) -> String {
    strftime(time, "%Y-%m-%d %H:%M:%S%.3f")
}

/// An Ethernet address, as `ip link` shows it.
#[derive(Debug, Clone, Copy)]
pub struct Ethernet(pub [u8; 6]);

impl fmt::Display for Ethernet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}
