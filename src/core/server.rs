//! How does the core start and stop? Bind, serve, and on shutdown: accept nothing more, end the
//! event streams, finish what is running, write down what is in memory.

use std::{future::Future, io, net::SocketAddr, sync::Arc, time::Duration};

use gateward_auth::KeyError;
use gateward_boot::{clock::Clock, metrics::MetricError};
use tokio::{net::TcpListener, sync::watch};

use crate::{App, config::Config, db, devices, http, shared::AddressError};

/// How long a stopping process waits for requests in flight.
const DRAIN: Duration = Duration::from_secs(10);

/// Why the core did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// `jwt.secret`
    #[error("jwt.secret: {0}")]
    Secret(KeyError),
    /// `database.url`
    #[error("database.url: {0}")]
    Database(#[from] db::OpenError),
    /// `http.listen`
    #[error("http.listen: cannot listen on {address}: {source}")]
    Listen {
        /// As configured.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// `cache.url` or `pubsub.url`
    #[error("{0}: {1}")]
    Shared(&'static str, AddressError),
    /// A metric is named twice: a mistake of ours.
    #[error("metrics: {0}")]
    Metrics(#[from] MetricError),
}

/// Why the core stopped other than by being asked to.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// It never ran.
    #[error(transparent)]
    Start(#[from] StartError),
    /// It could not go on accepting.
    #[error("cannot accept connections: {0}")]
    Serve(io::Error),
}

/// A core that listens and is not served yet.
#[derive(Debug)]
pub struct Server {
    app: Arc<App>,
    listener: TcpListener,
    address: SocketAddr,
}

impl Server {
    /// Opens the database and listens on `http.listen`; port 0 takes a free one.
    ///
    /// # Errors
    /// When one of them cannot be had; nothing is left running then.
    pub async fn bind(config: Config, clock: Clock) -> Result<Self, StartError> {
        let listen = config.http.listen;
        let app = Arc::new(App::open(config, clock).await?);
        let failed = |source| StartError::Listen {
            address: listen,
            source,
        };
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { app, listener, address })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown` is done, then stops: no new connections, event streams end,
    /// requests in flight are finished within 10 s, and what is only in memory is written down.
    ///
    /// # Errors
    /// When connections cannot be accepted any more.
    pub async fn serve(self, shutdown: impl Future<Output = ()> + Send) -> Result<(), RunError> {
        let Self { app, listener, .. } = self;
        let (stop, stopping) = watch::channel(false);
        let notes = tokio::spawn(write_down_regularly(Arc::clone(&app), stopping.clone()));

        let serving = http::serve(listener, http::router(Arc::clone(&app)), stopped(stopping));
        let mut serving = std::pin::pin!(serving);

        let ended = tokio::select! {
            ended = &mut serving => ended,
            () = shutdown => {
                app.events.close();
                stop.send_replace(true);
                tokio::time::timeout(DRAIN, serving).await.unwrap_or_else(|_| {
                    tracing::warn!("stopped with requests in flight");
                    Ok(())
                })
            }
        };
        stop.send_replace(true);
        if notes.await.is_err() {
            tracing::error!("writing down which devices were seen has panicked");
        }
        app.database.close().await;
        ended.map_err(RunError::Serve)
    }
}

/// Waits until it is time to stop.
async fn stopped(mut stopping: watch::Receiver<bool>) {
    // An error means that nobody is left who could say so.
    let _ = stopping.wait_for(|stop| *stop).await;
}

/// Once a minute, and a last time at the end.
async fn write_down_regularly(app: Arc<App>, stopping: watch::Receiver<bool>) {
    let mut stopped = std::pin::pin!(stopped(stopping));
    let mut period = tokio::time::interval(devices::PERIOD);
    loop {
        tokio::select! {
            _ = period.tick() => write_down(&app).await,
            () = &mut stopped => break write_down(&app).await,
        }
    }
}

/// Starts the core and serves until `shutdown` is done; `ready` hears the address once requests
/// are accepted.
///
/// # Errors
/// When it cannot start, or cannot go on accepting.
pub async fn run(
    config: Config,
    clock: Clock,
    shutdown: impl Future<Output = ()> + Send,
    ready: impl FnOnce(SocketAddr),
) -> Result<(), RunError> {
    let server = Server::bind(config, clock).await?;
    ready(server.address());
    server.serve(shutdown).await
}

async fn write_down(app: &App) {
    match app.devices.flush_online().await {
        Ok(0) => {}
        Ok(devices) => {
            app.metrics
                .online
                .batch_size
                .set(i64::try_from(devices).unwrap_or(i64::MAX));
        }
        Err(error) => {
            app.metrics.online.errors.inc();
            tracing::error!(error = %error, "cannot write down which devices were seen");
        }
    }
}

#[cfg(test)]
mod tests;
