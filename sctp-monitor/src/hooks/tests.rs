use std::{
    io::Read as _,
    net::{TcpListener, UdpSocket},
    os::unix::{fs::PermissionsExt as _, net::UnixDatagram},
    thread,
    time::Duration,
};

use sctp_monitor_engine::model::{
    Event, EventKind, FindingKind, IncidentId, IncidentView, Schema, Scope, ScopeKind, Severity, Status,
};
use sctp_monitor_lab::wait;

use super::*;
use crate::report::samples::now;

fn line(id: u64, status: Status) -> Line {
    let incident = IncidentView {
        id: IncidentId(id),
        finding: FindingKind::PathDown,
        severity: Severity::Critical,
        scope: Scope {
            kind: ScopeKind::Interface,
            interface: Some("we\"ird]".to_owned()),
            local: None,
            remote: None,
            association: None,
            failing: Vec::new(),
            peer: Vec::new(),
            hosts: Vec::new(),
        },
        members: 2,
        most_members: 2,
        associations: 1,
        since: now(),
        reason: "2 paths down\nat once".to_owned(),
        next: "the cable".to_owned(),
    };
    Line::Event(Event {
        schema: Schema,
        time: now(),
        association: None,
        kind: EventKind::Incident { status, incident },
    })
}

fn notice() -> Notice {
    Notice::of(&line(1, Status::Opened)).unwrap()
}

const SOON: Duration = Duration::from_secs(15);

#[test]
fn only_what_opened_or_is_over_is_told() {
    assert!(Notice::of(&line(1, Status::Updated)).is_none());
    assert!(Notice::of(&line(1, Status::Closed)).is_some());
    let notice = notice();
    assert!(!notice.text.contains('\n'), "{}", notice.text);
    assert!(!notice.json.contains('\n'));
}

#[test]
fn a_program_gets_the_line_and_the_values_and_is_run_again_when_it_fails() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let script = "#!/bin/sh\n\
        test -e \"$1/tried\" || { touch \"$1/tried\"; exit 3; }\n\
        cat > \"$1/part\"; echo \"$SCTP_MONITOR_STATUS $SCTP_MONITOR_FINDING $SCTP_MONITOR_SEVERITY\" >> \"$1/part\"\n\
        mv \"$1/part\" \"$1/told\"\n";
    std::fs::write(path("hook"), script).unwrap();
    std::fs::set_permissions(path("hook"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let settings = HooksSettings {
        exec: vec![
            path("hook").display().to_string(),
            folder.path().display().to_string(),
        ],
        ..HooksSettings::default()
    };
    let mut hooks = outlets(&settings).unwrap();
    assert_eq!((hooks.len(), hooks[0].keeps_watch), (1, false));
    hooks[0].report.event(&line(7, Status::Opened)).unwrap();
    let told = wait::until(SOON, || std::fs::read_to_string(path("told")).ok()).unwrap();
    let mut lines = told.lines();
    let json: serde_json::Value = serde_json::from_str(lines.next().unwrap()).unwrap();
    assert_eq!(json["incident"], 7);
    assert_eq!(lines.next(), Some("opened path_down critical"));
    assert!(path("tried").exists());
}

#[test]
fn a_program_that_is_not_there_is_named() {
    let mut exec = Exec::new(&["/no/such/program".to_owned()]).unwrap();
    let error = exec.deliver(&notice()).unwrap_err();
    assert!(error.contains("/no/such/program cannot be run"), "{error}");
    assert!(Exec::new(&[]).is_none());
}

#[test]
fn a_web_server_gets_the_line_and_the_token_and_is_asked_again_when_it_refuses() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = thread::spawn(move || {
        let mut requests = Vec::new();
        for status in ["503 Service Unavailable", "204 No Content"] {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            let mut bytes = [0; 4_096];
            while !request.ends_with(b"}\n") {
                let count = stream.read(&mut bytes).unwrap();
                assert!(count > 0);
                request.extend(&bytes[..count]);
            }
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            io::Write::write_all(&mut stream, answer.as_bytes()).unwrap();
            requests.push(String::from_utf8(request).unwrap());
        }
        requests
    });
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "s3cret\n").unwrap();
    let settings = HooksSettings {
        webhook: format!("http://127.0.0.1:{port}/incidents?from=here"),
        webhook_token_file: token,
        ..HooksSettings::default()
    };
    let mut hooks = outlets(&settings).unwrap();
    hooks[0].report.event(&line(7, Status::Closed)).unwrap();
    let requests = server.join().unwrap();
    assert_eq!(requests[0], requests[1], "the same again");
    let (head, body) = requests[1].split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /incidents?from=here HTTP/1.1"), "{head}");
    let head = head.to_lowercase();
    assert!(head.contains(&format!("host: 127.0.0.1:{port}")), "{head}");
    assert!(head.contains("authorization: bearer s3cret"), "{head}");
    let json: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(
        (&json["incident"], &json["status"]),
        (&7.into(), &"closed".into())
    );
}

#[test]
fn what_is_no_url_is_refused_at_the_start() {
    for url in ["incidents", "ftp://a/b", "https://", "/path"] {
        let settings = HooksSettings {
            webhook: url.to_owned(),
            ..HooksSettings::default()
        };
        let error = outlets(&settings).err().unwrap().to_string();
        assert!(error.contains("https://HOST/PATH"), "{url}: {error}");
    }
}

#[test]
fn a_syslog_server_gets_structured_data() {
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    server.set_read_timeout(Some(SOON)).unwrap();
    let place = format!("udp:{}", server.local_addr().unwrap());
    place.parse::<Syslog>().unwrap().deliver(&notice()).unwrap();
    let mut bytes = [0; 4_096];
    let count = server.recv(&mut bytes).unwrap();
    let message = String::from_utf8(bytes[..count].to_vec()).unwrap();
    // Facility daemon (3), severity critical (2).
    assert!(
        message.starts_with("<26>1 2026-11-23T17:00:00.500000Z "),
        "{message}"
    );
    let words: Vec<_> = message.splitn(8, ' ').collect();
    assert_eq!((words[3], words[5]), ("sctp-monitor", "incident"), "{message}");
    let data = " incident=\"1\" status=\"opened\" severity=\"critical\" finding=\"path_down\"";
    assert!(
        message.contains(&format!("[sctpMonitor@32473{data}")),
        "{message}"
    );
    assert!(message.contains("we\\\"ird\\]"), "{message}");
    assert!(message.contains("\"] \u{feff}INCIDENT 1"), "{message}");
    // By TCP the length stands before it.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = format!("tcp:{}", listener.local_addr().unwrap());
    place.parse::<Syslog>().unwrap().deliver(&notice()).unwrap();
    let mut text = String::new();
    listener.accept().unwrap().0.read_to_string(&mut text).unwrap();
    let (length, framed) = text.split_once(' ').unwrap();
    assert_eq!(
        (length.parse().ok(), framed),
        (Some(message.len()), message.as_str())
    );
}

#[test]
fn the_journal_gets_each_value_as_a_field() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let mut journal = Journal { path: path.clone() };
    let error = journal.deliver(&notice()).unwrap_err();
    assert!(error.contains("there is no journal"), "{error}");
    let server = UnixDatagram::bind(&path).unwrap();
    journal.deliver(&notice()).unwrap();
    let mut bytes = [0; 8_192];
    let count = server.recv(&mut bytes).unwrap();
    let mut rest = &bytes[..count];
    let mut fields = std::collections::BTreeMap::new();
    while !rest.is_empty() {
        let end = rest.iter().position(|byte| *byte == b'\n').unwrap();
        let name = String::from_utf8(rest[..end].to_vec()).unwrap();
        rest = &rest[end + 1..];
        let length = u64::from_le_bytes(rest[..8].try_into().unwrap());
        let (value, after) = rest[8..].split_at(usize::try_from(length).unwrap());
        fields.insert(name, String::from_utf8(value.to_vec()).unwrap());
        assert_eq!(after[0], b'\n');
        rest = &after[1..];
    }
    assert_eq!(fields["PRIORITY"], "2");
    assert_eq!(fields["SCTP_MONITOR_FINDING"], "path_down");
    assert_eq!(fields["SCTP_MONITOR_STATUS"], "opened");
    assert!(fields["MESSAGE"].starts_with("INCIDENT 1"), "{fields:?}");
    assert!(fields["SCTP_MONITOR_JSON"].starts_with('{'));
}

#[test]
fn a_hook_that_hangs_loses_what_is_too_much_and_holds_up_nobody() {
    struct Hangs;
    impl Deliver for Hangs {
        fn deliver(&mut self, _: &Notice) -> Result<(), String> {
            loop {
                thread::park();
            }
        }
    }
    let mut hook = outlet("hook", Box::new(Hangs)).unwrap();
    let told = (0..2_000).map(|id| hook.report.event(&line(id, Status::Opened)));
    let lost = told.filter(Result::is_err).count();
    assert!((900..=1_000).contains(&lost), "{lost}");
    hook.report.finish(&crate::report::samples::summary(&[])).unwrap();
}
