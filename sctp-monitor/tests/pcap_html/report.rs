//! A real association, with a path that broke and came back, and one that stayed broken.

use std::path::Path;

use serde_json::Value;

use crate::{
    browser::{Browser, Page, words},
    captured::{PORT, run, two_breaks},
};

#[test]
fn a_page_tells_the_story_of_two_breaks() {
    let Some(browser) = Browser::find("a_page_tells_the_story_of_two_breaks") else {
        return;
    };
    let recordings = two_breaks();
    let files = recordings.each_ref().map(sctp_monitor_lab::Recording::path);
    let html = browser.folder().join("report.html");
    let output = run(&files, &html, &["--format", "json"]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    // To look at it, after a change of the style.
    if let Some(kept) = std::env::var_os("SCTP_MONITOR_KEEP_PAGE") {
        std::fs::copy(&html, kept).unwrap();
    }
    let size = std::fs::metadata(&html).unwrap().len();
    assert!(size < 200_000, "{size} bytes");
    let page = browser.open(&html, "");
    the_head_says_what_is_wrong(&page);
    the_matrix_has_the_states(&page, &json);
    the_plots_have_what_was_counted(&page, &json);
    the_timeline_has_the_breaks_in_order(&page);
    the_pointer_shows_the_time_in_all_plots(&browser, &html);
    for (width, height) in [(1300, 2400), (500, 3000)] {
        let (drawn_width, drawn_height, bytes) = browser.draw(&html, (width, height));
        assert_eq!((drawn_width, drawn_height), (width, height));
        assert!(bytes > 50_000, "{bytes} bytes: the picture is empty");
    }
}

fn the_head_says_what_is_wrong(page: &Page) {
    assert!(page.all("#verdict.alarm").len() == 1);
    let verdict = page.words("#verdict");
    assert!(
        verdict.contains("Failed at the end of the capture: path down 10.1.2.1 > 10.1.2.2"),
        "{verdict}"
    );
    assert!(
        verdict.contains("2 incidents, 1 of them open at the end"),
        "{verdict}"
    );
    for card in page.all("#incidents .finding").into_iter().map(words) {
        assert!(card.contains("1 path of 1 association at most"), "{card}");
    }
    let facts = page.words("header dl.facts");
    assert!(facts.contains(" UTC ("), "{facts}");
    let open = page.all("#incidents .finding.alarm");
    assert_eq!(open.len(), 1);
    assert!(words(open[0]).contains("Check: "), "{}", words(open[0]));
    let summary = page.words("details.association > summary");
    assert!(
        summary.contains(&format!("10.1.1.2, 10.1.2.2 : {PORT}")),
        "{summary}"
    );
    assert!(page.words("details.association .facts").contains("Diameter (46)"));
}

fn the_pointer_shows_the_time_in_all_plots(browser: &Browser, html: &Path) {
    let point = "const plot = document.querySelector('.plot svg'), box = plot.getBoundingClientRect();
        const at = { clientX: box.left + box.width / 2, clientY: box.top + 9 };
        plot.dispatchEvent(new PointerEvent('pointermove', at));";
    let page = browser.open_and_do(html, point);
    let times: Vec<_> = page.all(".plot .pointer text").into_iter().map(words).collect();
    assert_eq!(times.len(), page.all(".plot").len());
    assert!(
        times
            .iter()
            .all(|time| *time == times[0] && time.len() == "15:23:18.779".len()),
        "{times:?}"
    );
}

fn the_matrix_has_the_states(page: &Page, json: &Value) {
    let association = &json["associations"][0];
    let paths = association["paths"].as_array().unwrap();
    for path in paths {
        let (local, remote) = (path["local"].as_str().unwrap(), path["remote"].as_str().unwrap());
        let cell = page.one(&format!(".matrix td[data-path='{local}>{remote}']"));
        let state = path["state"].as_str();
        assert!(state.is_some(), "{local} > {remote} is listed");
        assert_eq!(cell.attr("data-state"), state, "{local} > {remote}");
        if let Some(answered) = path["forward"]["heartbeats_answered"]
            .as_u64()
            .filter(|answered| *answered > 0)
        {
            let heartbeats = format!("{answered} of {} answered", path["forward"]["heartbeats"]);
            assert!(words(cell).contains(&heartbeats), "{heartbeats}: {}", words(cell));
        }
    }
    let first = page.one(".matrix td[data-path='10.1.1.1>10.1.1.2']");
    assert_eq!(first.attr("data-state"), Some("active"), "it was healed");
    assert!(words(first).starts_with("\u{25cf} active"), "{}", words(first));
    assert!(
        words(first).contains("inactive 1\u{d7}, "),
        "but it had been down: {}",
        words(first)
    );
    let second = page.one(".matrix td[data-path='10.1.2.1>10.1.2.2']");
    assert_eq!(second.attr("data-state"), Some("inactive"));
    assert!(
        words(second).starts_with("\u{2715} inactive"),
        "{}",
        words(second)
    );
    assert!(
        words(second).contains("unanswered for"),
        "the reason: {}",
        words(second)
    );
    assert_eq!(page.all(".matrix tbody th").len(), 2);
    assert_eq!(
        page.all(".matrix thead th").len(),
        3,
        "a corner and two addresses"
    );
}

fn the_plots_have_what_was_counted(page: &Page, json: &Value) {
    let paths = json["associations"][0]["paths"].as_array().unwrap();
    let used: Vec<_> = paths
        .iter()
        .filter(|path| !path["forward"].is_null() || !path["return"].is_null())
        .collect();
    assert_eq!(page.all("section.path").len(), used.len());
    for kind in ["rtt", "throughput"] {
        assert_eq!(page.all(&format!(".plot[data-kind={kind}]")).len(), used.len());
    }
    for (section, path) in page.all("section.path").into_iter().zip(used) {
        let all = |selector: &str| {
            let selector = scraper::Selector::parse(selector).unwrap();
            section.select(&selector).collect::<Vec<_>>()
        };
        let lines: usize = all(".rtt[data-points]")
            .iter()
            .map(|line| number(*line, "data-points"))
            .sum();
        let answered: u64 = ["forward", "return"]
            .iter()
            .filter_map(|side| path[side]["heartbeats_answered"].as_u64())
            .sum();
        assert_eq!(lines > 0, answered > 0, "{path:#}");
        assert!(lines as u64 <= answered);
        assert_eq!(
            all(".rtt circle").len(),
            lines,
            "a dot for each interval with heartbeats"
        );
        let again: usize = all("[data-retransmissions]")
            .iter()
            .map(|mark| number(*mark, "data-retransmissions"))
            .sum();
        let counted: u64 = ["forward", "return"]
            .iter()
            .filter_map(|side| path[side]["data_retransmissions"].as_u64())
            .sum();
        assert_eq!(again as u64, counted, "every retransmission is marked");
        let intervals: usize = all(".rate")
            .iter()
            .map(|area| number(*area, "data-intervals"))
            .sum();
        assert!(intervals > 20, "{intervals}");
        for area in all(".rate > path:first-child") {
            assert!(area.attr("d").unwrap().ends_with('Z'), "an outline");
        }
    }
    let shades = page.all(".plot[data-kind=throughput] .shade[data-finding=path_down]");
    assert_eq!(shades.len(), 2, "one on each path");
    let ribbon = page.all("section.path .plot[data-kind=rtt] .ribbon.inactive");
    assert_eq!(ribbon.len(), 2, "each path was inactive once");
}

fn number(element: scraper::ElementRef<'_>, name: &str) -> usize {
    element.attr(name).unwrap().parse().unwrap()
}

fn the_timeline_has_the_breaks_in_order(page: &Page) {
    let lines: Vec<_> = page.all("#a1 .timeline tr").into_iter().map(words).collect();
    let position = |what: &str| {
        lines
            .iter()
            .position(|line| line.contains(what))
            .unwrap_or_else(|| panic!("no {what} in {lines:#?}"))
    };
    let order = [
        "established (handshake seen)",
        "path 10.1.1.1 > 10.1.1.2: active -> ",
        "forward DATA moved from path 10.1.1.1 > 10.1.1.2 to path 10.1.2.1 > 10.1.2.2",
        "path 10.1.1.1 > 10.1.1.2: inactive -> active",
        "path 10.1.2.1 > 10.1.2.2: potentially failed -> inactive",
    ];
    let places: Vec<_> = order.iter().map(|what| position(what)).collect();
    assert!(places.is_sorted(), "{places:?} in {lines:#?}");
    let global: Vec<_> = page
        .all("#timeline .timeline tr")
        .into_iter()
        .map(words)
        .collect();
    assert_eq!(
        global.iter().filter(|line| line.contains("INCIDENT")).count(),
        3,
        "two begin, one ends: {global:#?}"
    );
    assert!(
        !page.all("#timeline a[href='#a1']").is_empty(),
        "lines lead to their association"
    );
}
