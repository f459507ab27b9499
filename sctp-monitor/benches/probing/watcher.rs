//! What is asked of whoever watches the paths, and of what it costs.

use std::fs;

use anyhow::Context as _;
use nix::unistd::{SysconfVar, sysconf};
use sctp_monitor_lab::clock::{MonotonicNs, monotonic_ns};

/// What a watcher has said of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) at_ns: MonotonicNs,
    /// The path, in the watcher's own words.
    pub(crate) path: String,
    /// Whether it crosses the network that is broken.
    pub(crate) is_struck: bool,
    pub(crate) now: State,
}

/// The state of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Up,
    /// Neither one nor the other.
    Doubt,
    Down,
}

/// Whoever watches.
pub(crate) trait Watcher {
    /// Its name.
    fn name(&self) -> &'static str;

    /// Paths that it watches, half of which are struck.
    fn paths(&self) -> usize;

    /// All that it has said so far, in order.
    fn changes(&self) -> anyhow::Result<Vec<Change>>;

    /// The process that watches, and the one at the far host that answers.
    fn processes(&self) -> [u32; 2];
}

/// What two processes have used of the CPU so far.
pub(crate) struct Used {
    at_ns: MonotonicNs,
    ticks: [u64; 2],
}

impl Used {
    pub(crate) fn by(processes: [u32; 2]) -> anyhow::Result<Self> {
        let [near, far] = processes;
        Ok(Self {
            at_ns: monotonic_ns(),
            ticks: [ticks(near)?, ticks(far)?],
        })
    }

    /// In percent of one CPU, since an earlier moment.
    pub(crate) fn percent_since(&self, before: &Self) -> anyhow::Result<[f64; 2]> {
        let per_second = sysconf(SysconfVar::CLK_TCK)?.context("the kernel's ticks are not known")?;
        let seconds = (self.at_ns - before.at_ns) as f64 / 1e9;
        let percent = |at: usize| {
            let ticks = self.ticks[at].saturating_sub(before.ticks[at]);
            100.0 * ticks as f64 / per_second as f64 / seconds
        };
        Ok([percent(0), percent(1)])
    }
}

/// Time in user space and in the kernel, with what interrupts did in its name (fields 14 and 15 of proc_pid_stat(5)).
fn ticks(process: u32) -> anyhow::Result<u64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))
        .with_context(|| format!("process {process} is gone"))?;
    let (_, rest) = stat.rsplit_once(')').context("/proc/PID/stat in another form")?;
    let fields: Vec<_> = rest.split_whitespace().collect();
    let field = |number: usize| -> anyhow::Result<u64> {
        let text = fields.get(number - 3).context("a short /proc/PID/stat")?;
        Ok(text.parse()?)
    };
    Ok(field(14)? + field(15)?)
}
