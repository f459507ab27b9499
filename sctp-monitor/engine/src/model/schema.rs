//! The version of everything that is said in JSON.

/// The version: it grows when a name or a meaning changes, not when something is added.
pub const SCHEMA: u32 = 1;

/// Stands in every line and document, as the number [`SCHEMA`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Schema;
