//! The agent's own probes: when they are sent, what their answers tell, and what they never do.

use std::time::Duration;

use sctp_monitor_common::{
    abi::{Announcement, FlowRecord},
    memory::MemoryTable,
};
use sctp_monitor_engine::{
    config::{Config, ProbeConfig, ProbeMode, Steering},
    model::{EventKind, PathState, ProbeObstacle, ProbesView, Reason, SteeringMode, Timestamp},
};
use sctp_monitor_testkit::{
    choices::{Choices as _, Random},
    frames,
    world::{LOCAL_TAG, REMOTE_TAG, World, ms},
};

/// Two paths to a peer that answers at once, unless it stands still or a path is broken.
pub(crate) struct Net {
    pub(crate) world: World,
    pub(crate) works: [bool; 2],
    stands_until: Timestamp,
    /// Probes that are lost by chance, in percent, by path.
    loss: [u32; 2],
    random: Random,
    /// Answers under way.
    acks: Vec<(Timestamp, u8, Vec<u8>)>,
    /// When the probes were sent, by path.
    sent: [Vec<Timestamp>; 2],
    heartbeats: u8,
    pub(crate) rtt: [Duration; 2],
    /// What the last probe told an agent at the other end.
    pub(crate) says: Announcement,
}

const RTT: Duration = Duration::from_millis(1);

impl Net {
    /// Established, both paths confirmed by HEARTBEATs of this length.
    fn with_heartbeats_of(config: ProbeConfig, length: usize) -> Self {
        let mut net = Self::unconfirmed(config);
        for path in [1, 2] {
            net.heartbeat_of(path, length);
        }
        net.run(ms(1_500));
        net
    }

    fn unconfirmed(config: ProbeConfig) -> Self {
        Self::of(World::that_probes(config))
    }

    pub(crate) fn of(mut world: World) -> Self {
        world.handshake();
        Self {
            world,
            works: [true; 2],
            stands_until: Timestamp::default(),
            loss: [0; 2],
            random: Random::from_seed(7),
            acks: Vec::new(),
            sent: Default::default(),
            heartbeats: 0,
            rtt: [RTT; 2],
            says: Announcement::default(),
        }
    }

    fn new(mode: ProbeMode, interval: Duration) -> Self {
        let mut net = Self::with_heartbeats_of(
            ProbeConfig {
                mode,
                interval,
                ..ProbeConfig::default()
            },
            44,
        );
        assert_eq!(net.world.states(), [PathState::Active; 2]);
        net.world.events.clear();
        net
    }

    /// The host's own HEARTBEAT.
    fn heartbeat_of(&mut self, path: u8, length: usize) {
        self.heartbeats += 1;
        let info = vec![self.heartbeats; length - 8];
        self.world.sent(path, REMOTE_TAG, vec![frames::heartbeat(&info)]);
        self.answer(path, info);
    }

    pub(crate) fn heartbeat(&mut self, path: u8) {
        self.heartbeat_of(path, 44);
    }

    fn answer(&mut self, path: u8, info: Vec<u8>) {
        let at = usize::from(path - 1);
        if self.works[at] && self.random.below(100) >= self.loss[at] {
            let at = (self.world.now + self.rtt[at]).max(self.stands_until);
            self.acks.push((at, path, info));
        }
    }

    pub(crate) fn run(&mut self, duration: Duration) {
        let end = self.world.now + duration;
        while self.world.now < end {
            self.step();
        }
    }

    /// A millisecond.
    pub(crate) fn step(&mut self) {
        self.world.now = self.world.now + ms(1);
        let now = self.world.now;
        for (_, path, info) in self.acks.extract_if(.., |(at, ..)| *at <= now) {
            self.world
                .received(path, LOCAL_TAG, vec![frames::heartbeat_ack(&info)]);
        }
        if self
            .world
            .session
            .next_turn(&self.world.store, now)
            .is_some_and(|at| at <= now)
        {
            self.world.sweep();
        }
        for probe in std::mem::take(&mut self.world.store.probes) {
            self.says = probe.request.says;
            let path = if probe.request.key.dst.to_ip() == World::path_id(1).remote {
                1
            } else {
                2
            };
            self.sent[usize::from(path) - 1].push(probe.at);
            self.answer(path, probe.info);
        }
    }

    /// Runs until a path has the state; gives how long that took and why it has it.
    fn until(&mut self, path: u8, state: PathState, limit: Duration) -> Option<(Duration, Reason)> {
        let began = self.world.now;
        while self.world.now.since(began) < limit {
            if self.world.state(path) == state {
                let changes = self.world.take_changes();
                let id = World::path_id(path);
                let (.., reason) = changes.into_iter().rfind(|change| change.0 == id)?;
                return Some((self.world.now.since(began), reason));
            }
            self.step();
        }
        None
    }

    fn probes(&self, path: u8) -> usize {
        self.sent[usize::from(path) - 1].len()
    }

    fn view(&self, path: u8) -> Option<ProbesView> {
        let snapshot = self
            .world
            .engine()
            .snapshot(self.world.now, |_| None::<FlowRecord>);
        let paths = &snapshot.associations[0].paths;
        let known = paths.iter().find(|known| known.id == World::path_id(path));
        known.unwrap().probes.clone()
    }

    fn obstacle(&self, path: u8) -> Option<ProbeObstacle> {
        self.view(path).unwrap().obstacle
    }

    fn was_ever_inactive(&mut self) -> bool {
        self.world
            .take_changes()
            .iter()
            .any(|(.., to, _)| *to == PathState::Inactive)
    }
}

pub(crate) fn world_that_probes(config: Config) -> World {
    let mut world = World::with(Config {
        max_flows: 64,
        ..config
    });
    world.store.table = MemoryTable::new().with_probes([1, 2], 32);
    world
}

fn is_by_probes(reason: &Reason) -> bool {
    matches!(
        reason,
        Reason::ProbesUnanswered {
            probes: 3..,
            sibling_answered: 3..,
            ..
        }
    )
}

#[test]
fn nothing_is_sent_unless_asked_for() {
    let mut net = Net::new(ProbeMode::Off, ms(100));
    net.works[1] = false;
    net.heartbeat(2);
    net.run(ms(5_000));
    assert_eq!((net.probes(1), net.probes(2), net.view(1)), (0, 0, None));
}

#[test]
fn confirm_asks_each_path_once_and_then_only_when_an_answer_is_missing() {
    let mut net = Net::new(ProbeMode::Confirm, ms(100));
    assert_eq!((net.probes(1), net.probes(2)), (1, 1));
    for _ in 0..10 {
        net.run(ms(6_000));
        net.heartbeat(1);
        net.heartbeat(2);
    }
    assert_eq!((net.probes(1), net.probes(2)), (1, 1));
    let view = net.view(2).unwrap();
    assert_eq!(
        (view.obstacle, view.sent, view.left, view.answered),
        (None, 1, 1, 1)
    );
    assert_eq!(view.rtt.unwrap().last, RTT);
}

#[test]
fn a_dead_idle_path_is_confirmed_by_its_sibling_within_300_ms_of_the_first_heartbeat() {
    let mut net = Net::new(ProbeMode::Confirm, ms(100));
    net.run(ms(700));
    net.works[1] = false;
    net.heartbeat(2);
    let (after, reason) = net.until(2, PathState::Inactive, ms(2_000)).unwrap();
    assert!(after <= ms(300), "{after:?}");
    assert!(is_by_probes(&reason), "{reason:?}");
    assert_eq!(net.world.state(1), PathState::Active);
    // Without probes one HEARTBEAT tells too little.
    let mut without = Net::new(ProbeMode::Off, ms(100));
    without.works[1] = false;
    without.heartbeat(2);
    assert_eq!(without.until(2, PathState::Inactive, ms(2_000)), None);
}

#[test]
fn a_path_that_has_filled_up_since_it_was_probed_last_is_not_dead() {
    let mut net = Net::new(ProbeMode::Confirm, ms(100));
    for rtt in (10..250).step_by(8) {
        net.rtt[0] = ms(rtt);
        net.heartbeat(1);
        net.run(ms(1_000));
    }
    let before = net.probes(1);
    net.works[0] = false;
    net.heartbeat(1);
    net.works[0] = true;
    net.run(ms(3_000));
    assert!(net.probes(1) > before, "a HEARTBEAT was lost: a reason to ask");
    assert!(!net.was_ever_inactive());
}

#[test]
fn a_path_that_was_dead_is_asked_until_it_answers() {
    let mut net = Net::new(ProbeMode::Confirm, ms(100));
    net.works[1] = false;
    net.heartbeat(2);
    net.until(2, PathState::Inactive, ms(2_000)).unwrap();
    net.run(ms(10_000));
    let asked = net.probes(2);
    assert!((8..40).contains(&asked), "{asked}");
    net.works[1] = true;
    let (after, reason) = net.until(2, PathState::Active, ms(3_000)).unwrap();
    assert!(after <= ms(1_100), "{after:?}");
    assert!(matches!(reason, Reason::ProbeAnswered { .. }), "{reason:?}");
    let asked = net.probes(2);
    net.run(ms(10_000));
    assert!(net.probes(2) <= asked + 1, "and no longer");
}

/// DATA every 10 ms on path 1, of which the peer acknowledges every second packet while it runs.
fn with_data(net: &mut Net, duration: Duration, tsn: &mut u32) {
    let end = net.world.now + duration;
    let mut acked = *tsn;
    while net.world.now < end {
        net.world.data(1, *tsn);
        *tsn += 1;
        net.run(ms(10));
        if net.world.now >= net.stands_until && *tsn >= acked + 2 && net.works[0] {
            net.world.sack(1, *tsn - 1);
            acked = *tsn;
        }
    }
}

#[test]
fn a_peer_that_stands_still_for_200_ms_is_no_failure_under_confirm() {
    let stall = |mode| {
        let mut net = Net::new(mode, ms(100));
        let mut tsn = 1;
        with_data(&mut net, ms(2_000), &mut tsn);
        let mut inactive = 0;
        for _ in 0..20 {
            net.stands_until = net.world.now + ms(200);
            with_data(&mut net, ms(1_500), &mut tsn);
            inactive += usize::from(net.was_ever_inactive());
        }
        (inactive, net.probes(2))
    };
    let (without, _) = stall(ProbeMode::Off);
    assert!(without > 0, "the stall is too short to tell anything");
    let (confirmed, probes) = stall(ProbeMode::Confirm);
    assert_eq!(confirmed, 0);
    assert!(probes > 20, "each stall was a reason to ask: {probes}");
}

#[test]
fn under_data_confirm_is_no_slower_than_the_sacks_alone() {
    let broken = |mode| {
        let mut net = Net::new(mode, ms(100));
        let mut tsn = 1;
        with_data(&mut net, ms(2_000), &mut tsn);
        net.works[0] = false;
        let began = net.world.now;
        while net.world.state(1) != PathState::Inactive {
            with_data(&mut net, ms(10), &mut tsn);
            assert!(net.world.now.since(began) < ms(3_000), "{mode:?}");
        }
        net.world.now.since(began)
    };
    let (alone, confirmed) = (broken(ProbeMode::Off), broken(ProbeMode::Confirm));
    assert!(
        confirmed <= ms(200) && confirmed <= alone + ms(20),
        "{confirmed:?}, {alone:?}"
    );
}

#[test]
fn a_peer_that_is_gone_is_found_gone_by_the_host_s_own_packets() {
    let mut net = Net::new(ProbeMode::Confirm, ms(100));
    let mut tsn = 1;
    with_data(&mut net, ms(2_000), &mut tsn);
    net.works = [false; 2];
    for _ in 0..6 {
        net.heartbeat(2);
        with_data(&mut net, ms(500), &mut tsn);
    }
    assert_eq!(net.world.states(), [PathState::Inactive; 2]);
    let by_probes = net
        .world
        .take_changes()
        .into_iter()
        .any(|(.., reason)| is_by_probes(&reason));
    assert!(!by_probes, "nobody answered, so no path is worse than the other");
}

#[test]
fn continuous_probes_find_a_dead_path_in_about_three_intervals() {
    for (interval, limit) in [(10, 60), (50, 200), (100, 400)] {
        let mut slowest = Duration::ZERO;
        for start in 0..50 {
            let mut net = Net::new(ProbeMode::Continuous, ms(interval));
            net.run(ms(300 + start * 7));
            net.works[1] = false;
            let (after, reason) = net.until(2, PathState::Inactive, ms(2_000)).unwrap();
            assert!(is_by_probes(&reason), "{reason:?}");
            assert_eq!(net.world.state(1), PathState::Active);
            slowest = slowest.max(after);
        }
        assert!(slowest <= ms(limit), "{interval} ms: {slowest:?}");
    }
}

#[test]
fn continuous_probes_come_at_their_pace_and_measure() {
    let mut net = Net::new(ProbeMode::Continuous, ms(100));
    let before = net.probes(2);
    net.run(ms(60_000));
    let sent = net.probes(2) - before;
    assert!((570..=630).contains(&sent), "{sent}");
    let view = net.view(2).unwrap();
    assert_eq!(
        (view.obstacle, view.unanswered, view.loss_percent),
        (None, 0, Some(0.0))
    );
    assert_eq!(view.rtt.unwrap().srtt, RTT);
    assert!(!net.was_ever_inactive());
}

#[test]
fn loss_by_chance_is_measured_and_is_no_failure() {
    for loss in [1, 5, 20] {
        let mut net = Net::new(ProbeMode::Continuous, ms(50));
        net.loss = [0, loss];
        net.run(ms(600_000));
        assert!(!net.was_ever_inactive(), "{loss} %");
        let measured = net.view(2).unwrap().loss_percent.unwrap();
        let expected = loss as f32;
        assert!(
            (measured - expected).abs() < 0.6 + expected / 5.0,
            "{loss} %: {measured}"
        );
        assert_eq!(net.view(1).unwrap().unanswered, 0);
    }
}

#[test]
fn a_stall_under_continuous_probes_is_no_failure() {
    for interval in [10, 50] {
        let mut net = Net::new(ProbeMode::Continuous, ms(interval));
        for _ in 0..20 {
            net.run(ms(700));
            net.stands_until = net.world.now + ms(300);
            net.run(ms(300));
        }
        net.run(ms(700));
        assert!(!net.was_ever_inactive(), "{interval} ms");
    }
}

#[test]
fn a_path_on_which_no_probe_was_ever_answered_is_condemned_by_none() {
    let mut net = Net::unconfirmed(ProbeConfig {
        mode: ProbeMode::Confirm,
        ..ProbeConfig::default()
    });
    // What the host sends arrives, its probes do not: a firewall may do that.
    for path in [1, 2] {
        net.heartbeat(path);
    }
    net.loss = [0, 100];
    net.run(ms(5_000));
    net.heartbeat(2);
    net.run(ms(40_000));
    assert!(!net.was_ever_inactive());
    assert_eq!(net.obstacle(2), Some(ProbeObstacle::NeverAnswered));
    let told = net.world.events.iter().filter(|event| {
        let EventKind::NotProbed { path, obstacle } = event.kind else {
            return false;
        };
        path == World::path_id(2) && obstacle == ProbeObstacle::NeverAnswered
    });
    // `was_ever_inactive` takes the events.
    assert!(told.count() <= 1);
    assert!(net.probes(2) < 12, "ever more seldom: {}", net.probes(2));
}

#[test]
fn the_length_is_one_that_this_host_s_stack_stands() {
    let config = || ProbeConfig {
        mode: ProbeMode::Confirm,
        ..ProbeConfig::default()
    };
    for (own, probe) in [(44, 44), (60, 64), (64, 64), (124, 124)] {
        let mut net = Net::unconfirmed(config());
        for path in [1, 2] {
            net.heartbeat_of(path, own);
        }
        let mut lengths = Vec::new();
        for _ in 0..1_500 {
            net.world.now = net.world.now + ms(1);
            net.world.sweep();
            let sent = std::mem::take(&mut net.world.store.probes);
            lengths.extend(sent.iter().map(|probe| usize::from(probe.request.chunk_length)));
        }
        assert!(
            lengths.len() >= 2 && lengths.iter().all(|length| *length == probe),
            "{own}: {lengths:?}"
        );
    }
    for own in [12, 36, 45, 48, 56, 1_000] {
        let net = Net::with_heartbeats_of(config(), own);
        assert_eq!((net.probes(1), net.probes(2)), (0, 0), "{own}");
        let heartbeat_bytes = u16::try_from(own).unwrap();
        assert_eq!(
            net.obstacle(1),
            Some(ProbeObstacle::StackNotKnown { heartbeat_bytes })
        );
    }
    let mut silent = Net::unconfirmed(config());
    silent.world.data(1, 1);
    silent.run(ms(40_000));
    assert_eq!(silent.probes(1), 0);
    assert_eq!(silent.obstacle(1), Some(ProbeObstacle::StackUnknown));
    assert_eq!(silent.obstacle(2), Some(ProbeObstacle::NothingSent));
    let told = silent
        .world
        .events
        .iter()
        .filter(|event| matches!(event.kind, EventKind::NotProbed { .. }));
    assert_eq!(told.count(), 1, "once");
}

#[test]
fn nothing_is_sent_into_an_association_whose_tags_are_not_certain() {
    let mut world = World::that_probes(ProbeConfig {
        mode: ProbeMode::Continuous,
        ..ProbeConfig::default()
    });
    // Joined in the middle of its life, and nothing answers what it sends.
    for step in 0..100 {
        world.received(1, LOCAL_TAG, vec![frames::data(step, 10)]);
        world.advance(ms(20));
    }
    assert!(world.store.probes.is_empty());
}

#[test]
fn the_first_sign_of_an_end_is_the_end_of_probing() {
    for chunks in [
        vec![frames::chunk(6, 0, &[])],
        vec![frames::chunk(7, 0, &[0, 0, 0, 1])],
        vec![frames::chunk(8, 0, &[])],
    ] {
        let mut net = Net::new(ProbeMode::Continuous, ms(10));
        net.run(ms(300));
        net.world.received(1, LOCAL_TAG, chunks.clone());
        let before = net.probes(1) + net.probes(2);
        net.run(ms(2_000));
        let after = net.probes(1) + net.probes(2);
        assert_eq!(before, after, "{chunks:?}");
    }
}

#[test]
fn a_single_path_is_judged_by_the_host_s_own_packets_only() {
    let mut world = World::that_probes(ProbeConfig {
        mode: ProbeMode::Confirm,
        ..ProbeConfig::default()
    });
    let (local, remote) = (World::local(1), World::remote(1));
    world.handshake_with(LOCAL_TAG, &[&local], REMOTE_TAG, &[&remote]);
    world.sent(1, REMOTE_TAG, vec![frames::heartbeat(&[1; 36])]);
    world.advance(ms(20));
    world.received(1, LOCAL_TAG, vec![frames::heartbeat_ack(&[1; 36])]);
    world.advance(ms(2_000));
    for probe in std::mem::take(&mut world.store.probes) {
        world.received(1, LOCAL_TAG, vec![frames::heartbeat_ack(&probe.info)]);
    }
    world.advance(ms(2_000));
    world.sent(1, REMOTE_TAG, vec![frames::heartbeat(&[2; 36])]);
    world.advance(ms(3_000));
    assert!(world.store.probes.is_empty(), "there is nothing to compare with");
    assert_eq!(world.state(1), PathState::PotentiallyFailed);
}

/// What the path carries is moved away as soon as it fails: nothing but probes can show that it works again.
#[test]
fn an_outage_that_took_data_is_over_when_a_probe_is_answered() {
    let mut net = Net::of(world_that_probes(Config {
        probe: ProbeConfig {
            mode: ProbeMode::Confirm,
            ..ProbeConfig::default()
        },
        steering: Steering {
            mode: SteeringMode::Move,
            ..Steering::default()
        },
        ..Config::default()
    }));
    for path in [1, 2] {
        net.heartbeat(path);
    }
    let mut next = 1;
    let mut lost = Vec::new();
    let mut send = |net: &mut Net, messages: u32| {
        for tsn in next..next + messages {
            let data = |net: &mut Net, tsn| {
                let chunks = vec![frames::data(tsn, 100)];
                net.world.sent_somewhere(1, REMOTE_TAG, chunks)
            };
            let carrier = data(net, tsn);
            if net.works[usize::from(carrier) - 1] {
                for again in lost.drain(..) {
                    data(net, again);
                }
                if tsn % 2 == 0 {
                    net.world.sack(carrier, tsn);
                }
            } else {
                lost.push(tsn);
            }
            net.run(ms(50));
        }
        next += messages;
    };
    send(&mut net, 40);
    net.works[0] = false;
    send(&mut net, 60);
    assert_eq!(net.world.state(1), PathState::Inactive);
    net.works[0] = true;
    net.world.events.clear();
    send(&mut net, 60);
    let changes = net.world.take_changes();
    let states: Vec<_> = changes.iter().map(|(.., to, _)| *to).collect();
    assert_eq!(states, [PathState::Active], "{changes:?}");
}

#[test]
fn nobody_is_asked_for_ever_who_never_answers_again() {
    let idle_after = ms(20_000);
    let mut net = Net::of(world_that_probes(Config {
        probe: ProbeConfig {
            mode: ProbeMode::Continuous,
            interval: ms(500),
            ..ProbeConfig::default()
        },
        idle_after,
        ..Config::default()
    }));
    for path in [1, 2] {
        net.heartbeat(path);
    }
    net.run(2 * idle_after);
    assert_eq!(
        net.world.states(),
        [PathState::Active; 2],
        "its hosts say nothing, but it answers"
    );
    net.works = [false; 2];
    net.run(idle_after + ms(10_000));
    assert_eq!(net.world.engine().associations().count(), 0);
    let asked = net.probes(1) + net.probes(2);
    net.run(ms(10_000));
    assert_eq!(net.probes(1) + net.probes(2), asked);
}

#[test]
fn the_limits_on_probes_hold() {
    let mut net = Net::with_heartbeats_of(
        ProbeConfig {
            mode: ProbeMode::Continuous,
            interval: ms(10),
            per_association: 50,
            ..ProbeConfig::default()
        },
        44,
    );
    let before = net.probes(1) + net.probes(2);
    net.run(ms(10_000));
    let sent = net.probes(1) + net.probes(2) - before;
    assert!((450..=550).contains(&sent), "{sent}");
    assert!(net.view(1).unwrap().limited > 100);
    assert!(!net.was_ever_inactive());
}
