//! Which associations there are: who their endpoints are, by which tags and addresses their packets are known, how they
//! begin, change and end.

pub(crate) mod addresses;
pub(crate) mod asconf;
pub(crate) mod association;
pub(crate) mod control;
pub(crate) mod errors;
pub(crate) mod grouping;
pub(crate) mod handshake;
pub(crate) mod housekeeping;
pub(crate) mod identity;
pub(crate) mod nat;
pub(crate) mod restart;
pub(crate) mod strangers;
pub(crate) mod tags;
