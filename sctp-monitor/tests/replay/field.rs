//! The captures that `SCTP_MONITOR_FIELD` names, and what was written down of them.

use std::{path::Path, time::Duration};

use crate::{
    case::cases,
    frames,
    outline::difference,
    stage::{LATER, play_all},
};

#[test]
fn what_people_ran_into_is_told_right_live() {
    let Some(field) = sctp_monitor_lab::field("what_people_ran_into_is_told_right_live") else {
        return;
    };
    let longest = std::env::var("SCTP_MONITOR_REPLAY_SECONDS")
        .map_or(SHORT, |seconds| Duration::from_secs(seconds.parse().unwrap()));
    let cases = cases(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/story/field"));
    let mut chosen = Vec::new();
    let mut all_frames = Vec::new();
    for (name, case) in cases.iter().filter(|(_, case)| case.can_be_live()) {
        let files = case.files(&field);
        let frames = frames::read(&files);
        if frames::last(&frames) <= longest {
            chosen.push((name, case, files));
            all_frames.push(frames);
        }
    }
    assert!(!chosen.is_empty());
    let mut differences = Vec::new();
    for ((name, case, files), said) in chosen.into_iter().zip(play_all(&all_frames)) {
        let events: Vec<_> = said.events.iter().collect();
        let mut differs = case.live_differences(&events, said.began_ns, LATER);
        differs.extend(difference(&files, &said.events));
        differences.extend(differs.iter().map(|difference| format!("{name}: {difference}")));
    }
    assert!(differences.is_empty(), "\n{}", differences.join("\n"));
}

/// How long a capture may last, if it is not said: all are replayed side by side, so this is what the test takes.
const SHORT: Duration = Duration::from_secs(15);
