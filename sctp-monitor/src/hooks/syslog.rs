//! A syslog server (RFC 5424, with structured data): by UDP, by TCP with octet counting (RFC 6587), or by a Unix socket.

use std::{
    fs,
    io::{self, Write as _},
    net::{TcpStream, ToSocketAddrs as _, UdpSocket},
    os::unix::net::UnixDatagram,
    path::PathBuf,
    process,
    str::FromStr,
    time::Duration,
};

use super::{Deliver, Notice};

/// Where it is, and what this host is called.
#[derive(Debug)]
pub(super) struct Syslog {
    place: Place,
    host: String,
}

#[derive(Debug, PartialEq, Eq)]
enum Place {
    Udp(String),
    Tcp(String),
    Unix(PathBuf),
}

/// What is set is no syslog server.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is no syslog server; right are udp:HOST:514, tcp:HOST:601 and unix:/dev/log")]
pub struct NoServer(String);

impl FromStr for Syslog {
    type Err = NoServer;

    fn from_str(text: &str) -> Result<Self, NoServer> {
        let none = || NoServer(text.to_owned());
        let (kind, place) = text.split_once(':').ok_or_else(none)?;
        let has_port = || {
            place
                .rsplit_once(':')
                .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
        };
        let place = match kind {
            "udp" if has_port() => Place::Udp(place.to_owned()),
            "tcp" if has_port() => Place::Tcp(place.to_owned()),
            "unix" if place.starts_with('/') => Place::Unix(place.into()),
            _ => return Err(none()),
        };
        let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let host: String = host
            .trim()
            .chars()
            .filter(char::is_ascii_graphic)
            .take(255)
            .collect();
        Ok(Self {
            place,
            host: if host.is_empty() { "-".to_owned() } else { host },
        })
    }
}

impl Deliver for Syslog {
    fn deliver(&mut self, notice: &Notice) -> Result<(), String> {
        let message = message(notice, &self.host);
        let sent = match &self.place {
            Place::Udp(place) => by_udp(place, message.as_bytes()),
            Place::Tcp(place) => by_tcp(place, &message),
            Place::Unix(path) => {
                UnixDatagram::unbound().and_then(|socket| socket.send_to(message.as_bytes(), path).map(drop))
            }
        };
        sent.map_err(|error| format!("the syslog server was not told: {error}"))
    }
}

fn by_udp(place: &str, message: &[u8]) -> io::Result<()> {
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in place.to_socket_addrs()? {
        let own = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let sent = UdpSocket::bind(own).and_then(|socket| socket.send_to(message, address));
        match sent {
            Ok(_) => return Ok(()),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// A connection a message: incidents are rare, and one that was closed meanwhile would swallow the first.
fn by_tcp(place: &str, message: &str) -> io::Result<()> {
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in place.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(mut stream) => {
                stream.set_write_timeout(Some(PATIENCE))?;
                return write!(stream, "{} {message}", message.len());
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// One message. Without a number of its own the structured data are named by the one for examples (RFC 5612).
fn message(notice: &Notice, host: &str) -> String {
    let priority = DAEMON * 8 + notice.priority();
    // RFC 5424 section 6.2.3 has six digits of a second at most.
    let time = notice.time.to_string();
    let time = time.trim_end_matches('Z');
    let time = time.get(..time.len().saturating_sub(3)).unwrap_or("-");
    let data: String = notice
        .fields()
        .iter()
        .map(|(name, value)| format!(" {name}=\"{}\"", escaped(value)))
        .collect();
    format!(
        "<{priority}>1 {time}Z {host} sctp-monitor {} incident [sctpMonitor@32473{data}] \u{feff}{}",
        process::id(),
        notice.text
    )
}

/// RFC 5424 section 6.3.3.
fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace(']', "\\]")
}

/// The facility of daemons.
const DAEMON: u8 = 3;

const PATIENCE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_named_with_its_transport() {
        for (text, place) in [
            ("udp:192.0.2.1:514", Place::Udp("192.0.2.1:514".to_owned())),
            (
                "tcp:[2001:db8::1]:601",
                Place::Tcp("[2001:db8::1]:601".to_owned()),
            ),
            ("unix:/dev/log", Place::Unix("/dev/log".into())),
        ] {
            assert_eq!(text.parse::<Syslog>().unwrap().place, place);
        }
        for text in [
            "",
            "192.0.2.1",
            "udp:192.0.2.1",
            "unix:log",
            "tls:a:1",
            "udp::514",
        ] {
            let error = text.parse::<Syslog>().unwrap_err().to_string();
            assert!(error.contains("udp:HOST:514"), "{error}");
        }
    }

    #[test]
    fn values_cannot_end_the_structured_data() {
        assert_eq!(escaped("a\"]b\\"), "a\\\"\\]b\\\\");
    }
}
