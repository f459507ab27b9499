//! A real SCTP endpoint as a process in a namespace: `sctp-lab-endpoint`, a program over libusrsctp.
//!
//! The process writes events as JSON lines and reads commands; a thread collects the events, so that waiting for one
//! never misses one that came earlier. The process dies with this value, and with this process.

mod config;
mod event;

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

pub use config::{EndpointConfig, Peer, Timers, TrafficConfig};
pub use event::{
    AddressChange, AddressState, DownReason, Event, EventKind, PathStatus, StackCounters, Traffic,
};

use crate::netns::Namespace;

/// A running endpoint; dropping it kills the process, silently for its peer.
#[derive(Debug)]
pub struct Endpoint {
    child: Child,
    stdin: ChildStdin,
    output: Arc<Output>,
    readers: Vec<JoinHandle<()>>,
}

/// An endpoint could not be started or did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// There is no endpoint binary.
    #[error(
        "no `sctp-lab-endpoint` at {}; run `cargo build -p sctp-monitor-lab`, or name it in {BINARY_VARIABLE}",
        tried.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
    )]
    BinaryMissing {
        /// Where it was looked for.
        tried: Vec<PathBuf>,
    },
    /// The process could not be started.
    #[error("cannot start {}", binary.display())]
    Start {
        /// The program.
        binary: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The process took no command: it has ended.
    #[error("the endpoint does not take `{command}`; it said: {stderr}")]
    Command {
        /// The command.
        command: String,
        /// What the system said.
        source: io::Error,
        /// The process's standard error.
        stderr: String,
    },
    /// The awaited event did not come.
    #[error("the awaited event did not come {}; last events: {last:#?}; the endpoint said: {stderr}",
        if *ended { "before the endpoint ended".to_owned() } else { format!("within {within:?}") })]
    NoSuchEvent {
        /// How long it was waited for at most.
        within: Duration,
        /// Whether the process ended meanwhile.
        ended: bool,
        /// The end of what came.
        last: Vec<Event>,
        /// The process's standard error.
        stderr: String,
    },
}

#[derive(Debug, Default)]
struct Output {
    received: Mutex<Received>,
    arrived: Condvar,
}

#[derive(Debug, Default)]
struct Received {
    events: Vec<Event>,
    stderr: String,
    /// How many of the two pipes have closed.
    closed_pipes: u8,
}

impl Received {
    fn is_ended(&self) -> bool {
        self.closed_pipes == 2
    }
}

impl Endpoint {
    /// Starts an endpoint in `namespace` and waits until its sockets are bound.
    ///
    /// # Errors
    /// When the binary is missing, or the endpoint cannot bind to its addresses.
    pub fn spawn(namespace: &Namespace, config: &EndpointConfig) -> Result<Self, EndpointError> {
        let binary = endpoint_binary()?;
        let config = EndpointConfig {
            supervised: true,
            ..config.clone()
        };
        let mut child = namespace
            .command(&binary)
            .args(config.arguments())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|source| EndpointError::Start { binary, source })?;
        let stdin = child.stdin.take().expect("standard input was piped above");
        let stdout = child.stdout.take().expect("standard output was piped above");
        let stderr = child.stderr.take().expect("standard error was piped above");
        let output = Arc::new(Output::default());
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
        let endpoint = Self {
            child,
            stdin,
            output,
            readers,
        };
        endpoint.wait_for(READY_WITHIN, |event| {
            matches!(event.kind, EventKind::Ready { .. })
        })?;
        Ok(endpoint)
    }

    /// Every event so far, oldest first.
    #[must_use]
    pub fn events(&self) -> Vec<Event> {
        self.output.lock().events.clone()
    }

    /// The process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The oldest event, past or future, that `is_awaited` says yes to; it may look at `time_ns` to leave the past out.
    ///
    /// # Errors
    /// When no such event came within `within`, or the process ended without it.
    pub fn wait_for(
        &self,
        within: Duration,
        mut is_awaited: impl FnMut(&Event) -> bool,
    ) -> Result<Event, EndpointError> {
        let mut seen = 0;
        let mut found = None;
        let still_waiting = |received: &mut Received| {
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
        found.ok_or_else(|| EndpointError::NoSuchEvent {
            within,
            ended: received.is_ended(),
            last: received.events[received.events.len().saturating_sub(SHOWN_EVENTS)..].to_vec(),
            stderr: received.stderr.clone(),
        })
    }

    /// Waits until `count` associations are up.
    ///
    /// # Errors
    /// See [`Self::wait_for`].
    pub fn wait_until_up(&self, count: usize, within: Duration) -> Result<(), EndpointError> {
        let mut up = 0;
        self.wait_for(within, |event| {
            up += usize::from(matches!(event.kind, EventKind::AssociationUp { .. }));
            up >= count
        })
        .map(drop)
    }

    /// Asks the stack how it sees the paths: for each association by number its peer addresses, none if it is down.
    ///
    /// # Errors
    /// When the process has ended, or does not answer within ten seconds.
    pub fn paths(&mut self) -> Result<Vec<Vec<PathStatus>>, EndpointError> {
        let asked_at_ns = crate::clock::monotonic_ns();
        self.command("paths")?;
        let is_answer =
            |event: &Event| matches!(event.kind, EventKind::Paths { .. }) && event.time_ns >= asked_at_ns;
        match self.wait_for(ANSWER_WITHIN, is_answer)?.kind {
            EventKind::Paths { associations } => Ok(associations),
            _ => unreachable!("only this kind was waited for"),
        }
    }

    /// Changes the rate of every association, in messages a second.
    ///
    /// # Errors
    /// When the process has ended.
    pub fn set_rate(&mut self, messages_per_second: f64) -> Result<(), EndpointError> {
        self.command(&format!("rate {messages_per_second}"))
    }

    /// Changes the size of the messages.
    ///
    /// # Errors
    /// When the process has ended.
    pub fn set_size(&mut self, bytes: usize) -> Result<(), EndpointError> {
        self.command(&format!("size {bytes}"))
    }

    /// Makes the path to this peer address the primary one.
    ///
    /// # Errors
    /// When the process has ended. An address that is none of the peer's is reported as an event.
    pub fn set_primary(&mut self, address: IpAddr) -> Result<(), EndpointError> {
        self.command(&format!("set_primary {address}"))
    }

    /// Ends every association by SHUTDOWN and the process after it, and answers all of its events; the last is the
    /// summary. Associations that are not up yet are forgotten.
    ///
    /// # Errors
    /// When the handshake does not end within ten seconds: the paths may be broken.
    pub fn stop(self) -> Result<Vec<Event>, EndpointError> {
        self.end("shutdown")
    }

    /// Ends every association by ABORT and the process after it, and answers all of its events.
    ///
    /// # Errors
    /// When the process has ended before.
    pub fn abort(self) -> Result<Vec<Event>, EndpointError> {
        self.end("abort")
    }

    /// Kills the process, as a crash does, and answers all of its events.
    ///
    /// The stack says nothing to its peer, but the namespace's kernel, which has no SCTP, then answers what the peer sends
    /// with ICMP protocol unreachable, or ICMPv6 unrecognized next header, at a limited rate.
    #[must_use]
    pub fn kill(mut self) -> Vec<Event> {
        self.reap();
        self.events()
    }

    fn end(mut self, command: &str) -> Result<Vec<Event>, EndpointError> {
        self.command(command)?;
        self.wait_for(ANSWER_WITHIN, |event| {
            matches!(event.kind, EventKind::Summary { .. })
        })?;
        self.reap();
        Ok(self.events())
    }

    fn command(&mut self, command: &str) -> Result<(), EndpointError> {
        writeln!(self.stdin, "{command}").map_err(|source| EndpointError::Command {
            command: command.to_owned(),
            source,
            stderr: self.output.lock().stderr.clone(),
        })
    }

    fn reap(&mut self) {
        // Fails only for a process that has been waited for; the reading threads end with its pipes.
        let _ = self.child.kill();
        let _ = self.child.wait();
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.reap();
    }
}

impl Output {
    fn lock(&self) -> MutexGuard<'_, Received> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn collect_events(&self, stdout: impl io::Read) {
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

/// The endpoint binary: `SCTP_LAB_ENDPOINT` if that is set, else the one that cargo put beside the running program or one
/// folder above it (tests run from `target/PROFILE/deps`).
///
/// Cargo builds it for the tests of this crate only; for those of others it is as old as its last build.
///
/// # Errors
/// [`EndpointError::BinaryMissing`] says how to build it.
pub fn endpoint_binary() -> Result<PathBuf, EndpointError> {
    let tried = match std::env::var_os(BINARY_VARIABLE) {
        Some(named) => vec![PathBuf::from(named)],
        None => {
            let program = std::env::current_exe().unwrap_or_default();
            program
                .ancestors()
                .skip(1)
                .take(2)
                .map(|folder| folder.join("sctp-lab-endpoint"))
                .collect()
        }
    };
    tried
        .iter()
        .find(|path| path.is_file())
        .cloned()
        .ok_or(EndpointError::BinaryMissing { tried })
}

/// Names another endpoint binary than the one beside the running program.
const BINARY_VARIABLE: &str = "SCTP_LAB_ENDPOINT";

/// Starting the stack takes milliseconds; a loaded machine may take longer.
const READY_WITHIN: Duration = Duration::from_secs(10);

/// A shutdown over healthy paths takes some round-trip times; one lost packet costs an RTO, three seconds at first.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// How many events an error shows.
const SHOWN_EVENTS: usize = 12;
