//! An association of which both ends are played: its frames are made here and pass the agent, and no stack takes part.

use std::sync::{
    Mutex,
    atomic::{AtomicU32, Ordering},
};

use sctp_monitor_lab::Injector;
use sctp_monitor_testkit::frames::{self, Packet};
use serde_json::Value;

use crate::setup::PORT;

/// What an association's packets are in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Form {
    V4,
    V6,
    /// UDP over IPv4 (RFC 6951).
    Udp,
}

impl Form {
    pub(crate) const ALL: [Self; 3] = [Self::V4, Self::V6, Self::Udp];
}

/// An association of which both ends are played.
pub(crate) struct Played {
    pub(crate) number: u16,
    pub(crate) form: Form,
    pub(crate) port: u16,
    /// The last TSN that was sent, and how many HEARTBEATs were.
    pub(crate) tsn: AtomicU32,
    pub(crate) heartbeats: AtomicU32,
    /// The first frames of the peer.
    pub(crate) seen: Mutex<Vec<Vec<u8>>>,
}

impl Played {
    pub(crate) fn new(number: u16, form: Form) -> Self {
        Self {
            number,
            form,
            port: 40_000 + number,
            tsn: AtomicU32::new(u32::from(number) << 18),
            heartbeats: AtomicU32::new(0),
            seen: Mutex::default(),
        }
    }

    pub(crate) fn local(&self) -> String {
        match self.form {
            Form::V6 => "fd00:9::1".to_owned(),
            _ => "10.9.0.1".to_owned(),
        }
    }

    /// Each has a peer of its own.
    pub(crate) fn peer(&self) -> String {
        match self.form {
            Form::V6 => format!("fd00:9:{:x}::2", self.number),
            _ => format!("10.9.{}.2", self.number),
        }
    }

    pub(crate) fn other_peer(&self) -> String {
        match self.form {
            Form::V6 => format!("fd00:9:{:x}::66", self.number),
            _ => format!("10.9.{}.66", self.number),
        }
    }

    pub(crate) fn router(&self) -> String {
        match self.form {
            Form::V6 => "fd00:66::1".to_owned(),
            _ => "10.66.0.1".to_owned(),
        }
    }

    pub(crate) fn local_tag(&self) -> u32 {
        0x1111_0000 + u32::from(self.number)
    }

    pub(crate) fn remote_tag(&self) -> u32 {
        0x2222_0000 + u32::from(self.number)
    }

    pub(crate) fn to_peer(&self, tag: u32, chunks: Vec<Vec<u8>>) -> Packet {
        Packet::v4(tag, chunks)
            .between(&self.local(), &self.peer())
            .ports(self.port, PORT)
    }

    pub(crate) fn of_peer(&self, tag: u32, chunks: Vec<Vec<u8>>) -> Packet {
        Packet::v4(tag, chunks)
            .between(&self.peer(), &self.local())
            .ports(PORT, self.port)
    }

    pub(crate) fn frame(&self, packet: &Packet) -> Vec<u8> {
        match self.form {
            Form::Udp => packet.udp(9899),
            _ => packet.ethernet(),
        }
    }

    pub(crate) fn sends(&self, wire: &Wire<'_>, chunk: Vec<u8>) {
        let tag = if chunk[0] == INIT { 0 } else { self.remote_tag() };
        wire.leaves(&self.frame(&self.to_peer(tag, vec![chunk])));
    }

    pub(crate) fn receives(&self, wire: &Wire<'_>, chunk: Vec<u8>) {
        let frame = self.frame(&self.of_peer(self.local_tag(), vec![chunk]));
        let mut seen = self.seen.lock().unwrap();
        if seen.len() < 40 {
            seen.push(frame.clone());
        }
        drop(seen);
        wire.arrives(&frame);
    }

    pub(crate) fn handshake(&self, wire: &Wire<'_>) {
        self.sends(wire, frames::init(self.local_tag(), &[]));
        self.receives(wire, frames::init_ack(self.remote_tag(), &[]));
        self.sends(wire, frames::cookie_echo());
        self.receives(wire, frames::cookie_ack());
    }

    /// Sends DATA, and now and then a HEARTBEAT.
    pub(crate) fn ask(&self, wire: &Wire<'_>, round: u32) {
        self.sends(wire, frames::data(self.tsn.load(Ordering::Relaxed) + 1, 100));
        self.tsn.fetch_add(1, Ordering::Relaxed);
        if round.is_multiple_of(HEARTBEAT_ROUNDS) {
            let number = self.heartbeats.load(Ordering::Relaxed) + 1;
            self.sends(wire, frames::heartbeat(&info(number)));
            self.heartbeats.store(number, Ordering::Relaxed);
        }
    }

    pub(crate) fn answer(&self, wire: &Wire<'_>, round: u32) {
        self.receives(wire, frames::sack(self.tsn.load(Ordering::Relaxed), &[]));
        if round.is_multiple_of(HEARTBEAT_ROUNDS) {
            let number = self.heartbeats.load(Ordering::Relaxed);
            self.receives(wire, frames::heartbeat_ack(&info(number)));
        }
    }

    pub(crate) fn is_meant(&self, event: &Value) -> bool {
        // Between the hosts the lower address is called local.
        event["local_port"] == self.port || event["remote_port"] == self.port
    }
}

/// A Heartbeat Info.
pub(crate) fn info(number: u32) -> Vec<u8> {
    (number ^ 0x5a5a_0000).to_be_bytes().repeat(10)
}

const INIT: u8 = 1;
/// From one round with a HEARTBEAT to the next.
const HEARTBEAT_ROUNDS: u32 = 10;

/// Where packets of both directions pass the agent.
pub(crate) struct Wire<'a> {
    pub(crate) outward: &'a Injector,
    pub(crate) inward: &'a Injector,
}

impl Wire<'_> {
    pub(crate) fn leaves(&self, frame: &[u8]) {
        send(self.outward, frame);
    }

    pub(crate) fn arrives(&self, frame: &[u8]) {
        send(self.inward, frame);
    }
}

/// A frame that finds the wire full is sent again.
fn send(injector: &Injector, frame: &[u8]) {
    while injector.send(frame).is_err() {
        std::thread::yield_now();
    }
}
