//! What is wrong, and which of it has one cause.

pub(crate) mod diagnosis;
pub(crate) mod incidents;
pub(crate) mod redundancy;
