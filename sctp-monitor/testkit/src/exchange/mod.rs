//! Associations from seeds, and the many ways in which a capture shows one.
//!
//! A [`Plan`] says what happens between two endpoints: who sends the INIT, over how many paths, who sends DATA, how it ends,
//! what breaks. An [`Exchange`] is what they send, at the times when a capture on the way sees it. [`Lack`] is what that
//! capture does not have of it, and [`Form`] how it has the rest: link header, address family, checksums that a NIC has still
//! to fill in, packets captured twice. All of it follows from seeds.
//!
//! ```
//! use sctp_monitor_testkit::exchange::{Exchange, Form, Lack, Plan, Side};
//!
//! let plan = Plan { initiator: Side::B, loss_per_mille: 10, ..Plan::new(7) };
//! let exchange = Exchange::of(&plan).lacking(Lack::Answers(Side::A), 7);
//! let records = exchange.records(Form::from_seed(7));
//! assert_eq!(records.len(), exchange.packets.len());
//! ```

mod endpoint;
mod form;
mod lack;
mod plan;
mod run;

use std::{collections::HashSet, time::Duration};

pub use self::{
    form::{Form, Header},
    lack::Lack,
    plan::{Ending, Fault, Plan, Side},
};

use self::run::Run;
use crate::choices::{Choices as _, Random};

/// What two endpoints send.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// IPv6, else IPv4.
    pub v6: bool,
    /// Ports of A and of B.
    pub ports: [u16; 2],
    /// In the order of time, no two at once.
    pub packets: Vec<Sent>,
}

/// A packet on its way.
#[derive(Debug, Clone)]
pub struct Sent {
    /// Nanoseconds since 1970.
    pub at_ns: u64,
    /// Who sent it.
    pub from: Side,
    /// The path, from 0 on.
    pub path: usize,
    /// Its verification tag.
    pub tag: u32,
    /// Its chunks.
    pub chunks: Vec<Vec<u8>>,
}

impl Exchange {
    /// What happens by a plan.
    #[must_use]
    pub fn of(plan: &Plan) -> Self {
        Run::new(plan).run()
    }

    /// Some seconds of an association of which nothing is lost before the place of the capture, so that all that is sent is
    /// captured: its retransmissions follow within 40 ms.
    #[must_use]
    pub fn from_seed(seed: u64) -> Self {
        let ms = Duration::from_millis;
        let a_to_b = Fault {
            per_mille: 120,
            ..Fault::silence(0, ms(0), ms(60_000)).towards(Side::B)
        };
        Self::of(&Plan {
            sack_delay: ms(10),
            rto: ms(40),
            captured_at: 0.0,
            // Heartbeats are much smaller than the messages.
            faults: vec![Fault {
                larger_than: 100,
                ..a_to_b
            }],
            sizes: [100, 1_000],
            v6: Random::from_seed(seed).one_in(3),
            ..Plan::new(seed)
        })
    }

    fn new(plan: &Plan, mut packets: Vec<Sent>) -> Self {
        packets.sort_by_key(|packet| packet.at_ns);
        // No two at once: their order would say something.
        let mut free_ns = 0;
        for packet in &mut packets {
            packet.at_ns = packet.at_ns.max(free_ns);
            free_ns = packet.at_ns + US;
        }
        Self {
            v6: plan.v6,
            ports: plan.ports,
            packets,
        }
    }

    /// Another association on the same addresses, that begins so long behind the last packet of this one.
    #[must_use]
    pub fn then(mut self, next: &Self, after: Duration) -> Self {
        let ends_ns = self.packets.last().map_or(BEGAN_NS, |packet| packet.at_ns);
        let later_ns = ends_ns - BEGAN_NS + u64::try_from(after.as_nanos()).unwrap_or(u64::MAX);
        self.packets
            .extend(next.packets.iter().cloned().map(|mut packet| {
                packet.at_ns += later_ns;
                packet
            }));
        self
    }

    /// DATA chunks that were seen before.
    #[must_use]
    pub fn retransmissions(&self) -> u64 {
        let mut seen = HashSet::new();
        let again = |packet: &Sent, chunk: &[u8]| !seen.insert((packet.tag, chunk[4..8].to_vec()));
        self.chunks(0, again)
    }

    /// HEARTBEATs.
    #[must_use]
    pub fn heartbeats(&self) -> u64 {
        self.chunks(4, |_, _| true)
    }

    fn chunks(&self, kind: u8, mut counts: impl FnMut(&Sent, &[u8]) -> bool) -> u64 {
        let mut count = 0;
        for packet in &self.packets {
            for chunk in packet.chunks.iter().filter(|chunk| chunk[0] == kind) {
                count += u64::from(counts(packet, chunk));
            }
        }
        count
    }

    /// The records of its capture, in the order of time.
    #[must_use]
    pub fn records(&self, form: Form) -> Vec<(u64, Vec<u8>)> {
        let mut records = Vec::new();
        for (number, sent) in self.packets.iter().enumerate() {
            let packet = form.packet(sent, self, number as u16 + 1);
            records.push((sent.at_ns, form.frame(&packet, false)));
            if let Some(after_ns) = form.copied_after_ns {
                records.push((sent.at_ns + after_ns, form.frame(&packet, true)));
            }
        }
        records.sort_by_key(|(time_ns, _)| *time_ns);
        records
    }
}

/// The records in an order in which each is behind others that are up to so much later.
#[must_use]
pub fn disordered(records: &[(u64, Vec<u8>)], by_ns: u64, seed: u64) -> Vec<(u64, Vec<u8>)> {
    let mut random = Random::from_seed(seed);
    let mut keyed: Vec<_> = records
        .iter()
        .map(|record| (record.0 + random.u64() % (by_ns + 1), record.clone()))
        .collect();
    keyed.sort_by_key(|(written_ns, _)| *written_ns);
    keyed.into_iter().map(|(_, record)| record).collect()
}

/// The address of a side on a path.
fn address(side: Side, path: usize, v6: bool) -> String {
    let (network, host) = (path + 1, side as usize + 1);
    if v6 {
        format!("2001:db8::{network}:{host}")
    } else {
        format!("10.0.{network}.{host}")
    }
}

/// 2023-11-14T22:13:20Z.
const BEGAN_NS: u64 = 1_700_000_000 * 1_000_000 * US;
const US: u64 = 1_000;
