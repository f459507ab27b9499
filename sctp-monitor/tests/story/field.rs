//! Captures made after public reports and real captures, which `SCTP_MONITOR_FIELD` names.

use std::path::Path;

use crate::case::cases;

#[test]
fn what_people_ran_into_is_told_right() {
    let cases = cases(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/story/field"));
    assert!(cases.len() >= 11, "{} cases", cases.len());
    let test = "what_people_ran_into_is_told_right";
    let Some(field) = sctp_monitor_lab::field(test) else {
        return;
    };
    let differences: Vec<String> = cases
        .iter()
        .flat_map(|(name, case)| {
            let differences = case.differences(&field);
            differences
                .into_iter()
                .map(move |difference| format!("{name}: {difference}"))
        })
        .collect();
    assert!(differences.is_empty(), "\n{}", differences.join("\n"));
}
