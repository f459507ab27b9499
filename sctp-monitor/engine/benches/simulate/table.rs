//! Rows as text and as JSON.

use serde_json::{Value, json};

use crate::row::Row;

const FIGURES: &str = "path-hours    false  false/h  doubts/h  breaks  missed   min ms  median ms   p99 ms";

pub(crate) fn print_over_loss(rows: &[Row]) {
    println!("{:>7}  {FIGURES}", "loss %");
    for row in rows {
        println!("{:>7}  {}", percent(row), figures(row));
    }
}

pub(crate) fn print_by_world(rows: &[Row]) {
    println!("{:<28} {:>7}  {FIGURES}", "worlds", "loss %");
    for row in rows {
        println!("{:<28} {:>7}  {}", row.scenario.name, percent(row), figures(row));
    }
}

/// Loss in percent, without digits that say nothing.
pub(crate) fn percent(row: &Row) -> String {
    format!("{}", (row.scenario.loss * 1e4).round() / 1e2)
}

fn figures(row: &Row) -> String {
    let detection = |share| match row.detection_ms(share) {
        Some(ms) => format!("{ms:.0}"),
        None => "-".to_owned(),
    };
    format!(
        "{:>10.0} {:>8} {:>8.3} {:>9.3} {:>7} {:>7} {:>8} {:>10} {:>8}",
        row.path_hours(),
        row.tally.false_reports,
        row.false_reports_per_hour(),
        row.doubts_per_hour(),
        row.tally.breaks(),
        row.tally.missed,
        detection(0.0),
        detection(0.5),
        detection(0.99),
    )
}

pub(crate) fn json(row: &Row) -> Value {
    json!({
        "worlds": row.scenario.name,
        "loss_percent": row.scenario.loss * 100.0,
        "path_hours": row.path_hours(),
        "false_reports": row.tally.false_reports,
        "false_reports_per_hour": row.false_reports_per_hour(),
        "doubts_per_hour": row.doubts_per_hour(),
        "breaks": row.tally.breaks(),
        "missed": row.tally.missed,
        "misplaced": row.tally.misplaced,
        "detection_min_ms": row.detection_ms(0.0),
        "detection_median_ms": row.detection_ms(0.5),
        "detection_p99_ms": row.detection_ms(0.99),
    })
}
