//! Are we alive, ready, started (WIRE §3.9)? Asked without credentials, at the root and under the
//! user API.

use std::{
    collections::BTreeMap,
    fs,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use serde::Serialize;

use crate::{
    App,
    db::Database,
    http::{Json, Routes},
};

const VERSION: &str = env!("CARGO_PKG_VERSION");
/// How long the database may take to answer.
const PATIENCE: Duration = Duration::from_secs(1);
/// More tasks than this are worth a look: every request and every open event stream is one.
const MANY_TASKS: u64 = 10_000;
/// More memory than this is worth a look, in MiB; as in the reference.
const MUCH_MEMORY: u64 = 128;

pub(crate) fn routes() -> Routes {
    at_root()
        .at(
            &["/api/3rdparty/v1/health", "/api/3rdparty/v1/health/ready"],
            get(ready),
        )
        .at(&["/api/3rdparty/v1/health/live"], get(live))
        .at(&["/api/3rdparty/v1/health/startup"], get(started))
}

/// Those outside the API, which every kind of process has.
pub(crate) fn at_root() -> Routes {
    Routes::new()
        .at(&["/health", "/health/ready"], get(ready))
        .at(&["/health/live"], get(live))
        .at(&["/health/startup"], get(started))
}

async fn ready(State(app): State<Arc<App>>) -> Response {
    let failed = app.pings.ping(&app.database).await;
    let check = Check {
        description: "Database ping",
        observed_unit: "failed pings",
        observed_value: failed,
        status: if failed == 0 { Status::Pass } else { Status::Fail },
    };
    report([("db:ping", check)])
}

async fn live() -> Response {
    let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let tasks = Check::at_most(
        MANY_TASKS,
        u64::try_from(tasks).unwrap_or(u64::MAX),
        "tasks",
        "Number of tasks",
    );
    let memory = resident_mebibytes().map(|memory| Check::at_most(MUCH_MEMORY, memory, "MiB", "Memory usage"));
    let checks = [("system:tasks", tasks)];
    report(checks.into_iter().chain(memory.map(|memory| ("system:memory", memory))))
}

async fn started() -> Response {
    report([])
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Pass,
    Warn,
    Fail,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Check {
    description: &'static str,
    observed_unit: &'static str,
    observed_value: u64,
    status: Status,
}

impl Check {
    /// Warns above a limit.
    fn at_most(limit: u64, value: u64, unit: &'static str, description: &'static str) -> Self {
        let status = if value > limit { Status::Warn } else { Status::Pass };
        Self {
            description,
            observed_unit: unit,
            observed_value: value,
            status,
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    status: Status,
    version: &'static str,
    release_id: u32,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    checks: BTreeMap<&'static str, Check>,
}

/// As good as the worst check; a warning is still 200.
fn report(checks: impl IntoIterator<Item = (&'static str, Check)>) -> Response {
    let checks: BTreeMap<_, _> = checks.into_iter().collect();
    let status = checks.values().map(|check| check.status).max().unwrap_or(Status::Pass);
    let code = match status {
        Status::Pass | Status::Warn => StatusCode::OK,
        Status::Fail => StatusCode::SERVICE_UNAVAILABLE,
    };
    let report = Report {
        status,
        version: VERSION,
        release_id: release_id(VERSION),
        checks,
    };
    (code, Json(report)).into_response()
}

/// A number that grows with the version: 1.47.1 is 14701.
fn release_id(version: &str) -> u32 {
    version
        .split(['.', '-', '+'])
        .take(3)
        .fold(0, |id, part| id * 100 + part.parse::<u32>().unwrap_or(0))
}

/// Pings of the database that failed in a row.
#[derive(Debug, Default)]
pub(crate) struct Pings {
    failed: AtomicU64,
}

impl Pings {
    /// Pings, and says how many have failed since the last that did not.
    async fn ping(&self, database: &Database) -> u64 {
        match tokio::time::timeout(PATIENCE, database.ping()).await {
            Ok(Ok(())) => {
                self.failed.store(0, Ordering::Relaxed);
                0
            }
            Ok(Err(error)) => self.count(&error.to_string()),
            Err(_) => self.count("no answer"),
        }
    }

    fn count(&self, reason: &str) -> u64 {
        tracing::warn!(reason, "the database does not answer a ping");
        self.failed.fetch_add(1, Ordering::Relaxed).saturating_add(1)
    }
}

/// What the system says we hold in memory; nothing where it does not say.
fn resident_mebibytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes / 1024)
}

mod probe;

pub use probe::{NotAlive, is_alive};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_id_grows_with_the_version() {
        assert_eq!(release_id("1.47.1"), 14_701);
        assert_eq!(release_id("0.1.0"), 100);
        assert_eq!(release_id("2.0.0-rc.1"), 20_000);
    }

    #[test]
    fn a_report_is_as_good_as_its_worst_check() {
        let check = |status| Check {
            description: "d",
            observed_unit: "u",
            observed_value: 1,
            status,
        };
        let warned = report([("a", check(Status::Pass)), ("b", check(Status::Warn))]);
        assert_eq!(warned.status(), StatusCode::OK);
        let failed = report([("a", check(Status::Fail)), ("b", check(Status::Warn))]);
        assert_eq!(failed.status(), StatusCode::SERVICE_UNAVAILABLE);
    }
}
