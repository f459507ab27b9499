//! What a client asks of steering, and is told.

use schemars::JsonSchema;
use sctp_monitor_engine::model::{
    AssociationId, PathId, Schema, SteeredPath, SteeringMode, SteeringProspect,
};
use serde::{Deserialize, Serialize};

/// What a client asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "snake_case")]
pub enum SteerRequest {
    /// What is in force.
    List,
    /// What would be done with the packets of each path of an association.
    Explain {
        /// The association.
        association: AssociationId,
    },
    /// Move the packets of a path.
    Add {
        /// The association.
        association: AssociationId,
        /// The path.
        path: PathId,
    },
    /// Let the packets of a path leave as the host sends them.
    Remove {
        /// The association.
        association: AssociationId,
        /// The path.
        path: PathId,
    },
    /// Take everything back, and begin nothing.
    Pause,
    /// Go on.
    Resume,
}

impl SteerRequest {
    /// Whether anything is otherwise afterwards.
    pub(super) fn changes_something(self) -> bool {
        match self {
            Self::List | Self::Explain { .. } => false,
            Self::Add { .. } | Self::Remove { .. } | Self::Pause | Self::Resume => true,
        }
    }
}

/// What it is told: how things are when all is done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SteerAnswer {
    /// The version of the answer's schema.
    pub schema: Schema,
    /// The agent's process.
    pub agent: u32,
    /// What is done with the packets of failed paths.
    pub mode: SteeringMode,
    /// Whether the operator paused it.
    pub paused: bool,
    /// What is in force.
    pub steered: Vec<SteeredPath>,
    /// The paths of the association that was asked for, and what would be done with their packets if they failed now.
    pub paths: Vec<SteeringProspect>,
    /// Why nothing came of what was asked for, if so.
    pub refused: Option<String>,
}
