//! How does an event become a line? As JSON: when, how grave, its fields in the order in which they are given, and under
//! which target it was said.
//!
//! `tracing-subscriber` can do that as well, but writes each of the twenty fields of a decision piece by piece through two
//! layers of formatting: that costs a request several microseconds (see `benches/README.md`). The lines are the same.

use std::cell::RefCell;
use std::error::Error;
use std::fmt::{self, Write as _};
use std::io::Write as _;

use serde::Serialize;
use tracing::field::{Field, Visit};
use tracing::{Event, Metadata, Subscriber};
use tracing_log::NormalizeEvent as _;
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::layer::Context;

/// What a thread keeps of its room for the next line, in bytes.
const KEPT: usize = 4 << 10;

/// Writes every event that it hears.
#[derive(Debug)]
pub(super) struct Lines<W>(W);

impl<W> Lines<W> {
    pub(super) fn new(writer: W) -> Self {
        Self(writer)
    }
}

impl<S, W> Layer<S> for Lines<W>
where
    S: Subscriber,
    W: for<'writer> MakeWriter<'writer> + 'static,
{
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        thread_local! {
            static LINE: RefCell<Line> = RefCell::default();
        }
        LINE.with(|line| match line.try_borrow_mut() {
            Ok(mut line) => self.tell(event, &mut line),
            // Something that is being written says something itself.
            Err(_) => self.tell(event, &mut Line::default()),
        });
    }
}

impl<W> Lines<W> {
    fn tell(&self, event: &Event<'_>, line: &mut Line)
    where
        W: for<'writer> MakeWriter<'writer>,
    {
        line.write(event);
        // There is nobody to tell that a line could not be told.
        let _ = self.0.make_writer().write_all(&line.bytes);
        line.bytes.clear();
        line.bytes.shrink_to(KEPT);
    }
}

/// A line that is being written.
#[derive(Debug, Default)]
struct Line {
    bytes: Vec<u8>,
    /// Of what knows only how to write itself as text.
    text: String,
}

impl Line {
    fn write(&mut self, event: &Event<'_>) {
        // What was said through the crate `log` has its own place in fields.
        let normalized = event.normalized_metadata();
        let metadata: &Metadata<'_> = normalized.as_ref().unwrap_or_else(|| event.metadata());
        // A value that panicked while it was written has left half a line here.
        self.bytes.clear();
        self.bytes.push(b'{');
        self.text.clear();
        if SystemTime.format_time(&mut Writer::new(&mut self.text)).is_ok() {
            self.add_text("timestamp");
        }
        self.add("level", metadata.level().as_str());
        event.record(self);
        self.add("target", metadata.target());
        self.bytes.extend_from_slice(b"}\n");
    }

    /// INVARIANT(a line is a line): whatever a value is, it is JSON on one line; held by
    /// `logs::tests::an_event_is_one_json_line_with_its_fields_at_the_top`.
    fn add(&mut self, name: &str, value: impl Serialize) {
        self.name(name);
        let before = self.bytes.len();
        if serde_json::to_writer(&mut self.bytes, &value).is_err() {
            self.bytes.truncate(before);
            self.bytes.extend_from_slice(b"null");
        }
    }

    fn add_field(&mut self, field: &Field, value: impl Serialize) {
        if !is_place(field) {
            self.add(field.name(), value);
        }
    }

    /// Adds what is in `text`.
    fn add_text(&mut self, name: &str) {
        let text = std::mem::take(&mut self.text);
        self.add(name, &text);
        self.text = text;
        self.text.shrink_to(KEPT);
    }

    fn name(&mut self, name: &str) {
        if self.bytes.len() > 1 {
            self.bytes.push(b',');
        }
        // Names of fields are identifiers with dots: nothing in them has to be escaped, but that of a raw one.
        self.bytes.push(b'"');
        self.bytes
            .extend_from_slice(name.strip_prefix("r#").unwrap_or(name).as_bytes());
        self.bytes.extend_from_slice(b"\":");
    }
}

impl Visit for Line {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add_field(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add_field(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add_field(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add_field(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add_field(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if is_place(field) {
            return;
        }
        self.text.clear();
        // What cannot write itself is told as far as it came.
        let _ = write!(self.text, "{value:?}");
        self.add_text(field.name());
    }
}

/// Where a line of the crate `log` comes from; the target says so already.
fn is_place(field: &Field) -> bool {
    field.name().starts_with("log.")
}
