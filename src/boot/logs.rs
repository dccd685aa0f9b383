//! How does a process tell what happens? In JSON lines on standard error, written by a thread of its own
//! (`logs/writer.rs`); `logs/lines.rs` says what a line is.

mod lines;
mod panics;
mod writer;

use std::fmt::Display;
use std::str::FromStr;

use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;

use self::lines::Lines;
pub use self::writer::{DroppedLines, Logs};

/// How many bytes of lines may wait for a slow standard error before further ones are dropped and counted.
const MAX_WAITING: usize = 8 << 20;

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

/// Nothing will be told.
#[derive(Debug, thiserror::Error)]
pub enum NotStarted {
    /// Logs were started twice in one process.
    #[error("logs are already started")]
    Already,
    /// There is no thread to write them.
    #[error("no thread for logs: {0}")]
    Thread(#[from] std::io::Error),
}

/// Sends everything said through `tracing` and `log` to standard error, from now on. `own` is how the names of our own
/// crates start: other crates are heard from [`Level::Warn`] up, unless everything is wanted. What is said under one of
/// the targets `always`, or of the configuration ([`warn_of`]), is told from [`Level::Info`] up, however little else is
/// wanted. A panic is a line, too.
///
/// # Errors
///
/// When this process already has logs, or cannot have another thread.
pub fn start(level: Level, own: &str, always: &[&str]) -> Result<Logs, NotStarted> {
    let (writer, logs) = writer::start(std::io::stderr(), MAX_WAITING)?;
    tracing_subscriber::registry()
        .with(lines(level, own, always, writer))
        .try_init()
        .map_err(|_| NotStarted::Already)?;
    panics::tell();
    Ok(logs)
}

/// What is said of the configuration, which is told at every level: whoever wants to hear of errors only has to hear at
/// the start, and once, that something is not as it was meant.
const CONFIGURATION: &str = "gateward::configuration";

/// Says what is odd about the configuration and no reason not to start, however little else is wanted.
pub fn warn_of(problems: &[impl Display]) {
    for problem in problems {
        tracing::warn!(target: CONFIGURATION, %problem, "configuration");
    }
}

fn lines<S, W>(level: Level, own: &str, always: &[&str], writer: W) -> impl tracing_subscriber::Layer<S>
where
    S: tracing::Subscriber + for<'span> LookupSpan<'span>,
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    let always = always.iter().copied().chain([CONFIGURATION]);
    let filter = Targets::new()
        .with_default(level.of_libraries())
        .with_target(own, level.filter())
        .with_targets(always.map(|target| (target, level.max(Level::Info).filter())));
    Lines::new(writer).with_filter(filter)
}

#[cfg(test)]
mod tests;
