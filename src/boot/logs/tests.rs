#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use super::*;

/// A standard error that nobody reads until the gate is opened, and that hands on what was written.
struct Slow {
    gate: Gate,
    written: Sender<Vec<u8>>,
}

impl Write for Slow {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let (open, opened) = &*self.gate;
        drop(opened.wait_while(open.lock().unwrap(), |open| !*open).unwrap());
        self.written.send(line.to_vec()).unwrap();
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

type Gate = Arc<(Mutex<bool>, Condvar)>;

fn slow(open: bool) -> (Slow, Gate, Receiver<Vec<u8>>) {
    let gate = Arc::new((Mutex::new(open), Condvar::new()));
    let (written, read) = channel();
    (
        Slow {
            gate: Arc::clone(&gate),
            written,
        },
        gate,
        read,
    )
}

fn read_lines(read: &Receiver<Vec<u8>>) -> Vec<serde_json::Value> {
    let written: Vec<u8> = read.iter().flatten().collect();
    let lines = written.split_inclusive(|byte| *byte == b'\n');
    lines.map(|line| serde_json::from_slice(line).unwrap()).collect()
}

#[test]
fn an_event_is_one_json_line_with_its_fields_at_the_top() {
    let (to, _gate, read) = slow(true);
    let (writer, logs) = writer::start(to, MAX_WAITING).unwrap();
    let subscriber = tracing_subscriber::registry().with(lines(Level::Info, "gateward", &[], writer));
    tracing::subscriber::with_default(subscriber, || {
        tracing::info!(target: "gateward_x", route = "messages.send", status = 202, "re\"quest\n");
        tracing::debug!(target: "gateward_x", "not told");
        tracing::info!(target: "library", "not told");
        tracing::warn!(target: "library", "told");
    });
    drop(logs);
    let lines: Vec<serde_json::Value> = read_lines(&read);
    assert_eq!(lines.len(), 2);
    let first = lines.first().unwrap();
    for (key, value) in [
        ("level", "INFO".into()),
        ("target", "gateward_x".into()),
        ("message", "re\"quest\n".into()),
        ("route", "messages.send".into()),
        ("status", serde_json::Value::from(202)),
    ] {
        assert_eq!(first.get(key), Some(&value), "{key}");
    }
    assert!(first.get("timestamp").is_some());
}

#[test]
fn every_kind_of_value_is_told() {
    let (to, _gate, read) = slow(true);
    let (writer, logs) = writer::start(to, MAX_WAITING).unwrap();
    let subscriber = tracing_subscriber::registry().with(lines(Level::Info, "gateward", &[], writer));
    let error = io::Error::other("no \"luck\"");
    tracing::subscriber::with_default(subscriber, || {
        tracing::info!(
            target: "gateward_x",
            shown = %"a\u{1}\\b\u{e9}",
            debug = ?Some("x"),
            error = &error as &(dyn std::error::Error + 'static),
            whole = -1,
            large = u64::MAX,
            float = 1.5,
            none = None::<u8>,
            not_a_number = f64::NAN,
            truth = true,
            r#type = "raw",
            "number {}", 1
        );
        tracing::info!(target: "gateward_x", "{}", "long".repeat(5_000));
        tracing::info!(target: "gateward_x", short = true);
    });
    drop(logs);
    let lines: Vec<serde_json::Value> = read_lines(&read);
    let [first, long, short] = lines.as_array().unwrap();
    for (key, value) in [
        ("message", "number 1".into()),
        ("shown", "a\u{1}\\b\u{e9}".into()),
        ("debug", "Some(\"x\")".into()),
        ("error", "no \"luck\"".into()),
        ("whole", (-1).into()),
        ("large", u64::MAX.into()),
        ("float", 1.5.into()),
        ("not_a_number", serde_json::Value::Null),
        ("truth", true.into()),
        ("type", "raw".into()),
    ] {
        assert_eq!(first.get(key), Some(&value), "{key}");
    }
    assert_eq!(first.get("none"), None);
    assert_eq!(long.get("message").unwrap().as_str().unwrap().len(), 20_000);
    assert_eq!(short.as_object().unwrap().len(), 4, "nothing of another line: {short}");
}

#[test]
fn what_the_log_crate_hears_has_its_own_place() {
    let (to, _gate, read) = slow(true);
    let (writer, logs) = writer::start(to, MAX_WAITING).unwrap();
    let subscriber = tracing_subscriber::registry().with(lines(Level::Info, "gateward", &[], writer));
    tracing::subscriber::with_default(subscriber, || {
        let record = log::Record::builder()
            .args(format_args!("said"))
            .level(log::Level::Warn)
            .target("gateward_library")
            .file(Some("file.rs"))
            .line(Some(7))
            .build();
        tracing_log::format_trace(&record).unwrap();
    });
    drop(logs);
    let lines: Vec<serde_json::Value> = read_lines(&read);
    let line = lines.first().unwrap().as_object().unwrap();
    let mut keys: Vec<_> = line.keys().map(String::as_str).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["level", "message", "target", "timestamp"]);
    assert_eq!(line.get("target").unwrap(), "gateward_library");
    assert_eq!(line.get("level").unwrap(), "WARN");
}

#[test]
fn what_must_always_be_told_is_told_at_every_level() {
    for (_, level) in Level::ALL {
        let (to, _gate, read) = slow(true);
        let (writer, logs) = writer::start(to, MAX_WAITING).unwrap();
        let subscriber = tracing_subscriber::registry().with(lines(level, "gateward", &["gateward::audit"], writer));
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(target: "gateward::audit", "told");
            tracing::info!(target: "gateward::auditor_of_something_else", "perhaps");
        });
        drop(logs);
        let lines: Vec<serde_json::Value> = read_lines(&read);
        let told = lines.iter().filter(|line| line.get("message").unwrap() == "told");
        assert_eq!(told.count(), 1, "{level:?}");
        assert!(lines.len() == 2 || level < Level::Info, "{level:?}");
    }
}

#[test]
fn what_is_odd_about_the_configuration_is_told_at_every_level() {
    for (_, level) in Level::ALL {
        let (to, _gate, read) = slow(true);
        let (writer, logs) = writer::start(to, MAX_WAITING).unwrap();
        let subscriber = tracing_subscriber::registry().with(lines(level, "gateward", &[], writer));
        tracing::subscriber::with_default(subscriber, || warn_of(&["odd"]));
        drop(logs);
        let lines: Vec<serde_json::Value> = read_lines(&read);
        assert_eq!(lines.len(), 1, "{level:?}");
        let told = ["level", "problem", "message"].map(|key| lines[0][key].clone());
        assert_eq!(told, ["WARN", "odd", "configuration"], "{level:?}");
    }
}

/// Cannot be written.
struct Unspeakable;

impl std::fmt::Debug for Unspeakable {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::panic::resume_unwind(Box::new("unspeakable"))
    }
}

#[test]
fn a_value_that_panics_costs_its_own_line_only() {
    let (to, _gate, read) = slow(true);
    let (writer, logs) = writer::start(to, MAX_WAITING).unwrap();
    let subscriber = tracing_subscriber::registry().with(lines(Level::Info, "gateward", &[], writer));
    tracing::subscriber::with_default(subscriber, || {
        let told = || tracing::info!(target: "gateward_x", value = ?Unspeakable, "lost");
        assert!(std::panic::catch_unwind(told).is_err());
        tracing::info!(target: "gateward_x", "told");
    });
    drop(logs);
    let lines: Vec<serde_json::Value> = read_lines(&read);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(
        (&lines[0]["message"], lines[0].as_object().unwrap().len()),
        (&"told".into(), 4)
    );
}

#[test]
fn a_stuck_reader_costs_lines_and_never_blocks() {
    let (to, gate, read) = slow(false);
    let (writer, logs) = writer::start(to, 1000).unwrap();
    let dropped = logs.dropped();
    let subscriber = tracing_subscriber::registry().with(lines(Level::Info, "gateward", &[], writer));
    tracing::subscriber::with_default(subscriber, || {
        for number in 0..100 {
            tracing::info!(target: "gateward_x", number);
        }
    });
    // All hundred were said although nobody reads, each longer than fifty bytes: no more than twenty wait, and as many
    // are with the writing thread.
    assert!(dropped.count() >= 60, "{}", dropped.count());
    *gate.0.lock().unwrap() = true;
    gate.1.notify_all();
    drop(logs);
    let written: Vec<serde_json::Value> = read_lines(&read);
    assert_eq!(u64::try_from(written.len()).unwrap() + dropped.count(), 100);
}

#[test]
fn lines_said_together_are_written_together_and_in_order() {
    let (to, _gate, read) = slow(true);
    let (writer, logs) = writer::start(to, MAX_WAITING).unwrap();
    for number in 0..1000 {
        writeln!(&writer, "{number}").unwrap();
    }
    drop(logs);
    let pieces: Vec<Vec<u8>> = read.iter().collect();
    assert!(pieces.len() < 1000, "{} pieces", pieces.len());
    let wanted: String = (0..1000).map(|number| format!("{number}\n")).collect();
    assert_eq!(pieces.concat(), wanted.as_bytes());
}

/// A disk with so many bytes of room.
#[derive(Clone, Default)]
struct Disk {
    room: Arc<Mutex<usize>>,
    holds: Arc<Mutex<Vec<u8>>>,
}

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut room = self.room.lock().unwrap();
        let fits = bytes.len().min(*room);
        if fits == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        *room -= fits;
        self.holds.lock().unwrap().extend_from_slice(&bytes[..fits]);
        Ok(fits)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn lines_that_a_full_disk_did_not_take_are_counted_and_harm_no_later_ones() {
    let disk = Disk::default();
    *disk.room.lock().unwrap() = "first\nsecond".len();
    let (writer, logs) = writer::start(disk.clone(), MAX_WAITING).unwrap();
    writer_says(&writer, "first\nsecond\nthird\n");
    let deadline = Instant::now() + Duration::from_secs(10);
    while logs.dropped().count() < 2 {
        assert!(Instant::now() < deadline, "{} dropped", logs.dropped().count());
        std::thread::yield_now();
    }
    *disk.room.lock().unwrap() = 100;
    writer_says(&writer, "fourth\n");
    let dropped = logs.dropped();
    drop(logs);
    assert_eq!(dropped.count(), 2);
    let holds = disk.holds.lock().unwrap().clone();
    assert_eq!(String::from_utf8(holds).unwrap(), "first\nsecond\nfourth\n");
}

fn writer_says(mut writer: &writer::LineWriter, lines: &str) {
    for line in lines.split_inclusive('\n') {
        writer.write_all(line.as_bytes()).unwrap();
    }
}

/// A pipe that takes one byte at a time, and not even that every time it is asked.
#[derive(Clone, Default)]
struct Narrow {
    asked: usize,
    took: Arc<Mutex<Vec<u8>>>,
}

impl Write for Narrow {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.asked += 1;
        match self.asked {
            2 => Err(io::ErrorKind::WouldBlock.into()),
            3 => Err(io::ErrorKind::Interrupted.into()),
            _ => {
                self.took.lock().unwrap().extend_from_slice(&bytes[..1]);
                Ok(1)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn what_is_taken_in_pieces_arrives_whole() {
    let pipe = Narrow::default();
    let (writer, logs) = writer::start(pipe.clone(), MAX_WAITING).unwrap();
    writer_says(&writer, "first\nsecond\n");
    let dropped = logs.dropped();
    drop(logs);
    assert_eq!(*pipe.took.lock().unwrap(), b"first\nsecond\n");
    assert_eq!(dropped.count(), 0);
}

#[test]
fn logs_can_be_started_once_and_hear_the_log_crate() {
    let _logs = start(Level::Error, "gateward", &[]).unwrap();
    assert!(matches!(start(Level::Error, "gateward", &[]), Err(NotStarted::Already)));
    // What other tests want to hear at this moment can make it more.
    assert!(log::max_level() >= log::LevelFilter::Error);
}

#[test]
fn levels_are_known_by_name() {
    assert_eq!("warn".parse(), Ok(Level::Warn));
    assert_eq!("WARN".parse::<Level>(), Err(UnknownLevel));
    assert_eq!(Level::Info.of_libraries(), LevelFilter::WARN);
    assert_eq!(Level::Error.of_libraries(), LevelFilter::ERROR);
    assert_eq!(Level::Trace.of_libraries(), LevelFilter::INFO);
}

#[test]
fn a_panic_is_one_line_that_says_where_and_not_what() {
    let (to, _gate, read) = slow(true);
    let (writer, logs) = writer::start(to, MAX_WAITING).unwrap();
    let subscriber = tracing_subscriber::registry().with(lines(Level::Error, "gateward", &[], writer));
    // Panics of other tests are told as before.
    let (before, here) = (std::panic::take_hook(), std::thread::current().id());
    std::panic::set_hook(Box::new(move |panic| {
        if std::thread::current().id() == here {
            panics::tell_one(panic);
        } else {
            before(panic);
        }
    }));
    tracing::subscriber::with_default(subscriber, || {
        let ended = std::panic::catch_unwind(|| "hunter2".parse::<u8>().map_err(|_| "hunter2").unwrap());
        assert!(ended.is_err());
    });
    drop(logs);
    let said = read_lines(&read);
    assert_eq!(said.len(), 1, "{said:?}");
    let line = said.first().unwrap();
    assert_eq!((&line["level"], &line["message"]), (&"ERROR".into(), &"panic".into()));
    let place = line["place"].as_str().unwrap();
    assert!(place.contains("logs/tests.rs:"), "{place}");
    assert!(!line.to_string().contains("hunter2"), "{line}");
}
