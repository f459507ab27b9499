//! Every line of a run, from the handshake over a break and its end to the summary, fits the schema.

use nix::sys::signal::Signal;
use sctp_monitor::report::Line;

use crate::{
    scene::Scene,
    support::{Validator, assert_reads_back},
};

#[test]
fn every_line_of_a_run_fits_the_schema() {
    let scene = Scene::new();
    scene.lab.path("path1").break_silently().unwrap();
    scene.wait_for_path("path_down", "10.1.1.2");
    scene.lab.path("path1").heal().unwrap();
    scene.wait_for_closed("path_down", "10.1.1.2");
    let mut lines = scene.agent.events();
    let (status, summary) = scene.agent.stop(Signal::SIGTERM).unwrap();
    assert!(status.success());
    lines.extend(summary);
    let validator = Validator::of("Line");
    for line in &lines {
        assert_eq!(line["schema"], 1, "{line:#}");
        validator.assert_holds(line);
        assert_reads_back::<Line>(line);
    }
    for event in [
        "watch_started",
        "association_up",
        "path_state_changed",
        "finding",
        "incident",
        "summary",
    ] {
        assert!(lines.iter().any(|line| line["event"] == event), "no {event}");
    }
}
