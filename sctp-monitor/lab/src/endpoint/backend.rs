//! What an endpoint runs on.

/// The machine under an endpoint: this one, or another Linux that takes a host's place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Backend {
    /// A process in the host's namespace, over the stack that its configuration names.
    #[default]
    Process,
    /// Linux with its own SCTP as a process (User Mode Linux) on the host's NICs.
    UserModeLinux {
        /// Files under `/proc/sys/net` and what is written to them, as (`sctp/addip_enable`, `1`).
        settings: Vec<(String, String)>,
    },
}

impl Backend {
    /// User Mode Linux with its SCTP at its defaults.
    #[must_use]
    pub fn user_mode_linux() -> Self {
        Self::UserModeLinux { settings: Vec::new() }
    }

    /// The same with a file under `/proc/sys/net` written.
    #[must_use]
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        if let Self::UserModeLinux { settings } = &mut self {
            settings.push((name.to_owned(), value.to_owned()));
        }
        self
    }
}
