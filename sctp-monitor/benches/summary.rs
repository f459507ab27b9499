//! What the summary at the end takes: memory and time, with 3,000 associations of 32 x 4 addresses of which few pairs are used.
//!
//! `cargo xtask bench summary` runs it; `--json` prints one object. `engine` is the process's memory before the summary is made,
//! `peak` the most that it ever had until the summary was written as JSON and as a table.

use std::{
    fs,
    io::{self, Write},
    time::Duration,
};

use anyhow::Context as _;
use sctp_monitor::{
    lag::Lag,
    report::{FlowTable, Report as _, Summary, json::JsonLines, outlet::WholeLines, table::Tables},
};
use sctp_monitor_common::{
    abi::Interface,
    memory::MemoryTable,
    track::{MAX_CHUNKS, Options, observe},
    wire::{Frame, LinkType, ParseOptions},
};
use sctp_monitor_engine::{
    Session,
    config::Config,
    model::{Snapshot, Timestamp, WallClock},
    session::Pace,
};
use sctp_monitor_lab::clock::monotonic_ns;
use sctp_monitor_testkit::frames::{self, Packet};
use serde_json::json;

const ASSOCIATIONS: u16 = 3_000;
/// Addresses of the local and of the remote endpoint.
const ADDRESSES: [u8; 2] = [32, 4];

fn main() -> anyhow::Result<()> {
    let mut world = World {
        table: MemoryTable::new(),
        session: Session::new(
            Config::default(),
            Duration::from_nanos(1),
            Pace {
                stall: None,
                ..Pace::LIVE
            },
        ),
        now: Timestamp::from_nanos(1_000_000_000_000),
    };
    for number in 0..ASSOCIATIONS {
        world.start(number);
    }
    let engine_kb = memory("VmRSS")?;
    let begun = monotonic_ns();
    let summary = world.summary();
    let made = monotonic_ns();
    let mut size = Counted::default();
    JsonLines::new(WholeLines::new(&mut size)).finish(&summary)?;
    let json_bytes = std::mem::take(&mut size.0);
    Tables::new(WholeLines::new(&mut size), false).finish(&summary)?;
    let written = monotonic_ns();
    let listed: usize = summary
        .snapshot
        .associations
        .iter()
        .map(|known| known.paths.len())
        .sum();
    let row = json!({
        "associations": summary.snapshot.associations.len(),
        "listed_paths": listed,
        "engine_mb": engine_kb / 1024,
        "peak_mb": memory("VmHWM")? / 1024,
        "made_ms": (made - begun) / 1_000_000,
        "written_ms": (written - made) / 1_000_000,
        "json_mb": json_bytes / 1_000_000,
        "table_mb": size.0 / 1_000_000,
    });
    if std::env::args().any(|argument| argument == "--json") {
        println!("{row}");
    } else {
        for (name, value) in row.as_object().into_iter().flatten() {
            println!("{name:>14} {value}");
        }
    }
    Ok(())
}

/// A figure of this process, in kilobytes.
fn memory(name: &str) -> anyhow::Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let figure = line.and_then(|line| line.split_whitespace().nth(1));
    Ok(figure.context("no such figure")?.parse()?)
}

/// Counts what is written, and keeps nothing.
#[derive(Debug, Default)]
struct Counted(u64);

impl Write for &mut Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct World {
    table: MemoryTable,
    session: Session,
    now: Timestamp,
}

impl World {
    /// An association whose endpoints list all their addresses, and use four pairs.
    fn start(&mut self, number: u16) {
        let [high, low] = number.to_be_bytes();
        let local: Vec<_> = (1..=ADDRESSES[0])
            .map(|at| format!("10.{high}.{low}.{at}"))
            .collect();
        let remote: Vec<_> = (1..=ADDRESSES[1])
            .map(|at| format!("11.{high}.{low}.{at}"))
            .collect();
        let names = |addresses: &[String]| addresses.iter().map(String::as_str).collect::<Vec<_>>().join(" ");
        let (local_list, remote_list) = (names(&local), names(&remote));
        let local_list: Vec<_> = local_list.split(' ').collect();
        let remote_list: Vec<_> = remote_list.split(' ').collect();
        let (local_tag, remote_tag) = (0x1000_0000 + u32::from(number), 0x2000_0000 + u32::from(number));
        let mut pass = |tag, chunk, from: &str, to: &str, leaves| {
            let packet = Packet::v4(tag, vec![chunk]).between(from, to);
            self.packet(&packet, leaves);
        };
        pass(
            0,
            frames::init(local_tag, &local_list),
            &local[0],
            &remote[0],
            true,
        );
        pass(
            local_tag,
            frames::init_ack(remote_tag, &remote_list),
            &remote[0],
            &local[0],
            false,
        );
        pass(remote_tag, frames::cookie_echo(), &local[0], &remote[0], true);
        pass(local_tag, frames::cookie_ack(), &remote[0], &local[0], false);
        for (at, to) in remote.iter().enumerate() {
            let info = [at as u8 + 1; 40];
            pass(remote_tag, frames::heartbeat(&info), &local[at], to, true);
            pass(local_tag, frames::heartbeat_ack(&info), to, &local[at], false);
        }
        self.now = self.now + Duration::from_millis(20);
        let Ok(()) = self.session.turn(&mut self.table, self.now);
        while self.session.poll_event().is_some() {}
    }

    fn packet(&mut self, packet: &Packet, leaves: bool) {
        let options = Options {
            link: LinkType::Ethernet,
            parse: ParseOptions::default(),
            max_chunks: MAX_CHUNKS,
        };
        let interface = if leaves {
            Interface::egress(11)
        } else {
            Interface::ingress(11)
        };
        self.table.set_now(self.now.as_nanos());
        observe(&Frame(&packet.ethernet()), interface, &options, &mut self.table);
    }

    fn summary(&self) -> Summary {
        let record = |slot: u32| self.table.records().get(slot as usize).copied();
        let known: Snapshot = self.session.engine().snapshot(self.now, record);
        Summary {
            not_watched: Vec::new(),
            snapshot: known.dated(&WallClock::default()),
            since: None,
            interfaces: Vec::new(),
            flows: FlowTable {
                slots: 0,
                in_use: 0,
                opened: 0,
            },
            associations_ended: 0,
            counters: Default::default(),
            reports: Vec::new(),
            lag: Lag::default(),
            log_lines_lost: 0,
        }
    }
}
