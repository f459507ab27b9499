//! The one loop: what the programs saw goes into the engine, what the engine decides goes out.
//!
//! Nothing blocks here and nothing is decided here: what is to be reported is handed to the writers' queues, and whether a
//! writer hangs or fails is never seen in the loop. The ring buffer wakes the loop for what is urgent; the session says when
//! its next turn is due.

mod gathering;
mod nics;
mod reload;
mod steer;
mod summary;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, bail};
use sctp_monitor_common::abi::{Counter, Counters};
use sctp_monitor_engine::{
    Session,
    model::{AssociationView, EndReason, EventKind, SteeringMode, Timestamp, WallClock},
    session::Pace,
};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::{mpsc, oneshot},
    time::{MissedTickBehavior, interval},
};
use tracing::{debug, warn};

use self::gathering::Gathering;
use crate::{
    blind::Blindness,
    checksums::Checksums,
    clock::Clock,
    control::{self, Question, SteerAnswer, SteerRequest},
    flows::KernelFlows,
    history::History,
    kept::KeptNeighbours,
    kernel::{Attachment, HookChoice},
    lag::LagGauge,
    log::Log,
    lost::Lost,
    next_hops::{Look, LookError, NextHops},
    nic::{NicChange, NicWatch},
    pressure::PressureGauge,
    reload::Reload,
    report::{Line, NoSctp, NoticeKind, Summary, Writers},
    service,
    state::StateFile,
    wanted::{self, Wanted},
    ways::Ways,
};

/// What to watch, and how.
#[derive(Debug, Clone)]
pub struct Watch {
    /// The hook on each NIC.
    pub hook: HookChoice,
    /// Whether the host's own packets are watched too.
    pub egress: bool,
    /// Whether packets of failed paths are moved to others, if only in a dry run.
    pub steers: bool,
    /// What is done with them, unless something else holds for a peer.
    pub steering: SteeringMode,
    /// What is kept for other commands of this host, if they may ask.
    pub answers: Option<Arc<History>>,
    /// Whether a missing NIC is an error.
    pub strict: bool,
    /// Whether the programs stay on the NICs when the agent is told to end by SIGTERM.
    pub stays: bool,
    /// Stop after this time.
    pub duration: Option<Duration>,
}

/// The loop's state.
pub struct Driver {
    flows: KernelFlows,
    session: Session,
    watch: Watch,
    attachments: BTreeMap<u32, Attachment>,
    /// All NICs of this network namespace, by index.
    nics: BTreeMap<u32, NicChange>,
    /// What the operator asked for.
    wanted: Wanted,
    /// NICs that are not watched because others see their packets.
    left_out: BTreeSet<String>,
    /// The indices of NICs that went away or cannot be watched, by the name that was asked for: flows were last seen there.
    indices_before: BTreeMap<String, Vec<u32>>,
    /// NICs that are missing, or went away: they are watched when they come.
    lost: Lost,
    /// When programs were taken off a NIC by somebody else, lately.
    robbed_at: BTreeMap<u32, Vec<Timestamp>>,
    reports: Writers,
    log: Log,
    clock: WallClock,
    lag: LagGauge,
    began_at: Timestamp,
    turned_at: Option<Timestamp>,
    associations_ended: u64,
    /// Those that ended last, as they were then.
    ended: VecDeque<AssociationView>,
    ring_records_lost: u64,
    pressure: PressureGauge,
    blindness: Blindness,
    /// Where packets come from whose checksums are looked at.
    checksums: Option<Checksums>,
    /// When they were looked at last.
    checked_at: Timestamp,
    /// Where what is known stays for the agent that follows, if programs and flow table do.
    state: Option<StateFile>,
    /// Where the configuration is read anew.
    reload: Option<Reload>,
    /// What the operator asks of steering, and is answered when routes and neighbours were looked at.
    held: Vec<(SteerRequest, oneshot::Sender<SteerAnswer>)>,
    /// The summary that is being put together for those who asked, and they.
    gathering: Option<(Gathering, oneshot::Sender<Summary>)>,
    /// What clients ask.
    asked: mpsc::Receiver<Question>,
    questions: mpsc::Sender<Question>,
}

impl Driver {
    /// A driver that is attached to nothing yet.
    ///
    /// # Errors
    /// If the clocks cannot be read.
    pub fn new(
        flows: KernelFlows,
        session: Session,
        watch: Watch,
        reports: Writers,
        log: Log,
        state: Option<StateFile>,
    ) -> anyhow::Result<Self> {
        // Of a table that another agent made, what was lost before is not this one's affair. What was lost since it was read is.
        let before = flows.kernel.counters()?;
        let mut flows = flows;
        flows.find_unannounced();
        let (questions, asked) = mpsc::channel(QUESTIONS);
        Ok(Self {
            flows,
            session,
            watch,
            attachments: BTreeMap::new(),
            nics: BTreeMap::new(),
            wanted: Wanted::default(),
            left_out: BTreeSet::new(),
            indices_before: BTreeMap::new(),
            lost: Lost::default(),
            robbed_at: BTreeMap::new(),
            reports,
            log,
            clock: Clock::read()?,
            lag: LagGauge::default(),
            began_at: Clock::now()?,
            checksums: None,
            checked_at: Clock::now()?,
            turned_at: None,
            associations_ended: 0,
            ended: VecDeque::new(),
            ring_records_lost: before.value(Counter::RingFull),
            pressure: PressureGauge::since(&before),
            blindness: Blindness::default(),
            state,
            reload: None,
            held: Vec::new(),
            gathering: None,
            asked,
            questions,
        })
    }

    /// The same, which looks at checksums of packets that come from there.
    #[must_use]
    pub fn with_checksums(self, checksums: Option<Checksums>) -> Self {
        Self { checksums, ..self }
    }

    /// By which clients ask.
    #[must_use]
    pub fn questions(&self) -> mpsc::Sender<Question> {
        self.questions.clone()
    }

    /// Attaches to the NICs and runs until SIGINT, SIGTERM, the end of the duration, or until nobody is left who reads a
    /// report; then takes the programs off and reports the summary.
    ///
    /// # Errors
    /// If a NIC cannot be watched, or a map fails.
    pub async fn run(mut self, wanted: Wanted) -> anyhow::Result<()> {
        self.wanted = wanted;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hang_up = signal(SignalKind::hangup())?;
        let mut nics = NicWatch::start().context("cannot open a netlink socket to watch the interfaces")?;
        let known = nics
            .all()
            .await
            .context("the kernel did not list the interfaces")?;
        self.begin(&known)?;
        self.keep_own_links();
        self.began_at = Clock::now()?;
        self.on_all_nics(known, self.began_at);
        self.hold_unwatched(self.began_at);
        service::ready(&self.names());
        let _control = self.listen();
        let mut next_hops = NextHops::open().context("cannot open a netlink socket to look up neighbours")?;
        let mut kept = KeptNeighbours::open().context("cannot open a netlink socket to keep neighbours")?;
        let mut ways = Ways::open().context("cannot open a netlink socket to look up routes")?;
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
        let mut stays = false;
        loop {
            self.look_at_ways(&mut ways)?;
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
                news = nics.next() => match news {
                    Some(news) => {
                        self.on_nics(news, Clock::now()?);
                        kept.keep(self.session.kept_ways());
                    }
                    None => bail!("the kernel closed the netlink socket"),
                },
                found = ways.next() => self.on_ways(&found, Clock::now()?),
                look = next_hops.next() => self.on_look(look, Clock::now()?),
                () = kept.next() => {}
                _ = refresh.tick() => {
                    self.refresh()?;
                    kept.keep(self.session.kept_ways());
                    next_hops.ask(self.session.take_paths_in_question());
                }
                // Whoever asks meanwhile waits: the answer is to be newer than the question.
                Some(question) = self.asked.recv(), if self.gathering.is_none() => self.answer(question)?,
                () = tokio::task::yield_now(), if self.gathering.is_some() => self.gather()?,
                () = self.reports.all_gone() => break,
                () = &mut ended => break,
                // The terminal is gone on which it was started, unless it was started on none.
                _ = hang_up.recv() => match self.reload {
                    Some(_) => self.reload(Clock::now()?),
                    None => break,
                },
                _ = interrupt.recv() => break,
                _ = terminate.recv() => {
                    stays = self.watch.stays;
                    break;
                }
            }
        }
        drop(ring);
        self.stop(stays)
    }

    /// Lets other commands ask, if the host allows it. The watch does not depend on it.
    fn listen(&self) -> Option<control::Control> {
        let history = Arc::clone(self.watch.answers.as_ref()?);
        control::serve(self.questions(), history)
            .inspect_err(|error| warn!("`sctp-monitor audit` and `steer` cannot ask this agent: {error}"))
            .ok()
    }

    /// Everything that the programs saw until now.
    fn turn(&mut self) -> anyhow::Result<()> {
        let began = Clock::now()?;
        // Before anything is judged by what was not seen.
        self.look_at_hooks(began)?;
        self.session.take_ring(&mut self.flows);
        self.session.turn(&mut self.flows, began)?;
        let told = self.tell();
        if let Some(state) = &mut self.state {
            state.keep(&self.session, told, Clock::now()?);
        }
        let due = self.turned_at.map_or(began, |last| last + Pace::LIVE.sweep);
        self.turned_at = Some(began);
        self.lag.on_turn(due, began, Clock::now()?);
        Ok(())
    }

    /// Reports what the engine found out; `true` if there was anything.
    fn tell(&mut self) -> bool {
        let mut told = false;
        while let Some(event) = self.session.poll_event() {
            if let EventKind::AssociationDown { end } = &event.kind
                && !matches!(end.reason, EndReason::PartOf { .. })
            {
                self.associations_ended += 1;
                self.keep_ended(&event);
            }
            self.reports.event(Line::Event(event.dated(&self.clock)));
            told = true;
        }
        told
    }

    /// Next hops of paths in question were looked up.
    fn on_look(&mut self, look: Result<Look, LookError>, now: Timestamp) {
        match look {
            Ok(look) => {
                self.session.handle_next_hops(&look.next_hops, look.read_at, now);
                self.tell();
            }
            Err(error) => warn!("next hops are not known: {:#}", anyhow::Error::from(error)),
        }
    }

    fn refresh(&mut self) -> anyhow::Result<()> {
        service::alive();
        self.clock = Clock::read()?;
        self.try_lost_nics(Clock::now()?);
        self.look_at_checksums(Clock::now()?);
        let counters = self.flows.kernel.counters()?;
        self.find_lost(&counters);
        let now = Clock::now()?;
        let flows = (self.flows.slots.in_use(), self.flows.kernel.max_flows());
        if let Some(pressure) = self.pressure.read(&counters, flows, now) {
            self.notice(NoticeKind::pressure(pressure), now);
        }
        if self
            .blindness
            .is_due(self.flows.slots.is_used(), self.began_at, now)
        {
            self.tell_blindness(now);
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

    /// Packets that have come in since the last look, by a NIC that is watched.
    fn look_at_checksums(&mut self, now: Timestamp) {
        let Some(checksums) = &mut self.checksums else {
            return;
        };
        // When each came in is not known: what answers it may have come by then.
        let since = std::mem::replace(&mut self.checked_at, now);
        let looked = checksums.take(|packet| {
            if self.attachments.contains_key(&packet.if_index) {
                self.session
                    .handle_checksum(&packet.key, packet.tag, packet.is_right, since);
            }
        });
        if let Err(error) = looked {
            warn!("checksums are not looked at any more: {error}");
            self.checksums = None;
        }
    }

    /// Nothing was seen: there is no SCTP, or it is elsewhere.
    fn tell_blindness(&self, now: Timestamp) {
        let carriers = wanted::of_associations().unwrap_or_default();
        let watched = self.watched().into_iter();
        let notice = NoticeKind::no_sctp(NoSctp {
            within: now.since(self.began_at),
            interfaces: watched.map(|watched| watched.interface).collect(),
            carriers,
        });
        self.notice(notice, now);
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

    /// What stands on NICs that are not watched any more is taken off.
    fn keep_own_links(&self) {
        let Some(pins) = self.flows.kernel.pins() else {
            return;
        };
        let in_use: Vec<_> = self
            .attachments
            .values()
            .flat_map(Attachment::pinned_as)
            .collect();
        if let Err(error) = pins.keep_links(&in_use) {
            warn!("what agents before this one left could not be taken off: {error}");
        }
    }

    /// Takes the programs off, or leaves them to the agent that follows.
    fn detach(&mut self, stays: bool) {
        let Some(pins) = self.flows.kernel.pins() else {
            return self.attachments.clear();
        };
        if stays {
            let names: Vec<_> = self.attachments.values().map(Attachment::interface).collect();
            self.log.say(&format!(
                "the programs stay on {} for the agent that follows; `sctp-monitor detach` takes them off",
                names.join(", ")
            ));
            std::mem::take(&mut self.attachments)
                .into_values()
                .for_each(Attachment::leave);
            return;
        }
        self.attachments.clear();
        if let Err(error) = pins.remove() {
            warn!("the flow table stays under /sys/fs/bpf/sctp-monitor: {error}");
        }
    }

    /// Takes the programs off before anything waits for a writer.
    fn stop(mut self, stays: bool) -> anyhow::Result<()> {
        service::stopping();
        let counters = self.flows.kernel.counters()?;
        self.find_lost(&counters);
        self.session.take_ring(&mut self.flows);
        let stays = stays && self.flows.kernel.pins().is_some();
        if stays {
            self.session.pause(&mut self.flows, Clock::now()?)?;
        } else {
            self.session.finish(&mut self.flows, Clock::now()?)?;
        }
        self.tell();
        match &mut self.state {
            Some(state) if stays => state.write(&self.session, Clock::now()?),
            Some(state) => state.remove(),
            None => {}
        }
        let watched = self.watched();
        let now = Clock::now()?;
        let counters = self.flows.kernel.counters()?;
        self.detach(stays);
        let names: Vec<_> = watched.iter().map(|watched| watched.interface.as_str()).collect();
        debug!(interfaces = names.join(","), stays, "done");
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
        // Writers are not to copy thousands of associations.
        known.associations.retain(AssociationView::is_reported);
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
}

/// Waits until a turn is due. One that is due at once still lets the others have their say, so that an agent that never
/// catches up hears signals too.
async fn pause(until_turn: Duration) {
    if until_turn.is_zero() {
        tokio::task::yield_now().await;
    } else {
        tokio::time::sleep(until_turn).await;
    }
}

/// Questions that wait at a time: the control socket asks one after the other, and so does the HTTP server.
const QUESTIONS: usize = 2;
