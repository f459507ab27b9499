//! docs/findings.md: what each finding means, how it is said, and which figures prove it; made of the types and the words themselves.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::Path,
};

use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::Value;

use crate::model::{samples, *};

fn schema_of<T: JsonSchema>() -> Value {
    let generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    serde_json::to_value(generator.into_root_schema_for::<T>()).unwrap()
}

fn page() -> String {
    let (kinds, evidence) = (schema_of::<FindingKind>(), schema_of::<Evidence>());
    let found: Vec<_> = samples::evidence()
        .into_iter()
        .map(|(object, evidence)| Finding::new(object, Sides::ThisHost, samples::NOW, evidence, None))
        .collect();
    let mut page = HEAD.to_owned();
    for kind in FindingKind::ALL {
        let of_kind: Vec<_> = found
            .iter()
            .filter(|finding| finding.evidence.kind() == kind)
            .collect();
        let severities: BTreeSet<_> = of_kind
            .iter()
            .map(|finding| finding.severity.to_string())
            .collect();
        let severities: Vec<_> = severities.into_iter().collect();
        let _ = write!(
            page,
            "\n## {kind}\n\n`{}`, {}. {}\n",
            kind.name(),
            severities.join(" or "),
            meaning(&kinds, kind)
        );
        if kind.is_weakness() {
            page += "Nothing has failed yet: it is a risk.\n";
        }
        page += "\nWhat it looks like:\n\n";
        for text in unique(of_kind.iter().map(|finding| &finding.text)) {
            let _ = writeln!(page, "- {text}");
        }
        page += "\nWhat to check:\n\n";
        for check in unique(of_kind.iter().map(|finding| &finding.check)) {
            let _ = writeln!(page, "- {check}");
        }
        page += "\n| evidence | |\n|---|---|\n";
        for (name, text) in figures(&evidence, kind) {
            let _ = writeln!(page, "| `{name}` | {text} |");
        }
    }
    page
}

/// The sentence of the kind itself.
fn meaning(kinds: &Value, kind: FindingKind) -> String {
    let all = kinds["oneOf"].as_array().unwrap();
    let this = all.iter().find(|one| one["const"] == kind.name()).unwrap();
    one_line(&this["description"])
}

/// Names and meanings of the figures, also of those that only some of its evidence has.
fn figures(evidence: &Value, kind: FindingKind) -> Vec<(String, String)> {
    let variants = evidence["oneOf"]
        .as_array()
        .or(evidence["anyOf"].as_array())
        .unwrap();
    let is_it = |one: &&Value| one["properties"]["finding"]["const"] == kind.name();
    let this = variants.iter().find(is_it).unwrap();
    let mut all = Vec::new();
    collect(evidence, &this["properties"]["evidence"], &mut all);
    all
}

fn collect(root: &Value, schema: &Value, all: &mut Vec<(String, String)>) {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.rsplit('/').next().unwrap();
        collect(root, &root["$defs"][name], all);
    }
    // Whether they come in this order depends on the features with which serde_json is built.
    let properties = schema["properties"].as_object().into_iter().flatten();
    let properties: BTreeMap<_, _> = properties.collect();
    for (name, property) in properties {
        let known = all.iter().any(|(known, _)| known == name);
        let text = one_line(&property["description"]);
        if !known && !text.is_empty() {
            all.push((name.clone(), text));
        }
    }
    for list in ["oneOf", "anyOf", "allOf"] {
        for part in schema[list].as_array().into_iter().flatten() {
            collect(root, part, all);
        }
    }
}

fn one_line(text: &Value) -> String {
    let words: Vec<_> = text.as_str().unwrap_or_default().split_whitespace().collect();
    words.join(" ").replace('|', "\\|")
}

/// Each once, in their order.
fn unique<'a>(texts: impl Iterator<Item = &'a String>) -> Vec<&'a String> {
    let mut seen = BTreeSet::new();
    texts.filter(|text| seen.insert(*text)).collect()
}

#[test]
fn the_page_of_findings_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/findings.md");
    let page = page();
    if std::env::var_os("SCTP_MONITOR_RENEW").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == page,
        "docs/findings.md is out of date: SCTP_MONITOR_RENEW=1 cargo test -p sctp-monitor-engine --lib reference"
    );
}

const HEAD: &str = "# Findings\n\n\
    What each finding means, how it is said, what to check, and the figures that prove it. [The manual](manual.md) says how findings become\n\
    incidents. This page is made of the engine's types and words: `SCTP_MONITOR_RENEW=1 cargo test -p sctp-monitor-engine --lib reference`.\n";
