//! How associations end, in words: who sent what from where to where, why, and in answer to what.

use std::{fmt, net::IpAddr, time::Duration};

use sctp_monitor_common::wire::ChunkKind;

use crate::model::{
    Abort, Answered, EndReason, ErrorCause, FromElsewhere, GaveUp, Short, Side,
    words::{causes::causes, plural, tag},
};

impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shutdown { by: None } => f.write_str("shut down"),
            Self::Shutdown { by: Some(by) } => write!(f, "shut down by the {by} endpoint"),
            Self::Abort(abort) => abort.fmt(f),
            Self::Restarted => f.write_str("restarted by a new handshake between the same addresses"),
            Self::PartOf { association } => write!(f, "found to be part of association {association}"),
            Self::Replaced => f.write_str("replaced by a new association on the same ports"),
            Self::Silent { silent_for } => write!(f, "no packet for {}", Short(*silent_for)),
            Self::CrowdedOut { silent_for } => write!(
                f,
                "removed because the flow table fills up: never confirmed, no packet for {}",
                Short(*silent_for)
            ),
        }
    }
}

impl fmt::Display for Abort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            by,
            source,
            destination,
            causes: named,
            ..
        } = self;
        // Who answers for an address that is translated is not known.
        let by = if self.t_bit {
            "aborted".to_owned()
        } else {
            format!("aborted by the {by} endpoint")
        };
        write!(f, "{by}: ")?;
        f.write_str(&abort(*source, *destination, self.t_bit, named))?;
        if let Some(answered) = &self.answers {
            write!(f, ", in answer to {answered}")?;
        }
        if self.t_bit {
            write!(
                f,
                "; whoever sent it knows no such association: {source} restarted, or packets from {destination} to \
                 {source} reach another host"
            )?;
        }
        match &self.gave_up {
            Some(gave_up) => write!(f, "; {gave_up}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for GaveUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "it gave up: {} retransmitted without a SACK, no packet of the other endpoint for {}",
            plural(self.retransmissions, "DATA chunk"),
            Short(self.silent_for)
        )
    }
}

/// The packet, and how long before.
impl fmt::Display for Answered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} from {} to {} {} before",
            spelt(self.chunk),
            self.source,
            self.destination,
            Short(self.after)
        )
    }
}

impl fmt::Display for FromElsewhere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            chunk,
            source,
            destination,
            unlisted,
            ..
        } = self;
        match chunk {
            ChunkKind::Abort => f.write_str(&abort(*source, *destination, self.t_bit, &self.causes))?,
            _ => write!(f, "{} from {source} to {destination}", spelt(*chunk))?,
        }
        if let Some(answered) = &self.answers {
            write!(f, ", in answer to {answered}")?;
        }
        write!(
            f,
            ": {unlisted} is in no address list of this association, so it "
        )?;
        f.write_str(match chunk {
            ChunkKind::Abort | ChunkKind::ShutdownComplete => "ends nothing",
            _ => "changes nothing",
        })?;
        write!(f, ". Check: address translation of {unlisted}; which host has it")
    }
}

pub(super) fn shutting_down(by: Side, by_ack: bool, source: IpAddr, destination: IpAddr) -> String {
    if by_ack {
        let other = by.other();
        return format!(
            "shutting down: the {other} endpoint sent SHUTDOWN ACK from {source} to {destination}; SHUTDOWN of the {by} \
             endpoint was not seen"
        );
    }
    format!("shutting down: the {by} endpoint sent SHUTDOWN from {source} to {destination}")
}

pub(super) fn shutdown_unfinished(
    by: Side,
    shutdowns: u64,
    acks: u64,
    acked_from: Option<IpAddr>,
    lasting: Duration,
) -> String {
    let sent = format!(
        "shutdown not finished: the {by} endpoint sent {} within {}",
        plural(shutdowns, "SHUTDOWN"),
        Short(lasting)
    );
    let answered = match (acks, acked_from) {
        (0, None) => "no SHUTDOWN ACK was seen".to_owned(),
        (0, Some(from)) => format!("SHUTDOWN ACK came only from {from}, which is in no address list"),
        (acks, _) => format!(
            "{} came, no SHUTDOWN COMPLETE was seen",
            plural(acks, "SHUTDOWN ACK")
        ),
    };
    format!("{sent}; {answered}")
}

pub(super) fn error(
    by: Side,
    source: IpAddr,
    destination: IpAddr,
    named: &[ErrorCause],
    times: u64,
) -> String {
    let colon = if named.is_empty() { "" } else { ":" };
    let again = if times > 1 {
        format!(", {times} times since it was last reported")
    } else {
        String::new()
    };
    format!(
        "the {by} endpoint sent ERROR from {source} to {destination}{colon} {}{again}",
        causes(named)
    )
}

pub(super) fn abort_unknown(
    from: (IpAddr, u16),
    to: (IpAddr, u16),
    verification_tag: u32,
    t_bit: bool,
    named: &[ErrorCause],
) -> String {
    format!(
        "{}; ports {} > {}, tag {}: no association or handshake with this tag was seen",
        abort(from.0, to.0, t_bit, named),
        from.1,
        to.1,
        tag(Some(verification_tag)),
    )
}

/// An ABORT, from where to where, with the T bit or not, and its causes.
pub(super) fn abort(source: IpAddr, destination: IpAddr, t_bit: bool, named: &[ErrorCause]) -> String {
    let t_bit = if t_bit { " with the T bit" } else { "" };
    let colon = if named.is_empty() { "" } else { ":" };
    format!(
        "ABORT{t_bit} from {source} to {destination}{colon} {}",
        causes(named)
    )
}

/// A chunk's name as RFC 9260 spells it.
fn spelt(chunk: ChunkKind) -> String {
    chunk.name().replace('_', " ")
}
