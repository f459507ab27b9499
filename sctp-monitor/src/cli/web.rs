//! Options of the HTTP server, named as Prometheus' exporters name theirs.

use std::path::PathBuf;

use clap::Args;

use crate::web::ListenAddress;

/// Options of the HTTP server of `run`.
#[derive(Debug, Clone, Default, Args)]
pub struct WebArgs {
    /// Serve metrics, a read-only API and events by HTTP (docs/web.md), at this address and port; `:9143` is that port of the
    /// loopback address. May be repeated. Default: no server.
    #[arg(
        long = "web.listen-address",
        value_name = "ADDRESS",
        env = "SCTP_MONITOR_WEB_LISTEN_ADDRESS",
        value_delimiter = ','
    )]
    pub listen_address: Vec<ListenAddress>,
    /// Encryption and passwords of the HTTP server: a file in the form of Prometheus' exporters (docs/web.md), read anew each time.
    /// Default: none.
    #[arg(
        long = "web.config.file",
        value_name = "FILE",
        env = "SCTP_MONITOR_WEB_CONFIG_FILE"
    )]
    pub config_file: Option<PathBuf>,
    /// Series of single associations and paths in /metrics, at most; the other associations are summed. Default: 2000.
    #[arg(
        long = "web.max-series",
        value_name = "SERIES",
        env = "SCTP_MONITOR_WEB_MAX_SERIES"
    )]
    pub max_series: Option<usize>,
}
