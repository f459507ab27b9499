//! The agent as a user sees it, while the demonstration reads its events from a file.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sctp_monitor_lab::clock::{MonotonicNs, wall_clock_offset_ns};
use sctp_monitor_lab::{Namespace, wait};
use serde_json::Value;

/// `sctp-monitor run`, with its output shown and its events in a file.
pub(crate) struct Agent {
    child: Child,
    events: PathBuf,
    tables: Arc<AtomicUsize>,
    shown: Option<JoinHandle<Vec<String>>>,
}

impl Agent {
    /// Starts it and waits until it watches the NICs.
    pub(crate) fn start(binary: &Path, host: &Namespace, interfaces: &[&str]) -> anyhow::Result<Self> {
        let events = std::env::temp_dir().join(format!("sctp-monitor-demo-{}.jsonl", std::process::id()));
        let mut command = host.command(binary);
        command.arg("run");
        for interface in interfaces {
            command.args(["--iface", interface]);
        }
        command.arg("--events").arg(&events).stdout(Stdio::piped());
        let mut child = command
            .spawn()
            .with_context(|| format!("{} did not start", binary.display()))?;
        let output = child.stdout.take().context("the agent has no output")?;
        let tables = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&tables);
        let shown = std::thread::spawn(move || show(BufReader::new(output), &counted));
        let agent = Self {
            child,
            events,
            tables,
            shown: Some(shown),
        };
        let watching = || {
            let count = agent
                .events()
                .filter(|event| event["event"] == "watch_started")
                .count();
            (count == interfaces.len()).then_some(())
        };
        wait::until(Duration::from_secs(10), watching).context("the agent does not watch")?;
        Ok(agent)
    }

    /// How many tables it has shown.
    pub(crate) fn tables(&self) -> usize {
        self.tables.load(Ordering::Relaxed)
    }

    /// When it reported that a path went into a state.
    pub(crate) fn wait_for_path(
        &self,
        remote: &str,
        to: &str,
        within: Duration,
    ) -> anyhow::Result<MonotonicNs> {
        self.wait_for(within, |event| event["remote"] == remote && event["to"] == to)
    }

    /// When it reported that a path left the state inactive.
    pub(crate) fn wait_for_recovery(&self, remote: &str, within: Duration) -> anyhow::Result<MonotonicNs> {
        self.wait_for(within, |event| {
            event["remote"] == remote && event["from"] == "inactive"
        })
    }

    fn wait_for(&self, within: Duration, is_awaited: impl Fn(&Value) -> bool) -> anyhow::Result<MonotonicNs> {
        let event = wait::until(within, || self.events().find(|event| is_awaited(event)))?;
        let time = event["time"].as_str().context("an event without time")?;
        let wall: jiff::Timestamp = time.parse()?;
        let monotonic = wall.as_nanosecond() - i128::from(wall_clock_offset_ns());
        Ok(u64::try_from(monotonic)?)
    }

    /// Interrupts it as Ctrl-C would, and gives its summary.
    pub(crate) fn stop(&mut self) -> anyhow::Result<String> {
        kill(Pid::from_raw(i32::try_from(self.child.id())?), Signal::SIGINT)?;
        let status = self.child.wait()?;
        anyhow::ensure!(status.success(), "the agent ended with {status}");
        let lines = self
            .shown
            .take()
            .and_then(|thread| thread.join().ok())
            .unwrap_or_default();
        Ok(lines.join("\n"))
    }

    fn events(&self) -> impl Iterator<Item = Value> {
        let lines = fs::read_to_string(&self.events).unwrap_or_default();
        let events: Vec<_> = lines
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect();
        events.into_iter()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // Fails only for a process that has been waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_file(&self.events);
    }
}

/// Shows what the agent prints, indented, and counts its tables; keeps the summary for the end.
fn show(output: impl BufRead, tables: &AtomicUsize) -> Vec<String> {
    let mut summary: Option<Vec<String>> = None;
    for line in output.lines().map_while(Result::ok) {
        if line == "Summary" {
            summary = Some(Vec::new());
        }
        if line.contains("HEARTBEATs answered") {
            tables.fetch_add(1, Ordering::Relaxed);
        }
        let line = format!("      {line}");
        match &mut summary {
            Some(lines) => lines.push(line),
            None => println!("{}", line.trim_end()),
        }
    }
    summary.unwrap_or_default()
}
