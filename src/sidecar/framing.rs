//! Do these bytes of a request head mean the same thing to every HTTP implementation?
//!
//! Pingora's parser is lenient where RFC 9112 leaves room (two Content-Lengths that agree, a Content-Length
//! beside chunked, bare LF, characters escaped in passing). Whatever two parsers read differently is a way
//! to smuggle a request past the policy, so it is refused here, on the raw bytes, before Pingora sees them.
//! Knows nothing about routes, credentials or sockets.

mod chunks;
mod error;

pub use self::chunks::{Chunks, Malformed};
pub use self::error::FramingError;

/// Longest path (SECURITY 58): what the reference's whole head may have (WIRE §1.4).
pub const MAX_PATH: usize = 4 * 1024;
/// Longest request target: a path and a query.
pub const MAX_TARGET: usize = 8 * 1024;
/// Most header fields in one head.
pub const MAX_FIELDS: usize = 100;
/// Longest method token; the longest registered one has 17 characters.
const MAX_METHOD: usize = 32;

/// How the request's body is delimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyLength {
    /// No body.
    None,
    /// As many bytes as Content-Length says.
    Fixed(u64),
    /// Transfer-Encoding: chunked.
    Chunked,
}

/// A head that passed. Pingora reads it once more for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// How long it is, from the method to the empty line.
    pub length: usize,
    /// How the body is delimited.
    pub body: BodyLength,
}

/// Judges a head while its bytes arrive: every line once, when it is whole. Gives up as soon as no good head can come of
/// them.
#[derive(Debug)]
pub struct Scanner {
    limit: usize,
    /// Where the line begins that is not whole yet.
    line: usize,
    /// How far that line was looked at.
    seen: usize,
    /// Whether the version is HTTP/1.1; nothing before the request line is whole.
    is_http11: Option<bool>,
    /// Where the header fields begin.
    first_field: usize,
    fields: Fields,
}

impl Scanner {
    /// `limit`: most bytes of header fields. The request line has limits of its own.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            line: 0,
            seen: 0,
            is_http11: None,
            first_field: 0,
            fields: Fields::default(),
        }
    }

    /// Looks at what has arrived since the last call; `bytes` begin where they began then.
    ///
    /// INVARIANT(framing): a head that passes is read alike by every RFC 9112 parser; held by
    /// `framing::tests::what_two_parsers_could_read_differently_is_refused`.
    pub fn advance(&mut self, bytes: &[u8]) -> Result<Option<Head>, FramingError> {
        if self.is_http11.is_none() && bytes.first().is_some_and(|first| !is_in(*first, TOKEN)) {
            return Err(FramingError::Method);
        }
        while let Some(line) = self.next_line(bytes)? {
            match self.is_http11 {
                None => {
                    self.is_http11 = Some(check_request_line(line)?);
                    self.first_field = self.seen;
                }
                Some(_) if !line.is_empty() => self.fields.take(line)?,
                Some(_) if self.is_too_much(self.seen) => return Err(FramingError::HeadTooLarge),
                Some(is_http11) => {
                    let (length, body) = (self.seen, self.fields.settle(is_http11)?);
                    return Ok(Some(Head { length, body }));
                }
            }
        }
        if self.is_http11.is_none() && bytes.len() > MAX_TARGET + MAX_METHOD + 16 {
            return Err(FramingError::TargetTooLong);
        }
        if self.is_http11.is_some() && self.is_too_much(bytes.len()) {
            Err(FramingError::HeadTooLarge)
        } else {
            Ok(None)
        }
    }

    /// Whether so many bytes are more than a request line, the fields that are allowed, and an empty line.
    fn is_too_much(&self, bytes: usize) -> bool {
        bytes.saturating_sub(self.first_field) > self.limit.saturating_add(2)
    }

    /// The next line without its CRLF, if it is whole; a lone CR or LF is an error.
    fn next_line<'b>(&mut self, bytes: &'b [u8]) -> Result<Option<&'b [u8]>, FramingError> {
        let ahead = bytes.get(self.seen..).unwrap_or_default();
        let Some(offset) = memchr::memchr2(b'\r', b'\n', ahead) else {
            self.seen = bytes.len();
            return Ok(None);
        };
        let end = self.seen + offset;
        self.seen = end;
        match ahead.get(offset..).unwrap_or_default() {
            [b'\n', ..] => Err(FramingError::BareLineFeed),
            [b'\r', b'\n', ..] => {
                let line = bytes.get(self.line..end);
                self.seen = end + 2;
                self.line = self.seen;
                Ok(line)
            }
            [_] => Ok(None),
            _ => Err(FramingError::BareCarriageReturn),
        }
    }
}

/// Returns whether the version is HTTP/1.1.
fn check_request_line(line: &[u8]) -> Result<bool, FramingError> {
    let mut parts = line.split(|byte| *byte == b' ');
    let (Some(method), Some(target)) = (parts.next(), parts.next()) else {
        return Err(FramingError::RequestLine);
    };
    if method.is_empty() || method.len() > MAX_METHOD || !all(method, TOKEN) {
        return Err(FramingError::Method);
    }
    check_length(target)?;
    let (Some(version), None) = (parts.next(), parts.next()) else {
        return Err(FramingError::RequestLine);
    };
    let is_http11 = match version {
        b"HTTP/1.1" => true,
        b"HTTP/1.0" => false,
        _ => return Err(FramingError::Version),
    };
    if method == b"CONNECT" {
        return Err(FramingError::Connect);
    }
    if target.first() != Some(&b'/') {
        return Err(FramingError::TargetForm);
    }
    if !all(target, TARGET) {
        return Err(FramingError::TargetByte);
    }
    Ok(is_http11)
}

/// Whether a target is no longer than anybody needs.
pub fn check_length(target: &[u8]) -> Result<(), FramingError> {
    let path = memchr::memchr(b'?', target).unwrap_or(target.len());
    if path > MAX_PATH || target.len() > MAX_TARGET {
        return Err(FramingError::TargetTooLong);
    }
    Ok(())
}

/// The few header fields that framing depends on.
#[derive(Debug, Default)]
struct Fields {
    count: usize,
    length: Option<u64>,
    encoding: Option<Coding>,
    host: bool,
}

/// What a Transfer-Encoding says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    Chunked,
    Other,
}

impl Fields {
    fn take(&mut self, line: &[u8]) -> Result<(), FramingError> {
        self.count += 1;
        if self.count > MAX_FIELDS {
            return Err(FramingError::TooManyFields);
        }
        if matches!(line.first(), Some(b' ' | b'\t')) {
            return Err(FramingError::Fold);
        }
        let colon = memchr::memchr(b':', line).ok_or(FramingError::HeaderLine)?;
        let (name, value) = line.split_at(colon);
        let value = value.get(1..).unwrap_or_default();
        if name.is_empty() || !all(name, TOKEN) {
            return Err(FramingError::HeaderName);
        }
        if !is_plain(value) {
            return Err(if value.is_ascii() {
                FramingError::ControlByte
            } else {
                FramingError::NonAscii
            });
        }
        self.note(name, value.trim_ascii())
    }

    fn note(&mut self, name: &[u8], value: &[u8]) -> Result<(), FramingError> {
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => self.note_host(value),
            14 if name.eq_ignore_ascii_case(b"content-length") => self.note_length(value),
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                let coding = if value.eq_ignore_ascii_case(b"chunked") {
                    Coding::Chunked
                } else {
                    Coding::Other
                };
                if self.encoding.replace(coding).is_some() {
                    Err(FramingError::EncodingRepeated)
                } else {
                    Ok(())
                }
            }
            14 if name.eq_ignore_ascii_case(b"content_length") => Err(FramingError::Disguised),
            17 if name.eq_ignore_ascii_case(b"transfer_encoding") => Err(FramingError::Disguised),
            _ => Ok(()),
        }
    }

    fn note_host(&mut self, value: &[u8]) -> Result<(), FramingError> {
        if std::mem::replace(&mut self.host, true) {
            return Err(FramingError::HostRepeated);
        }
        if all(value, HOST) {
            Ok(())
        } else {
            Err(FramingError::HostMalformed)
        }
    }

    fn note_length(&mut self, value: &[u8]) -> Result<(), FramingError> {
        if self.length.is_some() {
            return Err(FramingError::LengthRepeated);
        }
        // `parse` alone would take "+5".
        let digits = std::str::from_utf8(value)
            .ok()
            .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        let length = digits
            .and_then(|text| text.parse().ok())
            .ok_or(FramingError::LengthMalformed)?;
        self.length = Some(length);
        Ok(())
    }

    fn settle(&self, is_http11: bool) -> Result<BodyLength, FramingError> {
        if is_http11 && !self.host {
            return Err(FramingError::HostMissing);
        }
        match (self.length, self.encoding) {
            (Some(_), Some(_)) => Err(FramingError::LengthAndEncoding),
            (None, Some(_)) if !is_http11 => Err(FramingError::EncodingInHttp10),
            (None, Some(Coding::Chunked)) => Ok(BodyLength::Chunked),
            (None, Some(Coding::Other)) => Err(FramingError::EncodingUnknown),
            (None | Some(0), None) => Ok(BodyLength::None),
            (Some(length), None) => Ok(BodyLength::Fixed(length)),
        }
    }
}

/// `tchar` of RFC 9110 §5.6.2.
const TOKEN: u8 = 1;
/// What RFC 3986 lets stand in a target, and those others that everybody reads alike. Of the rest Pingora itself would
/// refuse some, without our headers, our log and our metrics.
const TARGET: u8 = 2;
/// RFC 3986 §3.2.2 and a port; user information (`@`) is refused, a path cannot stand here.
const HOST: u8 = 4;

/// Of each byte, the sets above that it belongs to: every byte of every head is looked up here.
#[expect(clippy::indexing_slicing, reason = "checked by the compiler, which computes it")]
const SETS: [u8; 256] = {
    let mut sets = [0; 256];
    let mut byte = 0_u8;
    loop {
        let mut own = 0;
        if byte.is_ascii_alphanumeric() || contains(b"!#$%&'*+-.^_`|~", byte) {
            own |= TOKEN;
        }
        if byte.is_ascii_graphic() && !contains(b"#\"<>`", byte) {
            own |= TARGET;
        }
        if byte.is_ascii_alphanumeric() || contains(b"-._~%:[]!$&'()*+,;=", byte) {
            own |= HOST;
        }
        sets[byte as usize] = own;
        if byte == u8::MAX {
            break sets;
        }
        byte += 1;
    }
};

const fn contains(set: &[u8], byte: u8) -> bool {
    let mut rest = set;
    while let [first, tail @ ..] = rest {
        if *first == byte {
            return true;
        }
        rest = tail;
    }
    false
}

fn is_in(byte: u8, set: u8) -> bool {
    SETS.get(usize::from(byte)).is_some_and(|sets| sets & set != 0)
}

/// What a field's value may hold: no other control byte than a tab, and nothing beyond ASCII. Without a branch for each
/// byte: the compiler then takes sixteen at a time.
fn is_plain(value: &[u8]) -> bool {
    let plain = |byte: &u8| (0x20..=0x7e).contains(byte) | (*byte == b'\t');
    value.iter().fold(true, |all, byte| all & plain(byte))
}

/// Whether every byte belongs to the set. Looks at all of them before it answers, which costs less than a branch each.
fn all(bytes: &[u8], set: u8) -> bool {
    let common = bytes.iter().fold(set, |common, byte| {
        common & SETS.get(usize::from(*byte)).copied().unwrap_or(0)
    });
    common != 0
}

#[cfg(test)]
mod tests;
