use std::{
    cell::Cell,
    io::{self, Write},
    rc::Rc,
};

use ratatui::{
    Terminal,
    backend::{CrosstermBackend, TestBackend},
    crossterm::event::{KeyCode, KeyEvent, KeyModifiers},
};
use sctp_monitor_engine::model::{
    BadChecksum, Broken, Evidence, Finding, FindingKind, IncidentId, IncidentView, Object, PathDown, Reason,
    RttView, Scope, ScopeKind, Sides, Timestamp,
};

use super::*;
use crate::{
    report::{
        NotWatched, NoticeKind, Summary,
        samples::{FIRST, LOCAL, SECOND, association, flow, long_ago, now, summary},
    },
    top::feed::News,
};

fn rtt(micros: u64) -> RttView {
    let rtt = Duration::from_micros(micros);
    RttView {
        last: rtt,
        min: rtt,
        srtt: rtt,
        rttvar: rtt / 2,
    }
}

/// One is well, one has lost a path.
fn known() -> Summary {
    let well = association(1, &[(FIRST, PathState::Active), (SECOND, PathState::Active)]);
    let mut hurt = association(2, &[(FIRST, PathState::Active), (SECOND, PathState::Inactive)]);
    let id = hurt.paths[1].id;
    let reason = Reason::HeartbeatUnanswered {
        sent_ago: Duration::from_millis(320),
        timeout: Duration::from_millis(160),
        misses: 2,
        last_alive_ago: Some(Duration::from_millis(400)),
    };
    let down = Evidence::PathDown(PathDown {
        broken: Broken::Both,
        reason,
    });
    let since = "2026-11-23T16:59:48.5Z".parse().unwrap();
    let finding = Finding::new(
        Object::Path(id),
        Sides::default(),
        since,
        down,
        Some(IncidentId(1)),
    );
    hurt.paths[1].since = since;
    hurt.paths[1].forward = Some(Box::new(flow(LOCAL, now())));
    hurt.paths[0].return_.as_mut().unwrap().heartbeat_rtt = Some(rtt(420));
    hurt.paths[1].findings = vec![finding.clone()];
    let mut known = summary(&[well, hurt]);
    known.snapshot.incidents = vec![IncidentView {
        id: IncidentId(1),
        finding: FindingKind::PathDown,
        severity: Severity::Warning,
        scope: Scope {
            kind: ScopeKind::Path,
            interface: None,
            local: Some(id.local),
            remote: Some(id.remote),
            association: None,
            failing: Vec::new(),
            peer: Vec::new(),
            hosts: Vec::new(),
        },
        members: 1,
        most_members: 1,
        associations: 1,
        since,
        reason: finding.text,
        next: finding.check,
    }];
    known
}

fn notice(interface: &str) -> crate::report::Line {
    NoticeKind::NotWatched {
        interface: interface.to_owned(),
        reason: "it is gone".to_owned(),
    }
    .at(long_ago())
}

fn news(summary: Summary) -> News {
    News::Known {
        agent: 7,
        summary: Box::new(summary),
        events: vec![notice("path3")],
        last: 1,
        before: Vec::new(),
    }
}

fn app() -> App {
    let mut app = App::new(false, "");
    app.on_news(news(known()));
    app
}

fn press(app: &mut App, code: KeyCode) {
    app.on_key(KeyEvent::new(code, KeyModifiers::NONE));
}

fn typed(app: &mut App, text: &str) {
    text.chars().for_each(|sign| press(app, KeyCode::Char(sign)));
}

fn drawn_at(app: &mut App, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, app)).unwrap();
    let buffer = terminal.backend().buffer();
    let line = |y| {
        let cells = (0..width).map(|x| buffer[(x, y)].symbol());
        cells.collect::<String>().trim_end().to_owned()
    };
    (0..height).map(line).collect::<Vec<_>>().join("\n")
}

fn drawn(app: &mut App) -> String {
    drawn_at(app, 80, 24)
}

#[test]
fn the_worst_association_is_shown_with_its_paths_findings_and_events() {
    insta::assert_snapshot!(drawn(&mut app()));
}

#[test]
fn the_help_says_what_columns_states_and_keys_mean() {
    let mut app = app();
    press(&mut app, KeyCode::Char('?'));
    insta::assert_snapshot!(drawn(&mut app));
    press(&mut app, KeyCode::Char('x'));
    assert!(!drawn(&mut app).contains("Keys"));
}

#[test]
fn what_is_typed_after_a_slash_filters_at_once() {
    let mut app = app();
    assert!(drawn(&mut app).contains("40001>3868"));
    typed(&mut app, "/inact");
    let text = drawn(&mut app);
    assert!(
        !text.contains("40001>3868") && text.contains("40002>3868"),
        "{text}"
    );
    assert!(text.contains("/inact_"), "{text}");
    typed(&mut app, "q 9");
    assert!(drawn(&mut app).contains("no association has all of: inactq 9"));
    assert!(!app.has_ended(), "a letter of the filter is no key");
    press(&mut app, KeyCode::Esc);
    assert!(drawn(&mut app).contains("40001>3868"));
    press(&mut app, KeyCode::Char('q'));
    assert!(app.has_ended());
}

#[test]
fn keys_choose_an_association_and_a_path_of_it() {
    let mut app = app();
    assert!(drawn(&mut app).contains("association 2, ports"));
    let first = "RTT 10.1.1.1 > 10.1.2.2";
    assert!(drawn(&mut app).contains(first), "the worst path first");
    press(&mut app, KeyCode::Right);
    assert!(drawn(&mut app).contains("RTT 10.1.1.1 > 10.1.1.2"));
    press(&mut app, KeyCode::Right);
    assert!(drawn(&mut app).contains(first), "round again");
    press(&mut app, KeyCode::Down);
    assert!(drawn(&mut app).contains("association 1, ports"));
    press(&mut app, KeyCode::Down);
    assert!(drawn(&mut app).contains("association 1, ports"));
    // The selection stays with the association when the order changes.
    app.on_news(news(summary(&[
        association(1, &[(FIRST, PathState::Inactive)]),
        association(2, &[(FIRST, PathState::Active)]),
    ])));
    assert!(drawn(&mut app).contains("association 1, ports"));
    press(&mut app, KeyCode::Home);
    press(&mut app, KeyCode::End);
    assert!(drawn(&mut app).contains("association 2, ports"));
}

#[test]
fn while_it_is_stopped_nothing_changes() {
    let mut app = app();
    press(&mut app, KeyCode::Char('p'));
    let before = drawn(&mut app);
    app.on_news(News::Known {
        agent: 7,
        summary: Box::new(summary(&[])),
        events: vec![notice("path4")],
        last: 2,
        before: Vec::new(),
    });
    let text = drawn(&mut app);
    assert!(text.contains("STOPPED") && text.contains("40002>3868"), "{text}");
    assert_eq!(text, before);
    press(&mut app, KeyCode::Char('p'));
    assert!(drawn(&mut app).contains("path4"), "it comes after");
    app.on_news(news(summary(&[])));
    assert!(drawn(&mut app).contains("no association is established now"));
}

#[test]
fn an_agent_that_is_silent_or_blind_is_said_above_all() {
    let mut app = app();
    app.on_news(News::Silent("no agent runs".to_owned()));
    let text = drawn(&mut app);
    assert!(
        text.lines().nth(1).unwrap().contains("not heard: no agent runs"),
        "{text}"
    );
    let mut blind = known();
    blind.not_watched = vec![NotWatched {
        interface: "path2".to_owned(),
        reason: "there is no such device".to_owned(),
    }];
    app.on_news(news(blind));
    let text = drawn(&mut app);
    assert!(
        text.lines().nth(1).unwrap().contains("not watching path2"),
        "{text}"
    );
}

#[test]
fn what_is_wrong_is_shown_the_worst_first_and_what_has_no_room_is_counted() {
    let mut wrong = known();
    let finding = |packets, severity| {
        let evidence = Evidence::BadChecksum(BadChecksum {
            packets,
            other: Some(SECOND.parse().unwrap()),
        });
        let object = Object::Local(LOCAL.parse().unwrap());
        let mut finding = Finding::new(object, Sides::default(), long_ago(), evidence, None);
        finding.severity = severity;
        finding
    };
    wrong.snapshot.incidents.clear();
    wrong.snapshot.findings = vec![finding(1, Severity::Warning)];
    let mut app = App::new(false, "");
    app.on_news(news(wrong.clone()));
    let text = drawn(&mut app);
    assert!(!text.contains("no incident is open"), "{text}");
    assert!(text.lines().nth(1).unwrap().contains("checksum"), "{text}");
    // NICs take one line, however many are not watched.
    wrong.not_watched = (0..9)
        .map(|number| NotWatched {
            interface: format!("path{number}"),
            reason: "it is gone".to_owned(),
        })
        .collect();
    wrong.snapshot.incidents = known().snapshot.incidents;
    wrong.snapshot.findings.push(finding(2, Severity::Critical));
    wrong.snapshot.findings.push(finding(3, Severity::Info));
    app.on_news(news(wrong));
    let text = drawn(&mut app);
    let lines: Vec<_> = text.lines().skip(1).take(4).collect();
    assert!(lines[0].contains("not watching 9 NICs: path0, path1"), "{text}");
    assert!(lines[1].contains("checksum"), "the critical one: {text}");
    assert!(lines[2].contains("INCIDENT 1"), "{text}");
    assert!(lines[3].contains("2 more: see"), "{text}");
}

#[test]
fn numbers_and_addresses_are_not_cut_into_others() {
    let long = "192.168.100.100";
    let other = "192.168.100.101";
    let mut all = vec![
        association(1, &[(long, PathState::Active), (other, PathState::Active)]),
        association(2, &[(other, PathState::Active), (long, PathState::Active)]),
    ];
    for (number, known) in (0..).zip(&mut all) {
        known.reference.id = sctp_monitor_engine::model::AssociationId(1_234_567 + number);
        for (end, path) in (1..).zip(&mut known.paths) {
            path.id.local = format!("2001:db8:aaaa:bbbb:cccc:dddd:eeee:{end}")
                .parse()
                .unwrap();
        }
        known.local_addresses.clear();
    }
    for width in [60, 70, 80, 100, 130, 200] {
        let mut app = App::new(false, "");
        app.on_news(news(summary(&all)));
        let text = drawn_at(&mut app, width, 24);
        for whole in ["1234567 ", "1234568 "] {
            assert!(text.contains(whole), "{width}: {text}");
        }
        for cut in ["192.168.100.1 ", "192.168.100.10 ", "192.168.10 "] {
            assert!(!text.contains(cut), "{width}: {text}");
        }
        let names: Vec<_> = text
            .lines()
            .filter(|line| line.starts_with("2001:"))
            .map(|line| line.split(' ').next().unwrap())
            .collect();
        assert_eq!(names.len(), 2, "{width}: {text}");
        assert!(names[0] != names[1], "{width}: {text}");
    }
}

#[test]
fn what_is_old_is_said_to_be_old() {
    let mut app = App::new(false, "");
    let second = |second: u64| Timestamp::from_nanos(second * 1_000_000_000);
    app.on_time(second(100));
    app.on_news(news(known()));
    app.on_time(second(102));
    assert!(!drawn(&mut app).contains("last heard"));
    app.on_time(second(103));
    assert!(drawn(&mut app).contains("\u{25b2} last heard 3 s ago"));
    app.on_time(second(109));
    app.on_news(News::Silent("it does not answer".to_owned()));
    assert!(drawn(&mut app).contains("\u{25b2} last heard 9 s ago: it does not answer"));
    app.on_news(news(known()));
    assert!(!drawn(&mut app).contains("last heard"));
}

#[test]
fn signs_and_words_tell_all_where_there_are_no_colours() {
    let colours = |has_colours| {
        let mut app = App::new(has_colours, "");
        app.on_news(news(known()));
        let mut terminal = Terminal::new(TestBackend::new(80, 24)).unwrap();
        terminal.draw(|frame| draw(frame, &mut app)).unwrap();
        let cells = terminal.backend().buffer().content().iter();
        cells
            .filter(|cell| cell.fg != Color::Reset || cell.bg != Color::Reset)
            .count()
    };
    assert_eq!(colours(false), 0);
    assert!(colours(true) > 0);
}

#[test]
fn what_comes_from_elsewhere_cannot_steer_the_terminal() {
    let mut hostile = known();
    let evil = "\x1b[2J\x1b]0;owned\x07\u{202e}\u{9b}31m";
    hostile.snapshot.incidents[0].reason = evil.to_owned();
    hostile.snapshot.associations[1].paths[1].findings[0].text = evil.to_owned();
    hostile.not_watched = vec![NotWatched {
        interface: evil.to_owned(),
        reason: evil.to_owned(),
    }];
    let mut app = App::new(false, evil);
    app.filter.clear();
    app.on_news(News::Known {
        agent: 7,
        summary: Box::new(hostile),
        events: vec![notice(evil)],
        last: 1,
        before: Vec::new(),
    });
    let text = drawn(&mut app);
    assert!(text.contains("owned"), "it was shown: {text}");
    let is_control = |sign: char| sign != '\n' && (sign.is_control() || sign == '\u{202e}');
    assert!(!text.contains(is_control), "{text:?}");
}

#[test]
fn it_can_be_drawn_in_any_size() {
    for (width, height) in [
        (1, 1),
        (20, 5),
        (80, 24),
        (79, 23),
        (300, 100),
        (500, 2),
        (2, 200),
    ] {
        let mut app = app();
        drawn_at(&mut app, width, height);
        press(&mut app, KeyCode::Char('?'));
        drawn_at(&mut app, width, height);
    }
}

/// Counts bytes.
#[derive(Clone, Default)]
struct Written(Rc<Cell<usize>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.set(self.0.get() + bytes.len());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A second later, with nothing new but the time and a round-trip time: docs/top.md says how many bytes that takes.
#[test]
fn little_is_sent_to_the_terminal_while_little_happens() {
    let mut app = app();
    let written = Written::default();
    let mut terminal = Terminal::with_options(
        CrosstermBackend::new(written.clone()),
        ratatui::TerminalOptions {
            viewport: ratatui::Viewport::Fixed(Rect::new(0, 0, 80, 24)),
        },
    )
    .unwrap();
    let mut sent = || {
        terminal.draw(|frame| draw(frame, &mut app)).unwrap();
        let now = written.0.take();
        let mut later = known();
        later.snapshot.time = Timestamp::from_nanos(app.time().unwrap().as_nanos() + 1_000_000_000);
        later.snapshot.associations[1].paths[0]
            .return_
            .as_mut()
            .unwrap()
            .heartbeat_rtt = Some(rtt(400 + now as u64));
        app.on_news(news_without_events(later));
        now
    };
    let whole = sent();
    let each: Vec<_> = (0..10).map(|_| sent()).collect();
    let mean = each.iter().sum::<usize>() / each.len();
    println!("at first {whole} bytes, then {mean} a second: {each:?}");
    assert!(mean < 400, "{each:?}");
}

fn news_without_events(summary: Summary) -> News {
    News::Known {
        agent: 7,
        summary: Box::new(summary),
        events: Vec::new(),
        last: 1,
        before: Vec::new(),
    }
}
