//! What does an event look like in a stream? (WIRE §4.10, server-sent events)
//!
//! Bytes only: it does not know of connections.

use axum::body::Bytes;

use super::Event;

/// The comment that keeps an idle stream open.
pub(crate) const KEEP_ALIVE: Bytes = Bytes::from_static(b":keepalive\n\n");

/// `event:` and `data:` lines. There is always a `data:` line, `null` when there is nothing to say: phones do not
/// deliver an event without one (WIRE §12.18).
pub(crate) fn render(event: &Event) -> Bytes {
    let mut frame = format!("event: {}\ndata: ", event.kind.name()).into_bytes();
    frame.extend_from_slice(&event.data_json());
    frame.extend_from_slice(b"\n\n");
    frame.into()
}

#[cfg(test)]
mod tests {
    use super::render;
    use crate::events::{Event, Kind};

    #[test]
    fn an_event_without_data_says_null() {
        let frame = render(&Event::plain(Kind::MessageEnqueued));
        assert_eq!(&frame[..], b"event: MessageEnqueued\ndata: null\n\n");
    }

    #[test]
    fn data_is_one_line_of_json_whatever_the_id_is() {
        let frame = render(&Event::message_cancelled("a\nb\r<\"é".to_owned()));
        assert_eq!(
            String::from_utf8_lossy(&frame),
            "event: MessageCancelled\ndata: {\"messageId\":\"a\\nb\\r\\u003c\\\"é\"}\n\n"
        );
    }

    #[test]
    fn names_are_those_that_phones_know() {
        let names = [
            Kind::MessageEnqueued,
            Kind::MessageCancelled,
            Kind::WebhooksUpdated,
            Kind::SettingsUpdated,
            Kind::MessagesExportRequested,
        ]
        .map(Kind::name);
        assert_eq!(
            names,
            [
                "MessageEnqueued",
                "MessageCancelled",
                "WebhooksUpdated",
                "SettingsUpdated",
                "MessagesExportRequested"
            ]
        );
    }
}
