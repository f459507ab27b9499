//! sctp-monitor itself, as a process in a lab, with its events as they are printed.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::netns::Namespace;
use crate::process::{JsonProcess, NoSuchEvent};

/// A running `sctp-monitor run --format json`; dropping it kills it.
#[derive(Debug)]
pub struct Monitor {
    process: JsonProcess<Value>,
}

impl Monitor {
    /// Starts the agent in a namespace, with the arguments behind `run --format json`.
    ///
    /// # Errors
    /// The system's error.
    pub fn spawn(
        namespace: &Namespace,
        binary: &Path,
        arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
    ) -> io::Result<Self> {
        let mut command = namespace.command(binary);
        command.args(["run", "--format", "json"]).args(arguments);
        Ok(Self {
            process: JsonProcess::spawn(&mut command)?,
        })
    }

    /// Every event so far, oldest first.
    #[must_use]
    pub fn events(&self) -> Vec<Value> {
        self.process.events()
    }

    /// Its standard error so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        self.process.stderr()
    }

    /// The process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// The oldest event, past or future, that has this name and that `is_awaited` says yes to.
    ///
    /// # Errors
    /// When no such event came within `within`, or the process ended without it.
    pub fn wait_for(
        &self,
        name: &str,
        within: Duration,
        mut is_awaited: impl FnMut(&Value) -> bool,
    ) -> Result<Value, NoSuchEvent> {
        self.process
            .wait_for(within, |event| event["event"] == name && is_awaited(event))
    }

    /// Waits until so many NICs are watched.
    ///
    /// # Errors
    /// See [`Self::wait_for`].
    pub fn wait_until_watching(&self, count: usize, within: Duration) -> Result<(), NoSuchEvent> {
        let mut watching = 0;
        self.wait_for("watch_started", within, |_| {
            watching += 1;
            watching == count
        })
        .map(drop)
    }

    /// Waits for a path's change to a state.
    ///
    /// # Errors
    /// See [`Self::wait_for`].
    pub fn wait_for_path(&self, remote: &str, to: &str, within: Duration) -> Result<Value, NoSuchEvent> {
        self.wait_for("path_state_changed", within, |event| {
            event["remote"] == remote && event["to"] == to
        })
    }

    /// Sends a signal, waits for the end, and gives the exit status and the summary, if there was one.
    ///
    /// # Errors
    /// When the process does not end within ten seconds.
    pub fn stop(mut self, signal: Signal) -> Result<(ExitStatus, Option<Value>), NoSuchEvent> {
        // Fails only for a process that has ended.
        let pid = i32::try_from(self.pid()).expect("a process id fits into 31 bits");
        let _ = kill(Pid::from_raw(pid), signal);
        let status = self.process.join(END_WITHIN)?;
        let summary = self
            .events()
            .into_iter()
            .find(|event| event["event"] == "summary");
        Ok((status, summary))
    }

    /// Waits for the end, without asking for it.
    ///
    /// # Errors
    /// When the process does not end within `within`.
    pub fn join(mut self, within: Duration) -> Result<(ExitStatus, Vec<Value>, String), NoSuchEvent> {
        let status = self.process.join(within)?;
        Ok((status, self.events(), self.stderr()))
    }
}

/// Taking the programs off takes a few RCU grace periods; a loaded machine may take longer.
const END_WITHIN: Duration = Duration::from_secs(10);
