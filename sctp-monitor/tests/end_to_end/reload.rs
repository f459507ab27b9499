//! The configuration is read anew while the agent watches (SIGHUP).

use std::fs;

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use sctp_monitor_lab::{Lab, Monitor, wait};
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    nics::ip,
    scene::associate,
    setup::{SOON, VERIFIED_WITHIN, binary, path, times},
};

struct Configured {
    agent: Monitor,
    folder: TempDir,
}

impl Configured {
    fn start(lab: &Lab, text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.toml");
        fs::write(&file, text).unwrap();
        let arguments = ["--config", file.to_str().unwrap(), "--pin", "no"];
        let agent = Monitor::spawn(lab.host("mme"), binary(), arguments.to_vec()).unwrap();
        Self { agent, folder }
    }

    /// Reads another text; waits until the log says so.
    fn reload(&self, text: &str, said: &str) {
        fs::write(self.folder.path().join("config.toml"), text).unwrap();
        kill(
            Pid::from_raw(i32::try_from(self.agent.pid()).unwrap()),
            Signal::SIGHUP,
        )
        .unwrap();
        wait::until(SOON, || self.agent.stderr().contains(said).then_some(()))
            .unwrap_or_else(|_| panic!("{said} is not in {}", self.agent.stderr()));
    }

    fn times(&self, event: &str, interface: &str) -> usize {
        let is_one = |seen: &&Value| seen["event"] == event && seen["interface"] == interface;
        self.agent.events().iter().filter(is_one).count()
    }
}

#[test]
fn what_is_read_anew_holds_at_once_and_the_watch_goes_on() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    let host = lab.host("mme");
    ip(host, "link add name spare type veth peer name far\n");
    let nics = |names: &str| format!("[run]\ninterfaces = [{names}]\n");
    let before = nics("\"path1\", \"path2\", \"spare\"");
    let configured = Configured::start(&lab, &before);
    configured.agent.wait_until_watching(3, VERIFIED_WITHIN).unwrap();
    let pair = associate(&lab, &configured.agent);
    // A wrong file changes nothing.
    configured.reload("[detectr]\n", "still holds");
    assert!(configured.agent.stderr().contains("detectr"));
    // A peer may pause for two seconds from now on; one NIC is left, another one is waited for.
    let after = nics("\"path1\", \"path[23]\", \"later\"")
        + "max_flows = 4096\n[detector]\nstall_allowance = \"2s\"\n";
    configured.reload(&after, "run.max_flows");
    let log = configured.agent.stderr();
    for words in [
        "detector.stall_allowance",
        "run.interfaces",
        "after a restart only",
    ] {
        assert!(log.contains(words), "{words}: {log}");
    }
    let wait_for = |event: &str, interface: &str| {
        let is_one = |event: &Value| event["interface"] == interface;
        configured.agent.wait_for(event, SOON, is_one).unwrap()
    };
    wait_for("watch_ended", "spare");
    wait_for("not_watched", "later");
    ip(host, "link set spare name later\n");
    wait_for("watch_started", "later");
    for watched in ["path1", "path2"] {
        assert_eq!(configured.times("watch_ended", watched), 0, "{watched}");
        assert_eq!(configured.times("watch_started", watched), 1, "{watched}");
    }
    lab.path("path1").break_silently().unwrap();
    let down = configured
        .agent
        .wait_for_path("10.1.1.2", "inactive", SOON)
        .unwrap();
    assert_eq!(down["evidence"]["timeout_ms"], 2_050.0, "{down:#}");
    // And back.
    lab.path("path1").heal().unwrap();
    let is_back = || (times(&configured.agent, "10.1.1.2", "active") == 2).then_some(());
    wait::until(SOON, is_back).unwrap();
    configured.reload(&before, "stall_allowance, run.interfaces");
    drop(pair);
    let (_, summary) = configured.agent.stop(Signal::SIGTERM).unwrap();
    let summary = summary.unwrap();
    assert!(
        path(&summary, "10.1.1.1", "10.1.1.2").is_object(),
        "the same association all the time"
    );
}
