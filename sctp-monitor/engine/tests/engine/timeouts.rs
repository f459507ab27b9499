//! A sender whose time-out is shorter than the peer's delay of SACKs, in all its forms; and loss, which is another thing.

use sctp_monitor_engine::{
    config::Vantage,
    model::{Direction, Evidence, RtoBelowSackDelay, Status},
};
use sctp_monitor_testkit::{
    frames,
    world::{LOCAL_TAG, REMOTE_TAG, World, ms},
};

use crate::reports::{findings, opened, statuses};

/// Messages one by one over path 1, each retransmitted after the sender's time-out unless its SACK came before.
struct Lone {
    forward: bool,
    /// The sender's time-out and the receiver's delay, milliseconds.
    rto: u64,
    sack_delay: u64,
    /// The round-trip time, milliseconds.
    rtt: u64,
    /// What is retransmitted was lost before it came to the receiver.
    lost: bool,
}

impl Lone {
    fn send(&self, world: &mut World, tsns: std::ops::Range<u32>) {
        for tsn in tsns {
            self.data(world, tsn);
            let acknowledged_after = self.rtt + self.sack_delay;
            if acknowledged_after <= self.rto && !self.lost {
                world.advance(ms(acknowledged_after));
                self.sack(world, tsn, false);
                world.advance(ms(1_000 - acknowledged_after));
                continue;
            }
            world.advance(ms(self.rto));
            self.data(world, tsn);
            world.advance(ms(self.rtt));
            // Whatever is a duplicate is acknowledged at once (RFC 9260 section 6.2).
            self.sack(world, tsn, !self.lost);
            world.advance(ms(1_000 - self.rto - self.rtt));
        }
    }

    fn data(&self, world: &mut World, tsn: u32) {
        let chunk = vec![frames::data(tsn, 100)];
        if self.forward {
            world.sent(1, REMOTE_TAG, chunk);
        } else {
            world.received(1, LOCAL_TAG, chunk);
        }
    }

    fn sack(&self, world: &mut World, tsn: u32, twice: bool) {
        let mut sack = frames::sack(tsn, &[]);
        if twice {
            sack[3] += 4;
            sack[15] = 1;
            sack.extend(tsn.to_be_bytes());
        }
        if self.forward {
            world.received(1, LOCAL_TAG, vec![sack]);
        } else {
            world.sent(1, REMOTE_TAG, vec![sack]);
        }
    }

    fn world(&self, vantage: Vantage) -> World {
        let mut world = World::new(vantage);
        world.handshake();
        world.heartbeat_answered(1, ms(1));
        world.events.clear();
        world
    }
}

#[test]
fn a_time_out_below_the_sack_delay_is_told_with_both_times() {
    for vantage in [Vantage::Endpoint, Vantage::Gateway] {
        for forward in [true, false] {
            for (rto, rtt) in [(100, 1), (100, 30), (50, 1), (190, 5)] {
                let mut lone = Lone {
                    forward,
                    rto: 1_000,
                    sack_delay: 200,
                    rtt,
                    lost: false,
                };
                let what = format!("{vantage:?}, forward {forward}, RTO {rto} ms, RTT {rtt} ms");
                let mut world = lone.world(vantage);
                lone.send(&mut world, 1..4);
                lone.rto = rto;
                lone.send(&mut world, 4..40);
                let found = findings(&world, "rto_below_sack_delay");
                let Some((Status::Opened, finding)) = found.first() else {
                    panic!("{what}: {:?}", world.events);
                };
                let Evidence::RtoBelowSackDelay(RtoBelowSackDelay {
                    direction,
                    rto: told,
                    sack_delay,
                    ..
                }) = finding.evidence
                else {
                    panic!("{finding:?}");
                };
                let expected = if forward {
                    Direction::Forward
                } else {
                    Direction::Return
                };
                assert_eq!((direction, told), (expected, ms(rto)), "{what}");
                assert_eq!(sack_delay, Some(ms(200 + rtt)), "{what}");
                assert_eq!(opened(&world), ["rto_below_sack_delay"], "{what}");
                lone.rto = 1_000;
                lone.send(&mut world, 40..160);
                assert_eq!(
                    statuses(&world, "rto_below_sack_delay").last(),
                    Some(&Status::Closed),
                    "{what}"
                );
            }
        }
    }
}

#[test]
fn a_time_out_above_the_delay_and_loss_are_not_it() {
    for vantage in [Vantage::Endpoint, Vantage::Gateway] {
        for (rto, sack_delay, lost) in [
            (300, 200, false),
            (100, 20, false),
            (100, 200, true),
            (700, 200, true),
        ] {
            let lone = Lone {
                forward: true,
                rto,
                sack_delay,
                rtt: 5,
                lost,
            };
            let mut world = lone.world(vantage);
            lone.send(&mut world, 1..60);
            assert_eq!(
                statuses(&world, "rto_below_sack_delay"),
                [],
                "{vantage:?} {rto} {sack_delay} {lost}"
            );
        }
    }
}
