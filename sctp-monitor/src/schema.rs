//! The JSON Schema of everything that is written as JSON, made from the types that write it.

use schemars::{Schema, generate::SchemaSettings, json_schema};
use sctp_monitor_engine::model::SCHEMA;
use serde_json::Value;

use crate::{audit, pcap, report::Line, show};

/// One schema: the lines of `run`, the document and the lines of `pcap`, the document of `audit`, and that of
/// what a running agent is asked.
#[must_use]
pub fn schema() -> Schema {
    let mut generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let all = [
        ("a line of `run`", generator.subschema_for::<Line>()),
        (
            "`pcap --format json`",
            generator.subschema_for::<pcap::document::Document>(),
        ),
        (
            "a line of `pcap --format ndjson`",
            generator.subschema_for::<pcap::document::CaptureLine>(),
        ),
        (
            "`audit --format json`",
            generator.subschema_for::<audit::Document<'static>>(),
        ),
        (
            "`status`, `associations`, `paths`, `findings`, `incidents` and `explain` with `--json`",
            generator.subschema_for::<show::Document>(),
        ),
    ];
    let any_of: Vec<_> = all
        .into_iter()
        .map(|(title, mut schema)| {
            schema.insert("title".to_owned(), title.into());
            schema
        })
        .collect();
    let definitions = Value::Object(generator.take_definitions(true));
    json_schema!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": format!("What sctp-monitor writes as JSON, schema {SCHEMA}"),
        "anyOf": any_of,
        "$defs": definitions,
    })
}
