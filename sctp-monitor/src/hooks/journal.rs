//! The journal of this host, by its native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL): each value is a field of its own.

use std::{
    io::{ErrorKind, Write as _},
    os::unix::net::UnixDatagram,
    path::PathBuf,
};

use super::{Deliver, Notice};

/// The journal's socket.
#[derive(Debug)]
pub(super) struct Journal {
    pub(super) path: PathBuf,
}

impl Journal {
    pub(super) fn of_this_host() -> Self {
        Self {
            path: "/run/systemd/journal/socket".into(),
        }
    }
}

impl Deliver for Journal {
    fn deliver(&mut self, notice: &Notice) -> Result<(), String> {
        let socket = UnixDatagram::unbound().map_err(|error| error.to_string())?;
        match socket.send_to(&entry(notice), &self.path) {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                Err(format!("there is no journal at {}", self.path.display()))
            }
            Err(error) => Err(format!("the journal was not told: {error}")),
        }
    }
}

fn entry(notice: &Notice) -> Vec<u8> {
    let mut entry = Vec::new();
    field(&mut entry, "MESSAGE", &notice.text);
    field(&mut entry, "PRIORITY", &notice.priority().to_string());
    field(&mut entry, "SYSLOG_IDENTIFIER", "sctp-monitor");
    for (name, value) in notice.fields() {
        field(
            &mut entry,
            &format!("SCTP_MONITOR_{}", name.to_uppercase()),
            &value,
        );
    }
    field(&mut entry, "SCTP_MONITOR_JSON", &notice.json);
    entry
}

/// The form with a length, in which a value may hold anything.
fn field(entry: &mut Vec<u8>, name: &str, value: &str) {
    // Writing to a vector does not fail.
    let _ = writeln!(entry, "{name}");
    entry.extend((value.len() as u64).to_le_bytes());
    entry.extend(value.as_bytes());
    entry.push(b'\n');
}
