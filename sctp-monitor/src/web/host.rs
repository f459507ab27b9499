//! Whether a request is meant for this server: a page elsewhere may have its name lead to the loopback address of whoever opens it
//! (DNS rebinding), and would read through that browser what only this host may read.
//!
//! Such a request names that page's host. Where only this host can reach the server and no password is asked for, it must name a loopback
//! address or `localhost`.

use std::net::IpAddr;

use axum::http::{HeaderMap, Uri, header, uri::Authority};

/// How a client reached the server.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reached {
    /// By an address that only this host can reach.
    pub(super) on_loopback: bool,
}

impl Reached {
    /// By this address.
    pub(super) fn at(address: IpAddr) -> Self {
        Self {
            on_loopback: address.to_canonical().is_loopback(),
        }
    }

    /// Whether the request may be meant for it; who asks for a password is not read through somebody's browser.
    pub(super) fn is_meant(self, asks_for_password: bool, uri: &Uri, headers: &HeaderMap) -> bool {
        if !self.on_loopback || asks_for_password {
            return true;
        }
        let mut hosts = headers.get_all(header::HOST).iter();
        let by_header = hosts.next().and_then(|host| host.to_str().ok());
        // Several hosts are nobody's. One in the request line comes before the header (RFC 9112 section 3.2.2).
        let host = uri.authority().map(Authority::as_str).or(by_header);
        hosts.next().is_none() && host.is_none_or(is_this_host)
    }
}

/// Said to whoever meant another one.
pub(super) const REFUSAL: &str = "this server is for its own host: name it 127.0.0.1, [::1] or localhost, as in \
    http://127.0.0.1:9143/; to reach it by another name, set passwords by --web.config.file (docs/web.md)";

/// Whether a name in a request can only be that of the host itself.
fn is_this_host(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else {
        return false;
    };
    let name = authority.host().to_ascii_lowercase();
    let name = name.trim_start_matches('[').trim_end_matches(']');
    let address = name.parse::<IpAddr>();
    address.map_or(name == "localhost" || name.ends_with(".localhost"), |address| {
        address.to_canonical().is_loopback()
    })
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn is_meant(reached: &str, asks_for_password: bool, hosts: &[&'static str]) -> bool {
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append(header::HOST, HeaderValue::from_static(host));
        }
        let reached = Reached::at(reached.parse().unwrap());
        reached.is_meant(asks_for_password, &Uri::from_static("/"), &headers)
    }

    #[test]
    fn names_of_others_do_not_lead_to_the_loopback_address() {
        for own in [
            "127.0.0.1",
            "127.0.0.1:9143",
            "127.8.0.1:1",
            "[::1]:9143",
            "[::1]",
            "localhost:9143",
            "LOCALHOST",
            "a.localhost",
        ] {
            assert!(is_meant("127.0.0.1", false, &[own]), "{own}");
        }
        for other in [
            "evil.example:9143",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "notlocalhost",
            "evil.example@127.0.0.1 x",
            "192.0.2.1",
            "0.0.0.0:9143",
            "",
            "[::1",
        ] {
            assert!(!is_meant("127.0.0.1", false, &[other]), "{other}");
            assert!(!is_meant("::1", false, &[other]), "{other}");
            assert!(!is_meant("::ffff:127.0.0.1", false, &[other]), "{other}");
        }
        assert!(!is_meant("127.0.0.1", false, &["localhost", "evil.example"]));
        let uri = Uri::from_static("http://evil.example/");
        let reached = Reached::at([127, 0, 0, 1].into());
        assert!(!reached.is_meant(false, &uri, &HeaderMap::new()));
    }

    #[test]
    fn who_can_be_reached_from_elsewhere_or_asks_for_a_password_may_have_any_name() {
        assert!(is_meant("192.0.2.7", false, &["monitor.example"]));
        assert!(is_meant("127.0.0.1", true, &["monitor.example"]));
        assert!(
            is_meant("127.0.0.1", false, &[]),
            "HTTP/1.0, which no browser speaks"
        );
    }
}
