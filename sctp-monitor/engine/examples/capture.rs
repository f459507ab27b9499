//! Runs the engine over captures and prints what it finds:
//! `cargo run -p sctp-monitor-engine --example capture FILE...`.

use std::{
    io::{self, Write as _},
    path::PathBuf,
    time::Duration,
};

use sctp_monitor_capture::{Captures, Look, Unwrapper};
use sctp_monitor_common::{
    abi::Interface,
    memory::MemoryTable,
    track::{self, dispatch},
    wire::{LinkType, ParseOptions},
};
use sctp_monitor_engine::{
    Session,
    config::{Config, Vantage},
    model::{
        Timestamp, WallClock,
        words::{date_time, plural},
    },
    session::Pace,
};

fn main() -> anyhow::Result<()> {
    let files: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let config = Config {
        vantage: Vantage::Gateway,
        ..Config::default()
    };
    let mut session = Session::new(config, Duration::from_nanos(1), Pace::REPLAY);
    let mut table = MemoryTable::new();
    let mut unwrapper = Unwrapper::new(ParseOptions::default(), false);
    let options = track::Options {
        // The unwrapper has parsed the packet already.
        link: LinkType::RawIp,
        parse: ParseOptions::default(),
        max_chunks: usize::MAX,
    };
    let mut captures = Captures::open(&files);
    let mut now = Timestamp::default();
    while let Some(record) = captures.advance() {
        let time = Timestamp::from_nanos(record.time_ns).max(now);
        // What an agent would have found out until then.
        while let Some(at) = session.next_turn(&table, now).filter(|at| *at <= time) {
            let Ok(()) = session.turn(&mut table, at);
            now = at;
        }
        now = time;
        table.set_now(now.as_nanos());
        if let Look::Sctp(layers) = unwrapper.look(&record) {
            let frame = layers.inner.frame();
            dispatch(
                &frame,
                Ok(layers.packet),
                Interface::ingress(0),
                &options,
                &mut table,
            );
        }
    }
    let Ok(()) = session.finish(&mut table, now);
    let mut out = io::stdout().lock();
    // A capture's times are times of day already.
    let clock = WallClock::default();
    while let Some(event) = session.poll_event() {
        writeln!(out, "{}  {}", date_time(clock.date(event.time)), event.words())?;
    }
    let snapshot = session.engine().snapshot(now, |_| None);
    writeln!(
        out,
        "{}",
        plural(snapshot.associations.len() as u64, "association")
    )?;
    Ok(())
}
