//! How associations end, in words: who sent what from where to where, why, and in answer to what.

use std::{fmt, net::IpAddr, time::Duration};

use sctp_monitor_common::wire::ChunkKind;

use crate::model::{
    Abort, Answered, EndReason, ErrorCause, FromElsewhere, GaveUp, Short, Side, Sides,
    words::{causes::causes, plural, tag},
};

impl EndReason {
    /// Why it is over, by the names of the endpoints.
    #[must_use]
    pub fn words(&self, sides: Sides) -> String {
        match self {
            Self::Shutdown { by: None } => "shut down".to_owned(),
            Self::Shutdown { by: Some(by) } => format!("shut down by {}", sides.endpoint(*by)),
            Self::Abort(abort) => abort.words(sides),
            Self::Restarted => "restarted by a new handshake between the same addresses".to_owned(),
            Self::PartOf { association } => format!("found to be part of association {association}"),
            Self::Replaced => "replaced by a new association on the same ports".to_owned(),
            Self::Silent { silent_for } => format!("no packet for {}", Short(*silent_for)),
            Self::NotWatched { interface } => {
                format!("not watched any more: {interface} was left out of what is watched")
            }
            Self::CrowdedOut { silent_for } => format!(
                "removed because the flow table fills up: never confirmed, no packet for {}",
                Short(*silent_for)
            ),
        }
    }
}

impl Abort {
    fn words(&self, sides: Sides) -> String {
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
            format!("aborted by {}", sides.endpoint(*by))
        };
        let sent = abort(*source, *destination, self.t_bit, named);
        let answers = in_answer(self.answers.as_ref());
        let unknown = if self.t_bit {
            format!(
                "; whoever sent it knows no such association: {source} restarted, or packets from {destination} to \
                 {source} reach another host"
            )
        } else {
            String::new()
        };
        let gave_up = self
            .gave_up
            .as_ref()
            .map_or_else(String::new, |gave_up| format!("; {gave_up}"));
        format!("{by}: {sent}{answers}{unknown}{gave_up}")
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
        f.write_str(&in_answer(self.answers.as_ref()))?;
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

pub(super) fn shutting_down(
    sides: Sides,
    by: Side,
    by_ack: bool,
    [source, destination]: [IpAddr; 2],
) -> String {
    let [by, other] = [by, by.other()].map(|side| sides.endpoint(side));
    if by_ack {
        return format!(
            "shutting down: {other} sent SHUTDOWN ACK from {source} to {destination}; SHUTDOWN of {by} was not seen"
        );
    }
    format!("shutting down: {by} sent SHUTDOWN from {source} to {destination}")
}

pub(super) fn shutdown_unfinished(
    by: &str,
    shutdowns: u64,
    acks: u64,
    acked_from: Option<IpAddr>,
    lasting: Duration,
) -> String {
    let sent = format!(
        "shutdown not finished: {by} sent {} within {}",
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
    by: &str,
    [source, destination]: [IpAddr; 2],
    named: &[ErrorCause],
    answered: Option<&Answered>,
    times: u64,
) -> String {
    let colon = if named.is_empty() { "" } else { ":" };
    let again = if times > 1 {
        format!(", {times} times since it was last reported")
    } else {
        String::new()
    };
    format!(
        "{by} sent ERROR from {source} to {destination}{colon} {}{}{again}",
        causes(named),
        in_answer(answered)
    )
}

pub(super) fn abort_unknown(
    from: (IpAddr, u16),
    to: (IpAddr, u16),
    verification_tag: u32,
    t_bit: bool,
    named: &[ErrorCause],
    answered: Option<&Answered>,
) -> String {
    format!(
        "{}{}; ports {} > {}, tag {}: no association or handshake with this tag was seen",
        abort(from.0, to.0, t_bit, named),
        in_answer(answered),
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

fn in_answer(answered: Option<&Answered>) -> String {
    answered.map_or_else(String::new, |answered| format!(", in answer to {answered}"))
}

/// A chunk's name as RFC 9260 spells it.
fn spelt(chunk: ChunkKind) -> String {
    chunk.name().replace('_', " ")
}
