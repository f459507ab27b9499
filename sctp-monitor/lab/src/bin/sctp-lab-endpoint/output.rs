//! Events on standard output, each a line that is out before the next thing happens.

use std::io::{self, Write as _};

use sctp_monitor_lab::clock::{MonotonicNs, monotonic_ns};
use sctp_monitor_lab::endpoint::{Event, EventKind};

/// Says it now.
pub(crate) fn report(kind: EventKind) -> io::Result<()> {
    report_at(monotonic_ns(), kind)
}

/// Says when it happened.
pub(crate) fn report_at(time_ns: MonotonicNs, kind: EventKind) -> io::Result<()> {
    let mut line = serde_json::to_string(&Event { time_ns, kind })?;
    line.push('\n');
    let mut stdout = io::stdout().lock();
    stdout.write_all(line.as_bytes())?;
    stdout.flush()
}
