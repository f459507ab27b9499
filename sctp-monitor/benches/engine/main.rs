//! What the engine costs: time per flow record, and memory per path, at 1,000 to 100,000 paths.
//!
//! `cargo xtask bench engine` runs it; `--json` prints one object a line. A path counts here if packets cross it: each association
//! has two of these, and the engine lists two more (every local address with every remote one), which cost memory too.
//! A row's times are medians over rounds:
//!
//! - `changed`: a turn, per record that has changed (DATA sent, or its SACK received).
//! - `waiting`: a turn, per record that has not, and whose DATA waits for its SACK: the agent looks at these in each turn,
//!   every 20 ms.
//! - `timeout`: a turn with nothing to look at, all of it, when the engine looks after what only time changes.
//!
//! Memory is what dropping the engine gives back, so it holds what the engine keeps and not what it needed meanwhile.
//! The flow records are the kernel's, and stand beside it.

mod heap;
mod world;

use std::time::Duration;

use anyhow::ensure;
use sctp_monitor_common::abi::FlowRecord;
use sctp_monitor_lab::clock::monotonic_ns;
use serde_json::json;

use crate::{heap::Heap, world::World};

#[global_allocator]
static HEAP: Heap = Heap::new();

/// How many paths are watched, row by row.
const SIZES: [u32; 3] = [1_000, 10_000, 100_000];
/// Rounds over which the median is taken.
const ROUNDS: u32 = 11;

fn main() -> anyhow::Result<()> {
    let json = std::env::args().any(|argument| argument == "--json");
    if !json {
        println!(
            "{:>8} {:>8} {:>12} {:>11} {:>11} {:>11} {:>12} {:>14} {:>8}",
            "paths",
            "listed",
            "associations",
            "changed ns",
            "waiting ns",
            "timeout us",
            "heap B/path",
            "kernel B/path",
            "heap MB"
        );
    }
    for paths in SIZES {
        let row = Row::measure(paths)?;
        if json {
            println!("{}", row.json());
        } else {
            row.print();
        }
    }
    Ok(())
}

/// What so many paths cost.
struct Row {
    paths: u32,
    listed: usize,
    associations: u32,
    changed_ns: u64,
    waiting_ns: u64,
    timeout_us: u64,
    heap_bytes: usize,
    kernel_bytes: usize,
}

impl Row {
    fn measure(paths: u32) -> anyhow::Result<Self> {
        let mut world = World::with_paths(paths);
        let (mut changed, mut waiting, mut timeout) = (Vec::new(), Vec::new(), Vec::new());
        let records = world.associations() as usize;
        for number in 2..2 + ROUNDS {
            world.send_data(number);
            let sent = world.changed();
            ensure!(
                sent == records,
                "one record of each association was expected, not {sent} of all"
            );
            changed.push(Self::timed(&mut world)? / records as u64);
            world.now = world.now + Duration::from_millis(1);
            ensure!(world.changed() == 0, "something passed meanwhile");
            waiting.push(Self::timed(&mut world)? / records as u64);
            world.acknowledge(number);
            // The SACK's own record, and that of the DATA.
            let acknowledged = world.changed();
            ensure!(acknowledged == 2 * records, "{acknowledged} records have changed");
            changed.push(Self::timed(&mut world)? / acknowledged as u64);
            world.now = world.now + Duration::from_secs(2);
            timeout.push(Self::timed(&mut world)? / 1_000);
        }
        let kernel_bytes = world.slots().len() * size_of::<FlowRecord>();
        let associations = world.associations();
        ensure!(
            world.engine().associations().count() == associations as usize,
            "associations were lost"
        );
        let listed = world
            .engine()
            .associations()
            .map(|association| association.paths().count())
            .sum();
        let World { session, .. } = world;
        let before = HEAP.used();
        drop(session);
        Ok(Self {
            paths,
            listed,
            associations,
            changed_ns: median(&mut changed),
            waiting_ns: median(&mut waiting),
            timeout_us: median(&mut timeout),
            heap_bytes: before - HEAP.used(),
            kernel_bytes,
        })
    }

    /// Nanoseconds of a turn.
    fn timed(world: &mut World) -> anyhow::Result<u64> {
        let began_ns = monotonic_ns();
        let failures = world.turn();
        let took_ns = monotonic_ns() - began_ns;
        ensure!(failures == 0, "{failures} healthy paths were given up");
        Ok(took_ns)
    }

    fn heap_per_path(&self) -> usize {
        self.heap_bytes / self.paths as usize
    }

    fn kernel_per_path(&self) -> usize {
        self.kernel_bytes / self.paths as usize
    }

    fn json(&self) -> serde_json::Value {
        json!({
            "paths": self.paths,
            "listed_paths": self.listed,
            "associations": self.associations,
            "changed_record_ns": self.changed_ns,
            "waiting_record_ns": self.waiting_ns,
            "timeout_us": self.timeout_us,
            "heap_bytes": self.heap_bytes,
            "heap_bytes_per_path": self.heap_per_path(),
            "kernel_bytes_per_path": self.kernel_per_path(),
        })
    }

    fn print(&self) {
        println!(
            "{:>8} {:>8} {:>12} {:>11} {:>11} {:>11} {:>12} {:>14} {:>8.1}",
            self.paths,
            self.listed,
            self.associations,
            self.changed_ns,
            self.waiting_ns,
            self.timeout_us,
            self.heap_per_path(),
            self.kernel_per_path(),
            self.heap_bytes as f64 / 1e6,
        );
    }
}

fn median(values: &mut [u64]) -> u64 {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or_default()
}
