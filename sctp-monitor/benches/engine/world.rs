//! Associations over two paths each, in virtual time: packets go through the tracker into a table in memory, and the
//! session takes the records as it takes the kernel's.

use std::{
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use sctp_monitor_common::{
    abi::Interface,
    memory::MemoryTable,
    track::{FlowTable, MAX_CHUNKS, Options, observe},
    wire::{Frame, LinkType, ParseOptions},
};
use sctp_monitor_engine::{
    Engine, Session,
    config::Config,
    model::{Event, EventKind, PathState, Timestamp},
    session::{FlowStore as _, Pace},
};
use sctp_monitor_testkit::frames::{self, Packet};

/// The agent's, but for stalls: the clock jumps.
const PACE: Pace = Pace {
    stall: None,
    ..Pace::LIVE
};

/// Paths of each association, on parallel NICs.
pub(crate) const PATHS: u32 = 2;

/// All associations, and the engine that watches them.
pub(crate) struct World {
    table: MemoryTable,
    pub(crate) session: Session,
    pub(crate) now: Timestamp,
    associations: u32,
}

/// Where a packet of an association goes.
#[derive(Clone, Copy)]
pub(crate) struct Line {
    pub(crate) association: u32,
    pub(crate) path: u32,
    pub(crate) leaves: bool,
}

impl World {
    /// So many paths in use, each confirmed by a heartbeat, with DATA acknowledged on each association's first one.
    pub(crate) fn with_paths(paths: u32) -> Self {
        let mut world = Self {
            table: MemoryTable::new(),
            session: Session::new(Config::default(), Duration::from_nanos(1), PACE),
            now: Timestamp::from_nanos(1_000_000_000_000),
            associations: paths / PATHS,
        };
        for association in 0..world.associations {
            world.start(association);
        }
        world
    }

    /// What is known.
    pub(crate) fn engine(&self) -> &Engine {
        self.session.engine()
    }

    pub(crate) fn associations(&self) -> u32 {
        self.associations
    }

    /// The slots of all flows.
    pub(crate) fn slots(&self) -> std::ops::Range<u32> {
        0..u32::try_from(self.table.records().len()).unwrap_or(u32::MAX)
    }

    /// DATA with this number on the first path of every association.
    pub(crate) fn send_data(&mut self, number: u32) {
        for association in 0..self.associations {
            let line = Line {
                association,
                path: 0,
                leaves: true,
            };
            self.packet(line, vec![frames::data(number, 100)]);
        }
    }

    /// The SACKs for it.
    pub(crate) fn acknowledge(&mut self, number: u32) {
        for association in 0..self.associations {
            let line = Line {
                association,
                path: 0,
                leaves: false,
            };
            self.packet(line, vec![frames::sack(number, &[])]);
        }
    }

    /// How many records have changed since the last turn; they are left to the next one.
    pub(crate) fn changed(&mut self) -> usize {
        let mut changed = Vec::new();
        self.table.take_changed(&mut changed);
        for slot in &changed {
            // Asking for it counts as a change.
            FlowTable::record(&mut self.table, *slot);
        }
        changed.len()
    }

    /// The session's turn; gives the number of paths that it gave up. (That all paths share the router with
    /// the one MAC address of these frames is said once, and may be.)
    pub(crate) fn turn(&mut self) -> usize {
        let Ok(()) = self.session.turn(&mut self.table, self.now);
        std::iter::from_fn(|| self.session.poll_event())
            .filter(is_failure)
            .count()
    }

    /// The handshake over the first path, a heartbeat answered on each, and one DATA chunk.
    fn start(&mut self, association: u32) {
        let line = |path, leaves| Line {
            association,
            path,
            leaves,
        };
        let tags = (tag(association, false), tag(association, true));
        let addresses = |leaves: bool| -> Vec<String> {
            (0..PATHS)
                .map(|path| address(association, path, leaves).to_string())
                .collect()
        };
        let (local, remote) = (addresses(true), addresses(false));
        let init = frames::init(tags.0, &local.iter().map(String::as_str).collect::<Vec<_>>());
        let init_ack = frames::init_ack(tags.1, &remote.iter().map(String::as_str).collect::<Vec<_>>());
        self.packet_with_tag(line(0, true), 0, vec![init]);
        self.packet(line(0, false), vec![init_ack]);
        self.packet(line(0, true), vec![frames::cookie_echo()]);
        self.packet(line(0, false), vec![frames::cookie_ack()]);
        self.turn();
        for path in 0..PATHS {
            let info = [association.to_be_bytes(), path.to_be_bytes()].concat().repeat(5);
            self.packet(line(path, true), vec![frames::heartbeat(&info)]);
            self.now = self.now + Duration::from_micros(1);
            self.packet(line(path, false), vec![frames::heartbeat_ack(&info)]);
            self.turn();
        }
        self.packet(line(0, true), vec![frames::data(1, 100)]);
        self.packet(line(0, false), vec![frames::sack(1, &[])]);
        self.turn();
    }

    fn packet(&mut self, line: Line, chunks: Vec<Vec<u8>>) {
        self.packet_with_tag(line, tag(line.association, line.leaves), chunks);
    }

    fn packet_with_tag(&mut self, line: Line, tag: u32, chunks: Vec<Vec<u8>>) {
        let if_index = 11 + line.path;
        let interface = if line.leaves {
            Interface::egress(if_index)
        } else {
            Interface::ingress(if_index)
        };
        let packet = Packet {
            addresses: (
                address(line.association, line.path, line.leaves),
                address(line.association, line.path, !line.leaves),
            ),
            ports: (3868, 3868),
            tag,
            chunks,
        };
        let options = Options {
            link: LinkType::Ethernet,
            parse: ParseOptions::default(),
            max_chunks: MAX_CHUNKS,
        };
        self.table.set_now(self.now.as_nanos());
        observe(&Frame(&packet.ethernet()), interface, &options, &mut self.table);
    }
}

fn is_failure(event: &Event) -> bool {
    matches!(event.kind, EventKind::PathStateChanged { to, .. } if to != PathState::Active)
}

/// The tag in packets that leave, or that arrive.
fn tag(association: u32, leaves: bool) -> u32 {
    // Odd constant: no two associations share a tag.
    (association * 2 + u32::from(leaves) + 1).wrapping_mul(0x9e37_79b1)
}

/// The local endpoint's address on a path (one host, all associations), or the remote one's (a host each).
fn address(association: u32, path: u32, local: bool) -> IpAddr {
    let network = (10 << 24) | (path << 23);
    let host = if local { 1 } else { association + 2 };
    Ipv4Addr::from_bits(network | host).into()
}
