//! How does a replica stay the same as Redis, and know that it is? One task reads the feed, whose answers are the
//! heartbeat, and compares the whole list from time to time. It alone says that the list is complete.
//!
//! The order that makes it safe: first the place in the feed, then the whole list, then the feed from that place on. What
//! changes meanwhile comes twice rather than never, and merging twice is merging once.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use gateward_auth::UnixSeconds;
use redis::aio::MultiplexedConnection;
use tokio::sync::mpsc;

use super::Shared;
use super::failure::Failure;
use super::position::{Gap, Position, StreamId};
use super::scan::{Scan, Step};
use crate::entry::{Entry, Line};
use crate::store::ANSWER_WITHIN;
use crate::trouble::Trouble;

/// Redis answers after this long when there is nothing new: the heartbeat.
const BEAT: Duration = Duration::from_millis(200);
/// Lines of the feed that are read at once.
const PAGE: usize = 2000;
/// Pauses between attempts to connect: doubled from the first to the last, so that a Redis that is back is noticed within
/// 5 s (DESIGN §7) even when an attempt runs into its time limits.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LAST_PAUSE: Duration = Duration::from_secs(1);
/// Comparing a list that is very long takes at most this part of the time.
const SCAN_SHARE: u32 = 10;

/// Runs until the list is closed.
pub(super) async fn run(shared: Arc<Shared>, mut failures: mpsc::UnboundedReceiver<(u64, Failure)>) {
    let mut feed = Feed {
        shared,
        position: None,
        complete: false,
        pause: FIRST_PAUSE,
    };
    for session in 1.. {
        let failure = match feed.connect(session).await {
            Ok(connection) => tokio::select! {
                failure = feed.follow(connection) => failure,
                failure = changes_failed(&mut failures, session) => failure,
            },
            Err(failure) => failure,
        };
        feed.shared.set_changes(None);
        feed.shared.link.failed(failure.trouble, &failure.cause);
        tokio::time::sleep(feed.pause).await;
        feed.pause = (feed.pause * 2).min(LAST_PAUSE);
    }
}

/// Waits for a failure of this session's connection for changes.
async fn changes_failed(failures: &mut mpsc::UnboundedReceiver<(u64, Failure)>, session: u64) -> Failure {
    while let Some((failed, failure)) = failures.recv().await {
        if failed == session {
            return failure;
        }
    }
    Failure {
        trouble: Trouble::Closed,
        cause: "the list was closed".to_owned(),
    }
}

struct Feed {
    shared: Arc<Shared>,
    /// What has been read; kept from one session to the next.
    position: Option<Position>,
    /// The whole list was read since the last gap.
    complete: bool,
    pause: Duration,
}

/// A comparison of the whole list, and why it was begun.
struct Comparison {
    scan: Scan,
    began: Instant,
    gap: Option<Gap>,
}

/// One answer of Redis.
struct Beat {
    generation: String,
    /// The last line that we read is still in the feed, so nothing after it was dropped.
    anchored: bool,
    lines: Lines,
}

/// Lines of a stream: id, fields.
type Lines = Vec<(String, Vec<(String, String)>)>;

impl Feed {
    /// Makes the connections of a session: one for changes, one for the feed.
    async fn connect(&self, session: u64) -> Result<MultiplexedConnection, Failure> {
        let connection = self.shared.connect(BEAT + ANSWER_WITHIN).await?;
        let changes = self.shared.connect(ANSWER_WITHIN).await?;
        self.shared.set_changes(Some((session, changes)));
        Ok(connection)
    }

    /// Reads until something fails, and says what.
    async fn follow(&mut self, mut connection: MultiplexedConnection) -> Failure {
        let mut comparison = None;
        // After a pause anything may have happened, so that a session begins with a comparison.
        let mut next = Instant::now();
        let mut at_end = false;
        loop {
            match self.turn(&mut connection, &mut comparison, &mut next, at_end).await {
                Ok(end) => at_end = end,
                Err(failure) => return failure,
            }
        }
    }

    /// Reads the feed once and compares a little. Answers whether the feed was read to its end.
    async fn turn(
        &mut self,
        connection: &mut MultiplexedConnection,
        comparison: &mut Option<Comparison>,
        next: &mut Instant,
        at_end: bool,
    ) -> Result<bool, Failure> {
        let Some(position) = self.position.clone() else {
            *comparison = Some(self.start_over(connection, Gap::First).await?);
            return Ok(false);
        };
        // Nothing new is worth waiting for only when there is nothing else to do.
        let wait = at_end && self.complete && comparison.is_none();
        let beat = self.beat(connection, position.cursor, wait).await?;
        let lost = beat.generation != position.generation;
        if lost || !beat.anchored {
            *comparison = Some(
                self.start_over(connection, if lost { Gap::Lost } else { Gap::Missed })
                    .await?,
            );
            return Ok(false);
        }
        let at_end = beat.lines.len() < PAGE;
        self.read(position, &beat.lines);
        if self.complete && at_end {
            self.shared.link.heard();
            self.pause = FIRST_PAUSE;
        }
        if comparison.is_none() && *next <= Instant::now() {
            *comparison = Some(Comparison::begin(&self.shared, None));
        }
        if let Some(under_way) = comparison {
            match under_way.scan.step(&self.shared, connection).await? {
                Step::More => {}
                Step::Read => self.complete = true,
                Step::Done { written } => {
                    self.compared(written, under_way.gap);
                    let pause = self
                        .shared
                        .options
                        .resync_every
                        .max(under_way.began.elapsed() * SCAN_SHARE);
                    *next = Instant::now() + pause;
                    *comparison = None;
                }
            }
        }
        Ok(at_end)
    }

    /// Goes to the end of the feed and begins to load the whole list. Until that is done the list is not complete.
    async fn start_over(&mut self, connection: &mut MultiplexedConnection, gap: Gap) -> Result<Comparison, Failure> {
        self.complete = false;
        self.shared.link.catching_up();
        let end = self.end(connection).await?;
        // An old snapshot is shorter than what we have read of it.
        let shorter = self
            .position
            .as_ref()
            .is_some_and(|position| end.cursor < position.cursor);
        let gap = if shorter { Gap::Lost } else { gap };
        let counters = &self.shared.counters;
        match gap {
            Gap::First => {}
            Gap::Missed => {
                counters.gaps.fetch_add(1, Ordering::Relaxed);
                tracing::warn!("the denylist feed has a gap, loading the whole list");
            }
            Gap::Lost => {
                counters.gaps.fetch_add(1, Ordering::Relaxed);
                self.alarm();
            }
        }
        self.position = Some(end);
        Ok(Comparison::begin(&self.shared, Some(gap)))
    }

    /// The last line of the feed, and the word for this generation of data; both are made if they are not there.
    async fn end(&self, connection: &mut MultiplexedConnection) -> Result<Position, Failure> {
        let keys = &self.shared.keys;
        let mut commands = redis::pipe();
        self.ask_generation(&mut commands);
        commands
            .cmd("XREVRANGE")
            .arg(&keys.feed)
            .arg("+")
            .arg("-")
            .arg("COUNT")
            .arg(1);
        let (generation, last): (String, Lines) = commands.query_async(connection).await?;
        let id = match last.into_iter().next() {
            Some((id, _)) => id,
            // A feed that was never written to has no place that could be found again.
            None => {
                redis::cmd("XADD")
                    .arg(&keys.feed)
                    .arg("*")
                    .arg("begin")
                    .arg("")
                    .query_async(connection)
                    .await?
            }
        };
        Ok(Position {
            generation,
            cursor: stream_id(&id)?,
        })
    }

    /// Asks for the generation and for what follows the cursor, waiting for it for the time of a beat if told to.
    ///
    /// Writing the generation is refused by a Redis that would refuse a revocation too (read-only, out of memory, unable
    /// to save): so the heartbeat tells also that changes are possible.
    async fn beat(
        &self,
        connection: &mut MultiplexedConnection,
        cursor: StreamId,
        wait: bool,
    ) -> Result<Beat, Failure> {
        let (keys, cursor) = (&self.shared.keys, cursor.to_string());
        let mut commands = redis::pipe();
        self.ask_generation(&mut commands);
        commands.cmd("XRANGE").arg(&keys.feed).arg(&cursor).arg(&cursor);
        commands.cmd("XREAD").arg("COUNT").arg(PAGE);
        if wait {
            commands.arg("BLOCK").arg(BEAT.as_millis().to_string());
        }
        commands.arg("STREAMS").arg(&keys.feed).arg(&cursor);
        let (generation, anchor, new): (String, Lines, Option<Vec<(String, Lines)>>) =
            commands.query_async(connection).await?;
        let lines = new.into_iter().flatten().flat_map(|(_, lines)| lines).collect();
        Ok(Beat {
            generation,
            anchored: !anchor.is_empty(),
            lines,
        })
    }

    fn ask_generation(&self, commands: &mut redis::Pipeline) {
        let key = &self.shared.keys.generation;
        commands
            .cmd("SET")
            .arg(key)
            .arg(self.shared.new_generation())
            .arg("NX")
            .ignore();
        commands.cmd("GET").arg(key);
    }

    /// Merges lines and moves on behind them.
    fn read(&mut self, mut position: Position, lines: &Lines) {
        let shared = &self.shared;
        for (id, fields) in lines {
            let Some(id) = StreamId::parse(id) else { continue };
            position.cursor = id;
            match line(fields) {
                Some(line) => {
                    shared.replica.merge(&line);
                    shared.counters.feed_entries.fetch_add(1, Ordering::Relaxed);
                    shared
                        .counters
                        .feed_lag
                        .store(shared.millis_since(id.millis), Ordering::Relaxed);
                }
                None if fields.iter().any(|(name, _)| name == "begin") => {}
                None => tracing::error!("a line of the denylist feed in redis cannot be read"),
            }
        }
        self.position = Some(position);
    }

    fn compared(&self, written: u64, gap: Option<Gap>) {
        let counters = &self.shared.counters;
        counters.resyncs.fetch_add(1, Ordering::Relaxed);
        counters.written_back.fetch_add(written, Ordering::Relaxed);
        if written != 0 {
            if gap != Some(Gap::Lost) {
                self.alarm();
            }
            tracing::warn!(lines = written, "revocations were written back into redis");
        }
    }

    fn alarm(&self) {
        self.shared.counters.alarms.fetch_add(1, Ordering::Relaxed);
        tracing::error!(
            "redis has lost data: known revocations stand and are written back, login sessions may be lost"
        );
    }
}

impl Comparison {
    fn begin(shared: &Shared, gap: Option<Gap>) -> Self {
        Self {
            scan: Scan::begin(shared),
            began: Instant::now(),
            gap,
        }
    }
}

fn line(fields: &[(String, String)]) -> Option<Line> {
    let field = |wanted: &str| {
        fields
            .iter()
            .find(|(name, _)| name == wanted)
            .map(|(_, value)| value.as_str())
    };
    let entry = Entry::decode(field("entry")?)?;
    Some(Line {
        entry,
        expires_at: UnixSeconds(field("expires_at")?.parse().ok()?),
    })
}

fn stream_id(text: &str) -> Result<StreamId, Failure> {
    let cause = || Failure {
        trouble: Trouble::Refused,
        cause: "not the id of a stream".to_owned(),
    };
    StreamId::parse(text).ok_or_else(cause)
}
