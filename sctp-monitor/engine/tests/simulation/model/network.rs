//! What happens to a packet between the hosts.

use std::time::Duration;

use sctp_monitor_engine::Timestamp;

use super::dice::Dice;

/// One direction of a path.
#[derive(Debug)]
pub(crate) struct Wire {
    quality: Quality,
    broken: bool,
    /// When the last packet that kept its place arrives.
    arrives_at: Timestamp,
    dice: Dice,
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
    pub(crate) fn new(quality: Quality, dice: Dice) -> Self {
        Self {
            quality,
            broken: false,
            arrives_at: Timestamp::default(),
            dice,
        }
    }

    /// From now on nothing gets through, and nobody is told.
    pub(crate) fn break_silently(&mut self) {
        self.broken = true;
    }

    /// When a packet that is sent now arrives, if it does.
    pub(crate) fn carry(&mut self, now: Timestamp) -> Option<Timestamp> {
        let Quality {
            delay,
            jitter,
            loss,
            reordered,
            detour,
        } = self.quality;
        if self.broken || self.dice.chance(loss) {
            return None;
        }
        let mut at = now + delay;
        if !jitter.is_zero() {
            at = at + self.dice.between(Duration::ZERO, jitter);
        }
        if self.dice.chance(reordered) {
            return Some(at + self.dice.between(Duration::ZERO, detour));
        }
        self.arrives_at = self.arrives_at.max(at);
        Some(self.arrives_at)
    }
}
