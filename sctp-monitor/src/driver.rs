//! The one loop: what the programs saw goes into the engine, what the engine decides goes out.
//!
//! Nothing blocks here and nothing is decided here: what is to be reported is handed to the writers' queues, and whether a
//! writer hangs or fails is never seen in the loop. The ring buffer wakes the loop for what is urgent; a sweep over
//! the flow records every [`SWEEP`] finds the rest.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context as _, bail};
use sctp_monitor_common::abi::{Counter, Counters, RingRecord};
use sctp_monitor_engine::{
    Engine, NicState, Output,
    model::{Snapshot, Timestamp, WallClock},
};
use tokio::{
    signal::unix::{SignalKind, signal},
    time::{MissedTickBehavior, interval},
};
use tracing::{debug, warn};

use crate::{
    clock::Clock,
    kernel::{Attachment, HookChoice, Kernel},
    lag::LagGauge,
    log::Log,
    nic::{NicChange, NicWatch},
    pressure::PressureGauge,
    report::{FlowTable, Interface, Line, NoticeKind, Summary, WriterStatus, Writers},
    slots::Slots,
};

/// How often the flow records are swept. A failure is noticed one sweep late on average; a sweep over 16,384 unchanged
/// records takes some 50 us.
pub const SWEEP: Duration = Duration::from_millis(20);

/// Whoever did not sweep for so long stood still: a busy machine delays a sweep by one or two.
const STALL: Duration = Duration::from_millis(80);

/// The least time between two sweeps that ring records ask for.
const BREATH: Duration = Duration::from_millis(2);

/// What to watch, and how.
#[derive(Debug, Clone)]
pub struct Watch {
    /// The hook on each NIC.
    pub hook: HookChoice,
    /// Whether the host's own packets are watched too.
    pub egress: bool,
    /// Stop after this time.
    pub duration: Option<Duration>,
}

/// The loop's state.
pub struct Driver {
    kernel: Kernel,
    engine: Engine,
    watch: Watch,
    attachments: BTreeMap<u32, Attachment>,
    /// NICs that went away, by name: they are watched again if they come back.
    lost: Vec<String>,
    slots: Slots,
    reports: Writers,
    log: Log,
    clock: WallClock,
    lag: LagGauge,
    ring_records_lost: u64,
    pressure: PressureGauge,
    swept_at: Option<Timestamp>,
    /// Ring records were taken that no sweep has acted on yet.
    ring_drained: bool,
}

impl Driver {
    /// A driver that is attached to nothing yet.
    ///
    /// # Errors
    /// If the clocks cannot be read.
    pub fn new(
        kernel: Kernel,
        engine: Engine,
        watch: Watch,
        reports: Writers,
        log: Log,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            kernel,
            engine,
            watch,
            attachments: BTreeMap::new(),
            lost: Vec::new(),
            slots: Slots::new(),
            reports,
            log,
            clock: Clock::read()?,
            lag: LagGauge::default(),
            ring_records_lost: 0,
            pressure: PressureGauge::default(),
            swept_at: None,
            ring_drained: false,
        })
    }

    /// Attaches to the NICs and runs until SIGINT, SIGTERM, the end of the duration, or until nobody is left who reads a
    /// report; then takes the programs off and reports the summary.
    ///
    /// # Errors
    /// If a NIC cannot be watched, or a map fails.
    pub async fn run(mut self, interfaces: &[String]) -> anyhow::Result<()> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut nics = NicWatch::start().context("no netlink socket to watch the interfaces")?;
        let known = nics
            .all()
            .await
            .context("the kernel did not list the interfaces")?;
        for interface in interfaces {
            if known.values().any(|nic| nic.name == *interface && !nic.ethernet) {
                bail!(
                    "{interface} has no Ethernet header in front of its packets, and only Ethernet can be watched yet"
                );
            }
            self.attach(interface)?;
        }
        for nic in known.into_values() {
            self.on_nic(&nic)?;
        }
        let ring = self.kernel.ring_signal()?;
        let mut sweep = interval(SWEEP);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut refresh = interval(Duration::from_secs(1));
        refresh.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let end = self.watch.duration;
        let ended = async {
            match end {
                Some(duration) => tokio::time::sleep(duration).await,
                None => std::future::pending().await,
            }
        };
        tokio::pin!(ended);
        loop {
            // Between two sweeps an answer may become overdue.
            let now = Clock::now()?;
            let mut until_overdue = self.engine.poll_timeout().map_or(SWEEP, |at| at.since(now));
            if self.ring_drained {
                until_overdue = until_overdue.min(self.until_next_sweep(now));
            }
            tokio::select! {
                _ = sweep.tick() => self.turn()?,
                () = tokio::time::sleep(until_overdue), if until_overdue < SWEEP => self.turn()?,
                ready = ring.readable() => {
                    self.drain_ring();
                    ready?.clear_ready();
                    self.ring_drained = true;
                    if self.until_next_sweep(Clock::now()?).is_zero() {
                        self.turn()?;
                    }
                }
                change = nics.next() => match change {
                    Some(change) => self.on_nic(&change)?,
                    None => bail!("the kernel closed the netlink socket"),
                },
                _ = refresh.tick() => self.refresh()?,
                () = self.reports.all_gone() => break,
                () = &mut ended => break,
                _ = interrupt.recv() => break,
                _ = terminate.recv() => break,
            }
        }
        drop(ring);
        self.stop()
    }

    /// Attaches to a NIC and says how.
    fn attach(&mut self, interface: &str) -> anyhow::Result<()> {
        let attachment = self
            .kernel
            .attach(interface, self.watch.hook, self.watch.egress)?;
        let now = Clock::now()?;
        let watching = NoticeKind::WatchStarted {
            interface: attachment.interface().to_owned(),
            hook: attachment.hook().to_string(),
            reason: attachment.why().to_owned(),
            egress: attachment.sees_egress(),
        };
        self.notice(watching, now);
        self.attachments.insert(attachment.if_index(), attachment);
        Ok(())
    }

    /// How long a ring record may still wait for the sweep that acts on it: each new flow of a flood wakes the loop up.
    fn until_next_sweep(&self, now: Timestamp) -> Duration {
        self.swept_at
            .map_or(Duration::ZERO, |last| BREATH.saturating_sub(now.since(last)))
    }

    /// A sweep, with its time taken.
    fn turn(&mut self) -> anyhow::Result<()> {
        let began = Clock::now()?;
        let due = self.swept_at.map_or(began, |last| last + SWEEP);
        self.sweep()?;
        self.lag.on_turn(due, began, Clock::now()?);
        Ok(())
    }

    /// Everything that the programs saw until now.
    fn sweep(&mut self) -> anyhow::Result<()> {
        self.drain_ring();
        self.ring_drained = false;
        let now = Clock::now()?;
        if self.swept_at.is_some_and(|last| now.since(last) > STALL) {
            self.engine.handle_stall(now);
        }
        self.swept_at = Some(now);
        let records = self.kernel.records();
        let engine = &self.engine;
        let changed: Vec<_> = self
            .slots
            .changed(|slot| records.packets(slot), |slot| engine.awaits(slot))
            .collect();
        for slot in changed {
            if let Some(record) = self.kernel.record(slot) {
                self.engine.handle_record(slot, &record, now);
                self.slots.looked(slot, record.packets, record.waits_for_answer());
            }
        }
        self.engine.handle_timeout(now);
        self.carry_out(now)?;
        while let Some(slot) = self.slots.poll_free(now) {
            self.kernel.offer_slot(slot)?;
        }
        Ok(())
    }

    fn drain_ring(&mut self) {
        let Self {
            kernel,
            engine,
            slots,
            ..
        } = self;
        while kernel.with_ring_record(|bytes| match RingRecord::parse(bytes) {
            Ok(record) => {
                if let RingRecord::FlowOpened(opened) = &record {
                    slots.take(opened.header.slot);
                }
                engine.handle_ring(&record);
            }
            Err(error) => warn!("{error}"),
        }) {}
    }

    /// Does what the engine wants done.
    fn carry_out(&mut self, now: Timestamp) -> anyhow::Result<()> {
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Event(event) => self.reports.event(Line::Event(event.dated(&self.clock))),
                Output::Link {
                    slot,
                    data_slot,
                    reverse_slot,
                    sibling_slot,
                } => self.kernel.link(slot, data_slot, reverse_slot, sibling_slot),
                Output::SetTag { slot, tag } => self.kernel.set_tag(slot, tag),
                Output::Release { slot, key } => {
                    self.kernel.forget(&key)?;
                    self.slots.release(slot, now);
                }
            }
        }
        Ok(())
    }

    fn on_nic(&mut self, change: &NicChange) -> anyhow::Result<()> {
        let now = Clock::now()?;
        debug!(interface = change.name, state = ?change.state, "interface");
        self.engine
            .handle_nic(change.if_index, &change.name, change.state, now);
        let watched = self.attachments.contains_key(&change.if_index);
        if watched {
            let interface = change.name.clone();
            let state = change.state;
            self.notice(NoticeKind::InterfaceStateChanged { interface, state }, now);
        }
        if watched && change.state == NicState::Gone {
            self.on_gone(change, now);
        } else if !watched && change.state != NicState::Gone && self.lost.contains(&change.name) {
            self.on_back(change, now);
        }
        self.carry_out(now)
    }

    /// A NIC that vanishes ends its own watch only.
    fn on_gone(&mut self, change: &NicChange, now: Timestamp) {
        self.attachments.remove(&change.if_index);
        self.lost.push(change.name.clone());
        let reason = "the interface is gone; it is watched again if it comes back".to_owned();
        let interface = change.name.clone();
        self.notice(NoticeKind::WatchEnded { interface, reason }, now);
    }

    fn on_back(&mut self, change: &NicChange, now: Timestamp) {
        self.lost.retain(|name| *name != change.name);
        if let Err(error) = self.attach(&change.name) {
            let interface = change.name.clone();
            let reason = format!("it came back, but {error:#}");
            self.notice(NoticeKind::WatchEnded { interface, reason }, now);
        }
    }

    fn refresh(&mut self) -> anyhow::Result<()> {
        self.clock = Clock::read()?;
        let counters = self.kernel.counters()?;
        self.find_lost(&counters);
        let now = Clock::now()?;
        let flows = (self.slots.in_use(), self.kernel.max_flows());
        if let Some(pressure) = self.pressure.read(&counters, flows, now) {
            self.notice(NoticeKind::pressure(pressure), now);
        }
        if let Some(behind) = self.lag.poll(now) {
            self.notice(NoticeKind::behind(behind, self.clock), now);
        }
        self.reports.tell_losses(now);
        if self.reports.wants_snapshot(now) {
            let is_empty = self.engine.associations().next().is_none();
            // The engine's own figures are new enough for those who look every second; only the summary reads all records.
            let known = self.engine.snapshot(now, |_| None);
            let summary = self.summary(known, &counters, self.watched());
            self.reports.show(summary, is_empty, now);
        }
        Ok(())
    }

    /// Flows whose ring record was lost.
    fn find_lost(&mut self, counters: &Counters) {
        let lost = counters.value(Counter::RingFull);
        if lost != self.ring_records_lost {
            warn!(
                records = lost - self.ring_records_lost,
                "ring buffer full; the flow records still tell"
            );
            self.ring_records_lost = lost;
            for slot in 0..self.kernel.max_flows() {
                if self.slots.is_free(slot) && self.kernel.records().packets(slot) > 0 {
                    debug!(slot, "flow found without its ring record");
                    self.slots.take(slot);
                }
            }
        }
    }

    /// Takes the programs off before anything waits for a writer.
    fn stop(mut self) -> anyhow::Result<()> {
        let counters = self.kernel.counters()?;
        self.find_lost(&counters);
        self.sweep()?;
        let watched = self.watched();
        let now = Clock::now()?;
        let counters = self.kernel.counters()?;
        self.attachments.clear();
        debug!(
            interfaces = %watched.iter().map(|watched| watched.interface.as_str()).collect::<Vec<_>>().join(","),
            "detached"
        );
        self.reports.settle();
        let kernel = &self.kernel;
        let known = self.engine.snapshot(now, |slot| kernel.record(slot));
        let summary = self.summary(known, &counters, watched);
        self.reports.finish(summary);
        Ok(())
    }

    fn notice(&self, notice: NoticeKind, time: Timestamp) {
        self.reports.event(notice.at(self.clock.date(time)));
    }

    fn watched(&self) -> Vec<Interface> {
        let interface = |watched: &Attachment| Interface {
            interface: watched.interface().to_owned(),
            hook: watched.hook().to_string(),
        };
        self.attachments.values().map(interface).collect()
    }

    /// How things are, dated.
    fn summary(&self, known: Snapshot, counters: &Counters, interfaces: Vec<Interface>) -> Summary {
        let counted = counters.iter().filter(|(_, value)| *value > 0);
        let statuses = self.reports.statuses();
        Summary {
            snapshot: known.dated(&self.clock),
            interfaces,
            flows: FlowTable {
                slots: self.kernel.max_flows(),
                in_use: self.slots.in_use(),
                opened: self.slots.opened(),
            },
            counters: counted
                .map(|(counter, value)| (counter.name().to_owned(), value))
                .collect(),
            reports: statuses
                .map(|(name, status)| WriterStatus::new(name, status))
                .collect(),
            lag: self.lag.lag(),
            log_lines_lost: self.log.status().lost,
        }
    }
}
