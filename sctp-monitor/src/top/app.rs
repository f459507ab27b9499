//! What `top` knows, what is selected, and what a key does.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use sctp_monitor_engine::model::{
    AssociationId, AssociationView, Direction, Finding, PathId, PathView, Timestamp, words::time_of_day,
};

use super::{
    feed::{Heard, News},
    rtts::{Rtts, Shown},
};
use crate::{
    history::PathRecord,
    page::{state::shown, words::clean},
    report::{Line, Summary},
    show,
};

/// All of it.
#[derive(Debug, Default)]
pub(super) struct App {
    pub(super) has_colours: bool,
    heard: Option<Heard>,
    pub(super) summary: Option<Summary>,
    /// Why the agent is not heard, in words.
    pub(super) silence: Option<String>,
    /// The time now, by the clock that nobody sets, and when the agent was heard last.
    now: Timestamp,
    heard_at: Option<Timestamp>,
    lines: VecDeque<Said>,
    /// What was said while it is stopped.
    held: VecDeque<Said>,
    rtts: HashMap<(AssociationId, PathId), Rtts>,
    /// Words that everything shown must have.
    pub(super) filter: String,
    /// Whether what is typed goes into the filter.
    pub(super) is_typing: bool,
    selected: Option<AssociationId>,
    path: usize,
    pub(super) all_events: bool,
    pub(super) shows_help: bool,
    pub(super) is_paused: bool,
    /// Lines by which the list was moved last.
    pub(super) page: usize,
    has_ended: bool,
}

/// An event in words.
#[derive(Debug)]
struct Said {
    association: Option<AssociationId>,
    text: String,
}

impl App {
    pub(super) fn new(has_colours: bool, filter: &str) -> Self {
        Self {
            has_colours,
            filter: filter.to_owned(),
            page: 5,
            ..Self::default()
        }
    }

    /// Which agent was heard last.
    pub(super) fn known(&self) -> Option<Heard> {
        self.heard
    }

    pub(super) fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// Takes in the time, by the clock that nobody sets.
    pub(super) fn on_time(&mut self, now: Timestamp) {
        self.now = now;
    }

    /// How long ago the agent was heard last, if that is so long that what is shown may be wrong.
    pub(super) fn last_heard(&self) -> Option<Duration> {
        let ago = self.now.since(self.heard_at?);
        (ago >= LONG_AGO).then_some(ago)
    }

    /// Takes in what the agent says.
    pub(super) fn on_news(&mut self, news: News) {
        match news {
            News::Silent(why) => self.silence = Some(clean(&why)),
            News::Known {
                agent,
                summary,
                events,
                last,
                before,
            } => {
                if self.heard.is_none_or(|heard| heard.agent != agent) {
                    self.lines.clear();
                    self.held.clear();
                    self.rtts.clear();
                }
                self.heard_at = Some(self.now);
                self.heard = Some(Heard { agent, last });
                self.silence = None;
                before.into_iter().for_each(|record| self.on_record(&record));
                events.iter().for_each(|line| self.on_line(line));
                self.on_summary(&summary);
                if !self.is_paused {
                    self.summary = Some(*summary);
                }
            }
        }
    }

    fn on_record(&mut self, record: &PathRecord) {
        let rtts = self.rtts.entry((record.association, record.path)).or_default();
        record.samples.iter().for_each(|sample| rtts.on_sample(sample));
    }

    fn on_line(&mut self, line: &Line) {
        let Some(words) = line.words() else {
            return;
        };
        let association = match line {
            Line::Event(event) => event.association.map(|known| known.id),
            Line::Notice(_) | Line::Summary(_) => None,
        };
        let lines = if self.is_paused {
            &mut self.held
        } else {
            &mut self.lines
        };
        lines.push_back(Said {
            association,
            text: format!("{}Z  {}", time_of_day(line.time()), clean(&words)),
        });
        if lines.len() > LINES_KEPT {
            lines.pop_front();
        }
    }

    fn on_summary(&mut self, summary: &Summary) {
        let known = &summary.snapshot.associations;
        let up: HashMap<_, _> = known
            .iter()
            .filter(|association| association.is_up())
            .map(|association| (association.reference.id, association))
            .collect();
        self.rtts.retain(|(id, _), _| up.contains_key(id));
        for (id, association) in up {
            for path in show::used(association) {
                let rtts = self.rtts.entry((id, path.id)).or_default();
                rtts.on_path(path, summary.snapshot.time);
            }
        }
    }

    /// Does what a key means.
    pub(super) fn on_key(&mut self, key: KeyEvent) {
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            match key.code {
                KeyCode::Char('c') => self.has_ended = true,
                KeyCode::Char('u') if self.is_typing => self.filter.clear(),
                _ => {}
            }
            return;
        }
        if self.is_typing {
            return self.on_typed(key.code);
        }
        if self.shows_help {
            self.shows_help = false;
            return;
        }
        match key.code {
            KeyCode::Char('q') => self.has_ended = true,
            KeyCode::Char('?' | 'h') | KeyCode::F(1) => self.shows_help = true,
            KeyCode::Char('/') => self.is_typing = true,
            KeyCode::Esc => self.filter.clear(),
            KeyCode::Char('e') => self.all_events = !self.all_events,
            KeyCode::Char('p' | ' ') => self.stop_or_go_on(),
            KeyCode::Down | KeyCode::Char('j') => self.step(1),
            KeyCode::Up | KeyCode::Char('k') => self.step(-1),
            KeyCode::PageDown => self.step(self.page.cast_signed()),
            KeyCode::PageUp => self.step(-self.page.cast_signed()),
            KeyCode::Home => self.step(isize::MIN / 2),
            KeyCode::End => self.step(isize::MAX / 2),
            KeyCode::Right | KeyCode::Tab | KeyCode::Char('l') => self.path += 1,
            KeyCode::Left | KeyCode::BackTab => self.path = self.path.saturating_sub(1),
            _ => {}
        }
    }

    fn stop_or_go_on(&mut self) {
        self.is_paused = !self.is_paused;
        self.lines.append(&mut self.held);
        let over = self.lines.len().saturating_sub(LINES_KEPT);
        self.lines.drain(..over);
    }

    fn on_typed(&mut self, code: KeyCode) {
        match code {
            KeyCode::Esc => {
                self.filter.clear();
                self.is_typing = false;
            }
            KeyCode::Enter => self.is_typing = false,
            KeyCode::Backspace => {
                self.filter.pop();
            }
            KeyCode::Char(sign) if self.filter.chars().count() < LONGEST_FILTER => self.filter.push(sign),
            KeyCode::Down => self.step(1),
            KeyCode::Up => self.step(-1),
            _ => {}
        }
    }

    fn step(&mut self, by: isize) {
        let ids: Vec<_> = self.shown().iter().map(|known| known.reference.id).collect();
        let Some(last) = ids.len().checked_sub(1) else {
            return;
        };
        let now = self
            .selected
            .and_then(|id| ids.iter().position(|known| *known == id))
            .unwrap_or(0);
        let next = now.cast_signed().saturating_add(by).clamp(0, last.cast_signed());
        self.selected = Some(ids[next.cast_unsigned()]);
        self.path = 0;
    }

    /// The established associations that have the words, the worst first.
    pub(super) fn shown(&self) -> Vec<&AssociationView> {
        let Some(summary) = &self.summary else {
            return Vec::new();
        };
        let words: Vec<_> = self.filter.split_whitespace().map(str::to_lowercase).collect();
        let has_all = |association: &&AssociationView| {
            words.is_empty() || {
                let text = searched(association);
                words.iter().all(|word| text.contains(word))
            }
        };
        let all = summary.snapshot.associations.iter();
        let mut shown: Vec<_> = all.filter(|known| known.is_up()).filter(has_all).collect();
        shown.sort_by_key(|known| (show::rank(known), known.reference.id));
        shown
    }

    /// The one of these that is selected, and its place.
    pub(super) fn selected<'a>(&self, shown: &[&'a AssociationView]) -> Option<(usize, &'a AssociationView)> {
        let is_it = |known: &&AssociationView| Some(known.reference.id) == self.selected;
        let place = shown.iter().position(is_it).unwrap_or(0);
        shown.get(place).map(|known| (place, *known))
    }

    /// The path of an association whose round-trip times are shown: the one that was chosen, the worst at first.
    pub(super) fn path<'a>(&self, association: &'a AssociationView) -> Option<&'a PathView> {
        let mut paths: Vec<_> = show::used(association).collect();
        let worst = show::worst(association)?.id;
        paths.sort_by_key(|path| (path.id != worst, path.id));
        let place = self.path % paths.len().max(1);
        paths.get(place).copied()
    }

    /// The round-trip times of a path until the time of what is shown, for so many columns.
    pub(super) fn rtts(&self, association: AssociationId, path: PathId, columns: usize) -> Option<Shown> {
        let rtts = self.rtts.get(&(association, path))?;
        rtts.shown(self.time()?, columns)
    }

    /// The last events, the newest last: of one association and of no single one, unless all are wanted.
    pub(super) fn lines(&self, of: Option<AssociationId>, most: usize) -> Vec<&str> {
        let is_wanted =
            |said: &&Said| self.all_events || said.association.is_none() || said.association == of;
        let mut lines: Vec<_> = self
            .lines
            .iter()
            .rev()
            .filter(is_wanted)
            .take(most)
            .map(|said| said.text.as_str())
            .collect();
        lines.reverse();
        lines
    }

    /// The time of what is shown.
    pub(super) fn time(&self) -> Option<Timestamp> {
        self.summary.as_ref().map(|summary| summary.snapshot.time)
    }
}

/// All findings of an association, the worst first.
pub(super) fn findings(association: &AssociationView) -> Vec<&Finding> {
    let of_paths = association.paths.iter().flat_map(|path| &path.findings);
    let mut all: Vec<_> = association.findings.iter().chain(of_paths).collect();
    all.sort_by_key(|finding| (std::cmp::Reverse(finding.severity), finding.since));
    all
}

/// Of its HEARTBEATs, else from DATA to SACK, smoothed; in microseconds.
pub(super) fn rtt_of(path: &PathView) -> Option<u64> {
    let flows = || {
        Direction::BOTH
            .into_iter()
            .filter_map(|direction| path.flow(direction))
    };
    let rtt = flows()
        .find_map(|flow| flow.heartbeat_rtt)
        .or_else(|| flows().find_map(|flow| flow.data_to_sack))?;
    u64::try_from(rtt.srtt.as_micros()).ok()
}

/// What a filter looks at.
fn searched(association: &AssociationView) -> String {
    let known = association.reference;
    let mut text = format!("{} {} {}", known.id, known.local_port, known.remote_port);
    let addresses = association
        .local_addresses
        .iter()
        .chain(&association.remote_addresses);
    for address in addresses {
        text.push(' ');
        text.push_str(&address.address.to_string());
    }
    for path in show::used(association) {
        text.push(' ');
        text.push_str(shown(Some(path.state)).2);
    }
    for finding in findings(association) {
        text.push(' ');
        text.push_str(&finding.evidence.kind().to_string());
    }
    text.to_lowercase()
}

const LINES_KEPT: usize = 500;
/// The agent is asked about once a second.
const LONG_AGO: Duration = Duration::from_secs(3);
const LONGEST_FILTER: usize = 200;
