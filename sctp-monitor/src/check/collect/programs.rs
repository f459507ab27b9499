//! What the kernel makes of our maps and programs, and whose programs are there already. The only place here that
//! knows aya. Nothing is attached: the programs are loaded, looked at and dropped.

use std::{collections::BTreeMap, error::Error, io, iter};

use aya::programs::{ProgramError, ProgramInfo, SchedClassifier, TcAttachType, loaded_programs};
use sctp_monitor_common::abi::limits::LEAST_FLOWS;
use tracing::debug;

use super::super::facts::{Load, Maps, Privileges, Program, Refusal, Side, TcxPrograms};
use crate::kernel::{Kernel, KernelError, LoadOptions, xdp_program};

/// Makes the maps, small, and loads the programs that `run` may load here, with that which moves packets if it `steers`.
pub(super) fn load(steers: bool) -> (Maps, Vec<Program>) {
    let mut programs: Vec<_> = [
        (xdp_program(), Side::Xdp),
        ("tc_ingress", Side::TcIngress),
        ("tc_egress", Side::TcEgress),
    ]
    .into_iter()
    .chain(steers.then_some(("tc_steer", Side::TcEgress)))
    .map(|(name, side)| Program {
        name,
        side,
        load: Load::NotTried,
    })
    .collect();
    let options = LoadOptions {
        max_flows: LEAST_FLOWS,
        ring_bytes: RING_BYTES,
        ..LoadOptions::default()
    };
    let mut kernel = match Kernel::load(&options) {
        Ok(kernel) => kernel,
        Err(error) => return (Maps::Refused(refusal(&error)), programs),
    };
    for program in &mut programs {
        program.load = match verified(&mut kernel, program) {
            Ok(info) => Load::Verified {
                instructions: info.verified_instruction_count(),
                compiled: info.size_jitted() > 0,
            },
            Err(error) => Load::Refused(refusal(&error)),
        };
    }
    (Maps::Made, programs)
}

fn verified(kernel: &mut Kernel, program: &Program) -> Result<ProgramInfo, KernelError> {
    let info = match program.side {
        Side::Xdp => kernel.xdp(program.name)?.info(),
        Side::TcIngress | Side::TcEgress => kernel.classifier(program.name)?.info(),
    };
    info.map_err(|source| KernelError::Program {
        name: program.name,
        source: Box::new(source),
    })
}

/// The causes only: what the agent's own error says around them sends its reader to `check`.
fn refusal(error: &KernelError) -> Refusal {
    let causes = || iter::successors(error.source(), |&cause| cause.source());
    let log = match error {
        KernelError::Program { source, .. } => match source.as_ref() {
            ProgramError::LoadError { verifier_log, .. } => verifier_log.to_string(),
            _ => String::new(),
        },
        _ => String::new(),
    };
    let errno = causes()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .find_map(io::Error::raw_os_error);
    // A program's error carries the whole verifier log in its words: its cause is the kernel's answer alone.
    let words: Vec<_> = causes()
        .filter(|cause| log.is_empty() || cause.is::<io::Error>())
        .map(ToString::to_string)
        .collect();
    Refusal {
        why: if words.is_empty() {
            error.to_string()
        } else {
            words.join(": ")
        },
        denied: errno == Some(libc::EPERM),
        log: last_lines(&log),
    }
}

fn last_lines(log: &str) -> Vec<String> {
    let lines: Vec<_> = log.lines().collect();
    let first = lines.len().saturating_sub(LOG_LINES);
    lines[first..].iter().map(|line| (*line).to_owned()).collect()
}

/// TC programs that are attached to a NIC by links.
pub(super) fn tcx(interface: &str, privileges: Privileges) -> TcxPrograms {
    let list = |side| {
        let (_, programs) = SchedClassifier::query_tcx(interface, side)?;
        Ok(programs.iter().map(name_of).collect::<Vec<_>>())
    };
    let both = list(TcAttachType::Ingress).and_then(|ingress| Ok((ingress, list(TcAttachType::Egress)?)));
    match both {
        Ok((ingress, egress)) => TcxPrograms::Listed { ingress, egress },
        Err(error) => {
            debug!(interface, "TCX: {error}");
            // The kernel checks the privilege first, so whoever has it learns of a kernel without TCX.
            if privileges.net_admin && errno(&error) == Some(libc::EINVAL) {
                TcxPrograms::NotThere
            } else {
                TcxPrograms::Unknown
            }
        }
    }
}

/// The loaded programs' names by their ids, as far as this process may see them.
pub(super) fn names() -> BTreeMap<u32, String> {
    loaded_programs()
        .filter_map(Result::ok)
        .map(|info| (info.id(), name_of(&info)))
        .collect()
}

fn name_of(info: &ProgramInfo) -> String {
    match info.name_as_str() {
        Some(name) if !name.is_empty() => name.to_owned(),
        _ => format!("program {}", info.id()),
    }
}

fn errno(error: &ProgramError) -> Option<i32> {
    iter::successors(Some(error as &dyn Error), |&error| error.source())
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .find_map(io::Error::raw_os_error)
}

/// At least a page, whatever its size.
const RING_BYTES: u32 = 1 << 16;

/// What the verifier says last is what it stumbled over.
const LOG_LINES: usize = 30;

#[cfg(test)]
mod tests {
    use aya::sys::SyscallError;

    use super::*;

    #[test]
    fn only_the_end_of_a_log_is_kept() {
        let log: String = (0..100).map(|line| format!("{line}\n")).collect();
        let kept = last_lines(&log);
        assert_eq!(kept.len(), LOG_LINES);
        assert_eq!(kept.last().map(String::as_str), Some("99"));
    }

    fn refused_with(errno: i32) -> Refusal {
        let source = ProgramError::SyscallError(SyscallError {
            call: "bpf_prog_load",
            io_error: io::Error::from_raw_os_error(errno),
        });
        refusal(&KernelError::Program {
            name: "xdp_ingress",
            source: Box::new(source),
        })
    }

    #[test]
    fn a_refusal_tells_the_kernels_answer() {
        let refusal = refused_with(libc::EPERM);
        assert!(refusal.why.contains("not permitted"), "{}", refusal.why);
    }

    #[test]
    fn only_eperm_is_for_want_of_a_privilege() {
        assert!(refused_with(libc::EPERM).denied);
        assert!(
            !refused_with(libc::EACCES).denied,
            "the verifier says so when it rejects"
        );
        assert!(!refused_with(libc::EINVAL).denied);
    }
}
