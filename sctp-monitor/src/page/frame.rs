//! What all plots have: the time axis, the states of the path as a ribbon below, and findings as shades in the background.

use maud::{Markup, html};
use sctp_monitor_engine::model::Timestamp;

use super::{
    axis::TimeAxis,
    span::{Shade, Span},
    state::shown,
    words::{clean, time_of_day},
};

/// Width of a plot, in its own units; it is drawn as wide as there is room.
pub(crate) const WIDTH: f64 = 600.0;
const HEIGHT: f64 = 196.0;
/// Where the values are.
pub(crate) const LEFT: f64 = 66.0;
pub(crate) const RIGHT: f64 = WIDTH - 10.0;
pub(crate) const TOP: f64 = 10.0;
pub(crate) const BOTTOM: f64 = 142.0;
const RIBBON: f64 = 148.0;
const RIBBON_HEIGHT: f64 = 16.0;
const LABELS: f64 = 182.0;

/// The background of the plots of a path.
pub(crate) struct Frame<'a> {
    pub(crate) axis: TimeAxis,
    pub(crate) spans: &'a [Span<'a>],
    pub(crate) shades: &'a [Shade<'a>],
    /// From when to when the path's state is not known.
    pub(crate) unknown: Option<(u64, u64)>,
}

impl Frame<'_> {
    /// A plot: its title, the marks at its left side, and what is drawn in it.
    pub(crate) fn figure(&self, kind: &str, title: &str, scale: &[(f64, String)], values: &Markup) -> Markup {
        let label = format!("{title}. {}", self.in_words());
        html! {
            figure.plot data-kind=(kind) {
                figcaption { (title) }
                svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-label=(label)
                    data-from=(self.axis.from_ns / 1_000_000) data-to=(self.axis.to_ns / 1_000_000) {
                    (self.shades())
                    @for (y, mark) in scale {
                        line.grid x1=(LEFT) x2=(RIGHT) y1=(place(*y)) y2=(place(*y)) {}
                        text.left x=(LEFT - 6.0) y=(place(y + 4.0)) { (mark) }
                    }
                    @for (x, mark) in self.axis.ticks() {
                        line.grid x1=(place(x)) x2=(place(x)) y1=(TOP) y2=(RIBBON + RIBBON_HEIGHT) {}
                        // A label at the edge would be cut.
                        @if (LEFT + 8.0..=RIGHT - 24.0).contains(&x) {
                            text.below x=(place(x)) y=(LABELS) { (mark) }
                        }
                    }
                    (values)
                    (self.ribbon())
                }
            }
        }
    }

    fn in_words(&self) -> String {
        let states: Vec<_> = self
            .spans
            .iter()
            .take(12)
            .map(|span| {
                format!(
                    "{} from {}",
                    shown(Some(span.state)).2,
                    time_of_day(Timestamp::from_nanos(span.from_ns))
                )
            })
            .collect();
        let unknown = self.unknown.map_or_else(String::new, |(_, until)| {
            format!("not known before {}, ", time_of_day(Timestamp::from_nanos(until)))
        });
        format!("State of the path: {unknown}{}", states.join(", "))
    }

    /// Findings, as long as they held.
    fn shades(&self) -> Markup {
        html! {
            @for finding in self.shades.iter().filter(|finding| !finding.finding.evidence.kind().is_weakness()).take(MOST_SHADES) {
                @let from = self.axis.x(finding.finding.since.as_nanos());
                @let to = finding.until.map_or(RIGHT, |until| self.axis.x(until.as_nanos()));
                rect.shade data-finding=(finding.finding.evidence.name()) x=(place(from)) y=(TOP)
                    width=(place((to - from).max(1.5))) height=(BOTTOM - TOP) {
                    title {
                        (finding.finding.evidence.kind().to_string()) ", " (time_of_day(finding.finding.since))
                        @match finding.until {
                            Some(until) => { " to " (time_of_day(until)) }
                            None => " to the end"
                        }
                        ": " (clean(&finding.finding.text))
                    }
                }
            }
        }
    }

    /// The states of the path; a name stands where there is room.
    fn ribbon(&self) -> Markup {
        html! {
            @if let Some((from, to)) = self.unknown { (self.blank(from, to)) }
            @for span in self.spans.iter().filter(|span| self.overlaps(span)).take(MOST_SPANS) {
                @let (class, sign, name) = shown(Some(span.state));
                @let (from, to) = (self.axis.x(span.from_ns), self.axis.x(span.to_ns));
                g.ribbon.(class) data-state=(class) {
                    rect x=(place(from)) y=(RIBBON) width=(place((to - from).max(1.5))) height=(RIBBON_HEIGHT) {
                        title { (name) " from " (time_of_day(Timestamp::from_nanos(span.from_ns))) " to " (time_of_day(Timestamp::from_nanos(span.to_ns)))
                            @if let Some(reason) = span.reason { ": " (clean(&reason.to_string())) }
                        }
                    }
                    @if to - from >= 7.0 * name.len() as f64 + 24.0 {
                        text x=(place(f64::midpoint(from, to))) y=(RIBBON + 12.0) { (sign) " " (name) }
                    } @else if to - from >= 14.0 {
                        text x=(place(f64::midpoint(from, to))) y=(RIBBON + 12.0) { (sign) }
                    }
                }
                @if span.reason.is_some() && from > LEFT {
                    line.change.(class) x1=(place(from)) x2=(place(from)) y1=(TOP) y2=(RIBBON) {}
                }
            }
        }
    }

    /// Where the state is not known there is no ribbon.
    fn blank(&self, from_ns: u64, to_ns: u64) -> Markup {
        let (from, to) = (self.axis.x(from_ns), self.axis.x(to_ns));
        html! {
            g.ribbon.unknown data-state="unknown" {
                rect x=(place(from)) y=(RIBBON) width=(place((to - from).max(1.5))) height=(RIBBON_HEIGHT) {
                    title { "State not known before " (time_of_day(Timestamp::from_nanos(to_ns))) }
                }
                @if to - from >= 80.0 {
                    text x=(place(f64::midpoint(from, to))) y=(RIBBON + 12.0) { "? not known" }
                }
            }
        }
    }

    fn overlaps(&self, span: &Span<'_>) -> bool {
        span.to_ns >= self.axis.from_ns && span.from_ns <= self.axis.to_ns
    }
}

/// A tenth of a unit is finer than a pixel.
pub(crate) fn place(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

const MOST_SPANS: usize = 100;
const MOST_SHADES: usize = 50;
