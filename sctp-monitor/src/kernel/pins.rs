//! What stays in the kernel when the agent is gone, for the one that follows: the maps of the flow table, and the links that hold
//! the programs, each a file of the BPF file system.
//!
//! ```text
//! /sys/fs/bpf/sctp-monitor/v<layout of the table>/{maps,links}/<network namespace>/
//! ```
//!
//! The namespace is told by its cookie, which no later one gets (SO_NETNS_COOKIE). Whoever holds the lock owns what is there: a
//! second agent of the namespace leaves nothing behind, and takes nothing over. The program that moves packets is not among what
//! stays: without an agent nothing is moved.

use std::{
    fs::{self, DirBuilder, File},
    io,
    net::{Ipv4Addr, UdpSocket},
    os::{
        fd::AsRawFd as _,
        unix::fs::{DirBuilderExt as _, MetadataExt as _},
    },
    path::{Path, PathBuf},
};

use nix::{
    fcntl::{Flock, FlockArg},
    mount::{MsFlags, mount},
    sys::statfs::{BPF_FS_MAGIC, statfs},
    unistd::geteuid,
};
use sctp_monitor_common::abi::TABLE_LAYOUT;
use tracing::debug;

use super::{attach::has_tcx, held::Held};

/// The place of one network namespace, locked.
#[derive(Debug)]
pub struct Pins {
    root: PathBuf,
    cookie: u64,
    _lock: Flock<File>,
}

/// Why nothing stays when the agent is gone.
#[derive(Debug, thiserror::Error)]
pub enum PinError {
    /// There is no BPF file system, and none could be mounted.
    #[error("there is no BPF file system at {FILE_SYSTEM} (`mount -t bpf -o mode=0700 bpf {FILE_SYSTEM}`)")]
    NoFileSystem(#[source] io::Error),
    /// Another agent watches this network namespace.
    #[error("another agent watches this network namespace{}", holder.map_or_else(String::new, |pid| format!(" (pid {pid})")))]
    Taken {
        /// Its process, if that can be seen from here.
        holder: Option<u32>,
    },
    /// The folder belongs to somebody else, or others may write there.
    #[error("{0} belongs to somebody else, or others may write there")]
    NotOurs(PathBuf),
    /// It cannot be used.
    #[error("{path} cannot be used")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl Pins {
    /// Locks the place of this network namespace, and makes it if there is none.
    ///
    /// # Errors
    /// [`PinError`]; the agent can do without.
    pub fn open() -> Result<Self, PinError> {
        let file_system = Path::new(FILE_SYSTEM);
        ensure_mounted(file_system)?;
        let root = file_system.join("sctp-monitor");
        make(&root)?;
        let cookie = namespace_cookie()?;
        let place = root.join("agents").join(cookie.to_string());
        make(&root.join("agents"))?;
        make(&place)?;
        let lock = lock(&place)?;
        let pins = Self {
            root,
            cookie,
            _lock: lock,
        };
        make(&pins.version(TABLE_LAYOUT))?;
        for kind in [MAPS, LINKS] {
            make(&pins.version(TABLE_LAYOUT).join(kind))?;
            make(&pins.folder(TABLE_LAYOUT, kind))?;
        }
        pins.remove_of_gone_namespaces();
        Ok(pins)
    }

    /// What an agent of this network namespace left, locked; `None` if nothing.
    ///
    /// # Errors
    /// If it cannot be locked, or is not this user's own.
    pub fn left() -> Result<Option<Self>, PinError> {
        let root = Path::new(FILE_SYSTEM).join("sctp-monitor");
        let cookie = namespace_cookie()?;
        let place = root.join("agents").join(cookie.to_string());
        if !place.exists() {
            return Ok(None);
        }
        for folder in [&root, &root.join("agents"), &place] {
            check_own(folder)?;
        }
        let pins = Self {
            _lock: lock(&place)?,
            root,
            cookie,
        };
        let has_anything = pins.folders().iter().any(|folder| folder.exists());
        Ok(has_anything.then_some(pins))
    }

    /// Where files of this namespace may be, of all versions.
    fn folders(&self) -> Vec<PathBuf> {
        let own = self.version(TABLE_LAYOUT);
        let versions = self.other_versions().into_iter().chain([own]);
        let of =
            |version: PathBuf| [LINKS, MAPS].map(|kind| version.join(kind).join(self.cookie.to_string()));
        versions.flat_map(of).collect()
    }

    /// What agents left in network namespaces that are gone: nobody holds the lock, and no link leads to a NIC.
    fn remove_of_gone_namespaces(&self) {
        if !has_tcx() {
            // Filters have no files: whether any is there cannot be told.
            return;
        }
        let places = fs::read_dir(self.root.join("agents"))
            .into_iter()
            .flatten()
            .flatten();
        for place in places {
            let Some(cookie) = place.file_name().to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            if cookie == self.cookie {
                continue;
            }
            let Ok(lock) = lock(&place.path()) else { continue };
            let other = Self {
                root: self.root.clone(),
                cookie,
                _lock: lock,
            };
            if !other.leads_anywhere()
                && let Err(error) = other.remove()
            {
                debug!(cookie, "what an agent of another namespace left: {error}");
            }
        }
    }

    /// Whether a link of this namespace leads to a NIC, as far as can be told.
    pub(super) fn leads_anywhere(&self) -> bool {
        let folders = self.folders().into_iter();
        let mut links = folders
            .filter(|folder| folder.parent().is_some_and(|kind| kind.ends_with(LINKS)))
            .flat_map(|folder| fs::read_dir(folder).into_iter().flatten().flatten());
        links.any(|link| Held::leads_anywhere(&link.path()))
    }

    /// The network namespace, by a name that no later one gets.
    #[must_use]
    pub fn namespace(&self) -> String {
        self.cookie.to_string()
    }

    /// The file of a map.
    pub(super) fn map(&self, name: &str) -> PathBuf {
        self.folder(TABLE_LAYOUT, MAPS).join(name)
    }

    /// The file of a link.
    pub(super) fn link(&self, name: &str) -> PathBuf {
        self.folder(TABLE_LAYOUT, LINKS).join(name)
    }

    /// All files of this name that agents of other versions may have left, and this one's first.
    pub(super) fn links_of_all(&self, name: &str) -> Vec<PathBuf> {
        let others = self.other_versions().into_iter();
        std::iter::once(self.link(name))
            .chain(others.map(|version| version.join(LINKS).join(self.cookie.to_string()).join(name)))
            .collect()
    }

    /// Takes away the maps of this version: what is made next is new.
    ///
    /// # Errors
    /// If a file cannot be removed.
    pub(super) fn forget_maps(&self) -> io::Result<()> {
        clear(&self.folder(TABLE_LAYOUT, MAPS), |_| true)
    }

    /// Takes away everything but the links of these names, which are in use, and the maps of this version: programs on NICs that
    /// are not watched any more leave.
    ///
    /// # Errors
    /// If a file cannot be removed.
    pub fn keep_links(&self, in_use: &[String]) -> io::Result<()> {
        clear(&self.folder(TABLE_LAYOUT, LINKS), |name| {
            !in_use.iter().any(|kept| kept == name)
        })?;
        for version in self.other_versions() {
            for kind in [LINKS, MAPS] {
                clear(&version.join(kind).join(self.cookie.to_string()), |_| true)?;
            }
        }
        Ok(())
    }

    /// Takes away everything of this namespace: nothing stays.
    ///
    /// # Errors
    /// If a file cannot be removed.
    pub fn remove(&self) -> io::Result<()> {
        // The folder of the lock stays: another agent may be about to lock it.
        for folder in self.folders() {
            clear(&folder, |_| true)?;
            remove_empty(&folder);
        }
        Ok(())
    }

    fn folder(&self, layout: u32, kind: &str) -> PathBuf {
        self.version(layout).join(kind).join(self.cookie.to_string())
    }

    fn version(&self, layout: u32) -> PathBuf {
        self.root.join(format!("v{layout}"))
    }

    /// The folders of other layouts of the table.
    fn other_versions(&self) -> Vec<PathBuf> {
        let own = format!("v{TABLE_LAYOUT}");
        let entries = fs::read_dir(&self.root).into_iter().flatten().flatten();
        entries
            .filter_map(|entry| {
                let name = entry.file_name().into_string().ok()?;
                let is_other = name != own && name.strip_prefix('v')?.parse::<u32>().is_ok();
                is_other.then(|| entry.path())
            })
            .collect()
    }
}

/// A BPF file system is mounted where there is none, as `tc` and `bpftool` do.
fn ensure_mounted(place: &Path) -> Result<(), PinError> {
    let is_there = || statfs(place).is_ok_and(|found| found.filesystem_type() == BPF_FS_MAGIC);
    if is_there() {
        return Ok(());
    }
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("bpf"), place, Some("bpf"), flags, Some("mode=0700"))
        .map_err(|error| PinError::NoFileSystem(error.into()))
}

/// Makes a folder that is this user's own.
fn make(folder: &Path) -> Result<(), PinError> {
    let failed = |source| PinError::Io {
        path: folder.to_owned(),
        source,
    };
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed(error)),
        _ => {}
    }
    check_own(folder)
}

/// That a folder is this user's own, and no way to another one.
fn check_own(folder: &Path) -> Result<(), PinError> {
    let found = fs::symlink_metadata(folder).map_err(|source| PinError::Io {
        path: folder.to_owned(),
        source,
    })?;
    if !found.is_dir() || found.uid() != geteuid().as_raw() || found.mode() & 0o022 != 0 {
        return Err(PinError::NotOurs(folder.to_owned()));
    }
    Ok(())
}

fn lock(place: &Path) -> Result<Flock<File>, PinError> {
    let failed = |source| PinError::Io {
        path: place.to_owned(),
        source,
    };
    let folder = File::open(place).map_err(failed)?;
    let inode = folder.metadata().map_err(failed)?.ino();
    Flock::lock(folder, FlockArg::LockExclusiveNonblock).map_err(|(_, error)| match error {
        nix::Error::EWOULDBLOCK => PinError::Taken {
            holder: holder(inode),
        },
        other => failed(other.into()),
    })
}

/// Who holds a lock on the file with this inode, by /proc/locks: `1: FLOCK  ADVISORY  WRITE 1234 00:2b:77 0 EOF`.
fn holder(inode: u64) -> Option<u32> {
    let locks = fs::read_to_string("/proc/locks").ok()?;
    locks.lines().find_map(|line| {
        let words: Vec<_> = line.split_whitespace().collect();
        let is_it =
            words.get(1) == Some(&"FLOCK") && words.get(5)?.rsplit(':').next()?.parse::<u64>().ok()? == inode;
        is_it.then(|| words.get(4)?.parse().ok()).flatten()
    })
}

/// Removes files of a folder, if there is one.
fn clear(folder: &Path, is_to_go: impl Fn(&str) -> bool) -> io::Result<()> {
    // Each down to this one may be another user's, or lead elsewhere.
    for part in folder.ancestors().take(3) {
        match check_own(part) {
            Err(PinError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => return Ok(()),
            checked => checked.map_err(io::Error::other)?,
        }
    }
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_str().is_none_or(&is_to_go) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Others may have something there.
fn remove_empty(folder: &Path) {
    let _ = fs::remove_dir(folder);
}

/// The cookie of this network namespace (`net_gen_cookie`, include/net/net_namespace.h).
fn namespace_cookie() -> Result<u64, PinError> {
    ask_cookie().map_err(|source| PinError::Io {
        path: PathBuf::from("the socket that tells the network namespace"),
        source,
    })
}

fn ask_cookie() -> io::Result<u64> {
    // Any socket tells.
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    let mut cookie = 0_u64;
    let mut length = size_of::<u64>() as libc::socklen_t;
    // SAFETY: the option is 64 bits, which is what `length` says.
    let answer = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            SO_NETNS_COOKIE,
            (&raw mut cookie).cast(),
            &raw mut length,
        )
    };
    if answer == 0 {
        Ok(cookie)
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Since Linux 5.14 (include/uapi/asm-generic/socket.h).
const SO_NETNS_COOKIE: libc::c_int = 71;
const FILE_SYSTEM: &str = "/sys/fs/bpf";
const MAPS: &str = "maps";
const LINKS: &str = "links";
