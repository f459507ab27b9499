//! Where the server listens, and how much it tells: the table `web` of the configuration file, and the options that win over it.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    str::FromStr,
};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::cli::WebArgs;

/// The table `web`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct WebSettings {
    /// Addresses at which the server listens; there is none without any.
    pub listen_address: Vec<ListenAddress>,
    /// A file with the certificate and the users; empty for none.
    pub config_file: PathBuf,
    /// Series of single associations and paths, at most.
    pub max_series: usize,
}

impl Default for WebSettings {
    fn default() -> Self {
        Self {
            listen_address: Vec::new(),
            config_file: PathBuf::new(),
            max_series: 2_000,
        }
    }
}

impl WebArgs {
    /// The options, in place of what the file says.
    #[must_use]
    pub fn over(&self, file: &WebSettings) -> WebSettings {
        let mut settings = file.clone();
        if !self.listen_address.is_empty() {
            settings.listen_address.clone_from(&self.listen_address);
        }
        if let Some(file) = &self.config_file {
            settings.config_file.clone_from(file);
        }
        settings.max_series = self.max_series.unwrap_or(settings.max_series);
        settings
    }
}

/// An address and a port; the address is the loopback address unless it is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema)]
pub struct ListenAddress(#[schemars(with = "String")] pub SocketAddr);

/// Neither `ADDRESS:PORT` nor `:PORT`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not an address to listen at; right are 127.0.0.1:9143, [::1]:9143, 0.0.0.0:9143, and :9143 for 127.0.0.1:9143"
)]
pub struct NoListenAddress {
    /// What was said.
    text: String,
}

impl FromStr for ListenAddress {
    type Err = NoListenAddress;

    fn from_str(text: &str) -> Result<Self, NoListenAddress> {
        let on_loopback = || {
            let port = text.strip_prefix(':').or(text.strip_prefix("localhost:"))?;
            Some(SocketAddr::new(
                IpAddr::V4(Ipv4Addr::LOCALHOST),
                port.parse().ok()?,
            ))
        };
        let address = text.parse().ok().or_else(on_loopback);
        address.map(Self).ok_or_else(|| NoListenAddress {
            text: text.to_owned(),
        })
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for ListenAddress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ListenAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_else_can_ask_unless_an_address_is_named() {
        for (text, address) in [
            (":9143", "127.0.0.1:9143"),
            ("localhost:9143", "127.0.0.1:9143"),
            ("127.0.0.2:80", "127.0.0.2:80"),
            ("[::1]:9143", "[::1]:9143"),
            ("0.0.0.0:9143", "0.0.0.0:9143"),
        ] {
            assert_eq!(text.parse::<ListenAddress>().unwrap().to_string(), address);
        }
        for text in ["", "9143", ":", ":99999", "10.1.1.1", "host:9143"] {
            let error = text.parse::<ListenAddress>().unwrap_err().to_string();
            assert!(error.contains("127.0.0.1:9143"), "{error}");
        }
    }

    #[test]
    fn options_win_over_the_file() {
        let file = WebSettings {
            listen_address: vec![":1".parse().unwrap()],
            max_series: 7,
            config_file: "a".into(),
        };
        assert_eq!(WebArgs::default().over(&file), file);
        let args = WebArgs {
            listen_address: vec![":2".parse().unwrap()],
            max_series: Some(8),
            config_file: Some("b".into()),
        };
        let both = args.over(&file);
        let expected = WebSettings {
            listen_address: args.listen_address,
            max_series: 8,
            config_file: "b".into(),
        };
        assert_eq!(both, expected);
    }
}
