//! What is thought of a flow.

use serde::{Deserialize, Serialize};

use crate::model::{Reason, Timestamp};

/// What is thought of a flow.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) enum Verdict {
    /// Nothing that could be answered was seen yet.
    #[default]
    Unknown,
    /// It works.
    Alive(Reason),
    /// An answer is missing.
    Suspect(Reason),
    /// It does not work.
    Dead(Reason),
}

/// What is thought of a flow, and since when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Judged<'a> {
    pub(crate) verdict: &'a Verdict,
    /// When the evidence first showed it, since something else was thought.
    pub(crate) since: Option<Timestamp>,
    /// The last proof that it works.
    pub(crate) proved_at: Option<Timestamp>,
}

impl Judged<'static> {
    /// Of a flow of which nothing was seen.
    pub(crate) const UNKNOWN: Self = Self {
        verdict: &Verdict::Unknown,
        since: None,
        proved_at: None,
    };
}
