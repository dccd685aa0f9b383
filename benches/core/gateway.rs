//! The whole gateway: sidecar, core and database as processes of their own, and what they use.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::support::bare;
use crate::support::mariadb::MariaDb;
use crate::support::process::{self, CpuTime, Running};

/// Between sidecar and core.
pub(crate) const MINT_SECRET: &str = "benchmark-minting-secret-0123456789";
/// Of the clients' tokens.
const TOKEN_SECRET: &str = "benchmark-tokens-secret-0123456789a";
const DATABASE: &str = "bench";
/// Registers devices: public mode wants an account for pushes, which nobody gets here.
pub(crate) const PRIVATE_TOKEN: &str = "benchmark-private-token";

/// Where the messages are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Backend {
    /// A file; its work is part of the core's.
    Sqlite,
    /// A server of our own.
    MariaDb,
}

/// Running processes; all are killed when dropped.
pub(crate) struct Gateway {
    /// Where clients connect.
    pub(crate) address: SocketAddr,
    /// The same with a bare proxy instead of the sidecar.
    pub(crate) past_sidecar: SocketAddr,
    sidecar: Running,
    bare: Running,
    core: Running,
    server: Option<Server>,
    folder: TempDir,
}

struct Server {
    mariadb: MariaDb,
    id: u32,
}

/// What each process has used so far.
pub(crate) struct Spent {
    sidecar: CpuTime,
    bare: CpuTime,
    core: CpuTime,
    database: CpuTime,
}

/// CPU time of each process in microseconds per request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    pub(crate) sidecar: f64,
    /// Of the bare proxy; not a number if it was not there.
    pub(crate) bare: f64,
    pub(crate) core: f64,
    pub(crate) database: f64,
}

/// Memory in KiB.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    pub(crate) sidecar: u64,
    pub(crate) core: u64,
}

impl Gateway {
    /// Starts everything with an empty database and waits until it listens.
    ///
    /// `forgetful`: the core keeps no message in memory.
    pub(crate) fn start(backend: Backend, forgetful: bool) -> Self {
        let folder = process::folder();
        let server = (backend == Backend::MariaDb).then(Server::start);
        let url = server.as_ref().map(|server| server.mariadb.url(DATABASE));
        let inner = process::free_address();
        let mut core = core(inner, &url.unwrap_or("sqlite://core.db".to_owned()));
        if forgetful {
            core.env("MESSAGES__CACHE_TTL_SECONDS", "0");
        }
        let mut core = Running::start(core, folder.path(), "core.log");
        core.wait_for(inner);
        let address = process::free_address();
        let mut sidecar = Running::start(sidecar(folder.path(), address, inner), folder.path(), "sidecar.log");
        sidecar.wait_for(address);
        let past_sidecar = process::free_address();
        // As many threads as the sidecar has by itself.
        let threads = std::thread::available_parallelism().expect("processors").get();
        let bare = bare::command(false, threads, past_sidecar, inner);
        let mut bare = Running::start(bare, folder.path(), "bare.log");
        bare.wait_for(past_sidecar);
        Self {
            address,
            past_sidecar,
            sidecar,
            bare,
            core,
            server,
            folder,
        }
    }

    /// What every process has used so far.
    pub(crate) fn spent(&self) -> Spent {
        let database = self.server.as_ref().map(|server| CpuTime::of(server.id));
        Spent {
            sidecar: self.sidecar.cpu_time(),
            bare: self.bare.cpu_time(),
            core: self.core.cpu_time(),
            database: database.unwrap_or_default(),
        }
    }

    /// What the two processes of ours have now.
    pub(crate) fn memory(&self) -> Memory {
        Memory {
            sidecar: process::memory_kib(self.sidecar.id()),
            core: process::memory_kib(self.core.id()),
        }
    }

    /// Runs SQL on the database, past the core.
    pub(crate) fn database(&self) -> Database<'_> {
        match &self.server {
            Some(server) => Database::MariaDb(&server.mariadb, DATABASE),
            None => Database::Sqlite(self.folder.path().join("core.db")),
        }
    }
}

/// The way past the core.
pub(crate) enum Database<'a> {
    /// The file.
    Sqlite(PathBuf),
    /// The server, and the name of the database.
    MariaDb(&'a MariaDb, &'static str),
}

impl Server {
    fn start() -> Self {
        let mariadb = MariaDb::start();
        mariadb.create(DATABASE);
        let file = mariadb.run(DATABASE, "SELECT @@pid_file");
        let id = std::fs::read_to_string(Path::new(file.trim())).expect("pid");
        Self {
            mariadb,
            id: id.trim().parse().expect("pid"),
        }
    }
}

fn core(address: SocketAddr, database: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gateward-core"));
    command
        .arg("run")
        .env_clear()
        .env("HTTP__LISTEN", address.to_string())
        .env("DATABASE__URL", database)
        .env("GATEWAY__MODE", "private")
        .env("GATEWAY__PRIVATE_TOKEN", PRIVATE_TOKEN)
        .env("GATEWAY__UPSTREAM_URL", "http://127.0.0.1:9/upstream/v1")
        .env("JWT__SECRET", MINT_SECRET);
    command
}

fn sidecar(folder: &Path, address: SocketAddr, core: SocketAddr) -> Command {
    let config = folder.join("gateward.yaml");
    let text = format!("listen: {address}\nadmin: 127.0.0.1:0\nupstream: {{ url: 'http://{core}' }}\n");
    std::fs::write(&config, text).expect("config");
    let mut command = Command::new(env!("CARGO_BIN_EXE_gateward"));
    command
        .args(["run", "--config"])
        .arg(config)
        .env_clear()
        .env("GATEWARD__UPSTREAM__MINT__SECRET", MINT_SECRET)
        .env("GATEWARD__TOKENS__SECRET", TOKEN_SECRET);
    command
}

impl Spent {
    /// What each of so many requests has cost since then.
    pub(crate) fn since(&self, before: &Self, requests: u64) -> Cost {
        let each = |now: &CpuTime, before: &CpuTime| now.since(before) as f64 / requests as f64 / 1000.0;
        Cost {
            sidecar: each(&self.sidecar, &before.sidecar),
            bare: each(&self.bare, &before.bare),
            core: each(&self.core, &before.core),
            database: each(&self.database, &before.database),
        }
    }
}

impl Cost {
    /// The median of each process.
    pub(crate) fn median(costs: &[Self]) -> Self {
        let of = |part: fn(&Self) -> f64| {
            let mut sorted: Vec<f64> = costs.iter().map(part).collect();
            sorted.sort_by(f64::total_cmp);
            sorted[sorted.len() / 2]
        };
        Self {
            sidecar: of(|cost| cost.sidecar),
            bare: of(|cost| cost.bare),
            core: of(|cost| cost.core),
            database: of(|cost| cost.database),
        }
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "sidecar {:6.1} (bare proxy {:6.1}), core {:6.1}, database {:6.1} us/request",
            self.sidecar, self.bare, self.core, self.database
        )
    }
}
