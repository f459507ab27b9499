//! What is wrong, and which of it has one cause: a file a kind of finding, with the rule that finds it.

mod answered_elsewhere;
mod flapping;
mod grey_loss;
mod incidents;
mod latency_degraded;
mod link_down;
mod not_redundant;
mod open;
mod path_down;
mod path_mtu_black_hole;
mod peer_down;
mod rules;
mod secondary_unconfirmed;
pub(crate) mod seen;
mod spoofing_suspected;
mod zombie;

pub(crate) use self::open::Findings;
