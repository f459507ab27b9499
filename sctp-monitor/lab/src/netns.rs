//! Network namespaces that clean up after themselves.
//!
//! A namespace has a name that no other process and no other lab uses, stands in `/run/netns` like any that `ip netns`
//! made, and goes away on drop together with every process in it, also while a test unwinds. Entering one changes the
//! network namespace and nothing else: `ip netns exec` would also remount `/sys` and so hide `/sys/fs/bpf`.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd as _, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nix::mount::MntFlags;
use nix::poll::{PollFd, PollFlags, PollTimeout};
use nix::sched::CloneFlags;

use crate::tool::{self, ToolError};

/// A network namespace, removed on drop after its processes were killed.
#[derive(Debug)]
pub struct Namespace {
    name: String,
    file: Arc<File>,
}

/// A namespace could not be made or entered.
#[derive(Debug, thiserror::Error)]
pub enum NetnsError {
    /// `ip netns add` did not work.
    #[error("cannot create network namespace `{namespace}`; the lab must run as root")]
    Create {
        /// The name of the namespace.
        namespace: String,
        /// The reason.
        source: ToolError,
    },
    /// The namespace exists but cannot be entered.
    #[error("cannot enter network namespace `{namespace}`; the lab must run as root")]
    Enter {
        /// The name of the namespace.
        namespace: String,
        /// The system's error.
        source: io::Error,
    },
}

impl Namespace {
    /// Makes a namespace; `label` appears in its name, for those who look at `ip netns`.
    ///
    /// # Errors
    /// When `ip` is missing or refuses, or the process is not root.
    pub fn new(label: &str) -> Result<Self, NetnsError> {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        loop {
            let number = COUNTER.fetch_add(1, Ordering::Relaxed);
            let name = format!("{}{number}-{label}", Self::prefix());
            match tool::run(Command::new("ip").args(["netns", "add", &name]), "") {
                Ok(_) => {
                    return match File::open(Self::path_of(&name)) {
                        Ok(file) => Ok(Self {
                            name,
                            file: Arc::new(file),
                        }),
                        Err(source) => {
                            remove(&Self::path_of(&name));
                            Err(NetnsError::Enter {
                                namespace: name,
                                source,
                            })
                        }
                    };
                }
                // A process with this id died before without cleaning up: that name is taken, the next may be free.
                Err(ToolError::Failed { message, .. }) if message.contains("File exists") => {}
                Err(source) => {
                    return Err(NetnsError::Create {
                        namespace: name,
                        source,
                    });
                }
            }
        }
    }

    /// What the names of all namespaces of this process begin with.
    #[must_use]
    pub fn prefix() -> String {
        format!("sm-{}-", std::process::id())
    }

    /// The name, as `ip netns` lists it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file in `/run/netns`.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        Self::path_of(&self.name)
    }

    /// The namespace itself, for `setns`.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// Runs `work` on a thread inside the namespace and returns what it returns. Sockets opened there belong to the
    /// namespace for good. A panic in `work` goes on in the caller.
    ///
    /// # Errors
    /// When the namespace cannot be entered: the process is not root.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, NetnsError> {
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                nix::sched::setns(&*self.file, CloneFlags::CLONE_NEWNET).map_err(|errno| {
                    NetnsError::Enter {
                        namespace: self.name.clone(),
                        source: errno.into(),
                    }
                })?;
                Ok(work())
            });
            thread
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// A command whose process will live inside the namespace; everything else about it is the caller's.
    #[must_use]
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        let file = Arc::clone(&self.file);
        let enter = move || Ok(nix::sched::setns(&*file, CloneFlags::CLONE_NEWNET)?);
        // SAFETY: between fork and exec the closure makes one system call on a descriptor that it owns, and neither
        // allocates nor takes a lock.
        unsafe { command.pre_exec(enter) };
        command
    }

    /// The processes inside, by id; this process is never one of them.
    ///
    /// # Errors
    /// When `/proc` cannot be read.
    pub fn processes(&self) -> io::Result<Vec<u32>> {
        let namespace = self.file.metadata()?;
        let inside = |pid: &u32| {
            *pid != std::process::id()
                && std::fs::metadata(format!("/proc/{pid}/ns/net"))
                    .is_ok_and(|found| found.ino() == namespace.ino() && found.dev() == namespace.dev())
        };
        let pids = std::fs::read_dir("/proc")?
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .filter(inside);
        Ok(pids.collect())
    }

    /// Kills the processes inside and waits until they are gone.
    fn kill_processes(&self) -> io::Result<()> {
        for _ in 0..KILL_ROUNDS {
            let victims = self.processes()?;
            if victims.is_empty() {
                return Ok(());
            }
            for pid in victims {
                let Ok(process) = open_process(pid) else { continue };
                // The id may have gone to another process before it was opened; what is open stays who it is.
                if self.processes()?.contains(&pid) {
                    kill(&process);
                    let mut exited = [PollFd::new(process.as_fd(), PollFlags::POLLIN)];
                    let _ =
                        nix::poll::poll(&mut exited, PollTimeout::try_from(EXIT_WITHIN).expect("5 s fit"));
                }
            }
        }
        Err(io::Error::other("some do not die"))
    }

    fn path_of(name: &str) -> PathBuf {
        Path::new("/run/netns").join(name)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        if let Err(error) = self.kill_processes() {
            eprintln!("cannot end the processes in {}: {error}", self.name);
        }
        remove(&self.path());
    }
}

/// What `ip netns delete` does, without a process. The namespace itself lives on until its last socket is closed.
fn remove(path: &Path) {
    let unmounted = nix::mount::umount2(path, MntFlags::MNT_DETACH).map_err(io::Error::from);
    if let Err(error) = unmounted.and_then(|()| std::fs::remove_file(path)) {
        eprintln!("cannot remove {}: {error}", path.display());
    }
}

fn open_process(pid: u32) -> io::Result<OwnedFd> {
    // SAFETY: pidfd_open takes two integers and touches no memory of ours.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    let fd = i32::try_from(fd).map_err(io::Error::other)?;
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just returned this descriptor, nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn kill(process: &OwnedFd) {
    use std::os::fd::AsRawFd as _;
    let no_info = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: pidfd_send_signal reads nothing through a null siginfo; that the process is gone is no error here.
    unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            process.as_raw_fd(),
            libc::SIGKILL,
            no_info,
            0,
        )
    };
}

/// A process that forks while its family is killed leaves children for the next round.
const KILL_ROUNDS: u32 = 10;

/// A killed process leaves within milliseconds, unless the kernel holds it.
const EXIT_WITHIN: Duration = Duration::from_secs(5);
