//! The lines that an endpoint obeys on its standard input.

use std::net::IpAddr;
use std::str::FromStr;

/// One line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Command {
    /// `rate N`: messages a second over each association.
    Rate(f64),
    /// `size N`: bytes a message.
    Size(usize),
    /// `set_primary ADDR`: the primary path of every association that has this peer address.
    SetPrimary(IpAddr),
    /// `add_address ADDR`: bind to it and tell the peers.
    AddAddress(IpAddr),
    /// `remove_address ADDR`: bind to it no more and tell the peers.
    RemoveAddress(IpAddr),
    /// `clock`: report the time.
    Clock,
    /// `paths`: report how the stack sees them.
    Paths,
    /// `shutdown`: end every association, then the process.
    Shutdown,
    /// `abort`: abort every association and end.
    Abort,
    /// `quit`: end without a word to the peers.
    Quit,
}

impl FromStr for Command {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let (verb, argument) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
        let unclear = |error: &dyn std::fmt::Display| format!("`{line}`: {error}");
        match (verb, argument) {
            ("rate", number) => match number.parse() {
                Ok(rate) if rate >= 0.0 && f64::is_finite(rate) => Ok(Self::Rate(rate)),
                Ok(_) => Err(unclear(&"a rate is a number from 0 on")),
                Err(error) => Err(unclear(&error)),
            },
            ("size", number) => number.parse().map(Self::Size).map_err(|error| unclear(&error)),
            ("set_primary" | "add_address" | "remove_address", address) => {
                let address = address.parse().map_err(|error| unclear(&error))?;
                Ok(match verb {
                    "set_primary" => Self::SetPrimary(address),
                    "add_address" => Self::AddAddress(address),
                    _ => Self::RemoveAddress(address),
                })
            }
            ("clock", "") => Ok(Self::Clock),
            ("paths", "") => Ok(Self::Paths),
            ("shutdown", "") => Ok(Self::Shutdown),
            ("abort", "") => Ok(Self::Abort),
            ("quit", "") => Ok(Self::Quit),
            _ => Err(unclear(
                &"not one of rate, size, set_primary, add_address, remove_address, paths, clock, shutdown, abort, quit",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read() {
        assert_eq!("rate 12.5\n".parse(), Ok(Command::Rate(12.5)));
        assert_eq!("size 1400".parse(), Ok(Command::Size(1400)));
        assert_eq!(
            "set_primary fd00::1".parse(),
            Ok(Command::SetPrimary("fd00::1".parse().unwrap()))
        );
        assert_eq!(
            "remove_address 10.1.2.1".parse(),
            Ok(Command::RemoveAddress("10.1.2.1".parse().unwrap()))
        );
        assert_eq!("shutdown".parse(), Ok(Command::Shutdown));
    }

    #[test]
    fn nonsense_is_refused_with_the_line() {
        for line in [
            "rate",
            "rate x",
            "rate -1",
            "rate inf",
            "size",
            "set_primary x",
            "shutdown now",
            "",
            "dance",
        ] {
            let error = line.parse::<Command>().unwrap_err();
            assert!(error.contains(&format!("`{line}`")), "{error}");
        }
    }
}
