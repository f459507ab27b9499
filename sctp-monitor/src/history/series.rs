//! How each path did, a frame of all of them at a time: the oldest frames go first.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    num::NonZeroU32,
    time::Duration,
};

use sctp_monitor_engine::model::{AssociationId, Direction, FlowView, PathId, PathView, Snapshot, Timestamp};

use super::record::{Amount, Crossed, Measured, PathRecord, Sample, Wanted};

/// All frames that are kept.
#[derive(Debug)]
pub(super) struct Frames {
    frames: VecDeque<Box<[Placed]>>,
    samples: usize,
    /// Samples that are kept, at most.
    most: usize,
    /// What had been counted when the last frame was made.
    counted: HashMap<Key, Counted>,
    /// When that was, by the clock that nobody sets.
    last: Option<Timestamp>,
}

type Key = (AssociationId, PathId);

#[derive(Debug, Clone, Copy)]
struct Placed {
    key: Key,
    sample: Sample,
}

/// By direction.
type Counted = [CountedFlow; 2];

#[derive(Debug, Clone, Copy, Default)]
struct CountedFlow {
    bytes: u64,
    data: u64,
    retransmissions: u64,
    heartbeats_answered: u64,
    /// It changes with each time that is measured.
    data_to_sack: Option<Duration>,
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

    /// Takes in how all paths do that packets have crossed. `at` is the time by the clock that nobody sets.
    pub(super) fn push(&mut self, known: &Snapshot, at: Timestamp) {
        let over = self.last.map(|last| at.since(last));
        self.last = Some(at);
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
        let mut all = HashMap::new();
        let frame: Box<[_]> = paths
            .map(|(key, path)| {
                let now = counted(path);
                let sample = sample(path, known.time, &now, self.counted.get(&key), over);
                all.insert(key, now);
                Placed { key, sample }
            })
            .collect();
        self.counted = all;
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
        for placed in self.frames.iter().flat_map(|frame| frame.iter()) {
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

fn counted(path: &PathView) -> Counted {
    Direction::BOTH.map(|direction| {
        path.flow(direction)
            .map_or_else(CountedFlow::default, |flow| CountedFlow {
                bytes: flow.bytes,
                data: flow.data_chunks,
                retransmissions: flow.retransmissions,
                heartbeats_answered: flow.heartbeats_answered,
                data_to_sack: flow.data_to_sack.map(|rtt| rtt.srtt),
            })
    })
}

/// Of a path that is new nothing is known that would be since a moment before.
fn sample(
    path: &PathView,
    time: Timestamp,
    now: &Counted,
    before: Option<&Counted>,
    over: Option<Duration>,
) -> Sample {
    let known = before.zip(over.and_then(millis));
    let crossed = known.map(|(before, over_ms)| {
        let [forward, return_] = Direction::BOTH
            .map(|direction| amount(&now[direction as usize], &before[direction as usize], over_ms));
        Crossed {
            over_ms,
            forward,
            return_,
        }
    });
    let [forward, return_] = Direction::BOTH.map(|direction| {
        let flow = path.flow(direction).zip(before);
        flow.map_or_else(Measured::default, |(flow, before)| {
            measured(flow, &before[direction as usize])
        })
    });
    Sample {
        time,
        state: path.state,
        crossed,
        forward,
        return_,
    }
}

fn amount(now: &CountedFlow, before: &CountedFlow, over_ms: NonZeroU32) -> Amount {
    let bytes = now.bytes.saturating_sub(before.bytes);
    Amount {
        rate: capped(bytes.saturating_mul(1_000) / u64::from(over_ms.get())),
        data: capped(now.data.saturating_sub(before.data)),
        retransmissions: capped(now.retransmissions.saturating_sub(before.retransmissions)),
    }
}

/// What was measured anew.
fn measured(flow: &FlowView, before: &CountedFlow) -> Measured {
    let heartbeat = flow
        .heartbeat_rtt
        .filter(|_| flow.heartbeats_answered > before.heartbeats_answered);
    let to_sack = flow
        .data_to_sack
        .filter(|rtt| before.data_to_sack != Some(rtt.srtt));
    Measured {
        heartbeat_rtt_us: heartbeat.map(|rtt| micros(rtt.last)),
        data_to_sack_us: to_sack.map(|rtt| micros(rtt.srtt)),
    }
}

/// What is shorter than a microsecond counts as one.
fn micros(time: Duration) -> NonZeroU32 {
    let micros = u32::try_from(time.as_micros()).unwrap_or(u32::MAX);
    NonZeroU32::new(micros).unwrap_or(NonZeroU32::MIN)
}

fn millis(time: Duration) -> Option<NonZeroU32> {
    NonZeroU32::new(u32::try_from(time.as_millis()).unwrap_or(u32::MAX))
}

fn capped(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// What one sample of one path takes.
pub const SAMPLE_BYTES: usize = size_of::<Placed>();

#[cfg(test)]
mod tests {
    use sctp_monitor_engine::model::{AssociationView, PathState, RttView};

    use super::*;
    use crate::report::samples::{FIRST, LOCAL, SECOND, association, flow, summary};

    fn second(second: u64) -> Timestamp {
        Timestamp::from_nanos(second * 1_000_000_000)
    }

    fn at(time: u64, associations: &[AssociationView]) -> Snapshot {
        let mut snapshot = summary(associations).snapshot;
        snapshot.time = second(time);
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
        frames.push(&at(10, &[known(5_000)]), second(10));
        frames.push(&at(20, &[known(25_000)]), second(20));
        let all = frames.of_paths(&Wanted::default());
        assert_eq!(all.len(), 1, "no packet has crossed the other path");
        let [first, last] = all[0].samples[..] else {
            panic!("{all:?}");
        };
        assert_eq!(first.crossed, None, "it may have begun long ago");
        let crossed = last.crossed.unwrap();
        assert_eq!((crossed.forward.rate, crossed.forward.data), (2_000, 200));
        assert_eq!(last.state, PathState::Active);
        let since = Some(second(20));
        let late = frames.of_paths(&Wanted {
            since,
            ..Wanted::default()
        });
        assert_eq!(late[0].samples, [last]);
        let other = Some(AssociationId(7));
        let none = frames.of_paths(&Wanted {
            association: other,
            ..Wanted::default()
        });
        assert_eq!(none, []);
    }

    #[test]
    fn a_clock_that_is_set_changes_no_rate() {
        let mut frames = Frames::new(1_000_000);
        // An hour back, then an hour ahead.
        for (time, steady, bytes) in [(7_210, 10, 0), (3_620, 20, 20_000), (7_230, 30, 40_000)] {
            frames.push(&at(time, &[known(bytes)]), second(steady));
        }
        let all = frames.of_paths(&Wanted::default());
        let rates: Vec<_> = all[0]
            .samples
            .iter()
            .map(|sample| {
                sample
                    .crossed
                    .map(|crossed| (crossed.over_ms.get(), crossed.forward.rate))
            })
            .collect();
        assert_eq!(rates, [None, Some((10_000, 2_000)), Some((10_000, 2_000))]);
    }

    #[test]
    fn each_direction_has_its_own_figures_and_a_time_is_told_once() {
        let rtt = |micros| {
            let rtt = Duration::from_micros(micros);
            Some(RttView {
                last: rtt,
                min: rtt,
                srtt: rtt,
                rttvar: rtt,
            })
        };
        let mut known = known(1_000);
        let mut frames = Frames::new(1_000_000);
        let path = |known: &mut AssociationView, change: &dyn Fn(&mut FlowView, &mut FlowView)| {
            let path = &mut known.paths[0];
            let forward = path.forward.as_deref_mut().unwrap();
            change(forward, path.return_.as_deref_mut().unwrap());
        };
        path(&mut known, &|forward, back| {
            (forward.heartbeat_rtt, forward.data_to_sack) = (rtt(400), rtt(70));
            back.heartbeat_rtt = rtt(500);
        });
        frames.push(&at(10, &[known.clone()]), second(10));
        path(&mut known, &|_, back| {
            (back.heartbeats_answered, back.heartbeat_rtt) = (6, rtt(510));
            back.retransmissions = 3;
        });
        frames.push(&at(20, &[known.clone()]), second(20));
        path(&mut known, &|forward, _| {
            (forward.heartbeats_answered, forward.data_to_sack) = (6, rtt(80));
        });
        frames.push(&at(30, &[known]), second(30));
        let samples = &frames.of_paths(&Wanted::default())[0].samples;
        let times: Vec<_> = samples
            .iter()
            .flat_map(|sample| [sample.forward, sample.return_])
            .map(|times| {
                [times.heartbeat_rtt_us, times.data_to_sack_us].map(|time| time.map_or(0, NonZeroU32::get))
            })
            .collect();
        assert_eq!(times, [[0, 0], [0, 0], [0, 0], [510, 0], [400, 80], [0, 0]]);
        let again = samples[1].crossed.unwrap();
        assert_eq!(
            (again.forward.retransmissions, again.return_.retransmissions),
            (0, 3)
        );
    }

    #[test]
    fn memory_is_bounded_and_the_oldest_go_first() {
        let mut frames = Frames::new(7 * SAMPLE_BYTES);
        let many: Vec<_> = (1..=3)
            .map(|id| association(id, &[(FIRST, PathState::Active)]))
            .collect();
        for time in 1..=50 {
            frames.push(&at(time, &many), second(time));
        }
        let all = frames.of_paths(&Wanted::default());
        let times: Vec<_> = all[0]
            .samples
            .iter()
            .map(|sample| sample.time.as_nanos() / 1_000_000_000)
            .collect();
        assert_eq!((all.len(), times), (3, vec![49, 50]));
        frames.push(&at(51, &[]), second(51));
        assert_eq!(frames.counted.len(), 0, "nothing is kept of what is over");
        assert_eq!(SAMPLE_BYTES, 104, "docs/history.md says so");
    }
}
