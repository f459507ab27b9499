//! What the programs are told of flows: which association, which tags, and how its flows lie to each other.

use std::collections::VecDeque;

use sctp_monitor_common::abi::{FlowLinks, SlotRef};

use crate::{
    model::Direction,
    path::{flow::Flow, flows::Flows},
    registry::{association::Association, change::Change, tags::TagIndex},
};

/// Sets the tag of one direction, by which its flows will be found.
pub(super) fn set_tag(tags: &mut TagIndex, association: &mut Association, direction: Direction, tag: u32) {
    let ports = association.ports(direction);
    if let Some(before) = association.tag(direction) {
        tags.remove(ports, before, association.id, direction);
    }
    association.set_tag(direction, tag);
    tags.insert(ports, tag, association.id, direction);
}

/// The tag of one direction is not known any more: its flows will not be found by it.
pub(super) fn forget_tag(tags: &mut TagIndex, association: &mut Association, direction: Direction) {
    if let Some(before) = association.tag(direction) {
        tags.remove(association.ports(direction), before, association.id, direction);
    }
    association.forget_tag(direction);
}

/// Its flows will not be found by its tags any more.
pub(super) fn remove_tags(tags: &mut TagIndex, association: &Association) {
    for direction in Direction::BOTH {
        if let Some(tag) = association.tag(direction) {
            tags.remove(association.ports(direction), tag, association.id, direction);
        }
    }
}

/// Tells the programs of all flows of an association: its tags, and how its flows lie to each other.
///
/// No flow's links refer to a flow that is not of the same association: whoever joins or leaves is followed by this. So
/// nothing refers to a slot that is released.
pub(super) fn relink(changes: &mut VecDeque<Change>, flows: &mut Flows, association: &Association) {
    for direction in Direction::BOTH {
        let slots = association.flows(direction);
        let shared = of_one_sender(flows, association, direction);
        let any_reverse = association.flows(direction.reversed()).first().copied();
        for slot in slots {
            let at = shared.iter().position(|shared| shared == slot);
            let (first, next) = at.map_or((*slot, *slot), |at| (shared[0], shared[(at + 1) % shared.len()]));
            let is_apart =
                !association.is_vouched(direction) && is_apart(flows, *slot, association, direction);
            let Some(flow) = flows.get_mut(*slot) else {
                continue;
            };
            let reverse = flow
                .member
                .and_then(|member| association.paths.get(&member.path))
                .and_then(|path| path.flow(direction.reversed()))
                .or(any_reverse.filter(|_| !is_apart));
            let links = FlowLinks {
                tag: association
                    .tag(direction)
                    .filter(|_| association.is_vouched(direction))
                    .unwrap_or(0),
                tsn_state: SlotRef::to(first),
                reverse: reverse.map_or(SlotRef::NONE, SlotRef::to),
                next: SlotRef::to(next),
                copies: association.copies[direction as usize].into(),
                ..FlowLinks::default()
            };
            tell(changes, *slot, flow, links);
        }
    }
}

/// Whether the opposite flow of a flow's address pair is another association's, or was taken for one of the same direction. Tags that
/// nobody proved may have parted them: then the programs go by the address pair, so that what is answered there proves both tags.
fn is_apart(flows: &Flows, slot: u32, association: &Association, direction: Direction) -> bool {
    let reverse = flows
        .get(slot)
        .and_then(|flow| flows.by_key(&flow.view.key.reversed()));
    let member = reverse.and_then(|reverse| reverse.member);
    member.is_some_and(|member| member.association != association.id || member.direction == direction)
}

/// The flows of a direction whose TSNs are those of one sender. One that was joined by its addresses alone may carry another tag
/// still, and may be somebody else's until that is settled: what acknowledges the others must prove nothing of it.
fn of_one_sender(flows: &Flows, association: &Association, direction: Direction) -> Vec<u32> {
    let tag = association.tag(direction);
    let is_own = |slot: &u32| {
        let flow = flows.get(*slot);
        association.is_vouched(direction) || flow.is_none_or(|flow| Some(flow.view.tag) == tag)
    };
    association
        .flows(direction)
        .iter()
        .copied()
        .filter(is_own)
        .collect()
}

/// Tells the programs of a tag that a flow without an association has.
pub(super) fn tell_tag(changes: &mut VecDeque<Change>, slot: u32, flow: &mut Flow, tag: u32) {
    let links = FlowLinks {
        tag,
        ..FlowLinks::default()
    };
    tell(changes, slot, flow, links);
}

/// Tells the programs of a flow, if it is news.
fn tell(changes: &mut VecDeque<Change>, slot: u32, flow: &mut Flow, links: FlowLinks) {
    if flow.links != links {
        flow.links = links;
        changes.push_back(Change::Link { slot, links });
    }
}
