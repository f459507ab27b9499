//! What the analysis of a capture costs, beside tshark's `-z sctp,stat` on the same file: whole processes, wall time and
//! peak memory, in turn.
//!
//! `cargo xtask bench pcap` runs it; `--json` prints one object a line. The captures are made for it: a million packets of
//! some 300 bytes, of 20 associations over two paths each, with DATA, SACKs and heartbeats; in one of them within two minutes
//! (a busy signalling node), in the other within half an hour.

mod traffic;

use std::{
    fs::File,
    io,
    io::BufWriter,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, ensure};
use sctp_monitor_lab::clock::monotonic_ns;
use serde_json::json;

use crate::traffic::Traffic;

/// Runs of each command; the median counts.
const RUNS: usize = 5;
const PACKETS: u64 = 1_000_000;

fn main() -> anyhow::Result<()> {
    let json = std::env::args().any(|argument| argument == "--json");
    let folder = Folder::new()?;
    if !json {
        println!(
            "{:<28} {:>8} {:>10} {:>10} {:>12} {:>12} {:>8}",
            "capture", "MB", "this s", "tshark s", "this MB", "tshark MB", "ratio"
        );
    }
    for (name, packets_per_second) in [("10,000 packets a second", 10_000), ("600 packets a second", 600)] {
        let file = folder.0.join("capture.pcap");
        let written =
            Traffic::new(packets_per_second).write(PACKETS, BufWriter::new(File::create(&file)?))?;
        let monitor = Path::new(env!("CARGO_BIN_EXE_sctp-monitor"));
        let mut ours = Vec::new();
        let mut theirs = Vec::new();
        for _ in 0..RUNS {
            let mut command = Command::new(monitor);
            command.args(["pcap", "--format", "json"]).arg(&file);
            ours.push(Run::measure(&mut command)?);
            let mut command = Command::new("tshark");
            command.args(["-n", "-q", "-z", "sctp,stat", "-r"]).arg(&file);
            theirs.push(Run::measure(&mut command)?);
        }
        let (ours, theirs) = (Run::median(ours), Run::median(theirs));
        let ratio = theirs.seconds / ours.seconds;
        let megabytes = written as f64 / 1e6;
        if json {
            let row = json!({
                "capture": name, "packets": PACKETS, "megabytes": megabytes,
                "seconds": ours.seconds, "tshark_seconds": theirs.seconds,
                "peak_megabytes": ours.megabytes, "tshark_peak_megabytes": theirs.megabytes,
            });
            println!("{row}");
        } else {
            println!(
                "{name:<28} {megabytes:>8.0} {:>10.2} {:>10.2} {:>12.1} {:>12.1} {ratio:>8.1}",
                ours.seconds, theirs.seconds, ours.megabytes, theirs.megabytes
            );
        }
    }
    Ok(())
}

/// A finished process.
#[derive(Debug, Clone, Copy)]
struct Run {
    seconds: f64,
    megabytes: f64,
}

impl Run {
    /// Runs a command to its end, its output thrown away.
    fn measure(command: &mut Command) -> anyhow::Result<Self> {
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let began_ns = monotonic_ns();
        let child = command
            .spawn()
            .with_context(|| format!("{command:?} did not start"))?;
        let (succeeded, peak_kilobytes) = wait(child.id())?;
        let seconds = (monotonic_ns() - began_ns) as f64 / 1e9;
        ensure!(succeeded, "{command:?} failed");
        Ok(Self {
            seconds,
            megabytes: peak_kilobytes as f64 / 1e3,
        })
    }

    fn median(mut runs: Vec<Self>) -> Self {
        runs.sort_by(|one, other| one.seconds.total_cmp(&other.seconds));
        runs[runs.len() / 2]
    }
}

/// Waits for a child; whether it succeeded, and its peak memory, of which the standard library does not tell.
fn wait(pid: u32) -> anyhow::Result<(bool, i64)> {
    let pid = libc::pid_t::try_from(pid)?;
    let mut status = 0;
    // SAFETY: all zero is a value of this structure of integers.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are to values of our own, and nobody else waits for the child.
    if unsafe { libc::wait4(pid, &raw mut status, 0, &raw mut usage) } != pid {
        return Err(io::Error::last_os_error().into());
    }
    Ok((
        libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0,
        usage.ru_maxrss,
    ))
}

/// A folder of our own, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> anyhow::Result<Self> {
        let folder = std::env::temp_dir().join(format!("sctp-monitor-bench-{}", std::process::id()));
        std::fs::create_dir(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
        Ok(Self(folder))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
