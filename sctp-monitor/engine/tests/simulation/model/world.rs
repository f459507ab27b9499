//! A world in virtual time: two hosts, the paths between them, and a monitor on one of the hosts or half-way.
//!
//! What happens next is the earliest of what is due: a packet arrives, an endpoint's timer expires, the agent wakes
//! up, a CPU stalls. The monitor sees every packet when its host handles it, and thinks when the agent would.

use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

use sctp_monitor_engine::{
    config::Vantage,
    model::{Broken as Said, IncidentView, PathId, Timestamp},
};

use super::{
    dice::Dice,
    endpoint::Endpoint,
    monitor::{Change, Monitor},
    network::{Broken, Wire},
    packet::{self, Packet, Side},
};

/// When every world begins.
pub(crate) const BEGINNING: Timestamp = Timestamp::from_nanos(1_000_000_000_000);

/// CPUs that stop for a while: preempted by a hypervisor, in a long interrupt, out of quota.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stalls {
    pub(crate) whose: Stalled,
    pub(crate) length: Duration,
    /// On average.
    pub(crate) every: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stalled {
    Peer,
    /// Both hosts and the agent: they are one guest.
    All,
    /// The monitored host, and the agent with it.
    Host,
    Agent,
}

/// Directions in which a path may break.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Break {
    Both,
    /// From the monitored host to its peer.
    Forward,
    Return,
}

impl Break {
    pub(crate) const ALL: [Self; 3] = [Self::Both, Self::Forward, Self::Return];
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) now: Timestamp,
    hosts: [Host; 2],
    /// By path, then by the side that sends.
    wires: Vec<[Wire; 2]>,
    under_way: BinaryHeap<Reverse<Arrival>>,
    sent: u64,
    monitor: Monitor,
    /// The monitor is half-way on every path, not on the local host.
    at_gateway: bool,
    agent: Agent,
    stalls: Option<Stalls>,
    stall_at: Timestamp,
    dice: Dice,
}

/// When the agent may run.
#[derive(Debug, Clone, Copy)]
enum Agent {
    Runs,
    StandsStillUntil(Timestamp),
}

#[derive(Debug)]
struct Host {
    endpoint: Endpoint,
    /// It handles nothing before.
    runs_from: Timestamp,
}

#[derive(Debug)]
struct Arrival {
    at: Timestamp,
    /// Ties go in the order of sending.
    order: u64,
    packet: Packet,
    stage: Stage,
}

#[derive(Debug, Clone, Copy)]
enum Stage {
    /// Half-way, at a gateway. It gets to the other host then, if it does.
    Tap {
        arrives_at: Option<Timestamp>,
    },
    End,
}

impl World {
    /// An association over these paths that has just been set up, which the monitor saw unless it `joins_late`.
    pub(crate) fn new(
        [local, remote]: [Endpoint; 2],
        wires: Vec<[Wire; 2]>,
        mut monitor: Monitor,
        stalls: Option<Stalls>,
        joins_late: bool,
        mut dice: Dice,
    ) -> Self {
        if !joins_late {
            for (from, frame) in packet::handshake(wires.len()) {
                monitor.handle_frame(from, 0, &frame, BEGINNING);
            }
        }
        let stall_at = match &stalls {
            Some(stalls) => BEGINNING + dice.exponential(stalls.every),
            None => NEVER,
        };
        let at_gateway = monitor.vantage() == Vantage::Gateway;
        Self {
            now: BEGINNING,
            hosts: [local, remote].map(|endpoint| Host {
                endpoint,
                runs_from: BEGINNING,
            }),
            wires,
            under_way: BinaryHeap::new(),
            sent: 0,
            monitor,
            at_gateway,
            agent: Agent::Runs,
            stalls,
            stall_at,
            dice,
        }
    }

    pub(crate) fn paths(&self) -> usize {
        self.wires.len()
    }

    /// Where the monitored host's new DATA goes.
    pub(crate) fn data_path(&self) -> usize {
        self.hosts[Side::Local as usize].endpoint.data_path()
    }

    /// Breaks a path between the monitor and the peer.
    pub(crate) fn break_path(&mut self, path: usize, direction: Break) {
        let [forward, back] = &mut self.wires[path];
        if direction != Break::Return {
            forward.break_silently(Broken::BehindTap);
        }
        if direction != Break::Forward {
            back.break_silently(Broken::BeforeTap);
        }
    }

    /// Ends the break of a path.
    pub(crate) fn heal_path(&mut self, path: usize) {
        self.wires[path].iter_mut().for_each(Wire::heal);
    }

    /// From now on a path carries no packet to the peer that is larger.
    pub(crate) fn shrink_path(&mut self, path: usize, mtu: usize) {
        self.wires[path][0].shrink(mtu);
    }

    /// The incidents that the monitor has opened since the last call.
    pub(crate) fn take_incidents(&mut self) -> Vec<IncidentView> {
        self.monitor.take_incidents()
    }

    /// What the monitor said of the directions in which paths are broken since the last call.
    pub(crate) fn take_directions(&mut self) -> Vec<(PathId, Said)> {
        self.monitor.take_directions()
    }

    /// Lets time pass, and gives the state changes that the monitor reported.
    pub(crate) fn advance(&mut self, duration: Duration) -> Vec<Change> {
        let end = self.now + duration;
        while self.step(end) {}
        self.now = end;
        self.monitor.take_changes()
    }

    fn step(&mut self, end: Timestamp) -> bool {
        let arrival_at = self.under_way.peek().map_or(NEVER, |arrival| arrival.0.at);
        let [local_at, remote_at] = [0, 1].map(|side| {
            self.hosts[side]
                .endpoint
                .poll_timeout()
                .max(self.hosts[side].runs_from)
        });
        let agent_at = match self.agent {
            Agent::Runs => self.monitor.poll_timeout(),
            Agent::StandsStillUntil(time) => time,
        };
        let next = arrival_at
            .min(local_at)
            .min(remote_at)
            .min(agent_at)
            .min(self.stall_at);
        if next > end {
            return false;
        }
        self.now = self.now.max(next);
        if next == self.stall_at {
            self.stall();
        } else if next == arrival_at {
            self.arrive();
        } else if next == local_at {
            self.wake(Side::Local);
        } else if next == remote_at {
            self.wake(Side::Remote);
        } else {
            self.wake_agent();
        }
        true
    }

    fn arrive(&mut self) {
        let Some(Reverse(arrival)) = self.under_way.pop() else {
            return;
        };
        let packet = arrival.packet;
        if let Stage::Tap { arrives_at } = arrival.stage {
            self.monitor.handle_packet(&packet, self.now);
            if let Some(at) = arrives_at {
                self.enqueue(packet, at, Stage::End);
            }
            return;
        }
        let to = if packet.from == Side::Local {
            Side::Remote
        } else {
            Side::Local
        };
        let runs_from = self.hosts[to as usize].runs_from;
        if runs_from > self.now {
            // It waits in the NIC's queue.
            self.enqueue(packet, runs_from, Stage::End);
            return;
        }
        if to == Side::Local && !self.at_gateway {
            self.monitor.handle_packet(&packet, self.now);
        }
        self.hosts[to as usize].endpoint.handle_packet(packet, self.now);
        self.transmit(to);
    }

    fn wake(&mut self, side: Side) {
        self.hosts[side as usize].endpoint.handle_timeout(self.now);
        self.transmit(side);
    }

    fn wake_agent(&mut self) {
        match std::mem::replace(&mut self.agent, Agent::Runs) {
            Agent::Runs => self.monitor.handle_timeout(self.now),
            Agent::StandsStillUntil(_) => self.monitor.handle_stall(self.now),
        }
    }

    fn transmit(&mut self, side: Side) {
        while let Some(packet) = self.hosts[side as usize].endpoint.poll_transmit(self.now) {
            let course = self.wires[packet.path][side as usize].carry(packet.length(), self.now);
            if self.at_gateway {
                if let Some(at) = course.passes_tap_at {
                    let arrives_at = course.arrives_at;
                    self.enqueue(packet, at, Stage::Tap { arrives_at });
                }
                continue;
            }
            if side == Side::Local {
                self.monitor.handle_packet(&packet, self.now);
            }
            if let Some(at) = course.arrives_at {
                self.enqueue(packet, at, Stage::End);
            }
        }
    }

    fn enqueue(&mut self, packet: Packet, at: Timestamp, stage: Stage) {
        let order = self.sent;
        self.sent += 1;
        self.under_way.push(Reverse(Arrival {
            at,
            order,
            packet,
            stage,
        }));
    }

    /// A CPU stops. Who of those it held up runs first afterwards is a matter of chance.
    fn stall(&mut self) {
        let Some(stalls) = self.stalls else {
            return;
        };
        let end = self.now + stalls.length;
        let mut resumes = || end + self.dice.between(Duration::ZERO, Duration::from_millis(1));
        match stalls.whose {
            Stalled::Peer => self.hosts[Side::Remote as usize].runs_from = resumes(),
            Stalled::All => {
                for host in &mut self.hosts {
                    host.runs_from = resumes();
                }
                self.agent = Agent::StandsStillUntil(resumes());
            }
            Stalled::Host => {
                self.hosts[Side::Local as usize].runs_from = resumes();
                self.agent = Agent::StandsStillUntil(resumes());
            }
            Stalled::Agent => self.agent = Agent::StandsStillUntil(resumes()),
        }
        self.stall_at = end + self.dice.exponential(stalls.every);
    }
}

const NEVER: Timestamp = Timestamp::from_nanos(u64::MAX);

impl PartialEq for Arrival {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.order) == (other.at, other.order)
    }
}

impl Eq for Arrival {}

impl PartialOrd for Arrival {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Arrival {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}
