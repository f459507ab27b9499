//! The monitor: tracker, flow records and engine, run as the agent runs them.

use std::time::Duration;

use sctp_monitor_common::{
    abi::{Interface, RingRecord},
    memory::MemoryTable,
    track::{MAX_CHUNKS, Options, observe},
    wire::{Frame, LinkType, ParseOptions},
};
use sctp_monitor_engine::{
    Engine,
    config::{Config, Vantage},
    model::{Broken, Event, EventKind, Evidence, Object, PathDown, PathId, PathState, Timestamp},
};

use super::{
    dice::Dice,
    outputs::carry_out,
    packet::{Packet, Side},
};

/// The agent's sweep, and the tick of its programs' coarse clock (a jiffy at HZ=250).
const SWEEP: Duration = Duration::from_millis(20);
const TICK: Duration = Duration::from_millis(4);
/// How often the agent looks for flows whose ring record was lost.
const REFRESH: Duration = Duration::from_secs(1);
const TIMER_GRAIN: Duration = Duration::from_millis(1);

/// Which packets the monitor sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Capture {
    Both,
    SentOnly,
    ReceivedOnly,
}

/// A path changed its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) at: Timestamp,
    pub(crate) path: PathId,
    pub(crate) to: PathState,
}

#[derive(Debug)]
pub(crate) struct Monitor {
    table: MemoryTable,
    engine: Engine,
    vantage: Vantage,
    capture: Capture,
    /// Ring records that are lost, each by itself.
    ring_loss: f64,
    dice: Dice,
    slots: Vec<Slot>,
    /// When the first sweep was: the others follow at whole intervals.
    began_at: Timestamp,
    /// The sweep that has something to look at.
    sweep_at: Option<Timestamp>,
    refresh_at: Option<Timestamp>,
    woke_at: Timestamp,
    changes: Vec<Change>,
    directions: Vec<(PathId, Broken)>,
    frame: Vec<u8>,
}

/// What the agent knows of a slot. It skips those that did not change and wait for nothing.
#[derive(Debug, Clone, Copy)]
enum Slot {
    /// Its ring record has not been seen.
    Unannounced,
    Used {
        packets: u64,
        waiting: bool,
    },
    Released,
}

impl Monitor {
    pub(crate) fn new(
        vantage: Vantage,
        capture: Capture,
        ring_loss: f64,
        now: Timestamp,
        mut dice: Dice,
    ) -> Self {
        let config = Config {
            vantage,
            ..Config::default()
        };
        let began_at = now + dice.between(Duration::ZERO, SWEEP);
        Self {
            table: MemoryTable::new().with_tick(TICK),
            engine: Engine::new(config, TICK),
            vantage,
            capture,
            ring_loss,
            dice,
            slots: Vec::new(),
            began_at,
            sweep_at: None,
            refresh_at: None,
            woke_at: now,
            changes: Vec::new(),
            directions: Vec::new(),
            frame: Vec::new(),
        }
    }

    pub(crate) fn vantage(&self) -> Vantage {
        self.vantage
    }

    /// The programs see a packet.
    pub(crate) fn handle_packet(&mut self, packet: &Packet, now: Timestamp) {
        let mut frame = std::mem::take(&mut self.frame);
        packet.write(&mut frame);
        self.handle_frame(packet.from, packet.path, &frame, now);
        self.frame = frame;
    }

    pub(crate) fn handle_frame(&mut self, from: Side, path: usize, frame: &[u8], now: Timestamp) {
        let nic = u32::try_from(path + 1).expect("a few paths");
        let unseen = match self.capture {
            Capture::Both => None,
            Capture::SentOnly => Some(Side::Remote),
            Capture::ReceivedOnly => Some(Side::Local),
        };
        if unseen == Some(from) {
            return;
        }
        let interface = match (self.vantage, from) {
            (Vantage::Endpoint, Side::Local) => Interface::egress(nic),
            (_, Side::Remote) => Interface::ingress(nic),
            // A gateway has a NIC on each side, and sees what arrives there.
            (Vantage::Gateway, Side::Local) => Interface::ingress(nic + 100),
        };
        let options = Options {
            link: LinkType::Ethernet,
            parse: ParseOptions::default(),
            max_chunks: MAX_CHUNKS,
        };
        self.table.set_now(now.as_nanos());
        observe(&Frame(frame), interface, &options, &mut self.table);
        if self.sweep_at.is_none() {
            self.sweep_at = Some(self.sweep_from(now));
        }
    }

    /// When the agent wakes up next, if nobody keeps it from it.
    pub(crate) fn poll_timeout(&self) -> Timestamp {
        let engine_at = self.engine.poll_timeout().unwrap_or(self.began_at);
        // The runtime's timers count whole milliseconds.
        [
            Some(engine_at.max(self.woke_at + TIMER_GRAIN)),
            self.sweep_at,
            self.refresh_at,
        ]
        .into_iter()
        .flatten()
        .min()
        .unwrap_or(engine_at)
    }

    /// The agent stood still until now, and its loop notices: a stall that it would not notice is not simulated.
    pub(crate) fn handle_stall(&mut self, now: Timestamp) {
        self.engine.handle_stall(now);
        self.handle_timeout(now);
    }

    /// What the agent's loop does when it wakes up.
    pub(crate) fn handle_timeout(&mut self, now: Timestamp) {
        self.woke_at = now;
        self.drain_ring(now);
        if self.refresh_at.is_some_and(|at| at <= now) {
            self.refresh_at = None;
            self.announce(self.table.records().len());
        }
        let mut waiting = false;
        for (slot, record) in (0_u32..).zip(self.table.records()) {
            let Some(Slot::Used {
                packets,
                waiting: waits,
            }) = self.slots.get_mut(slot as usize)
            else {
                continue;
            };
            if *waits || *packets != record.packets {
                self.engine.handle_record(slot, record, now);
                *packets = record.packets;
                *waits = record.waits_for_answer();
            }
            waiting |= *waits;
        }
        self.engine.handle_timeout(now);
        while let Some(output) = self.engine.poll_output() {
            let released = |slot: u32| self.slots[slot as usize] = Slot::Released;
            if let Some(event) = carry_out(output, &mut self.table, released) {
                self.changes.extend(change(&event));
                self.directions.extend(direction(&event));
            }
        }
        self.sweep_at = waiting.then(|| self.sweep_from(now + Duration::from_nanos(1)));
    }

    /// The state changes since the last call.
    pub(crate) fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    /// What was said of the directions in which paths are broken since the last call.
    pub(crate) fn take_directions(&mut self) -> Vec<(PathId, Broken)> {
        std::mem::take(&mut self.directions)
    }

    fn drain_ring(&mut self, now: Timestamp) {
        while let Some(bytes) = self.table.pop_record() {
            if self.dice.chance(self.ring_loss) {
                self.refresh_at.get_or_insert(now + REFRESH);
                continue;
            }
            let record = RingRecord::parse(&bytes).expect("the tracker's own record");
            if let RingRecord::FlowOpened(opened) = &record {
                let slot = opened.header.slot as usize;
                self.slots
                    .resize(self.slots.len().max(slot + 1), Slot::Unannounced);
                self.slots[slot] = NEW;
            }
            self.engine.handle_ring(&record);
        }
    }

    /// Flows whose ring record was lost.
    fn announce(&mut self, count: usize) {
        self.slots.resize(count, Slot::Unannounced);
        for slot in &mut self.slots {
            if matches!(slot, Slot::Unannounced) {
                *slot = NEW;
            }
        }
    }

    /// The first sweep at or after this time.
    fn sweep_from(&self, time: Timestamp) -> Timestamp {
        let since = time.since(self.began_at).as_nanos();
        let sweeps = since.div_ceil(SWEEP.as_nanos());
        self.began_at + SWEEP * u32::try_from(sweeps).expect("less than two years")
    }
}

const NEW: Slot = Slot::Used {
    packets: 0,
    waiting: false,
};

fn direction(event: &Event) -> Option<(PathId, Broken)> {
    let EventKind::Finding { finding, .. } = &event.kind else {
        return None;
    };
    match (finding.object, &finding.evidence) {
        (Object::Path(path), Evidence::PathDown(PathDown { broken, .. })) => Some((path, *broken)),
        _ => None,
    }
}

fn change(event: &Event) -> Option<Change> {
    match event.kind {
        EventKind::PathStateChanged { path, to, .. } => Some(Change {
            at: event.time,
            path,
            to,
        }),
        _ => None,
    }
}
