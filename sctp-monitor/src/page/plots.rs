//! The plots of a path: the round-trip time of its heartbeats, and its throughput, over the same time.

use std::{fmt::Write as _, time::Duration};

use maud::{Markup, html};
use sctp_monitor_engine::model::{Direction, PathState, Short, Timestamp};

use super::{
    axis::{TimeAxis, round_up},
    frame::{BOTTOM, Frame, LEFT, RIGHT, TOP, place},
    series::{Interval, Series},
    span::{Shade, Span},
    words::{length, time_of_day, with_prefix},
};

/// What the plots of an association share.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scale {
    /// From when to when.
    pub(crate) extent: (u64, u64),
    /// Length of an interval.
    pub(crate) interval_ns: u64,
    /// The most bytes a second on any of the paths.
    pub(crate) most: f64,
}

impl Scale {
    /// For these flows over this time.
    pub(crate) fn new<'a>(flows: impl Iterator<Item = &'a Series> + Clone, extent: (u64, u64)) -> Self {
        let interval_ns = (extent.1 - extent.0) / INTERVALS;
        let mut scale = Self {
            extent,
            interval_ns,
            most: 0.0,
        };
        for series in flows.clone() {
            let series = scale.series(series);
            scale.interval_ns = scale.interval_ns.max(series.interval_ns());
        }
        for series in flows {
            let series = scale.series(series);
            let rates = series.intervals().map(|(_, interval)| scale.rate(interval));
            scale.most = rates.fold(scale.most, f64::max);
        }
        scale.most = round_up(scale.most);
        scale
    }

    fn series(&self, series: &Series) -> Series {
        let mut series = series.clone();
        series.coarsen_to(self.interval_ns);
        series
    }

    /// Bytes a second.
    fn rate(&self, interval: &Interval) -> f64 {
        interval.bytes as f64 * 1e9 / self.interval_ns as f64
    }
}

/// What is drawn of a path.
#[derive(Debug)]
pub(crate) struct Drawn<'a> {
    /// Forward and return, as far as packets were seen.
    pub(crate) flows: [Option<&'a Series>; 2],
    /// Its states.
    pub(crate) spans: &'a [Span<'a>],
    /// What was wrong with it.
    pub(crate) shades: &'a [Shade<'a>],
    /// From when to when its state is not known.
    pub(crate) unknown: Option<(u64, u64)>,
    /// Said where no round-trip time was measured.
    pub(crate) without_heartbeats: &'a str,
}

/// Both plots of a path.
pub(crate) fn plots(path: &Drawn<'_>, scale: &Scale) -> Markup {
    let frame = Frame {
        axis: TimeAxis::new(scale.extent, LEFT, RIGHT - LEFT),
        spans: path.spans,
        shades: path.shades,
        unknown: path.unknown,
    };
    html! {
        div.plots {
            (round_trips(path, scale, &frame))
            (throughput(path, scale, &frame))
        }
    }
}

/// The heartbeats that were answered within an interval.
struct Point {
    at_ns: u64,
    x: f64,
    rtts: Interval,
}

impl Point {
    fn mean_ns(&self) -> u64 {
        self.rtts.rtt_sum_ns / self.rtts.rtts.max(1)
    }
}

fn round_trips(path: &Drawn<'_>, scale: &Scale, frame: &Frame<'_>) -> Markup {
    let lines = DIRECTIONS.map(|(direction, class, what)| {
        let series = path.flows[direction as usize].map(|series| scale.series(series));
        let points: Vec<_> = series
            .iter()
            .flat_map(Series::intervals)
            .filter(|(_, interval)| interval.rtts > 0)
            .map(|(start, interval)| Point {
                at_ns: start + scale.interval_ns / 2,
                x: frame.axis.x(start + scale.interval_ns / 2),
                rtts: *interval,
            })
            .collect();
        (class, what, points)
    });
    let all = || lines.iter().flat_map(|(_, _, points)| points);
    let most = all().map(|point| point.rtts.rtt_max_ns).max().unwrap_or(0);
    let end = round_up(most as f64).max(1_000.0);
    let y = |nanos: u64| BOTTOM - (BOTTOM - TOP) * (nanos as f64 / end).min(1.0);
    let is_empty = all().next().is_none();
    let labelled = |share: f64| {
        let nanos = (end * share) as u64;
        (
            y(nanos),
            if nanos == 0 {
                "0".to_owned()
            } else {
                Short(Duration::from_nanos(nanos)).to_string()
            },
        )
    };
    let labels: Vec<_> = if is_empty {
        Vec::new()
    } else {
        [0.0, 0.5, 1.0].map(labelled).to_vec()
    };
    let values = html! {
        @if is_empty {
            text.empty x=(f64::midpoint(LEFT, RIGHT)) y=(f64::midpoint(TOP, BOTTOM)) { (path.without_heartbeats) }
        }
        @for (class, what, points) in &lines {
            @if !points.is_empty() {
                g.rtt.(*class) data-points=(points.len()) {
                    path.range d=(ranges(points, y)) {}
                    path.mean d=(means(points, frame.spans, y)) {}
                    @if points.len() <= MOST_DOTS {
                        @for point in points { (dot(point, what, y)) }
                    }
                }
            }
        }
    };
    let title = "Round trip of HEARTBEATs: mean, and minimum to maximum";
    frame.figure("rtt", title, &labels, &values)
}

fn dot(point: &Point, what: &str, y: impl Fn(u64) -> f64) -> Markup {
    let rtts = &point.rtts;
    let [min, mean, max] =
        [rtts.rtt_min_ns, point.mean_ns(), rtts.rtt_max_ns].map(|nanos| Short(Duration::from_nanos(nanos)));
    html! {
        circle cx=(place(point.x)) cy=(place(y(point.mean_ns()))) r="2.6" {
            title {
                (time_of_day(Timestamp::from_nanos(point.at_ns))) " " (what) ": " (mean)
                @if rtts.rtts > 1 { " (mean of " (rtts.rtts) ", " (min) " to " (max) ")" }
            }
        }
    }
}

/// From the shortest to the longest.
fn ranges(points: &[Point], y: impl Fn(u64) -> f64) -> String {
    points.iter().fold(String::new(), |mut line, point| {
        let (low, high) = (place(y(point.rtts.rtt_min_ns)), place(y(point.rtts.rtt_max_ns)));
        let _ = write!(line, "M{} {low}V{high}", place(point.x));
        line
    })
}

/// A line that is broken where the path was.
fn means(points: &[Point], spans: &[Span<'_>], y: impl Fn(u64) -> f64) -> String {
    let was_broken = |from_ns: u64, to_ns: u64| {
        spans
            .iter()
            .any(|span| span.state == PathState::Inactive && span.from_ns < to_ns && span.to_ns > from_ns)
    };
    let mut line = String::new();
    for (at, point) in points.iter().enumerate() {
        let before = at.checked_sub(1).map(|before| points[before].at_ns);
        let verb = if before.is_none_or(|before| was_broken(before, point.at_ns)) {
            'M'
        } else {
            'L'
        };
        let _ = write!(line, "{verb}{} {}", place(point.x), place(y(point.mean_ns())));
    }
    line
}

fn throughput(path: &Drawn<'_>, scale: &Scale, frame: &Frame<'_>) -> Markup {
    let middle = f64::midpoint(TOP, BOTTOM);
    let half = (BOTTOM - TOP) / 2.0;
    let label = |share: f64| {
        (
            middle - half * share,
            with_prefix(scale.most * share.abs(), "B/s"),
        )
    };
    let labels = [1.0, 0.5, 0.0, -0.5, -1.0].map(label);
    let values = html! {
        @for (direction, class, what) in DIRECTIONS {
            @if let Some(series) = path.flows[direction as usize].map(|series| scale.series(series)) {
                @let up = if direction == Direction::Forward { 1.0 } else { -1.0 };
                @let again: Vec<_> = series.intervals().filter(|(_, interval)| interval.retransmissions > 0).collect();
                g.rate.(class) data-intervals=(series.intervals().count()) {
                    path d=(area(&series, scale, frame, middle, up * half)) {}
                    @for (start, interval) in again {
                        path.again d=(mark(frame.axis.x(start + scale.interval_ns / 2), middle - up * half, up))
                            data-retransmissions=(interval.retransmissions) {
                            title {
                                (time_of_day(Timestamp::from_nanos(start))) " " (what) ": "
                                (interval.retransmissions) " DATA chunks retransmitted"
                            }
                        }
                    }
                }
            }
        }
        line.zero x1=(LEFT) x2=(RIGHT) y1=(middle) y2=(middle) {}
        text.side."forward" x=(RIGHT - 4.0) y=(TOP + 12.0) { "\u{25b2} forward" }
        text.side."return" x=(RIGHT - 4.0) y=(BOTTOM - 5.0) { "\u{25bc} return" }
    };
    let interval = length(Duration::from_nanos(scale.interval_ns));
    frame.figure(
        "throughput",
        &format!("Throughput, bytes of IP a second, over {interval} each"),
        &labels,
        &values,
    )
}

/// The outline of the intervals, from the middle up or down.
fn area(series: &Series, scale: &Scale, frame: &Frame<'_>, middle: f64, half: f64) -> String {
    let mut outline = String::new();
    let mut level = middle;
    for (start, interval) in series.intervals() {
        let (from, to) = (
            place(frame.axis.x(start)),
            place(frame.axis.x(start + scale.interval_ns)),
        );
        let y = place(middle - half * (scale.rate(interval) / scale.most).min(1.0));
        if outline.is_empty() {
            let _ = write!(outline, "M{from} {}", place(middle));
        }
        if (y - level).abs() > f64::EPSILON {
            let _ = write!(outline, "H{from}V{y}");
            level = y;
        }
        let _ = write!(outline, "H{to}");
    }
    if !outline.is_empty() {
        let _ = write!(outline, "V{}Z", place(middle));
    }
    outline
}

/// A triangle at the edge that points to the values.
fn mark(x: f64, edge: f64, up: f64) -> String {
    let (left, right) = (place(x - 3.5), place(x + 3.5));
    format!(
        "M{left} {}H{right}L{} {}Z",
        place(edge),
        place(x),
        place(edge + up * 7.0)
    )
}

const DIRECTIONS: [(Direction, &str, &str); 2] = [
    (Direction::Forward, "forward", "forward"),
    (Direction::Return, "return", "return"),
];
/// The most intervals of a plot: four of its 530 units are an interval.
const INTERVALS: u64 = 130;
/// More dots than this are a line.
const MOST_DOTS: usize = 80;
