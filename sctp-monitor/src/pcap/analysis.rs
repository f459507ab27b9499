//! A capture, packet by packet, through the same tracker and the same engine that live packets go through.
//!
//! Where the agent sweeps the flow records every 20 ms, the capture's clock stands still between two packets; so sweeps
//! are made up for before the next packet is looked at, wherever one could have changed anything.

use std::time::Duration;

use sctp_monitor_capture::{
    Layers, Look, Record, Unwrapper,
    duplicates::{Duplicates, Identity},
    tunnel::TunnelKind,
};
use sctp_monitor_common::{
    abi::{Counter, FlowKey, FlowRecord, Interface, RingRecord},
    memory::MemoryTable,
    track::{FlowTable as _, track, track_icmp_error},
    wire::{ParseOptions, Pass, ReadPacket as _, icmp},
};
use sctp_monitor_engine::{
    Engine, Output,
    config::{Config, Vantage},
    model::{Event, Timestamp, WallClock},
};

use super::{clock::CaptureClock, ledger::Ledger};
use crate::driver::SWEEP;

/// How a capture is looked at.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) parse: ParseOptions,
    pub(crate) decapsulate: bool,
    pub(crate) max_flows: usize,
    /// Keep what plots need.
    pub(crate) with_series: bool,
}

/// Whoever wants to know what the engine finds out.
pub(crate) trait Audience {
    /// Takes a dated event, with the engine as it is just behind it and the clock that dates it.
    fn on_event(&mut self, event: &Event, engine: &Engine, clock: &WallClock) -> std::io::Result<()>;
}

/// The state of the analysis.
pub(crate) struct Analysis {
    options: Options,
    unwrapper: Unwrapper,
    duplicates: Duplicates,
    table: MemoryTable,
    pub(crate) ledger: Ledger,
    pub(crate) engine: Engine,
    clock: CaptureClock,
    swept_at: Timestamp,
    /// The next sweep; `None` while nothing is to be looked at.
    sweep_at: Option<Timestamp>,
    now: Timestamp,
    /// Slots whose records changed since they were looked at, or wait for an answer.
    due: Vec<u32>,
    /// By slot.
    looks: Vec<Looked>,
    patience: Patience,
    pub(crate) seen: Seen,
}

/// What was done about a slot.
///
/// The agent looks at every flow that changed in each sweep. Nothing is lost by looking less often at a flow that goes on
/// as it did; what may be news is looked at in the next sweep here too.
#[derive(Debug, Clone, Copy, Default)]
struct Looked {
    at: Option<Timestamp>,
    /// It is among those that are due.
    is_due: bool,
    /// When that was sent whose answer it waited for longest; 0 if it waited for none.
    wait_ns: u64,
    /// It had waited for that for long.
    was_stuck: bool,
    packets: u64,
    heartbeats_answered: u32,
    data_chunks: u64,
    /// It had carried DATA since the look before.
    had_data: bool,
}

impl Looked {
    fn after(self, record: &FlowRecord, patience: Patience, now: Timestamp) -> Self {
        let wait_ns = longest_wait(record);
        Self {
            at: Some(now),
            is_due: wait_ns != 0,
            wait_ns,
            was_stuck: patience.is_at_its_end(record, now),
            packets: record.packets,
            heartbeats_answered: record.heartbeats_answered,
            data_chunks: record.data_chunks,
            had_data: record.data_chunks != self.data_chunks,
        }
    }

    /// Whether the flow is to be looked at now.
    fn is_ripe(&self, record: &FlowRecord, patience: Patience, is_overdue: bool, now: Timestamp) -> bool {
        let Some(at) = self.at else {
            return true;
        };
        let wait_ns = longest_wait(record);
        let waits_for_another = wait_ns != self.wait_ns;
        let has_changed = waits_for_another || record.packets != self.packets;
        is_overdue
            || now >= at + BUSY
            || record.heartbeats_answered != self.heartbeats_answered
            || (waits_for_another && self.was_stuck)
            || (has_changed && patience.is_at_its_end(record, now))
            || (record.data_chunks != self.data_chunks && !self.had_data)
    }
}

/// When that was sent whose answer the flow waits for longest; 0 if it waits for none.
fn longest_wait(record: &FlowRecord) -> u64 {
    let heartbeats = record.outstanding.iter().map(|heartbeat| heartbeat.sent_at_ns);
    heartbeats
        .chain([record.timed.sent_at_ns])
        .filter(|sent_at_ns| *sent_at_ns != 0)
        .min()
        .unwrap_or(0)
}

/// How long an answer may take until its flow is looked at: a little less than the shortest time-out, so that the engine
/// has its deadline in time.
#[derive(Debug, Clone, Copy)]
struct Patience {
    heartbeat: Duration,
    data: Duration,
}

impl Patience {
    fn of(config: &Config) -> Self {
        let less = |time: Duration| time * 7 / 8;
        Self {
            heartbeat: less(config.rto_min),
            data: less(config.rto_min + config.stall_allowance),
        }
    }

    fn is_at_its_end(self, record: &FlowRecord, now: Timestamp) -> bool {
        let is_long = |sent_at_ns: u64, patience: Duration| {
            sent_at_ns != 0 && now.since(Timestamp::from_nanos(sent_at_ns)) >= patience
        };
        is_long(record.timed.sent_at_ns, self.data)
            || record
                .outstanding
                .iter()
                .any(|heartbeat| is_long(heartbeat.sent_at_ns, self.heartbeat))
    }
}

/// What the capture holds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    pub(crate) records: u64,
    pub(crate) bytes: u64,
    pub(crate) sctp_packets: u64,
    pub(crate) capture_duplicates: u64,
    pub(crate) first_ns: Option<u64>,
    pub(crate) last_ns: u64,
    /// SCTP packets in tunnels that were not looked into.
    pub(crate) tunnelled: Vec<(TunnelKind, u64)>,
}

impl Analysis {
    pub(crate) fn new(options: Options, mut detector: Config) -> Self {
        // Which side the capture was made on is not known.
        detector.vantage = Vantage::Gateway;
        let patience = Patience::of(&detector);
        Self {
            unwrapper: Unwrapper::new(options.parse, options.decapsulate),
            duplicates: Duplicates::default(),
            table: MemoryTable::new().with_max_flows(options.max_flows),
            ledger: Ledger::new(options.max_flows, options.with_series),
            engine: Engine::new(detector, Duration::from_nanos(1)),
            clock: CaptureClock::default(),
            swept_at: Timestamp::default(),
            sweep_at: None,
            now: Timestamp::default(),
            due: Vec::new(),
            looks: Vec::new(),
            patience,
            seen: Seen::default(),
            options,
        }
    }

    /// Takes the next record.
    ///
    /// # Errors
    /// The audience's.
    pub(crate) fn handle_record(
        &mut self,
        record: &Record<'_>,
        audience: &mut impl Audience,
    ) -> std::io::Result<()> {
        self.seen.records += 1;
        self.seen.bytes += record.bytes.len() as u64;
        self.seen.first_ns = Some(
            self.seen
                .first_ns
                .map_or(record.time_ns, |first| first.min(record.time_ns)),
        );
        self.seen.last_ns = self.seen.last_ns.max(record.time_ns);
        let now = self.clock.advance(record.time_ns);
        if now > self.now {
            self.make_up_for(now, audience)?;
            self.now = now;
            self.table.set_now(now.as_nanos());
        }
        match self.unwrapper.look(record) {
            Look::Sctp(layers) => self.on_sctp(&layers, record.time_ns),
            Look::Icmp(inner, network) => match icmp::parse(&inner.frame(), network, self.options.parse) {
                Ok(error) => track_icmp_error(&error, &mut self.table),
                Err(Pass::Counted(counter)) => self.table.count(counter),
                Err(_) => {}
            },
            Look::Counted(counter) => self.table.count(counter),
            Look::Tunnelled(kind) => match self.seen.tunnelled.iter_mut().find(|(known, _)| *known == kind) {
                Some((_, packets)) => *packets += 1,
                None => self.seen.tunnelled.push((kind, 1)),
            },
            Look::Fragment | Look::Other => {}
        }
        if self.table.is_urgent() {
            return self.sweep(now, audience);
        }
        let sweep_at = (self.swept_at + SWEEP).max(now);
        if self.sweep_at.is_none_or(|at| at > sweep_at) {
            self.sweep_at = Some(sweep_at);
        }
        Ok(())
    }

    fn on_sctp(&mut self, layers: &Layers<'_>, time_ns: u64) {
        self.seen.sctp_packets += 1;
        let packet = &layers.packet;
        let key = FlowKey {
            src: packet.src,
            dst: packet.dst,
            src_port: packet.src_port,
            dst_port: packet.dst_port,
        };
        let frame = layers.inner.frame();
        let identity = Identity {
            addresses: [packet.src, packet.dst],
            identification: layers.identification,
            total_length: layers.total_length,
            checksum: frame.read_u32(packet.at + CHECKSUM_AT).unwrap_or(0),
            tag: packet.tag,
        };
        let is_duplicate = self.duplicates.is_repeated(&identity, time_ns);
        if is_duplicate {
            self.seen.capture_duplicates += 1;
        } else {
            track(&frame, packet, Interface::ingress(0), usize::MAX, &mut self.table);
        }
        let slot = self.table.find(&key);
        self.ledger.record(slot, &key, layers, is_duplicate, time_ns);
    }

    /// What the agent would have done until `now`.
    fn make_up_for(&mut self, now: Timestamp, audience: &mut impl Audience) -> std::io::Result<()> {
        let patience = self.now + LONGEST_GAP;
        while let Some(at) = self.sweep_at.filter(|at| *at <= now && *at <= patience) {
            self.sweep(at, audience)?;
        }
        if now > patience && self.sweep_at.is_some() {
            self.sweep(now, audience)?;
        }
        Ok(())
    }

    /// Looks at what is due.
    fn sweep(&mut self, now: Timestamp, audience: &mut impl Audience) -> std::io::Result<()> {
        self.swept_at = now;
        while let Some(bytes) = self.table.pop_record() {
            if let Ok(record) = RingRecord::parse(&bytes) {
                self.engine.handle_ring(&record);
            }
        }
        self.take_touched();
        let any_overdue = self.engine.poll_timeout().is_some_and(|at| at <= now);
        let mut due = std::mem::take(&mut self.due);
        due.retain(|slot| {
            let Some(record) = self.table.records().get(*slot as usize) else {
                return false;
            };
            let looked = &mut self.looks[*slot as usize];
            let deadline = || self.engine.deadline_of(*slot);
            let is_overdue = any_overdue && deadline().is_some_and(|deadline| deadline <= now);
            if !looked.is_ripe(record, self.patience, is_overdue, now) {
                return true;
            }
            self.engine.handle_record(*slot, record, now);
            *looked = looked.after(record, self.patience, now);
            looked.is_due
        });
        self.due = due;
        self.engine.handle_timeout(now);
        self.carry_out(audience)?;
        let sweep = (!self.due.is_empty()).then(|| now + SWEEP);
        let deadline = self.engine.poll_timeout().map(|at| at.max(now + GRAIN));
        self.sweep_at = [sweep, deadline].into_iter().flatten().min();
        Ok(())
    }

    fn take_touched(&mut self) {
        self.looks.resize(self.table.records().len(), Looked::default());
        let known = self.due.len();
        self.table.take_touched(&mut self.due);
        let mut kept = known;
        for at in known..self.due.len() {
            let slot = self.due[at];
            let looked = &mut self.looks[slot as usize];
            if !looked.is_due {
                looked.is_due = true;
                self.due[kept] = slot;
                kept += 1;
            }
        }
        self.due.truncate(kept);
    }

    fn carry_out(&mut self, audience: &mut impl Audience) -> std::io::Result<()> {
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Event(event) => {
                    let clock = self.clock.wall();
                    audience.on_event(&event.dated(&clock), &self.engine, &clock)?;
                }
                Output::Link {
                    slot,
                    data_slot,
                    reverse_slot,
                    sibling_slot,
                } => self.table.link(slot, data_slot, reverse_slot, sibling_slot),
                Output::SetTag { slot, tag } => self.table.set_tag(slot, tag),
                Output::Release { slot, key } => {
                    if let Some(record) = self.table.records().get(slot as usize) {
                        self.ledger.absorb(record);
                    }
                    self.table.forget(&key);
                    self.table.release(slot);
                    self.ledger.release(slot);
                    if let Some(looked) = self.looks.get_mut(slot as usize) {
                        looked.at = None;
                    }
                }
            }
        }
        Ok(())
    }

    /// Behind the last record.
    ///
    /// # Errors
    /// The audience's.
    pub(crate) fn finish(&mut self, audience: &mut impl Audience) -> std::io::Result<()> {
        for looked in &mut self.looks {
            looked.at = None;
        }
        self.sweep(self.now, audience)?;
        for record in self.table.records().iter().filter(|record| record.packets > 0) {
            self.ledger.absorb(record);
        }
        Ok(())
    }

    /// For the time of day.
    pub(crate) fn clock(&self) -> WallClock {
        self.clock.wall()
    }

    /// What was not understood or not kept, by name.
    pub(crate) fn counters(&self) -> Vec<(String, u64)> {
        let of_packets = Counter::ALL
            .iter()
            .map(|counter| (counter.name().to_owned(), self.table.counters().value(*counter)));
        let of_capture = [
            ("captured_twice", self.seen.capture_duplicates),
            ("fragmented_incomplete", self.unwrapper.incomplete_datagrams()),
            ("records_late", self.clock.late),
            ("clock_set_back", self.clock.set_back),
            ("packets_beyond_max_flows", self.ledger.packets_left_out),
        ];
        of_packets
            .chain(of_capture.map(|(name, value)| (name.to_owned(), value)))
            .filter(|(_, value)| *value > 0)
            .collect()
    }
}

/// The checksum's place in the common header (RFC 9260 section 3.1).
const CHECKSUM_AT: usize = 8;
/// How often a flow is looked at that goes on as it did.
const BUSY: Duration = Duration::from_millis(500);
/// How often the agent wakes up at the most.
const GRAIN: Duration = Duration::from_millis(1);
/// A capture that shows nothing for longer was interrupted, or is of a host that was off. What five minutes of silence
/// bring about is known by then.
const LONGEST_GAP: Duration = Duration::from_secs(300);
