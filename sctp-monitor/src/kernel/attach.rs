//! Chooses the hook of a NIC: native XDP, TC ingress, or what was asked for.
//!
//! Native XDP sees a packet first and costs least. One of a pair of NICs is better off with TC. Where it cannot be had (a driver without it, another XDP program on
//! the NIC, too large an MTU), TC ingress sees the same packets a little later. Generic XDP is slower than TC and
//! linearises every packet, so it is only used on request.

use std::{fmt, io, path::PathBuf};

use aya::programs::{
    LinkOrder, ProgramError, SchedClassifier, TcAttachType, Xdp, XdpMode,
    tc::{self, NlOptions, TcAttachOptions},
};
use aya::util::KernelVersion;
use nix::net::if_::if_nametoindex;

use super::{
    Kernel, KernelError, XDP_FRAGS_SINCE,
    attachment::{Attachment, Ingress, Missing},
    held::{Held, told},
};

/// The hook that the operator asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookChoice {
    /// Native XDP, or TC ingress where that cannot be had.
    Auto,
    /// TC ingress, as `Auto` chooses it on one of a pair of NICs.
    TcOnPair,
    /// Native XDP only.
    XdpNative,
    /// Generic XDP only.
    XdpGeneric,
    /// TC ingress only.
    Tc,
}

impl HookChoice {
    /// The choice for a NIC of this kind (IFLA_INFO_KIND).
    #[must_use]
    pub fn on(self, kind: Option<&str>) -> Self {
        match self {
            Self::Auto if kind.is_some_and(is_pair) => Self::TcOnPair,
            choice => choice,
        }
    }
}

/// Whether NICs of this kind come in pairs, and what one receives the other has sent on this host.
#[must_use]
pub fn is_pair(kind: &str) -> bool {
    matches!(kind, "veth" | "netkit")
}

/// Why `Auto` takes TC there: `veth_enable_xdp` (drivers/net/veth.c) switches the peer's GSO off, and what is sent in large pieces
/// inside of a host then crosses in small ones.
pub const PAIR: &str = "on one of a pair of NICs it would switch segmentation offload off and cost throughput; --hook xdp-native \
                        insists on it";

/// The hook that a NIC got, for incoming packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hook {
    /// XDP in the driver.
    XdpNative,
    /// XDP in the network stack.
    XdpGeneric,
    /// TC ingress.
    Tc,
}

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::XdpNative => "xdp-native",
            Self::XdpGeneric => "xdp-generic",
            Self::Tc => "tc",
        })
    }
}

/// Why a NIC is not watched.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// This network namespace has no such interface.
    #[error("there is no interface {0} in this network namespace (`ip link` lists the interfaces)")]
    NoInterface(String),
    /// The NIC does not accept the hook that was asked for.
    #[error("{interface} cannot take {hook}: {why}")]
    Refused {
        /// The name of the NIC.
        interface: String,
        /// The hook that was tried.
        hook: &'static str,
        /// The reason, and what to do.
        why: String,
        /// What the kernel said.
        #[source]
        source: Box<ProgramError>,
    },
    /// A program could not be loaded.
    #[error(transparent)]
    Kernel(#[from] KernelError),
}

impl Kernel {
    /// Attaches to a NIC of this network namespace: ingress by `choice`, and TC egress if `egress`.
    ///
    /// # Errors
    /// [`AttachError`]; nothing stays attached then.
    pub fn attach(
        &mut self,
        interface: &str,
        choice: HookChoice,
        egress: bool,
    ) -> Result<Attachment, AttachError> {
        let if_index = index_of(interface)?;
        if !egress {
            self.take_off(interface, if_index, FILE_TC_EGRESS);
        }
        let egress = egress
            .then(|| self.attach_tc(interface, TcAttachType::Egress, TC_EGRESS))
            .transpose()?;
        let ingress = self.attach_ingress(interface, choice)?;
        Ok(Attachment {
            asked_for: interface.to_owned(),
            interface: interface.to_owned(),
            if_index,
            ingress,
            steer: None,
            egress,
        })
    }

    /// Attaches again what somebody else has taken off, and nothing besides.
    ///
    /// # Errors
    /// [`AttachError`]; what is attached still stays.
    pub fn mend(
        &mut self,
        attachment: &mut Attachment,
        missing: Missing,
        choice: HookChoice,
    ) -> Result<(), AttachError> {
        let interface = attachment.interface.clone();
        if missing.egress {
            attachment.egress = None;
            let egress = self.attach_tc(&interface, TcAttachType::Egress, TC_EGRESS)?;
            attachment.egress = Some(egress);
        }
        if missing.steer || missing.egress && attachment.steer.is_some() {
            // It stands in front.
            attachment.steer = None;
            self.attach_steering(attachment)?;
        }
        if missing.ingress {
            attachment.ingress = self.attach_ingress(&interface, choice)?;
        }
        Ok(())
    }

    /// Attaches the program that moves packets to other paths, in front of the one that sees outgoing packets.
    ///
    /// # Errors
    /// [`AttachError`]; what is attached already stays.
    pub fn attach_steering(&mut self, attachment: &mut Attachment) -> Result<(), AttachError> {
        let steer = self.attach_tc(&attachment.interface, TcAttachType::Egress, TC_STEER)?;
        attachment.steer = Some(steer);
        Ok(())
    }

    fn attach_ingress(&mut self, interface: &str, choice: HookChoice) -> Result<Ingress, AttachError> {
        let asked = |hook, link| Ingress {
            hook,
            why: "as asked".to_owned(),
            link,
        };
        match choice {
            HookChoice::XdpNative => {
                let link = self.attach_xdp(interface, XdpMode::Driver)?;
                Ok(asked(Hook::XdpNative, link))
            }
            HookChoice::XdpGeneric => {
                let link = self.attach_xdp(interface, XdpMode::Skb)?;
                Ok(asked(Hook::XdpGeneric, link))
            }
            HookChoice::Tc => {
                let link = self.attach_tc(interface, TcAttachType::Ingress, TC_INGRESS)?;
                Ok(asked(Hook::Tc, link))
            }
            HookChoice::TcOnPair => {
                let link = self.attach_tc(interface, TcAttachType::Ingress, TC_INGRESS)?;
                Ok(Ingress {
                    hook: Hook::Tc,
                    why: format!("no native XDP: {PAIR}"),
                    link,
                })
            }
            HookChoice::Auto => match self.attach_xdp(interface, XdpMode::Driver) {
                Ok(link) => Ok(Ingress {
                    hook: Hook::XdpNative,
                    why: "the driver supports it".to_owned(),
                    link,
                }),
                Err(AttachError::Refused { why, .. }) => {
                    let link = self.attach_tc(interface, TcAttachType::Ingress, TC_INGRESS)?;
                    Ok(Ingress {
                        hook: Hook::Tc,
                        why: format!("no native XDP: {why}"),
                        link,
                    })
                }
                Err(other) => Err(other),
            },
        }
    }

    fn attach_xdp(&mut self, interface: &str, mode: XdpMode) -> Result<Held, AttachError> {
        let (hook, file) = match mode {
            XdpMode::Skb => ("generic XDP", FILE_XDP_GENERIC),
            _ => ("native XDP", FILE_XDP_NATIVE),
        };
        let if_index = index_of(interface)?;
        // A NIC has one XDP program.
        for other in [FILE_XDP_NATIVE, FILE_XDP_GENERIC] {
            if other != file {
                self.take_off(interface, if_index, other);
            }
        }
        let files = self.files(if_index, file);
        let program = self.xdp(xdp_program())?;
        let taken_over = Held::left_by_another(&files, if_index, |link| {
            let link = program.attach_to_link(link.try_into().map_err(told)?)?;
            program.take_link(link).and_then(Held::xdp)
        });
        let held = match taken_over {
            Some(held) => held,
            None => {
                let attached = program
                    .attach(interface, mode)
                    .and_then(|link| program.take_link(link))
                    .and_then(Held::xdp);
                let mut held = attached.map_err(|source| refused(interface, hook, source))?;
                if let Some(file) = files.first() {
                    held.pin_or_warn(file);
                }
                held
            }
        };
        // A packet is counted once.
        self.take_off(interface, if_index, FILE_TC_INGRESS);
        Ok(held)
    }

    /// Takes off what an agent before this one left on a hook of a NIC, if it left anything.
    fn take_off(&self, interface: &str, if_index: u32, hook: &str) {
        if self.pins.is_none() {
            return;
        }
        for file in self.files(if_index, hook) {
            Held::take_off(&file);
        }
        if has_tcx() {
            return;
        }
        // There is none as a rule.
        let _ = match hook {
            FILE_TC_INGRESS => tc::qdisc_detach_program(interface, TcAttachType::Ingress, TC_INGRESS),
            FILE_TC_EGRESS => tc::qdisc_detach_program(interface, TcAttachType::Egress, TC_EGRESS),
            _ => Ok(()),
        };
    }

    /// Where this agent leaves the link of a hook, if anywhere, and where others may have left it.
    fn files(&self, if_index: u32, hook: &str) -> Vec<PathBuf> {
        let pins = self.pins.as_ref();
        pins.map_or_else(Vec::new, |pins| pins.links_of_all(&format!("{if_index}-{hook}")))
    }

    fn attach_tc(
        &mut self,
        interface: &str,
        side: TcAttachType,
        name: &'static str,
    ) -> Result<Held, AttachError> {
        if !has_tcx() {
            // It may be there already; if it cannot be made, attaching says so.
            let _ = tc::qdisc_add_clsact(interface);
            // What an agent that was killed left behind. There is none as a rule.
            let _ = tc::qdisc_detach_program(interface, side, name);
            if name == TC_EGRESS {
                let _ = tc::qdisc_detach_program(interface, side, TC_STEER);
            }
        }
        // Before all others: a program that lets a packet pass for good ends the chain (TC_ACT_OK), ours never does. Where there
        // is no TCX the kernel puts the last one first (`tcf_auto_prio`).
        let place = if has_tcx() {
            TcAttachOptions::TcxOrder(LinkOrder::first())
        } else {
            TcAttachOptions::Netlink(NlOptions::default())
        };
        let if_index = index_of(interface)?;
        if name == TC_INGRESS {
            for xdp in [FILE_XDP_NATIVE, FILE_XDP_GENERIC] {
                self.take_off(interface, if_index, xdp);
            }
        }
        let files = match file_of(name) {
            Some(file) if has_tcx() => self.files(if_index, file),
            _ => Vec::new(),
        };
        let program = self.classifier(name)?;
        let taken_over = Held::left_by_another(&files, if_index, |link| {
            let link = program.attach_to_link(link.try_into().map_err(told)?)?;
            program.take_link(link).and_then(|link| Held::tc(link, true))
        });
        if let Some(held) = taken_over {
            return Ok(held);
        }
        let attached = program
            .attach_with_options(interface, side, place)
            .and_then(|link| program.take_link(link))
            .and_then(|link| Held::tc(link, has_tcx()));
        let mut held = attached.map_err(|source| refused(interface, hook_of(name), source))?;
        if let Some(file) = files.first() {
            held.pin_or_warn(file);
        }
        Ok(held)
    }

    /// An XDP program, loaded.
    ///
    /// # Errors
    /// If the kernel refuses it.
    pub fn xdp(&mut self, name: &'static str) -> Result<&mut Xdp, KernelError> {
        let program = self.ebpf.program_mut(name).ok_or(KernelError::NoProgram(name))?;
        let program: &mut Xdp = program.try_into().map_err(program_error(name))?;
        if program.fd().is_err() {
            program.load().map_err(program_error(name))?;
        }
        Ok(program)
    }

    /// A TC program, loaded.
    ///
    /// # Errors
    /// If the kernel refuses it.
    pub fn classifier(&mut self, name: &'static str) -> Result<&mut SchedClassifier, KernelError> {
        let program = self.ebpf.program_mut(name).ok_or(KernelError::NoProgram(name))?;
        let program: &mut SchedClassifier = program.try_into().map_err(program_error(name))?;
        if program.fd().is_err() {
            program.load().map_err(program_error(name))?;
        }
        Ok(program)
    }
}

fn index_of(interface: &str) -> Result<u32, AttachError> {
    if_nametoindex(interface).map_err(|_| AttachError::NoInterface(interface.to_owned()))
}

/// The end of the name of the file that holds a TC program; the one that moves packets has none.
fn file_of(program: &str) -> Option<&'static str> {
    match program {
        TC_INGRESS => Some(FILE_TC_INGRESS),
        TC_EGRESS => Some(FILE_TC_EGRESS),
        _ => None,
    }
}

/// A TC program's hook, in words.
fn hook_of(program: &str) -> &'static str {
    match program {
        TC_INGRESS => "TC ingress",
        TC_STEER => "TC egress, to move packets",
        _ => "TC egress",
    }
}

/// The ends of the names of the files that hold programs.
const FILE_XDP_NATIVE: &str = "xdp-native";
const FILE_XDP_GENERIC: &str = "xdp-generic";
const FILE_TC_INGRESS: &str = "tc-ingress";
const FILE_TC_EGRESS: &str = "tc-egress";

const TC_INGRESS: &str = "tc_ingress";
const TC_EGRESS: &str = "tc_egress";
const TC_STEER: &str = "tc_steer";

/// The XDP program for this kernel: with fragments, so that a large MTU is no obstacle, where the kernel has them.
#[must_use]
pub fn xdp_program() -> &'static str {
    match KernelVersion::current() {
        Ok(version) if version >= XDP_FRAGS_SINCE => "xdp_ingress_frags",
        _ => "xdp_ingress",
    }
}

/// Whether this kernel has TCX, whose links go away with the agent (Linux 6.6).
#[must_use]
pub fn has_tcx() -> bool {
    KernelVersion::current().is_ok_and(|version| version >= KernelVersion::new(6, 6, 0))
}

fn program_error(name: &'static str) -> impl FnOnce(ProgramError) -> KernelError {
    move |source| KernelError::Program {
        name,
        source: Box::new(source),
    }
}

fn refused(interface: &str, hook: &'static str, source: ProgramError) -> AttachError {
    AttachError::Refused {
        interface: interface.to_owned(),
        hook,
        why: explain(&source),
        source: Box::new(source),
    }
}

/// The kernel's answer in words, with what to do about it.
fn explain(error: &ProgramError) -> String {
    let errno = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source())
        .find_map(|error| error.downcast_ref::<io::Error>())
        .and_then(io::Error::raw_os_error);
    match errno {
        Some(libc::EBUSY) => "another XDP program is attached (`ip -details link show` shows it)".to_owned(),
        Some(libc::EEXIST) => {
            "another XDP program is attached in another mode (`ip -details link show` shows it)".to_owned()
        }
        Some(libc::EOPNOTSUPP) => "the driver does not support it".to_owned(),
        Some(libc::EPERM | libc::EACCES) => {
            "not permitted; run as root, or with CAP_BPF and CAP_NET_ADMIN".to_owned()
        }
        Some(libc::EINVAL | libc::ERANGE | libc::EFBIG | libc::E2BIG) => {
            "the driver refused it; common reasons are a large MTU, LRO or too few queues (see `dmesg`)"
                .to_owned()
        }
        Some(libc::ENODEV) => "the interface is gone".to_owned(),
        Some(libc::ENOMEM | libc::ENOSPC) => "there is no memory or no queue left for it".to_owned(),
        _ => chain(error),
    }
}

/// An error with its causes, on one line.
fn chain(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source())
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}
