//! The memory's side of a comparison with the programs: frames as slices, tracked into a table like the kernel's.
//!
//! It stands here and not in the test, because this crate is compiled optimised for tests too, and the comparison takes
//! a million frames.

use bytemuck::Zeroable as _;
use sctp_monitor_common::{
    abi::{FlowKey, FlowLinks, FlowRecord, Interface, RingRecord, Rtt},
    memory::MemoryTable,
    track::{MAX_CHUNKS, Options, observe},
    wire::{Frame, LinkType, ParseOptions},
};
use sctp_monitor_testkit::{choices::Random, traffic::Traffic};

/// A flow table in memory, into which frames are tracked as a program tracks them.
#[derive(Debug)]
pub struct Slices {
    table: MemoryTable,
    interface: Interface,
    /// Frames so far, which is as good a clock as any.
    frames: u64,
}

impl Slices {
    /// A table of so many slots. `interface` is where frames are seen.
    #[must_use]
    pub fn new(slots: u32, interface: Interface) -> Self {
        Self {
            table: MemoryTable::with_slots(slots),
            interface,
            frames: 0,
        }
    }

    /// One that looks for an agent's probes of so many paths by this key.
    #[must_use]
    pub fn with_probes(slots: u32, interface: Interface, key: [u64; 2], paths: u32) -> Self {
        Self {
            table: MemoryTable::with_slots(slots).with_probes(key, paths),
            ..Self::new(slots, interface)
        }
    }

    /// What is known.
    #[must_use]
    pub fn table(&self) -> &MemoryTable {
        &self.table
    }

    /// The same, for what user space does to it.
    pub fn table_mut(&mut self) -> &mut MemoryTable {
        &mut self.table
    }

    /// An Ethernet frame passes.
    pub fn frame(&mut self, frame: &[u8]) {
        let options = Options {
            link: LinkType::Ethernet,
            parse: ParseOptions::default(),
            max_chunks: MAX_CHUNKS,
        };
        self.frames += 1;
        self.table.set_now(self.frames);
        observe(&Frame(frame), self.interface, &options, &mut self.table);
    }

    /// Says what a flow's association is, as the agent does.
    pub fn link(&mut self, slot: u32, links: &FlowLinks) {
        self.table.link(slot, links);
    }

    /// The first slot whose record is another one in the kernel, times aside, with both. `packets` tells how many packets
    /// the kernel has in a slot, which is cheaper than the whole record.
    pub fn difference(
        &self,
        packets: impl Fn(u32) -> u64,
        kernel: impl Fn(u32) -> Option<FlowRecord>,
    ) -> Option<(u32, FlowRecord, FlowRecord)> {
        (0_u32..)
            .zip(self.table.records())
            .filter(|(slot, record)| record.first_seen_ns != 0 || packets(*slot) != 0)
            .map(|(slot, record)| {
                let actual = kernel(slot).unwrap_or(FlowRecord::zeroed());
                (slot, timeless(&actual), timeless(record))
            })
            .find(|(_, actual, expected)| actual != expected)
    }

    /// The slots in use, with their flows' keys.
    pub fn used(&self) -> impl Iterator<Item = (u32, FlowKey)> {
        (0_u32..)
            .zip(self.table.records())
            .filter(|(_, record)| record.first_seen_ns != 0)
            .map(|(slot, record)| (slot, record.key))
    }
}

/// The next frame of random traffic.
pub fn next_frame(traffic: &mut Traffic, random: &mut Random, frame: &mut Vec<u8>) {
    traffic.frame(random, frame);
}

/// A record without its times, which differ, but with what is known from them.
fn timeless(record: &FlowRecord) -> FlowRecord {
    let mut r = *record;
    let known = |time: &mut u64| *time = u64::from(*time != 0);
    known(&mut r.last_seen_ticks);
    known(&mut r.first_seen_ns);
    known(&mut r.first_seen_ticks);
    known(&mut r.acked_ticks);
    known(&mut r.answered_at_ns);
    known(&mut r.timed.sent_at_ns);
    known(&mut r.second_at_ns);
    // Without a time it is 0 as well as unknown.
    r.resent_after_us = 0;
    // Budgets are the kernel's.
    r.rare = Default::default();
    for entry in &mut r.outstanding {
        known(&mut entry.sent_at_ns);
    }
    for rtt in [&mut r.heartbeat_rtt, &mut r.data_rtt] {
        *rtt = Rtt {
            srtt_ns: u64::from(rtt.is_known()),
            ..Rtt::default()
        };
    }
    r
}

/// Whether two ring records say the same, times aside.
#[must_use]
pub fn same_facts(actual: &[u8], expected: &[u8]) -> bool {
    match (RingRecord::parse(actual), RingRecord::parse(expected)) {
        (Ok(actual), Ok(expected)) => ring_facts(actual) == ring_facts(expected),
        _ => false,
    }
}

/// A ring record without its times.
#[must_use]
pub fn ring_facts(record: RingRecord<'_>) -> RingRecord<'_> {
    match record {
        RingRecord::FlowOpened(mut opened) => {
            opened.header.time_ns = 0;
            RingRecord::FlowOpened(opened)
        }
        RingRecord::HeartbeatSent(mut sent) => {
            sent.header.time_ns = 0;
            RingRecord::HeartbeatSent(sent)
        }
        RingRecord::HeartbeatAcked(mut acked) => {
            acked.header.time_ns = 0;
            acked.rtt_ns = 0;
            RingRecord::HeartbeatAcked(acked)
        }
        RingRecord::IcmpError(mut error) => {
            error.header.time_ns = 0;
            RingRecord::IcmpError(error)
        }
        RingRecord::Control(mut header, packet) => {
            header.header.time_ns = 0;
            // The programs copy whole words of a packet that is shorter than its headers say.
            let cut = header.captured_length < header.packet_length;
            let whole = if cut {
                header.captured_length & !7
            } else {
                header.captured_length
            };
            header.captured_length = whole;
            RingRecord::Control(header, &packet[..whole as usize])
        }
    }
}
