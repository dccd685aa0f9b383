//! How does the sidecar start, and how does it stop?
//!
//! Everything is built and checked before a port is opened; then the listeners run until somebody asks to stop:
//! not ready, no new connections, the requests in flight to their end or to the deadline, the store closed.
//! Pingora's own `Server` is not used: it sleeps its whole grace period and then drops what is left.

mod listen;
mod start;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use gateward_boot::clock::Clock;
use gateward_boot::exit::Exit;
use gateward_document::Diagnostic;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

pub(crate) use self::listen::tls_acceptor;
use self::start::Parts;
use crate::config::Config;
use crate::forward::checks::keep_checking;

/// A request whose head has just been read is not counted yet: it has to stay quiet for this long.
const SETTLE: Duration = Duration::from_millis(10);

/// Where the sidecar listens. The ports are the real ones, also where 0 was configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bound {
    /// Clients.
    pub public: SocketAddr,
    /// Health, metrics and status.
    pub admin: SocketAddr,
}

/// What the operator wants of a running sidecar.
#[derive(Debug, Clone)]
pub struct Orders {
    stop: watch::Receiver<bool>,
    reload: Arc<Notify>,
}

/// Gives orders.
#[derive(Debug, Clone)]
pub struct Commander {
    stop: Arc<watch::Sender<bool>>,
    reload: Arc<Notify>,
}

/// Orders, and who gives them. When every commander is gone, that is an order to stop.
pub fn orders() -> (Commander, Orders) {
    let (sender, stop) = watch::channel(false);
    let reload = Arc::new(Notify::new());
    (
        Commander {
            stop: Arc::new(sender),
            reload: Arc::clone(&reload),
        },
        Orders { stop, reload },
    )
}

impl Commander {
    /// Stop gracefully.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Read the policy, the users file and the accounts file again.
    pub fn reload(&self) {
        self.reload.notify_one();
    }
}

/// Why the sidecar does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The policy.
    #[error("the policy is not fit for use")]
    Policy(Vec<Diagnostic>),
    /// The users file.
    #[error("the users file is not fit for use")]
    Users(Vec<Diagnostic>),
    /// The accounts file.
    #[error("the accounts file is not fit for use")]
    Accounts(Vec<Diagnostic>),
    /// A value of the configuration that only shows now.
    #[error("{what}: {why}")]
    Config {
        /// The key.
        what: &'static str,
        /// The problem.
        why: String,
    },
    /// The store.
    #[error("the store cannot be opened: {0}")]
    Store(#[from] gateward_denylist::OpenError),
    /// A port.
    #[error("cannot listen on {address} ({what}): {why}")]
    Listen {
        /// The key.
        what: &'static str,
        /// The address.
        address: SocketAddr,
        /// What the system says.
        why: std::io::Error,
    },
    /// A folder or file.
    #[error("{path}: {why}")]
    File {
        /// Its path.
        path: String,
        /// What the system says.
        why: std::io::Error,
    },
    /// A bug of ours.
    #[error("internal: {0}")]
    Internal(String),
}

impl StartError {
    fn wrong(what: &'static str, why: impl std::fmt::Display) -> Self {
        Self::Config {
            what,
            why: why.to_string(),
        }
    }

    /// The exit code (sysexits).
    pub fn exit(&self) -> Exit {
        match self {
            Self::Policy(_) => Exit::Data,
            Self::Users(_) | Self::Accounts(_) | Self::Config { .. } => Exit::Config,
            Self::Store(_) | Self::Listen { .. } | Self::File { .. } => Exit::Unavailable,
            Self::Internal(_) => Exit::Software,
        }
    }

    /// Every problem, one line each.
    pub fn lines(&self) -> Vec<String> {
        match self {
            Self::Policy(problems) | Self::Users(problems) | Self::Accounts(problems) => {
                problems.iter().map(Diagnostic::to_string).collect()
            }
            Self::Store(_) | Self::Config { .. } | Self::Listen { .. } | Self::File { .. } | Self::Internal(_) => {
                vec![self.to_string()]
            }
        }
    }
}

/// Runs the sidecar until it is told to stop. `ready` is called once, when both ports are open; `lost_lines` says how many
/// lines of the log nobody got to read.
///
/// Must be called on a multi-threaded tokio runtime, which this uses for everything.
pub async fn run(
    config: Config,
    clock: Clock,
    orders: Orders,
    lost_lines: impl Fn() -> u64 + Send + Sync + 'static,
    ready: impl FnOnce(Bound) + Send,
) -> Result<(), StartError> {
    let drain = config.timeouts.drain;
    let Parts {
        public,
        admin,
        bound,
        denylist,
        traffic,
        sites,
        health,
        reloader,
        files,
        stopping,
    } = start::build(config, clock, lost_lines).await?;
    let mut work = JoinSet::new();
    if let Some(health) = health {
        work.spawn(keep_checking(Arc::clone(&sites), health));
    }
    work.spawn(sites.keep_looking_up());
    work.spawn(reloader.keep_watching(files, orders.reload));
    let (public_stop, public_stopped) = watch::channel(false);
    let (admin_stop, admin_stopped) = watch::channel(false);
    let public = tokio::spawn(public.run(public_stopped));
    let admin = tokio::spawn(admin.run(admin_stopped));
    tracing::info!(listen = %bound.public, admin = %bound.admin, "listening");
    ready(bound);

    let mut stop = orders.stop;
    // An error means that nobody is left who could say anything else.
    drop(stop.wait_for(|stop| *stop).await);
    tracing::info!(in_flight = traffic.requests(), "stopping");
    stopping.store(true, Ordering::Relaxed);
    public_stop.send_replace(true);
    let finish = async {
        let _listener = public.await;
        while {
            traffic.quiet().await;
            sleep(SETTLE).await;
            traffic.finite_requests() > 0
        } {}
    };
    if timeout(drain, finish).await.is_err() {
        tracing::warn!(
            in_flight = traffic.finite_requests(),
            "the drain deadline ends requests in flight"
        );
    }
    admin_stop.send_replace(true);
    let _listener = timeout(drain, admin).await;
    denylist.close().await;
    tracing::info!("stopped");
    Ok(())
}

/// Set once a stop was asked for.
type Stopping = Arc<AtomicBool>;

#[cfg(test)]
mod tests;
