//! What an ABORT, an ERROR or a SHUTDOWN ACK answers: the packet before it that may have brought it about.

use std::time::Duration;

use sctp_monitor_common::{
    abi::{FlowKey, FlowOpened, HeartbeatSent},
    wire::ChunkKind,
};
use serde::{Deserialize, Serialize};

use crate::{
    model::{Answered, ErrorCause, Timestamp},
    path::flows::Flows,
    registry::{Registry, packet::ControlPacket},
};

impl Registry {
    /// A flow began.
    pub(crate) fn on_opened(&mut self, opened: &FlowOpened) {
        self.recent.on_opened(opened.header.slot, opened.key);
    }

    /// A HEARTBEAT passed.
    pub(crate) fn on_heartbeat_sent(&mut self, flows: &Flows, sent: &HeartbeatSent) {
        let known = flows.get(sent.header.slot).map(|flow| flow.view.key);
        let at = Timestamp::from_nanos(sent.header.time_ns);
        self.recent.on_heartbeat(sent.header.slot, known, at);
    }

    /// The slot of a flow that began lately.
    pub(crate) fn opened(&self, key: &FlowKey) -> Option<u32> {
        self.recent.opened(key)
    }

    /// DATA with these addresses and ports is not acknowledged, and was last sent then.
    pub(crate) fn on_unacknowledged(&mut self, key: FlowKey, sent_at: Timestamp) {
        self.recent.on_unacknowledged(key, sent_at);
    }

    /// What an ABORT answers. One with a reflected tag answers whatever came last; another one only what its causes are about: the
    /// application may have asked for it.
    pub(super) fn answered_by_abort(
        &self,
        flows: &Flows,
        packet: &ControlPacket<'_>,
        t_bit: bool,
        causes: &[ErrorCause],
    ) -> Option<Answered> {
        if t_bit {
            return self.answered(packet, |_| true);
        }
        self.brought_about(flows, packet, causes)
    }

    /// The packet that error causes are about. Some may be about any: then it is the last one, if that is known.
    pub(super) fn brought_about(
        &self,
        flows: &Flows,
        packet: &ControlPacket<'_>,
        causes: &[ErrorCause],
    ) -> Option<Answered> {
        let any = |asked| causes.iter().any(|cause| is_about(cause, asked) != About::Other);
        let answered = self.answered(packet, any)?;
        let is_certain = causes
            .iter()
            .any(|cause| is_about(cause, answered.chunk) == About::Certainly);
        let asking = flows.by_key(&packet.key().reversed());
        let is_last =
            asking.is_none_or(|flow| packet.time.since(flow.view.last_seen) + COARSE >= answered.after);
        (is_certain || is_last).then_some(answered)
    }

    pub(super) fn answered(
        &self,
        packet: &ControlPacket<'_>,
        may_be: impl Fn(ChunkKind) -> bool,
    ) -> Option<Answered> {
        self.recent.answered_by(packet.key(), may_be, packet.time)
    }
}

/// Whether an error cause is about a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum About {
    Certainly,
    /// As well as about any other.
    Possibly,
    Other,
}

/// Whether a packet with this chunk may bring an error cause about (RFC 9260 section 3.3.10).
fn is_about(cause: &ErrorCause, asked: ChunkKind) -> About {
    let is_it = match cause {
        ErrorCause::InvalidStream { .. } | ErrorCause::NoUserData { .. } => asked == ChunkKind::Data,
        ErrorCause::StaleCookie { .. } | ErrorCause::CookieWhileShuttingDown => {
            asked == ChunkKind::CookieEcho
        }
        ErrorCause::RestartWithNewAddresses { .. } => asked == ChunkKind::Init,
        ErrorCause::MissingParameters { .. }
        | ErrorCause::UnresolvableAddress { .. }
        | ErrorCause::InvalidParameter
        | ErrorCause::UnrecognizedParameters { .. } => {
            matches!(
                asked,
                ChunkKind::Init | ChunkKind::InitAck | ChunkKind::CookieEcho | ChunkKind::Asconf
            )
        }
        ErrorCause::UnrecognizedChunk { .. } | ErrorCause::ProtocolViolation { .. } => {
            return About::Possibly;
        }
        ErrorCause::OutOfResource | ErrorCause::UserInitiated { .. } | ErrorCause::Other { .. } => false,
    };
    if is_it { About::Certainly } else { About::Other }
}

/// When a flow had its last packet is known by the coarse clock.
const COARSE: Duration = Duration::from_millis(10);
