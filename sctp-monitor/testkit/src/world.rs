//! A world in virtual time: packets go through the tracker into a table in memory, as in the kernel, and the engine
//! sees what the agent would see, when it would see it.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crate::{
    frames::{self, Packet},
    store::Store,
};
use sctp_monitor_common::{
    abi::{FlowKey, Interface, SteerMark, SteerMode},
    memory::MemoryTable,
    steer::IsMovable,
    track::{MAX_CHUNKS, Options, observe},
    wire::{Frame, LinkType, ParseOptions, Reading as _, parse},
};
use sctp_monitor_engine::{
    Engine, NicState, Session,
    config::{Config, ProbeConfig, Vantage},
    model::{
        EndReason, Event, EventKind, Neighbour, NextHop, Origin, PathId, PathState, Reason,
        ReversePathFilter, Timestamp, Way, WayQuestion,
    },
    session::{Pace, Saved},
};
use serde::{Deserialize as _, Serialize as _};

/// The local endpoint's tag, in packets to it.
pub const LOCAL_TAG: u32 = 0x10ca_1000;
/// The remote endpoint's tag, in packets to it.
pub const REMOTE_TAG: u32 = 0x4e01_e000;
/// A tag of the second association's.
const OTHER_TAG: u32 = 0x0abc_0000;
/// The interface index of path 1; path 2 uses the next one.
pub const NIC: u32 = 11;

/// How often the agent sweeps.
pub const SWEEP: Duration = Pace::LIVE.sweep;

/// The agent's, but for stalls: tests leave time out as they like, and say themselves when the agent stood still.
pub const PACE: Pace = Pace {
    stall: None,
    ..Pace::LIVE
};

/// One tick of the flow records' coarse clock.
const TICK: Duration = Duration::from_nanos(1);

/// Milliseconds.
#[must_use]
pub fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// What a host says of the ways that packets may take.
pub struct Host {
    /// Whether it says anything.
    pub answers: bool,
    /// What it says of some; of all others that their route leads directly to the peer, by the NIC in question.
    pub ways: BTreeMap<WayQuestion, Option<Way>>,
    /// Reverse-path filtering, by NIC.
    pub filters: BTreeMap<u32, ReversePathFilter>,
    /// What it was asked.
    pub asked: BTreeSet<WayQuestion>,
}

impl Default for Host {
    fn default() -> Self {
        Self {
            answers: true,
            ways: BTreeMap::new(),
            filters: BTreeMap::new(),
            asked: BTreeSet::new(),
        }
    }
}

impl Host {
    fn way(&mut self, question: WayQuestion) -> Option<Way> {
        self.asked.insert(question);
        let known = self.ways.get(&question).copied();
        known.unwrap_or_else(|| Some(direct(question)))
    }
}

/// A way without a router in between, and a neighbour that answers.
#[must_use]
pub fn direct(question: WayQuestion) -> Way {
    Way {
        host_nic: Some(question.if_index),
        next_hop: Some(NextHop {
            address: question.path.remote,
            if_index: question.if_index,
            neighbour: Neighbour::Resolved,
        }),
        mtu: None,
    }
}

/// Everything between the first packet and the last event.
pub struct World {
    /// The flow records.
    pub store: Store,
    /// The session that judges the flows.
    pub session: Session,
    /// The virtual time.
    pub now: Timestamp,
    /// The events that were reported.
    pub events: Vec<Event>,
    /// All paths have one next hop.
    pub one_next_hop: bool,
    /// What the host's routes and its neighbour table say of ways.
    pub host: Host,
    vantage: Vantage,
    next_info: u8,
    config: Config,
    /// The NICs, as they were told of.
    nics: BTreeMap<u32, (String, NicState)>,
    /// The agent is another one at each so-many-th look.
    restarts_every: Option<u32>,
    looks: u32,
}

impl World {
    /// A world in which nothing was seen yet.
    #[must_use]
    pub fn new(vantage: Vantage) -> Self {
        Self::with(Config {
            vantage,
            ..Config::default()
        })
    }

    /// The same, but what nothing answers is reported as well, as of a capture.
    #[must_use]
    pub fn of_a_capture(vantage: Vantage) -> Self {
        Self::with(Config {
            vantage,
            unanswered: true,
            ..Config::default()
        })
    }

    /// One of a host that probes its paths.
    #[must_use]
    pub fn that_probes(probe: ProbeConfig) -> Self {
        let mut world = Self::with(Config {
            probe,
            max_flows: 64,
            ..Config::default()
        });
        world.store.table = MemoryTable::new().with_probes([1, 2], 32);
        world
    }

    /// The same under another configuration.
    #[must_use]
    pub fn with(config: Config) -> Self {
        let vantage = config.vantage;
        Self {
            store: Store::default(),
            session: Session::new(config.clone(), TICK, PACE),
            now: Timestamp::from_nanos(1_000_000_000_000),
            events: Vec::new(),
            one_next_hop: false,
            host: Host::default(),
            vantage,
            next_info: 1,
            config,
            nics: BTreeMap::new(),
            restarts_every: std::env::var("SCTP_MONITOR_RESTARTS")
                .ok()
                .and_then(|every| every.parse().ok()),
            looks: 0,
        }
    }

    /// A world with an endpoint's association over two paths, both confirmed by a heartbeat.
    #[must_use]
    pub fn with_two_paths() -> Self {
        let mut world = Self::new(Vantage::Endpoint);
        world.handshake();
        for path in [1, 2] {
            world.heartbeat_answered(path, ms(1));
        }
        world.advance(ms(100));
        assert_eq!(world.states(), [PathState::Active, PathState::Active]);
        world.events.clear();
        world
    }

    /// Local address of a path.
    #[must_use]
    pub fn local(path: u8) -> String {
        format!("10.{path}.0.1")
    }

    /// Remote address of a path.
    #[must_use]
    pub fn remote(path: u8) -> String {
        format!("10.{path}.0.2")
    }

    /// The address pair of a path.
    #[must_use]
    pub fn path_id(path: u8) -> PathId {
        PathId {
            local: Self::local(path).parse().expect("an IP address"),
            remote: Self::remote(path).parse().expect("an IP address"),
        }
    }

    /// A packet that the local endpoint sends over a path: it leaves there, or where its order says.
    pub fn sent(&mut self, path: u8, tag: u32, chunks: Vec<Vec<u8>>) {
        self.sent_somewhere(path, tag, chunks);
    }

    /// The same; gives the path on which it left.
    pub fn sent_somewhere(&mut self, path: u8, tag: u32, chunks: Vec<Vec<u8>>) -> u8 {
        self.sent_on(path, tag, chunks)[0]
    }

    /// The same; gives the path on which it left, and the one on which a copy did.
    pub fn sent_on(&mut self, path: u8, tag: u32, chunks: Vec<Vec<u8>>) -> Vec<u8> {
        let packet = Packet::v4(tag, chunks);
        let carriers: Vec<_> = match self.ordered(&Self::on(path, packet.clone())) {
            None => vec![(path, None)],
            Some((onto, SteerMode::Both)) => {
                vec![(path, Some(SteerMark::First)), (onto, Some(SteerMark::Second))]
            }
            Some((onto, _)) => vec![(onto, None)],
        };
        for (carrier, mark) in &carriers {
            self.store.table.set_mark(*mark);
            self.packet(&Self::on(*carrier, packet.clone()), *carrier, true);
        }
        self.store.table.set_mark(None);
        carriers.into_iter().map(|(carrier, _)| carrier).collect()
    }

    /// The same packet with the addresses of a path.
    fn on(path: u8, packet: Packet) -> Packet {
        packet.between(&Self::local(path), &Self::remote(path))
    }

    /// The path to which a packet that leaves is moved or copied.
    fn ordered(&mut self, packet: &Packet) -> Option<(u8, SteerMode)> {
        let frame = packet.ethernet();
        let parsed = parse(&Frame(&frame), LinkType::Ethernet, ParseOptions::default()).ok()?;
        let chunks = IsMovable {
            at: parsed.chunks_at(),
            end: parsed.end,
        };
        if !chunks.read(&Frame(&frame)) {
            return None;
        }
        let order = self
            .store
            .leave(&FlowKey::from(&parsed), u64::from(parsed.total_length))?;
        let mode = if order.mode == SteerMode::Both as u32 {
            SteerMode::Both
        } else {
            SteerMode::Move
        };
        Some((u8::try_from(order.if_index + 1 - NIC).ok()?, mode))
    }

    /// A packet from the remote endpoint over a path.
    pub fn received(&mut self, path: u8, tag: u32, chunks: Vec<Vec<u8>>) {
        let packet = Packet::v4(tag, chunks).between(&Self::remote(path), &Self::local(path));
        self.packet(&packet, path, false);
    }

    /// Any packet on a path's NIC.
    pub fn packet(&mut self, packet: &Packet, path: u8, leaves: bool) {
        self.frame(&packet.ethernet(), path, leaves);
    }

    /// Any frame on a path's NIC.
    pub fn frame(&mut self, frame: &[u8], path: u8, leaves: bool) {
        let if_index = NIC - 1 + u32::from(path);
        let interface = match (self.vantage, leaves) {
            (Vantage::Endpoint, true) => Interface::egress(if_index),
            // A gateway has a NIC on each side, and sees what arrives there.
            (Vantage::Gateway, false) => Interface::ingress(if_index + 100),
            _ => Interface::ingress(if_index),
        };
        let options = Options {
            link: LinkType::Ethernet,
            parse: ParseOptions::default(),
            max_chunks: MAX_CHUNKS,
        };
        let mut frame = frame.to_vec();
        let router = if self.one_next_hop { 0 } else { path };
        let next_hop_at = if leaves { 0 } else { 6 };
        frame[next_hop_at..next_hop_at + 6].copy_from_slice(&[2, 0, 0, 0, 0, router]);
        self.store.table.set_now(self.now.as_nanos());
        observe(&Frame(&frame), interface, &options, &mut self.store.table);
    }

    /// INIT to COOKIE ACK over path 1; both endpoints list two addresses.
    pub fn handshake(&mut self) {
        let local = [Self::local(1), Self::local(2)];
        let remote = [Self::remote(1), Self::remote(2)];
        let local: Vec<&str> = local.iter().map(String::as_str).collect();
        let remote: Vec<&str> = remote.iter().map(String::as_str).collect();
        self.handshake_with(LOCAL_TAG, &local, REMOTE_TAG, &remote);
    }

    /// INIT to COOKIE ACK over path 1, with these tags and addresses.
    pub fn handshake_with(&mut self, local_tag: u32, local: &[&str], remote_tag: u32, remote: &[&str]) {
        self.sent(1, 0, vec![frames::init(local_tag, local)]);
        self.received(1, local_tag, vec![frames::init_ack(remote_tag, remote)]);
        self.sent(1, remote_tag, vec![frames::cookie_echo()]);
        self.received(1, local_tag, vec![frames::cookie_ack()]);
        self.sweep();
    }

    /// Another association over both paths, between other ports.
    pub fn second_association(&mut self) {
        let addresses = [
            [Self::local(1), Self::local(2)],
            [Self::remote(1), Self::remote(2)],
        ];
        let [local, remote] = &addresses
            .each_ref()
            .map(|list| list.each_ref().map(String::as_str));
        let on = |path, tag, chunk| {
            Packet::v4(tag, vec![chunk])
                .between(&Self::local(path), &Self::remote(path))
                .ports(5_000, 5_001)
        };
        self.packet(&on(1, 0, frames::init(OTHER_TAG, local)), 1, true);
        self.packet(
            &on(1, OTHER_TAG, frames::init_ack(OTHER_TAG + 1, remote)).reversed(),
            1,
            false,
        );
        self.packet(&on(1, OTHER_TAG + 1, frames::cookie_echo()), 1, true);
        self.packet(&on(1, OTHER_TAG, frames::cookie_ack()).reversed(), 1, false);
        self.sweep();
        for path in [1, 2] {
            self.packet(
                &on(path, OTHER_TAG + 1, frames::heartbeat(&[path; 40])),
                path,
                true,
            );
            self.advance(ms(1));
            self.packet(
                &on(path, OTHER_TAG, frames::heartbeat_ack(&[path; 40])).reversed(),
                path,
                false,
            );
            self.sweep();
        }
        self.events.clear();
    }

    /// A heartbeat that nobody answers; gives its information.
    pub fn heartbeat(&mut self, path: u8) -> Vec<u8> {
        self.next_info = self.next_info.wrapping_add(1);
        let info = vec![self.next_info; 40];
        self.sent(path, REMOTE_TAG, vec![frames::heartbeat(&info)]);
        info
    }

    /// A heartbeat of the local endpoint that is answered after `rtt`.
    pub fn heartbeat_answered(&mut self, path: u8, rtt: Duration) {
        let info = self.heartbeat(path);
        self.advance(rtt);
        self.received(path, LOCAL_TAG, vec![frames::heartbeat_ack(&info)]);
        self.sweep();
    }

    /// Sends one DATA chunk.
    pub fn data(&mut self, path: u8, tsn: u32) {
        self.sent(path, REMOTE_TAG, vec![frames::data(tsn, 100)]);
    }

    /// The peer acknowledges up to `tsn`.
    pub fn sack(&mut self, path: u8, tsn: u32) {
        self.received(path, LOCAL_TAG, vec![frames::sack(tsn, &[])]);
    }

    /// Lets time pass, with a sweep every 20 ms as the agent does.
    pub fn advance(&mut self, duration: Duration) {
        let end = self.now + duration;
        while self.now + SWEEP <= end {
            self.now = self.now + SWEEP;
            self.sweep();
        }
        self.now = end;
        self.sweep();
    }

    /// Another agent takes the place of this one: it goes on from what this one has saved.
    ///
    /// # Panics
    /// If that cannot be saved, or not be read.
    pub fn restart(&mut self) {
        self.events
            .extend(std::iter::from_fn(|| self.session.poll_event()));
        let mut saved = Vec::new();
        let mut writer = rmp_serde::Serializer::new(&mut saved)
            .with_struct_map()
            .with_human_readable();
        self.session
            .state()
            .serialize(&mut writer)
            .expect("what it knows can be saved");
        let mut reader = rmp_serde::Deserializer::new(saved.as_slice()).with_human_readable();
        let saved = Saved::deserialize(&mut reader).expect("what was saved can be read");
        self.session = Session::resume(self.config.clone(), TICK, PACE, saved, &self.store, self.now);
        for (if_index, (name, state)) in &self.nics {
            self.session.handle_nic(*if_index, name, *state, self.now);
        }
    }

    /// The same with an agent of another configuration.
    pub fn restart_as(&mut self, config: Config) {
        self.config = config;
        self.restart();
    }

    /// The same at each so-many-th look from now on. SCTP_MONITOR_RESTARTS does so in all worlds.
    pub fn restart_every(&mut self, looks: u32) {
        self.restarts_every = Some(looks);
    }

    /// What the agent's loop does.
    pub fn sweep(&mut self) {
        self.looks += 1;
        if self
            .restarts_every
            .is_some_and(|every| self.looks.is_multiple_of(every))
        {
            self.restart();
        }
        let Ok(()) = self.session.turn(&mut self.store, self.now);
        let questions = self.session.take_way_questions(self.now);
        if !questions.is_empty() && self.host.answers {
            let found = questions
                .into_iter()
                .map(|question| (question, self.host.way(question)))
                .collect();
            self.session
                .handle_ways(&found, &self.host.filters, self.now, self.now);
            let Ok(()) = self.session.turn(&mut self.store, self.now);
        }
        self.events
            .extend(std::iter::from_fn(|| self.session.poll_event()));
    }

    /// What the agent does when it ends.
    pub fn finish(&mut self) {
        let Ok(()) = self.session.finish(&mut self.store, self.now);
        self.events
            .extend(std::iter::from_fn(|| self.session.poll_event()));
    }

    /// The state of a NIC.
    pub fn nic(&mut self, if_index: u32, name: &str, state: NicState) {
        self.nics.insert(if_index, (name.to_owned(), state));
        self.session.handle_nic(if_index, name, state, self.now);
    }

    /// The engine, to ask for what it knows.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        self.session.engine()
    }

    /// States of path 1 and path 2 of the first association.
    #[must_use]
    pub fn states(&self) -> [PathState; 2] {
        [1, 2].map(|path| self.state(path))
    }

    /// The state of a path of the first association.
    #[must_use]
    pub fn state(&self, path: u8) -> PathState {
        let association = self.engine().associations().next().expect("an association");
        let (_, path) = association
            .paths()
            .find(|(id, _)| **id == Self::path_id(path))
            .expect("the path");
        path.state()
    }

    /// State changes since the events were last taken, as (path, from, to, reason).
    pub fn take_changes(&mut self) -> Vec<(PathId, PathState, PathState, Reason)> {
        std::mem::take(&mut self.events)
            .into_iter()
            .filter_map(|event| match event.kind {
                EventKind::PathStateChanged {
                    path,
                    from,
                    to,
                    reason,
                } => Some((path, from, to, reason)),
                _ => None,
            })
            .collect()
    }
}

/// The events that were reported.
#[must_use]
pub fn kinds(world: &World) -> Vec<EventKind> {
    world.events.iter().map(|event| event.kind.clone()).collect()
}

/// Associations that were reported as up: how they became known, and how many addresses each side has.
#[must_use]
pub fn ups(world: &World) -> Vec<(Origin, usize, usize)> {
    kinds(world)
        .into_iter()
        .filter_map(|kind| match kind {
            EventKind::AssociationUp {
                origin,
                local,
                remote,
                ..
            } => Some((origin, local.len(), remote.len())),
            _ => None,
        })
        .collect()
}

/// Why associations ended.
#[must_use]
pub fn downs(world: &World) -> Vec<EndReason> {
    kinds(world)
        .into_iter()
        .filter_map(|kind| match kind {
            EventKind::AssociationDown { end } => Some(end.reason),
            _ => None,
        })
        .collect()
}
