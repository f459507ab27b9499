//! Whether a path may be probed, and how.
//!
//! A probe that is wrong can end an association: this host's stack may be handed the answer, and stands only some lengths of it
//! (Linux those that are at least as long as its own HEARTBEATs are, the usrsctp family those of 44 bytes exactly); and a packet
//! into an association that has ended is answered by ABORT. So nothing is sent while anything about it is uncertain.

use sctp_monitor_common::abi::{FlowKey, ProbePath};

use crate::{
    config::Vantage,
    model::{Direction, PathId, ProbeObstacle},
    nics::Nics,
    path::flows::Flows,
    registry::association::{Association, Phase},
};

/// What a path's probes look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Target {
    pub(super) key: FlowKey,
    pub(super) tag: u32,
    pub(super) ack_tag: u32,
    pub(super) chunk_length: u16,
    pub(super) if_index: u32,
}

impl Target {
    /// What the programs are told of it.
    pub(super) fn path(&self, generation: u32) -> ProbePath {
        ProbePath {
            generation,
            tag: self.tag,
            ack_tag: self.ack_tag,
            src_port: self.key.src_port,
            dst_port: self.key.dst_port,
            dst: self.key.dst,
            reserved: [0; 8],
        }
    }
}

/// How a path of an association is probed, or what stands in the way.
pub(crate) fn target_of(
    association: &Association,
    path: &PathId,
    flows: &Flows,
    nics: &Nics,
) -> Result<Target, ProbeObstacle> {
    if *association.phase() != Phase::Established {
        return Err(ProbeObstacle::NotEstablished);
    }
    let [tag, ack_tag] = association.certain_tags().ok_or(ProbeObstacle::TagsUncertain)?;
    let forward = association
        .path(path)
        .and_then(|path| flows.get(path.flow(Direction::Forward)?))
        .filter(|flow| flow.view.interface.is_egress() && flow.view.tag == tag)
        .ok_or(ProbeObstacle::NothingSent)?;
    if association.crosses(nics.unwatched(), flows) {
        return Err(ProbeObstacle::NotWatched);
    }
    if forward.view.in_udp {
        return Err(ProbeObstacle::InUdp);
    }
    if nics.fault_of(Vantage::Endpoint, Some(forward), None).is_some() {
        return Err(ProbeObstacle::NoLink);
    }
    Ok(Target {
        key: forward.view.key,
        tag,
        ack_tag,
        chunk_length: chunk_length(association, flows)?,
        if_index: forward.view.interface.if_index(),
    })
}

/// The length that this host's stack stands, by all that it sent itself on the association.
fn chunk_length(association: &Association, flows: &Flows) -> Result<u16, ProbeObstacle> {
    let forward = flows.all_of(association.flows(Direction::Forward));
    let mut length = None;
    for own in forward.filter_map(|flow| flow.view.heartbeat_length) {
        let stands = match own {
            USRSCTP => USRSCTP,
            LINUX_LEAST..=LONGEST => own.max(LINUX).next_multiple_of(4),
            _ => return Err(ProbeObstacle::StackNotKnown { heartbeat_bytes: own }),
        };
        if length.is_some_and(|known| known != stands) {
            return Err(ProbeObstacle::StackNotKnown { heartbeat_bytes: own });
        }
        length = Some(stands);
    }
    length.ok_or(ProbeObstacle::StackUnknown)
}

/// A stack of this family skips an answer of another length with the rest of its packet. Byte 16 of the Heartbeat Info, which it
/// takes for an address family, is zero in a probe: then it skips the answer too.
const USRSCTP: u16 = 44;
/// Linux ends the association over an answer that is shorter than its own structure: 60 bytes since 5.14, with padding of the
/// structure. It ignores a longer one.
const LINUX_LEAST: u16 = 60;
const LINUX: u16 = 64;
/// No stack sends such HEARTBEATs; a probe is a small packet.
const LONGEST: u16 = 512;
