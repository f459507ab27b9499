//! What a guest said, and what it comes to.

use std::time::Duration;

use crate::{counts::Counts, skips::Skip};

/// What came of one guest.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// Which kernel it ran.
    kernel: &'static str,
    /// Why there is no such kernel here.
    absent: Option<String>,
    /// Tests, the skipped ones among the passed as the test harness counts them.
    pub(crate) counts: Counts,
    /// Tests that could not run, with the reason.
    pub(crate) skips: Vec<String>,
    /// What went wrong besides failed tests.
    pub(crate) failures: Vec<String>,
    /// Seconds from power-on to the first job.
    booted: Option<f64>,
    /// Seconds of each job.
    jobs: Vec<(String, f64)>,
    /// Seconds from power-on to the end.
    done: Option<f64>,
    /// Failed tests that were counted before the current job.
    failed_before: u64,
}

impl Report {
    /// Nothing yet.
    pub(crate) fn of(kernel: &'static str) -> Self {
        Self {
            kernel,
            ..Self::default()
        }
    }

    /// What came of a kernel that cannot be had here: one test that did not run.
    pub(crate) fn of_absent(kernel: &'static str, error: &anyhow::Error) -> Self {
        Self {
            absent: Some(format!("{error:#}")),
            done: Some(0.0),
            ..Self::of(kernel)
        }
    }

    /// Takes in a line. Those that begin with `vm: ` are from the guest's script, the others from the tests.
    pub(crate) fn on_line(&mut self, line: &str) {
        let Some(line) = line.strip_prefix("vm: ") else {
            self.counts.add(line);
            return;
        };
        let (kind, rest) = line.split_once(' ').unwrap_or((line, ""));
        let mut words = rest.split(' ');
        let mut number = || words.next_back().and_then(|word| word.parse::<f64>().ok());
        match kind {
            "up" => self.booted = number(),
            "job" => self.failed_before = self.counts.failed,
            "exit" => {
                let (end, start) = (number(), number());
                let (name, status) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
                self.on_exit(name, status);
                self.jobs
                    .push((name.to_owned(), end.unwrap_or(0.0) - start.unwrap_or(0.0)));
            }
            "skipped" => self.skips.push(rest.to_owned()),
            "done" => self.done = number(),
            _ => self.failures.push(line.to_owned()),
        }
    }

    fn on_exit(&mut self, name: &str, status: &str) {
        match status {
            "0" => {}
            "124" | "137" => self.failures.push(format!("{name} took too long and was killed")),
            // Failed tests were counted; whoever ends without saying so has crashed.
            _ if self.counts.failed > self.failed_before => {}
            _ => self.failures.push(format!("{name} ended with status {status}")),
        }
    }

    /// Takes in the kernel's own log.
    pub(crate) fn on_console(&mut self, log: &str) {
        let bad = |line: &&str| {
            ["BUG:", "WARNING:", "Oops", "Kernel panic", "general protection"]
                .iter()
                .any(|words| line.contains(words))
        };
        self.failures.extend(
            log.lines()
                .filter(bad)
                .map(|line| format!("the kernel says {}", line.trim())),
        );
    }

    /// Whether the guest came to the end of its script.
    pub(crate) fn is_complete(&self) -> bool {
        self.done.is_some()
    }

    /// Which kernel it was, and how long it took from power-on to the end; `None` if it did not come to its end.
    pub(crate) fn took(&self) -> Option<(&'static str, Duration)> {
        let seconds = self.done.filter(|_| self.absent.is_none())?;
        Some((self.kernel, Duration::try_from_secs_f64(seconds).ok()?))
    }

    /// All that could not run; the guest's own tests among them are counted as passed by the test harness.
    pub(crate) fn skipped(&self) -> impl Iterator<Item = Skip> {
        let guest = |words: &String| Skip {
            guest: Some(self.kernel),
            words: words.clone(),
        };
        self.skips.iter().chain(&self.absent).map(guest)
    }

    /// Whether all is well.
    pub(crate) fn is_good(&self) -> bool {
        self.counts.failed == 0 && self.failures.is_empty() && self.is_complete()
    }

    /// One line: counts, and where the time went.
    pub(crate) fn summary(&self) -> String {
        let skips = u64::try_from(self.skips.len()).unwrap_or(u64::MAX);
        let absent = u64::from(self.absent.is_some());
        let seconds = |time: Option<f64>| time.map_or("?".to_owned(), |time| format!("{time:.0}"));
        let jobs: Vec<_> = self
            .jobs
            .iter()
            .map(|(name, time)| format!(", {name} {time:.0}"))
            .collect();
        format!(
            "{} passed, {} failed, {} skipped in {} s (boot {}{})",
            self.counts.passed.saturating_sub(skips),
            self.counts.failed,
            skips + absent + self.counts.ignored,
            seconds(self.done),
            seconds(self.booted),
            jobs.concat(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(lines: &[&str]) -> Report {
        let mut report = Report::of("6.12");
        for line in lines {
            report.on_line(line);
        }
        report
    }

    const GOOD: [&str; 7] = [
        "vm: up 6.12.9 4.50",
        "vm: job programs",
        "test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 1 filtered out; finished in 9.10s",
        "",
        "vm: exit programs 0 4.60 14.80",
        "vm: skipped netem: this kernel has none",
        "vm: done 15.00",
    ];

    #[test]
    fn a_good_run_is_summed_up() {
        let report = report(&GOOD);
        assert!(report.is_good());
        assert_eq!(report.took(), Some(("6.12", Duration::from_secs(15))));
        assert_eq!(report.skips, ["netem: this kernel has none"]);
        assert_eq!(
            report.summary(),
            "2 passed, 0 failed, 1 skipped in 15 s (boot 4, programs 10)"
        );
    }

    #[test]
    fn a_kernel_that_cannot_be_had_is_skipped() {
        let report = Report::of_absent("6.1", &anyhow::anyhow!("no such package"));
        assert!(report.is_good());
        let skipped: Vec<_> = report.skipped().map(|skip| skip.to_string()).collect();
        assert_eq!(skipped, ["Linux 6.1: no such package"]);
        assert!(report.summary().starts_with("0 passed, 0 failed, 1 skipped"));
    }

    #[test]
    fn a_guest_that_ends_early_is_no_good() {
        assert!(!report(&GOOD[..6]).is_good());
    }

    #[test]
    fn a_job_that_crashes_or_is_killed_fails_and_one_with_failed_tests_is_counted_once() {
        for (status, failures) in [("0", 0), ("101", 1), ("124", 1), ("137", 1), ("139", 1)] {
            let exit = format!("vm: exit programs {status} 4 5");
            let report = report(&["vm: job programs", &exit]);
            assert_eq!(report.failures.len(), failures, "{status}");
        }
        let report = report(&[
            "vm: job programs",
            "test result: FAILED. 4 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.3s",
            "vm: exit programs 101 4 5",
        ]);
        assert_eq!((report.counts.failed, report.failures.len()), (2, 0));
    }

    #[test]
    fn what_the_script_cannot_do_is_a_failure() {
        assert_eq!(report(&["vm: init: no 9p"]).failures, ["init: no 9p"]);
    }

    #[test]
    fn a_kernel_that_complains_is_a_failure() {
        let mut report = report(&GOOD);
        report.on_console(
            "[    1.0] Linux version 6.12\n[    9.1] WARNING: CPU: 0 PID: 7 at net/core/dev.c:1\n",
        );
        assert_eq!(
            report.failures,
            ["the kernel says [    9.1] WARNING: CPU: 0 PID: 7 at net/core/dev.c:1"]
        );
    }
}
