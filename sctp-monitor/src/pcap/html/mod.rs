//! A capture as a page: one file that needs nothing else, to look at and to mail.
//!
//! Everything is in it, for a script does no more than filter and show the time under the pointer. Plots are SVG that
//! takes its colours from the style sheet, so they are dark where the rest is. What comes from the capture is escaped by
//! maud, and the page forbids the browser to load anything from anywhere.

mod association;
mod matrix;
mod plots;
mod rest;
mod spans;
mod verdict;

use std::{cmp::Reverse, collections::HashMap, path::Path};

use maud::{Markup, PreEscaped, html};
use sctp_monitor_engine::model::Event;

use self::{
    association::{Look, section},
    verdict::Verdict,
};
use super::{conclusion::Conclusion, story::Story};
use crate::page::{
    incidents::Incidents,
    target::{HEAD, Target, TargetError},
    timeline::Timeline,
    words::{between, clean, date_time, length, plural},
};

/// A page in the making.
#[derive(Debug)]
pub(crate) struct Page {
    target: Target,
    timeline: Timeline,
    incidents: Incidents,
}

impl Page {
    /// Will be written to this file.
    ///
    /// # Errors
    /// If it cannot be made, or something else than a page is there.
    pub(crate) fn new(path: &Path) -> Result<Self, TargetError> {
        Ok(Self {
            target: Target::open(path)?,
            timeline: Timeline::default(),
            incidents: Incidents::default(),
        })
    }

    /// Takes an event of the engine.
    pub(crate) fn on_event(&mut self, event: &Event) {
        self.timeline.on_event(event);
        self.incidents.on_event(event);
    }

    /// The capture is at its end: writes the page.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn finish(self, conclusion: &Conclusion<'_>) -> Result<(), TargetError> {
        let body = document(conclusion, &self.timeline, &self.incidents);
        self.target.write(&format!("{HEAD}\n{}\n", body.into_string()))
    }
}

fn document(conclusion: &Conclusion<'_>, timeline: &Timeline, incidents: &Incidents) -> Markup {
    let files: Vec<_> = conclusion
        .files
        .iter()
        .map(|file| file.file_name().unwrap_or(file.as_os_str()).to_string_lossy())
        .collect();
    let title = match files.as_slice() {
        [first, _, ..] => format!("{first} and {} more", files.len() - 1),
        _ => files.concat(),
    };
    let looks = looks(&conclusion.stories, conclusion);
    html! {
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="referrer" content="no-referrer";
                meta name="generator" content={ "sctp-monitor " (env!("CARGO_PKG_VERSION")) };
                title { "SCTP in " (clean(&title)) }
                style { (PreEscaped(STYLE)) }
                script { (PreEscaped(SCRIPT)) }
            }
            body {
                (head(conclusion, &title, incidents))
                (incidents.section())
                (associations(conclusion, &looks, timeline))
                section #timeline {
                    // One association has told it already.
                    details open[conclusion.stories.len() != 1] {
                        summary { h2 { "Timeline of the capture" } span.quiet { (plural(timeline.len() as u64, "event")) } }
                        (timeline.of_all())
                    }
                }
                (rest::apart(conclusion))
                (rest::unfinished(conclusion))
                (rest::flows(conclusion))
                (rest::troubles(conclusion))
                footer { "Written by sctp-monitor " (env!("CARGO_PKG_VERSION")) " from the capture alone. All times are in UTC, by the clock of the capture." }
            }
        }
    }
}

fn head(conclusion: &Conclusion<'_>, title: &str, incidents: &Incidents) -> Markup {
    let seen = conclusion.seen();
    html! {
        header {
            h1 { "SCTP in " (clean(title)) }
            (verdict::of_capture(conclusion, incidents))
            dl.facts {
                dt { (if conclusion.files.len() == 1 { "file" } else { "files" }) }
                dd {
                    @for (at, file) in conclusion.files.iter().take(MOST_FILES).enumerate() {
                        @if at > 0 { br; }
                        bdi { (clean(&file.display().to_string())) }
                    }
                    @if conclusion.files.len() > MOST_FILES { " and " (conclusion.files.len() - MOST_FILES) " more" }
                }
                @if let Some((first, last)) = conclusion.span() {
                    dt { "time" }
                    dd { (date_time(first)) " to " (date_time(last)) " UTC (" (length(between(first, last))) ")" }
                }
                dt { "packets" }
                dd {
                    (seen.records) ", " (seen.sctp_packets) " of them SCTP in " (plural(conclusion.flows.len() as u64, "flow"))
                    @if seen.capture_duplicates > 0 { "; " (seen.capture_duplicates) " were captured twice" }
                }
                dt { "associations" } dd { (conclusion.stories.len()) }
            }
        }
    }
}

fn associations(conclusion: &Conclusion<'_>, looks: &HashMap<u64, Look>, timeline: &Timeline) -> Markup {
    let all = &conclusion.stories;
    let left_out = all.len() - looks.len();
    html! {
        @if !all.is_empty() {
            section #associations {
                h2 { (plural(all.len() as u64, "association")) }
                @if all.len() > FEW {
                    // Only a script can filter.
                    form #filter hidden {
                        label { "Show those with " input #words type="search" placeholder="address, port, number, finding" size="32"; }
                        label { input #wrong type="checkbox"; " only those that are not well" }
                        output #shown {}
                    }
                }
                @for story in all {
                    @if let Some(look) = looks.get(&story.id().0) {
                        (section(story, *look, conclusion, timeline))
                    }
                }
                @if left_out > 0 {
                    p.left-out {
                        (plural(left_out as u64, "association")) " more, those that least was wrong with, are not on this page; "
                        code { "--assoc" } " and " code { "--address" } " choose, " code { "--format json" } " has all of them."
                    }
                }
            }
        }
    }
}

/// Which associations are shown, which unfolded, and how many plots each gets: the worst first, then the busiest.
fn looks(stories: &[&Story], conclusion: &Conclusion<'_>) -> HashMap<u64, Look> {
    let mut ranked: Vec<_> = stories.iter().map(|story| (Verdict::of(story), story)).collect();
    ranked.sort_by_key(|(verdict, _)| Reverse(*verdict));
    ranked.truncate(MOST_ASSOCIATIONS);
    let mut plots_left = MOST_PLOTTED;
    ranked
        .into_iter()
        .enumerate()
        .map(|(rank, (_, story))| {
            let used = story
                .path_table(&conclusion.analysis.ledger)
                .iter()
                .filter(|path| association::bytes(path) > 0)
                .count();
            let plots = used
                .min(plots_left)
                .min(MOST_PLOTTED_OF_ONE.max(MOST_PLOTTED / stories.len()));
            plots_left -= plots;
            let is_open = rank < FEW;
            (story.id().0, Look { is_open, plots })
        })
        .collect()
}

/// Nothing is loaded from anywhere, nothing is sent anywhere.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";
const STYLE: &str = crate::page::STYLE;
const SCRIPT: &str = crate::page::SCRIPT;
/// Associations that are shown; half a thousand are some two megabytes.
const MOST_ASSOCIATIONS: usize = 500;
/// Of so many associations all are unfolded, of more the worst.
const FEW: usize = 4;
/// Paths with plots, in all: five kilobytes each.
const MOST_PLOTTED: usize = 96;
const MOST_PLOTTED_OF_ONE: usize = 8;
const MOST_FILES: usize = 20;
