//! What an association tells of one of its flows, beside the flow's own record.

use sctp_monitor_common::abi::FlowRecord;

use crate::{
    config::{Config, Vantage},
    model::{Direction, Timestamp},
    path::{
        detector::{Context, Elsewhere, Unseen},
        flow::{Counted, Flow, cum_tsn_ack},
        flows::Flows,
    },
    registry::association::Association,
};

/// What the association of a flow, if it has one, tells of it; and which of its losses count.
pub(crate) fn context(
    association: Option<&Association>,
    flow: &Flow,
    record: &FlowRecord,
    flows: &Flows,
    config: &Config,
    accuse_from: Timestamp,
) -> (Context, Counted) {
    let direction = flow.member.map_or(Direction::Forward, |member| member.direction);
    let siblings = association.map_or(&[][..], |association| association.flows(direction));
    // The flow whose record holds the TSN state may be idle, and not looked at for long.
    let mut sacks_are_seen = record.shows_sacks();
    let mut usually_awaiting = 0.0_f32;
    let mut odds = flow.detector.odds();
    let mut acknowledged = 0_u32;
    let mut first_cum_tsn_ack = None;
    let mut stuck_since = None::<Timestamp>;
    for (index, sibling) in siblings.iter().enumerate() {
        let Some(sibling) = flows.get(*sibling) else {
            continue;
        };
        if index == 0 {
            first_cum_tsn_ack = sibling.cum_tsn_ack;
        }
        sacks_are_seen |= sibling.sacks_seen;
        usually_awaiting = usually_awaiting.max(sibling.detector.usually_awaiting());
        odds = odds.or_richer(sibling.detector.odds());
        acknowledged = acknowledged.saturating_add(sibling.acknowledged());
        if siblings[index] != record.slot {
            stuck_since = stuck_since.into_iter().chain(sibling.shown.stuck_since).min();
        }
    }
    if acknowledged < HABIT_KNOWN {
        usually_awaiting = usually_awaiting.max(HABIT_UNKNOWN);
    }
    let came_back_at = flow
        .member
        .and_then(|member| association?.path(&member.path)?.flow(direction.reversed()))
        .and_then(|slot| flows.get(slot))
        .map(|opposite| opposite.heard_at);
    let answering = association.map_or(&[][..], |association| association.flows(direction.reversed()));
    let sacking = flows.all_of(answering).filter(|flow| flow.view.a_rwnd.is_some());
    let window_closed_at = sacking
        .max_by_key(|flow| flow.heard_at)
        .filter(|newest| newest.view.a_rwnd == Some(0))
        .map(|newest| newest.heard_at);
    let context = Context {
        answers_are_seen: association
            .is_some_and(|association| association.is_heard(flows, direction.reversed())),
        sacks_are_seen,
        usually_awaiting,
        came_back_at,
        cum_tsn_ack: cum_tsn_ack(record, &flow.links).or(first_cum_tsn_ack),
        odds,
        fills_queues: false,
        stuck_since,
        window_closed_at,
        elsewhere: match (config.vantage, direction) {
            (Vantage::Endpoint, Direction::Return) => {
                association.map(|known| elsewhere(known, flow, record.slot, flows))
            }
            _ => None,
        },
        accuse_from,
        unseen: config
            .may_lack_packets
            .then(|| unseen(association, direction, flows)),
    };
    let counted = match (config.vantage, direction) {
        (Vantage::Endpoint, Direction::Forward) => Counted::Retransmitted,
        (Vantage::Endpoint, Direction::Return) => Counted::Late,
        (Vantage::Gateway, _) => Counted::Both,
    };
    (context, counted)
}

/// What the other paths of an endpoint's association tell of the peer's direction of one.
fn elsewhere(association: &Association, flow: &Flow, slot: u32, flows: &Flows) -> Elsewhere {
    let all = association.flows(Direction::Return);
    let others = all
        .iter()
        .filter(|other| **other != slot)
        .filter_map(|other| flows.get(*other));
    let path = flow.member.and_then(|member| association.path(&member.path));
    let sent = path.and_then(|path| flows.get(path.flow(Direction::Forward)?));
    Elsewhere {
        data_at: others.clone().filter_map(|other| other.shown.data_at).max(),
        heard_at: others.map(|other| other.heard_at).max(),
        usual: flows.all_of(all).filter_map(|any| any.rhythm.usual()).max(),
        proved_at: sent.and_then(|sent| sent.detector.alive_at()),
    }
}

/// What a file may lack of the answers to a direction's packets.
fn unseen(association: Option<&Association>, direction: Direction, flows: &Flows) -> Unseen {
    let of =
        |direction| flows.all_of(association.map_or(&[][..], |association| association.flows(direction)));
    let (asking, answering) = (of(direction), of(direction.reversed()));
    let answered: u64 = asking.clone().map(|flow| flow.view.heartbeats_answered).sum();
    let answers: u64 = answering.clone().map(|flow| flow.shown.heartbeat_acks).sum();
    let packets = asking
        .clone()
        .chain(answering.clone())
        .any(|flow| flow.shown.lacks_data)
        || answers > answered.saturating_add(EARLY_ACKS);
    let left_out = asking.clone().any(|flow| flow.shown.left_out);
    Unseen {
        sacks: packets || left_out || !answering.clone().any(|flow| flow.shown.lone_sacks),
        heartbeat_acks: answered == 0,
        packets,
        data_seen_at: asking.filter_map(|flow| flow.shown.data_at).max(),
        captured_until: flows.recorder().captured_until(),
        gap: flows.recorder().gap(),
    }
}

/// HEARTBEAT ACKs that may come unasked: their HEARTBEATs were sent before the file begins, one over each of two paths.
const EARLY_ACKS: u64 = 2;

/// After so many acknowledgements it is known whether the peer acknowledges every second packet, as it should.
const HABIT_KNOWN: u32 = 8;
/// Until then it may do so by its timer only, of 200 ms, and so many more packets await a SACK then.
const HABIT_UNKNOWN: f32 = 2.0;
