//! The detector in simulated worlds. `cargo xtask simulate` runs many more of them and shows the figures.

mod bulk;
mod detection;
mod honesty;
mod model;
mod quiet;

use model::scenario::Scenario;

/// The kind of worlds that is called so.
fn worlds(name: &str) -> Scenario {
    Scenario::all()
        .into_iter()
        .find(|scenario| scenario.name == name)
        .unwrap_or_else(|| panic!("no kind of world is called `{name}`"))
}

/// What the detector is held to.
mod limits {
    use std::time::Duration;

    /// DATA flows at 20 messages a second, and a path breaks: so soon must 99 of 100 breaks be reported, with the share
    /// of packets that the path loses anyway. A path with losses is given up later, or it would be given up for nothing; and where
    /// a loss has closed the sender's window, too few packets go missing until DATA moves, and heartbeats must tell.
    pub(crate) const DETECTION: [(f64, Duration); 2] =
        [(0.0, Duration::from_millis(300)), (0.01, Duration::from_secs(4))];
    /// In every world that the tests draw.
    pub(crate) const FALSE_REPORTS: u64 = 0;
    /// Loss rates that nobody may notice as a failure, in all kinds of worlds.
    pub(crate) const LOSS_RATES: [f64; 2] = [0.0, 0.01];
}
