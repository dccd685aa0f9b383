//! How does a process tell what happens? In JSON lines on standard error, written by a thread of its own.

use std::io::Write;
use std::str::FromStr;

use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Lines that may wait for a slow standard error before further ones are dropped and counted.
const WAITING_LINES: usize = 16_384;

/// How much is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// What somebody must look at.
    Error,
    /// What somebody should look at.
    Warn,
    /// What happened.
    #[default]
    Info,
    /// Why it happened.
    Debug,
    /// Everything of our own, and what the libraries think worth telling.
    Trace,
}

impl Level {
    /// Every level with its name.
    pub const ALL: [(&'static str, Self); 5] = [
        ("error", Self::Error),
        ("warn", Self::Warn),
        ("info", Self::Info),
        ("debug", Self::Debug),
        ("trace", Self::Trace),
    ];

    fn filter(self) -> LevelFilter {
        match self {
            Self::Error => LevelFilter::ERROR,
            Self::Warn => LevelFilter::WARN,
            Self::Info => LevelFilter::INFO,
            Self::Debug => LevelFilter::DEBUG,
            Self::Trace => LevelFilter::TRACE,
        }
    }

    /// What is wanted of the libraries. Never their debug lines: HTTP libraries print whole request heads there, and
    /// with them passwords and tokens.
    fn of_libraries(self) -> LevelFilter {
        let most = if self == Self::Trace {
            LevelFilter::INFO
        } else {
            LevelFilter::WARN
        };
        self.filter().min(most)
    }
}

impl FromStr for Level {
    type Err = UnknownLevel;

    fn from_str(text: &str) -> Result<Self, UnknownLevel> {
        Self::ALL
            .iter()
            .find(|(name, _)| *name == text)
            .map(|(_, level)| *level)
            .ok_or(UnknownLevel)
    }
}

/// A level that does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a log level")]
pub struct UnknownLevel;

/// Logs were started twice in one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("logs are already started")]
pub struct AlreadyStarted;

/// Keeps the writing thread alive: when this is dropped, what waits is written (for up to a second).
#[derive(Debug)]
pub struct Logs {
    _worker: WorkerGuard,
    dropped: DroppedLines,
}

impl Logs {
    /// How many lines were dropped so far, to ask again and again.
    #[must_use]
    pub fn dropped(&self) -> DroppedLines {
        self.dropped.clone()
    }
}

/// Counts the lines that nobody got to read because standard error was too slow.
#[derive(Clone, Debug)]
pub struct DroppedLines(ErrorCounter);

impl DroppedLines {
    /// Lines dropped since the start.
    #[must_use]
    pub fn count(&self) -> u64 {
        u64::try_from(self.0.dropped_lines()).unwrap_or(u64::MAX)
    }
}

/// Sends everything said through `tracing` and `log` to standard error, from now on. `own` is how the names of our own
/// crates start: other crates are heard from [`Level::Warn`] up, unless everything is wanted.
///
/// # Errors
///
/// When this process already has logs.
pub fn start(level: Level, own: &str) -> Result<Logs, AlreadyStarted> {
    let (writer, logs) = writer(std::io::stderr(), WAITING_LINES);
    tracing_subscriber::registry()
        .with(lines(level, own, writer))
        .try_init()
        .map_err(|_| AlreadyStarted)?;
    Ok(logs)
}

/// INVARIANT(logs-never-block): a full queue drops the line and counts it; a request never waits for standard error.
/// Held by `tests::a_stuck_reader_costs_lines_and_never_blocks`.
fn writer(to: impl Write + Send + 'static, waiting: usize) -> (NonBlocking, Logs) {
    let (writer, worker) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(waiting)
        .thread_name("logs")
        .finish(to);
    let dropped = DroppedLines(writer.error_counter());
    (
        writer,
        Logs {
            _worker: worker,
            dropped,
        },
    )
}

fn lines<S, W>(level: Level, own: &str, writer: W) -> impl tracing_subscriber::Layer<S>
where
    S: tracing::Subscriber + for<'span> LookupSpan<'span>,
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    let filter = Targets::new()
        .with_default(level.of_libraries())
        .with_target(own, level.filter());
    tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_writer(writer)
        .with_filter(filter)
}

#[cfg(test)]
mod tests;
