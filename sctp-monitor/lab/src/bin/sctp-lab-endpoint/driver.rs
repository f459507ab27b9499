//! The one loop: what comes from the stack and from standard input, and what is due, in the order of time.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use anyhow::Context as _;
use sctp_monitor_lab::clock::{MonotonicNs, monotonic_ns};
use sctp_monitor_lab::endpoint::{DownReason, EndpointConfig, EventKind, Traffic};

use crate::association::Association;
use crate::command::Command;
use crate::input::{Input, read_commands};
use crate::output::{report, report_at};
use crate::schedule::Schedule;
use crate::stack::notification::{AssociationChange, Notification};
use crate::stack::{Content, Deliveries, Delivery, LocalAddressChange, Socket, Stack, start};

/// The endpoint at work.
pub(crate) struct Driver {
    config: EndpointConfig,
    stack: Box<dyn Stack>,
    sockets: Vec<Box<dyn Socket>>,
    /// Sockets that have no association yet.
    to_connect: VecDeque<usize>,
    /// How many handshakes are under way.
    connecting: usize,
    associations: Vec<Association>,
    /// By socket and the stack's id: the number of each association that is up.
    numbers: HashMap<(usize, u32), usize>,
    schedule: Schedule,
    message: Vec<u8>,
    is_ending: bool,
    inputs: Receiver<Input>,
    next_stats_ns: Option<MonotonicNs>,
    end_ns: Option<MonotonicNs>,
}

impl Driver {
    /// Starts the stack and opens the sockets.
    pub(crate) fn start(config: EndpointConfig) -> anyhow::Result<Self> {
        let (sender, inputs) = channel();
        let kind = config.stack.decide()?;
        let stack = start(kind, &config).context("start the stack")?;
        let sockets = open_sockets(&*stack, &config, &sender)?;
        let local_ports = sockets
            .iter()
            .map(|socket| socket.local_port())
            .collect::<io::Result<_>>()?;
        let to_connect = if config.connect.is_some() {
            (0..sockets.len()).collect()
        } else {
            VecDeque::new()
        };
        report(EventKind::Ready {
            local_ports,
            stack: kind,
        })?;
        std::thread::Builder::new()
            .name("stdin".to_owned())
            .spawn(move || read_commands(&sender))?;
        let now_ns = monotonic_ns();
        Ok(Self {
            schedule: Schedule::new(config.traffic.rate),
            message: vec![0; config.traffic.size],
            next_stats_ns: (!config.stats_interval.is_zero())
                .then(|| now_ns + nanoseconds(config.stats_interval)),
            end_ns: config.duration.map(|duration| now_ns + nanoseconds(duration)),
            config,
            stack,
            sockets,
            to_connect,
            connecting: 0,
            associations: Vec::new(),
            numbers: HashMap::new(),
            is_ending: false,
            inputs,
        })
    }

    /// Works until the endpoint has nothing more to do, then reports the summary.
    pub(crate) fn run(mut self) -> anyhow::Result<()> {
        while !self.is_done() {
            self.connect_more()?;
            match self.inputs.recv_timeout(self.time_to_next_deadline()) {
                Ok(Input::Stack(delivery)) => self.on_delivery(delivery)?,
                Ok(Input::Command(Command::Quit)) => break,
                Ok(Input::Command(command)) => self.on_command(command)?,
                Ok(Input::Unclear(message)) => report(EventKind::Error { message })?,
                Ok(Input::StdinClosed) if self.config.supervised => break,
                Ok(Input::StdinClosed) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => unreachable!("the sockets' callbacks hold a sender"),
            }
            self.on_time(monotonic_ns())?;
        }
        let associations: Vec<_> = self.associations.iter().map(Association::counts).collect();
        report(EventKind::Summary {
            total: total(&associations),
            stack: self.stack.counters(),
            associations,
        })?;
        Ok(())
    }

    fn is_done(&self) -> bool {
        let is_idle = self.numbers.is_empty() && self.connecting == 0;
        is_idle && (self.is_ending || self.config.connect.is_some() && self.to_connect.is_empty())
    }

    fn time_to_next_deadline(&self) -> Duration {
        let deadlines = [self.schedule.next_due_ns(), self.next_stats_ns, self.end_ns];
        let Some(next_ns) = deadlines.into_iter().flatten().min() else {
            return LONGEST_WAIT;
        };
        Duration::from_nanos(next_ns.saturating_sub(monotonic_ns())).min(LONGEST_WAIT)
    }

    fn connect_more(&mut self) -> io::Result<()> {
        let Some(peer) = &self.config.connect else {
            return Ok(());
        };
        while self.connecting < HANDSHAKES_AT_ONCE
            && let Some(socket) = self.to_connect.pop_front()
        {
            match self.sockets[socket].connect(&peer.addresses, peer.port) {
                Ok(()) => self.connecting += 1,
                Err(error) => report(EventKind::Error {
                    message: format!("connect: {error}"),
                })?,
            }
        }
        Ok(())
    }

    fn on_time(&mut self, now_ns: MonotonicNs) -> io::Result<()> {
        while let Some(association) = self.schedule.pop_due(now_ns) {
            self.send_next(association)?;
        }
        if let Some(due_ns) = self.next_stats_ns.filter(|due_ns| *due_ns <= now_ns) {
            let counts: Vec<_> = self.associations.iter().map(Association::counts).collect();
            report_at(now_ns, EventKind::Stats(total(&counts)))?;
            self.next_stats_ns = Some(due_ns.max(now_ns) + nanoseconds(self.config.stats_interval));
        }
        if self.end_ns.is_some_and(|end_ns| end_ns <= now_ns) {
            self.end_ns = None;
            self.on_command(Command::Shutdown)?;
        }
        Ok(())
    }

    fn on_command(&mut self, command: Command) -> io::Result<()> {
        match command {
            Command::Rate(rate) => {
                self.config.traffic.rate = rate;
                self.schedule = Schedule::new(rate);
                for association in self.numbers.values() {
                    self.schedule.add(*association, monotonic_ns());
                }
            }
            Command::Size(size) => self.message = vec![0; size],
            Command::SetPrimary(address) => {
                self.for_each_up(|socket, id| socket.set_primary(id, address))?;
            }
            Command::AddAddress(address) => {
                self.for_each_socket(|socket| socket.change_address(LocalAddressChange::Add, address))?;
            }
            Command::RemoveAddress(address) => {
                self.for_each_socket(|socket| socket.change_address(LocalAddressChange::Remove, address))?;
            }
            Command::Clock => report(EventKind::Clock)?,
            Command::Paths => {
                let paths = |association: &Association| {
                    let asked = || self.sockets[association.socket].paths(association.id);
                    if association.is_up {
                        asked().unwrap_or_default()
                    } else {
                        Vec::new()
                    }
                };
                let associations = self.associations.iter().map(paths).collect();
                report(EventKind::Paths { associations })?;
            }
            Command::Shutdown => {
                self.end_sending();
                self.for_each_up(|socket, id| socket.shut_down(id))?;
            }
            Command::Abort => {
                self.end_sending();
                self.for_each_up(|socket, id| socket.abort(id))?;
                let now_ns = monotonic_ns();
                for (_, number) in std::mem::take(&mut self.numbers) {
                    self.associations[number].is_up = false;
                    let reason = DownReason::Aborted;
                    report_at(
                        now_ns,
                        EventKind::AssociationDown {
                            association: Some(number),
                            reason,
                        },
                    )?;
                }
            }
            Command::Quit => unreachable!("the loop ends there"),
        }
        Ok(())
    }

    fn end_sending(&mut self) {
        self.is_ending = true;
        self.to_connect.clear();
        self.connecting = 0;
        self.schedule = Schedule::new(0.0);
    }

    fn for_each_up(&self, action: impl Fn(&dyn Socket, u32) -> io::Result<()>) -> io::Result<()> {
        let up = self.numbers.keys();
        up.map(|(socket, id)| action(&*self.sockets[*socket], *id))
            .try_for_each(report_failure)
    }

    fn for_each_socket(&self, action: impl Fn(&dyn Socket) -> io::Result<()>) -> io::Result<()> {
        let sockets = self.sockets.iter();
        sockets
            .map(|socket| action(&**socket))
            .try_for_each(report_failure)
    }

    fn on_delivery(&mut self, delivery: Delivery) -> io::Result<()> {
        let (bytes, is_complete) = match delivery.content {
            Content::Message { bytes, is_complete } => (bytes, is_complete),
            Content::Notification(notification) => {
                let key = (delivery.socket, delivery.association);
                return self.on_notification(delivery.time_ns, key, notification);
            }
        };
        let Some(number) = self
            .numbers
            .get(&(delivery.socket, delivery.association))
            .copied()
        else {
            return Ok(());
        };
        let gap_ns = self.associations[number].on_delivery(delivery.time_ns, &bytes, is_complete);
        if let Some(gap_ns) = gap_ns.filter(|gap_ns| *gap_ns >= nanoseconds(self.config.gap_threshold)) {
            report_at(
                delivery.time_ns,
                EventKind::DeliveryGap {
                    association: number,
                    gap_ns,
                },
            )?;
        }
        if self.config.traffic.echo {
            self.send(number, 0, &bytes)?;
        }
        Ok(())
    }

    fn on_notification(
        &mut self,
        time_ns: MonotonicNs,
        key: (usize, u32),
        notification: Notification,
    ) -> io::Result<()> {
        let number = self.numbers.get(&key).copied();
        let event = match (notification, number) {
            (Notification::Association(AssociationChange::Up), None) => {
                return self.on_up(time_ns, key);
            }
            (Notification::Association(AssociationChange::Restarted), Some(association)) => {
                EventKind::AssociationRestarted { association }
            }
            (Notification::Path { address, state }, Some(association)) => EventKind::PathChanged {
                association,
                address,
                state,
            },
            (Notification::Association(change), _) => {
                let reason = match change {
                    AssociationChange::ShutDown => DownReason::Shutdown,
                    AssociationChange::NotStarted => DownReason::NotStarted,
                    AssociationChange::Lost => DownReason::Lost,
                    AssociationChange::Up | AssociationChange::Restarted => return Ok(()),
                };
                self.on_down(key);
                EventKind::AssociationDown {
                    association: number,
                    reason,
                }
            }
            (Notification::Path { .. }, None) => return Ok(()),
        };
        report_at(time_ns, event)
    }

    fn on_up(&mut self, time_ns: MonotonicNs, (socket, id): (usize, u32)) -> io::Result<()> {
        let number = self.associations.len();
        self.associations.push(Association::new(socket, id));
        self.numbers.insert((socket, id), number);
        self.connecting = self.connecting.saturating_sub(1);
        let peer = self.sockets[socket].peer_addresses(id)?;
        report_at(
            time_ns,
            EventKind::AssociationUp {
                association: number,
                local_port: self.sockets[socket].local_port()?,
                peer_port: peer.first().map_or(0, SocketAddr::port),
                peer_addresses: peer.iter().map(SocketAddr::ip).collect(),
            },
        )?;
        if self.is_ending {
            return self.sockets[socket].shut_down(id);
        }
        self.schedule.add(number, monotonic_ns());
        Ok(())
    }

    fn on_down(&mut self, key: (usize, u32)) {
        match self.numbers.remove(&key) {
            Some(number) => {
                self.associations[number].is_up = false;
                self.schedule.remove(number);
            }
            None => self.connecting = self.connecting.saturating_sub(1),
        }
    }

    fn send_next(&mut self, number: usize) -> io::Result<()> {
        let sequence = self.associations[number].next_sequence();
        if let Some(field) = self.message.first_chunk_mut() {
            *field = sequence.to_be_bytes();
        }
        let stream = sequence % u64::from(self.config.traffic.streams.max(1));
        let stream = u16::try_from(stream).expect("a remainder by a 16-bit number");
        let message = std::mem::take(&mut self.message);
        let sent = self.send(number, stream, &message);
        self.message = message;
        sent
    }

    fn send(&mut self, number: usize, stream: u16, message: &[u8]) -> io::Result<()> {
        let association = &mut self.associations[number];
        let socket = &self.sockets[association.socket];
        match socket.send(association.id, stream, self.config.traffic.ppid, message) {
            Ok(()) => association.on_sent(),
            Err(error) => {
                association.on_refused();
                if error.kind() != io::ErrorKind::WouldBlock && !association.has_failed {
                    association.has_failed = true;
                    report(EventKind::Error {
                        message: format!("send on association {number}: {error}"),
                    })?;
                }
            }
        }
        Ok(())
    }
}

fn open_sockets(
    stack: &dyn Stack,
    config: &EndpointConfig,
    sender: &Sender<Input>,
) -> anyhow::Result<Vec<Box<dyn Socket>>> {
    let deliveries = || -> Deliveries {
        let sender = sender.clone();
        // Nobody reads the other end only when the process ends.
        Arc::new(move |delivery| drop(sender.send(Input::Stack(delivery))))
    };
    let open = |number: u16, port| {
        stack
            .open(usize::from(number), config, port, deliveries())
            .with_context(|| format!("bind to port {port}"))
    };
    if let Some(port) = config.listen {
        let socket = open(0, port)?;
        socket.listen().context("listen")?;
        return Ok(vec![socket]);
    }
    let port_of = |number| match config.local_port {
        0 => 0,
        first => first + number,
    };
    (0..config.associations)
        .map(|number| open(number, port_of(number)))
        .collect()
}

fn report_failure(result: io::Result<()>) -> io::Result<()> {
    result.or_else(|error| {
        report(EventKind::Error {
            message: error.to_string(),
        })
    })
}

fn total(counts: &[Traffic]) -> Traffic {
    let mut total = Traffic::default();
    counts.iter().for_each(|counts| total.add(counts));
    total
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX / 2)
}

/// The raw socket's receive buffer (128 KiB) must hold the handshakes of all that connect at once.
const HANDSHAKES_AT_ONCE: usize = 64;

/// Something is always due earlier in practice; recv_timeout does not like eternity.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);
