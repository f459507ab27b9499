//! Why a lab could not be built.

use crate::interface::InterfaceError;
use crate::netns::NetnsError;
use crate::tool::ToolError;

/// The lab could not be built.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// A namespace could not be made or entered.
    #[error(transparent)]
    Namespace(#[from] NetnsError),
    /// `ip` refused.
    #[error("cannot set up the network of `{node}`")]
    Tool {
        /// The host, router or switch, or `net` for the middle.
        node: String,
        /// The error of the tool.
        source: ToolError,
    },
    /// A kernel setting could not be written.
    #[error("cannot write net/{setting} in `{node}`")]
    Setting {
        /// The host, router or switch, or `net` for the middle.
        node: String,
        /// The file under `/proc/sys/net`.
        setting: String,
        /// The system's error.
        source: std::io::Error,
    },
    /// An interface could not be changed.
    #[error(transparent)]
    Interface(#[from] InterfaceError),
    /// An interface has no carrier although both its ends are up.
    #[error("interface `{interface}` of `{node}` gets no carrier")]
    NoCarrier {
        /// The host, router or switch.
        node: String,
        /// The interface.
        interface: String,
    },
}
