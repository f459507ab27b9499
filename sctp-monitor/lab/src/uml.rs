//! User Mode Linux: a Linux kernel with its own SCTP as a process, in the place of a host.
//!
//! It stands on the host's veths by packet sockets, with their Ethernet addresses, and gets the addresses and routes that
//! the lab gave to the host, whose own kernel loses them: two IP stacks must not answer for one address. Its root is this
//! machine's file system, read-only, so it runs the same programs. Its console is the endpoint's standard input and output.
//!
//! What it sends crosses the veth like what a process of the namespace sends: hooks at the veth's egress see it.

use std::fmt::Write as _;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};

use crate::error::LabError;
use crate::folder::Folder;
use crate::interface::InterfaceError;
use crate::node::{ADDRESS_SETTINGS, Node};

/// A machine that is about to boot, and the files that it needs until its endpoint runs.
#[derive(Debug)]
pub(crate) struct Machine {
    folder: Folder,
    interfaces: Vec<String>,
    /// On a CPU whose registers it has no room for.
    without_xstate: Option<BpfProgram>,
}

/// User Mode Linux could not be started.
#[derive(Debug, thiserror::Error)]
pub enum UmlError {
    /// It is not installed.
    #[error("User Mode Linux is not installed (no {}); run `cargo xtask setup`", path.display())]
    Missing {
        /// What was looked for.
        path: PathBuf,
    },
    /// Its files could not be written.
    #[error("cannot write {}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The host's addresses could not be taken from it.
    #[error(transparent)]
    Network(#[from] LabError),
    /// An interface's Ethernet address could not be read.
    #[error(transparent)]
    Interface(#[from] InterfaceError),
    /// The filter for its system calls was not accepted.
    #[error(transparent)]
    Filter(#[from] seccompiler::Error),
}

impl Machine {
    /// Takes the host's addresses from it and writes the files for the boot.
    pub(crate) fn prepare(
        node: &Node,
        settings: &[(String, String)],
        endpoint: &Path,
        arguments: &[String],
    ) -> Result<Self, UmlError> {
        let modules = modules()?;
        let folder = Folder::new("uml").map_err(|(path, source)| UmlError::File { path, source })?;
        let write = |name: &str, content: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, content).map_err(|source| UmlError::File { path, source })
        };
        let mut init = INIT_HEAD.to_owned();
        for module in MODULES {
            line(&mut init, &["insmod", &modules.join(module).to_string_lossy()]);
        }
        let own = ADDRESS_SETTINGS.iter().chain(SCTP_SETTINGS).copied();
        let asked = settings
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        for (name, value) in own.chain(asked) {
            let file = format!("/proc/sys/net/{name}");
            line(&mut init, &["put", value, &file]);
        }
        for (number, interface) in node.plan.interfaces.iter().enumerate() {
            let device = format!("vec{number}");
            line(
                &mut init,
                &["ip", "link", "set", "dev", &device, "name", interface],
            );
        }
        for (number, (options, script)) in node.plan.batches.iter().enumerate() {
            let name = format!("ip-{number}");
            write(&name, script)?;
            let path = folder.path().join(&name);
            let mut words = vec!["ip"];
            words.extend(*options);
            let path = path.to_string_lossy();
            words.extend(["-batch", &path]);
            line(&mut init, &words);
        }
        let endpoint = endpoint.to_string_lossy();
        let mut words = vec!["exec", &*endpoint];
        words.extend(arguments.iter().map(String::as_str));
        line(&mut init, &words);
        init.push_str(INIT_TAIL);
        write(INIT, &init)?;
        make_executable(&folder.path().join(INIT))?;
        let flush = |interface: &String| format!("addr flush dev {interface}\n");
        node.ip(&[], &node.plan.interfaces.iter().map(flush).collect::<String>())?;
        let transports = node
            .plan
            .interfaces
            .iter()
            .enumerate()
            .map(|(number, interface)| {
                let mac = node.control.hardware_address(interface)?;
                let mac = mac.map(|byte| format!("{byte:02x}")).join(":");
                Ok(format!("vec{number}:transport=raw,ifname={interface},mac={mac}"))
            });
        let interfaces = transports.collect::<Result<_, InterfaceError>>()?;
        Ok(Self {
            folder,
            interfaces,
            without_xstate: has_large_registers().then(without_xstate).transpose()?,
        })
    }

    /// The machine as a process in the host's namespace. It dies, with all its helpers, with the thread that starts it.
    pub(crate) fn command(&self, node: &Node) -> Command {
        let folder = self.folder.path().to_string_lossy();
        // The machine's main process has helpers that outlive it: in a process namespace they die with it.
        let mut command = node.namespace.command("unshare");
        command
            .args(["--pid", "--fork", "--kill-child=SIGKILL", PROGRAM])
            .args([MEMORY, "rootfstype=hostfs", "ro", "quiet"])
            .args(["con=null", "con0=fd:0,fd:1"])
            .arg(format!("init={folder}/{INIT}"))
            .arg(format!("uml_dir={folder}"))
            .arg("umid=machine")
            .args(&self.interfaces);
        if self.without_xstate.is_some() {
            command.arg(WITHOUT_AVX);
        }
        let without_xstate = self.without_xstate.clone();
        let prepare = move || {
            // SAFETY: prctl with this option takes a signal and touches no memory.
            if unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) } != 0 {
                return Err(io::Error::last_os_error());
            }
            let filter = |program| seccompiler::apply_filter(program).map_err(|_| io::Error::last_os_error());
            without_xstate.as_deref().map_or(Ok(()), filter)
        };
        // SAFETY: between fork and exec the closure makes system calls only, and neither allocates nor takes a lock.
        unsafe { command.pre_exec(prepare) };
        command
    }
}

/// Whether the registers that the host saves for a process are larger than those of AVX-512, 2,696 bytes: AMX's are, for one.
fn has_large_registers() -> bool {
    // Leaf 0xd tells of the XSAVE area (Intel SDM volume 1, chapter 13).
    std::arch::x86_64::__cpuid_count(0xd, 0).ebx > 4_096
}

/// Keeps the extended registers of a process from its tracer: User Mode Linux has room for those of AVX-512, and dies on a CPU with
/// larger ones (`arch/x86/um/os-Linux/registers.c` of Linux 6.1: "ptrace set fp regs failed"). Without them it takes those of SSE,
/// and nothing in the machine may use others: see [`WITHOUT_AVX`].
fn without_xstate() -> Result<BpfProgram, seccompiler::Error> {
    let is =
        |argument, value| SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value);
    let rules = [libc::PTRACE_GETREGSET, libc::PTRACE_SETREGSET]
        .map(|request| SeccompRule::new(vec![is(0, u64::from(request))?, is(2, NT_X86_XSTATE)?]));
    let rules = rules.into_iter().collect::<Result<Vec<_>, _>>()?;
    let filter = SeccompFilter::new(
        [(libc::SYS_ptrace, rules)].into(),
        SeccompAction::Allow,
        SeccompAction::Errno(libc::EINVAL.unsigned_abs()),
        std::env::consts::ARCH.try_into()?,
    )?;
    Ok(filter.try_into()?)
}

/// The folder with the modules of the installed version.
fn modules() -> Result<PathBuf, UmlError> {
    let missing = |path: &str| UmlError::Missing { path: path.into() };
    if !Path::new(PROGRAM).exists() {
        return Err(missing(PROGRAM));
    }
    let versions = std::fs::read_dir(MODULES_FOLDER).map_err(|_| missing(MODULES_FOLDER))?;
    versions
        .filter_map(|version| Some(version.ok()?.path().join("kernel")))
        .find(|kernel| MODULES.iter().all(|module| kernel.join(module).exists()))
        .ok_or_else(|| {
            missing(&format!(
                "{MODULES_FOLDER}/*/kernel/{}",
                MODULES[MODULES.len() - 1]
            ))
        })
}

fn make_executable(path: &Path) -> Result<(), UmlError> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700)).map_err(|source| UmlError::File {
        path: path.to_owned(),
        source,
    })
}

/// A command line of a shell script.
fn line(script: &mut String, words: &[&str]) {
    for word in words {
        let quoted = word.replace('\'', r"'\''");
        write!(script, "'{quoted}' ").expect("a string takes everything");
    }
    script.push('\n');
}

const PROGRAM: &str = "/usr/bin/linux.uml";
/// The environment of the machine's processes: their C library does without the registers that are not saved.
const WITHOUT_AVX: &str = "GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX512BW,-AVX512DQ,-AVX2,-AVX,-AVX_Fast_Unaligned_Load,-XSAVE,-XSAVEC";
/// See `elf.h`.
const NT_X86_XSTATE: u64 = 0x202;
const MODULES_FOLDER: &str = "/usr/lib/uml/modules";

/// In the order in which they need each other.
const MODULES: [&str; 5] = [
    "lib/crc-ccitt.ko",
    "net/ipv6/ipv6.ko",
    "net/ipv4/udp_tunnel.ko",
    "net/ipv6/ip6_udp_tunnel.ko",
    "net/sctp/sctp.ko",
];

/// The package's kernel has no MD5 for its cookies: without this, no association comes up.
const SCTP_SETTINGS: &[(&str, &str)] = &[("sctp/cookie_hmac_alg", "none")];

const INIT: &str = "init";

/// The kernel needs some 25 MB, an endpoint 3.
const MEMORY: &str = "mem=96M";

/// The console hangs up when its other end does; that must end the endpoint, not the shell that powers off. Nothing may be
/// typed before the endpoint is ready: input that comes before the console is open is lost.
const INIT_HEAD: &str = "#!/bin/sh
PATH=/usr/sbin:/usr/bin:/sbin:/bin
trap '' HUP
put() { echo \"$1\" > \"$2\"; }
(
set -e
mount -t proc proc /proc
stty raw -echo
";

/// Powering off takes a moment, in which the first process must not end.
const INIT_TAIL: &str = ")
echo o > /proc/sysrq-trigger
sleep 60
";
