//! A configuration that is read anew while the agent runs: what can change at once, and what only a restart changes.
//!
//! How paths are judged and probed, and which NICs are watched, changes at once; nothing else is taken off its hook for it. What was
//! given to the kernel or to another thread when the agent began is named, and so is all that concerns steering: an order that is in
//! force keeps to the rules by which it was given. A file that `run` would not take changes nothing.

use std::path::{Path, PathBuf};

use sctp_monitor_engine::config::Config;
use toml::{Table, Value};

use crate::{
    cli::RunArgs,
    config::{self, FileError},
    settings::Settings,
};

/// All that holds for one agent: its configuration file, and the options that win over it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Effective {
    /// How is judged.
    pub(crate) detector: Config,
    /// What is watched, and who is told.
    pub(crate) settings: Settings,
}

impl Effective {
    /// Reads the file that the options name, or that of this host.
    ///
    /// # Errors
    /// [`FileError`].
    pub(crate) fn read(args: &RunArgs) -> Result<Self, FileError> {
        let (mut detector, settings) = config::read(args.watch.config.as_deref())?;
        if let Some(probe) = args.probe {
            detector.probe.mode = probe.into();
        }
        if let Some(mode) = args.steer {
            detector.steering.mode = mode.into();
        }
        let settings = args.over(settings);
        Ok(Self { detector, settings })
    }
}

/// What holds now, and where it was read.
#[derive(Debug)]
pub struct Reload {
    args: RunArgs,
    /// The file that was read; if there was none, there may be one by now.
    file: Option<PathBuf>,
    now: Effective,
}

/// What a reading changes.
#[derive(Debug, PartialEq)]
pub struct Change {
    /// How is judged from now on.
    pub detector: Config,
    /// The names and patterns of the NICs that are to be watched, if they are others and there are any.
    pub interfaces: Option<Vec<String>>,
    /// Other keys that hold from now on.
    pub changed: Vec<String>,
    /// Keys that were changed, and hold after a restart only.
    pub after_restart: Vec<String>,
}

impl Reload {
    pub(crate) fn new(args: &RunArgs, now: Effective) -> Self {
        Self {
            args: args.clone(),
            file: args
                .watch
                .config
                .clone()
                .or_else(|| config::of_this_host().map(Path::to_owned)),
            now,
        }
    }

    /// Reads the file anew. It must be a file, as one that waits for its writer would hold up the watch.
    ///
    /// # Errors
    /// [`ReloadError`]; what held before still holds.
    pub fn read(&mut self) -> Result<Change, ReloadError> {
        if self.file.is_none() {
            self.file = config::of_this_host().map(Path::to_owned);
        }
        if let Some(file) = self.file.as_ref().filter(|file| !file.is_file()) {
            return Err(ReloadError::NoFile(file.clone()));
        }
        let read = Effective::read(&self.args)?;
        let change = between(&self.now, &read);
        self.now.detector.clone_from(&change.detector);
        Ok(change)
    }

    /// These NICs are watched from now on.
    pub fn on_watched(&mut self, interfaces: Vec<String>) {
        self.now.settings.interfaces = interfaces;
    }
}

/// Why nothing was read.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// It is gone, or is a pipe.
    #[error("{}: there is no such file any more", .0.display())]
    NoFile(PathBuf),
    /// `run` would not take it.
    #[error(transparent)]
    Wrong(#[from] FileError),
}

fn between(now: &Effective, read: &Effective) -> Change {
    let mut detector = read.detector.clone();
    let mut after_restart = Vec::new();
    // The programs, their maps and the socket of probes are made when the agent begins, and packets are copied only while probes
    // prove both paths.
    let is_other = detector.probe.mode != now.detector.probe.mode;
    if is_other && (now.detector.steering.copies() || detector.probe.is_on() != now.detector.probe.is_on()) {
        detector.probe.mode = now.detector.probe.mode;
        after_restart.push("probe.mode".to_owned());
    }
    detector.steering = now.detector.steering.clone();
    after_restart.extend(differences(
        "steering",
        &now.detector.steering,
        &read.detector.steering,
    ));
    let run = differences("run", &now.settings, &read.settings);
    let mut changed = differences("detector", &now.detector, &detector);
    changed.extend(differences("probe", &now.detector.probe, &detector.probe));
    let (interfaces, rest): (Vec<_>, Vec<_>) = run.into_iter().partition(|key| key == INTERFACES);
    let named = !read.settings.interfaces.is_empty();
    let interfaces = match interfaces.is_empty() {
        true => None,
        // Which ones carry SCTP was looked up when the agent began.
        false if !named || now.settings.interfaces.is_empty() => {
            after_restart.push(INTERFACES.to_owned());
            None
        }
        false => Some(read.settings.interfaces.clone()),
    };
    after_restart.extend(rest);
    after_restart.extend(differences("web", &now.settings.web, &read.settings.web));
    after_restart.extend(differences(
        "history",
        &now.settings.history,
        &read.settings.history,
    ));
    after_restart.extend(differences("hooks", &now.settings.hooks, &read.settings.hooks));
    Change {
        detector,
        interfaces,
        changed,
        after_restart,
    }
}

/// The keys of a table that are not the same.
fn differences<T: serde::Serialize + Clone>(table: &str, before: &T, after: &T) -> Vec<String> {
    let written = |values: &T| {
        Value::try_from(values.clone())
            .ok()
            .and_then(|value| match value {
                Value::Table(table) => Some(table),
                _ => None,
            })
    };
    let before = written(before).unwrap_or_default();
    let after: Table = written(after).unwrap_or_default();
    let is_other = |key: &&String| before.get(*key) != after.get(*key);
    let mut keys: Vec<_> = before.keys().chain(after.keys()).filter(is_other).collect();
    keys.sort();
    keys.dedup();
    keys.into_iter().map(|key| format!("{table}.{key}")).collect()
}

/// The key of the NICs.
pub const INTERFACES: &str = "run.interfaces";

#[cfg(test)]
mod tests {
    use std::{fs, path::Path, time::Duration};

    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Command};

    fn args(file: &Path, options: &[&str]) -> RunArgs {
        let file = file.to_str().unwrap();
        let words = ["sctp-monitor", "run", "--config", file];
        let words = words.iter().chain(options);
        match Cli::try_parse_from(words).unwrap().command {
            Command::Run(args) => args,
            other => panic!("{other:?}"),
        }
    }

    /// What is read of `after` by an agent that began with `before` and `options`.
    fn read(before: &str, after: &str, options: &[&str]) -> (Reload, Result<Change, ReloadError>) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.toml");
        fs::write(&file, before).unwrap();
        let args = args(&file, options);
        let mut reload = Reload::new(&args, Effective::read(&args).unwrap());
        fs::write(&file, after).unwrap();
        let change = reload.read();
        (reload, change)
    }

    #[test]
    fn how_paths_are_judged_and_probed_changes_at_once() {
        let (_, change) = read(
            "[probe]\nmode = \"confirm\"\n",
            "[detector]\nrto_min = \"80ms\"\n[probe]\nmode = \"continuous\"\nper_nic = 7\n",
            &[],
        );
        let change = change.unwrap();
        assert_eq!(change.detector.rto_min, Duration::from_millis(80));
        assert_eq!(change.detector.probe.per_nic, 7);
        let expected = ["detector.rto_min", "probe.mode", "probe.per_nic"];
        assert_eq!(change.changed, expected);
        assert_eq!((change.interfaces, change.after_restart), (None, Vec::new()));
    }

    #[test]
    fn what_the_kernel_was_given_at_the_start_is_named_and_stays() {
        let (reload, change) = read(
            "",
            "[run]\nmax_flows = 4096\nhook = \"tc\"\n[web]\nmax_series = 5\n[probe]\nmode = \"confirm\"\n[steering]\nmode = \"move\"\n",
            &[],
        );
        let change = change.unwrap();
        assert!(!change.detector.probe.is_on() && !change.detector.steering.is_on());
        assert_eq!(change.changed, Vec::<String>::new());
        let expected = [
            "probe.mode",
            "steering.mode",
            "run.hook",
            "run.max_flows",
            "web.max_series",
        ];
        assert_eq!(change.after_restart, expected);
        assert_eq!(
            reload.now.settings.max_flows,
            Settings::default().max_flows,
            "told each time"
        );
    }

    #[test]
    fn probes_on_which_copies_rest_go_on() {
        let before = "[probe]\nmode = \"continuous\"\n[steering]\nmode = \"both\"\n";
        let change = read(before, &before.replace("continuous", "confirm"), &[])
            .1
            .unwrap();
        assert_eq!(
            (change.changed, change.after_restart),
            (Vec::new(), vec!["probe.mode".to_owned()])
        );
    }

    #[test]
    fn other_interfaces_are_watched_at_once_if_they_were_named_before() {
        let (_, change) = read(
            "[run]\ninterfaces = [\"a\"]\n",
            "[run]\ninterfaces = [\"b*\"]\n",
            &[],
        );
        let change = change.unwrap();
        assert_eq!(change.interfaces.unwrap(), ["b*"]);
        for (before, after) in [
            ("", "[run]\ninterfaces = [\"a\"]\n"),
            ("[run]\ninterfaces = [\"a\"]\n", ""),
        ] {
            let change = read(before, after, &[]).1.unwrap();
            assert_eq!(
                (change.interfaces, change.after_restart),
                (None, vec![INTERFACES.to_owned()])
            );
        }
    }

    #[test]
    fn options_win_over_what_is_read_anew() {
        let after = "[run]\ninterfaces = [\"b\"]\nhook = \"tc\"\n[probe]\nmode = \"continuous\"\n";
        let options = ["--iface", "a", "--hook", "xdp-native", "--probe", "confirm"];
        let change = read("", after, &options).1.unwrap();
        assert_eq!((change.changed, change.after_restart), (Vec::new(), Vec::new()));
    }

    #[test]
    fn a_file_that_run_would_not_take_changes_nothing() {
        let before = "[detector]\nrto_min = \"80ms\"\n";
        for after in ["[detector]\nrto_min = \"0s\"\n", "[detectr]\n", "["] {
            let (mut reload, change) = read(before, after, &[]);
            assert!(change.unwrap_err().to_string().contains("config.toml"));
            assert_eq!(reload.now.detector.rto_min, Duration::from_millis(80));
            // The folder is gone by now.
            assert!(matches!(reload.read(), Err(ReloadError::NoFile(_))));
            assert_eq!(reload.now.detector.rto_min, Duration::from_millis(80));
        }
    }
}
