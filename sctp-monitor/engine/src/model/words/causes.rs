//! Error causes in words.

use std::fmt;

use crate::model::{
    ErrorCause, Short,
    words::{list, plural},
};

/// Several causes, or that there is none.
pub(super) fn causes(causes: &[ErrorCause]) -> String {
    if causes.is_empty() {
        return "without a cause".to_owned();
    }
    let causes: Vec<_> = causes.iter().map(ToString::to_string).collect();
    causes.join(", ")
}

impl fmt::Display for ErrorCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match self {
            Self::InvalidStream {
                stream: Some(stream),
                streams: Some(streams),
            } => write!(
                f,
                " {stream} (there {} {}, numbered from 0)",
                if *streams == 1 { "is" } else { "are" },
                plural(u64::from(*streams), "stream")
            ),
            Self::InvalidStream {
                stream: Some(stream), ..
            } => write!(f, " {stream}"),
            Self::MissingParameters { parameters } | Self::UnrecognizedParameters { parameters } => {
                numbers(f, parameters)
            }
            Self::StaleCookie {
                late_by_us: Some(late_by_us),
            } => {
                let late_by = std::time::Duration::from_micros(u64::from(*late_by_us));
                write!(f, " (late by {})", Short(late_by))
            }
            Self::UnresolvableAddress {
                address: Some(address),
            } => write!(f, " {address}"),
            Self::UnrecognizedChunk {
                chunk_type: Some(chunk_type),
            } => write!(f, " {chunk_type}"),
            Self::NoUserData { tsn: Some(tsn) } => write!(f, " in the chunk with TSN {tsn}"),
            Self::RestartWithNewAddresses { addresses } if !addresses.is_empty() => {
                write!(f, " {}", list(addresses))
            }
            Self::UserInitiated { said: Some(said) } | Self::ProtocolViolation { said: Some(said) } => {
                write!(f, " \"{said}\"")
            }
            Self::Other { code } => write!(f, " (code {code:#06x})"),
            _ => Ok(()),
        }
    }
}

impl ErrorCause {
    /// The name of the cause code (<https://www.iana.org/assignments/sctp-parameters>).
    const fn name(&self) -> &'static str {
        match self {
            Self::InvalidStream { .. } => "invalid stream identifier",
            Self::MissingParameters { .. } => "missing mandatory parameter",
            Self::StaleCookie { .. } => "stale cookie",
            Self::OutOfResource => "out of resource",
            Self::UnresolvableAddress { .. } => "unresolvable address",
            Self::UnrecognizedChunk { .. } => "unrecognized chunk type",
            Self::InvalidParameter => "invalid mandatory parameter",
            Self::UnrecognizedParameters { .. } => "unrecognized parameters",
            Self::NoUserData { .. } => "no user data",
            Self::CookieWhileShuttingDown => "cookie received while shutting down",
            Self::RestartWithNewAddresses { .. } => "restart of an association with new addresses",
            Self::UserInitiated { .. } => "user-initiated abort",
            Self::ProtocolViolation { .. } => "protocol violation",
            Self::Other { code } => sctp_monitor_common::wire::control::cause_name(*code),
        }
    }
}

fn numbers(f: &mut fmt::Formatter<'_>, parameters: &[u16]) -> fmt::Result {
    for (index, parameter) in parameters.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        write!(f, "{comma} {parameter:#06x}")?;
    }
    Ok(())
}
