//! How do lines get to somebody who may read slowly? Into memory at once, and from there by a thread that takes all of
//! them together.
//!
//! `tracing-appender` wakes its thread and makes a system call for every line, which costs as much as a fifth of the
//! request that the line is about (see `benches/README.md`).

use std::io::{ErrorKind, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// How long the first line waits for others that will be written with it.
const GATHERING: Duration = Duration::from_millis(10);
/// How long the end of a process waits for a reader.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// How long to wait for one who takes nothing just now, and does not let us wait for him.
const PAUSE: Duration = Duration::from_millis(10);
/// What a buffer keeps of its room once it is written, in bytes.
const KEPT: usize = 64 << 10;

/// Starts the thread. At most `max_waiting` bytes wait for it.
pub(super) fn start(to: impl Write + Send + 'static, max_waiting: usize) -> Result<(LineWriter, Logs), std::io::Error> {
    let desk = Arc::new(Desk {
        max_waiting,
        lines: Mutex::default(),
        said: Condvar::new(),
        written: Condvar::new(),
        dropped: AtomicU64::new(0),
    });
    let of_thread = Arc::clone(&desk);
    std::thread::Builder::new()
        .name("logs".to_owned())
        .spawn(move || of_thread.write_all_to(to))?;
    Ok((LineWriter(Arc::clone(&desk)), Logs(desk)))
}

/// Where lines lie until they are written.
#[derive(Debug)]
struct Desk {
    max_waiting: usize,
    lines: Mutex<Lines>,
    /// The first line came, or the last.
    said: Condvar,
    /// The last line was written.
    written: Condvar,
    dropped: AtomicU64,
}

#[derive(Debug, Default)]
struct Lines {
    waiting: Vec<u8>,
    /// No more will come.
    ended: bool,
    /// None is left.
    finished: bool,
}

impl Desk {
    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// INVARIANT(logs-never-block): a full buffer drops the line and counts it; a request never waits for standard
    /// error. Held by `logs::tests::a_stuck_reader_costs_lines_and_never_blocks`.
    fn put(&self, line: &[u8]) {
        let mut lines = self.lines();
        if lines.waiting.len().saturating_add(line.len()) > self.max_waiting {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let is_first = lines.waiting.is_empty();
        lines.waiting.extend_from_slice(line);
        drop(lines);
        if is_first {
            self.said.notify_one();
        }
    }

    fn write_all_to(&self, to: impl Write) {
        let mut outlet = Outlet { to, torn: false };
        let mut taken = Vec::new();
        while self.take(&mut taken) {
            let lost = outlet.write(&taken);
            self.dropped.fetch_add(lost, Ordering::Relaxed);
            taken.clear();
            taken.shrink_to(KEPT);
        }
        self.lines().finished = true;
        self.written.notify_all();
    }

    /// Waits for lines and takes them all; false when there will be none.
    fn take(&self, taken: &mut Vec<u8>) -> bool {
        let nothing = |lines: &mut Lines| lines.waiting.is_empty() && !lines.ended;
        let lines = self.said.wait_while(self.lines(), nothing);
        let lines = lines.unwrap_or_else(PoisonError::into_inner);
        let gathered = self.said.wait_timeout_while(lines, GATHERING, |lines| !lines.ended);
        let (mut lines, _) = gathered.unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(&mut lines.waiting, taken);
        !taken.is_empty()
    }
}

/// Where lines go.
struct Outlet<W> {
    to: W,
    /// Only the beginning of the last line got there.
    torn: bool,
}

impl<W: Write> Outlet<W> {
    /// Writes lines and returns how many of them got lost, whole or in part. What failed is not tried again: who does not
    /// listen now (a full disk, a closed pipe) may do so for good, and the next lines show whether that is over.
    fn write(&mut self, lines: &[u8]) -> u64 {
        // Otherwise the next line would be lost with the one that it is appended to.
        let left = if self.torn && !self.push(b"\n").is_empty() {
            lines
        } else {
            let left = self.push(lines);
            let written = lines.len() - left.len();
            let last = lines.get(..written).and_then(<[u8]>::last);
            self.torn = last.is_some_and(|byte| *byte != b'\n');
            left
        };
        let ends = left.iter().filter(|byte| **byte == b'\n').count();
        u64::try_from(ends).unwrap_or(u64::MAX)
    }

    /// Writes as much as possible and returns what is left.
    fn push<'a>(&mut self, mut left: &'a [u8]) -> &'a [u8] {
        while !left.is_empty() {
            match self.to.write(left) {
                Ok(written @ 1..) => left = left.get(written..).unwrap_or_default(),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // Somebody who shares standard error with us has made it so.
                Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::park_timeout(PAUSE),
                // There is nobody to tell that nobody listens.
                Ok(_) | Err(_) => break,
            }
        }
        let _ = self.to.flush();
        left
    }
}

/// Takes lines, each in one piece. A cheap handle.
#[derive(Clone, Debug)]
pub(super) struct LineWriter(Arc<Desk>);

impl Write for &LineWriter {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        self.0.put(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for LineWriter {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> &'a Self {
        self
    }
}

/// The end of the logs: when this is dropped, what waits is written (for up to a second), and nothing after it.
#[derive(Debug)]
pub struct Logs(Arc<Desk>);

impl Logs {
    /// How many lines were dropped so far, to ask again and again.
    #[must_use]
    pub fn dropped(&self) -> DroppedLines {
        DroppedLines(Arc::clone(&self.0))
    }
}

impl Drop for Logs {
    fn drop(&mut self) {
        let mut lines = self.0.lines();
        lines.ended = true;
        self.0.said.notify_all();
        let all = self
            .0
            .written
            .wait_timeout_while(lines, LAST_WORDS, |lines| !lines.finished);
        drop(all);
    }
}

/// Counts the lines that nobody got to read because standard error was too slow, or took them no more.
#[derive(Clone, Debug)]
pub struct DroppedLines(Arc<Desk>);

impl DroppedLines {
    /// Lines dropped since the start.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.dropped.load(Ordering::Relaxed)
    }
}
