//! A disk that is full, a reader that hangs or leaves: reports are lost, counted and told, and the watch goes on.

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader, ErrorKind, PipeReader, Read as _, Write as _},
    os::fd::AsFd,
    path::{Path, PathBuf},
    process::{Child, ExitStatus, Stdio},
    time::Duration,
};

use nix::{
    fcntl::{FcntlArg, fcntl},
    mount::{MntFlags, MsFlags, mount, umount2},
    sys::{
        signal::{Signal, kill},
        stat::Mode,
    },
    unistd::{Pid, mkfifo},
};
use sctp_monitor_lab::{Lab, Namespace, clock::monotonic_ns, wait};
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    detach::attached,
    scene::since,
    setup::{Pair, SOON, VERIFIED_WITHIN, binary, monitor},
};

const NICS: [&str; 2] = ["path1", "path2"];

/// Long enough for a loaded machine, and far below what waiting for a reader that hangs would take.
const AT_ONCE: Duration = Duration::from_secs(5);

/// The file that an agent writes its events to.
struct Events {
    path: PathBuf,
    _folder: TempDir,
}

impl Events {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self {
            path: folder.path().join("events"),
            _folder: folder,
        }
    }

    fn argument(&self) -> &str {
        self.path.to_str().unwrap()
    }

    fn wait_for(&self, name: &str, is_awaited: impl Fn(&Value) -> bool) -> Value {
        wait_in(&self.path, name, is_awaited)
    }
}

/// Whole lines of a file; each must be JSON.
fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line:?}")))
        .collect()
}

fn wait_in(path: &Path, name: &str, is_awaited: impl Fn(&Value) -> bool) -> Value {
    let found = || {
        let mut lines = lines(path).into_iter();
        lines.find(|line| line["event"] == name && is_awaited(line))
    };
    wait::until(VERIFIED_WITHIN, found).unwrap_or_else(|_| panic!("no {name} in {:#?}", lines(path)))
}

/// An agent with pipes of the test's own.
struct Agent(Child);

impl Agent {
    fn spawn(host: &Namespace, more: &[&str], stdout: impl Into<Stdio>, stderr: impl Into<Stdio>) -> Self {
        let mut command = host.command(binary());
        command.args(["run", "--format", "json", "--iface", "path1", "--iface", "path2"]);
        Self(command.args(more).stdout(stdout).stderr(stderr).spawn().unwrap())
    }

    /// Asks for the end, and waits for it.
    fn stop(mut self) -> (ExitStatus, Duration) {
        let pid = Pid::from_raw(i32::try_from(self.0.id()).unwrap());
        let asked_at = monotonic_ns();
        kill(pid, Signal::SIGTERM).unwrap();
        let status = wait::until(SOON, || self.0.try_wait().unwrap());
        let took = Duration::from_nanos(monotonic_ns() - asked_at);
        let _ = self.0.kill();
        let _ = self.0.wait();
        (status.expect("it ends"), took)
    }
}

/// A pipe that holds as little as a pipe can, and that is full: who writes to it hangs.
fn full_pipe() -> (PipeReader, Stdio) {
    let (reader, mut writer) = std::io::pipe().unwrap();
    let size = fcntl(writer.as_fd(), FcntlArg::F_SETPIPE_SZ(4096)).unwrap();
    writer
        .write_all(&vec![b' '; usize::try_from(size).unwrap()])
        .unwrap();
    (reader, writer.into())
}

#[test]
fn a_full_disk_is_told_and_the_watch_goes_on() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    let agent = monitor(lab.host("mme"), &NICS, &["--events", "/dev/full"]);
    let lost = agent.wait_for("report_lost", SOON, |_| true).unwrap();
    assert_eq!(lost["writer"], "/dev/full");
    assert!(lost["lines"].as_u64().unwrap() >= 1, "{lost}");
    assert!(
        lost["reason"].as_str().unwrap().contains("No space left"),
        "{lost}"
    );
    let _pair = Pair::between(&lab, &lab.ipv4("mme"), &lab.ipv4("hss"));
    agent.wait_for_path("10.1.1.2", "active", SOON).unwrap();
    lab.path("path1").break_silently().unwrap();
    agent.wait_for_path("10.1.1.2", "inactive", SOON).unwrap();
    let told_of_others = |event: &&Value| event["event"] != "report_lost";
    let events = agent.events().iter().filter(told_of_others).count();
    let (status, summary) = agent.stop(Signal::SIGTERM).unwrap();
    assert!(status.success());
    let summary = summary.unwrap();
    let reports = &summary["reports"];
    assert_eq!(reports[0]["writer"], "stdout");
    assert_eq!(reports[0]["lost"], 0);
    assert_eq!(reports[1]["writer"], "/dev/full");
    assert_eq!(reports[1]["written"], 0);
    assert!(
        reports[1]["lost"].as_u64().unwrap() >= events as u64,
        "{events} events: {reports}"
    );
}

#[test]
fn a_reader_that_hangs_delays_neither_detection_nor_the_end() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    let host = lab.host("mme");
    let events = Events::new();
    let (_reader, stdout) = full_pipe();
    let (mut words, stderr) = std::io::pipe().unwrap();
    let agent = Agent::spawn(host, &["--events", events.argument()], stdout, stderr);
    events.wait_for("watch_started", |event| event["interface"] == "path2");
    let _pair = Pair::between(&lab, &lab.ipv4("mme"), &lab.ipv4("hss"));
    events.wait_for("path_state_changed", |event| {
        event["remote"] == "10.1.1.2" && event["to"] == "active"
    });
    let fault = lab.path("path1").break_silently().unwrap();
    let down = events.wait_for("path_state_changed", |event| {
        event["remote"] == "10.1.1.2" && event["to"] == "inactive"
    });
    assert!(since(fault, &down) < Duration::from_secs(1), "{down:#}");

    let (status, took) = agent.stop();
    assert!(status.success(), "{status}");
    assert!(took < AT_ONCE, "{took:?}");
    assert_eq!(attached(host), (0, 0));
    let lines = lines(&events.path);
    let summary = lines.last().unwrap();
    assert_eq!(summary["event"], "summary");
    let stdout = &summary["reports"][0];
    assert_eq!(
        (&stdout["writer"], &stdout["written"]),
        (&"stdout".into(), &0.into())
    );
    // One is being written.
    assert_eq!(stdout["waiting"].as_u64().unwrap(), lines.len() as u64 - 2);
    let mut text = String::new();
    words.read_to_string(&mut text).unwrap();
    assert!(
        text.contains("report to stdout: it accepts no more lines"),
        "{text}"
    );
    assert!(!text.contains('\x1b'), "colours are for terminals: {text:?}");
}

#[test]
fn a_fifo_without_a_reader_delays_nothing_and_its_reader_gets_whole_lines_once_it_comes() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    let events = Events::new();
    mkfifo(&events.path, Mode::S_IRWXU).unwrap();
    let agent = monitor(lab.host("mme"), &NICS, &["--events", events.argument()]);
    let lost = agent.wait_for("report_lost", SOON, |_| true).unwrap();
    assert_eq!(lost["writer"], events.argument());
    assert_eq!(lost["reason"], "no process reads this FIFO");

    let mut reader = BufReader::new(File::open(&events.path).unwrap()).lines();
    let mut next = || -> Value { serde_json::from_str(&reader.next().unwrap().unwrap()).unwrap() };
    // Without any other event.
    let first = next();
    assert_eq!(first["event"], "report_lost", "{first}");
    assert_eq!(first["reason"], lost["reason"], "{first}");
    let _pair = Pair::between(&lab, &lab.ipv4("mme"), &lab.ipv4("hss"));
    while next()["event"] != "association_up" {}
    let (status, summary) = agent.stop(Signal::SIGTERM).unwrap();
    assert!(status.success());
    assert_eq!(summary.unwrap()["reports"][1]["lost"], first["lines"]);
    while next()["event"] != "summary" {}
    assert!(reader.next().is_none());
}

#[test]
fn a_watch_that_writes_to_a_fifo_without_a_reader_ends_in_time() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    let host = lab.host("mme");
    let events = Events::new();
    mkfifo(&events.path, Mode::S_IRWXU).unwrap();
    let (mut words, stderr) = std::io::pipe().unwrap();
    let more = ["--duration", "1s", "--events", events.argument()];
    let mut agent = Agent::spawn(host, &more, Stdio::null(), stderr);
    let status = wait::until(VERIFIED_WITHIN, || agent.0.try_wait().unwrap()).unwrap();
    assert!(status.success(), "{status}");
    assert_eq!(attached(host), (0, 0));
    let mut text = String::new();
    words.read_to_string(&mut text).unwrap();
    assert!(text.contains("no process reads this FIFO"), "{text}");
}

#[test]
fn an_agent_whose_output_and_log_hang_ends_when_it_is_told_to() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    let host = lab.host("mme");
    let (_reader, stdout) = full_pipe();
    let (_words, stderr) = full_pipe();
    let agent = Agent::spawn(host, &["-vv"], stdout, stderr);
    // Both NICs, by TC in both directions.
    wait::until(VERIFIED_WITHIN, || (attached(host) == (0, 4)).then_some(())).unwrap();
    let (status, took) = agent.stop();
    assert!(status.success(), "{status}");
    assert!(took < AT_ONCE, "{took:?}");
    assert_eq!(attached(host), (0, 0));
}

#[test]
fn a_reader_that_left_ends_the_watch_if_nobody_else_reads() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    let host = lab.host("mme");
    let (reader, stdout) = std::io::pipe().unwrap();
    drop(reader);
    let mut alone = Agent::spawn(host, &[], stdout, Stdio::null());
    let status = wait::until(VERIFIED_WITHIN, || alone.0.try_wait().unwrap()).unwrap();
    assert!(status.success(), "{status}");
    assert_eq!(attached(host), (0, 0));

    let events = Events::new();
    let (reader, stdout) = std::io::pipe().unwrap();
    drop(reader);
    let agent = Agent::spawn(host, &["--events", events.argument()], stdout, Stdio::null());
    let lost = events.wait_for("report_lost", |_| true);
    assert_eq!(lost["writer"], "stdout");
    assert!(lost["reason"].as_str().unwrap().contains("Broken pipe"), "{lost}");
    let _pair = Pair::between(&lab, &lab.ipv4("mme"), &lab.ipv4("hss"));
    events.wait_for("association_up", |_| true);
    let (status, _) = agent.stop();
    assert!(status.success(), "{status}");
    events.wait_for("summary", |_| true);
}

/// A file system in memory, as small as a test needs it.
struct SmallDisk(TempDir);

impl SmallDisk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        mount(
            Some("tmpfs"),
            folder.path(),
            Some("tmpfs"),
            MsFlags::empty(),
            Some("size=256k"),
        )
        .unwrap();
        Self(folder)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Takes all the room that is left.
    fn fill(&self) {
        let mut ballast = File::create(self.file("ballast")).unwrap();
        loop {
            match ballast.write(&[0; 4096]) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => return,
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn make_room(&self) {
        fs::remove_file(self.file("ballast")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        if let Err(error) = umount2(self.0.path(), MntFlags::MNT_DETACH) {
            eprintln!("cannot unmount {}: {error}", self.0.path().display());
        }
    }
}

#[test]
fn a_disk_that_has_room_again_takes_whole_lines_again() {
    let disk = SmallDisk::new();
    let path = disk.file("events");
    // The page that the file has on the disk has room for the first half of a line when nothing else has.
    let empty = "{\"event\":\"padding\"}\n";
    let padding = empty.replace('}', &format!("{}}}", " ".repeat(4096 - 50 - empty.len())));
    fs::write(&path, &padding).unwrap();
    disk.fill();
    let lab = Lab::two_hosts_two_paths().unwrap();
    let host = lab.host("mme");
    let agent = monitor(host, &NICS, &["--events", path.to_str().unwrap()]);
    let lost = agent.wait_for("report_lost", SOON, |_| true).unwrap();
    assert_eq!(lost["writer"], path.to_str().unwrap());
    let torn = fs::read(&path).unwrap();
    assert!(torn.len() > padding.len(), "the first half of a line is there");
    assert_ne!(torn.last(), Some(&b'\n'));

    disk.make_room();
    // Without any other event.
    let lost = wait_in(&path, "report_lost", |_| true);
    assert!(
        lost["reason"].as_str().unwrap().contains("No space left"),
        "{lost}"
    );
    let _pair = Pair::between(&lab, &lab.ipv4("mme"), &lab.ipv4("hss"));
    wait_in(&path, "association_up", |_| true);
    let (status, summary) = agent.stop(Signal::SIGTERM).unwrap();
    assert!(status.success());
    assert_eq!(summary.unwrap()["reports"][1]["lost"], lost["lines"]);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.ends_with('\n'));
    let events: Vec<_> = lines(&path)
        .iter()
        .map(|line| line["event"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(events[..3], ["padding", "watch_started", "report_lost"]);
    assert_eq!(events.last().unwrap(), "summary");
}

#[test]
fn an_agent_that_stood_still_says_that_it_was_behind() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    let agent = monitor(lab.host("mme"), &NICS, &[]);
    let _pair = Pair::between(&lab, &lab.ipv4("mme"), &lab.ipv4("hss"));
    agent.wait_for("association_up", SOON, |_| true).unwrap();
    let pid = Pid::from_raw(i32::try_from(agent.pid()).unwrap());
    kill(pid, Signal::SIGSTOP).unwrap();
    let stopped_at = monotonic_ns();
    let long_enough = || (monotonic_ns() - stopped_at > 1_000_000_000).then_some(());
    wait::until(SOON, long_enough).unwrap();
    kill(pid, Signal::SIGCONT).unwrap();
    let behind = agent
        .wait_for("agent_behind", SOON, |event| event["status"] == "opened")
        .unwrap();
    assert!(
        behind["evidence"]["late_ms"].as_f64().unwrap() > 900.0,
        "{behind}"
    );
    agent
        .wait_for("agent_behind", SOON, |event| event["status"] == "closed")
        .unwrap();
    let (_, summary) = agent.stop(Signal::SIGTERM).unwrap();
    let lag = &summary.unwrap()["lag"];
    assert_eq!(lag["behind"], 1, "{lag}");
    assert!(lag["max_ms"].as_f64().unwrap() > 900.0, "{lag}");
}
