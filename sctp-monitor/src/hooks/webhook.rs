//! A web server to which the JSON line of each incident is posted.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use axum::{
    body::Body,
    http::{Request, StatusCode, Uri, header},
};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::ServerName},
};

use super::{Deliver, Notice};

/// Where incidents are posted to.
#[derive(Debug)]
pub(super) struct Webhook {
    url: Uri,
    host: String,
    port: u16,
    is_encrypted: bool,
    token_file: Option<PathBuf>,
}

/// What is set is nothing that incidents can be posted to.
#[derive(Debug, thiserror::Error)]
#[error(
    "`{0}` is no URL that incidents can be posted to; right are https://HOST/PATH and http://HOST:PORT/PATH"
)]
pub struct NoUrl(String);

impl Webhook {
    /// Posts to this URL; the token in the file, if there is one, says who posts.
    ///
    /// # Errors
    /// [`NoUrl`].
    pub(super) fn new(url: &str, token_file: &Path) -> Result<Self, NoUrl> {
        let none = || NoUrl(url.to_owned());
        let parsed: Uri = url.parse().map_err(|_| none())?;
        let is_encrypted = match parsed.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(none()),
        };
        let host = parsed.host().ok_or_else(none)?;
        Ok(Self {
            host: host.trim_matches(['[', ']']).to_owned(),
            port: parsed.port_u16().unwrap_or(if is_encrypted { 443 } else { 80 }),
            is_encrypted,
            token_file: Some(token_file.to_owned()).filter(|file| !file.as_os_str().is_empty()),
            url: parsed,
        })
    }

    async fn post(&self, notice: &Notice) -> Result<(), String> {
        let stream = TcpStream::connect((self.host.as_str(), self.port))
            .await
            .map_err(|error| format!("{} is not reached: {error}", self.host))?;
        if !self.is_encrypted {
            return self.post_by(notice, stream).await;
        }
        let name = ServerName::try_from(self.host.clone()).map_err(|error| error.to_string())?;
        let connector = TlsConnector::from(Arc::new(trusted()?));
        let stream = connector
            .connect(name, stream)
            .await
            .map_err(|error| format!("{} does not speak TLS as it should: {error}", self.host))?;
        self.post_by(notice, stream).await
    }

    async fn post_by(
        &self,
        notice: &Notice,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ) -> Result<(), String> {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| error.to_string())?;
        tokio::spawn(connection);
        let answer = sender
            .send_request(self.request(notice)?)
            .await
            .map_err(|error| error.to_string())?;
        match answer.status() {
            status if status.is_success() => Ok(()),
            status => Err(refused(&self.host, status)),
        }
    }

    fn request(&self, notice: &Notice) -> Result<Request<Body>, String> {
        let path = self.url.path_and_query().map_or("/", |path| path.as_str());
        let authority = self.url.authority().map_or("", |authority| authority.as_str());
        // What is before @ is no part of the name.
        let host = authority.rsplit('@').next().unwrap_or_default();
        let mut request = Request::post(path)
            .header(header::HOST, host)
            .header(header::CONTENT_TYPE, "application/json")
            .header(
                header::USER_AGENT,
                concat!("sctp-monitor/", env!("CARGO_PKG_VERSION")),
            );
        if let Some(file) = &self.token_file {
            // Read each time: a new token holds at once.
            let token = fs::read_to_string(file)
                .map_err(|error| format!("the token in {} cannot be read: {error}", file.display()))?;
            request = request.header(header::AUTHORIZATION, format!("Bearer {}", token.trim()));
        }
        let body = format!("{}\n", notice.json);
        request
            .header(header::CONTENT_LENGTH, body.len())
            .body(Body::from(body))
            .map_err(|error| error.to_string())
    }
}

impl Deliver for Webhook {
    fn deliver(&mut self, notice: &Notice) -> Result<(), String> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| error.to_string())?;
        let posted = async { tokio::time::timeout(PATIENCE, self.post(notice)).await };
        let result = runtime.block_on(posted);
        // A look-up of the name that hangs is left to itself.
        runtime.shutdown_background();
        result.unwrap_or_else(|_| {
            Err(format!(
                "{} takes longer than {} s",
                self.host,
                PATIENCE.as_secs()
            ))
        })
    }
}

fn refused(host: &str, status: StatusCode) -> String {
    format!("{host} answers {status}")
}

/// Whom this host trusts.
fn trusted() -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        return Err("this host trusts no certificate (package ca-certificates)".to_owned());
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// How long one try may take.
const PATIENCE: Duration = Duration::from_secs(10);
