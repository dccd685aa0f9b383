//! Event-stream frames from bytes (WHATWG HTML §9.2.6). Knows no event names and does no IO.

/// One dispatched event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    /// The `event:` field; empty when there was none.
    pub(crate) event: String,
    /// The `data:` lines, joined by line feeds.
    pub(crate) data: String,
}

/// Takes the stream in pieces of any size and gives whole frames. Comments (keep-alives) give nothing.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    pending: Vec<u8>,
    event: String,
    data: Option<String>,
}

impl Frames {
    /// Adds bytes as they came and returns the frames they completed.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Vec<Frame> {
        let mut done = Vec::new();
        for &byte in bytes {
            if byte != b'\n' {
                self.pending.push(byte);
                continue;
            }
            let line = std::mem::take(&mut self.pending);
            let text = String::from_utf8_lossy(&line);
            done.extend(self.take_line(text.strip_suffix('\r').unwrap_or(&text)));
        }
        done
    }

    fn take_line(&mut self, line: &str) -> Option<Frame> {
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            // An event without a data line is not dispatched, as in the Android app (WIRE §12.18).
            return self.data.take().map(|data| Frame { event, data });
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => self.event = value.to_owned(),
            "data" => match &mut self.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => self.data = Some(value.to_owned()),
            },
            // Comments start with the colon, so their field name is empty; other fields mean nothing here.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::{Frame, Frames};

    fn frame(event: &str, data: &str) -> Frame {
        Frame {
            event: event.into(),
            data: data.into(),
        }
    }

    #[test]
    fn a_frame_may_come_in_any_pieces() {
        let text = b"event: MessageEnqueued\ndata: null\n\n";
        for cut in 0..text.len() {
            let mut frames = Frames::default();
            let (left, right) = text.split_at(cut);
            let mut seen = frames.push(left);
            seen.extend(frames.push(right));
            assert_eq!(seen, [frame("MessageEnqueued", "null")]);
        }
    }

    #[test]
    fn keep_alives_give_nothing() {
        let mut frames = Frames::default();
        assert_eq!(frames.push(b":keepalive\n\n:keepalive\n\n"), []);
        assert_eq!(frames.push(b"data: x\r\n\r\n"), [frame("", "x")]);
    }

    #[test]
    fn an_event_without_data_is_not_dispatched() {
        let mut frames = Frames::default();
        assert_eq!(frames.push(b"event: Ping\n\ndata: a\ndata: b\n\n"), [frame("", "a\nb")]);
    }
}
