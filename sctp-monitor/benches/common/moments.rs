//! When something is to happen, and when it happened by the words of an agent.

use std::time::Duration;

use anyhow::Context as _;
use sctp_monitor_lab::{
    clock::{MonotonicNs, monotonic_ns},
    wait,
};
use serde_json::Value;

/// An event's time on the lab's clock.
pub(crate) fn monotonic(event: &Value, offset_ns: u64) -> anyhow::Result<MonotonicNs> {
    let time = event["time"].as_str().context("an event without time")?;
    let wall: jiff::Timestamp = time.parse()?;
    Ok(u64::try_from(wall.as_nanosecond() - i128::from(offset_ns))?)
}

/// What is watched has timers of its own, so a break at once would always meet the same moment of them. The golden ratio's
/// multiples spread the breaks evenly over the longest of these, however many there are.
pub(crate) fn wait_for_phase(number: u16, longest: Duration) -> anyhow::Result<()> {
    let fraction = (f64::from(number) * 0.618_033_988_749_895).fract();
    let_pass(longest.mul_f64(fraction))
}

/// Nothing tells when nothing has happened but time.
pub(crate) fn let_pass(time: Duration) -> anyhow::Result<()> {
    let end_ns = monotonic_ns() + u64::try_from(time.as_nanos())?;
    wait::until(time + SOON, || (monotonic_ns() >= end_ns).then_some(()))?;
    Ok(())
}

const SOON: Duration = Duration::from_secs(20);
