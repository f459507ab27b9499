//! What the two endpoints send each other: all of it is answered.

use sctp_monitor_testkit::{frames, world::World};

/// An association.
#[derive(Debug, Clone, Default)]
pub(super) struct Genuine {
    /// How often its handshake was repeated with other tags.
    pub(super) restarts: u32,
    /// DATA chunks from here and from the peer.
    sent: [u32; 2],
    heartbeats: [u32; 2],
}

impl Genuine {
    /// The tag of packets to the local endpoint.
    pub(super) fn local_tag(&self) -> u32 {
        0x10ca_1000 + self.restarts
    }

    /// The tag of packets to the remote endpoint.
    pub(super) fn remote_tag(&self) -> u32 {
        0x4e01_e000 + self.restarts
    }

    /// Whether an endpoint has this tag now.
    pub(super) fn has(&self, tag: u32) -> bool {
        [self.local_tag(), self.remote_tag()].contains(&tag)
    }

    /// Whether an endpoint has this tag, or had it before.
    pub(super) fn had(&self, tag: u32) -> bool {
        let first = Self::default();
        [first.local_tag(), first.remote_tag()]
            .iter()
            .any(|first| (*first..=first + self.restarts).contains(&tag))
    }

    /// The last TSN from here.
    pub(super) fn tsn(&self) -> u32 {
        FIRST_TSN.wrapping_add(self.sent[0])
    }

    /// The last TSN from the peer.
    pub(super) fn peer_tsn(&self) -> u32 {
        FIRST_PEER_TSN.wrapping_add(self.sent[1])
    }

    /// The last Heartbeat Info from here, or from the peer.
    pub(super) fn info(&self, from_here: bool) -> Vec<u8> {
        let number = self.heartbeats[usize::from(!from_here)];
        let from = if from_here { 0xa1 } else { 0xb2 };
        let mut info = vec![from; 36];
        info.extend(number.to_be_bytes());
        info
    }

    pub(super) fn handshake(&mut self, world: &mut World) {
        let (local, remote) = (["10.1.0.1", "10.2.0.1"], ["10.1.0.2", "10.2.0.2"]);
        world.handshake_with(self.local_tag(), &local, self.remote_tag(), &remote);
    }

    pub(super) fn data_sent(&mut self, world: &mut World, path: u8) {
        self.sent[0] += 1;
        world.sent(path, self.remote_tag(), vec![frames::data(self.tsn(), 100)]);
    }

    pub(super) fn sack_received(&mut self, world: &mut World, path: u8) {
        world.received(path, self.local_tag(), vec![frames::sack(self.tsn(), &[])]);
    }

    /// DATA of the peer, which is acknowledged at once.
    pub(super) fn data_received(&mut self, world: &mut World, path: u8) {
        self.sent[1] += 1;
        world.received(path, self.local_tag(), vec![frames::data(self.peer_tsn(), 100)]);
        world.sent(path, self.remote_tag(), vec![frames::sack(self.peer_tsn(), &[])]);
    }

    pub(super) fn heartbeat(&mut self, world: &mut World, path: u8, from_here: bool) {
        self.heartbeats[usize::from(!from_here)] += 1;
        let chunk = frames::heartbeat(&self.info(from_here));
        self.send(world, path, from_here, chunk);
    }

    pub(super) fn heartbeat_ack(&mut self, world: &mut World, path: u8, from_here: bool) {
        let chunk = frames::heartbeat_ack(&self.info(from_here));
        self.send(world, path, !from_here, chunk);
    }

    fn send(&self, world: &mut World, path: u8, from_here: bool, chunk: Vec<u8>) {
        if from_here {
            world.sent(path, self.remote_tag(), vec![chunk]);
        } else {
            world.received(path, self.local_tag(), vec![chunk]);
        }
    }
}

const FIRST_TSN: u32 = 0x5ec2_e700;
const FIRST_PEER_TSN: u32 = 0x30de_0000;
