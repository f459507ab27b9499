//! What systemd is told, if it has started the agent (sd_notify(3)); nothing otherwise.
//!
//! The watchdog is fed by the loop itself: a loop that turns no more is one that watches no more.

use sd_notify::NotifyState;
use tracing::debug;

/// Whether a service manager has started the agent, and waits to be told.
pub fn is_one() -> bool {
    std::env::var_os("NOTIFY_SOCKET").is_some()
}

/// The NICs are watched from now on.
pub fn ready(interfaces: &[String]) {
    let status = format!("watching {}", interfaces.join(", "));
    tell(&[NotifyState::Ready, NotifyState::Status(&status)]);
}

/// The loop turns.
pub fn alive() {
    tell(&[NotifyState::Watchdog]);
}

/// The configuration is read anew; [`ready`] follows.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => debug!("systemd was not told of a reload: {error}"),
    }
}

/// The agent ends.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        debug!("systemd was not told {state:?}: {error}");
    }
}
