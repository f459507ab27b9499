//! `sctp-monitor top` on a terminal of tmux, beside a running agent.

use std::{path::PathBuf, process::Command, time::Duration};

use sctp_monitor_lab::{clock::monotonic_ns, wait};
use tempfile::TempDir;

use crate::{
    scene::{PRIMARY, Scene},
    setup::{SOON, binary},
};

/// A terminal of 80 x 24 on which top runs; it ends with this.
struct Terminal {
    folder: TempDir,
}

impl Terminal {
    fn open(scene: &Scene, environment: &[(&str, &str)]) -> Self {
        let terminal = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        let mut tmux = scene.lab.host("mme").command("tmux");
        tmux.arg("-S").arg(terminal.socket());
        tmux.args([
            "-u",
            "-f",
            "/dev/null",
            "new-session",
            "-d",
            "-x",
            "80",
            "-y",
            "24",
        ]);
        for (name, value) in environment {
            tmux.args(["-e", &format!("{name}={value}")]);
        }
        let pid = scene.agent.pid().to_string();
        let status = tmux
            .arg(binary())
            .args(["top", "--agent", &pid])
            .env_remove("TMUX")
            .status()
            .expect("tmux runs (`cargo xtask setup test`)");
        assert!(status.success());
        terminal
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("tmux")
    }

    fn tmux(&self, arguments: &[&str]) -> Option<String> {
        let output = Command::new("tmux")
            .arg("-S")
            .arg(self.socket())
            .args(arguments)
            .output()
            .unwrap();
        output
            .status
            .success()
            .then(|| String::from_utf8(output.stdout).unwrap())
    }

    fn press(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys"], keys].concat()).unwrap();
    }

    /// What is on the screen, as soon as it has these words.
    fn shows(&self, words: &str) -> String {
        let mut last = None;
        let shown = wait::until(SOON, || {
            last = self.tmux(&["capture-pane", "-p"]);
            last.clone().filter(|screen| screen.contains(words))
        });
        shown.unwrap_or_else(|_| panic!("{words}: {}", last.unwrap_or_default()))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.tmux(&["kill-server"]);
    }
}

#[test]
fn a_path_that_breaks_is_seen_on_the_terminal_and_keys_are_heard() {
    let scene = Scene::new();
    let terminal = Terminal::open(&scene, &[("NO_COLOR", "1")]);
    // What is drawn may be half on the screen: each is waited for.
    for words in ["2 of 2 paths active", "no incident is open", "? help"] {
        terminal.shows(words);
    }
    let broken_at = monotonic_ns();
    scene.lab.path("path1").break_silently().unwrap();
    let broken = terminal.shows("inactive");
    let after = Duration::from_nanos(monotonic_ns() - broken_at);
    println!("seen {after:?} after the break:\n{broken}");
    for words in ["path down", "1 of 2 paths active", "\u{2715} inactive", PRIMARY] {
        terminal.shows(words);
    }
    terminal.shows("Z  association 1: path");
    terminal.press(&["/", "192.0.2.9"]);
    terminal.shows("no association has all of: 192.0.2.9");
    terminal.press(&["Escape"]);
    terminal.shows("3868");
    terminal.press(&["?"]);
    terminal.shows("States of a path");
    terminal.press(&["Escape"]);
    terminal
        .tmux(&["resize-window", "-x", "120", "-y", "40"])
        .unwrap();
    terminal.shows("association 1, ports");
    terminal.press(&["q"]);
    let has_ended = || terminal.tmux(&["list-sessions"]).is_none().then_some(());
    wait::until(SOON, has_ended).unwrap();
}

#[test]
fn without_an_agent_or_a_terminal_top_says_what_is_missing() {
    let scene = Scene::new();
    let said = |arguments: &[&str], is_terminal: bool| {
        let mut command = scene.lab.host("mme").command("script");
        let top = format!("{} top {}", binary().display(), arguments.join(" "));
        if is_terminal {
            command.args(["-qec", &top, "/dev/null"]);
        } else {
            command = scene.lab.host("mme").command("sh");
            command.args(["-c", &top]);
        }
        let output = command.output().unwrap();
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
    };
    let error = said(&["--agent", "1"], true);
    assert!(error.contains("no agent runs"), "{error}");
    let error = said(&[], false);
    assert!(error.contains("top needs a terminal"), "{error}");
}
