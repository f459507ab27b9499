//! What holds a program on its hook, and whether it still does.
//!
//! Whoever may load programs may take ours off: the kernel tells nobody. A link stays open then, and leads nowhere.

use std::{
    fs, io,
    os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd},
};

use aya::{
    programs::{
        ProgramError,
        links::{FdLink, LinkError},
        tc::SchedClassifierLink,
        xdp::XdpLink,
    },
    sys::SyscallError,
};

/// A program on its hook; it leaves when this is dropped.
#[derive(Debug)]
pub(super) enum Held {
    /// By a link of the kernel.
    Link {
        /// A second descriptor, to ask.
        asked: OwnedFd,
        /// Keeps it there.
        _link: FdLink,
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

    fn link(link: FdLink) -> Result<Self, ProgramError> {
        let id = link.info().map_err(told)?.id();
        let asked = own_descriptor(id).map_err(|io_error| SyscallError {
            call: "fcntl",
            io_error,
        })?;
        Ok(Self::Link { asked, _link: link })
    }

    /// Whether the program is still on its hook. Of a filter the kernel tells nothing here.
    ///
    /// # Errors
    /// If the kernel does not answer.
    pub(super) fn is_there(&self) -> io::Result<bool> {
        match self {
            Self::Link { asked, .. } => leads_somewhere(asked),
            Self::Filter(_) => Ok(true),
        }
    }
}

fn told(error: LinkError) -> ProgramError {
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

fn leads_somewhere(link: &OwnedFd) -> io::Result<bool> {
    info(link).map(|info| info.if_index != 0)
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

const BPF_OBJ_GET_INFO_BY_FD: libc::c_int = 15;

const BPF_LINK_GET_FD_BY_ID: libc::c_int = 30;

const BPF_LINK_DETACH: libc::c_int = 34;
