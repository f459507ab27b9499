//! The thread that serves: connections, one task each, and what each may take.
//!
//! It has a runtime of its own, so that whatever is asked here takes no turn of the loop's.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    thread,
    time::Duration,
};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use rustix::process::setpriority_process;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net,
};
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::TlsAcceptor;
use tracing::debug;

use super::{
    access::Access,
    connections::{Activity, Connections, Place},
    counts::Counts,
    host::Reached,
};

/// Serves on a thread of its own until the process ends.
///
/// # Errors
/// If the system has no thread left, or nothing to wait with.
pub(super) fn start(
    listeners: Vec<TcpListener>,
    counts: Arc<Counts>,
    access: Option<Arc<Access>>,
    patience: Patience,
    app: impl FnOnce() -> Router + Send + 'static,
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    thread::Builder::new().name("web".to_owned()).spawn(move || {
        // The watch comes first where CPUs are few. Threads that this one starts are like it.
        if let Err(error) = setpriority_process(None, NICE) {
            debug!("the HTTP server has the same priority as the watch: {error}");
        }
        runtime.block_on(serve(listeners, counts, access, patience, app()));
    })?;
    Ok(())
}

/// Opens the sockets, so that an address that cannot be used is an error at the start.
///
/// # Errors
/// If an address is not this host's, or taken.
pub(super) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

async fn serve(
    listeners: Vec<TcpListener>,
    counts: Arc<Counts>,
    access: Option<Arc<Access>>,
    patience: Patience,
    app: Router,
) {
    let connections = Connections::new(MOST_CONNECTIONS, counts);
    let all = listeners.into_iter().map(|listener| {
        let server = Server {
            connections: Arc::clone(&connections),
            access: access.clone(),
            patience,
            app: app.clone(),
        };
        tokio::spawn(async move {
            match net::TcpListener::from_std(listener) {
                Ok(listener) => server.accept(&listener).await,
                Err(error) => tracing::warn!("nobody is served by HTTP: {error}"),
            }
        })
    });
    futures_util::future::join_all(all).await;
}

#[derive(Clone)]
struct Server {
    connections: Arc<Connections>,
    access: Option<Arc<Access>>,
    patience: Patience,
    app: Router,
}

impl Server {
    async fn accept(&self, listener: &net::TcpListener) {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => self.open(stream),
                Err(error) => {
                    // There is no file descriptor left, for example: others may be closed.
                    debug!("a client was not served by HTTP: {error}");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    fn open(&self, stream: net::TcpStream) {
        let Some(place) = self.connections.enter() else {
            return;
        };
        let number = place.number();
        let server = self.clone();
        let task = tokio::spawn(async move { server.attend(stream, place).await });
        Place::set_task(&self.connections, number, task.abort_handle());
    }

    async fn attend(self, stream: net::TcpStream, place: Place) {
        // Without an address it has left.
        let Ok(address) = stream.local_addr() else {
            return;
        };
        let reached = Reached::at(address.ip());
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(self.patience.reading));
        let activity = Arc::clone(place.activity());
        let stream = Box::pin(stream);
        let Some(tls) = self.access.as_ref().and_then(|access| access.now().tls.clone()) else {
            return self.speak(stream, activity, reached).await;
        };
        match tokio::time::timeout(self.patience.asking, TlsAcceptor::from(tls).accept(stream)).await {
            Ok(Ok(stream)) => self.speak(stream, activity, reached).await,
            Ok(Err(error)) => debug!("a client does not speak TLS with us: {error}"),
            Err(_) => debug!("a client is too slow to speak TLS"),
        }
    }

    async fn speak(
        self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        activity: Arc<Activity>,
        reached: Reached,
    ) {
        let app = self
            .app
            .layer(axum::Extension(activity))
            .layer(axum::Extension(reached));
        let served = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.patience.asking)
            .max_buf_size(MOST_HEADER_BYTES)
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(app));
        if let Err(error) = served.await {
            debug!("a connection by HTTP ended: {error}");
        }
    }
}

/// Below the watch, which has 0, and above what nobody waits for.
const NICE: i32 = 10;

/// Connections at a time.
pub(super) const MOST_CONNECTIONS: usize = 64;

/// How long a client may stand still.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// Until it has asked, also between two questions.
    pub(super) asking: Duration,
    /// While it reads nothing of what is written.
    pub(super) reading: Duration,
}

impl Patience {
    pub(super) const USUAL: Self = Self {
        asking: Duration::from_secs(20),
        reading: Duration::from_secs(10),
    };
}

/// Bytes of a request, at most.
const MOST_HEADER_BYTES: usize = 16 * 1024;
