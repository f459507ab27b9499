//! Which tests run in a guest: those whose answer depends on the kernel, as many as a software emulation can do.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context as _, ensure};

use super::kernels::Image;
use crate::cargo::{cargo, root};

/// The tests of one binary.
#[derive(Debug, Clone, Copy)]
struct Job {
    /// The package's folder below the workspace's, which is where its tests expect to be.
    folder: &'static str,
    /// The test target in it.
    target: &'static str,
    /// Names of tests, or parts of them; all if there is none.
    only: &'static [&'static str],
    /// Whether what a passing test prints is worth a look.
    shows_figures: bool,
}

/// What runs in every guest, in this order. Each agent that is started costs the emulated verifier some seconds, and
/// tshark as many, so most of the end-to-end suite is left to `cargo xtask vm -- FILTER`.
const JOBS: [Job; 4] = [
    Job {
        folder: "sctp-monitor",
        target: "programs",
        only: &[
            "the_verifier_takes_every_program_within_budget",
            "the_verifier_takes_every_program_that_looks_for_probes",
            "an_answer_alone_ends_at_the_program_and_one_in_company_passes",
            "programs_and_slices_agree_on_every_kind_of_packet",
            "a_packet_that_spans_buffers_is_read_whole",
            "nothing_is_dropped_or_changed",
            "packets_of_data_and_sacks_leave_on_the_other_path",
            "a_vlan_tag_stays_behind",
            "an_order_lapses_unless_it_is_renewed",
        ],
        shows_figures: true,
    },
    Job {
        folder: "sctp-monitor",
        target: "kernels",
        only: &[],
        shows_figures: false,
    },
    Job {
        folder: "sctp-monitor/lab",
        target: "netem",
        only: &[],
        shows_figures: false,
    },
    Job {
        folder: "sctp-monitor",
        target: "end_to_end",
        only: &[
            "counts_are_those_of_a_capture_by_every_hook",
            "large_messages_are_counted_as_the_packets_that_leave",
            "an_ipv4_path_breaks_and_recovers",
            "a_killed_agent_leaves_its_filters",
            "a_firewall_that_forgets_is_a_path_down_both_ways",
            "steering::a_path_that_breaks_silently_loses_nothing",
        ],
        shows_figures: false,
    },
];

/// How long a job may take: several times as long as it does when the guest has a CPU of its own.
const JOB_LIMIT: Duration = Duration::from_secs(600);

/// Test binaries by package folder and target.
pub(crate) type Binaries = BTreeMap<(PathBuf, String), PathBuf>;

/// Builds all tests as `cargo test` does, so that nothing is built twice, and finds their binaries.
///
/// # Errors
/// If they do not build.
pub(crate) fn binaries() -> anyhow::Result<Binaries> {
    let mut command = cargo(&[
        "test",
        "--no-run",
        "--quiet",
        "--message-format=json-render-diagnostics",
    ]);
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .context("cargo did not start")?;
    ensure!(output.status.success(), "the tests do not build");
    let mut binaries = Binaries::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let Ok(message) = serde_json::from_str::<serde_json::Value>(line) else {
            continue;
        };
        let text = |pointer| message.pointer(pointer).and_then(serde_json::Value::as_str);
        let (Some(executable), Some(manifest), Some(target)) =
            (text("/executable"), text("/manifest_path"), text("/target/name"))
        else {
            continue;
        };
        if message.pointer("/profile/test") == Some(&true.into()) {
            let folder = Path::new(manifest).parent().unwrap_or(Path::new("/")).to_owned();
            binaries.insert((folder, target.to_owned()), executable.into());
        }
    }
    Ok(binaries)
}

/// The guest's script. A filter takes the place of each job's own choice.
///
/// # Errors
/// If a job's binary was not built.
pub(crate) fn script(image: &Image, binaries: &Binaries, filter: Option<&str>) -> anyhow::Result<String> {
    let mut script = format!(
        "MODULES={}\n{PREPARATION}\n",
        quoted(&image.folder.join("lib/modules").display().to_string())
    );
    if let Some(corpus) = std::env::var_os("SCTP_MONITOR_CORPUS") {
        let corpus = Path::new(&corpus).canonicalize().context("SCTP_MONITOR_CORPUS")?;
        writeln!(
            script,
            "export SCTP_MONITOR_CORPUS={}",
            quoted(&corpus.display().to_string())
        )?;
    }
    let root = root().canonicalize()?;
    for job in JOBS {
        let folder = root.join(job.folder);
        let binary = binaries
            .get(&(folder.clone(), job.target.to_owned()))
            .with_context(|| format!("{} has no tests named {}", job.folder, job.target))?;
        let only = filter.as_ref().map_or(job.only, std::slice::from_ref);
        write!(
            script,
            "job {} {} {} {} --test-threads=1 --color=never{}",
            job.target,
            JOB_LIMIT.as_secs(),
            quoted(&folder.display().to_string()),
            quoted(&binary.display().to_string()),
            if job.shows_figures { " --show-output" } else { "" },
        )?;
        for name in only {
            write!(script, " {}", quoted(name))?;
        }
        script.push('\n');
    }
    script.push_str(CONCLUSION);
    Ok(script)
}

/// For a POSIX shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

const PREPARATION: &str = include_str!("guest.sh");

const CONCLUSION: &str = r#"sed 's/^/vm: skipped /' "$SCTP_MONITOR_SKIPS"
echo "vm: done $(uptime)"
busybox reboot -f
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_shell_would_read_is_quoted() {
        assert_eq!(quoted("a b"), "'a b'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }
}
