//! Kinds of worlds. A seed draws one of the kind: round-trip times, message size, the stack's habits, every phase.

use std::time::Duration;

use sctp_monitor_engine::config::Vantage;

use super::{
    dice::Dice,
    endpoint::{Character, Endpoint, Rhythm, Traffic},
    monitor::{Capture, Monitor},
    network::{Quality, Wire},
    packet::Side,
    queue::Bottleneck,
    receiver::Acks,
    sender::{Habits, PATH_MAX_RETRANS},
    world::{BEGINNING, Stalled, Stalls, World},
};

/// A kind of world.
#[derive(Debug, Clone)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// Packets lost in each direction.
    pub(crate) loss: f64,
    /// Round-trip times, drawn evenly over the orders of magnitude.
    rtt: (Duration, Duration),
    /// Of the round-trip time, at most, for each direction by itself.
    jitter: f64,
    reordered: f64,
    acks: Acks,
    /// Messages a second of the monitored host, and of its peer.
    rates: [f64; 2],
    rhythm: Rhythm,
    nagle: bool,
    stalls: Option<Stalls>,
    ring_loss: f64,
    vantage: Vantage,
    capture: Capture,
    joins_late: bool,
    bottleneck: Option<Bottleneck>,
}

impl Scenario {
    /// 20 messages a second, evenly, over two good paths.
    pub(crate) fn calm() -> Self {
        Self {
            name: "calm",
            loss: 0.0,
            rtt: (Duration::from_micros(200), Duration::from_millis(50)),
            jitter: 0.01,
            reordered: 0.0,
            acks: Acks {
                every: 2,
                delay: Duration::from_millis(200),
            },
            rates: [20.0, 0.0],
            rhythm: Rhythm::Steady,
            nagle: false,
            stalls: None,
            ring_loss: 0.0,
            vantage: Vantage::Endpoint,
            capture: Capture::Both,
            joins_late: false,
            bottleneck: None,
        }
    }

    /// All kinds: the calm one, then each with something that may look like a failure and is none.
    pub(crate) fn all() -> Vec<Self> {
        let calm = Self::calm;
        let ms = Duration::from_millis;
        let stalls = |whose, length| {
            Some(Stalls {
                whose,
                length,
                every: Duration::from_secs(10),
            })
        };
        let acks_by_timer = Acks {
            every: 1_000,
            delay: ms(200),
        };
        vec![
            calm(),
            Self {
                name: "jitter of half the RTT",
                jitter: 0.5,
                rtt: (ms(10), ms(200)),
                ..calm()
            },
            Self {
                name: "acks after 200 ms only",
                acks: acks_by_timer,
                ..calm()
            },
            Self {
                name: "reordering",
                reordered: 0.05,
                ..calm()
            },
            Self {
                name: "reordering, 200 messages/s",
                reordered: 0.05,
                rates: [200.0, 0.0],
                ..calm()
            },
            Self {
                // One of 200 ms cannot be told from a break that is to be reported within 300 ms: the packet that the
                // peer must acknowledge at once follows a break within 100 ms.
                name: "peer stalls for 100 ms",
                stalls: stalls(Stalled::Peer, ms(100)),
                ..calm()
            },
            Self {
                name: "host stalls for 200 ms",
                stalls: stalls(Stalled::Host, ms(200)),
                ..calm()
            },
            Self {
                name: "agent stalls for 200 ms",
                stalls: stalls(Stalled::Agent, ms(200)),
                ..calm()
            },
            Self {
                name: "half the ring records lost",
                ring_loss: 0.5,
                ..calm()
            },
            Self {
                name: "only sent packets seen",
                capture: Capture::SentOnly,
                ..calm()
            },
            Self {
                name: "only received packets seen",
                capture: Capture::ReceivedOnly,
                ..calm()
            },
            Self {
                name: "in a file, reordering",
                vantage: Vantage::Gateway,
                capture: Capture::File,
                reordered: 0.05,
                rates: [200.0, 0.0],
                ..calm()
            },
            Self {
                name: "in a file, acks after 200 ms only",
                vantage: Vantage::Gateway,
                capture: Capture::File,
                acks: acks_by_timer,
                ..calm()
            },
            Self {
                name: "at a gateway",
                vantage: Vantage::Gateway,
                ..calm()
            },
            Self {
                name: "at a gateway, one direction",
                vantage: Vantage::Gateway,
                capture: Capture::SentOnly,
                ..calm()
            },
            Self {
                name: "at a gateway, both ways",
                vantage: Vantage::Gateway,
                rates: [20.0, 20.0],
                ..calm()
            },
            Self {
                name: "joined mid-life",
                joins_late: true,
                ..calm()
            },
            Self {
                name: "200 messages/s",
                rates: [200.0, 0.0],
                ..calm()
            },
            Self {
                name: "20 messages/s both ways",
                rates: [20.0, 20.0],
                ..calm()
            },
            Self {
                name: "20 messages/s at random",
                rhythm: Rhythm::Poisson,
                ..calm()
            },
            Self {
                name: "4 messages/s at random",
                rhythm: Rhythm::Poisson,
                rates: [4.0, 0.0],
                ..calm()
            },
            Self {
                name: "Nagle",
                nagle: true,
                ..calm()
            },
            Self {
                name: "only the peer sends",
                rates: [0.0, 20.0],
                ..calm()
            },
            Self {
                name: "idle",
                rates: [0.0, 0.0],
                ..calm()
            },
        ]
    }

    /// A sender at full rate over a link that is narrower than it: queues of all kinds, with and without other traffic, and with
    /// a guest that stands still for up to three seconds.
    pub(crate) fn bulk() -> Vec<Self> {
        let bulk = |name, megabits: f64, room: f64, early, others| Self {
            name,
            rates: [50.0, 0.0],
            // 64 KiB.
            rhythm: Rhythm::Bulk { full_packets: 45 },
            bottleneck: Some(Bottleneck {
                bytes_per_second: megabits * 125_000.0,
                room: room * 1_500.0,
                early,
                others,
            }),
            ..Self::calm()
        };
        let stalling = |whose, name, millis| Self {
            stalls: Some(Stalls {
                whose,
                length: Duration::from_millis(millis),
                every: Duration::from_secs(8),
            }),
            ..bulk(name, 10.0, 40.0, false, 0.0)
        };
        vec![
            bulk("bulk, drop-tail", 10.0, 40.0, false, 0.0),
            bulk("bulk, deep queue", 2.0, 200.0, false, 0.0),
            bulk("bulk, shallow queue", 10.0, 6.0, false, 0.0),
            bulk("bulk, early drop", 10.0, 60.0, true, 0.0),
            bulk("bulk, others too", 10.0, 40.0, false, 0.4),
            bulk("bulk, others too, early drop", 10.0, 60.0, true, 0.4),
            bulk("bulk, others too, shallow queue", 10.0, 10.0, false, 0.4),
            Self {
                vantage: Vantage::Gateway,
                rates: [50.0, 50.0],
                ..bulk("bulk, at a gateway, both ways", 10.0, 40.0, false, 0.3)
            },
            stalling(Stalled::All, "bulk, a guest stands still for 3 s", 3_000),
            stalling(Stalled::Host, "bulk, this host stands still for 1 s", 1_000),
            stalling(Stalled::Agent, "bulk, the agent stands still for 1 s", 1_000),
        ]
    }

    /// The same kind with messages of two full packets and a small one.
    pub(crate) fn with_short_messages(self) -> Self {
        Self {
            rhythm: Rhythm::Bulk { full_packets: 2 },
            ..self
        }
    }

    /// The same kind over such a distance.
    pub(crate) fn over(self, least: Duration, most: Duration) -> Self {
        Self {
            rtt: (least, most),
            ..self
        }
    }

    /// The same kind with so many packets lost.
    pub(crate) fn losing(self, loss: f64) -> Self {
        Self { loss, ..self }
    }

    /// Whether a break can show in what the monitor sees, soon enough to wait for: DATA goes out, and its acks come in as
    /// RFC 9260 section 6.2 wants them. Who acknowledges by a timer only shows a break as seldom.
    pub(crate) fn shows_breaks(&self) -> bool {
        self.capture == Capture::Both && self.rates[0] > 0.0 && self.acks.every == 2
    }

    /// The world that a seed draws.
    pub(crate) fn world(&self, seed: u64) -> World {
        let mut dice = Dice::from_seed(seed);
        let wires = (0..PATHS).map(|_| self.wires(&mut dice)).collect();
        let habits = Habits {
            errors_borne: if dice.chance(0.5) { 0 } else { PATH_MAX_RETRANS },
            nagle: self.nagle,
        };
        // Some wrap within the hour.
        let first_tsns = [(); 2].map(|()| u64::from(u32::MAX) - dice.below(500_000));
        let bytes = 50 + u16::try_from(dice.below(400)).unwrap_or(0);
        let endpoints = [Side::Local, Side::Remote].map(|side| {
            let per_second = self.rates[side as usize];
            let character = Character {
                side,
                habits,
                acks: self.acks,
                traffic: (per_second > 0.0).then_some(Traffic {
                    per_second,
                    rhythm: self.rhythm,
                    bytes,
                }),
                first_tsn: first_tsns[side as usize],
                peer_first_tsn: first_tsns[1 - side as usize],
            };
            Endpoint::new(&character, PATHS, BEGINNING, dice.split())
        });
        let monitor = Monitor::new(
            self.vantage,
            self.capture,
            self.ring_loss,
            BEGINNING,
            dice.split(),
        );
        World::new(endpoints, wires, monitor, self.stalls, self.joins_late, dice)
    }

    /// Both directions of a path.
    fn wires(&self, dice: &mut Dice) -> [Wire; 2] {
        let rtt = dice.magnitude_between(self.rtt.0, self.rtt.1);
        let forward = dice.between(rtt * 3 / 10, rtt * 7 / 10);
        [forward, rtt.saturating_sub(forward)].map(|delay| {
            let quality = Quality {
                delay,
                jitter: rtt.mul_f64(self.jitter),
                loss: self.loss,
                reordered: self.reordered,
                detour: DETOUR,
            };
            Wire::new(quality, self.bottleneck, BEGINNING, dice.split())
        })
    }
}

const PATHS: usize = 2;
/// Long enough that a message is overtaken by the next one at 20 a second.
const DETOUR: Duration = Duration::from_millis(75);
