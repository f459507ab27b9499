//! The programs on one NIC.

use std::{fmt, io};

use super::{attach::Hook, held::Held};

/// The programs on one NIC. Dropping it takes them off.
#[derive(Debug)]
pub struct Attachment {
    /// The name by which the operator asked for it.
    pub(super) asked_for: String,
    pub(super) interface: String,
    pub(super) if_index: u32,
    pub(super) ingress: Ingress,
    /// Before `egress`.
    pub(super) steer: Option<Held>,
    pub(super) egress: Option<Held>,
}

/// The program that sees incoming packets.
#[derive(Debug)]
pub(super) struct Ingress {
    pub(super) hook: Hook,
    pub(super) why: String,
    pub(super) link: Held,
}

/// The hooks that a NIC's programs are on no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Missing {
    pub(super) ingress: bool,
    pub(super) egress: bool,
    pub(super) steer: bool,
}

impl Missing {
    /// Whether there are any.
    #[must_use]
    pub fn any(self) -> bool {
        self != Self::default()
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hooks = [
            (self.ingress, "of incoming packets"),
            (self.egress, "of outgoing packets"),
            (self.steer, "that moves packets"),
        ];
        let hooks: Vec<_> = hooks
            .into_iter()
            .filter_map(|(is_missing, hook)| is_missing.then_some(hook))
            .collect();
        write!(f, "the program {}", hooks.join(", and that "))
    }
}

impl Attachment {
    /// The name by which the operator asked for it.
    #[must_use]
    pub fn asked_for(&self) -> &str {
        &self.asked_for
    }

    /// That was another name than the one it has now.
    pub fn was_asked_for_by(&mut self, name: &str) {
        name.clone_into(&mut self.asked_for);
    }

    /// The NIC's name.
    #[must_use]
    pub fn interface(&self) -> &str {
        &self.interface
    }

    /// The NIC has another name from now on.
    pub fn rename(&mut self, interface: &str) {
        interface.clone_into(&mut self.interface);
    }

    /// The NIC's index.
    #[must_use]
    pub fn if_index(&self) -> u32 {
        self.if_index
    }

    /// The hook that sees incoming packets.
    #[must_use]
    pub fn hook(&self) -> Hook {
        self.ingress.hook
    }

    /// Why this hook is used, in words.
    #[must_use]
    pub fn why(&self) -> &str {
        &self.ingress.why
    }

    /// Whether a program moves outgoing packets to other paths.
    #[must_use]
    pub fn steers(&self) -> bool {
        self.steer.is_some()
    }

    /// Whether a program sees outgoing packets.
    #[must_use]
    pub fn sees_egress(&self) -> bool {
        self.egress.is_some()
    }

    /// The names of the files that hold the programs.
    #[must_use]
    pub fn pinned_as(&self) -> Vec<String> {
        let held = [Some(&self.ingress.link), self.egress.as_ref()];
        let names = held.into_iter().flatten().filter_map(Held::pinned_as);
        names.map(str::to_owned).collect()
    }

    /// The programs stay on the NIC for the agent that follows, as far as files hold them; what moves packets does not.
    pub fn leave(self) {
        self.ingress.link.leave();
        if let Some(egress) = self.egress {
            egress.leave();
        }
    }

    /// The hooks from which somebody else has taken the programs.
    ///
    /// # Errors
    /// If the kernel does not answer.
    pub fn missing(&self) -> io::Result<Missing> {
        let is_gone = |held: Option<&Held>| match held {
            Some(held) => held.is_there().map(|is_there| !is_there),
            None => Ok(false),
        };
        Ok(Missing {
            ingress: is_gone(Some(&self.ingress.link))?,
            egress: is_gone(self.egress.as_ref())?,
            steer: is_gone(self.steer.as_ref())?,
        })
    }
}
