//! ICMP errors that quote a packet of a known flow.

use super::{links::tag_of, table::FlowTable};
use crate::{
    abi::{Counter, FlowKey, IcmpErrorSeen, NO_SLOT, Rare, RareKind, RingHeader, RingKind, Trust},
    wire::icmp::IcmpError,
};

/// Hands an ICMP error to user space if it quotes a packet of a known flow. Anyone can send such errors, but only who sees
/// the flow's packets knows its tag (RFC 9260 section 10), so one with another tag is marked; a quoted INIT has tag 0,
/// and so has a flow that sent nothing else.
#[inline(always)]
pub(super) fn track_icmp_error<T: FlowTable>(error: &IcmpError, table: &mut T) {
    let key = FlowKey::from(error);
    let slot = table.find(&key);
    if slot == NO_SLOT {
        return table.count(Counter::IcmpFlowUnknown);
    }
    let tag_mismatch = tag_of(slot, table) != error.tag;
    if tag_mismatch {
        table.count(Counter::IcmpTagMismatch);
    }
    let is_proved = match table.flow(slot) {
        Some((record, links)) => !tag_mismatch && record.is_proved(links),
        None => false,
    };
    let rare = Rare {
        kind: RareKind::Icmp as u32,
        slot,
        trust: if is_proved { Trust::Proved } else { Trust::Unproved },
        remote: error.reporter,
        now_ns: table.now_ns(),
    };
    if !table.admits(&rare, Counter::IcmpLimited) {
        return;
    }
    let header = RingHeader {
        kind: RingKind::IcmpError as u32,
        slot,
        time_ns: rare.now_ns,
    };
    let seen = IcmpErrorSeen {
        header,
        key,
        tag: error.tag,
        initiate_tag: error.initiate_tag,
        reserved: 0,
        reporter: error.reporter,
        mtu: error.mtu,
        version: error.message.version,
        kind: error.message.kind,
        code: error.message.code,
        tag_mismatch: u8::from(tag_mismatch),
    };
    // Nobody waits for what is not believed.
    table.emit(&seen, !tag_mismatch);
}
