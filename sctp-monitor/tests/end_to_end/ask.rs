//! What a running agent is asked by the commands of an operator who has come later.

use std::{os::unix::net::UnixDatagram, process::Stdio};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use sctp_monitor_lab::Lab;
use serde_json::Value;

use crate::{
    scene::Scene,
    setup::{VERIFIED_WITHIN, binary},
    support::Validator,
};

/// What the command writes, and whether it ends well.
fn asked(scene: &Scene, arguments: &[&str]) -> (bool, String) {
    let mut command = scene.lab.host("mme").command(binary());
    let agent = scene.agent.pid().to_string();
    let output = command
        .args(arguments)
        .args(["--agent", &agent])
        .output()
        .unwrap();
    let text = if output.status.success() {
        output.stdout
    } else {
        output.stderr
    };
    (output.status.success(), String::from_utf8(text).unwrap())
}

fn shown(scene: &Scene, arguments: &[&str]) -> String {
    let (is_good, text) = asked(scene, arguments);
    assert!(is_good, "{arguments:?}: {text}");
    println!("{arguments:?}\n{text}");
    text
}

/// The same as JSON, which fits the schema.
fn told(scene: &Scene, arguments: &[&str]) -> Value {
    let text = shown(scene, &[arguments, &["--json"]].concat());
    let document = serde_json::from_str(&text).unwrap();
    Validator::of("ShownDocument").assert_holds(&document);
    document
}

#[test]
fn an_operator_asks_what_is_wrong() {
    let scene = Scene::new();
    let healthy = shown(&scene, &["status"]);
    for words in [
        "watching path1",
        "1 association established, 0 ended; paths: 2 active",
        "no incident is open",
    ] {
        assert!(healthy.contains(words), "{words}: {healthy}");
    }
    assert!(shown(&scene, &["findings"]).contains("no finding is open"));
    scene.lab.path("path1").break_silently().unwrap();
    scene.wait_for_path("path_down", "10.1.1.2");
    let status = told(&scene, &["status"]);
    assert_eq!(status["status"]["paths"]["inactive"], 1, "{status:#}");
    assert_eq!(status["incidents"][0]["finding"], "path_down", "{status:#}");
    let text = shown(&scene, &["status"]);
    assert!(
        text.contains("1 active, 1 inactive") && text.contains("path down"),
        "{text}"
    );
    let associations = told(&scene, &["associations", "--state", "inactive"]);
    assert_eq!(
        associations["associations"][0]["association"], 1,
        "{associations:#}"
    );
    let text = shown(&scene, &["associations"]);
    assert!(
        text.contains("1 of 2") && text.contains("10.1.1.1 > 10.1.1.2: inactive"),
        "{text}"
    );
    let paths = told(&scene, &["paths", "--address", "10.1.1.2"]);
    let paths = paths["paths"].as_array().unwrap();
    assert_eq!(
        (paths.len(), &paths[0]["state"]),
        (1, &Value::from("inactive")),
        "{paths:#?}"
    );
    assert!(shown(&scene, &["paths", "--port", "9"]).contains("none that was asked for"));
    let findings = told(&scene, &["findings"]);
    assert_eq!(findings["findings"][0]["finding"], "path_down", "{findings:#}");
    assert!(shown(&scene, &["findings"]).contains("ping 10.1.1.2 from 10.1.1.1"));
    assert_eq!(told(&scene, &["incidents"])["incidents"][0]["incident"], 1);
    let explained = shown(&scene, &["explain", "1"]);
    for words in [
        "association 1",
        "path 10.1.1.1 > 10.1.1.2: inactive since",
        "path down",
    ] {
        assert!(explained.contains(words), "{words}: {explained}");
    }
    let (is_good, error) = asked(&scene, &["explain", "77"]);
    assert!(!is_good && error.contains("no association 77"), "{error}");
    let lab = &scene.lab;
    scene.agent.stop(Signal::SIGTERM).unwrap();
    let output = lab.host("mme").command(binary()).arg("status").output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(
        !output.status.success() && error.contains("no agent runs"),
        "{error}"
    );
}

/// As systemd does with `Type=notify` and `WatchdogSec=`.
#[test]
fn a_service_manager_is_told_when_the_agent_watches_lives_and_ends() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(VERIFIED_WITHIN)).unwrap();
    let told = || {
        let mut text = [0; 512];
        let length = socket.recv(&mut text).unwrap();
        String::from_utf8(text[..length].to_vec()).unwrap()
    };
    let mut agent = lab
        .host("mme")
        .command(binary())
        .args(["run", "--iface", "path1"])
        .env("NOTIFY_SOCKET", &path)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let ready = told();
    assert!(
        ready.contains("READY=1") && ready.contains("STATUS=watching path1"),
        "{ready}"
    );
    for _ in 0..3 {
        assert_eq!(told().trim_end(), "WATCHDOG=1");
    }
    kill(Pid::from_raw(agent.id().cast_signed()), Signal::SIGTERM).unwrap();
    let end = std::iter::repeat_with(told).find(|text| !text.starts_with("WATCHDOG"));
    assert_eq!(end.unwrap().trim_end(), "STOPPING=1");
    assert!(agent.wait().unwrap().success());
}
