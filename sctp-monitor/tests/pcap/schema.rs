//! Every line and the whole document fit the schema.

use sctp_monitor::pcap::document::{CaptureLine, Document};
use serde_json::Value;

use crate::{
    outage::{capture, json, pcap},
    support::{Validator, assert_reads_back},
};

#[test]
fn the_document_and_every_line_fit_the_schema() {
    let document = json(&pcap(&["--format", "json"], &[capture().path()]));
    assert_eq!(document["schema"], 1);
    Validator::of("CaptureDocument").assert_holds(&document);
    assert_reads_back::<Document>(&document);
    let lines = pcap(&["--format", "ndjson"], &[capture().path()]);
    let validator = Validator::of("CaptureLine");
    let mut count = 0;
    for line in lines
        .stdout
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
    {
        let line: Value = serde_json::from_slice(line).unwrap();
        assert_eq!(line["schema"], 1, "{line:#}");
        validator.assert_holds(&line);
        assert_reads_back::<CaptureLine>(&line);
        count += 1;
    }
    assert!(count > 10, "{count} lines");
}
