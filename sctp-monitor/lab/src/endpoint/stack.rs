//! Whose SCTP an endpoint speaks: the running kernel's, or usrsctp's; and why they never meet in one network namespace.
//!
//! usrsctp reads and writes raw sockets. A kernel that has SCTP sees the same packets, knows none of usrsctp's
//! associations, and answers each of them with an ABORT (RFC 9260, 8.4: an out-of-the-blue packet). So where the
//! kernel has SCTP, endpoints are the kernel's.

use std::fmt;
use std::io;
use std::os::fd::{FromRawFd as _, OwnedFd};
use std::path::Path;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// Which stack an endpoint is asked to use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum StackChoice {
    /// The kernel's where the running kernel has SCTP, else usrsctp
    #[default]
    Auto,
    /// usrsctp; refused where the kernel has SCTP
    Usrsctp,
    /// The running kernel's
    Kernel,
}

/// The stack that an endpoint uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StackKind {
    /// libusrsctp, inside the endpoint's process.
    Usrsctp,
    /// The kernel that the endpoint runs on.
    Kernel,
}

/// The stack that was asked for cannot be used here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StackRefused {
    /// There is no SCTP in this kernel.
    #[error(
        "this kernel has no SCTP (socket() with IPPROTO_SCTP fails); load it with `modprobe sctp`, or use `--stack usrsctp`"
    )]
    KernelHasNone,
    /// Both would answer the same packets.
    #[error(
        "this kernel has SCTP itself and would answer usrsctp's packets with ABORTs, in every network namespace; use \
         `--stack kernel`, or unload the module with `rmmod sctp`"
    )]
    WouldMeetTheKernels,
}

/// What the running kernel does about SCTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KernelSctp {
    /// It opens SCTP sockets; where the module was not loaded, asking has loaded it.
    pub opens_sockets: bool,
    /// It answers SCTP packets.
    pub is_loaded: bool,
}

impl StackChoice {
    /// Looks at the running kernel and decides.
    ///
    /// # Errors
    /// When that stack cannot work here.
    pub fn decide(self) -> Result<StackKind, StackRefused> {
        // Who insists on usrsctp does not want the module loaded by a question.
        let opens_sockets = self != Self::Usrsctp && KernelSctp::opens_sockets();
        self.decide_by(KernelSctp {
            opens_sockets,
            is_loaded: KernelSctp::is_loaded(),
        })
    }

    /// Decides by these facts.
    ///
    /// # Errors
    /// When that stack cannot work there.
    pub fn decide_by(self, kernel: KernelSctp) -> Result<StackKind, StackRefused> {
        match self {
            Self::Auto | Self::Kernel if kernel.opens_sockets => Ok(StackKind::Kernel),
            Self::Kernel => Err(StackRefused::KernelHasNone),
            Self::Auto | Self::Usrsctp if kernel.is_loaded => Err(StackRefused::WouldMeetTheKernels),
            Self::Auto | Self::Usrsctp => Ok(StackKind::Usrsctp),
        }
    }
}

impl KernelSctp {
    fn opens_sockets() -> bool {
        open_socket(libc::AF_INET).is_ok()
    }

    /// The module makes this folder in every network namespace.
    fn is_loaded() -> bool {
        Path::new("/proc/self/net/sctp").is_dir()
    }
}

/// Opens a one-to-many socket of the kernel's SCTP that does not block.
///
/// # Errors
/// What the system says, `EPROTONOSUPPORT` where there is no SCTP.
pub fn open_socket(family: i32) -> io::Result<OwnedFd> {
    let kind = libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: socket takes three integers.
    let fd = unsafe { libc::socket(family, kind, libc::IPPROTO_SCTP) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just returned this descriptor, nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

impl fmt::Display for StackChoice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Auto => "auto",
            Self::Usrsctp => "usrsctp",
            Self::Kernel => "kernel",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: KernelSctp = KernelSctp {
        opens_sockets: false,
        is_loaded: false,
    };
    const LOADED: KernelSctp = KernelSctp {
        opens_sockets: true,
        is_loaded: true,
    };
    /// Loaded, but sockets are refused: to this user, say.
    const CLOSED: KernelSctp = KernelSctp {
        opens_sockets: false,
        is_loaded: true,
    };

    #[test]
    fn the_kernels_stack_is_taken_where_there_is_one() {
        assert_eq!(StackChoice::Auto.decide_by(LOADED), Ok(StackKind::Kernel));
        assert_eq!(StackChoice::Auto.decide_by(NONE), Ok(StackKind::Usrsctp));
        assert_eq!(StackChoice::Kernel.decide_by(LOADED), Ok(StackKind::Kernel));
        assert_eq!(
            StackChoice::Kernel.decide_by(NONE),
            Err(StackRefused::KernelHasNone)
        );
    }

    #[test]
    fn usrsctp_and_the_kernels_stack_never_meet() {
        assert_eq!(StackChoice::Usrsctp.decide_by(NONE), Ok(StackKind::Usrsctp));
        for (choice, kernel) in [
            (StackChoice::Usrsctp, LOADED),
            (StackChoice::Usrsctp, CLOSED),
            (StackChoice::Auto, CLOSED),
        ] {
            let refused = choice.decide_by(kernel).unwrap_err();
            assert_eq!(refused, StackRefused::WouldMeetTheKernels);
            assert!(refused.to_string().contains("ABORT"), "it says why");
        }
    }
}
