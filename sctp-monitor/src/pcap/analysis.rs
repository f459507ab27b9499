//! A capture, packet by packet, through the same tracker and the same engine that live packets go through.
//!
//! Where the agent takes its turns as time passes, the capture's clock stands still between two packets; so those that were due
//! meanwhile are made up for before the next packet is looked at.

use std::{borrow::Borrow, convert::Infallible, time::Duration};

use sctp_monitor_capture::{
    Layers, Look, Record, Unwrapper, checksum,
    duplicates::{Duplicates, Identity},
    tunnel::TunnelKind,
};
use sctp_monitor_common::{
    abi::{Counter, FlowKey, FlowLinks, FlowRecord, Interface, RingRecord},
    memory::MemoryTable,
    track::{self, FlowTable as _, dispatch},
    wire::{Frame, LinkType, ParseOptions, Pass, ReadPacket, SctpPacket},
};
use sctp_monitor_engine::{
    Engine, Session,
    config::{Config, Vantage},
    model::{Event, Timestamp, WallClock},
    session::{FlowStore, News, Pace},
};

use super::{clock::CaptureClock, ledger::Ledger};

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
    /// Takes a dated event, with the engine as it is just after it and the clock that dates it.
    fn on_event(&mut self, event: &Event, engine: &Engine, clock: &WallClock) -> std::io::Result<()>;
}

/// The state of the analysis.
pub(crate) struct Analysis {
    options: Options,
    unwrapper: Unwrapper,
    duplicates: Duplicates,
    table: MemoryTable,
    pub(crate) ledger: Ledger,
    session: Session,
    clock: CaptureClock,
    now: Timestamp,
    pub(crate) seen: Seen,
}

/// The flow table of a capture. The ledger keeps what the tracker knew of a flow that is forgotten.
struct Flows<'a> {
    table: &'a mut MemoryTable,
    ledger: &'a mut Ledger,
}

impl FlowStore for Flows<'_> {
    type Error = Infallible;

    fn take_ring(&mut self, take: impl FnMut(&RingRecord<'_>)) {
        self.table.take_ring(take);
    }

    fn news(&self) -> News {
        self.table.news()
    }

    fn take_changed(&mut self, changed: &mut Vec<u32>) {
        self.table.take_changed(changed);
    }

    fn record(&self, slot: u32) -> Option<impl Borrow<FlowRecord>> {
        FlowStore::record(&*self.table, slot)
    }

    fn link(&mut self, slot: u32, links: &FlowLinks) {
        // From the next packet on the record is another association's.
        if let Some(record) = self.table.records().get(slot as usize)
            && record.is_outdated(links)
        {
            self.ledger.absorb(record);
        }
        self.table.link(slot, links);
    }

    fn release(&mut self, slot: u32, key: &FlowKey, now: Timestamp) -> Result<(), Infallible> {
        if let Some(record) = self.table.records().get(slot as usize) {
            self.ledger.absorb(record);
        }
        self.ledger.release(slot);
        FlowStore::release(self.table, slot, key, now)
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
        // What is in a capture is shown, answered or not.
        detector.unanswered = true;
        detector.may_lack_packets = true;
        Self {
            unwrapper: Unwrapper::new(options.parse, options.decapsulate),
            duplicates: Duplicates::default(),
            table: MemoryTable::new().with_max_flows(options.max_flows),
            ledger: Ledger::new(options.max_flows, options.with_series),
            session: Session::new(detector, Duration::from_nanos(1), Pace::REPLAY),
            clock: CaptureClock::default(),
            now: Timestamp::default(),
            seen: Seen::default(),
            options,
        }
    }

    /// Takes the next record.
    ///
    /// # Errors
    /// Errors of the audience.
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
            Look::Icmp(inner, network) => self.track(&inner.frame(), Err(Pass::Icmp(network))),
            Look::Unparsed(reason) => self.track(&Frame(record.bytes), Err(Pass::Unparsed(reason))),
            Look::Tunnelled(kind) => match self.seen.tunnelled.iter_mut().find(|(known, _)| *known == kind) {
                Some((_, packets)) => *packets += 1,
                None => self.seen.tunnelled.push((kind, 1)),
            },
            Look::Fragment | Look::Other => {}
        }
        if self.table.news() == News::Urgent {
            return self.turn(now, audience);
        }
        Ok(())
    }

    fn on_sctp(&mut self, layers: &Layers<'_>, time_ns: u64) {
        self.seen.sctp_packets += 1;
        let packet = &layers.packet;
        let key = FlowKey::from(packet);
        let frame = layers.inner.frame();
        let is_duplicate = self.duplicates.is_repeated(&Identity::new(layers), time_ns);
        if is_duplicate {
            self.seen.capture_duplicates += 1;
        } else {
            self.track(&frame, Ok(*packet));
            if let Some(is_right) = checksum::is_right(layers) {
                self.session.handle_checksum(&key, packet.tag, is_right, self.now);
            }
        }
        let slot = self.table.find(&key);
        self.ledger.record(slot, &key, layers, is_duplicate, time_ns);
    }

    fn track(&mut self, frame: &impl ReadPacket, parsed: Result<SctpPacket, Pass>) {
        let options = track::Options {
            // Nothing is parsed here that begins with a link header.
            link: LinkType::RawIp,
            parse: self.options.parse,
            max_chunks: usize::MAX,
        };
        dispatch(frame, parsed, Interface::ingress(0), &options, &mut self.table);
    }

    /// What is known of the associations.
    pub(crate) fn engine(&self) -> &Engine {
        self.session.engine()
    }

    /// What the agent would have done until `now`.
    fn make_up_for(&mut self, now: Timestamp, audience: &mut impl Audience) -> std::io::Result<()> {
        let patience = self.now + LONGEST_GAP;
        while let Some(at) = self.session.next_turn(&self.table, self.now) {
            if at > now.min(patience) {
                break;
            }
            self.turn(at, audience)?;
        }
        if now > patience && self.session.next_turn(&self.table, self.now).is_some() {
            self.turn(now, audience)?;
        }
        Ok(())
    }

    fn turn(&mut self, now: Timestamp, audience: &mut impl Audience) -> std::io::Result<()> {
        let mut flows = Flows {
            table: &mut self.table,
            ledger: &mut self.ledger,
        };
        let Ok(()) = self.session.turn(&mut flows, now);
        self.tell(audience)
    }

    fn tell(&mut self, audience: &mut impl Audience) -> std::io::Result<()> {
        let clock = self.clock.wall();
        while let Some(event) = self.session.poll_event() {
            audience.on_event(&event.dated(&clock), self.session.engine(), &clock)?;
        }
        Ok(())
    }

    /// After the last record.
    ///
    /// # Errors
    /// Errors of the audience.
    pub(crate) fn finish(&mut self, audience: &mut impl Audience) -> std::io::Result<()> {
        let mut flows = Flows {
            table: &mut self.table,
            ledger: &mut self.ledger,
        };
        let Ok(()) = self.session.finish(&mut flows, self.now);
        self.tell(audience)?;
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
        let of_packets = Counter::ALL.iter().map(|counter| {
            let explained = match counter {
                Counter::TagMismatch => self.engine().explained_mismatches(),
                _ => 0,
            };
            let value = self.table.counters().value(*counter).saturating_sub(explained);
            (counter.name().to_owned(), value)
        });
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

/// A capture that shows nothing for longer was interrupted, or is of a host that was off. What five minutes of silence
/// bring about is known by then.
const LONGEST_GAP: Duration = Duration::from_secs(300);
