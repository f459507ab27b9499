//! What the engine knows, as readers are handed it.

use std::{collections::BTreeSet, net::IpAddr};

use sctp_monitor_common::{abi::FlowRecord, wire::ChunkKind};

use crate::{
    engine::Engine,
    model::{
        AddressView, AssociationId, AssociationView, ChunkCounts, Direction, End, FlowView, PathId,
        PathState, PathView, PhaseView, Schema, Side, Snapshot, Timestamp,
    },
    path::{facts::FlowFacts, state::Path},
    registry::{
        addresses::Addresses,
        association::{Association, Phase},
    },
};

impl Engine {
    /// Everything that is known at `now`. `record` gives the newest record of a slot: the engine keeps none, and looks at
    /// idle flows seldom.
    #[must_use]
    pub fn snapshot(&self, now: Timestamp, record: impl Fn(u32) -> Option<FlowRecord>) -> Snapshot {
        Snapshot {
            associations: self
                .associations()
                .map(|association| self.view(association, &record))
                .collect(),
            ..self.overview(now)
        }
    }

    /// The snapshot without associations, for who takes them by [`Self::association_view`], a few at a time.
    #[must_use]
    pub fn overview(&self, now: Timestamp) -> Snapshot {
        Snapshot {
            schema: Schema,
            time: now,
            associations: Vec::new(),
            incidents: self.incidents().cloned().collect(),
            findings: self.findings_apart().collect(),
        }
    }

    /// What is known of one association.
    #[must_use]
    pub fn association_view(
        &self,
        id: AssociationId,
        record: impl Fn(u32) -> Option<FlowRecord>,
    ) -> Option<AssociationView> {
        let association = self.registry.get(id)?;
        Some(self.view(association, &record))
    }

    /// What is known of the flow in a slot, as of the last look at its record.
    #[must_use]
    pub fn flow(&self, slot: u32) -> Option<FlowView> {
        Some(self.flow_view(&self.flows.get(slot)?.view, None))
    }

    fn view(
        &self,
        association: &Association,
        record: &impl Fn(u32) -> Option<FlowRecord>,
    ) -> AssociationView {
        let (listed, more_unused_paths) = self.without_needless(association);
        let paths = listed
            .into_iter()
            .map(|(id, path)| self.path_view(association.id(), id, path, record))
            .collect();
        AssociationView {
            reference: association.reference(),
            origin: association.origin(),
            since: association.known_since(),
            phase: phase(association),
            one_sided: association.is_one_sided(),
            restarts: association.restarts(),
            local_addresses: addresses(association.addresses(Side::Local)),
            remote_addresses: addresses(association.addresses(Side::Remote)),
            offers: association.offers().copied(),
            handshake_times: association.handshake_times(),
            primary_forward: association.primary(Direction::Forward),
            primary_return: association.primary(Direction::Return),
            findings: self.findings.of(association.id()).to_vec(),
            paths,
            more_unused_paths,
        }
    }

    /// The paths, and how many are left out: two endpoints with many addresses have hundreds of pairs, and use a few of them. An
    /// address is named by one path at least.
    fn without_needless<'a>(&self, association: &'a Association) -> (Vec<(PathId, &'a Path)>, u64) {
        let names = |path: &PathId| [(Side::Local, path.local), (Side::Remote, path.remote)];
        let used = association.paths().filter(|(_, path)| {
            Direction::BOTH
                .into_iter()
                .any(|direction| path.flow(direction).is_some())
        });
        let mut named: BTreeSet<(Side, IpAddr)> = used.flat_map(|(id, _)| names(id)).collect();
        let (mut unused, mut left_out) = (0, 0);
        let mut listed = Vec::new();
        for (id, path) in association.paths() {
            if self.is_unused(association.id(), id, path) {
                unused += 1;
                let is_new = names(id).map(|name| named.insert(name));
                if unused > UNUSED_LISTED && !is_new.contains(&true) {
                    left_out += 1;
                    continue;
                }
            }
            listed.push((*id, path));
        }
        (listed, left_out)
    }

    /// Whether nothing was seen of a path: no packet, and nothing that would make a difference.
    fn is_unused(&self, association: AssociationId, id: &PathId, path: &Path) -> bool {
        let is_seen = |direction| {
            let slot = path.flow(direction);
            slot.is_some_and(|slot| self.flows.get(slot).is_some())
        };
        path.state() == PathState::Unconfirmed
            && !Direction::BOTH.into_iter().any(is_seen)
            && self.findings.of_path(association, id).is_empty()
            && self.steering.view(association, *id).is_none()
    }

    fn path_view(
        &self,
        association: AssociationId,
        id: PathId,
        path: &Path,
        record: &impl Fn(u32) -> Option<FlowRecord>,
    ) -> PathView {
        let flow = |direction| {
            let slot = path.flow(direction)?;
            let flow = self.flows.get(slot)?;
            // A slot may have gone to another flow since.
            let record = record(slot).filter(|record| record.key == flow.view.key);
            let record = record.as_ref().map(|record| flow.own(record));
            Some(Box::new(self.flow_view(&flow.view, record.as_deref())))
        };
        PathView {
            id,
            state: path.state(),
            since: path.since(),
            reason: path.reason().cloned(),
            probes: self.probes_view(association, id),
            findings: self.findings.of_path(association, &id).to_vec(),
            forward: flow(Direction::Forward),
            return_: flow(Direction::Return),
            steering: self.steering.view(association, id),
        }
    }

    fn flow_view(&self, facts: &FlowFacts, record: Option<&FlowRecord>) -> FlowView {
        let key = facts.key;
        let (answered_elsewhere, ack_source) = facts
            .answered_elsewhere
            .map_or((0, None), |(count, source)| (u64::from(count), Some(source)));
        FlowView {
            source: key.src.to_ip(),
            destination: key.dst.to_ip(),
            source_port: key.src_port,
            destination_port: key.dst_port,
            tag: facts.tag,
            interface: self.nics.name(facts.interface.if_index()),
            packets: record.map_or(facts.packets, |record| record.packets),
            bytes: record.map_or(facts.bytes, |record| record.bytes),
            chunks: record.map(chunks),
            data_chunks: record.map_or(facts.data_chunks, |record| record.data_chunks),
            data_bytes: record.map_or(facts.data_bytes, |record| record.data_bytes),
            retransmissions: facts.retransmissions,
            heartbeats: facts.heartbeats,
            heartbeats_answered: facts.heartbeats_answered,
            answered_elsewhere,
            ack_source,
            tag_mismatches: facts.tag_mismatches,
            ppid: facts.ppid,
            a_rwnd: facts.a_rwnd,
            heartbeat_rtt: facts.heartbeat_rtt,
            data_to_sack: facts.data_to_sack,
            first_seen: facts.first_seen,
            last_seen: facts.last_seen,
            throughput: facts.throughput,
        }
    }
}

/// So many paths without packets are listed in any case.
const UNUSED_LISTED: usize = 8;

fn phase(association: &Association) -> PhaseView {
    match association.phase() {
        Phase::Opening => PhaseView::Opening,
        Phase::Established => PhaseView::Established,
        Phase::ShuttingDown { by, .. } => PhaseView::ShuttingDown { by: *by },
        Phase::Ended { at, end, .. } => PhaseView::Ended {
            at: *at,
            end: End::new(end.clone(), association.reference().sides),
        },
    }
}

fn addresses(addresses: &Addresses) -> Vec<AddressView> {
    addresses
        .iter()
        .filter_map(|address| {
            let translation = addresses
                .translations()
                .iter()
                .find(|translation| translation.address == *address);
            Some(AddressView {
                address: *address,
                source: addresses.source(address)?,
                seen_as: translation.map(|translation| translation.seen_as),
            })
        })
        .collect()
}

fn chunks(record: &FlowRecord) -> ChunkCounts {
    ChunkKind::ALL
        .iter()
        .map(|kind| (kind.name().to_owned(), record.chunk_count(*kind)))
        .filter(|(_, count)| *count > 0)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_may_go_to_another_task() {
        fn goes<T: Send + 'static>(_: &T) {}
        let engine = Engine::new(
            crate::config::Config::default(),
            std::time::Duration::from_millis(4),
        );
        let now = Timestamp::from_nanos(1);
        let snapshot = engine.snapshot(now, |_| None);
        goes(&snapshot);
        assert_eq!(snapshot.time, now);
    }
}
