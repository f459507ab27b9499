//! What was found, before anything is made of it. Plain data, so that every verdict can be tested on made-up facts.

mod host;
mod nic;

use serde::Serialize;

pub use self::{host::*, nic::*};

/// Everything that was looked at.
#[derive(Debug, Clone, Serialize)]
pub struct Facts {
    /// The kernel and what this process may do with it.
    pub host: HostFacts,
    /// The NICs that were asked for, in that order, or all there are.
    pub nics: Vec<Nic>,
    /// Why the kernel did not list its NICs, if it did not.
    pub no_listing: Option<String>,
}
