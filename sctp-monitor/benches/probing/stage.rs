//! A lab on which one network breaks again and again, and those who watch it.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use anyhow::Context as _;
use sctp_monitor_lab::{
    Lab,
    clock::{MonotonicNs, monotonic_ns},
    wait,
};

use crate::{
    bfdd::Bfdd,
    moments::{let_pass, wait_for_phase},
    ours::Ours,
    watcher::{Change, State, Used, Watcher},
};

/// Who watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Who {
    Ours,
    Bfdd,
}

/// What is measured at a time.
#[derive(Debug, Clone)]
pub(crate) struct Scene {
    pub(crate) who: Vec<Who>,
    /// Paths of each of them, half of which break.
    pub(crate) paths: u16,
    pub(crate) interval: Duration,
}

/// How the network breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Break {
    Both,
    Forward,
    Return,
}

impl Break {
    pub(crate) const ALL: [Self; 3] = [Self::Both, Self::Forward, Self::Return];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Both => "both",
            Self::Forward => "forward",
            Self::Return => "return",
        }
    }

    fn strike(self, lab: &Lab) -> anyhow::Result<MonotonicNs> {
        let path = lab.path("path1");
        Ok(match self {
            Self::Both => path.break_silently()?,
            Self::Forward => path.lose_direction("mme", 100.0)?,
            Self::Return => path.lose_direction("hss", 100.0)?,
        })
    }
}

/// What one of them said of all breaks of a kind.
#[derive(Debug, Clone, Default)]
pub(crate) struct Said {
    /// From the break to each report that a path is down.
    pub(crate) down_ns: Vec<u64>,
    /// Paths that broke and were not reported.
    pub(crate) missed: usize,
    /// Reports of paths that worked, or that came before the break.
    pub(crate) wrong: usize,
}

/// What one of them said and used.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) who: &'static str,
    /// Paths that it saw work before anything was broken. If these are not all, nothing is.
    pub(crate) up: usize,
    pub(crate) said: BTreeMap<Break, Said>,
    /// Of one CPU, while nothing is broken: at the host that watches, and at the far host.
    pub(crate) cpu_percent: [f64; 2],
}

/// Plays a scene: so many breaks of each kind.
pub(crate) fn play(scene: &Scene, breaks: u16) -> anyhow::Result<Vec<Outcome>> {
    let lab = Lab::two_hosts_two_paths()?;
    let watchers: Vec<Box<dyn Watcher>> = scene
        .who
        .iter()
        .map(|who| -> anyhow::Result<Box<dyn Watcher>> {
            Ok(match who {
                Who::Ours => Box::new(Ours::start(&lab, scene.paths, scene.interval)?),
                Who::Bfdd => Box::new(Bfdd::start(&lab, scene.paths, scene.interval)?),
            })
        })
        .collect::<Result<_, _>>()?;
    // One that is asked for too much never sees all of them work. That is told, and what it takes of the CPU.
    let has_begun = watchers
        .iter()
        .all(|watcher| wait_until_up(watcher.as_ref()).is_ok());
    let_pass(SETTLED)?;
    let quiet_from_ns = monotonic_ns();
    let before = used(&watchers)?;
    let_pass(QUIET)?;
    let after = used(&watchers)?;
    let mut outcomes = Vec::new();
    for (watcher, (before, after)) in watchers.iter().zip(before.iter().zip(&after)) {
        outcomes.push(Outcome {
            who: watcher.name(),
            up: up(watcher.as_ref())?,
            said: Break::ALL.map(|kind| (kind, Said::default())).into(),
            cpu_percent: after.percent_since(before)?,
        });
    }
    let mut quiet_since_ns = quiet_from_ns;
    for number in 0..if has_begun { breaks } else { 0 } {
        for kind in Break::ALL {
            quiet_since_ns = strike(&lab, &watchers, kind, number, quiet_since_ns, &mut outcomes)
                .with_context(|| format!("{scene:?}, break {number}, {}", kind.name()))?;
        }
    }
    Ok(outcomes)
}

/// One break, until everything works again; gives the moment from which on nothing is wrong.
fn strike(
    lab: &Lab,
    watchers: &[Box<dyn Watcher>],
    kind: Break,
    number: u16,
    quiet_since_ns: MonotonicNs,
    outcomes: &mut [Outcome],
) -> anyhow::Result<MonotonicNs> {
    wait_for_phase(number, PHASE)?;
    let broken_at_ns = kind.strike(lab)?;
    // One that does not report costs time only.
    let _ = wait::until(GIVE_UP, || {
        let has_said_all = |watcher: &dyn Watcher| {
            let changes = watcher.changes().unwrap_or_default();
            downs(&changes, broken_at_ns, u64::MAX).len() >= watcher.paths() / 2
        };
        let mut all = watchers.iter();
        all.all(|watcher| has_said_all(watcher.as_ref())).then_some(())
    });
    let healed_at_ns = monotonic_ns();
    lab.path("path1").heal()?;
    for watcher in watchers {
        wait_until_up(watcher.as_ref())?;
    }
    let_pass(BETWEEN)?;
    for (watcher, outcome) in watchers.iter().zip(outcomes) {
        let changes = watcher.changes()?;
        let down = downs(&changes, broken_at_ns, healed_at_ns);
        let said = outcome.said.entry(kind).or_default();
        said.missed += watcher.paths() / 2 - down.len();
        said.down_ns.extend(down.values());
        let is_wrong = |change: &&Change| {
            let is_before = change.at_ns >= quiet_since_ns && change.at_ns < broken_at_ns;
            let is_elsewhere = change.at_ns >= quiet_since_ns && !change.is_struck;
            change.now == State::Down && (is_before || is_elsewhere)
        };
        said.wrong += changes.iter().filter(is_wrong).count();
    }
    Ok(monotonic_ns())
}

/// The first report of each path that broke, as the time after the break.
fn downs(changes: &[Change], from_ns: MonotonicNs, until_ns: MonotonicNs) -> BTreeMap<String, u64> {
    let mut downs = BTreeMap::new();
    for change in changes {
        let is_down = change.is_struck && change.now == State::Down;
        if is_down && (from_ns..until_ns).contains(&change.at_ns) {
            downs.entry(change.path.clone()).or_insert(change.at_ns - from_ns);
        }
    }
    downs
}

fn wait_until_up(watcher: &dyn Watcher) -> anyhow::Result<()> {
    let all_up = || up(watcher).is_ok_and(|up| up == watcher.paths()).then_some(());
    wait::until(SOON, all_up).with_context(|| {
        format!(
            "{} does not see all of its {} paths work",
            watcher.name(),
            watcher.paths()
        )
    })
}

/// Paths that work now.
fn up(watcher: &dyn Watcher) -> anyhow::Result<usize> {
    let mut up = BTreeSet::new();
    for change in watcher.changes()? {
        match change.now {
            State::Up => up.insert(change.path),
            State::Doubt | State::Down => up.remove(&change.path),
        };
    }
    Ok(up.len())
}

fn used(watchers: &[Box<dyn Watcher>]) -> anyhow::Result<Vec<Used>> {
    watchers
        .iter()
        .map(|watcher| Used::by(watcher.processes()))
        .collect()
}

/// The longest interval at which something regular happens.
const PHASE: Duration = Duration::from_millis(100);
/// Until the agent has seen enough answers to believe that one that is missing means something.
const SETTLED: Duration = Duration::from_secs(8);
/// How long the CPU time is measured.
const QUIET: Duration = Duration::from_secs(10);
/// Between what works again and the next break.
const BETWEEN: Duration = Duration::from_secs(1);
/// A path that is not reported by now counts as missed. Long before a neighbour entry fails.
const GIVE_UP: Duration = Duration::from_secs(3);
const SOON: Duration = Duration::from_secs(30);
