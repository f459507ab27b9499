//! What is to happen between two endpoints.

use std::time::Duration;

use crate::choices::{Choices as _, Random};

/// One of two endpoints. `A` has the lower addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// 10.0.n.1 or 2001:db8::n:1 on path n.
    A,
    /// 10.0.n.2 or 2001:db8::n:2 on path n.
    B,
}

impl Side {
    /// The other one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }
}

/// An association, from its INIT on.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Decides everything that is left to chance: tags, times, losses.
    pub seed: u64,
    /// Who sends the INIT.
    pub initiator: Side,
    /// IPv6, else IPv4.
    pub v6: bool,
    /// Ports of A and of B.
    pub ports: [u16; 2],
    /// Address pairs, 1 to 3.
    pub paths: usize,
    /// From COOKIE ACK to the ending.
    pub lasts: Duration,
    /// Who sends DATA.
    pub senders: Vec<Side>,
    /// From a message to the next, on average.
    pub message_every: Duration,
    /// Bytes of payload, from and to.
    pub sizes: [usize; 2],
    /// From one endpoint to the other, at least.
    pub one_way: Duration,
    /// And so much longer at most. Packets stay in order.
    pub jitter: Duration,
    /// For how long a receiver waits for a second packet before it sends its SACK; a second one is acknowledged at once.
    pub sack_delay: Duration,
    /// The senders' time-out.
    pub rto: Duration,
    /// From a heartbeat to the next on a path that carries no DATA; `None` if nobody sends any.
    pub heartbeat_every: Option<Duration>,
    /// Packets that are lost by chance, of a thousand.
    pub loss_per_mille: u32,
    /// Where the capture was made: at A (0) to at B (1).
    pub captured_at: f64,
    /// How it ends.
    pub ending: Ending,
    /// What breaks.
    pub faults: Vec<Fault>,
}

/// How an association ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Not before the capture does.
    Open,
    /// This side shuts it down.
    Shutdown(Side),
    /// This side aborts it.
    Abort(Side),
}

/// Something on the way that lets packets through no longer.
#[derive(Debug, Clone, Copy)]
pub struct Fault {
    /// The path, from 0 on.
    pub path: usize,
    /// Only packets to this side; `None` for both directions.
    pub towards: Option<Side>,
    /// Only IP packets with more bytes.
    pub larger_than: usize,
    /// So many of a thousand of these.
    pub per_mille: u32,
    /// Since COOKIE ACK.
    pub from: Duration,
    /// Since COOKIE ACK.
    pub to: Duration,
    /// Where it is on the way: at A (0) to at B (1). A capture on the way sees what passes it before.
    pub at: f64,
}

impl Plan {
    /// Two paths, both sides send DATA and heartbeats, nothing is lost, for four seconds.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            initiator: Side::A,
            v6: false,
            ports: [40_000, 3_868],
            paths: 2,
            lasts: Duration::from_secs(4),
            senders: vec![Side::A, Side::B],
            message_every: Duration::from_millis(70),
            sizes: [20, 1_000],
            one_way: Duration::from_micros(200),
            jitter: Duration::ZERO,
            sack_delay: Duration::from_millis(20),
            rto: Duration::from_millis(200),
            heartbeat_every: Some(Duration::from_secs(1)),
            loss_per_mille: 0,
            captured_at: 0.5,
            ending: Ending::Open,
            faults: Vec::new(),
        }
    }

    /// One of the ways in which nothing is wrong.
    #[must_use]
    pub fn healthy(seed: u64) -> Self {
        // Not what the association itself draws.
        let mut random = Random::from_seed(seed ^ 0x706c_616e);
        let sides = [Side::A, Side::B];
        let initiator = random.pick(&sides);
        let ports = random.pick(&[
            [40_000, 3_868],
            [36_412, 36_412],
            [2_905, 51_515],
            [38_412, 9_899],
        ]);
        let senders = random.pick(&[&sides[..], &sides[..], &sides[..1], &sides[1..], &[]]);
        let message_every = Duration::from_millis(random.pick(&[3, 20, 70, 400]));
        let one_way = Duration::from_micros(random.pick(&[20, 200, 5_000, 40_000]));
        let ending = match random.below(4) {
            0 => Ending::Shutdown(random.pick(&sides)),
            1 => Ending::Abort(random.pick(&sides)),
            _ => Ending::Open,
        };
        Self {
            initiator,
            v6: random.one_in(3),
            ports,
            paths: random.pick(&[1, 2, 2, 3]),
            // Some four hundred messages at most.
            lasts: (message_every * 200).clamp(Duration::from_secs(3), Duration::from_secs(20)),
            senders: senders.to_vec(),
            message_every,
            sizes: random.pick(&[[20, 200], [20, 1_400], [1_400, 1_452]]),
            one_way,
            jitter: one_way.mul_f64(random.pick(&[0.0, 0.1, 1.0])),
            sack_delay: Duration::from_millis(random.pick(&[0, 20, 200])),
            // As RFC 9260 has it: beyond the peer's delay.
            rto: Duration::from_millis(random.pick(&[400, 1_000])),
            heartbeat_every: random
                .pick(&[Some(500), Some(1_000), Some(5_000), None])
                .map(Duration::from_millis),
            loss_per_mille: random.pick(&[0, 0, 0, 3, 10]),
            captured_at: random.pick(&[0.0, 0.0, 0.5, 1.0]),
            ending,
            ..Self::new(seed)
        }
    }
}

impl Fault {
    /// Nothing passes on a path, nearer to B.
    #[must_use]
    pub fn silence(path: usize, from: Duration, to: Duration) -> Self {
        Self {
            path,
            towards: None,
            larger_than: 0,
            per_mille: 1_000,
            from,
            to,
            at: 0.75,
        }
    }

    /// Only in the direction of this side, nearer to the other one.
    #[must_use]
    pub fn towards(self, side: Side) -> Self {
        Self {
            towards: Some(side),
            at: if side == Side::A { 0.75 } else { 0.25 },
            ..self
        }
    }
}
