//! Tests that could not run, and what that means.
//!
//! On a contributor's machine a skip is counted and printed. In CI (`CI=true`) nobody reads that, so a skip is a failure
//! there, unless it stands on the list below with the reason why it may happen on a sound machine.

use std::fmt;

/// Whether this is a run that nobody watches.
pub(crate) fn in_ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| value == "true")
}

/// A test that could not run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Skip {
    /// The guest in which it could not run; `None` on this machine.
    pub(crate) guest: Option<&'static str>,
    /// The test's name and, after a colon, why.
    pub(crate) words: String,
}

/// A skip that is no failure in CI.
#[derive(Debug)]
pub(crate) struct Known {
    /// A part of the reason that the test gives.
    reason: &'static str,
    /// Why it may happen.
    why: &'static str,
    /// Whether it may happen here.
    applies: fn() -> bool,
}

/// All of them. They concern this machine alone: the guests' kernels are chosen here, so nothing is skipped there.
pub(crate) const KNOWN: [Known; 5] = [
    Known {
        reason: "SCTP_MONITOR_CORPUS is not set",
        why: "the corpus is not part of the repository, whose own small captures are always tried",
        applies: || std::env::var_os("SCTP_MONITOR_CORPUS").is_none(),
    },
    Known {
        reason: "SCTP_MONITOR_FIELD is not set",
        why: "captures of known failures are not part of the repository, generated ones are always tried",
        applies: || std::env::var_os("SCTP_MONITOR_FIELD").is_none(),
    },
    Known {
        reason: "axe-core cannot be fetched by npm",
        why: "npm comes with Node.js from elsewhere, and its registry may be out of reach; all else is tried of the page",
        applies: || {
            std::process::Command::new("npm")
                .arg("--version")
                .output()
                .is_err()
        },
    },
    Known {
        reason: "this kernel has no netem",
        why: "the kernels in the guests have it, and the same tests run there",
        applies: || true,
    },
    Known {
        reason: "docs/compatibility.md has no row for Linux",
        why: "the page tells of chosen kernels, two of which run in the guests; a host may have any other",
        applies: || true,
    },
];

/// What the skips of a run come to.
#[derive(Debug, Default)]
pub(crate) struct Judgement<'a> {
    /// Those that are failures.
    pub(crate) failures: Vec<&'a Skip>,
    /// Entries of the list that apply here, but which no test has made use of.
    pub(crate) stale: Vec<&'static Known>,
}

/// Judges a run in CI.
pub(crate) fn judge<'a>(skips: &'a [Skip], known: &'static [Known]) -> Judgement<'a> {
    let covers = |known: &Known, skip: &Skip| {
        skip.guest.is_none() && (known.applies)() && skip.words.contains(known.reason)
    };
    Judgement {
        failures: skips
            .iter()
            .filter(|skip| !known.iter().any(|known| covers(known, skip)))
            .collect(),
        stale: known
            .iter()
            .filter(|known| (known.applies)() && !skips.iter().any(|skip| covers(known, skip)))
            .collect(),
    }
}

impl Skip {
    /// On this machine.
    pub(crate) fn here(words: impl Into<String>) -> Self {
        Self {
            guest: None,
            words: words.into(),
        }
    }
}

impl fmt::Display for Skip {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(guest) = self.guest {
            write!(formatter, "Linux {guest}: ")?;
        }
        formatter.write_str(&self.words)
    }
}

impl fmt::Display for Known {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "\"{}\" ({})", self.reason, self.why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static LIST: [Known; 2] = [
        Known {
            reason: "no netem",
            why: "guests have it",
            applies: || true,
        },
        Known {
            reason: "no corpus",
            why: "it is elsewhere",
            applies: || false,
        },
    ];

    fn failures(skips: &[Skip]) -> Vec<String> {
        let failures = judge(skips, &LIST).failures;
        failures.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_skip_that_is_on_the_list_is_no_failure() {
        assert_eq!(failures(&[Skip::here("one: this kernel has no netem")]), [""; 0]);
    }

    #[test]
    fn a_skip_that_is_not_on_the_list_is_one() {
        let skips = [
            Skip::here("one: there is no browser"),
            Skip::here("two: no netem"),
        ];
        assert_eq!(failures(&skips), ["one: there is no browser"]);
    }

    #[test]
    fn a_skip_whose_entry_does_not_apply_here_is_one() {
        assert_eq!(failures(&[Skip::here("one: no corpus")]), ["one: no corpus"]);
    }

    #[test]
    fn a_skip_in_a_guest_is_one_whatever_is_listed() {
        let skip = Skip {
            guest: Some("6.1"),
            words: "one: no netem".to_owned(),
        };
        assert_eq!(failures(&[skip]), ["Linux 6.1: one: no netem"]);
    }

    #[test]
    fn an_entry_that_nothing_uses_is_stale_if_it_applies_here() {
        let stale = |skips: &[Skip]| -> Vec<_> {
            let stale = judge(skips, &LIST).stale;
            stale.iter().map(|known| known.reason).collect()
        };
        assert_eq!(stale(&[]), ["no netem"]);
        assert_eq!(stale(&[Skip::here("one: this kernel has no netem")]), [""; 0]);
    }

    #[test]
    fn every_entry_of_the_list_says_why() {
        for known in &KNOWN {
            assert!(known.reason.len() > 10 && known.why.len() > 20, "{known}");
        }
    }
}
