//! A child process that says on its standard output what happens to it, one JSON object a line.

use std::fmt::Debug;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use serde::de::DeserializeOwned;

/// A running process whose events are `E`; dropping it kills it.
#[derive(Debug)]
pub struct JsonProcess<E> {
    child: Child,
    stdin: Option<ChildStdin>,
    output: Arc<Output<E>>,
    readers: Vec<JoinHandle<()>>,
}

/// The awaited event did not come.
#[derive(Debug, thiserror::Error)]
#[error("the awaited event did not come {}; last events: {last:#?}; the process said: {stderr}",
    if *ended { "before the process ended".to_owned() } else { format!("within {within:?}") })]
pub struct NoSuchEvent {
    /// How long it was waited for at most.
    pub within: Duration,
    /// Whether the process ended meanwhile.
    pub ended: bool,
    /// The end of what came.
    pub last: Vec<String>,
    /// The process's standard error.
    pub stderr: String,
}

#[derive(Debug)]
struct Output<E> {
    received: Mutex<Received<E>>,
    arrived: Condvar,
}

#[derive(Debug)]
struct Received<E> {
    events: Vec<E>,
    stderr: String,
    /// How many of the two pipes have closed.
    closed_pipes: u8,
}

impl<E> Received<E> {
    fn is_ended(&self) -> bool {
        self.closed_pipes == 2
    }
}

impl<E: DeserializeOwned + Clone + Debug + Send + 'static> JsonProcess<E> {
    /// Starts a process.
    ///
    /// # Errors
    /// The system's error.
    pub fn spawn(command: &mut Command) -> io::Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().expect("standard output was piped above");
        let stderr = child.stderr.take().expect("standard error was piped above");
        let output = Arc::new(Output::new());
        let readers = vec![
            std::thread::spawn({
                let output = Arc::clone(&output);
                move || output.collect_stderr(stderr)
            }),
            std::thread::spawn({
                let output = Arc::clone(&output);
                move || output.collect_events(stdout)
            }),
        ];
        Ok(Self {
            child,
            stdin,
            output,
            readers,
        })
    }

    /// Every event so far, oldest first.
    #[must_use]
    pub fn events(&self) -> Vec<E> {
        self.output.lock().events.clone()
    }

    /// The process's standard error so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        self.output.lock().stderr.clone()
    }

    /// The process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The oldest event, past or future, that `is_awaited` says yes to.
    ///
    /// # Errors
    /// When no such event came within `within`, or the process ended without it.
    pub fn wait_for(
        &self,
        within: Duration,
        mut is_awaited: impl FnMut(&E) -> bool,
    ) -> Result<E, NoSuchEvent> {
        let mut seen = 0;
        let mut found = None;
        let still_waiting = |received: &mut Received<E>| {
            found = received.events[seen..]
                .iter()
                .find(|event| is_awaited(event))
                .cloned();
            seen = received.events.len();
            found.is_none() && !received.is_ended()
        };
        let waited = self
            .output
            .arrived
            .wait_timeout_while(self.output.lock(), within, still_waiting);
        let (received, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let last = &received.events[received.events.len().saturating_sub(SHOWN_EVENTS)..];
        found.ok_or_else(|| NoSuchEvent {
            within,
            ended: received.is_ended(),
            last: last.iter().map(|event| format!("{event:?}")).collect(),
            stderr: received.stderr.clone(),
        })
    }

    /// Writes a line to the process's standard input.
    ///
    /// # Errors
    /// When the process has ended.
    pub fn say(&mut self, line: &str) -> io::Result<()> {
        match &mut self.stdin {
            Some(stdin) => writeln!(stdin, "{line}"),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    /// Waits until the process has ended by itself and everything it said was read; kills it after `within`.
    ///
    /// # Errors
    /// When it had to be killed.
    pub fn join(&mut self, within: Duration) -> Result<ExitStatus, NoSuchEvent> {
        self.stdin = None;
        let ended = self.wait_for(within, |_| false).expect_err("no event is awaited");
        if !ended.ended {
            self.reap();
            return Err(ended);
        }
        Ok(self.reap().unwrap_or_default())
    }

    /// Kills the process, unless it has ended, and reads what it still had to say.
    pub fn reap(&mut self) -> Option<ExitStatus> {
        // Fails only for a process that has been waited for; the reading threads end with its pipes.
        if !self.output.lock().is_ended() {
            let _ = self.child.kill();
        }
        let status = self.child.wait().ok();
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
        status
    }
}

impl<E> Drop for JsonProcess<E> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
    }
}

impl<E> Output<E> {
    fn new() -> Self {
        Self {
            received: Mutex::new(Received {
                events: Vec::new(),
                stderr: String::new(),
                closed_pipes: 0,
            }),
            arrived: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Received<E>> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn collect_events(&self, stdout: impl io::Read)
    where
        E: DeserializeOwned,
    {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            let mut received = self.lock();
            match serde_json::from_str(&line) {
                Ok(event) => received.events.push(event),
                Err(error) => received.stderr += &format!("not an event ({error}): {line}\n"),
            }
            drop(received);
            self.arrived.notify_all();
        }
        self.on_closed();
    }

    fn collect_stderr(&self, stderr: impl io::Read) {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            self.lock().stderr += &format!("{line}\n");
        }
        self.on_closed();
    }

    fn on_closed(&self) {
        self.lock().closed_pipes += 1;
        self.arrived.notify_all();
    }
}

/// How many events an error shows.
const SHOWN_EVENTS: usize = 12;
