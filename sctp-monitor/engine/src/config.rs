//! The engine's constants, each with its reason. All can be configured.

use std::time::Duration;

/// Where the monitor stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vantage {
    /// On the host that terminates the associations: what arrives is for it, what leaves comes from it.
    Endpoint,
    /// Between the hosts: both directions pass.
    Gateway,
}

/// How the engine judges.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the monitor stands.
    pub vantage: Vantage,
    /// When a heartbeat counts as unanswered.
    pub heartbeat: Timeout,
    /// When DATA counts as unacknowledged.
    pub data: Timeout,
    /// How long the receiver of a single packet may wait before it acknowledges it (RFC 9260 section 6.2 allows
    /// 500 ms; Linux and FreeBSD wait 200 ms). From the second packet on it may not.
    pub delayed_ack: Duration,
    /// Heartbeats in a row that must go unanswered until a path is inactive. The first one makes it potentially
    /// failed: one heartbeat is lost on every lossy path now and then.
    pub heartbeat_misses: u32,
    /// How often a DATA time-out must pass, without any sign of life, until a path is inactive.
    pub data_misses: u32,
    /// How long one direction alone must be seen until an association counts as up. The other direction may pass
    /// elsewhere, or its first packet may be late.
    pub one_sided_after: Duration,
    /// How long a flow must be silent until it is forgotten. Longer than any heartbeat interval in use (30 s by
    /// default, RFC 9260 section 16) with the largest RTO (60 s) on top.
    pub idle_after: Duration,
    /// How long a flow is kept that never saw an answer, and had a few packets only: a scan, or forged packets.
    pub unanswered_after: Duration,
    /// How long a flow is kept after its association ended, for packets that come late.
    pub ended_after: Duration,
}

/// A time-out as RFC 9260 section 6.3.1 computes it, SRTT + 4 RTTVAR, within bounds.
#[derive(Debug, Clone, Copy)]
pub struct Timeout {
    /// Before anything was measured.
    pub initial: Duration,
    /// Never less: schedulers and interrupt coalescing delay an answer by tens of milliseconds now and then, whatever
    /// the network's own round-trip time.
    pub floor: Duration,
    /// Never more: a path that answers later than this is of no use to a session.
    pub ceiling: Duration,
}

impl Timeout {
    /// The time-out for a measured round-trip time.
    #[must_use]
    pub fn for_rtt(&self, srtt: Duration, rttvar: Duration) -> Duration {
        (srtt + 4 * rttvar).clamp(self.floor, self.ceiling)
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            vantage: Vantage::Endpoint,
            heartbeat: Timeout {
                initial: Duration::from_millis(500),
                floor: Duration::from_millis(100),
                ceiling: Duration::from_secs(2),
            },
            data: Timeout {
                initial: Duration::from_millis(500),
                floor: Duration::from_millis(100),
                ceiling: Duration::from_secs(2),
            },
            delayed_ack: Duration::from_millis(200),
            heartbeat_misses: 2,
            data_misses: 2,
            one_sided_after: Duration::from_secs(1),
            idle_after: Duration::from_secs(300),
            unanswered_after: Duration::from_secs(10),
            ended_after: Duration::from_secs(10),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_keeps_its_bounds() {
        let timeout = Config::default().heartbeat;
        let ms = Duration::from_millis;
        assert_eq!(timeout.for_rtt(ms(1), ms(1)), ms(100));
        assert_eq!(timeout.for_rtt(ms(100), ms(50)), ms(300));
        assert_eq!(timeout.for_rtt(ms(1_000), ms(900)), ms(2_000));
    }
}
