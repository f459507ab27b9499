//! What can go wrong with maps and programs.

use std::io;

use aya::{EbpfError, maps::MapError, programs::ProgramError};

/// Why the programs could not be loaded or a map not be used.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// The object was refused before any program.
    #[error("the kernel did not create the BPF maps; {}", advice(.0))]
    Load(#[source] EbpfError),
    /// A program is not in the object: the agent and its programs are of different builds.
    #[error("this build has no BPF program {0}: build it again with `cargo xtask build`")]
    NoProgram(&'static str),
    /// A map is not in the object: the agent and its programs are of different builds.
    #[error("this build has no BPF map {0}: build it again with `cargo xtask build`")]
    NoMap(&'static str),
    /// The verifier, or the lack of a privilege, kept a program out.
    #[error("the kernel did not load the BPF program {name}")]
    Program {
        /// The program.
        name: &'static str,
        /// What aya says, the verifier's log included.
        #[source]
        source: Box<ProgramError>,
    },
    /// A map operation failed.
    #[error("the BPF map {name} cannot be used")]
    Map {
        /// The map.
        name: &'static str,
        /// What aya says.
        #[source]
        source: MapError,
    },
    /// More flows are to be steered than the programs have room for.
    #[error("no more flows can be steered at a time")]
    TooManyOrders,
    /// What an earlier agent left could not be taken away.
    #[error("what an earlier agent left under /sys/fs/bpf/sctp-monitor cannot be removed")]
    Pins(#[source] io::Error),
    /// The flow records could not be mapped into memory.
    #[error("the flow records could not be mapped into memory")]
    Mmap(#[source] io::Error),
}

/// What to do about a load error, as far as it can be told.
fn advice(error: &EbpfError) -> &'static str {
    let denied = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source())
        .filter_map(|error| error.downcast_ref::<io::Error>())
        .any(|error| error.kind() == io::ErrorKind::PermissionDenied);
    if denied {
        "run as root, or with CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON (`sctp-monitor check` shows what is missing)"
    } else {
        "`sctp-monitor check` shows what this kernel allows"
    }
}
