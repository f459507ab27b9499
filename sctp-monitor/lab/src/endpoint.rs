//! A real SCTP endpoint as a process in a namespace: `sctp-lab-endpoint`, a program over the kernel's SCTP where the kernel
//! has it, and over libusrsctp elsewhere.
//!
//! The process writes events as JSON lines and reads commands; a thread collects the events, so that waiting for one
//! never misses one that came earlier. The process dies with this value, and with this process.

mod backend;
mod config;
mod event;
pub mod stack;

use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

pub use backend::Backend;
pub use config::{EndpointConfig, Peer, Timers, TrafficConfig};
pub use event::{
    AddressChange, AddressState, DownReason, Event, EventKind, PathStatus, StackCounters, Traffic,
};
pub use stack::{StackChoice, StackKind};

use crate::clock::monotonic_ns;
use crate::netns::Namespace;
use crate::node::Node;
use crate::process::{JsonProcess, NoSuchEvent};
use crate::uml::{Machine, UmlError};

/// A running endpoint; dropping it kills the process, silently for its peer.
#[derive(Debug)]
pub struct Endpoint {
    process: JsonProcess<Event>,
    /// How far the clock of the endpoint's machine is ahead of this one's.
    clock_offset_ns: i64,
    /// Whether it is another machine, whose console overlooks input now and then.
    is_nudged: bool,
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
        /// The system's error.
        source: io::Error,
    },
    /// User Mode Linux could not be started.
    #[error(transparent)]
    UserModeLinux(#[from] UmlError),
    /// The process took no command: it has ended.
    #[error("the endpoint does not take `{command}`; it said: {stderr}")]
    Command {
        /// The command.
        command: String,
        /// The system's error.
        source: io::Error,
        /// The process's standard error.
        stderr: String,
    },
    /// The awaited event did not come.
    #[error(transparent)]
    NoSuchEvent(#[from] NoSuchEvent),
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
        let process = JsonProcess::spawn(namespace.command(&binary).args(config.arguments()))
            .map_err(|source| EndpointError::Start { binary, source })?;
        let endpoint = Self {
            process,
            clock_offset_ns: 0,
            is_nudged: false,
        };
        endpoint.wait_for(READY_WITHIN, is_ready)?;
        Ok(endpoint)
    }

    /// Boots a Linux that takes the place of `node` and starts an endpoint there.
    pub(crate) fn spawn_in_user_mode_linux(
        node: &Node,
        settings: &[(String, String)],
        config: &EndpointConfig,
    ) -> Result<Self, EndpointError> {
        let binary = endpoint_binary()?;
        let config = EndpointConfig {
            supervised: true,
            stack: StackChoice::Kernel,
            ..config.clone()
        };
        let machine = Machine::prepare(node, settings, &binary, &config.arguments())?;
        let process = JsonProcess::spawn(&mut machine.command(node))
            .map_err(|source| EndpointError::Start { binary, source })?;
        let mut endpoint = Self {
            process,
            clock_offset_ns: 0,
            is_nudged: true,
        };
        endpoint.wait_for(BOOTED_WITHIN, is_ready)?;
        endpoint.clock_offset_ns = endpoint.measure_clock_offset()?;
        Ok(endpoint)
    }

    /// Every event so far, oldest first.
    #[must_use]
    pub fn events(&self) -> Vec<Event> {
        let events = self.process.events().into_iter();
        events.map(|event| self.on_our_clock(event)).collect()
    }

    /// The process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid()
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
        let event = self
            .process
            .wait_for(within, |event| is_awaited(&self.on_our_clock(event.clone())))?;
        Ok(self.on_our_clock(event))
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
        let is_answer = |event: &Event| matches!(event.kind, EventKind::Paths { .. });
        match self.ask("paths", is_answer)?.kind {
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

    /// Binds to one local address more; the stack tells the peers if it is set up to (RFC 5061).
    ///
    /// # Errors
    /// When the process has ended. An address that the host does not have is reported as an event.
    pub fn add_address(&mut self, address: IpAddr) -> Result<(), EndpointError> {
        self.command(&format!("add_address {address}"))
    }

    /// Binds to this local address no more; the stack tells the peers if it is set up to (RFC 5061).
    ///
    /// # Errors
    /// When the process has ended. An address that it was not bound to is reported as an event.
    pub fn remove_address(&mut self, address: IpAddr) -> Result<(), EndpointError> {
        self.command(&format!("remove_address {address}"))
    }

    /// Whose SCTP it speaks.
    #[must_use]
    pub fn stack(&self) -> StackKind {
        let stack = |event: Event| match event.kind {
            EventKind::Ready { stack, .. } => Some(stack),
            _ => None,
        };
        self.events()
            .into_iter()
            .find_map(stack)
            .expect("`spawn` waits for this event")
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
    /// usrsctp dies with it and says nothing to its peer, but the namespace's kernel, which has no SCTP, then answers what
    /// the peer sends with ICMP protocol unreachable, or ICMPv6 unrecognized next header, at a limited rate. The kernel's
    /// stack lives on, closes the socket and tells the peer: SHUTDOWN, or ABORT if something was not read.
    #[must_use]
    pub fn kill(mut self) -> Vec<Event> {
        self.process.reap();
        self.events()
    }

    /// How far the clock of the endpoint's machine is ahead of this one's. Events are on this one's already.
    ///
    /// # Errors
    /// When the process has ended.
    pub fn clock_offset_ns(&mut self) -> Result<i64, EndpointError> {
        self.measure_clock_offset()
    }

    /// The machine's clock is read somewhere between question and answer; the fastest of some answers says most.
    fn measure_clock_offset(&mut self) -> Result<i64, EndpointError> {
        let mut fastest: Option<(u64, i64)> = None;
        for _ in 0..CLOCK_QUESTIONS {
            let asked_at_ns = monotonic_ns();
            let answer = self.ask("clock", is_clock)?;
            let took_ns = monotonic_ns() - asked_at_ns;
            if fastest.is_none_or(|(fastest_ns, _)| took_ns < fastest_ns) {
                let offset_ns = answer.time_ns.cast_signed() - (asked_at_ns + took_ns / 2).cast_signed();
                fastest = Some((took_ns, offset_ns));
            }
        }
        Ok(fastest.map_or(0, |(_, offset_ns)| offset_ns))
    }

    /// Gives a command and waits for its answer, whose time is the machine's.
    fn ask(&mut self, command: &str, is_answer: fn(&Event) -> bool) -> Result<Event, EndpointError> {
        let earlier = self
            .process
            .events()
            .iter()
            .filter(|event| is_answer(event))
            .count();
        self.say(command)?;
        self.answer(earlier, is_answer)
    }

    /// Waits for the answer to a command, of which `earlier` ones came before. User Mode Linux misses the arrival of console
    /// input now and then while its NICs are busy, and finds it when more comes: empty lines, which mean nothing.
    fn answer(&mut self, earlier: usize, is_answer: fn(&Event) -> bool) -> Result<Event, EndpointError> {
        let deadline_ns = monotonic_ns() + ANSWER_WITHIN.as_nanos() as u64;
        let pause = if self.is_nudged {
            NUDGE_AFTER
        } else {
            ANSWER_WITHIN
        };
        loop {
            let mut seen = 0;
            let is_next = |event: &Event| {
                seen += usize::from(is_answer(event));
                seen > earlier
            };
            match self.process.wait_for(pause, is_next) {
                Ok(event) => return Ok(event),
                Err(nothing) if nothing.ended || monotonic_ns() > deadline_ns => return Err(nothing.into()),
                Err(_) => self.say("")?,
            }
        }
    }

    fn on_our_clock(&self, mut event: Event) -> Event {
        event.time_ns = event.time_ns.saturating_add_signed(-self.clock_offset_ns);
        event
    }

    fn end(mut self, command: &str) -> Result<Vec<Event>, EndpointError> {
        self.say(command)?;
        self.answer(0, |event| matches!(event.kind, EventKind::Summary { .. }))?;
        self.process.reap();
        Ok(self.events())
    }

    /// Gives a command that has no answer. Another machine obeys it before this returns.
    fn command(&mut self, command: &str) -> Result<(), EndpointError> {
        self.say(command)?;
        if self.is_nudged {
            self.ask("clock", is_clock)?;
        }
        Ok(())
    }

    fn say(&mut self, line: &str) -> Result<(), EndpointError> {
        self.process.say(line).map_err(|source| EndpointError::Command {
            command: line.to_owned(),
            source,
            stderr: self.process.stderr(),
        })
    }
}

fn is_clock(event: &Event) -> bool {
    matches!(event.kind, EventKind::Clock)
}

fn is_ready(event: &Event) -> bool {
    matches!(event.kind, EventKind::Ready { .. })
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

/// A boot takes three seconds.
const BOOTED_WITHIN: Duration = Duration::from_secs(60);

/// An answer that has not come by then waits for a nudge.
const NUDGE_AFTER: Duration = Duration::from_millis(50);

/// Of so many answers one comes within a fraction of a millisecond.
const CLOCK_QUESTIONS: u32 = 16;

/// A shutdown over healthy paths takes some round-trip times; one lost packet costs an RTO, three seconds at first.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
