//! How long packets are under way: what comes later than this was sent later, too.

use std::time::Duration;

/// By so much a packet may be late that was under way when the path broke: it waits in a queue, or takes a detour.
pub(crate) const LATE_BY: Duration = Duration::from_millis(200);

/// No packet is under way for longer. It says of what was sent by somebody else, or by an association that is over, that no
/// more of it can come.
pub(crate) const LONGEST: Duration = Duration::from_secs(1);
