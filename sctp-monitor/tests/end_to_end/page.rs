//! The agent's page in a browser, open while a path breaks; and the same as a file.

use std::{path::Path, process::Command, time::Duration};

use sctp_monitor_lab::{clock::monotonic_ns, skip, wait};

use crate::{
    browser::Browser,
    scene::{PRIMARY, Scene, since},
    setup::binary,
};

const AGENT: &str = "127.0.0.1:9143";

/// Beside a browser and a lab on two CPUs; the page itself marks what has changed as soon as it hears of it.
const AT_ONCE: Duration = Duration::from_secs(1);

/// What axe finds wrong (contrast, labels, structure) in light and dark, on a desk and on a phone.
fn assert_accessible(browser: &Browser) {
    let Some(axe) = axe() else { return };
    for (scheme, size) in [
        ("light", (1_280, 900)),
        ("dark", (1_280, 900)),
        ("light", (390, 800)),
    ] {
        browser.look(scheme, size);
        browser.evaluate(&axe);
        let found = browser.evaluate(
            "axe.run(document, { resultTypes: ['violations'] }).then((result) => result.violations.map((one) => \
             one.id + ': ' + one.nodes.map((node) => node.target.join(' ') + ' ' + node.failureSummary).join('; ')))",
        );
        assert_eq!(found, serde_json::json!([]), "{scheme}, {size:?}");
        let overflows = "document.documentElement.scrollWidth > innerWidth";
        assert_eq!(
            browser.evaluate(overflows),
            false,
            "{scheme}, {size:?}: wider than the window"
        );
    }
}

/// The checker's script, which npm fetches once: it is a tool of this test and no part of the program.
fn axe() -> Option<String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("axe");
    let script = folder.join("node_modules/axe-core/axe.min.js");
    if !script.is_file() {
        let fetched = Command::new("npm")
            .args([
                "install",
                "--no-save",
                "--no-audit",
                "--no-fund",
                "--ignore-scripts",
                "--prefix",
            ])
            .arg(&folder)
            .arg("axe-core@4.14.1")
            .output();
        if !fetched.is_ok_and(|output| output.status.success()) {
            skip("page", "axe-core cannot be fetched by npm");
            return None;
        }
    }
    std::fs::read_to_string(script).ok()
}

#[test]
fn a_path_that_breaks_turns_red_on_the_open_page_within_a_second() {
    let scene = Scene::watched_by(&["--web.listen-address", AGENT]);
    let host = scene.lab.host("mme");
    let Some(browser) = Browser::open("page", host, &format!("http://{AGENT}/")) else {
        return;
    };
    browser.wait_until_ready();
    browser.wait_for("document.querySelector('h1').textContent === '1 association, 2 of 2 paths active'");
    browser.evaluate("document.querySelector('#list a').click()");
    browser.wait_for(
        "location.pathname === '/associations/1' && document.documentElement.dataset.live === 'on'",
    );
    let cell = format!("document.querySelector('[data-path$=\">{PRIMARY}\"]')");
    browser.wait_for(&format!("{cell}?.dataset.state === 'active'"));
    let green = browser.evaluate(&format!("getComputedStyle({cell}).backgroundColor"));
    // The page itself notes when the cell changes: nobody else is as quick.
    browser.evaluate(&format!(
        "new MutationObserver(() => {{ if ({cell}?.dataset.state === 'inactive') window.turned ??= Date.now(); \
         else if (window.turned) window.back = true; }})\
         .observe(document.body, {{ subtree: true, childList: true, attributes: true }}); true"
    ));
    let broken_at = monotonic_ns();
    scene.lab.path("path1").break_silently().unwrap();
    let down = scene.wait_for_path("path_down", PRIMARY);
    browser.wait_for("window.turned > 0");
    let turned = browser.evaluate("window.turned").as_f64().unwrap();
    let reported: jiff::Timestamp = down["time"].as_str().unwrap().parse().unwrap();
    let late = turned - reported.as_nanosecond() as f64 / 1e6;
    println!(
        "reported {:?} after the break, red on the page {late:.0} ms later",
        since(broken_at, &down)
    );
    assert!(late < AT_ONCE.as_millis() as f64, "{late} ms");
    let red = browser.evaluate(&format!("getComputedStyle({cell}).backgroundColor"));
    assert_ne!(green, red, "its colour");
    let words = browser.evaluate(&format!("{cell}.querySelector('.state').textContent"));
    assert_eq!(words, "\u{2715} inactive");
    browser
        .wait_for("document.querySelector('[data-finding=path_down] .next')?.textContent.includes('ping')");
    browser.wait_for("document.querySelectorAll('.timeline .alarm').length > 0");
    assert_eq!(
        browser.evaluate("window.back ?? false"),
        false,
        "it goes back to no older state"
    );
    assert_accessible(&browser);
    browser.go(&format!("http://{AGENT}/"));
    browser.wait_until_ready();
    browser.wait_for("document.querySelector('#incidents .finding b')?.textContent.startsWith('Incident 1')");
    assert_accessible(&browser);
    let loaded =
        "performance.getEntriesByType('resource').every((one) => one.name.startsWith(location.origin))";
    assert_eq!(browser.evaluate(loaded), true, "nothing comes from elsewhere");
    scene.lab.path("path1").heal().unwrap();
    browser.wait_for("document.querySelector('#incidents h2').textContent === 'No incident is open'");
    // Whoever looks later finds it in a file.
    let file = tempfile::tempdir().unwrap();
    let file = file.path().join("report.html");
    let page = wait::until(AT_ONCE * 15, || {
        let output = host
            .command(binary())
            .args([
                "report",
                "--since",
                "2h",
                "--agent",
                &scene.agent.pid().to_string(),
                "--html",
            ])
            .arg(&file)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        let page = std::fs::read_to_string(&file).unwrap();
        page.contains("data-intervals").then_some(page)
    })
    .expect("how paths did is kept");
    for words in [
        "Incident 1",
        "path down",
        "\u{2713} over",
        "details class=\"association\"",
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
}
