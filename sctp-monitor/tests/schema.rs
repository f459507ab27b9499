//! The schema that is checked in is that of the types.

use std::path::Path;

#[test]
fn the_schema_is_up_to_date() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/schema.json");
    let mut expected = serde_json::to_string_pretty(&sctp_monitor::schema::schema()).unwrap();
    expected.push('\n');
    if std::env::var_os("SCTP_MONITOR_RENEW").is_some() {
        std::fs::write(&file, &expected).unwrap();
    }
    let known = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        known == expected,
        "docs/schema.json is not that of the types; `SCTP_MONITOR_RENEW=1 cargo test -p sctp-monitor --test schema` renews it"
    );
}
