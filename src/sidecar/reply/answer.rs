//! What does an answer of ours consist of? Status, fields and body, as Pingora wants them or as bare bytes. Knows no
//! reason for any of it.

use bytes::Bytes;
use gateward_contract::headers::LINK_USER_API;
use http::HeaderValue;
use pingora::http::ResponseHeader;

/// What an answer depends on besides its reason.
#[derive(Debug, Clone, Copy)]
pub struct Circumstances<'a> {
    /// Goes into `X-Request-ID`.
    pub request_id: &'a str,
    /// The path is part of the user API: the reference's `Link` header belongs to the answer.
    pub user_api: bool,
    /// The client asked for `application/problem+json` (RFC 9457).
    pub wants_problem: bool,
}

/// An answer made here.
#[derive(Debug, Clone)]
pub struct Answer {
    status: u16,
    pub(super) fields: Vec<(&'static str, HeaderValue)>,
    pub(super) body: Bytes,
}

impl Answer {
    /// An answer with a body.
    pub fn new(status: u16, content_type: &'static str, body: Bytes, about: &Circumstances<'_>) -> Self {
        let mut answer = Self::empty(status, about);
        answer
            .fields
            .push(("Content-Type", HeaderValue::from_static(content_type)));
        answer.fields.push(("Content-Length", HeaderValue::from(body.len())));
        answer.body = body;
        answer
    }

    /// An answer without a body, such as 204.
    pub fn empty(status: u16, about: &Circumstances<'_>) -> Self {
        let mut fields = Vec::with_capacity(8);
        if let Ok(id) = HeaderValue::from_str(about.request_id) {
            fields.push(("X-Request-ID", id));
        }
        if about.user_api {
            fields.push(("Link", HeaderValue::from_static(LINK_USER_API)));
        }
        Self {
            status,
            fields,
            body: Bytes::new(),
        }
    }

    /// Forbids every cache to keep it (RFC 6750 §5.3: answers that hold tokens).
    #[must_use]
    pub fn not_stored(mut self) -> Self {
        self.fields
            .push(("Cache-Control", HeaderValue::from_static("no-store")));
        self
    }

    /// HTTP status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The head and the body for Pingora, which adds `Date` and `Connection`.
    pub fn into_parts(self) -> pingora::Result<(ResponseHeader, Bytes)> {
        let mut header = ResponseHeader::build(self.status, Some(self.fields.len() + 2))?;
        for (name, value) in self.fields {
            header.append_header(name, value)?;
        }
        Ok((header, self.body))
    }

    /// The answer as bytes of HTTP/1.1, for connections that are closed after it.
    pub fn to_last_words(&self, date: &HeaderValue) -> Vec<u8> {
        let mut bytes = format!("HTTP/1.1 {} {}\r\n", self.status, phrase(self.status)).into_bytes();
        let close = [("Date", date), ("Connection", &HeaderValue::from_static("close"))];
        let fields = self.fields.iter().map(|(name, value)| (*name, value));
        for (name, value) in fields.chain(close) {
            bytes.extend_from_slice(name.as_bytes());
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value.as_bytes());
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

/// The reference's text for a status (fiber's table; it differs from newer names such as "Content Too Large").
pub(super) fn phrase(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        413 => "Request Entity Too Large",
        414 => "Request URI Too Long",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Internal Server Error",
    }
}
