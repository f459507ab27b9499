//! How the round-trip times of a path went: one quantity a line, each measurement once, and a gap where none was made.

use std::{collections::VecDeque, time::Duration};

use sctp_monitor_engine::model::{Direction, PathView, Timestamp};

use crate::history::{APART, Sample};

/// What was measured on a path, by quantity.
#[derive(Debug, Default)]
pub(super) struct Rtts {
    traces: [Trace; 4],
    /// What had been counted when the path was looked at last.
    counted: Option<[Counted; 2]>,
}

/// A place in `traces`: each kind of measurement in each direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Quantity {
    kind: Kind,
    direction: Direction,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// From a HEARTBEAT to its answer.
    Heartbeat,
    /// From DATA to SACK, smoothed.
    DataToSack,
}

/// What one line shows.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) kind: Kind,
    /// In microseconds, the newest last; `None` where nothing was measured.
    pub(super) columns: Vec<Option<u64>>,
    pub(super) last: Duration,
    pub(super) most: Duration,
}

#[derive(Debug, Clone, Copy)]
struct Counted {
    heartbeats_answered: u64,
    /// It changes with each time that is measured.
    data_to_sack: Option<Duration>,
}

/// The longest time within each column, in microseconds, and the column's number since 1970.
#[derive(Debug, Default)]
struct Trace(VecDeque<(u64, u32)>);

impl Rtts {
    /// Takes in what the agent has kept.
    pub(super) fn on_sample(&mut self, sample: &Sample) {
        for direction in Direction::BOTH {
            let measured = sample.measured(direction);
            let both = [
                (Kind::Heartbeat, measured.heartbeat_rtt_us),
                (Kind::DataToSack, measured.data_to_sack_us),
            ];
            for (kind, micros) in both {
                if let Some(micros) = micros {
                    self.trace(Quantity { kind, direction })
                        .push(sample.time, micros.get());
                }
            }
        }
    }

    /// Takes in what was measured since the path was looked at last.
    pub(super) fn on_path(&mut self, path: &PathView, now: Timestamp) {
        let counted = Direction::BOTH.map(|direction| {
            let flow = path.flow(direction);
            Counted {
                heartbeats_answered: flow.map_or(0, |flow| flow.heartbeats_answered),
                data_to_sack: flow.and_then(|flow| flow.data_to_sack).map(|rtt| rtt.srtt),
            }
        });
        let Some(before) = self.counted.replace(counted) else {
            return;
        };
        for direction in Direction::BOTH {
            let Some(flow) = path.flow(direction) else {
                continue;
            };
            let before = before[direction as usize];
            let heartbeat = flow
                .heartbeat_rtt
                .filter(|_| flow.heartbeats_answered > before.heartbeats_answered);
            let to_sack = flow
                .data_to_sack
                .filter(|rtt| before.data_to_sack != Some(rtt.srtt));
            let both = [
                (Kind::Heartbeat, heartbeat.map(|rtt| rtt.last)),
                (Kind::DataToSack, to_sack.map(|rtt| rtt.srtt)),
            ];
            for (kind, time) in both {
                if let Some(time) = time {
                    let micros = u32::try_from(time.as_micros()).unwrap_or(u32::MAX);
                    self.trace(Quantity { kind, direction }).push(now, micros);
                }
            }
        }
    }

    /// The last columns of one quantity: of HEARTBEATs if any was answered, in the direction of which more is known.
    pub(super) fn shown(&self, now: Timestamp, columns: usize) -> Option<Shown> {
        let newest = column(now);
        let oldest = (newest + 1).saturating_sub(columns as u64);
        let within = |quantity: Quantity| {
            let trace = &self.traces[quantity.place()].0;
            trace.iter().filter(move |(at, _)| (oldest..=newest).contains(at))
        };
        let quantity = [Kind::Heartbeat, Kind::DataToSack].into_iter().find_map(|kind| {
            let [forward, back] = Direction::BOTH.map(|direction| Quantity { kind, direction });
            let more = if within(back).count() > within(forward).count() {
                back
            } else {
                forward
            };
            within(more).next().map(|_| more)
        })?;
        let micros = |micros: u32| Duration::from_micros(micros.into());
        let mut shown = Shown {
            kind: quantity.kind,
            columns: vec![None; columns],
            last: micros(within(quantity).next_back()?.1),
            most: micros(within(quantity).map(|(_, micros)| *micros).max()?),
        };
        for (at, micros) in within(quantity) {
            let place = usize::try_from(at + columns as u64 - (newest + 1)).ok()?;
            shown.columns[place] = Some((*micros).into());
        }
        Some(shown)
    }

    fn trace(&mut self, quantity: Quantity) -> &mut Trace {
        &mut self.traces[quantity.place()]
    }
}

impl Quantity {
    const fn place(self) -> usize {
        self.kind as usize * 2 + self.direction as usize
    }
}

impl Trace {
    fn push(&mut self, time: Timestamp, micros: u32) {
        let at = column(time);
        // The clock was set back.
        while self.0.back().is_some_and(|(last, _)| *last > at) {
            self.0.pop_back();
        }
        match self.0.back_mut() {
            Some((last, most)) if *last == at => *most = micros.max(*most),
            _ => self.0.push_back((at, micros)),
        }
        if self.0.len() > MOST {
            self.0.pop_front();
        }
    }
}

/// A column is as long as the agent's history has a sample for it.
fn column(time: Timestamp) -> u64 {
    time.as_nanos() / u64::try_from(APART.as_nanos()).unwrap_or(u64::MAX)
}

/// As wide as any terminal.
const MOST: usize = 400;

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use sctp_monitor_engine::model::{PathState, RttView};

    use super::*;
    use crate::{
        history::Measured,
        report::samples::{FIRST, LOCAL, association, flow},
    };

    fn at(second: u64) -> Timestamp {
        Timestamp::from_nanos(1_000_000_000_000 + second * 1_000_000_000)
    }

    fn rtt(micros: u64) -> Option<RttView> {
        let rtt = Duration::from_micros(micros);
        Some(RttView {
            last: rtt,
            min: rtt,
            srtt: rtt,
            rttvar: rtt,
        })
    }

    #[test]
    fn a_measurement_is_shown_once_and_no_other_quantity_in_its_line() {
        let mut rtts = Rtts::default();
        let mut path = association(1, &[(FIRST, PathState::Active)]).paths.remove(0);
        path.forward = Some(Box::new(flow(LOCAL, at(0))));
        let forward = |path: &mut PathView, answered, heartbeat, to_sack| {
            let flow = path.forward.as_deref_mut().unwrap();
            flow.heartbeats_answered = answered;
            (flow.heartbeat_rtt, flow.data_to_sack) = (heartbeat, to_sack);
        };
        forward(&mut path, 5, rtt(400), rtt(70));
        rtts.on_path(&path, at(0));
        assert_eq!(rtts.shown(at(0), 4), None, "it may be old");
        forward(&mut path, 5, rtt(400), rtt(80));
        rtts.on_path(&path, at(10));
        let shown = rtts.shown(at(10), 2).unwrap();
        assert_eq!(
            (shown.kind, shown.columns),
            (Kind::DataToSack, vec![None, Some(80)])
        );
        forward(&mut path, 6, rtt(420), rtt(80));
        rtts.on_path(&path, at(20));
        // Answers of the other direction are no news of this one.
        path.return_.as_deref_mut().unwrap().heartbeats_answered += 1;
        rtts.on_path(&path, at(30));
        forward(&mut path, 7, rtt(410), rtt(90));
        rtts.on_path(&path, at(40));
        let shown = rtts.shown(at(45), 5).unwrap();
        let expected = Shown {
            kind: Kind::Heartbeat,
            columns: vec![None, None, Some(420), None, Some(410)],
            last: Duration::from_micros(410),
            most: Duration::from_micros(420),
        };
        assert_eq!(shown, expected);
    }

    #[test]
    fn what_the_agent_has_kept_comes_before() {
        let mut rtts = Rtts::default();
        for (second, micros) in [(0, 300), (10, 310), (20, 0), (30, 330)] {
            rtts.on_sample(&Sample {
                time: at(second),
                state: PathState::Active,
                crossed: None,
                forward: Measured::default(),
                return_: Measured {
                    heartbeat_rtt_us: NonZeroU32::new(micros),
                    data_to_sack_us: NonZeroU32::new(7),
                },
            });
        }
        let columns = rtts.shown(at(35), 4).unwrap().columns;
        assert_eq!(columns, [Some(300), Some(310), None, Some(330)]);
        // What came after the time that is shown is not shown.
        assert_eq!(rtts.shown(at(15), 1).unwrap().columns, [Some(310)]);
    }
}
