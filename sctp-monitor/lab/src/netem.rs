//! What a real network does to packets (loss, delay, jitter, reordering, duplicates), by the kernel's netem.
//!
//! It works where frames leave the middle, as the packet filters do, on everything that passes, ARP included. Not every
//! kernel has it: [`Netem::is_available`] asks. A delay alone is also had from [`Path::delay`], which needs no netem.

use std::time::Duration;

use crate::clock::{MonotonicNs, monotonic_ns};
use crate::fault::{FaultError, Path};
use crate::netns::{Namespace, NetnsError};
use crate::tool;

/// What happens to the packets of a direction; nothing by default.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Netem {
    delay: Duration,
    jitter: Duration,
    lost: f64,
    duplicated: f64,
    reordered: f64,
}

impl Netem {
    /// Delays each packet by `delay`, give or take up to `jitter`. Packets whose delays cross overtake each other.
    #[must_use]
    pub fn delay(self, delay: Duration, jitter: Duration) -> Self {
        Self {
            delay,
            jitter,
            ..self
        }
    }

    /// Loses `percent` of the packets at random.
    #[must_use]
    pub fn lose(self, percent: f64) -> Self {
        Self {
            lost: percent,
            ..self
        }
    }

    /// Sends `percent` of the packets twice.
    #[must_use]
    pub fn duplicate(self, percent: f64) -> Self {
        Self {
            duplicated: percent,
            ..self
        }
    }

    /// Lets `percent` of the packets go without their delay, past those before them. There must be a delay.
    #[must_use]
    pub fn reorder(self, percent: f64) -> Self {
        Self {
            reordered: percent,
            ..self
        }
    }

    /// Whether this kernel has netem; asking loads its module where there is one.
    ///
    /// # Errors
    /// When no namespace can be made to try it in.
    pub fn is_available() -> Result<bool, NetnsError> {
        let namespace = Namespace::new("netem")?;
        let mut tc = namespace.command("tc");
        Ok(tool::run(tc.args(["qdisc", "add", "dev", "lo", "root", "netem"]), "").is_ok())
    }

    /// As `tc` wants it.
    fn options(&self) -> String {
        let mut options = format!("limit {QUEUE}");
        if !self.delay.is_zero() {
            options += &format!(
                " delay {}us {}us",
                self.delay.as_micros(),
                self.jitter.as_micros()
            );
        }
        for (what, percent) in [
            ("loss", self.lost),
            ("duplicate", self.duplicated),
            ("reorder", self.reordered),
        ] {
            if percent > 0.0 {
                options += &format!(" {what} {percent}%");
            }
        }
        options
    }
}

impl Path {
    /// Does this to the packets of both directions, until [`Self::heal`] or another netem. The answer is when it was in
    /// force at the latest.
    ///
    /// # Errors
    /// When `tc` is missing, or the kernel has no netem.
    pub fn netem(&self, netem: &Netem) -> Result<MonotonicNs, FaultError> {
        self.set_netem(&[0, 1], netem)
    }

    /// Does this to the packets that `from_host` sends.
    ///
    /// # Errors
    /// See [`Self::netem`].
    ///
    /// # Panics
    /// When the path has no end at `from_host`.
    pub fn netem_direction(&self, from_host: &str, netem: &Netem) -> Result<MonotonicNs, FaultError> {
        self.set_netem(&[self.side_of(from_host)], netem)
    }

    fn set_netem(&self, senders: &[usize], netem: &Netem) -> Result<MonotonicNs, FaultError> {
        let options = netem.options();
        self.traffic_control(senders, |device| {
            format!("qdisc replace dev {device} root netem {options}\n")
        })?;
        self.state().netem = true;
        Ok(monotonic_ns())
    }

    /// Takes netem, or whatever is in its place, off both directions. A direction that has none has a queue of the kernel's own, which `replace` makes
    /// deletable.
    pub(crate) fn end_netem(&self) -> Result<(), FaultError> {
        self.traffic_control(&[0, 1], |device| {
            format!("qdisc replace dev {device} root pfifo\nqdisc del dev {device} root\n")
        })
    }

    pub(crate) fn traffic_control(&self, senders: &[usize], script: impl Fn(&str) -> String) -> Result<(), FaultError> {
        // What one host sends leaves the middle by the port of the other.
        let script: String = senders
            .iter()
            .map(|side| script(&self.ports[1 - side].device))
            .collect();
        let mut tc = self.middle.namespace.command("tc");
        tool::run(tc.args(["-batch", "-"]), &script)
            .map(drop)
            .map_err(FaultError::Netem)
    }
}

/// Packets that netem holds at most: more than any test has under way at a time.
const QUEUE: u32 = 100_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_asked_for_is_asked_of_tc() {
        assert_eq!(Netem::default().options(), "limit 100000");
        let all = Netem::default()
            .delay(Duration::from_millis(20), Duration::from_micros(1_500))
            .lose(0.5)
            .duplicate(1.0)
            .reorder(25.0);
        assert_eq!(
            all.options(),
            "limit 100000 delay 20000us 1500us loss 0.5% duplicate 1% reorder 25%"
        );
    }
}
