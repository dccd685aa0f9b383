//! Where does a chunked body end (RFC 9112 §7.1)?
//!
//! Goes along with a body while its bytes pass. Pingora's own reader takes a missing size for zero, blanks behind a size
//! and any byte in an extension; another parser in front of us may see the end elsewhere, and what comes behind it would
//! be a request that nobody there looked at. So everything is refused that the grammar does not say. Knows nothing of
//! sockets, and keeps no byte: Pingora reads the body itself, and drops extensions and trailers.

use std::fmt;

use super::{TOKEN, is_in, is_plain};

/// Most digits of a size: a million gigabytes, and no overflow.
const MAX_DIGITS: u8 = 15;
/// Longest chunk extension in bytes; nobody is known to send any.
const MAX_EXTENSION: u16 = 256;
/// Most bytes of trailers.
const MAX_TRAILERS: u16 = 4096;

/// How far a chunked body has come; at first in front of its first chunk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chunks(Place);

/// A body that two parsers could read differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("malformed chunks")
    }
}

impl std::error::Error for Malformed {}

impl Chunks {
    /// Takes the next bytes of the connection. `Ok(Some(n))`: the body ended with the first `n` of them.
    ///
    /// # Errors
    ///
    /// When these bytes are no chunks. Nothing can be said then about what follows.
    pub fn advance(&mut self, bytes: &[u8]) -> Result<Option<usize>, Malformed> {
        let mut rest = bytes;
        while let Some((byte, behind)) = rest.split_first() {
            if let Place::Data(left @ 1..) = self.0 {
                let here = usize::try_from(left).map_or(rest.len(), |left| left.min(rest.len()));
                self.0 = Place::Data(left - here as u64);
                rest = rest.get(here..).unwrap_or_default();
                continue;
            }
            self.0 = self.0.after(*byte)?;
            rest = behind;
            if self.0 == Place::End {
                return Ok(Some(bytes.len() - rest.len()));
            }
        }
        Ok(None)
    }
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// A size, of which so many digits are known.
    Size { digits: u8, size: u64 },
    /// The rest of an extension, and then a chunk of this size.
    Extension { size: u64, length: u16 },
    /// The line feed before a chunk of this size.
    SizeLineFeed(u64),
    /// So many bytes, and a line end.
    Data(u64),
    /// The line feed behind a chunk.
    DataLineFeed,
    /// A trailer, or the empty line, after so many bytes of trailers.
    Line(u16),
    /// The rest of a trailer's name.
    Name(u16),
    /// The rest of a trailer's value.
    Value(u16),
    /// The line feed behind a trailer.
    LineFeed(u16),
    /// The very last line feed.
    LastLineFeed,
    /// Nothing.
    End,
}

impl Default for Place {
    fn default() -> Self {
        Self::Size { digits: 0, size: 0 }
    }
}

impl Place {
    fn after(self, byte: u8) -> Result<Self, Malformed> {
        let plain = is_plain(&[byte]);
        let next = match (self, byte) {
            (Self::Size { digits: 1.., size } | Self::Extension { size, .. }, b'\r') => Self::SizeLineFeed(size),
            (Self::Size { digits: 1.., size }, b';') => Self::Extension { size, length: 0 },
            (Self::Size { digits, size }, byte) if digits < MAX_DIGITS => Self::Size {
                digits: digits + 1,
                size: size * 16 + u64::from(char::from(byte).to_digit(16).ok_or(Malformed)?),
            },
            (Self::Extension { size, length }, _) if plain && length < MAX_EXTENSION => Self::Extension {
                size,
                length: length + 1,
            },
            (Self::SizeLineFeed(0), b'\n') => Self::Line(0),
            (Self::SizeLineFeed(size), b'\n') => Self::Data(size),
            (Self::Data(0), b'\r') => Self::DataLineFeed,
            (Self::DataLineFeed, b'\n') => Self::default(),
            (Self::Line(_), b'\r') => Self::LastLineFeed,
            (Self::LastLineFeed, b'\n') => Self::End,
            (Self::Name(length), b':') => Self::Value(length),
            (Self::Line(length) | Self::Name(length), byte) if is_in(byte, TOKEN) && length < MAX_TRAILERS => {
                Self::Name(length + 1)
            }
            (Self::Value(length), b'\r') => Self::LineFeed(length),
            (Self::Value(length), _) if plain && length < MAX_TRAILERS => Self::Value(length + 1),
            (Self::LineFeed(length), b'\n') => Self::Line(length),
            _ => return Err(Malformed),
        };
        Ok(next)
    }
}

#[cfg(test)]
mod tests;
