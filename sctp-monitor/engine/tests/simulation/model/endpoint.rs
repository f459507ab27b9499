//! An SCTP endpoint: a sender, a receiver, heartbeats, and an application that sends messages.

use std::{collections::VecDeque, time::Duration};

use sctp_monitor_engine::model::Timestamp;

use super::{
    dice::Dice,
    packet::{Chunk, Packet, Side, Tsn},
    receiver::{Acks, Receiver},
    sender::{Habits, Sender},
    transport::Transport,
};

/// What the application sends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Traffic {
    pub(crate) per_second: f64,
    pub(crate) rhythm: Rhythm,
    pub(crate) bytes: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rhythm {
    /// Evenly, but for a tenth of the interval.
    Steady,
    /// Each message by itself.
    Poisson,
    /// Always more than can be sent: one message after the other, of so many full packets and a small one.
    Bulk { full_packets: usize },
}

impl Traffic {
    fn interval(&self, dice: &mut Dice) -> Duration {
        let mean = Duration::from_secs_f64(1.0 / self.per_second);
        match self.rhythm {
            Rhythm::Steady => dice.between(mean.mul_f64(0.9), mean.mul_f64(1.1)),
            Rhythm::Poisson => dice.exponential(mean),
            // The send buffer is looked after that often.
            Rhythm::Bulk { .. } => Duration::from_millis(20),
        }
    }
}

/// What distinguishes one endpoint from another.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Character {
    pub(crate) side: Side,
    pub(crate) habits: Habits,
    pub(crate) acks: Acks,
    pub(crate) traffic: Option<Traffic>,
    pub(crate) first_tsn: Tsn,
    pub(crate) peer_first_tsn: Tsn,
}

#[derive(Debug)]
pub(crate) struct Endpoint {
    side: Side,
    sender: Sender,
    receiver: Receiver,
    traffic: Option<Traffic>,
    message_at: Option<Timestamp>,
    /// Heartbeats and their acks, each in a packet of its own.
    control: VecDeque<(usize, Chunk)>,
    next_nonce: u64,
    dice: Dice,
}

impl Endpoint {
    /// One whose association begins now, over so many paths.
    pub(crate) fn new(character: &Character, paths: usize, now: Timestamp, mut dice: Dice) -> Self {
        let transports = (0..paths).map(|_| Transport::new(now, dice.split())).collect();
        let message_at = character
            .traffic
            .map(|traffic| now + Duration::from_millis(100) + traffic.interval(&mut dice));
        Self {
            side: character.side,
            sender: Sender::new(character.habits, transports, character.first_tsn),
            receiver: Receiver::new(character.acks, character.peer_first_tsn, dice.split()),
            traffic: character.traffic,
            message_at,
            control: VecDeque::new(),
            next_nonce: dice.below(1 << 60),
            dice,
        }
    }

    /// Where its new DATA goes.
    pub(crate) fn data_path(&self) -> usize {
        self.sender.data_path()
    }

    pub(crate) fn handle_packet(&mut self, packet: Packet, now: Timestamp) {
        let tsns = packet.chunks.iter().filter_map(|chunk| match chunk {
            Chunk::Data { tsn, .. } => Some(*tsn),
            _ => None,
        });
        if tsns.clone().next().is_some() {
            self.receiver.on_data(packet.path, tsns, now);
        }
        for chunk in packet.chunks {
            match chunk {
                Chunk::Data { .. } => {}
                Chunk::Sack(sack) => self.sender.on_sack(&sack, now),
                Chunk::Heartbeat { nonce } => self
                    .control
                    .push_back((packet.path, Chunk::HeartbeatAck { nonce })),
                Chunk::HeartbeatAck { nonce } => {
                    self.sender.transports[packet.path].on_heartbeat_ack(nonce, now);
                }
            }
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Timestamp) {
        while let (Some(at), Some(traffic)) = (self.message_at, self.traffic)
            && at <= now
        {
            match traffic.rhythm {
                Rhythm::Bulk { full_packets } => self.sender.fill(full_packets),
                Rhythm::Steady | Rhythm::Poisson => self.sender.push(traffic.bytes),
            }
            self.message_at = Some(at + traffic.interval(&mut self.dice));
        }
        self.sender.handle_timeout(now);
        self.receiver.handle_timeout(now);
        for path in 0..self.sender.transports.len() {
            if self.sender.transports[path].heartbeat_at <= now {
                let potentially_failed = self.sender.is_potentially_failed(path);
                let nonce = self.next_nonce;
                self.next_nonce += 1;
                self.sender.transports[path].on_heartbeat_timer(nonce, potentially_failed, now);
                self.control.push_back((path, Chunk::Heartbeat { nonce }));
            }
        }
    }

    pub(crate) fn poll_timeout(&self) -> Timestamp {
        let transports = self.sender.transports.iter();
        transports
            .flat_map(|transport| [transport.t3_at, Some(transport.heartbeat_at)])
            .chain([self.message_at, self.receiver.ack_at])
            .flatten()
            .min()
            .unwrap_or(Timestamp::from_nanos(u64::MAX))
    }

    /// The next packet to send.
    pub(crate) fn poll_transmit(&mut self, now: Timestamp) -> Option<Packet> {
        let packet = |path, chunks| Packet {
            from: self.side,
            path,
            chunks,
        };
        if let Some((path, chunk)) = self.control.pop_front() {
            return Some(packet(path, vec![chunk]));
        }
        if let Some((path, mut chunks)) = self.sender.poll_data(now) {
            if self.receiver.owes_ack() && self.receiver.path == path {
                chunks.insert(0, Chunk::Sack(self.receiver.acknowledge()));
            }
            return Some(packet(path, chunks));
        }
        if self.receiver.owes_ack_now() {
            let sack = Chunk::Sack(self.receiver.acknowledge());
            return Some(packet(self.receiver.path, vec![sack]));
        }
        None
    }
}
