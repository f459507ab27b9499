//! A host that only receives: the peer's packets stay away from a path, and nothing that this host sends is missed.

use std::time::Duration;

use sctp_monitor_engine::{
    config::Vantage,
    model::{Broken, Evidence, PathDown, PathState, Status, Timestamp},
};
use sctp_monitor_testkit::{
    frames,
    world::{LOCAL_TAG, REMOTE_TAG, World, ms},
};

use crate::{
    reports::{findings, opened},
    silence::taken,
};

use PathState::{Active, Inactive, PotentiallyFailed};

/// A world whose host never sends a HEARTBEAT. The peer sends one in each interval on each path that is idle, and its DATA over path 1.
struct Receiver {
    world: World,
    tsn: u32,
    interval: Duration,
    info: u8,
    /// When the peer's next HEARTBEAT is due on each path; never on one without.
    due: [Option<Timestamp>; 2],
    /// The path on which nothing of the peer arrives.
    broken: Option<u8>,
}

impl Receiver {
    fn new(interval: Duration) -> Self {
        let mut receiver = Self::without_heartbeats();
        receiver.interval = interval;
        for path in [1, 2] {
            receiver.heartbeat(path);
        }
        receiver.advance(interval * 4 + ms(10));
        assert_eq!(receiver.world.states(), [Active, Active]);
        receiver.data(1, 40);
        receiver.world.events.clear();
        receiver
    }

    fn without_heartbeats() -> Self {
        let mut world = World::new(Vantage::Endpoint);
        world.handshake();
        Self {
            world,
            tsn: 1,
            interval: Duration::ZERO,
            info: 0,
            due: [None, None],
            broken: None,
        }
    }

    /// The peer has sent something on a path: it is idle from now on.
    fn is_used(&mut self, path: u8) {
        let has_heartbeats = self.interval > Duration::ZERO;
        self.due[usize::from(path) - 1] = has_heartbeats.then(|| self.world.now + self.interval);
    }

    /// A HEARTBEAT of the peer on a path, which this host answers.
    fn heartbeat(&mut self, path: u8) {
        self.is_used(path);
        if self.broken == Some(path) {
            return;
        }
        self.info = self.info.wrapping_add(1);
        let info = vec![self.info; 40];
        self.world
            .received(path, LOCAL_TAG, vec![frames::heartbeat(&info)]);
        self.world.now = self.world.now + Duration::from_micros(50);
        self.world
            .sent(path, REMOTE_TAG, vec![frames::heartbeat_ack(&info)]);
    }

    /// Lets time pass, with the HEARTBEATs that are due.
    fn advance(&mut self, duration: Duration) {
        let end = self.world.now + duration;
        loop {
            let next = [1, 2].map(|path: u8| (self.due[usize::from(path) - 1], path));
            let next = next.into_iter().filter_map(|(at, path)| Some((at?, path))).min();
            let Some((at, path)) = next.filter(|(at, _)| *at <= end) else {
                break;
            };
            self.world.advance(at.since(self.world.now));
            self.heartbeat(path);
        }
        self.world.advance(end.since(self.world.now));
    }

    /// One chunk of the peer on a path, acknowledged there.
    fn chunk(&mut self, path: u8, tsn: u32, cum_tsn_ack: u32) {
        self.is_used(path);
        self.world.received(path, LOCAL_TAG, vec![frames::data(tsn, 100)]);
        self.world.now = self.world.now + Duration::from_micros(50);
        self.world
            .sent(path, REMOTE_TAG, vec![frames::sack(cum_tsn_ack, &[])]);
    }

    /// New chunks, 20 a second.
    fn data(&mut self, path: u8, chunks: u32) {
        for _ in 0..chunks {
            self.chunk(path, self.tsn, self.tsn);
            self.tsn += 1;
            self.advance(ms(50));
        }
    }

    /// When a path took a state, behind `from`.
    fn taken(&self, path: u8, state: PathState, from: Timestamp) -> Option<Duration> {
        taken(&self.world, path, state, from)
    }

    /// The direction of the one `path_down`, and its words.
    fn down(&self) -> (Broken, String) {
        let [(Status::Opened, finding), ..] = findings(&self.world, "path_down")[..] else {
            panic!("{:?}", opened(&self.world));
        };
        assert_eq!(
            opened(&self.world)
                .iter()
                .filter(|name| **name == "path_down")
                .count(),
            1
        );
        let Evidence::PathDown(PathDown { broken, .. }) = finding.evidence else {
            panic!("{finding:?}");
        };
        (broken, finding.text.clone())
    }
}

const INTERVALS: [u64; 3] = [1_000, 5_000, 30_000];

#[test]
fn data_that_left_and_heartbeats_that_stay_out_are_a_failure() {
    for interval in INTERVALS {
        let mut receiver = Receiver::new(ms(interval));
        let broken_at = receiver.world.now;
        receiver.broken = Some(1);
        // What was under way is lost, and nothing shows a gap: all DATA comes over path 2.
        receiver.advance(ms(1_000));
        receiver.data(2, u32::try_from(interval * 4 / 50).unwrap());
        let doubted = receiver.taken(1, PotentiallyFailed, broken_at).expect("a doubt");
        let failed = receiver.taken(1, Inactive, broken_at).expect("a failure");
        let after = |intervals: u64| ms(interval * intervals / 2 + 900)..ms(interval * intervals / 2 + 1_400);
        assert!(after(3).contains(&doubted), "{interval}: {doubted:?}");
        assert!(after(5).contains(&failed), "{interval}: {failed:?}");
        let (broken, text) = receiver.down();
        assert_eq!(broken, Broken::Return, "{text}");
        assert!(text.contains("no packet from the peer for"), "{text}");
        assert_eq!(receiver.world.state(2), Active);
        // It works again: the peer's next HEARTBEAT arrives.
        receiver.broken = None;
        receiver.advance(ms(interval + 40));
        assert_eq!(receiver.world.state(1), Active);
    }
}

#[test]
fn one_chunk_that_came_twice_is_a_doubt_and_silence_then_a_failure() {
    let mut receiver = Receiver::new(ms(1_000));
    let broken_at = receiver.world.now;
    receiver.broken = Some(1);
    receiver.advance(ms(300));
    let last = receiver.tsn - 1;
    receiver.chunk(2, last, last);
    receiver.data(2, 80);
    let doubted = receiver.taken(1, PotentiallyFailed, broken_at).expect("a doubt");
    let failed = receiver.taken(1, Inactive, broken_at).expect("a failure");
    assert!(doubted <= ms(1_100), "{doubted:?}");
    assert!((ms(3_400)..ms(3_900)).contains(&failed), "{failed:?}");
}

#[test]
fn a_primary_that_is_switched_is_no_failure() {
    for interval in INTERVALS {
        let mut receiver = Receiver::new(ms(interval));
        receiver.data(2, u32::try_from(interval * 5 / 50).unwrap());
        receiver.data(1, 100);
        let changes = receiver.world.take_changes();
        assert!(changes.is_empty(), "{interval}: {changes:?}");
    }
}

#[test]
fn chunks_of_a_path_that_come_again_elsewhere_are_a_doubt_and_then_a_failure() {
    let mut receiver = Receiver::new(ms(30_000));
    // Six chunks are lost on the way, and a later one arrives; then nothing does.
    let first = receiver.tsn;
    receiver.chunk(1, first + 6, first - 1);
    let broken_at = receiver.world.now;
    receiver.broken = Some(1);
    receiver.advance(ms(1_000));
    for missing in 0..3 {
        receiver.chunk(2, first + missing, first + missing);
        receiver.advance(ms(1_000));
    }
    let doubted = receiver.taken(1, PotentiallyFailed, broken_at).expect("a doubt");
    let failed = receiver.taken(1, Inactive, broken_at).expect("a failure");
    assert!(doubted <= ms(1_400), "{doubted:?}");
    assert!((ms(3_000)..ms(3_400)).contains(&failed), "{failed:?}");
    let (broken, text) = receiver.down();
    assert_eq!(broken, Broken::Return, "{text}");
    // DATA comes there again.
    receiver.tsn = first + 7;
    receiver.data(1, 2);
    assert_eq!(receiver.world.state(1), Active);
}

#[test]
fn chunks_that_come_twice_elsewhere_show_that_the_answers_are_lost() {
    let mut receiver = Receiver::new(ms(30_000));
    let first = receiver.tsn;
    receiver.data(1, 4);
    let broken_at = receiver.world.now;
    receiver.advance(ms(900));
    for twice in 0..3 {
        receiver.chunk(2, first + twice, first + 3);
        receiver.advance(ms(1_000));
    }
    receiver.taken(1, PotentiallyFailed, broken_at).expect("a doubt");
    receiver.taken(1, Inactive, broken_at).expect("a failure");
    let (broken, text) = receiver.down();
    assert_eq!(broken, Broken::Forward, "{text}");
}

#[test]
fn a_chunk_that_is_lost_and_comes_over_the_other_path_is_no_doubt() {
    for retransmitted_on in [1, 2] {
        let mut receiver = Receiver::new(ms(5_000));
        for _ in 0..20 {
            let lost = receiver.tsn;
            receiver.tsn += 1;
            receiver.data(1, 5);
            receiver.chunk(retransmitted_on, lost, receiver.tsn - 1);
            receiver.data(1, 15);
        }
        let changes = receiver.world.take_changes();
        assert!(changes.is_empty(), "{retransmitted_on}: {changes:?}");
    }
}

#[test]
fn heartbeats_that_the_peer_repeats_show_that_the_answers_are_lost() {
    let mut receiver = Receiver::new(ms(10_000));
    let broken_at = receiver.world.now;
    receiver.advance(ms(10_000));
    for after in [1_000, 1_000, 2_000, 1_500, 2_000] {
        receiver.heartbeat(1);
        receiver.advance(ms(after));
    }
    receiver.taken(1, PotentiallyFailed, broken_at).expect("a doubt");
    receiver.taken(1, Inactive, broken_at).expect("a failure");
    let (broken, text) = receiver.down();
    assert_eq!(broken, Broken::Forward, "{text}");
    assert!(text.contains("repeats its HEARTBEAT"), "{text}");
    // The usual rhythm again: it is answered.
    receiver.advance(ms(21_000));
    assert_eq!(receiver.world.state(1), Active);
}

#[test]
fn an_answer_to_this_hosts_own_heartbeat_proves_the_path_whatever_the_peer_does() {
    let mut receiver = Receiver::new(ms(1_000));
    receiver.broken = Some(1);
    receiver.advance(ms(1_000));
    for _ in 0..6 {
        receiver.data(2, 19);
        receiver.world.heartbeat_answered(1, ms(1));
        receiver.advance(ms(49));
    }
    let changes = receiver.world.take_changes();
    assert!(changes.is_empty(), "{changes:?}");
}

#[test]
fn a_peer_that_falls_silent_everywhere_accuses_no_path() {
    for interval in INTERVALS {
        let mut receiver = Receiver::new(ms(interval));
        receiver.due = [None, None];
        receiver.advance(ms(interval * 10));
        // It is back, first on one path.
        receiver.data(2, 3);
        receiver.heartbeat(1);
        receiver.advance(ms(1_000));
        let changes = receiver.world.take_changes();
        assert!(changes.is_empty(), "{interval}: {changes:?}");
    }
}

#[test]
fn a_peer_without_heartbeats_is_never_accused() {
    let mut receiver = Receiver::without_heartbeats();
    receiver.heartbeat(1);
    receiver.heartbeat(2);
    receiver.data(1, 40);
    receiver.data(2, 4_000);
    assert_eq!(receiver.world.states(), [Active, Active]);
}

/// HEARTBEATs with a wrong tag, which anyone can send: they make no rhythm, and so no silence.
#[test]
fn forged_heartbeats_make_no_rhythm_by_which_a_path_would_be_silent() {
    let mut receiver = Receiver::without_heartbeats();
    receiver.heartbeat(1);
    receiver.heartbeat(2);
    for number in 0..100_u32 {
        receiver.data(1, 4);
        receiver
            .world
            .received(1, 0x0bad_0bad, vec![frames::heartbeat(&number.to_be_bytes())]);
    }
    receiver.world.take_changes();
    receiver.data(2, 400);
    let changes = receiver.world.take_changes();
    assert!(changes.is_empty(), "{changes:?}");
}
