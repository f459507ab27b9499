//! Where the sockets are: a directory that is nobody else's, and names that tell agents apart.

use std::{
    fs::{self, DirBuilder},
    io::{self, ErrorKind},
    os::unix::{
        fs::{DirBuilderExt as _, MetadataExt as _},
        net::UnixStream,
    },
    path::{Path, PathBuf},
};

use nix::unistd::geteuid;

/// An agent's socket, by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// The inode of its network namespace.
    pub(super) namespace: u64,
    pub(super) process: u32,
}

impl Place {
    /// The socket's file.
    pub(super) fn path(&self, directory: &Path) -> PathBuf {
        directory.join(format!("agent-{}-{}.sock", self.namespace, self.process))
    }

    /// Reads a name; `None` if it is nobody's.
    fn of(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        let (namespace, process) = name
            .strip_prefix("agent-")?
            .strip_suffix(".sock")?
            .split_once('-')?;
        Some(Self {
            namespace: namespace.parse().ok()?,
            process: process.parse().ok()?,
        })
    }
}

/// The network namespace of this thread.
pub(super) fn own_namespace() -> io::Result<u64> {
    Ok(fs::metadata("/proc/thread-self/ns/net")?.ino())
}

/// Makes the directory if it is not there.
///
/// # Errors
/// If it cannot be made, or belongs to somebody else, or others may enter it.
pub(super) fn make(directory: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(directory) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let found = fs::symlink_metadata(directory)?;
    if !found.is_dir() || found.uid() != geteuid().as_raw() || found.mode() & 0o077 != 0 {
        return Err(io::Error::new(
            ErrorKind::PermissionDenied,
            "it belongs to somebody else, or others may enter it",
        ));
    }
    Ok(())
}

/// The sockets in a directory, by process; none if there is no such directory.
pub(super) fn all(directory: &Path) -> io::Result<Vec<(Place, PathBuf)>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found: Vec<_> = entries
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            Some((Place::of(&path)?, path))
        })
        .collect();
    found.sort_by_key(|(place, _)| place.process);
    Ok(found)
}

/// Removes the sockets of agents that were killed: nobody listens there.
pub(super) fn remove_dead(directory: &Path) -> io::Result<Vec<Place>> {
    let mut removed = Vec::new();
    for (place, path) in all(directory)? {
        let refused =
            UnixStream::connect(&path).is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused);
        if refused {
            fs::remove_file(&path)?;
            removed.push(place);
        }
    }
    Ok(removed)
}

/// Where the agents of this host are.
pub(super) const DIRECTORY: &str = "/run/sctp-monitor";

#[cfg(test)]
mod tests {
    use std::os::unix::{fs::PermissionsExt as _, net::UnixListener};

    use super::*;

    #[test]
    fn a_name_tells_its_namespace_and_its_process() {
        let place = Place {
            namespace: 4_026_531_840,
            process: 77,
        };
        let path = place.path(Path::new("/run/x"));
        assert_eq!(path, Path::new("/run/x/agent-4026531840-77.sock"));
        assert_eq!(Place::of(&path), Some(place));
        for name in [
            "agent-1.sock",
            "agent-1-2",
            "agent-a-2.sock",
            "1-2.sock",
            "agent--.sock",
        ] {
            assert_eq!(Place::of(Path::new(name)), None, "{name}");
        }
    }

    #[test]
    fn a_directory_that_others_may_enter_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("agents");
        make(&directory).unwrap();
        make(&directory).unwrap();
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o750)).unwrap();
        assert_eq!(make(&directory).unwrap_err().kind(), ErrorKind::PermissionDenied);
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(make(&file).is_err());
    }

    #[test]
    fn sockets_at_which_nobody_listens_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let place = |process| Place {
            namespace: 1,
            process,
        };
        let living = UnixListener::bind(place(1).path(folder.path())).unwrap();
        drop(UnixListener::bind(place(2).path(folder.path())).unwrap());
        fs::write(folder.path().join("other"), "").unwrap();
        assert_eq!(all(folder.path()).unwrap().len(), 2);
        assert_eq!(remove_dead(folder.path()).unwrap(), [place(2)]);
        let left: Vec<_> = all(folder.path())
            .unwrap()
            .into_iter()
            .map(|(place, _)| place)
            .collect();
        assert_eq!(left, [place(1)]);
        assert!(folder.path().join("other").exists());
        drop(living);
        assert_eq!(all(Path::new("/no/such/folder")).unwrap(), []);
    }
}
