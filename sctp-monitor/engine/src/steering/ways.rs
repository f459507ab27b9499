//! What this host's routes and its neighbour table say of the paths to which packets may be moved.
//!
//! A moved packet leaves by the NIC of its order, whatever route the host itself would take, and nobody hears of it if that leads
//! nowhere. So no order is given before somebody has looked. Who looks is not the policy's affair: it takes what it wants to know
//! from [`Ways::take_questions`] and comes back within milliseconds. A path in doubt is asked about before it is given up, so that
//! the answer is there in time.

use std::{
    collections::{BTreeMap, BTreeSet},
    mem::take,
    time::Duration,
};

use super::around::Surroundings;
use crate::{
    model::{
        Direction, Neighbour, PathId, ReversePathFilter, SteeringObstacle, Timestamp, Way, WayQuestion,
        WayView,
    },
    path::flow::Flow,
    registry::association::Association,
};

/// What was asked, and what was found.
#[derive(Debug, Default)]
pub(super) struct Ways {
    found: BTreeMap<WayQuestion, (Timestamp, Option<Way>)>,
    to_ask: BTreeSet<WayQuestion>,
    /// Those that somebody looks for, since when.
    under_way: BTreeMap<WayQuestion, Timestamp>,
}

impl Ways {
    /// What was found lately. The inner one is `None` if nobody could say.
    pub(super) fn lately(&self, question: &WayQuestion, now: Timestamp) -> Option<Option<Way>> {
        let (read_at, way) = self.found.get(question)?;
        (now.since(*read_at) <= LATELY).then_some(*way)
    }

    /// What was found last.
    pub(super) fn last(&self, question: &WayQuestion) -> Option<Way> {
        self.found.get(question)?.1
    }

    /// Whether it is known for as long as nobody looks again.
    pub(super) fn is_fresh(&self, question: &WayQuestion, now: Timestamp) -> bool {
        let found = self.found.get(question);
        found.is_some_and(|(read_at, _)| now.since(*read_at) <= LATELY / 2)
    }

    /// Wants to know, unless somebody looks already.
    pub(super) fn ask(&mut self, questions: impl IntoIterator<Item = WayQuestion>, now: Timestamp) {
        for question in questions {
            let since = self.under_way.get(&question);
            if since.is_none_or(|since| now.since(*since) > LATELY) {
                self.to_ask.insert(question);
            }
        }
    }

    /// How many are to be looked for, and not yet by anybody.
    pub(super) fn waiting(&self) -> usize {
        self.to_ask.len()
    }

    /// All that is to be looked for, once.
    pub(super) fn take_questions(&mut self, now: Timestamp) -> BTreeSet<WayQuestion> {
        let questions = take(&mut self.to_ask);
        self.under_way
            .extend(questions.iter().map(|question| (*question, now)));
        questions
    }

    /// Takes what was found.
    pub(super) fn on_found(&mut self, found: &BTreeMap<WayQuestion, Option<Way>>, read_at: Timestamp) {
        self.found.retain(|_, (at, _)| read_at.since(*at) <= KEPT);
        for (question, way) in found {
            self.under_way.remove(question);
            self.found.insert(*question, (read_at, *way));
        }
    }
}

/// The question whose answer tells whether packets can be moved to a path on which this host has sent this flow.
pub(super) fn question(path: PathId, flow: &Flow) -> WayQuestion {
    WayQuestion {
        path,
        if_index: flow.view.interface.if_index(),
    }
}

/// Why packets cannot be moved to a path, as far as is known of its way.
pub(super) fn obstacle(
    association: &Association,
    asked: WayQuestion,
    way: Option<Way>,
    around: Surroundings<'_>,
) -> Option<SteeringObstacle> {
    let nics = around.nics;
    if nics.is_member(asked.if_index) {
        return Some(SteeringObstacle::NicIsMember);
    }
    let way = way?;
    if way
        .host_nic
        .is_some_and(|host_nic| nics.stands_on(host_nic, asked.if_index))
    {
        return Some(SteeringObstacle::NicIsLower);
    }
    let Some(next_hop) = way.next_hop else {
        return Some(SteeringObstacle::NoRoute);
    };
    if matches!(next_hop.neighbour, Neighbour::Failed | Neighbour::Incomplete) {
        return Some(SteeringObstacle::NextHopUnresolved);
    }
    let answered_by = answered_by(association, &asked.path, around)?;
    let is_elsewhere = way.host_nic.is_some_and(|host_nic| host_nic != answered_by);
    let is_dropped = is_elsewhere
        && asked.path.local.is_ipv4()
        && nics.filter(answered_by) == Some(ReversePathFilter::Strict);
    is_dropped.then_some(SteeringObstacle::AnswersFiltered)
}

/// How packets of other paths would leave.
pub(super) fn view(
    association: &Association,
    asked: WayQuestion,
    way: Option<Way>,
    mtu: Option<u32>,
    around: Surroundings<'_>,
) -> Option<WayView> {
    let nics = around.nics;
    let host_nic = way.and_then(|way| way.host_nic);
    let next_hop = way.and_then(|way| way.next_hop);
    let filter = answered_by(association, &asked.path, around).and_then(|nic| nics.filter(nic));
    Some(WayView {
        interface: nics.name(asked.if_index)?,
        routed_by: host_nic
            .filter(|host_nic| *host_nic != asked.if_index)
            .and_then(|host_nic| nics.name(host_nic)),
        next_hop: next_hop.map(|hop| hop.address),
        neighbour: next_hop.map(|hop| hop.neighbour),
        mtu,
        answers_filtered: filter.filter(|_| asked.path.local.is_ipv4()),
    })
}

/// The NIC by which packets of the peer arrive on a path, as the programs saw them before the host could drop them.
fn answered_by(association: &Association, path: &PathId, around: Surroundings<'_>) -> Option<u32> {
    let slot = association.path(path)?.flow(Direction::Return)?;
    let interface = around.flows.get(slot)?.view.interface;
    (interface.if_index() != 0).then(|| interface.if_index())
}

/// Routes and neighbours may change, and a look takes a millisecond.
const LATELY: Duration = Duration::from_secs(2);

/// Those that matter are looked at again much sooner.
const KEPT: Duration = Duration::from_secs(10);
