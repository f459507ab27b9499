//! The one loop: what the programs saw goes into the engine, what the engine decides goes out.
//!
//! Nothing blocks here and nothing is decided here: what is to be reported is handed to the writers' queues, and whether a
//! writer hangs or fails is never seen in the loop. The ring buffer wakes the loop for what is urgent; the session says when
//! its next turn is due.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use anyhow::{Context as _, bail};
use sctp_monitor_common::abi::{Counter, Counters};
use sctp_monitor_engine::{
    NicState, Session,
    model::{AssociationView, EndReason, Event, EventKind, Snapshot, Timestamp, WallClock},
    session::Pace,
};
use tokio::{
    signal::unix::{SignalKind, signal},
    time::{MissedTickBehavior, interval},
};
use tracing::{debug, warn};

use crate::{
    clock::Clock,
    flows::KernelFlows,
    kernel::{Attachment, HookChoice, Kernel},
    lag::LagGauge,
    log::Log,
    nic::{NicChange, NicWatch},
    pressure::PressureGauge,
    report::{FlowTable, Interface, Line, NoticeKind, Summary, WriterStatus, Writers},
};

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
    flows: KernelFlows,
    session: Session,
    watch: Watch,
    attachments: BTreeMap<u32, Attachment>,
    /// NICs that went away, by name: they are watched again if they come back.
    lost: Vec<String>,
    reports: Writers,
    log: Log,
    clock: WallClock,
    lag: LagGauge,
    turned_at: Option<Timestamp>,
    associations_ended: u64,
    /// Those that ended last, as they were then.
    ended: VecDeque<AssociationView>,
    nic_states: BTreeMap<u32, NicState>,
    ring_records_lost: u64,
    pressure: PressureGauge,
}

impl Driver {
    /// A driver that is attached to nothing yet.
    ///
    /// # Errors
    /// If the clocks cannot be read.
    pub fn new(
        kernel: Kernel,
        session: Session,
        watch: Watch,
        reports: Writers,
        log: Log,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            flows: KernelFlows::new(kernel),
            session,
            watch,
            attachments: BTreeMap::new(),
            lost: Vec::new(),
            reports,
            log,
            clock: Clock::read()?,
            lag: LagGauge::default(),
            turned_at: None,
            associations_ended: 0,
            ended: VecDeque::new(),
            nic_states: BTreeMap::new(),
            ring_records_lost: 0,
            pressure: PressureGauge::default(),
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
        let mut nics = NicWatch::start().context("cannot open a netlink socket to watch the interfaces")?;
        let known = nics
            .all()
            .await
            .context("the kernel did not list the interfaces")?;
        for interface in interfaces {
            if known.values().any(|nic| nic.name == *interface && !nic.ethernet) {
                bail!(
                    "{interface} has no Ethernet header in front of its packets; only Ethernet NICs can be watched"
                );
            }
            self.attach(interface)?;
        }
        for nic in known.into_values() {
            self.on_nic(&nic)?;
        }
        let ring = self.flows.kernel.ring_signal()?;
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
            let now = Clock::now()?;
            let until_turn = self
                .session
                .next_turn(&self.flows, now)
                .map_or(Duration::MAX, |at| at.since(now));
            tokio::select! {
                () = pause(until_turn) => self.turn()?,
                ready = ring.readable() => {
                    self.session.take_ring(&mut self.flows);
                    ready?.clear_ready();
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
            .flows
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

    /// Everything that the programs saw until now.
    fn turn(&mut self) -> anyhow::Result<()> {
        let began = Clock::now()?;
        self.session.take_ring(&mut self.flows);
        self.session.turn(&mut self.flows, began)?;
        self.tell();
        let due = self.turned_at.map_or(began, |last| last + Pace::LIVE.sweep);
        self.turned_at = Some(began);
        self.lag.on_turn(due, began, Clock::now()?);
        Ok(())
    }

    /// Reports what the engine found out.
    fn tell(&mut self) {
        while let Some(event) = self.session.poll_event() {
            if let EventKind::AssociationDown { end } = &event.kind
                && !matches!(end.reason, EndReason::PartOf { .. })
            {
                self.associations_ended += 1;
                self.keep_ended(&event);
            }
            self.reports.event(Line::Event(event.dated(&self.clock)));
        }
    }

    /// Keeps what is known of an association that has ended: the engine forgets it, the summary tells of it.
    fn keep_ended(&mut self, event: &Event) {
        let kernel = &self.flows.kernel;
        let engine = self.session.engine();
        let view = event
            .association
            .and_then(|ended| engine.association_view(ended.id, |slot| kernel.record(slot)));
        if self.ended.len() == ENDED_KEPT {
            self.ended.pop_front();
        }
        self.ended.extend(view);
    }

    fn on_nic(&mut self, change: &NicChange) -> anyhow::Result<()> {
        let now = Clock::now()?;
        debug!(interface = change.name, state = ?change.state, "interface");
        self.session
            .handle_nic(change.if_index, &change.name, change.state, now);
        let watched = self.attachments.contains_key(&change.if_index);
        // The kernel tells of many things besides; one that has a link from the start is no news.
        let before = self.nic_states.insert(change.if_index, change.state);
        if watched && before.unwrap_or(NicState::Up) != change.state {
            let interface = change.name.clone();
            let state = change.state;
            self.notice(NoticeKind::InterfaceStateChanged { interface, state }, now);
        }
        if watched && change.state == NicState::Gone {
            self.on_gone(change, now);
        } else if !watched && change.state != NicState::Gone && self.lost.contains(&change.name) {
            self.on_back(change, now);
        }
        self.tell();
        Ok(())
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
        let counters = self.flows.kernel.counters()?;
        self.find_lost(&counters);
        let now = Clock::now()?;
        let flows = (self.flows.slots.in_use(), self.flows.kernel.max_flows());
        if let Some(pressure) = self.pressure.read(&counters, flows, now) {
            self.notice(NoticeKind::pressure(pressure), now);
        }
        if let Some(behind) = self.lag.poll(now) {
            self.notice(NoticeKind::behind(behind, self.clock), now);
        }
        self.reports.tell_losses(now);
        if self.reports.wants_snapshot(now) {
            // The engine's own figures are new enough for those who look every second; only the summary reads all records.
            let known = self.session.engine().snapshot(now, |_| None);
            let is_empty = known.associations.is_empty();
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
                "ring buffer full; the agent reads these flows from their records instead"
            );
            self.ring_records_lost = lost;
            self.flows.find_unannounced();
        }
    }

    /// Takes the programs off before anything waits for a writer.
    fn stop(mut self) -> anyhow::Result<()> {
        let counters = self.flows.kernel.counters()?;
        self.find_lost(&counters);
        self.session.take_ring(&mut self.flows);
        self.session.finish(&mut self.flows, Clock::now()?)?;
        self.tell();
        let watched = self.watched();
        let now = Clock::now()?;
        let counters = self.flows.kernel.counters()?;
        self.attachments.clear();
        let names: Vec<_> = watched.iter().map(|watched| watched.interface.as_str()).collect();
        debug!(interfaces = names.join(","), "detached");
        self.reports.settle();
        let kernel = &self.flows.kernel;
        let mut known = self.session.engine().snapshot(now, |slot| kernel.record(slot));
        for ended in std::mem::take(&mut self.ended) {
            match known
                .associations
                .iter_mut()
                .find(|known| known.reference.id == ended.reference.id)
            {
                // Its flows may be another association's by now.
                Some(known) => known.paths = ended.paths,
                None => known.associations.push(ended),
            }
        }
        known
            .associations
            .sort_by_key(|association| association.reference.id);
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
        let KernelFlows { kernel, slots } = &self.flows;
        let counted = counters.iter().filter(|(_, value)| *value > 0);
        let statuses = self.reports.statuses();
        Summary {
            snapshot: known.dated(&self.clock),
            interfaces,
            flows: FlowTable {
                slots: kernel.max_flows(),
                in_use: slots.in_use(),
                opened: slots.opened(),
            },
            associations_ended: self.associations_ended,
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

/// Associations that are kept after their end, for the summary: some kilobytes each.
const ENDED_KEPT: usize = 100;

/// Waits until a turn is due. One that is due at once still lets the others have their say, so that an agent that never
/// catches up hears signals too.
async fn pause(until_turn: Duration) {
    if until_turn.is_zero() {
        tokio::task::yield_now().await;
    } else {
        tokio::time::sleep(until_turn).await;
    }
}
