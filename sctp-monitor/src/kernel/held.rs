//! What holds a program on its hook, and whether it still does.
//!
//! Whoever may load programs may take ours off: the kernel tells nobody. A link stays open then, and leads nowhere.
//!
//! A link that has a file holds the program when the agent is gone; the one that follows puts its own program in the place of this one,
//! and no packet passes between the two.

use std::{
    ffi::CString,
    fs, io,
    os::{
        fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd},
        unix::ffi::OsStrExt as _,
    },
    path::{Path, PathBuf},
};

use aya::{
    programs::{
        ProgramError,
        links::{FdLink, LinkError, PinnedLink},
        tc::SchedClassifierLink,
        xdp::XdpLink,
    },
    sys::SyscallError,
};
use tracing::{debug, warn};

/// A program on its hook; it leaves when this is dropped, unless [`Held::leave`] was called before.
#[derive(Debug)]
pub(super) enum Held {
    /// By a link of the kernel.
    Link {
        /// A second descriptor, to ask.
        asked: OwnedFd,
        /// Keeps it there.
        _link: FdLink,
        /// The file that keeps it there without this process.
        pin: Option<PathBuf>,
    },
    /// By a filter of clsact, before TCX (Linux 6.6).
    Filter(#[expect(dead_code, reason = "dropping it detaches")] SchedClassifierLink),
}

impl Held {
    /// XDP has links since Linux 5.9.
    pub(super) fn xdp(link: XdpLink) -> Result<Self, ProgramError> {
        Self::link(link.try_into().map_err(told)?)
    }

    /// TC has links where there is TCX.
    pub(super) fn tc(link: SchedClassifierLink, by_link: bool) -> Result<Self, ProgramError> {
        if by_link {
            Self::link(link.try_into().map_err(told)?)
        } else {
            Ok(Self::Filter(link))
        }
    }

    /// The link that an earlier agent left in one of these files, for a NIC, after `replace` has put a program of this agent in the
    /// place of the other one's. It keeps the first of the files. Files that lead nowhere are removed.
    pub(super) fn left_by_another(
        files: &[PathBuf],
        if_index: u32,
        mut replace: impl FnMut(FdLink) -> Result<Self, ProgramError>,
    ) -> Option<Self> {
        let own = files.first()?;
        files.iter().filter(|file| file.exists()).find_map(|file| {
            let link = PinnedLink::from_pin(file).ok()?;
            let held = replace(link.into()).ok();
            let mut held = held.filter(|held| held.if_index().is_ok_and(|of| of == Some(if_index)));
            match &mut held {
                Some(Self::Link { pin, .. }) if file == own => *pin = Some(file.clone()),
                Some(held) => held.pin_or_warn(own),
                None => debug!(file = %file.display(), "a link that leads nowhere"),
            }
            if file != own || held.is_none() {
                // If it stays, it is one of those that nobody asks for.
                let _ = fs::remove_file(file);
            }
            held
        })
    }

    /// Takes the program of a file off its hook at once, if there is such a file.
    pub(super) fn take_off(file: &Path) {
        let Ok(link) = PinnedLink::from_pin(file) else {
            return;
        };
        if let Ok(Self::Link { asked, .. }) = &Self::link(link.into()) {
            // It may lead nowhere.
            let _ = bpf(BPF_LINK_DETACH, &mut asked.as_raw_fd().cast_unsigned());
        }
        let _ = fs::remove_file(file);
    }

    /// Whether the link of a file leads to a NIC; who cannot tell says yes.
    pub(super) fn leads_anywhere(file: &Path) -> bool {
        PinnedLink::from_pin(file)
            .ok()
            .and_then(|link| Self::link(link.into()).ok())
            .is_none_or(|held| held.is_there().unwrap_or(true))
    }

    /// From now on this file holds the program as well; without one it leaves with the agent.
    pub(super) fn pin_or_warn(&mut self, file: &Path) {
        if let Err(error) = self.pin(file) {
            let file = file.display();
            warn!("{file} was not made, so that this program leaves with the agent: {error}");
        }
    }

    fn link(link: FdLink) -> Result<Self, ProgramError> {
        let id = link.info().map_err(told)?.id();
        let asked = own_descriptor(id).map_err(|io_error| SyscallError {
            call: "fcntl",
            io_error,
        })?;
        Ok(Self::Link {
            asked,
            _link: link,
            pin: None,
        })
    }

    /// A filter stays without a file.
    fn pin(&mut self, file: &Path) -> io::Result<()> {
        let Self::Link { asked, pin, .. } = self else {
            return Ok(());
        };
        let path = CString::new(file.as_os_str().as_bytes())?;
        let mut request = Pin {
            pathname: path.as_ptr() as u64,
            bpf_fd: asked.as_raw_fd().cast_unsigned(),
            file_flags: 0,
        };
        bpf(BPF_OBJ_PIN, &mut request)?;
        *pin = Some(file.to_owned());
        Ok(())
    }

    /// The name of its file.
    pub(super) fn pinned_as(&self) -> Option<&str> {
        match self {
            Self::Link { pin, .. } => pin.as_ref()?.file_name()?.to_str(),
            Self::Filter(_) => None,
        }
    }

    /// The program stays on its hook, if a file holds it or it is a filter.
    pub(super) fn leave(mut self) {
        match &mut self {
            Self::Link { pin, .. } => *pin = None,
            Self::Filter(_) => std::mem::forget(self),
        }
    }

    /// Whether the program is still on its hook. Of a filter the kernel tells nothing here.
    ///
    /// # Errors
    /// If the kernel does not answer.
    pub(super) fn is_there(&self) -> io::Result<bool> {
        match self {
            Self::Link { asked, .. } => leads_to(asked).map(|if_index| if_index != 0),
            Self::Filter(_) => Ok(true),
        }
    }

    /// The NIC that a link leads to: 0 if to none any more. A filter does not tell.
    fn if_index(&self) -> io::Result<Option<u32>> {
        match self {
            Self::Link { asked, .. } => leads_to(asked).map(Some),
            Self::Filter(_) => Ok(None),
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Self::Link { pin: Some(file), .. } = self {
            // Somebody may have removed it.
            let _ = fs::remove_file(file);
        }
    }
}

pub(super) fn told(error: LinkError) -> ProgramError {
    match error {
        LinkError::SyscallError(error) => error.into(),
        LinkError::InvalidLink | LinkError::UnknownLinkType(_) => ProgramError::NotAttached,
    }
}

/// `struct { __u32 bpf_fd; __u32 info_len; __aligned_u64 info; }` of `union bpf_attr`.
#[repr(C)]
struct GetInfo {
    bpf_fd: u32,
    info_len: u32,
    info: u64,
}

/// `struct { __aligned_u64 pathname; __u32 bpf_fd; __u32 file_flags; }` of `union bpf_attr`.
#[repr(C)]
struct Pin {
    pathname: u64,
    bpf_fd: u32,
    file_flags: u32,
}

/// The beginning of `struct bpf_link_info`: of XDP and of TCX, the union begins with the interface index, which is 0 when the link
/// was detached (`bpf_xdp_link_fill_link_info`, net/core/dev.c; `tcx_link_fill_info`, kernel/bpf/tcx.c).
#[repr(C)]
#[derive(Default)]
struct LinkInfo {
    kind: u32,
    id: u32,
    prog_id: u32,
    padding: u32,
    if_index: u32,
    rest: [u32; 3],
}

/// A second descriptor of a link that this process holds: aya keeps the first one to itself, and the kernel gives none by number
/// without CAP_SYS_ADMIN.
fn own_descriptor(id: u32) -> io::Result<OwnedFd> {
    let of_link = format!("link_id:\t{id}");
    for entry in fs::read_dir("/proc/self/fdinfo")? {
        let entry = entry?;
        let is_it =
            fs::read_to_string(entry.path()).is_ok_and(|text| text.lines().any(|line| line == of_link));
        let number = entry.file_name().to_str().and_then(|name| name.parse().ok());
        if let Some(number) = number.filter(|_| is_it) {
            // SAFETY: it was open a moment ago, and this thread is about to keep the link that it is of.
            let known = unsafe { BorrowedFd::borrow_raw(number) };
            return known.try_clone_to_owned();
        }
    }
    Err(io::ErrorKind::NotFound.into())
}

/// The interface index of a link of XDP or TCX, by its id; 0 if it was detached. Needs CAP_SYS_ADMIN. Of a link of another kind, a
/// number that says nothing.
pub(super) fn if_index(link: u32) -> io::Result<u32> {
    info(&by_id(link)?).map(|info| info.if_index)
}

/// Takes the program of a link off its hook, whoever holds the link. Needs CAP_SYS_ADMIN.
pub(super) fn detach(link: u32) -> io::Result<()> {
    let link = by_id(link)?;
    bpf(BPF_LINK_DETACH, &mut link.as_raw_fd().cast_unsigned()).map(drop)
}

fn by_id(mut link: u32) -> io::Result<OwnedFd> {
    let descriptor = bpf(BPF_LINK_GET_FD_BY_ID, &mut link)?;
    // SAFETY: the kernel has just opened it for us.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

fn leads_to(link: &OwnedFd) -> io::Result<u32> {
    info(link).map(|info| info.if_index)
}

fn info(link: &OwnedFd) -> io::Result<LinkInfo> {
    let mut info = LinkInfo::default();
    let bpf_fd = link.as_raw_fd().cast_unsigned();
    let mut request = GetInfo {
        bpf_fd,
        info_len: size_of::<LinkInfo>() as u32,
        info: (&raw mut info) as u64,
    };
    bpf(BPF_OBJ_GET_INFO_BY_FD, &mut request)?;
    Ok(info)
}

/// One call of bpf(2).
fn bpf<T>(command: libc::c_int, attributes: &mut T) -> io::Result<libc::c_int> {
    // SAFETY: the attributes are those of the command, as long as it is told, and what they point to outlives the call.
    let answer = unsafe { libc::syscall(libc::SYS_bpf, command, (&raw mut *attributes), size_of::<T>()) };
    if answer < 0 {
        return Err(io::Error::last_os_error());
    }
    libc::c_int::try_from(answer).map_err(io::Error::other)
}

const BPF_OBJ_PIN: libc::c_int = 6;
const BPF_OBJ_GET_INFO_BY_FD: libc::c_int = 15;

const BPF_LINK_GET_FD_BY_ID: libc::c_int = 30;

const BPF_LINK_DETACH: libc::c_int = 34;
