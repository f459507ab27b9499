use std::{
    collections::BTreeSet,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::Path,
    thread,
    time::Duration,
};

use sctp_monitor_engine::model::{PathState, Timestamp};
use sctp_monitor_lab::wait;
use serde_json::{Value, json};
use tokio_rustls::rustls::{self, pki_types::CertificateDer};

use super::*;
use axum::{
    extract::{Path as UrlPath, Query, State},
    http::Uri,
};
use futures_util::FutureExt as _;

use crate::report::samples::{FIRST, SECOND, association, summary};
use crate::{history::HistorySettings, report::Line};

/// A server, and a loop that answers it.
struct Served {
    address: SocketAddr,
    events: Arc<Events>,
}

fn serve(known: Summary) -> Served {
    let settings = WebSettings {
        listen_address: vec![":0".parse().unwrap()],
        ..WebSettings::default()
    };
    serve_by(&settings, known)
}

fn kept() -> Arc<History> {
    History::new(&HistorySettings::default())
}

fn serve_by(settings: &WebSettings, known: Summary) -> Served {
    let web = Web::open(settings, &kept()).unwrap().unwrap();
    let address = web.addresses().unwrap()[0];
    let events = Arc::clone(web.history.events());
    let (questions, mut asked) = mpsc::channel(1);
    thread::spawn(move || {
        while let Some(Question::Summary(to)) = asked.blocking_recv() {
            let _ = to.send(known.clone());
        }
    });
    // Nobody who does what it should is that slow, not even on a loaded machine.
    let patience = Patience {
        asking: Duration::from_secs(2),
        reading: Duration::from_secs(1),
    };
    web.start_with(questions, patience).unwrap();
    Served { address, events }
}

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

impl Served {
    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream
    }

    fn ask(&self, method: &str, path: &str, headers: &str) -> Answer {
        let mut stream = self.connect();
        let request =
            format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let (head, body) = text
            .split_once("\r\n\r\n")
            .unwrap_or_else(|| panic!("{path}: {text}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer {
            status,
            head: head.to_lowercase(),
            body: body.to_owned(),
        }
    }

    fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, "")
    }
}

fn known() -> Summary {
    let paths = [(FIRST, PathState::Active), (SECOND, PathState::Active)];
    summary(&[association(1, &paths), association(2, &paths)])
}

#[test]
fn the_interface_answers_as_its_document_says() {
    let served = serve(known());
    served
        .events
        .push(Timestamp::default(), json!({ "event": "x" }).to_string());
    let document = served.get("/api/v1/openapi.json").json();
    assert!(
        document["openapi"].as_str().unwrap().starts_with("3.1"),
        "{document}"
    );
    let mut ids = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        let operation = &operations["get"];
        assert!(
            ids.insert(operation["operationId"].as_str().unwrap()),
            "{operation}"
        );
        if path == "/api/v1/events/stream" {
            continue;
        }
        let answer = served.get(&path.replace("{number}", "1"));
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        let content = operation["responses"]["200"]["content"].as_object().unwrap();
        let (kind, content) = content.iter().next().unwrap();
        assert!(
            answer.head.contains(&format!("content-type: {kind}")),
            "{path}: {}",
            answer.head
        );
        if kind == "application/json" && path != "/api/v1/openapi.json" {
            // The line of this test is none of the agent's.
            if path != "/api/v1/events" {
                assert_fits(&document, &content["schema"], &answer.json());
            }
            for code in operation["responses"].as_object().unwrap().keys() {
                let bad = match code.as_str() {
                    "400" => served.get(&format!("{}?no=1", path.replace("{number}", "x"))),
                    "404" => served.get(&path.replace("{number}", "77")),
                    _ => continue,
                };
                assert_eq!(bad.status.to_string(), *code, "{path}: {}", bad.body);
                let schema = &operation["responses"][code]["content"]["application/json"]["schema"];
                assert_fits(&document, schema, &bad.json());
            }
        }
    }
}

fn assert_fits(document: &Value, schema: &Value, answer: &Value) {
    let mut schema = schema.clone();
    assert!(schema["$ref"].is_string(), "{schema} for {answer}");
    schema["components"] = document["components"].clone();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<_> = validator
        .iter_errors(answer)
        .map(|error| error.to_string())
        .collect();
    assert!(errors.is_empty(), "{errors:?} in {answer}");
}

#[test]
fn all_that_is_linked_is_there_and_documented() {
    let served = serve(known());
    let page = served.get("/");
    assert!(
        page.body.contains("2 associations, 4 of 4 paths active"),
        "{}",
        page.body
    );
    let document = served.get("/api/v1/openapi.json").json();
    let links: Vec<_> = page
        .body
        .split("href=\"")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap())
        .collect();
    assert!(links.len() > 9, "{}", page.body);
    for link in links {
        let is_for_people = link == "/" || link.starts_with("/page.") || link.starts_with("/associations/");
        assert!(
            is_for_people || document["paths"][link].is_object(),
            "{link} is not documented"
        );
        assert_eq!(served.get(link).status, 200, "{link}");
    }
}

#[test]
fn a_page_elsewhere_cannot_read_through_somebodys_browser() {
    let served = serve(known());
    let ask = |host: &str| {
        let mut stream = served.connect();
        let request = format!("GET /metrics HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    };
    assert!(ask("localhost:9143").starts_with("HTTP/1.1 200"));
    assert!(ask(&served.address.to_string()).starts_with("HTTP/1.1 200"));
    let refused = ask("evil.example:9143");
    assert!(refused.starts_with("HTTP/1.1 421"), "{refused}");
    assert!(
        refused.contains("http://127.0.0.1:9143/") && !refused.contains("sctp_"),
        "{refused}"
    );
}

#[test]
fn nothing_can_be_changed_kept_or_embedded() {
    let served = serve(known());
    for method in ["POST", "PUT", "DELETE", "PATCH", "TRACE"] {
        assert_eq!(served.ask(method, "/metrics", "").status, 405, "{method}");
    }
    assert_eq!(served.ask("POST", "/no", "").status, 405);
    for (path, status) in [
        ("/", 200),
        ("/?words=10.1.1.2+active", 200),
        ("/?no=1", 400),
        ("/associations/1?minutes=60", 200),
        ("/associations/1?minutes=x", 400),
        ("/associations/x", 400),
        ("/associations/77", 404),
        ("/page.js", 200),
        ("/metrics", 200),
        ("/no", 404),
        ("/api/v1/paths?state=no", 400),
    ] {
        let answer = served.get(path);
        assert_eq!(answer.status, status, "{path}");
        for header in [
            "cache-control: no-store",
            "x-content-type-options: nosniff",
            "content-security-policy: default-src 'none'",
        ] {
            assert!(answer.head.contains(header), "{path}: {header}: {}", answer.head);
        }
    }
}

#[test]
fn filters_are_those_of_the_commands() {
    let served = serve(known());
    let ids = |path: &str| {
        let document = served.get(path).json();
        let all = document["associations"].as_array().unwrap();
        all.iter()
            .map(|known| known["association"].as_u64().unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(ids("/api/v1/associations"), [1, 2]);
    assert_eq!(ids("/api/v1/associations?port=40002"), [2]);
    assert_eq!(ids("/api/v1/associations?address=192.0.2.1"), [0; 0]);
    assert_eq!(ids("/api/v1/associations?state=potentially_failed"), [0; 0]);
    assert_eq!(ids("/api/v1/associations/2"), [2]);
    let error = served.get("/api/v1/associations?prot=1").json();
    assert!(error["error"].as_str().unwrap().contains("prot"), "{error}");
}

#[test]
fn events_are_read_from_where_they_were_left() {
    let served = serve(known());
    let push = |number: u32| {
        served
            .events
            .push(Timestamp::default(), json!({ "event": number }).to_string());
    };
    (0..3).for_each(push);
    let first = served.get("/api/v1/events?limit=2").json();
    assert_eq!(first["events"], json!([{ "event": 1 }, { "event": 2 }]));
    push(3);
    let path = format!("/api/v1/events?after={}", first["last"].as_str().unwrap());
    assert_eq!(served.get(&path).json()["events"], json!([{ "event": 3 }]));
    assert_eq!(
        served.get("/api/v1/events?after=1-1").json()["events"]
            .as_array()
            .unwrap()
            .len(),
        4
    );
    // The same as a stream.
    let mut stream = served.connect();
    let request = format!(
        "GET /api/v1/events/stream HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: {}\r\n\r\n",
        first["last"].as_str().unwrap()
    );
    stream.write_all(request.as_bytes()).unwrap();
    let read_until = |stream: &mut TcpStream, end: &str| {
        let mut text = String::new();
        let mut bytes = [0; 4_096];
        while !text.contains(end) {
            let count = stream.read(&mut bytes).unwrap();
            assert!(count > 0, "{text}");
            text.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
        }
        text
    };
    let text = read_until(&mut stream, "{\"event\":3}");
    assert!(
        text.contains("text/event-stream") && !text.contains("{\"event\":2}"),
        "{text}"
    );
    push(4);
    read_until(&mut stream, "data: {\"event\":4}");
    let metrics = served.get("/metrics").body;
    assert!(metrics.contains("sctp_monitor_web_event_readers 1"), "{metrics}");
}

#[test]
fn those_who_connect_and_say_nothing_keep_nobody_out() {
    let served = serve(known());
    let silent: Vec<_> = (0..200).map(|_| served.connect()).collect();
    assert_eq!(served.get("/healthz").status, 200);
    let metrics = served.get("/metrics").body;
    let refused = metrics
        .lines()
        .find_map(|line| line.strip_prefix("sctp_monitor_web_connections_refused_total "))
        .unwrap();
    assert!(refused.parse::<u64>().unwrap() >= 136, "{refused}");
    drop(silent);
}

#[test]
fn who_says_nothing_is_disconnected_before_and_after_a_question() {
    let served = serve(known());
    let mut silent = served.connect();
    let mut asking = served.connect();
    asking
        .write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .unwrap();
    let mut slow = served.connect();
    slow.write_all(b"GET /healthz HTTP/1.1\r\nHost: loc").unwrap();
    let mut text = String::new();
    asking.read_to_string(&mut text).unwrap();
    assert!(
        text.starts_with("HTTP/1.1 200") && text.ends_with("the agent lives\n"),
        "{text}"
    );
    for stream in [&mut silent, &mut slow] {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        assert!(!String::from_utf8_lossy(&bytes).contains("200"));
    }
}

#[test]
fn who_listens_to_events_and_reads_none_is_disconnected_and_counted() {
    let served = serve(known());
    let mut deaf = served.connect();
    deaf.write_all(b"GET /api/v1/events/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .unwrap();
    let count = |name: &str| {
        let metrics = served.get("/metrics").body;
        let line = metrics.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap().trim().parse::<u64>().unwrap()
    };
    let within = Duration::from_secs(10);
    let listens = || (count("sctp_monitor_web_event_readers ") == 1).then_some(());
    wait::until(within, listens).unwrap();
    // More than the system holds for a reader.
    let long = json!({ "event": "x".repeat(32_000) }).to_string();
    for _ in 0..1_000 {
        served.events.push(Timestamp::default(), long.clone());
    }
    let is_gone = || (count("sctp_monitor_web_event_readers ") == 0).then_some(());
    wait::until(within, is_gone).unwrap();
    assert_eq!(count("sctp_monitor_web_event_readers_dropped_total "), 1);
}

#[test]
fn a_request_that_is_too_long_or_none_is_refused() {
    let served = serve(known());
    let long = format!("X: {}\r\n", "x".repeat(20_000));
    assert_eq!(served.ask("GET", "/", &long).status, 431);
    let mut stream = served.connect();
    stream.write_all(b"\x16\x03\x01 no HTTP\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert!(text.starts_with("HTTP/1.1 400"), "{text}");
    assert_eq!(served.get("/healthz").status, 200);
}

#[test]
fn an_agent_that_ends_is_told_of() {
    let settings = WebSettings {
        listen_address: vec![":0".parse().unwrap()],
        ..WebSettings::default()
    };
    let web = Web::open(&settings, &kept()).unwrap().unwrap();
    let served = Served {
        address: web.addresses().unwrap()[0],
        events: Arc::clone(web.history.events()),
    };
    let (questions, asked) = mpsc::channel(1);
    drop(asked);
    web.start(questions).unwrap();
    for path in ["/healthz", "/readyz", "/metrics", "/api/v1/paths"] {
        assert_eq!(served.get(path).status, 503, "{path}");
    }
}

#[test]
fn an_address_that_is_taken_is_an_error_that_names_it() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let settings = WebSettings {
        listen_address: vec![ListenAddress(address)],
        ..WebSettings::default()
    };
    let error = Web::open(&settings, &kept()).unwrap_err();
    assert!(error.to_string().contains(&address.to_string()), "{error}");
}

#[test]
fn what_is_reported_is_an_event() {
    let served = serve(known());
    let line = Line::Summary(Box::new(known()));
    let mut outlet = served.events.outlet(true);
    outlet.report.event(&line).unwrap();
    let events = served.get("/api/v1/events").json();
    assert_eq!(events["events"][0], serde_json::to_value(&line).unwrap());
}

/// A certificate of its own, in `server.crt` and `server.key`.
fn certify(folder: &Path) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(folder.join("server.crt"), made.cert.pem()).unwrap();
    std::fs::write(folder.join("server.key"), made.signing_key.serialize_pem()).unwrap();
    made.cert.der().clone()
}

/// The status of an answer to a client that trusts this certificate.
fn ask_by_tls(address: SocketAddr, trusted: CertificateDer<'static>, headers: &str) -> io::Result<u16> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(trusted).unwrap();
    let config =
        rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
    let name = "localhost".try_into().unwrap();
    let client = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut stream = rustls::StreamOwned::new(client, stream);
    write!(
        stream,
        "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n"
    )?;
    let mut bytes = [0; 12];
    stream.read_exact(&mut bytes)?;
    Ok(std::str::from_utf8(&bytes[9..]).unwrap().parse().unwrap())
}

#[test]
fn it_is_known_by_its_certificate_and_readers_by_their_passwords() {
    let folder = tempfile::tempdir().unwrap();
    let first = certify(folder.path());
    let file = folder.path().join("web.yml");
    let hash = bcrypt::hash("secret", 4).unwrap();
    let text = format!(
        "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\nbasic_auth_users:\n  alice: {hash}\n"
    );
    std::fs::write(&file, text).unwrap();
    let settings = WebSettings {
        listen_address: vec![":0".parse().unwrap()],
        config_file: file,
        ..WebSettings::default()
    };
    let served = serve_by(&settings, known());
    // alice:secret
    let authorization = "Authorization: Basic YWxpY2U6c2VjcmV0\r\n";
    assert_eq!(ask_by_tls(served.address, first.clone(), "").unwrap(), 401);
    assert_eq!(
        ask_by_tls(served.address, first.clone(), authorization).unwrap(),
        200
    );
    let second = certify(folder.path());
    assert!(
        ask_by_tls(served.address, first, authorization).is_err(),
        "the old certificate"
    );
    assert_eq!(
        ask_by_tls(served.address, second.clone(), authorization).unwrap(),
        200
    );
    // One that does not speak TLS gets nothing, and keeps nobody out.
    let mut plain = served.connect();
    plain
        .write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .unwrap();
    let mut bytes = Vec::new();
    let _ = plain.read_to_end(&mut bytes);
    assert!(!String::from_utf8_lossy(&bytes).contains("sctp_"));
    assert_eq!(ask_by_tls(served.address, second, authorization).unwrap(), 200);
}

#[tokio::test]
async fn what_takes_memory_waits_for_its_turn() {
    let (questions, mut asked) = mpsc::channel(1);
    let app = Arc::new(App::new(questions, kept(), Arc::default(), 10));
    let turns = u32::try_from(DOCUMENTS).unwrap();
    let all = Arc::clone(&app.documents)
        .acquire_many_owned(turns)
        .await
        .unwrap();
    let state = || State(Arc::clone(&app));
    let uri = Uri::from_static("/");
    let events = || api::events(state(), Query::try_from_uri(&uri)).now_or_never();
    assert!(events().is_none());
    let overview = page::overview(state(), Query::try_from_uri(&uri));
    let association = page::association(state(), UrlPath("1".to_owned()), Query::try_from_uri(&uri));
    assert!(overview.now_or_never().is_none() && association.now_or_never().is_none());
    assert!(asked.try_recv().is_err(), "the loop was asked before its turn");
    drop(all);
    let answer = events().unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(
        app.documents.available_permits(),
        DOCUMENTS - 1,
        "until it is read"
    );
    drop(answer);
    assert_eq!(app.documents.available_permits(), DOCUMENTS);
}

/// Requests that a mutation has made of good ones: each is answered as HTTP has it or not at all, and none ends the server. The seed is
/// fixed, so that a run fails by what was changed.
#[test]
fn hostile_requests_are_refused_and_end_nothing() {
    let served = serve(known());
    let good = [
        "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        "GET /?words=10.1.1.2+active HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        "GET /associations/1?minutes=60 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        "GET /api/v1/paths?state=active&port=3868&address=10.1.1.2 HTTP/1.1\r\nHost: [::1]:1\r\nConnection: close\r\n\r\n",
        "GET /api/v1/events?after=1-1&limit=2 HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n",
        "GET /metrics HTTP/1.1\r\nHost: localhost\r\nAccept: application/openmetrics-text\r\nConnection: close\r\n\r\n",
    ];
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below as u64).unwrap()
    };
    let mut answered = BTreeSet::new();
    for round in 0..600 {
        let mut request = good[round % good.len()].as_bytes().to_vec();
        for _ in 0..=random(4) {
            let at = random(request.len());
            match random(5) {
                0 => request[at] = u8::try_from(random(256)).unwrap(),
                1 => drop(request.remove(at)),
                2 => request.insert(at, b"\0%/?&=\r\n :;\xff9"[random(13)]),
                3 => request
                    .splice(at..at, b"%2e%2e/".repeat(random(40)))
                    .for_each(drop),
                _ => {
                    let copy = request[at..].to_vec();
                    request.extend(copy);
                }
            }
        }
        let mut stream = served.connect();
        // It may be refused before all of it is written.
        let _ = stream.write_all(&request);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let text = String::from_utf8_lossy(&answer);
        if let Some(status) = text.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)) {
            answered.insert(status.parse::<u16>().unwrap());
        }
    }
    assert!(
        answered.contains(&200) && answered.contains(&400) && answered.iter().all(|status| *status < 500),
        "{answered:?}"
    );
    assert_eq!(served.get("/healthz").status, 200);
}
