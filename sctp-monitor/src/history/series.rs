//! How each path did, a frame of all of them at a time: the oldest frames go first.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    time::Duration,
};

use sctp_monitor_engine::model::{AssociationId, Direction, PathId, PathView, RttView, Snapshot, Timestamp};

use super::record::{PathRecord, Sample, Wanted};

/// All frames that are kept.
#[derive(Debug)]
pub(super) struct Frames {
    frames: VecDeque<Vec<Placed>>,
    samples: usize,
    /// Samples that are kept, at most.
    most: usize,
    /// What had been counted when the last frame was made.
    counted: HashMap<Key, Counted>,
    last: Option<Timestamp>,
}

type Key = (AssociationId, PathId);

#[derive(Debug, Clone, Copy)]
struct Placed {
    key: Key,
    sample: Sample,
}

#[derive(Debug, Clone, Copy, Default)]
struct Counted {
    bytes: [u64; 2],
    data: u64,
    retransmissions: u64,
    heartbeats_answered: u64,
}

impl Frames {
    pub(super) fn new(bytes: usize) -> Self {
        Self {
            frames: VecDeque::new(),
            samples: 0,
            most: bytes / SAMPLE_BYTES,
            counted: HashMap::new(),
            last: None,
        }
    }

    /// Takes in how all paths do that packets have crossed.
    pub(super) fn push(&mut self, known: &Snapshot) {
        let step = self.last.map_or(Duration::ZERO, |last| known.time.since(last));
        self.last = Some(known.time);
        let up = known
            .associations
            .iter()
            .filter(|association| association.is_up());
        let paths = up.flat_map(|association| {
            let id = association.reference.id;
            association
                .paths
                .iter()
                .filter(|path| path.is_used())
                .map(move |path| ((id, path.id), path))
        });
        let mut counted = HashMap::new();
        let frame: Vec<_> = paths
            .map(|(key, path)| {
                let now = Counted::of(path);
                let sample = sample(path, known.time, now, self.counted.get(&key), step);
                counted.insert(key, now);
                Placed { key, sample }
            })
            .collect();
        self.counted = counted;
        self.samples += frame.len();
        if !frame.is_empty() {
            self.frames.push_back(frame);
        }
        while self.samples > self.most {
            let Some(oldest) = self.frames.pop_front() else {
                break;
            };
            self.samples -= oldest.len();
        }
    }

    /// The samples by path.
    pub(super) fn of_paths(&self, wanted: &Wanted) -> Vec<PathRecord> {
        let mut by_path: BTreeMap<Key, Vec<Sample>> = BTreeMap::new();
        for placed in self.frames.iter().flatten() {
            let is_wanted = wanted.since.is_none_or(|since| placed.sample.time >= since)
                && wanted.association.is_none_or(|id| id == placed.key.0);
            if is_wanted {
                by_path.entry(placed.key).or_default().push(placed.sample);
            }
        }
        let record = |((association, path), samples)| PathRecord {
            association,
            path,
            samples,
        };
        by_path.into_iter().map(record).collect()
    }
}

impl Counted {
    fn of(path: &PathView) -> Self {
        let mut counted = Self::default();
        for direction in Direction::BOTH {
            if let Some(flow) = path.flow(direction) {
                counted.bytes[direction as usize] = flow.bytes;
                counted.data += flow.data_chunks;
                counted.retransmissions += flow.retransmissions;
                counted.heartbeats_answered += flow.heartbeats_answered;
            }
        }
        counted
    }
}

/// Of a path that is new nothing is known that would be since a moment before.
fn sample(
    path: &PathView,
    time: Timestamp,
    now: Counted,
    before: Option<&Counted>,
    step: Duration,
) -> Sample {
    let flows = || {
        Direction::BOTH
            .into_iter()
            .filter_map(|direction| path.flow(direction))
    };
    let before = before.copied();
    let since = |now: u64, before: Option<u64>| before.map_or(0, |before| now.saturating_sub(before));
    let rate = |direction: Direction| {
        let place = direction as usize;
        let bytes = since(now.bytes[place], before.map(|before| before.bytes[place]));
        let seconds = step.as_secs_f64().max(0.001);
        (bytes as f64 / seconds) as u32
    };
    let is_measured = since(
        now.heartbeats_answered,
        Some(before.map_or(0, |before| before.heartbeats_answered)),
    ) > 0;
    let heartbeat = flows()
        .find_map(|flow| flow.heartbeat_rtt)
        .filter(|_| is_measured);
    let to_sack = flows().find_map(|flow| flow.data_to_sack);
    Sample {
        time,
        state: path.state,
        heartbeat_rtt_us: micros(heartbeat, |rtt| rtt.last),
        data_to_sack_us: micros(to_sack, |rtt| rtt.srtt),
        forward: rate(Direction::Forward),
        return_: rate(Direction::Return),
        data: capped(since(now.data, before.map(|before| before.data))),
        retransmissions: capped(since(
            now.retransmissions,
            before.map(|before| before.retransmissions),
        )),
    }
}

fn micros(rtt: Option<RttView>, of: fn(RttView) -> Duration) -> u32 {
    rtt.map_or(0, |rtt| u32::try_from(of(rtt).as_micros()).unwrap_or(u32::MAX))
}

fn capped(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// What one sample of one path takes.
pub const SAMPLE_BYTES: usize = size_of::<Placed>();

#[cfg(test)]
mod tests {
    use sctp_monitor_engine::model::{AssociationView, PathState};

    use super::*;
    use crate::report::samples::{FIRST, LOCAL, SECOND, association, flow, summary};

    fn at(second: u64, associations: &[AssociationView]) -> Snapshot {
        let mut snapshot = summary(associations).snapshot;
        snapshot.time = Timestamp::from_nanos(second * 1_000_000_000);
        snapshot
    }

    fn known(bytes: u64) -> AssociationView {
        let mut known = association(1, &[(FIRST, PathState::Active), (SECOND, PathState::Inactive)]);
        let mut forward = flow(LOCAL, Timestamp::default());
        forward.bytes = bytes;
        forward.data_chunks = bytes / 100;
        known.paths[0].forward = Some(Box::new(forward));
        known
    }

    #[test]
    fn a_sample_has_what_came_since_the_one_before() {
        let mut frames = Frames::new(1_000_000);
        frames.push(&at(10, &[known(5_000)]));
        frames.push(&at(20, &[known(25_000)]));
        let all = frames.of_paths(&Wanted::default());
        assert_eq!(all.len(), 1, "no packet has crossed the other path");
        let [first, second] = all[0].samples[..] else {
            panic!("{all:?}");
        };
        assert_eq!((first.forward, first.data), (0, 0), "it may have begun long ago");
        assert_eq!((second.forward, second.data), (2_000, 200));
        assert_eq!(second.state, PathState::Active);
        let since = Some(Timestamp::from_nanos(20_000_000_000));
        let late = frames.of_paths(&Wanted {
            since,
            ..Wanted::default()
        });
        assert_eq!(late[0].samples, [second]);
        let other = Some(AssociationId(7));
        let none = frames.of_paths(&Wanted {
            association: other,
            ..Wanted::default()
        });
        assert_eq!(none, []);
    }

    #[test]
    fn memory_is_bounded_and_the_oldest_go_first() {
        let mut frames = Frames::new(7 * SAMPLE_BYTES);
        let many: Vec<_> = (1..=3)
            .map(|id| association(id, &[(FIRST, PathState::Active)]))
            .collect();
        for second in 1..=50 {
            frames.push(&at(second, &many));
        }
        let all = frames.of_paths(&Wanted::default());
        let times: Vec<_> = all[0]
            .samples
            .iter()
            .map(|sample| sample.time.as_nanos() / 1_000_000_000)
            .collect();
        assert_eq!((all.len(), times), (3, vec![49, 50]));
        frames.push(&at(51, &[]));
        assert_eq!(frames.counted.len(), 0, "nothing is kept of what is over");
        assert_eq!(SAMPLE_BYTES, 88, "docs/history.md says so");
    }
}
