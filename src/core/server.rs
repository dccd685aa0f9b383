//! How does the core start and stop? Bind, serve, and on shutdown: accept nothing more, end the
//! event streams, finish what is running, write down what is in memory.

use std::{future::Future, io, net::SocketAddr, sync::Arc, time::Duration};

use gateward_auth::KeyError;
use gateward_boot::{clock::Clock, metrics::MetricError};
use tokio::{net::TcpListener, sync::watch, task::JoinSet};

use crate::{
    App,
    config::{Backend, Config},
    db, http, push,
    shared::AddressError,
    tasks,
};

mod rounds;

/// How long a stopping process waits for requests in flight.
const DRAIN: Duration = Duration::from_secs(10);
/// And then for the events that they left behind.
const LAST_EVENTS: Duration = Duration::from_secs(1);

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
    /// Nothing to push with.
    #[error("push: {0}")]
    Push(#[from] push::CallError),
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
    role: Role,
    listener: TcpListener,
    address: SocketAddr,
}

/// What a process is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// It answers clients and phones.
    Gateway,
    /// It runs the background tasks.
    Worker,
}

impl Role {
    /// What the process and others change is known to each of them only late.
    fn tell_of_deafness(self) {
        match self {
            Self::Worker => tracing::warn!(
                key = "pubsub.url",
                "memory:// reaches no other process: those that serve see what the tasks change when \
                 messages.cache_ttl_seconds are over, of devices after ten minutes; set the same redis:// for all"
            ),
            // It may be the only one.
            Self::Gateway => tracing::info!(
                key = "pubsub.url",
                "memory:// reaches no other process: what a worker or another server changes is seen here when \
                 messages.cache_ttl_seconds are over, of devices after ten minutes; set the same redis:// for all"
            ),
        }
    }
}

/// Whether there can be other processes on the database, of whose changes this one would not hear.
fn is_deaf(config: &Config) -> bool {
    !tasks::run_beside_requests(&config.database.url) && matches!(config.pubsub.url, Backend::Memory)
}

impl Server {
    /// Opens the database and listens on `http.listen`; port 0 takes a free one.
    ///
    /// # Errors
    /// When one of them cannot be had; nothing is left running then.
    pub async fn bind(config: Config, clock: Clock) -> Result<Self, StartError> {
        Self::listen(config.http.listen, Role::Gateway, config, clock).await
    }

    /// As [`Server::bind`], for a process that only runs the background tasks.
    async fn bind_worker(config: Config, clock: Clock) -> Result<Self, StartError> {
        Self::listen(config.http.worker_listen, Role::Worker, config, clock).await
    }

    async fn listen(listen: SocketAddr, role: Role, config: Config, clock: Clock) -> Result<Self, StartError> {
        let app = Arc::new(App::open(config, clock).await?);
        let failed = |source| StartError::Listen {
            address: listen,
            source,
        };
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        if is_deaf(&app.config) {
            role.tell_of_deafness();
        }
        if role == Role::Gateway && !tasks::run_beside_requests(&app.config.database.url) {
            tracing::info!(
                "the background tasks (cleaning, hashing what was left) run in a process of their own: gateward-core worker"
            );
        }
        Ok(Self {
            app,
            role,
            listener,
            address,
        })
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
        let Self {
            app, role, listener, ..
        } = self;
        let (stop, stopping) = watch::channel(false);
        // What requests leave behind is taken care of until the last of them has ended.
        let (served, serving_ended) = watch::channel(false);
        let mut beside = JoinSet::new();
        if role == Role::Gateway {
            beside.spawn(rounds::run(Arc::clone(&app), serving_ended.clone()));
            beside.spawn(Arc::clone(&app.push).run(serving_ended));
        }
        if role == Role::Worker || tasks::run_beside_requests(&app.config.database.url) {
            beside.spawn(tasks::run_all(Arc::clone(&app), stopping.clone()));
        }

        let router = match role {
            Role::Gateway => http::router(Arc::clone(&app)),
            Role::Worker => http::worker_router(Arc::clone(&app)),
        };
        let serving = http::serve(listener, router, tasks::stopped(stopping));
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
        if tokio::time::timeout(LAST_EVENTS, app.events.settled()).await.is_err() {
            tracing::warn!("stopped with events under way");
        }
        served.send_replace(true);
        while let Some(ended) = beside.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "what runs beside the requests has panicked");
            }
        }
        app.database.close().await;
        ended.map_err(RunError::Serve)
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

/// Makes the database, or brings it up to date, and stops.
///
/// # Errors
/// When it cannot be opened or changed.
pub async fn migrate(config: &Config) -> Result<(), StartError> {
    db::Database::open(&config.database).await?.close().await;
    Ok(())
}

/// Starts a process that only runs the background tasks, and answers for its health and metrics on
/// `http.worker_listen`.
///
/// # Errors
/// When it cannot start, or cannot go on accepting.
pub async fn work(
    config: Config,
    clock: Clock,
    shutdown: impl Future<Output = ()> + Send,
    ready: impl FnOnce(SocketAddr),
) -> Result<(), RunError> {
    let server = Server::bind_worker(config, clock).await?;
    ready(server.address());
    server.serve(shutdown).await
}

#[cfg(test)]
mod tests;
