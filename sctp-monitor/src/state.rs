//! What the engine knows, in a file, for the agent that follows on the same flow table: associations, what is usual on their paths,
//! findings and incidents with their numbers.
//!
//! The file is written again and again, so that an agent that is killed leaves one that is new; a write may take a hundredth of the
//! time, and not so long that the loop is late. One that cannot be renewed is removed: what it says is true no longer. It is bound to
//! the table, for slots mean nothing in another one, and to the way in which directions were told apart.

use std::{
    fs::{self, OpenOptions},
    hash::{DefaultHasher, Hash as _, Hasher as _},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use sctp_monitor_common::abi::TableFacts;
use sctp_monitor_engine::{Session, model::Timestamp, session::Saved};
use serde::{Deserialize as _, Serialize as _};
use tracing::warn;

use crate::clock;

/// Where the state is kept, and when it was written last.
#[derive(Debug)]
pub struct StateFile {
    path: PathBuf,
    heading: String,
    written_at: Option<Timestamp>,
    /// Of a CPU's time, the last time.
    took: Duration,
    /// It was said why nothing is written.
    told: bool,
}

/// Why what an earlier agent knew is not used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The file cannot be read.
    #[error("it cannot be read")]
    Io(#[from] io::Error),
    /// It was written by another version, over another flow table, or by an agent with another vantage.
    #[error("it is of another version, or of an agent with another vantage")]
    Other,
    /// It is damaged.
    #[error("it is damaged")]
    Damaged(#[from] rmp_serde::decode::Error),
}

impl StateFile {
    /// The file for a flow table of the network namespace that is told by this name, as an agent sees it with these options.
    #[must_use]
    pub fn of(directory: &Path, namespace: &str, table: &TableFacts, options: &str) -> Self {
        let mut hash = DefaultHasher::new();
        // Nobody can conclude the seed from it.
        (table.index_seed, table.flows, table.layout).hash(&mut hash);
        Self {
            path: path(directory, namespace),
            heading: format!(
                "sctp-monitor state {STATE_LAYOUT} of table {:016x} {options}\n",
                hash.finish()
            ),
            written_at: None,
            took: Duration::ZERO,
            told: false,
        }
    }

    /// What an earlier agent knew; `None` if there was none.
    ///
    /// # Errors
    /// [`StateError`]; the file is left aside then.
    pub fn read(&self) -> Result<Option<Saved>, StateError> {
        let found = match fs::read(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            found => found?,
        };
        let read = self.parse(&found);
        if read.is_err() {
            fs::rename(&self.path, self.path.with_extension("unused"))?;
        }
        read.map(Some)
    }

    fn parse(&self, found: &[u8]) -> Result<Saved, StateError> {
        let rest = found
            .strip_prefix(self.heading.as_bytes())
            .ok_or(StateError::Other)?;
        let mut reader = rmp_serde::Deserializer::new(rest).with_human_readable();
        Ok(Saved::deserialize(&mut reader)?)
    }

    /// Writes what is known, if it is time. `at_once` if something has been reported since.
    pub fn keep(&mut self, session: &Session, at_once: bool, now: Timestamp) {
        let pause = match at_once {
            _ if self.took > LONGEST => SLOW,
            true => Duration::ZERO,
            false => INTERVAL,
        };
        let is_due = self
            .written_at
            .is_none_or(|at| now.since(at) >= pause.max(self.took * SHARE));
        if !is_due {
            return;
        }
        self.write(session, now);
        if self.took > LONGEST {
            // It would be out of date before the next one.
            self.remove();
            if !std::mem::replace(&mut self.told, true) {
                warn!(
                    "saving what is known takes {} ms, too long for the watch: it is tried again each minute, and until then only an \
                     agent that is told to end leaves it to the next one",
                    self.took.as_millis()
                );
            }
        }
    }

    /// Writes what is known now.
    pub fn write(&mut self, session: &Session, now: Timestamp) {
        let began = clock::thread_time();
        if let Err(error) = self.try_write(session) {
            self.remove();
            if !std::mem::replace(&mut self.told, true) {
                let path = self.path.display();
                warn!("{path} was not written, so that the next agent begins anew: {error}");
            }
        }
        self.written_at = Some(now);
        self.took = clock::thread_time().saturating_sub(began);
    }

    fn try_write(&self, session: &Session) -> io::Result<()> {
        let mut bytes = self.heading.clone().into_bytes();
        let mut writer = rmp_serde::Serializer::new(&mut bytes)
            .with_struct_map()
            .with_human_readable();
        session.state().serialize(&mut writer).map_err(io::Error::other)?;
        let new = self.path.with_extension("new");
        let mut options = OpenOptions::new();
        let mut file = options
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&new)?;
        file.write_all(&bytes)?;
        fs::rename(&new, &self.path)
    }

    /// Nobody is to go on from it.
    pub fn remove(&self) {
        // There may be none.
        let _ = fs::remove_file(&self.path);
    }
}

/// Removes what an agent of a network namespace knew, if there is anything.
///
/// # Errors
/// If a file cannot be removed.
pub fn remove(directory: &Path, namespace: &str) -> io::Result<()> {
    let path = path(directory, namespace);
    for path in [path.with_extension("new"), path.with_extension("unused"), path] {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

fn path(directory: &Path, namespace: &str) -> PathBuf {
    directory.join(format!("state-{namespace}"))
}

/// Between two writes while nothing is reported.
const INTERVAL: Duration = Duration::from_secs(1);
/// Writing takes one of so many parts of the time at most.
const SHARE: u32 = 100;
/// Between two tries if one takes too long.
const SLOW: Duration = Duration::from_mins(1);
/// The layout of what is saved. Raise it when what a field means changes; one that is new or gone is noticed.
const STATE_LAYOUT: u32 = 2;
/// A write that takes longer makes the loop late.
const LONGEST: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use sctp_monitor_testkit::world::{World, ms};

    use super::*;

    const TABLE: TableFacts = TableFacts {
        index_seed: [1, 2],
        flows: 64,
        layout: 4,
    };

    fn file(folder: &Path, table: &TableFacts) -> StateFile {
        StateFile::of(folder, "7", table, "endpoint")
    }

    #[test]
    fn what_is_known_is_read_back_and_only_over_its_own_table() {
        let folder = tempfile::tempdir().unwrap();
        let mut state = file(folder.path(), &TABLE);
        assert!(state.read().unwrap().is_none());
        let world = World::with_two_paths();
        state.write(&world.session, world.now);
        assert!(state.read().unwrap().is_some());
        assert_eq!(fs::metadata(&state.path).unwrap().mode() & 0o777, 0o600);
        let other = TableFacts { flows: 65, ..TABLE };
        assert!(matches!(
            file(folder.path(), &other).read(),
            Err(StateError::Other)
        ));
        assert!(state.read().unwrap().is_none(), "left aside");
    }

    #[test]
    fn a_damaged_file_is_left_aside() {
        let folder = tempfile::tempdir().unwrap();
        let mut state = file(folder.path(), &TABLE);
        let world = World::with_two_paths();
        state.write(&world.session, world.now);
        let whole = fs::read(&state.path).unwrap();
        let heading = state.heading.len();
        for length in (heading..whole.len()).step_by(whole.len() / 50) {
            fs::write(&state.path, &whole[..length]).unwrap();
            assert!(matches!(state.read(), Err(StateError::Damaged(_))), "{length}");
        }
        let mut turned = whole;
        for at in (heading..turned.len()).step_by(7) {
            turned[at] ^= 0x55;
        }
        fs::write(&state.path, &turned).unwrap();
        assert!(state.read().is_err());
        assert!(state.path.with_extension("unused").exists());
    }

    #[test]
    fn it_is_written_at_once_when_something_was_reported_and_now_and_then() {
        let folder = tempfile::tempdir().unwrap();
        let mut state = file(folder.path(), &TABLE);
        let world = World::with_two_paths();
        let at = |state: &mut StateFile, at_once: bool, now: Timestamp| {
            state.took = ms(1);
            state.remove();
            state.keep(&world.session, at_once, now);
            state.path.exists()
        };
        assert!(at(&mut state, false, world.now));
        assert!(!at(&mut state, false, world.now + ms(999)));
        assert!(!at(&mut state, true, world.now + ms(99)), "not all the time");
        assert!(at(&mut state, true, world.now + ms(100)));
        assert!(at(&mut state, false, world.now + ms(1_100)));
        state.took = LONGEST + ms(1);
        state.remove();
        state.keep(&world.session, true, world.now + ms(60_000));
        assert!(!state.path.exists(), "the loop must not be late");
        state.written_at = Some(world.now);
        state.keep(&world.session, false, world.now + ms(60_000));
        assert!(state.path.exists(), "it was for once");
    }
}
