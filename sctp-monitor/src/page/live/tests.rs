use std::{num::NonZeroU32, time::Duration};

use scraper::{Html, Selector};
use sctp_monitor_engine::model::{
    AssociationRef, End, EndReason, Event, EventKind, Evidence, Finding, Flapping, Object, PathId, PhaseView,
    Reason, Schema, Side, Sides, Status,
};

use super::*;
use crate::{
    history::{Amount, Crossed, Measured, PathRecord, Sample},
    page::timeline::Link,
    report::{
        Line, NotWatched,
        samples::{FIRST, LOCAL, SECOND, association as known, flow, long_ago, now, summary as summary_of},
    },
};

/// One is well, one has a path that failed a minute ago.
fn summary() -> Summary {
    let well = known(1, &[(FIRST, PathState::Active), (SECOND, PathState::Active)]);
    let mut hurt = known(2, &[(FIRST, PathState::Active), (SECOND, PathState::Inactive)]);
    let path = &mut hurt.paths[1];
    path.forward = Some(Box::new(flow(LOCAL, now())));
    path.since = now() - Duration::from_secs(60);
    path.findings = vec![finding(path.id)];
    summary_of(&[well, hurt])
}

fn finding(path: PathId) -> Finding {
    let evidence = Evidence::Flapping(Flapping {
        failures: 4,
        within: Duration::from_secs(60),
    });
    let since = now() - Duration::from_secs(60);
    Finding::new(Object::Path(path), Sides::default(), since, evidence, None)
}

fn path() -> PathId {
    PathId {
        local: LOCAL.parse().unwrap(),
        remote: SECOND.parse().unwrap(),
    }
}

fn event(reference: AssociationRef, ago: u64, kind: EventKind) -> Line {
    Line::Event(Event {
        schema: Schema,
        time: now() - Duration::from_secs(ago),
        association: Some(reference),
        kind,
    })
}

fn failure(ago: u64, from: PathState, to: PathState) -> EventKind {
    EventKind::PathStateChanged {
        path: path(),
        from,
        to,
        reason: Reason::HeartbeatUnanswered {
            sent_ago: Duration::from_millis(300 + ago),
            timeout: Duration::from_millis(160),
            misses: 2,
            last_alive_ago: None,
        },
    }
}

fn past(summary: &Summary) -> Past {
    past_with(summary, Link::Elsewhere)
}

fn past_with(summary: &Summary, link: Link) -> Past {
    past_from(summary, link, long_ago())
}

fn past_from(summary: &Summary, link: Link, kept_from: Timestamp) -> Past {
    let reference = summary.snapshot.associations[1].reference;
    let amount = |rate, retransmissions| Amount {
        rate,
        data: 10,
        retransmissions,
    };
    let samples = (0..30).map(|step: u64| Sample {
        time: now() - Duration::from_secs(300 - 10 * step),
        state: PathState::Active,
        crossed: NonZeroU32::new(10_000).map(|over_ms| Crossed {
            over_ms,
            forward: amount(2_000, 0),
            return_: amount(1_000, u32::from(step == 20)),
        }),
        forward: Measured::default(),
        return_: Measured {
            heartbeat_rtt_us: NonZeroU32::new(400 + u32::try_from(step).unwrap()),
            data_to_sack_us: None,
        },
    });
    let record = PathRecord {
        association: reference.id,
        path: path(),
        samples: samples.collect(),
    };
    let closed = EventKind::Finding {
        status: Status::Closed,
        finding: finding(path()),
    };
    let lines = vec![
        event(
            reference,
            200,
            failure(1, PathState::Active, PathState::PotentiallyFailed),
        ),
        event(
            reference,
            60,
            failure(2, PathState::PotentiallyFailed, PathState::Inactive),
        ),
        event(reference, 30, closed),
    ];
    let since = now() - Duration::from_secs(900);
    Past::new(since, kept_from, link, lines, vec![record])
}

fn parsed(markup: &Markup) -> Html {
    Html::parse_document(&markup.0)
}

fn all<'a>(page: &'a Html, selector: &str) -> Vec<scraper::ElementRef<'a>> {
    page.select(&Selector::parse(selector).unwrap()).collect()
}

fn words(page: &Html, selector: &str) -> String {
    let found = all(page, selector);
    assert!(!found.is_empty(), "{selector}");
    found[0].text().collect()
}

fn of_words(asked: &str) -> Html {
    let summary = summary();
    let asked = Asked {
        words: asked.to_owned(),
    };
    let content = overview(&summary, &asked, &past(&summary));
    parsed(&document("associations", &summary, 7, &content))
}

fn ids(page: &Html) -> Vec<&str> {
    let rows = all(page, "tr[data-association]");
    rows.iter()
        .map(|row| row.attr("data-association").unwrap())
        .collect()
}

#[test]
fn the_overview_has_the_worst_association_first_and_a_search() {
    let page = of_words("");
    assert_eq!(words(&page, "h1"), "2 associations, 3 of 4 paths active");
    assert_eq!(ids(&page), ["2", "1"]);
    let row = words(&page, "tr[data-association='2']");
    for expected in ["1 of 2", "\u{2715} inactive", "flapping"] {
        assert!(row.contains(expected), "{expected}: {row}");
    }
    assert_eq!(ids(&of_words("inactive flapping")), ["2"]);
    assert_eq!(ids(&of_words("40001")), ["1"]);
    assert_eq!(ids(&of_words("192.0.2.1")), [""; 0]);
}

#[test]
fn an_association_has_its_matrix_evidence_plots_and_timeline() {
    let summary = summary();
    let content = association(&summary.snapshot.associations[1], &past(&summary), now(), None);
    let page = parsed(&document("association 2", &summary, 7, &content));
    let cell = format!("td[data-path='{LOCAL}>{SECOND}']");
    let failed = all(&page, &cell)[0];
    assert_eq!(failed.attr("class"), Some("inactive"));
    assert!(words(&page, &cell).contains("\u{2715} inactive"));
    assert!(words(&page, "[data-finding='flapping']").contains("Check: "));
    let evidence = words(&page, "[data-finding='flapping'] dl");
    assert!(evidence.contains("failures4"), "{evidence}");
    assert_eq!(all(&page, "figure.plot").len(), 4, "two of each path");
    let states: Vec<_> = all(&page, "figure[data-kind='rtt'] .ribbon")
        .iter()
        .map(|span| span.attr("data-state").unwrap())
        .collect();
    assert_eq!(states, ["active", "active", "potentially_failed", "inactive"]);
    assert_eq!(all(&page, ".rtt").len(), 1);
    assert_eq!(all(&page, ".rate").len(), 2);
    assert_eq!(
        all(&page, ".rate.return path.again").len(),
        1,
        "a retransmission is marked"
    );
    assert_eq!(all(&page, "path.again").len(), 1, "in its direction");
    assert_eq!(all(&page, ".rtt.return").len(), 1, "in its direction");
    let timeline = words(&page, ".timeline");
    assert!(
        timeline.contains("active -> potentially failed") || timeline.contains("potentially failed"),
        "{timeline}"
    );
    assert!(page.html().contains("Findings that are over"));
}

fn ribbons(page: &Html) -> Vec<(&str, String)> {
    let spans = all(page, "figure[data-kind='rtt'] .ribbon").into_iter();
    let one = spans.map(|span| {
        let title = span.select(&Selector::parse("title").unwrap()).next().unwrap();
        let title: String = title.text().collect();
        let words = title.split(": ").next().unwrap();
        (span.value().attr("data-state").unwrap(), words.to_owned())
    });
    one.collect()
}

#[test]
fn a_state_is_drawn_from_when_on_it_is_known() {
    let mut summary = summary();
    summary.snapshot.associations[1].paths[0].since = now() - Duration::from_secs(100);
    let draw = |summary: &Summary, past: &Past| {
        let content = association(&summary.snapshot.associations[1], past, now(), None);
        parsed(&document("association 2", summary, 7, &content))
    };
    // Older events are gone.
    let kept_from = now() - Duration::from_secs(400);
    let page = draw(&summary, &past_from(&summary, Link::Elsewhere, kept_from));
    let at = |state, words: &str| (state, words.to_owned());
    let expected = [
        at("unknown", "State not known before 16:58:20.500"),
        at("active", "active from 16:58:20.500 to 17:00:00.500"),
        at("unknown", "State not known before 16:53:20.500"),
        at("active", "active from 16:53:20.500 to 16:56:40.500"),
        at(
            "potentially_failed",
            "potentially failed from 16:56:40.500 to 16:59:00.500",
        ),
        at("inactive", "inactive from 16:59:00.500 to 17:00:00.500"),
    ];
    assert_eq!(ribbons(&page), expected);
    assert!(page.html().contains("not known before 16:53:20.500, active from"));
    let since = now() - Duration::from_secs(900);
    let none = Past::new(since, now(), Link::Here, Vec::new(), Vec::new());
    assert_eq!(none.begin(), now(), "nothing is said of what is not kept");
}

#[test]
fn an_association_that_has_ended_stays_as_it_was_at_its_end() {
    let mut summary = summary();
    let end = now() - Duration::from_secs(300);
    let reason = EndReason::Shutdown {
        by: Some(Side::Remote),
    };
    summary.snapshot.associations[0].phase = PhaseView::Ended {
        at: end,
        end: End::new(reason, Sides::default()),
    };
    let known = &summary.snapshot.associations[0];
    let since = end - Duration::from_secs(900);
    let past = Past::new(since, long_ago(), Link::Elsewhere, Vec::new(), Vec::new());
    let page = parsed(&association(known, &past, now(), None));
    assert_eq!(
        words(&page, "h1"),
        "Association 1: ended 2026-11-23 16:55:00.500 UTC"
    );
    assert!(!page.html().contains("paths active"));
    let later = association(known, &past, now() + Duration::from_secs(600), None);
    assert_eq!(page.html(), parsed(&later).html(), "nothing goes on");
    assert_eq!(until(&summary.snapshot.associations[1], now()), now());
}

#[test]
fn a_report_is_one_file_that_needs_no_other() {
    let mut summary = summary();
    summary.not_watched = vec![NotWatched {
        interface: "path9".to_owned(),
        reason: "there is no such device".to_owned(),
    }];
    let past = past_with(&summary, Link::Here);
    let page = file("SCTP", &summary, &report(&summary, &past)).0;
    assert!(page.contains("Not watching path9"));
    let page = Html::parse_document(&page);
    assert_eq!(all(&page, "details.association").len(), 2);
    for name in ["src", "href", "action"] {
        for element in all(&page, &format!("[{name}]")) {
            let target = element.attr(name).unwrap();
            assert!(target.starts_with('#'), "{name}={target}");
        }
    }
}

#[test]
fn words_from_elsewhere_stay_words() {
    let mut summary = summary();
    let evil = "<script>alert(1)</script>\u{202e}\"><img src=x>";
    summary.not_watched = vec![NotWatched {
        interface: evil.to_owned(),
        reason: evil.to_owned(),
    }];
    summary.snapshot.associations[1].paths[1].findings[0].text = evil.to_owned();
    let asked = Asked {
        words: evil.to_owned(),
    };
    let past = past(&summary);
    let first = document(evil, &summary, 7, &overview(&summary, &asked, &past));
    let second = association(&summary.snapshot.associations[1], &past, now(), None);
    for page in [first, second] {
        assert!(page.0.contains("&lt;script&gt;alert"), "it was shown");
        assert!(!page.0.contains('\u{202e}'));
        let page = parsed(&page);
        let own = all(&page, "script")
            .iter()
            .filter(|script| script.attr("src").is_some())
            .count();
        assert_eq!(all(&page, "script").len(), own);
        assert!(all(&page, "img").is_empty());
    }
}
