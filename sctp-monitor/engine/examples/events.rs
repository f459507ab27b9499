//! Reads the JSON lines of an agent into the model and prints its incidents:
//! `sctp-monitor run --iface eth0 --format json | cargo run -p sctp-monitor-engine --example events`.

use std::io::{self, BufRead as _, Write as _};

use sctp_monitor_engine::model::{Event, EventKind, words::date_time};

fn main() -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        // What the agent says of itself is no event of the engine.
        let Ok(event) = serde_json::from_str::<Event>(&line?) else {
            continue;
        };
        if let EventKind::Incident { .. } = event.kind {
            writeln!(out, "{}  {}", date_time(event.time), event.words())?;
        }
    }
    Ok(())
}
