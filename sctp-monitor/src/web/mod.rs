//! The HTTP server of `run`: metrics, a read-only API, and events as they are reported.
//!
//! It runs on a thread and a runtime of its own, and knows the watch only by owned copies: it asks the loop for a summary by the
//! queue that the control socket uses, once a second at most for all its readers together, and reads events where they are kept. Readers that are slow, many or hostile cost this thread's time, and never the loop's.

mod access;
mod answer;
mod api;
mod connections;
mod counts;
mod guard;
mod health;
mod host;
mod known;
mod metrics;
mod openapi;
mod page;
mod server;
mod settings;
mod stream;

use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use axum::{Router, http::StatusCode, middleware, response::Response, routing::get};
use bytes::Bytes;
use tokio::sync::{Semaphore, mpsc};

pub use self::access::AccessError;
pub use self::metrics::page as metrics_page;
pub use self::settings::{ListenAddress, NoListenAddress, WebSettings};
use self::{
    access::Access,
    answer::refusal,
    counts::Counts,
    known::Source,
    metrics::{Exposition, Metrics},
    server::Patience,
};
use crate::{
    control::Question,
    history::{Events, History},
    report::Summary,
};

/// A server that holds its sockets and does not serve yet.
#[derive(Debug)]
pub struct Web {
    listeners: Vec<TcpListener>,
    history: Arc<History>,
    max_series: usize,
    access: Option<Arc<Access>>,
}

/// Why there cannot be a server.
#[derive(Debug, thiserror::Error)]
pub enum WebError {
    /// It cannot listen there.
    #[error("nobody can be served by HTTP at {address}")]
    Address {
        /// Where it was to listen.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// Who may read is not clear.
    #[error(transparent)]
    Access(#[from] AccessError),
}

impl Web {
    /// Opens the sockets; `None` if no address is set.
    ///
    /// # Errors
    /// If an address is not this host's, or taken; if the file of `--web.config.file` cannot be used.
    pub fn open(settings: &WebSettings, history: &Arc<History>) -> Result<Option<Self>, WebError> {
        if settings.listen_address.is_empty() {
            return Ok(None);
        }
        let file = Some(settings.config_file.as_path()).filter(|file| !file.as_os_str().is_empty());
        let access = file.map(Access::open).transpose()?.map(Arc::new);
        let addresses = settings.listen_address.iter().map(|address| address.0);
        let listeners = addresses
            .map(|address| server::bind(address).map_err(|source| WebError::Address { address, source }));
        Ok(Some(Self {
            listeners: listeners.collect::<Result<_, _>>()?,
            history: Arc::clone(history),
            max_series: settings.max_series,
            access,
        }))
    }

    /// Whether it speaks TLS now.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        let access = self.access.as_ref();
        access.is_some_and(|access| access.now().tls.is_some())
    }

    /// Where it listens.
    ///
    /// # Errors
    /// If the system does not say.
    pub fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        self.listeners.iter().map(TcpListener::local_addr).collect()
    }

    /// Serves until the process ends; summaries are asked for by this queue.
    ///
    /// # Errors
    /// If the system has no thread left.
    pub fn start(self, questions: mpsc::Sender<Question>) -> io::Result<()> {
        self.start_with(questions, Patience::USUAL)
    }

    fn start_with(self, questions: mpsc::Sender<Question>, patience: Patience) -> io::Result<()> {
        let counts = Arc::new(Counts::default());
        let app = App::new(questions, self.history, Arc::clone(&counts), self.max_series);
        server::start(self.listeners, counts, self.access.clone(), patience, move || {
            router(Arc::new(app), self.access)
        })
    }
}

/// What all requests share.
struct App {
    source: Source<Known>,
    history: Arc<History>,
    events: Arc<Events>,
    counts: Arc<Counts>,
    /// Documents that are being made or read at a time.
    documents: Arc<Semaphore>,
}

/// How things are, and what was made of it so far.
struct Known {
    summary: Summary,
    exposition: Exposition,
    open_metrics: OnceLock<Option<Bytes>>,
    prometheus: OnceLock<Option<Bytes>>,
}

impl App {
    fn new(
        questions: mpsc::Sender<Question>,
        history: Arc<History>,
        counts: Arc<Counts>,
        max_series: usize,
    ) -> Self {
        let metrics = Mutex::new(Metrics::new(max_series));
        let of_web = Arc::clone(&counts);
        let make = move |summary: Summary| {
            let mut metrics = metrics.lock().unwrap_or_else(PoisonError::into_inner);
            Known {
                exposition: metrics.of(&summary, of_web.figures()),
                summary,
                open_metrics: OnceLock::new(),
                prometheus: OnceLock::new(),
            }
        };
        Self {
            source: Source::new(questions, make),
            events: Arc::clone(history.events()),
            history,
            counts,
            documents: Arc::new(Semaphore::new(DOCUMENTS)),
        }
    }
}

fn router(app: Arc<App>, access: Option<Arc<Access>>) -> Router {
    Router::new()
        .route("/", get(page::overview))
        .route("/associations/{number}", get(page::association))
        .route("/page.css", get(page::style))
        .route("/page.js", get(page::script))
        .route("/metrics", get(health::metrics))
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/api/v1/status", get(api::status))
        .route("/api/v1/associations", get(api::associations))
        .route("/api/v1/associations/{number}", get(api::association))
        .route("/api/v1/paths", get(api::paths))
        .route("/api/v1/findings", get(api::findings))
        .route("/api/v1/incidents", get(api::incidents))
        .route("/api/v1/events", get(api::events))
        .route("/api/v1/events/stream", get(stream::events))
        .route("/api/v1/openapi.json", get(openapi::openapi))
        .fallback(nothing)
        .layer(middleware::from_fn_with_state(access, guard::guard))
        .with_state(app)
}

async fn nothing() -> Response {
    refusal(StatusCode::NOT_FOUND, "there is nothing here; / lists what is")
}

#[cfg(test)]
mod tests;

/// Documents at a time: each holds a copy of all that is asked for.
const DOCUMENTS: usize = 4;
