//! What is done in a world: nothing, to see what is reported all the same; or a break, to see how soon it is reported.

use std::time::Duration;

use sctp_monitor_engine::model::{Broken, PathId, PathState};

use super::{
    dice::Dice,
    monitor::Change,
    packet::{Side, address},
    scenario::Scenario,
    statistics::Tally,
    world::{Break, World},
};

/// Watches a world in which no path breaks.
pub(crate) fn quiet(scenario: &Scenario, seed: u64, duration: Duration) -> Tally {
    let mut world = scenario.world(seed);
    let changes = world.advance(duration);
    Tally {
        path_time: duration * u32::try_from(world.paths()).unwrap_or(u32::MAX),
        false_reports: count(&changes, PathState::Inactive),
        doubts: count(&changes, PathState::PotentiallyFailed),
        ..Tally::default()
    }
}

/// Breaks the path that carries the DATA, and waits for the report.
pub(crate) fn broken(scenario: &Scenario, seed: u64, direction: Break) -> Tally {
    let mut world = scenario.world(seed);
    let mut dice = Dice::from_seed(!seed);
    let mut believed = Beliefs::default();
    believed.learn(&world.advance(dice.between(WARM_UP, 2 * WARM_UP)));
    // What is thought to be broken cannot be reported as broken.
    let mut patience = 1_000;
    while believed.inactive(world.data_path()) && patience > 0 {
        believed.learn(&world.advance(Duration::from_millis(100)));
        patience -= 1;
    }
    let path = world.data_path();
    let broken_at = world.now;
    world.break_path(path, direction);
    let changes = reports_within(&mut world, path);
    let (found, misplaced): (Vec<&Change>, Vec<&Change>) = changes
        .iter()
        .filter(|change| change.to == PathState::Inactive)
        .partition(|change| change.path == path_id(path));
    let detected = Vec::from_iter(found.first().map(|change| change.at.since(broken_at)));
    Tally {
        missed: u64::from(detected.is_empty()),
        misplaced: u64::try_from(misplaced.len()).unwrap_or(u64::MAX),
        detected,
        ..Tally::default()
    }
}

/// Breaks the path that carries the DATA, heals it, and gives what was said of the direction in which it was broken.
pub(crate) fn directions(scenario: &Scenario, seed: u64, direction: Break) -> Vec<Broken> {
    let mut world = scenario.world(seed);
    world.advance(Dice::from_seed(!seed).between(WARM_UP, 2 * WARM_UP));
    world.take_directions();
    let path = world.data_path();
    world.break_path(path, direction);
    world.advance(OUTAGE);
    world.heal_path(path);
    world.advance(OUTAGE);
    let mut said: Vec<_> = world
        .take_directions()
        .into_iter()
        .filter(|(id, _)| *id == path_id(path))
        .map(|(_, broken)| broken)
        .collect();
    said.dedup();
    said
}

/// What is reported until the path is, and a while longer: a wrong report may follow the right one.
fn reports_within(world: &mut World, path: usize) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut left = PATIENCE;
    while left > 0 {
        left -= 1;
        let news = world.advance(Duration::from_secs(1));
        if news.iter().any(|change| is_report(change, path)) {
            left = left.min(AFTERWARDS);
        }
        changes.extend(news);
    }
    changes
}

/// What the monitor says of each path.
#[derive(Debug, Default)]
struct Beliefs(Vec<(PathId, PathState)>);

impl Beliefs {
    fn learn(&mut self, changes: &[Change]) {
        for change in changes {
            self.0.retain(|(path, _)| *path != change.path);
            self.0.push((change.path, change.to));
        }
    }

    fn inactive(&self, path: usize) -> bool {
        self.0.contains(&(path_id(path), PathState::Inactive))
    }
}

fn count(changes: &[Change], to: PathState) -> u64 {
    u64::try_from(changes.iter().filter(|change| change.to == to).count()).unwrap_or(u64::MAX)
}

/// Whether a change says that this path is inactive.
pub(crate) fn is_report(change: &Change, path: usize) -> bool {
    change.to == PathState::Inactive && change.path == path_id(path)
}

fn path_id(path: usize) -> PathId {
    let address = |side| address(side, path).parse().expect("an address");
    PathId {
        local: address(Side::Local),
        remote: address(Side::Remote),
    }
}

/// Long enough to learn the round-trip times; a break follows at a random moment of as long again.
const WARM_UP: Duration = Duration::from_secs(15);
/// Longer than the heartbeats of either side are apart.
const OUTAGE: Duration = Duration::from_secs(50);
/// Seconds to wait for a report.
const PATIENCE: u32 = 10;
/// Seconds to go on watching after the report.
const AFTERWARDS: u32 = 2;
