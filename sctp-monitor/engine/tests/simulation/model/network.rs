//! What happens to a packet between the hosts.

use std::time::Duration;

use sctp_monitor_engine::model::Timestamp;

use super::{
    dice::Dice,
    queue::{Bottleneck, Queue},
};

/// One direction of a path.
#[derive(Debug)]
pub(crate) struct Wire {
    quality: Quality,
    broken: Option<Broken>,
    /// When the last packet that kept its place arrives.
    arrives_at: Timestamp,
    queue: Option<Queue>,
    /// Larger packets do not get through.
    mtu: usize,
    dice: Dice,
}

/// What becomes of a packet. Half-way there may be a tap.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Course {
    pub(crate) passes_tap_at: Option<Timestamp>,
    pub(crate) arrives_at: Option<Timestamp>,
}

/// Where nothing gets through any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Broken {
    BeforeTap,
    BehindTap,
}

/// How well a direction of a path carries packets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Quality {
    pub(crate) delay: Duration,
    /// At most so much longer, drawn evenly for every packet. A packet waits for those before it, as in a queue.
    pub(crate) jitter: Duration,
    /// Lost, each packet by itself.
    pub(crate) loss: f64,
    /// Packets that leave their place in the queue...
    pub(crate) reordered: f64,
    /// ...and come at most so much later.
    pub(crate) detour: Duration,
}

impl Wire {
    pub(crate) fn new(quality: Quality, link: Option<Bottleneck>, now: Timestamp, mut dice: Dice) -> Self {
        Self {
            quality,
            broken: None,
            arrives_at: Timestamp::default(),
            queue: link.map(|link| Queue::new(link, now, dice.split())),
            mtu: usize::MAX,
            dice,
        }
    }

    /// From now on nothing gets through, and nobody is told.
    pub(crate) fn break_silently(&mut self, place: Broken) {
        self.broken = Some(place);
    }

    /// Everything gets through again.
    pub(crate) fn heal(&mut self) {
        self.broken = None;
    }

    /// From now on larger packets do not get through, and nobody is told.
    pub(crate) fn shrink(&mut self, mtu: usize) {
        self.mtu = mtu;
    }

    /// How far a packet of so many bytes gets that is sent now, and when.
    pub(crate) fn carry(&mut self, bytes: usize, now: Timestamp) -> Course {
        let queued = match &mut self.queue {
            Some(queue) => queue.enter(bytes as f64, now),
            None => Some(Duration::ZERO),
        };
        let dropped = (queued.is_none() || bytes > self.mtu).then_some(Broken::BehindTap);
        let lost = self.broken.or_else(|| self.loss()).or(dropped);
        let arrives_at = self.arrival(now + queued.unwrap_or_default());
        Course {
            passes_tap_at: (lost != Some(Broken::BeforeTap)).then(|| now + arrives_at.since(now) / 2),
            arrives_at: lost.is_none().then_some(arrives_at),
        }
    }

    fn loss(&mut self) -> Option<Broken> {
        let lost = self.dice.chance(self.quality.loss);
        lost.then(|| {
            if self.dice.chance(0.5) {
                Broken::BeforeTap
            } else {
                Broken::BehindTap
            }
        })
    }

    fn arrival(&mut self, now: Timestamp) -> Timestamp {
        let Quality {
            delay,
            jitter,
            reordered,
            detour,
            ..
        } = self.quality;
        let mut at = now + delay;
        if !jitter.is_zero() {
            at = at + self.dice.between(Duration::ZERO, jitter);
        }
        if self.dice.chance(reordered) {
            return at + self.dice.between(Duration::ZERO, detour);
        }
        self.arrives_at = self.arrives_at.max(at);
        self.arrives_at
    }
}
