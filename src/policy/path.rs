//! What does this path mean? One reading or none.
//!
//! [`normalise`] gives the one spelling of a path (RFC 3986 §6.2.2): escapes of unreserved characters are undone, all
//! other escapes stay, in capitals. Whatever two readers could understand differently is refused here, before anything
//! else happens, whichever router stands behind us. Which letters count as equal and what a trailing slash means is
//! the router twin's business ([`RouterTwin`]). Refuses to know what a path is good for.

use std::borrow::Cow;

/// The router of the gateway behind us. Matching is exactly as loose as that router, and percent-decoding is done
/// once for all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouterTwin {
    /// Go's fiber with its defaults (SMSGate's server, our core): literals without regard to case, a trailing slash
    /// is ignored, HEAD wherever there is GET (WIRE §1.3).
    Fiber,
    /// Kotlin's Ktor with its defaults (SMSGate's Android app): case counts, a path with a trailing slash is another
    /// path, HEAD only where written.
    Ktor,
    /// As Ktor: nothing is equal that is not spelled equally.
    Strict,
}

impl RouterTwin {
    /// The word that the policy uses.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Fiber => "fiber",
            Self::Ktor => "ktor",
            Self::Strict => "strict",
        }
    }

    pub(crate) fn folds_case(self) -> bool {
        self == Self::Fiber
    }

    pub(crate) fn ignores_trailing_slash(self) -> bool {
        self == Self::Fiber
    }

    pub(crate) fn heads_are_gets(self) -> bool {
        self == Self::Fiber
    }

    /// Whether a literal of a pattern and a segment of a request are the same to this router.
    pub(crate) fn same(self, literal: &str, segment: &str) -> bool {
        literal == segment || (self.folds_case() && literal.eq_ignore_ascii_case(segment))
    }
}

/// Why a path was refused. A closed set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum PathError {
    /// Does not start with a slash: absolute-form, `*`, nothing.
    #[error("the path does not start with a slash")]
    NotAbsolute,
    /// `.` or `..`, also encoded, also with `;` behind it.
    #[error("the path has a dot segment")]
    DotSegment,
    /// Two slashes with nothing between them.
    #[error("the path has an empty segment")]
    EmptySegment,
    /// `%2F`.
    #[error("the path has an encoded slash")]
    EncodedSlash,
    /// `\` or `%5C`.
    #[error("the path has a backslash")]
    Backslash,
    /// A control character or a space, raw; a control character, encoded.
    #[error("the path has a control character")]
    Control,
    /// A byte above 126, raw.
    #[error("the path has a character that is not ASCII")]
    NonAscii,
    /// A `%` without two hexadecimal digits behind it.
    #[error("the path has a bad escape")]
    BadEscape,
    /// Decoding once more would give something that is refused.
    #[error("the path is encoded twice")]
    DoubleEncoding,
    /// A raw `;`.
    #[error("the path has parameters")]
    Parameters,
    /// A raw `#` or `?`.
    #[error("the path has a fragment or a query")]
    Fragment,
    /// Decoding gives something that is not UTF-8.
    #[error("the path is not UTF-8")]
    NotUtf8,
}

impl PathError {
    /// Every way in which a path can be bad.
    pub const ALL: [Self; 12] = [
        Self::NotAbsolute,
        Self::DotSegment,
        Self::EmptySegment,
        Self::EncodedSlash,
        Self::Backslash,
        Self::Control,
        Self::NonAscii,
        Self::BadEscape,
        Self::DoubleEncoding,
        Self::Parameters,
        Self::Fragment,
        Self::NotUtf8,
    ];

    /// A word from a closed set, for logs and metrics.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::NotAbsolute => "path_not_absolute",
            Self::DotSegment => "path_dot_segment",
            Self::EmptySegment => "path_empty_segment",
            Self::EncodedSlash => "path_encoded_slash",
            Self::Backslash => "path_backslash",
            Self::Control => "path_control",
            Self::NonAscii => "path_non_ascii",
            Self::BadEscape => "path_bad_escape",
            Self::DoubleEncoding => "path_double_encoding",
            Self::Parameters => "path_parameters",
            Self::Fragment => "path_fragment",
            Self::NotUtf8 => "path_not_utf8",
        }
    }
}

/// What one raw byte is in a path.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Stands for itself (RFC 3986 `pchar` without escapes and `;`).
    Plain,
    Slash,
    Percent,
    /// Not allowed raw, but with one meaning only: `"<>[]^` and the like. Escaped.
    Escape,
    Refused(PathError),
}

#[expect(
    clippy::indexing_slicing,
    reason = "evaluated, and so checked, when this is compiled"
)]
const KINDS: [Kind; 256] = {
    let mut kinds = [Kind::Plain; 256];
    let mut byte = 0;
    while byte < 256 {
        kinds[byte] = kind_of(byte as u8);
        byte += 1;
    }
    kinds
};

const fn kind_of(byte: u8) -> Kind {
    match byte {
        0..=b' ' | 0x7f => Kind::Refused(PathError::Control),
        0x80..=0xff => Kind::Refused(PathError::NonAscii),
        b'/' => Kind::Slash,
        b'%' => Kind::Percent,
        b'\\' => Kind::Refused(PathError::Backslash),
        b';' => Kind::Refused(PathError::Parameters),
        b'?' | b'#' => Kind::Refused(PathError::Fragment),
        b'"' | b'<' | b'>' | b'[' | b']' | b'^' | b'`' | b'{' | b'|' | b'}' => Kind::Escape,
        _ => Kind::Plain,
    }
}

fn kind(byte: u8) -> Kind {
    KINDS
        .get(usize::from(byte))
        .copied()
        .unwrap_or(Kind::Refused(PathError::NonAscii))
}

/// The one spelling of a path.
///
/// INVARIANT(canonical is idempotent): normalising what comes out changes nothing; test
/// `tests::normalising_twice_changes_nothing`.
/// INVARIANT(one reading): what passes has no segment that a reader who decodes once or twice could take for another
/// structure; tests `tests::what_two_readers_could_understand_differently_is_refused` and
/// `tests::what_passes_has_the_same_structure_however_often_it_is_decoded`.
pub(crate) fn normalise(raw: &[u8]) -> Result<Cow<'_, str>, PathError> {
    if raw.first() != Some(&b'/') {
        return Err(PathError::NotAbsolute);
    }
    if is_plain(raw)? {
        let text = std::str::from_utf8(raw).map_err(|_| PathError::NonAscii)?;
        return Ok(Cow::Borrowed(text));
    }
    respell(raw).map(Cow::Owned)
}

/// Whether every byte stands for itself; then also whether every segment is fit.
fn is_plain(raw: &[u8]) -> Result<bool, PathError> {
    let mut plain = true;
    let mut start = 1;
    for (at, &byte) in raw.iter().enumerate().skip(1) {
        match kind(byte) {
            Kind::Plain => {}
            Kind::Slash => {
                check_plain(raw, start, at)?;
                if at == start {
                    return Err(PathError::EmptySegment);
                }
                start = at + 1;
            }
            Kind::Percent | Kind::Escape => plain = false,
            Kind::Refused(error) => return Err(error),
        }
    }
    check_plain(raw, start, raw.len())?;
    Ok(plain)
}

fn check_plain(raw: &[u8], start: usize, end: usize) -> Result<(), PathError> {
    match raw.get(start..end) {
        Some(b"." | b"..") => Err(PathError::DotSegment),
        _ => Ok(()),
    }
}

/// The slow way, for paths with escapes or with bytes that need one. Raw bytes were checked before.
fn respell(raw: &[u8]) -> Result<String, PathError> {
    let mut text = String::with_capacity(raw.len() + 16);
    let mut decoded = Vec::with_capacity(64);
    for segment in raw.split(|&byte| byte == b'/').skip(1) {
        text.push('/');
        if segment.iter().all(|&byte| kind(byte) == Kind::Plain) {
            text.push_str(std::str::from_utf8(segment).map_err(|_| PathError::NonAscii)?);
            continue;
        }
        decoded.clear();
        respell_segment(segment, &mut text, &mut decoded)?;
        check_decoded(&decoded)?;
    }
    Ok(text)
}

fn respell_segment(raw: &[u8], text: &mut String, decoded: &mut Vec<u8>) -> Result<(), PathError> {
    let mut rest = raw;
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        if byte != b'%' {
            decoded.push(byte);
            push_byte(text, byte, kind(byte) == Kind::Plain);
            continue;
        }
        let (value, behind) = escape(rest).ok_or(PathError::BadEscape)?;
        rest = behind;
        decoded.push(value);
        push_byte(text, value, is_unreserved(value));
    }
    Ok(())
}

/// The byte that the two digits after a `%` stand for, and what comes behind them.
fn escape(digits: &[u8]) -> Option<(u8, &[u8])> {
    let ([high, low], behind) = digits.split_first_chunk::<2>()?;
    Some((hex(*high)? << 4 | hex(*low)?, behind))
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

fn push_byte(text: &mut String, byte: u8, as_is: bool) {
    if as_is {
        text.push(char::from(byte));
    } else {
        text.push('%');
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from(if digit < 10 { b'0' + digit } else { b'A' + digit - 10 }));
        }
    }
}

/// RFC 3986 §2.3. Every other character keeps the form it came in: routers differ about those (fiber reads a raw `+`
/// as a space, `%2B` as a plus).
pub(crate) fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

fn check_decoded(decoded: &[u8]) -> Result<(), PathError> {
    if let Some(error) = decoded.iter().find_map(|&byte| hidden(byte)) {
        return Err(error);
    }
    if is_dots(decoded) {
        return Err(PathError::DotSegment);
    }
    let text = std::str::from_utf8(decoded).map_err(|_| PathError::NotUtf8)?;
    if text.chars().any(char::is_control) {
        return Err(PathError::Control);
    }
    check_second_level(decoded)
}

/// What must not stand in a segment, however it was spelled.
fn hidden(byte: u8) -> Option<PathError> {
    match byte {
        b'/' => Some(PathError::EncodedSlash),
        b'\\' => Some(PathError::Backslash),
        0..=0x1f | 0x7f => Some(PathError::Control),
        _ => None,
    }
}

/// `.` and `..`, also with parameters behind them (some servers cut those off first).
fn is_dots(segment: &[u8]) -> bool {
    let name = segment.split(|&byte| byte == b';').next().unwrap_or(segment);
    matches!(name, b"." | b"..")
}

/// A percent sign in a name is data (`100%25`). What a second decoding would turn into something refused is not, and
/// nothing is decoded a third time: whoever still has an escape then has nested them on purpose.
fn check_second_level(decoded: &[u8]) -> Result<(), PathError> {
    let Some(twice) = decode_again(decoded) else {
        return Ok(());
    };
    let nested = decode_again(&twice).is_some();
    if nested || is_dots(&twice) || twice.iter().any(|&byte| hidden(byte).is_some()) {
        return Err(PathError::DoubleEncoding);
    }
    Ok(())
}

/// The bytes with their escapes undone, or nothing if there are none. A `%` that starts no escape stays.
fn decode_again(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut changed = false;
    let mut decoded = Vec::new();
    if !bytes.contains(&b'%') {
        return None;
    }
    let mut rest = bytes;
    while let Some((&byte, behind)) = rest.split_first() {
        match escape(behind) {
            Some((value, behind)) if byte == b'%' => {
                changed = true;
                decoded.push(value);
                rest = behind;
            }
            _ => {
                decoded.push(byte);
                rest = behind;
            }
        }
    }
    changed.then_some(decoded)
}

/// A segment of a normalised path with its escapes undone.
pub(crate) fn decode(segment: &str) -> Cow<'_, str> {
    match decode_again(segment.as_bytes()) {
        Some(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
        None => Cow::Borrowed(segment),
    }
}

#[cfg(test)]
mod tests;
