//! Orders: what the programs are told of a flow, and what is kept of it while it is in force.

use sctp_monitor_common::{
    abi::{FlowKey, SteerCounts, SteerMode, SteerOrder},
    steer::check_delta,
};

use super::choice::Target;
use crate::model::{
    AssociationRef, Event, PathId, SteeringCause, SteeringCounts, SteeringMode, SteeringObstacle, Timestamp,
};

/// What the policy has decided.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Decision {
    /// Report this.
    Report(Box<Event>),
    /// Packets of a flow leave by this order from now on, or as the host sends them.
    Order {
        /// The flow.
        key: FlowKey,
        /// The order, in place of what was said before.
        order: Option<SteerOrder>,
    },
}

/// An order that is in force.
#[derive(Debug)]
pub(super) struct InForce {
    pub(super) association: AssociationRef,
    pub(super) key: FlowKey,
    /// The verification tag that its packets must have.
    pub(super) tag: u32,
    /// The NIC by which the host sends them.
    pub(super) from_if_index: u32,
    /// The NIC by which they leave.
    pub(super) if_index: u32,
    /// Whether packets that a NIC cuts up are moved, where others are copied.
    pub(super) moves_segmented: bool,
    /// It is taken back as soon as the path itself carries its packets.
    pub(super) is_draining: bool,
    pub(super) onto: PathId,
    pub(super) mode: SteeringMode,
    pub(super) cause: SteeringCause,
    pub(super) since: Timestamp,
    /// Until when the path must be active to have its packets back, if it is active.
    pub(super) active_until: Option<Timestamp>,
    /// By orders before that were part of it.
    pub(super) counted: SteeringCounts,
    /// By the order in force.
    pub(super) counts: SteeringCounts,
}

/// The flow whose packets are meant, and the NIC by which the host sends them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source {
    pub(super) key: FlowKey,
    pub(super) if_index: u32,
}

/// What the program is told.
pub(super) fn order(
    source: Source,
    target: &Target,
    tag: Option<u32>,
    mode: SteeringMode,
    moves_segmented: bool,
) -> Result<SteerOrder, SteeringObstacle> {
    let tag = tag.ok_or(SteeringObstacle::TagUnknown)?;
    let key = &source.key;
    let mode = match mode {
        SteeringMode::Both => SteerMode::Both,
        SteeringMode::Move => SteerMode::Move,
        SteeringMode::DryRun | SteeringMode::Off => SteerMode::DryRun,
    };
    Ok(SteerOrder {
        src: target.key.src,
        dst: target.key.dst,
        lease_until_ns: 0,
        tag,
        if_index: target.if_index,
        mode: mode as u32,
        check_delta: check_delta([key.src, key.dst], [target.key.src, target.key.dst]),
        from_if_index: source.if_index,
        moves_segmented: moves_segmented.into(),
    })
}

pub(super) fn counted(counts: &SteerCounts) -> SteeringCounts {
    SteeringCounts {
        packets: counts.packets,
        bytes: counts.bytes,
        would_have_packets: counts.would_have_packets,
        would_have_bytes: counts.would_have_bytes,
        kept: counts.kept,
        lapsed: counts.lapsed,
        failed: counts.failed,
        uncopied: counts.uncopied,
    }
}
