//! What a running agent serves by HTTP, and that those who read it cannot hold up what it is there for.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::TcpStream,
    process::{Child, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use sctp_monitor_lab::{Namespace, clock::monotonic_ns, wait};
use serde_json::Value;

use crate::{
    scene::{PRIMARY, Scene, since},
    setup::SOON,
};

const AGENT: &str = "127.0.0.1:9143";
const PROMETHEUS: &str = "127.0.0.1:9090";

/// Reports do not wait for readers: far less than what one of them that hangs would take.
const AT_ONCE: Duration = Duration::from_secs(5);

fn connect(host: &Namespace, address: &str) -> Option<TcpStream> {
    let stream = host.run(|| TcpStream::connect(address)).unwrap().ok()?;
    stream.set_read_timeout(Some(SOON)).unwrap();
    Some(stream)
}

fn request(stream: &mut TcpStream, path: &str) {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
}

/// The status and the body; `None` if nobody listens.
fn get(host: &Namespace, address: &str, path: &str) -> Option<(u16, String)> {
    let mut stream = connect(host, address)?;
    request(&mut stream, path);
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}

fn served(host: &Namespace, path: &str) -> String {
    let (status, body) = get(host, AGENT, path).unwrap();
    assert_eq!(status, 200, "{path}: {body}");
    body
}

#[test]
fn a_broken_path_is_told_while_others_hang() {
    let scene = Scene::watched_by(&["--web.listen-address", AGENT]);
    let host = scene.lab.host("mme");
    assert!(served(host, "/readyz").contains("path1"), "both are watched");
    // It asks for events and reads none of them.
    let mut deaf = connect(host, AGENT).unwrap();
    request(&mut deaf, "/api/v1/events/stream");
    let mut listener = connect(host, AGENT).unwrap();
    request(&mut listener, "/api/v1/events/stream");
    let silent: Vec<_> = (0..1_000).map(|_| connect(host, AGENT).unwrap()).collect();
    let heard = Arc::new(Mutex::new(String::new()));
    let ear = Arc::clone(&heard);
    std::thread::spawn(move || {
        let mut bytes = [0; 4_096];
        while let Ok(count @ 1..) = listener.read(&mut bytes) {
            ear.lock()
                .unwrap()
                .push_str(&String::from_utf8_lossy(&bytes[..count]));
        }
    });
    let listens = || heard.lock().unwrap().contains("text/event-stream").then_some(());
    wait::until(SOON, listens).unwrap();
    let broken_at = monotonic_ns();
    scene.lab.path("path1").break_silently().unwrap();
    let down = scene.wait_for_path("path_down", PRIMARY);
    let after = since(broken_at, &down);
    println!("path_down was reported {after:?} after the break");
    assert!(after < AT_ONCE, "{after:?}");
    let told = || {
        heard
            .lock()
            .unwrap()
            .contains("\"finding\":\"path_down\"")
            .then_some(())
    };
    wait::until(SOON, told).unwrap();
    // An answer may be a second old.
    let metric = "remote=\"10.1.1.2\",state=\"inactive\"} 1";
    let is_inactive = || {
        let metrics = served(host, "/metrics");
        let mut lines = metrics.lines();
        lines
            .any(|line| line.starts_with("sctp_path_state{") && line.ends_with(metric))
            .then_some(())
    };
    wait::until(SOON, is_inactive).unwrap();
    let paths: Value = serde_json::from_str(&served(host, "/api/v1/paths?state=inactive")).unwrap();
    assert_eq!(paths["paths"][0]["remote"], PRIMARY, "{paths:#}");
    let findings: Value = serde_json::from_str(&served(host, "/api/v1/findings")).unwrap();
    assert_eq!(findings["findings"][0]["finding"], "path_down", "{findings:#}");
    let events: Value = serde_json::from_str(&served(host, "/api/v1/events")).unwrap();
    let events = events["events"].as_array().unwrap();
    assert!(events.contains(&down), "the same line as on standard output");
    let metrics = served(host, "/metrics");
    assert!(
        metrics.contains("sctp_finding{") && metrics.contains("finding=\"path_down\",severity="),
        "{metrics}"
    );
    drop((silent, deaf));
}

/// Prometheus, with its data in a folder of the test's own.
struct Prometheus(Child);

impl Prometheus {
    fn start(host: &Namespace, folder: &std::path::Path) -> Self {
        let file = folder.join("prometheus.yaml");
        let config = format!(
            "global: {{ scrape_interval: 500ms, scrape_timeout: 500ms }}\n\
             scrape_configs: [{{ job_name: sctp-monitor, static_configs: [{{ targets: [\"{AGENT}\"] }}] }}]\n"
        );
        std::fs::write(&file, config).unwrap();
        let child = host
            .command("prometheus")
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", folder.join("data").display()))
            .arg(format!("--web.listen-address={PROMETHEUS}"))
            .arg("--log.level=error")
            .stdout(Stdio::null())
            .spawn()
            .expect("prometheus runs (`cargo xtask setup test`)");
        Self(child)
    }

    /// The values that a query gives.
    fn query(host: &Namespace, query: &str) -> Option<Vec<String>> {
        let (_, body) = get(host, PROMETHEUS, &format!("/api/v1/query?query={query}"))?;
        // Its answers may come in chunks.
        let json = body.get(body.find('{')?..=body.rfind('}')?)?;
        let answer: Value = serde_json::from_str(json).ok()?;
        let results = answer["data"]["result"].as_array()?;
        let value = |result: &Value| result["value"][1].as_str().unwrap().to_owned();
        Some(results.iter().map(value).collect())
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn prometheus_reads_the_metrics_and_promtool_finds_no_fault() {
    let folder = tempfile::tempdir().unwrap();
    let scene = Scene::watched_by(&["--web.listen-address", AGENT]);
    let host = scene.lab.host("mme");
    let metrics = served(host, "/metrics");
    let mut promtool = host
        .command("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool runs (`cargo xtask setup test`)");
    let mut stdin = promtool.stdin.take().unwrap();
    match stdin.write_all(metrics.as_bytes()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
        result => result.unwrap(),
    }
    drop(stdin);
    let output = promtool.wait_with_output().unwrap();
    let said =
        String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.is_empty(), "{said}\n{metrics}");
    let _prometheus = Prometheus::start(host, folder.path());
    let wait_for = |query: &str, expected: &[&str]| {
        let mut last = None;
        wait::until(SOON, || {
            last = Prometheus::query(host, query);
            last.as_ref()
                .is_some_and(|values| values == expected)
                .then_some(())
        })
        .unwrap_or_else(|_| panic!("{query}: {last:?}"));
    };
    wait_for("up", &["1"]);
    wait_for("sum(sctp_path_state%7Bstate=%22active%22%7D)", &["2"]);
    wait_for("count(rate(sctp_path_packets_total%5B3s%5D)%3E0)", &["4"]);
    scene.lab.path("path1").break_silently().unwrap();
    wait_for(
        "sctp_path_state%7Bstate=%22inactive%22,remote=%2210.1.1.2%22%7D",
        &["1"],
    );
    wait_for("sctp_associations_without_redundancy", &["1"]);
}
