//! Watches NICs for a while, as `run` does, and keeps nothing but the summary at the end.

use std::{
    io,
    sync::mpsc::{self, Sender},
    time::Duration,
};

use anyhow::{Context as _, ensure};
use sctp_monitor_engine::{
    config::{Config, HEARTBEAT_WITHIN},
    model::{Timestamp, words::plural},
};

use crate::{
    cli::{AuditArgs, PinArg},
    config, kernel,
    log::Log,
    report::{Line, NoticeKind, Outlet, Report, Summary, outlet::Progress},
    run,
    settings::Settings,
    wanted::Wanted,
};

/// How things were, and how long was watched for it: less than asked for if a signal ended it.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) summary: Summary,
    pub(super) duration: Duration,
}

/// Watches, with the progress on standard error.
pub(super) fn watch(args: &AuditArgs, log: &Log) -> anyhow::Result<Watched> {
    let detector = config::detector(args.watch.config.as_deref())?;
    // There, attaching removes a filter of the same name first: it may be a running agent's.
    ensure!(
        kernel::has_tcx(),
        "before Linux 6.6 an audit would remove the TC filters of a running agent. Use `sctp-monitor run --duration 90s \
         --events FILE`, then `sctp-monitor audit --events FILE`"
    );
    if args.duration < HEARTBEAT_WITHIN {
        log.say(&format!(
            "idle paths may not be seen within {}: by default a path has a HEARTBEAT every 30 s only",
            humantime::format_duration(args.duration)
        ));
    }
    let (watched, at_the_end) = mpsc::channel();
    let report = LastSummary {
        watched,
        log: log.clone(),
        duration: args.duration,
        began_at: None,
        told: 0,
    };
    run::watch(
        Wanted::of(args.interfaces.iter().cloned()),
        args.watch.over(&Settings::default()),
        Some(args.duration),
        run::Manner {
            answers: None,
            strict: true,
            pin: PinArg::No,
            web: None,
            reload: None,
        },
        in_time(detector, args.duration),
        vec![Outlet {
            name: "audit".to_owned(),
            report: Box::new(report),
            progress: Progress::default(),
            every: Some(PROGRESS),
            ends_with_reader: false,
            keeps_watch: true,
        }],
        log,
    )?;
    at_the_end.try_recv().context("the watch ended without a summary")
}

/// What the detector finds by waiting, it must find before the watch ends.
fn in_time(mut detector: Config, duration: Duration) -> Config {
    let before_the_end = duration.saturating_sub(MARGIN).max(duration / 2);
    for wait in [&mut detector.unconfirmed_after, &mut detector.zombie_after] {
        *wait = before_the_end.min(*wait);
    }
    detector
}

/// A report that keeps how things were at the end.
struct LastSummary {
    watched: Sender<Watched>,
    log: Log,
    duration: Duration,
    began_at: Option<Timestamp>,
    /// Progress lines so far.
    told: u32,
}

impl Report<Line, Summary> for LastSummary {
    fn event(&mut self, line: &Line) -> io::Result<()> {
        if let Line::Notice(notice) = line
            && !matches!(notice.kind, NoticeKind::InterfaceStateChanged { .. })
        {
            self.log.say(&notice.kind.to_string());
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn refresh(&mut self, summary: &Summary) -> io::Result<()> {
        let snapshot = &summary.snapshot;
        let began_at = *self.began_at.get_or_insert(snapshot.time);
        let elapsed = snapshot.time.since(began_at);
        if elapsed < PROGRESS * (self.told + 1) {
            return Ok(());
        }
        self.told += 1;
        let known = snapshot.associations.iter().filter(|known| known.is_up()).count();
        self.log.say(&format!(
            "{} s of {}: {} so far",
            elapsed.as_secs(),
            humantime::format_duration(self.duration),
            plural(known as u64, "association")
        ));
        Ok(())
    }

    fn finish(&mut self, summary: &Summary) -> io::Result<()> {
        let summary = summary.clone().reported();
        let elapsed = self
            .began_at
            .map(|began_at| summary.snapshot.time.since(began_at));
        let duration = match elapsed.unwrap_or_default().as_secs() {
            seconds if seconds + 1 < self.duration.as_secs() => Duration::from_secs(seconds),
            _ => self.duration,
        };
        let watched = Watched { summary, duration };
        self.watched.send(watched).map_err(io::Error::other)
    }
}

/// What is found by waiting is found at the next sweep; this is for those that appear a little later than the watch began.
const MARGIN: Duration = Duration::from_secs(5);

const PROGRESS: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_found_by_waiting_is_found_within_the_watch() {
        let seconds = Duration::from_secs;
        let after = |watched| in_time(Config::default(), watched).unconfirmed_after;
        assert_eq!(after(seconds(40)), seconds(35));
        assert_eq!(after(seconds(6)), seconds(3));
        assert_eq!(after(seconds(600)), Config::default().unconfirmed_after);
        assert_eq!(in_time(Config::default(), seconds(20)).zombie_after, seconds(15));
    }
}
