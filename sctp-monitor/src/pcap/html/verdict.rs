//! The verdict on an association and on the capture, in one line.

use maud::{Markup, html};
use sctp_monitor_engine::model::{EndReason, Object, PathState, PathView, Short};

use super::super::{
    conclusion::Conclusion,
    story::{Found, Story},
};
use crate::page::{
    incidents::Incidents,
    words::{between, clean, plural},
};

/// How bad it is; the worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verdict {
    /// Nothing was found.
    Well,
    /// It works, but would not survive the next failure.
    Weak,
    /// Something was wrong, and was over by the end; or it ended badly.
    Past,
    /// Something was wrong at the end.
    Wrong,
}

/// How long a finding held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lasted {
    /// It was over while the association went on.
    Over,
    /// It ended with the association, and so nobody knows.
    ToItsEnd,
    /// It was not over by the end of the capture.
    ToTheEnd,
}

impl Lasted {
    /// A finding that is of no single association.
    pub(crate) fn apart(finding: &Found) -> Self {
        match finding.until {
            None => Self::ToTheEnd,
            Some(_) => Self::Over,
        }
    }

    pub(crate) fn of(finding: &Found, story: &Story) -> Self {
        match (finding.until, story.end()) {
            (None, _) => Self::ToTheEnd,
            (Some(until), Some((ended, _))) if until >= ended => Self::ToItsEnd,
            (Some(_), _) => Self::Over,
        }
    }
}

impl Verdict {
    pub(crate) fn of(story: &Story) -> Self {
        let of_findings = story.found.iter().map(|finding| {
            match (
                finding.finding.evidence.kind().is_weakness(),
                Lasted::of(finding, story),
            ) {
                (true, Lasted::Over) => Self::Well,
                (true, _) => Self::Weak,
                (false, Lasted::ToTheEnd) => Self::Wrong,
                (false, _) => Self::Past,
            }
        });
        let of_paths = story.view.paths.iter().map(|path| match path.state {
            PathState::Inactive | PathState::PotentiallyFailed => Self::Past,
            _ => Self::Well,
        });
        let of_proof = if was_active(story) { Self::Well } else { Self::Weak };
        let of_end = if was_aborted(story) {
            Self::Past
        } else {
            Self::Well
        };
        of_findings
            .chain(of_paths)
            .chain([of_proof, of_end])
            .max()
            .unwrap_or(Self::Well)
    }

    pub(crate) fn class(self) -> &'static str {
        match self {
            Self::Well => "over",
            Self::Weak => "weak",
            Self::Past => "doubt",
            Self::Wrong => "alarm",
        }
    }

    pub(crate) fn sign(self) -> &'static str {
        match self {
            Self::Well => "\u{2713}",
            Self::Weak => "\u{25cb}",
            Self::Past => "\u{25d0}",
            Self::Wrong => "\u{25b2}",
        }
    }
}

/// What says so, in a few words.
pub(crate) fn in_short(story: &Story) -> String {
    let names = |is_asked_for: &dyn Fn(&Found) -> bool| {
        let mut names: Vec<_> = story
            .found
            .iter()
            .filter(|finding| is_asked_for(finding))
            .map(|finding| finding.finding.evidence.kind().to_string())
            .collect();
        names.sort_unstable();
        names.dedup();
        names.join(", ")
    };
    let is_failure = |finding: &Found| !finding.finding.evidence.kind().is_weakness();
    match Verdict::of(story) {
        Verdict::Wrong => names(&|finding| is_failure(finding) && finding.until.is_none()),
        Verdict::Past => {
            let to_its_end =
                names(&|finding| is_failure(finding) && Lasted::of(finding, story) == Lasted::ToItsEnd);
            let past = names(&|finding| is_failure(finding) && Lasted::of(finding, story) == Lasted::Over);
            let words = match (to_its_end.is_empty(), past.is_empty(), was_aborted(story)) {
                (false, ..) => [to_its_end, "to its end".to_owned()].join(" "),
                (true, false, _) => [past, "over".to_owned()].join(", "),
                (true, true, true) => return "aborted".to_owned(),
                (true, true, false) => return "a path is not active".to_owned(),
            };
            if was_aborted(story) {
                format!("{words}; aborted")
            } else {
                words
            }
        }
        Verdict::Weak => match names(&|finding| Lasted::of(finding, story) != Lasted::Over) {
            weaknesses if weaknesses.is_empty() => "not confirmed: no answer seen".to_owned(),
            weaknesses => weaknesses,
        },
        Verdict::Well => "no failure".to_owned(),
    }
}

/// Whether any of its paths was ever proven to work.
fn was_active(story: &Story) -> bool {
    let ever = |path: &PathView| {
        let changes = story.changes(path.id);
        path.state == PathState::Active || changes.iter().any(|change| change.to == PathState::Active)
    };
    story.view.paths.iter().any(ever)
}

pub(crate) fn was_aborted(story: &Story) -> bool {
    let end = story.end().map(|(_, end)| &end.reason);
    matches!(end, Some(EndReason::Abort(_)))
}

/// What a finding is about.
pub(crate) fn object(finding: &Found) -> String {
    match finding.finding.object {
        Object::Association => "association".to_owned(),
        Object::Local(address) | Object::Remote(address) => address.to_string(),
        Object::Path(path) => path.to_string(),
    }
}

/// The first line of the page.
pub(crate) fn of_capture(conclusion: &Conclusion<'_>, incidents: &Incidents) -> Markup {
    let findings = || {
        conclusion
            .stories
            .iter()
            .flat_map(|story| story.found.iter().map(move |finding| (Some(*story), finding)))
            .chain(conclusion.apart.iter().map(|finding| (None, *finding)))
            .filter(|(_, finding)| !finding.finding.evidence.kind().is_weakness())
    };
    let open: Vec<_> = findings()
        .filter(|(_, finding)| finding.until.is_none())
        .collect();
    let past: Vec<_> = findings()
        .filter(|(_, finding)| finding.until.is_some())
        .collect();
    let (open_incidents, past_incidents) = incidents.counts();
    let (verdict, words) = match (open.first(), past.first()) {
        _ if conclusion.seen().sctp_packets == 0 => (Verdict::Weak, "No SCTP packet was found.".to_owned()),
        (None, None) if conclusion.stories.is_empty() => {
            (Verdict::Weak, "No association was seen.".to_owned())
        }
        (Some(first), _) => (
            Verdict::Wrong,
            format!(
                "Failed at the end of the capture: {}",
                with_more(first, open.len())
            ),
        ),
        (None, Some(first)) => (
            Verdict::Past,
            format!(
                "Failures that were over at the end of the capture: {}",
                with_more(first, past.len())
            ),
        ),
        (None, None) => {
            let worst = conclusion.stories.iter().map(|story| Verdict::of(story)).max();
            let worst = worst.unwrap_or(Verdict::Well);
            match conclusion.unfinished.first() {
                Some(first) => (
                    worst.max(Verdict::Past),
                    format!(
                        "Handshakes led to no association: {} to {} port {}.",
                        first.initiator, first.responder, first.port
                    ),
                ),
                None => (worst, "No failure was found.".to_owned()),
            }
        }
    };
    let mut more = Vec::new();
    if open_incidents + past_incidents > 0 {
        let all = plural((open_incidents + past_incidents) as u64, "incident");
        more.push(format!("{all}, {open_incidents} of them open at the end"));
    }
    let aborted = conclusion
        .stories
        .iter()
        .filter(|story| was_aborted(story))
        .count();
    if aborted > 0 {
        more.push(format!("{} aborted", plural(aborted as u64, "association")));
    }
    let weak = conclusion
        .stories
        .iter()
        .filter(|story| {
            let is_weak = |finding: &Found| {
                finding.finding.evidence.kind().is_weakness() && Lasted::of(finding, story) != Lasted::Over
            };
            story.found.iter().any(is_weak)
        })
        .count();
    if weak > 0 {
        let weak = plural(weak as u64, "association");
        more.push(format!("{weak} would not survive the loss of one path"));
    }
    if !conclusion.unfinished.is_empty() {
        let handshakes = plural(conclusion.unfinished.len() as u64, "handshake");
        more.push(format!("{handshakes} not completed"));
    }
    if !conclusion.errors.is_empty() {
        more.push("the capture could not be read completely".to_owned());
    }
    html! {
        div #verdict .verdict.(verdict.class()) {
            p { span.sign { (verdict.sign()) } " " b { (clean(&words)) } }
            @if !more.is_empty() {
                p.quiet { (more.join("; ")) "." }
            }
        }
    }
}

fn with_more((story, finding): &(Option<&Story>, &Found), count: usize) -> String {
    let name = finding.finding.evidence.kind().to_string();
    let object = match finding.finding.object {
        Object::Association => String::new(),
        _ => format!(" {}", object(finding)),
    };
    let lasted = finding.until.map_or_else(String::new, |until| {
        format!(" for {}", Short(between(finding.finding.since, until)))
    });
    let more = match count {
        1 => String::new(),
        count => format!(", and {} more", count - 1),
    };
    let association = story.map_or_else(String::new, |story| format!(" (association {})", story.id()));
    format!("{name}{object}{lasted}{association}{more}.")
}
