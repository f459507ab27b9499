//! Detection time, and below it false reports, over the loss rate.

use std::{ops::Range, path::Path};

use plotters::{
    chart::ChartContext,
    coord::{Shift, types::RangedCoordf64},
    prelude::*,
};

use crate::{row::Row, table::percent};

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Chart<'a> = ChartContext<'a, SVGBackend<'a>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// Draws both charts into an SVG file.
pub(crate) fn draw(rows: &[Row], file: &Path) -> anyhow::Result<()> {
    let root = SVGBackend::new(file, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let (upper, lower) = root.split_vertically(SIZE.1 / 2);
    draw_detection(&upper, rows)?;
    draw_false_reports(&lower, rows)?;
    root.present()?;
    Ok(())
}

fn draw_detection(area: &Area<'_>, rows: &[Row]) -> anyhow::Result<()> {
    let breaks = rows.iter().map(|row| row.tally.breaks()).max().unwrap_or(0);
    let title =
        format!("From a silent break to its report, ms ({breaks} breaks each, DATA at 20 messages/s)");
    let highest = rows
        .iter()
        .filter_map(|row| row.detection_ms(0.99))
        .fold(LIMIT_MS, f64::max);
    let label = |ms: &f64| format!("{ms:.0}");
    let mut chart = axes(area, rows, &title, 0.0..highest * 1.1, &label)?;
    let limit = rows.iter().map(|_| Some(LIMIT_MS));
    line(&mut chart, limit, "limit for p99", BLACK.mix(0.3))?;
    for (share, label, colour) in [(0.99, "p99", RED), (0.5, "median", BLUE), (0.0, "fastest", GREEN)] {
        let values = rows.iter().map(|row| row.detection_ms(share));
        line(&mut chart, values, label, colour.into())?;
    }
    legend(&mut chart, SeriesLabelPosition::UpperLeft)
}

/// By the logarithm, as rates go over orders of magnitude. What was never seen has none: it stands below the lowest
/// rate that could have been seen, one in all hours.
fn draw_false_reports(area: &Area<'_>, rows: &[Row]) -> anyhow::Result<()> {
    let hours = rows.iter().map(Row::path_hours).fold(1.0, f64::max);
    let title = format!("Reported per path-hour without a break ({hours:.0} path-hours each)");
    let never = (1.0 / hours).log10().floor() - 1.0;
    let level = |rate: f64| if rate > 0.0 { rate.log10() } else { never };
    let highest = rows
        .iter()
        .map(|row| level(row.doubts_per_hour()).max(level(row.false_reports_per_hour())))
        .fold(0.0, f64::max);
    let label = move |level: &f64| {
        if (level - level.round()).abs() > 0.01 {
            String::new()
        } else if *level < never + 0.5 {
            "none".to_owned()
        } else {
            format!("{}", 10_f64.powf(level.round()))
        }
    };
    let mut chart = axes(area, rows, &title, never - 0.2..highest + 0.3, &label)?;
    let doubts = rows.iter().map(|row| Some(level(row.doubts_per_hour())));
    line(&mut chart, doubts, "doubts (potentially failed)", BLUE.into())?;
    let reports = rows.iter().map(|row| Some(level(row.false_reports_per_hour())));
    line(&mut chart, reports, "false reports (inactive)", RED.into())?;
    legend(&mut chart, SeriesLabelPosition::MiddleRight)
}

/// The loss rates stand side by side, as they are chosen by orders of magnitude and begin at none.
fn axes<'a>(
    area: &Area<'a>,
    rows: &[Row],
    title: &str,
    heights: Range<f64>,
    label: &dyn Fn(&f64) -> String,
) -> anyhow::Result<Chart<'a>> {
    let mut chart = ChartBuilder::on(area)
        .caption(title, (FONT, 20))
        .margin(10)
        .x_label_area_size(40)
        .y_label_area_size(60)
        .build_cartesian_2d(-0.5..rows.len() as f64 - 0.5, heights)?;
    let loss = |place: &f64| {
        let is_whole = (place - place.round()).abs() < 0.01 && *place >= 0.0;
        rows.get(place.round() as usize)
            .filter(|_| is_whole)
            .map_or(String::new(), |row| format!("{} %", percent(row)))
    };
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .label_style((FONT, 15))
        .x_labels(2 * rows.len())
        .x_label_formatter(&loss)
        .y_label_formatter(label)
        .x_desc("packets lost in each direction")
        .draw()?;
    Ok(chart)
}

/// A line through the values that there are.
fn line(
    chart: &mut Chart<'_>,
    values: impl Iterator<Item = Option<f64>>,
    label: &str,
    colour: RGBAColor,
) -> anyhow::Result<()> {
    let points: Vec<_> = values
        .enumerate()
        .filter_map(|(place, value)| Some((place as f64, value?)))
        .collect();
    chart
        .draw_series(LineSeries::new(points, colour.stroke_width(2)).point_size(3))?
        .label(label)
        .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour.stroke_width(2)));
    Ok(())
}

/// Where the curves leave room.
fn legend<'a>(chart: &mut Chart<'a>, position: SeriesLabelPosition) -> anyhow::Result<()> {
    chart
        .configure_series_labels()
        .position(position)
        .label_font((FONT, 15))
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.2))
        .draw()?;
    Ok(())
}

const FONT: &str = "sans-serif";
const SIZE: (u32, u32) = (800, 720);
/// What goals.md asks for.
const LIMIT_MS: f64 = 300.0;
