#![expect(clippy::unwrap_used, reason = "tests")]

use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex};

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

#[test]
fn an_event_is_one_json_line_with_its_fields_at_the_top() {
    let (to, _gate, read) = slow(true);
    let (writer, logs) = writer(to, 10);
    let subscriber = tracing_subscriber::registry().with(lines(Level::Info, "gateward", writer));
    tracing::subscriber::with_default(subscriber, || {
        tracing::info!(target: "gateward_x", route = "messages.send", status = 202, "re\"quest\n");
        tracing::debug!(target: "gateward_x", "not told");
        tracing::info!(target: "library", "not told");
        tracing::warn!(target: "library", "told");
    });
    drop(logs);
    let lines: Vec<serde_json::Value> = read.iter().map(|line| serde_json::from_slice(&line).unwrap()).collect();
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
fn a_stuck_reader_costs_lines_and_never_blocks() {
    let (to, gate, read) = slow(false);
    let (writer, logs) = writer(to, 4);
    let dropped = logs.dropped();
    let subscriber = tracing_subscriber::registry().with(lines(Level::Info, "gateward", writer));
    tracing::subscriber::with_default(subscriber, || {
        for number in 0..100 {
            tracing::info!(target: "gateward_x", number);
        }
    });
    // All hundred were said although nobody reads. Four wait, and one or two are with the writing thread.
    assert!(dropped.count() >= 90, "{}", dropped.count());
    *gate.0.lock().unwrap() = true;
    gate.1.notify_all();
    drop(logs);
    let written = u64::try_from(read.iter().count()).unwrap();
    assert_eq!(written + dropped.count(), 100);
}

#[test]
fn logs_can_be_started_once_and_hear_the_log_crate() {
    let _logs = start(Level::Error, "gateward").unwrap();
    assert_eq!(start(Level::Error, "gateward").unwrap_err(), AlreadyStarted);
    assert_eq!(log::max_level(), log::LevelFilter::Error);
}

#[test]
fn levels_are_known_by_name() {
    assert_eq!("warn".parse(), Ok(Level::Warn));
    assert_eq!("WARN".parse::<Level>(), Err(UnknownLevel));
    assert_eq!(Level::Info.of_libraries(), LevelFilter::WARN);
    assert_eq!(Level::Error.of_libraries(), LevelFilter::ERROR);
    assert_eq!(Level::Trace.of_libraries(), LevelFilter::INFO);
}
