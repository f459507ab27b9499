//! One path: whether each of its directions works, what its round trip takes, what is lost on it, and the state that
//! follows.

pub(crate) mod detector;
pub(crate) mod facts;
pub(crate) mod flow;
pub(crate) mod flows;
pub(crate) mod latency;
pub(crate) mod loss;
pub(crate) mod meter;
pub(crate) mod missing;
pub(crate) mod next_hop;
pub(crate) mod odds;
pub(crate) mod primary;
pub(crate) mod recorder;
pub(crate) mod rhythm;
pub(crate) mod rtt;
pub(crate) mod shown;
pub(crate) mod sizes;
pub(crate) mod state;
pub(crate) mod too_soon;
pub(crate) mod under_way;
