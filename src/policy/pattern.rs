//! What does `GET /messages/{id}` in a policy stand for? Knows no prefix and no request.

use crate::method::Method;
use crate::path;

/// The longest pattern, with its prefix, in segments.
pub(crate) const MAX_SEGMENTS: usize = 32;

/// One piece of a pattern between two slashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Segment {
    /// This very text (as far as the router twin tells texts apart).
    Literal(Box<str>),
    /// One segment, whatever it is.
    Name(Box<str>),
    /// One segment or more, to the end.
    Rest(Box<str>),
}

impl Segment {
    /// How specific a segment is: a literal beats a name, and a name beats a rest.
    pub(crate) fn rank(&self) -> u8 {
        match self {
            Self::Literal(_) => 2,
            Self::Name(_) => 1,
            Self::Rest(_) => 0,
        }
    }

    pub(crate) fn name(&self) -> Option<&str> {
        match self {
            Self::Literal(_) => None,
            Self::Name(name) | Self::Rest(name) => Some(name),
        }
    }
}

/// What is allowed, for diagnostics.
pub(crate) const PATH_ALLOWED: &str = "/ and segments of letters, digits, - . _ ~, {name}, and a last {*rest}";
pub(crate) const PREFIX_ALLOWED: &str = "/ or a path of letters, digits, - . _ ~ without a slash at its end";

/// `METHOD /path`, taken apart.
pub(crate) fn parse_request(text: &str) -> Result<(Method, &str), String> {
    let (method, path) = text
        .split_once(' ')
        .ok_or_else(|| format!("not a method and a path: {text:?}"))?;
    let method = Method::parse(method).ok_or_else(|| format!("not a method: {method:?}"))?;
    Ok((method, path.trim_start_matches(' ')))
}

/// The segments of a pattern; `/` has none.
pub(crate) fn parse_path(text: &str) -> Result<Vec<Segment>, String> {
    let Some(inner) = text.strip_prefix('/') else {
        return Err(format!("does not start with a slash: {text:?}"));
    };
    if inner.is_empty() {
        return Ok(Vec::new());
    }
    let mut segments = Vec::new();
    let mut pieces = inner.split('/').peekable();
    while let Some(piece) = pieces.next() {
        let segment = parse_segment(piece, text)?;
        if let Segment::Rest(name) = &segment
            && pieces.peek().is_some()
        {
            return Err(format!("{{*{name}}} is not the last segment of {text:?}"));
        }
        if let Some(name) = segment.name()
            && segments.iter().any(|other: &Segment| other.name() == Some(name))
        {
            return Err(format!("two segments of {text:?} are named {name:?}"));
        }
        segments.push(segment);
    }
    if segments.len() > MAX_SEGMENTS / 2 {
        return Err(format!("more than {} segments", MAX_SEGMENTS / 2));
    }
    Ok(segments)
}

/// The literals of a prefix; `/` has none.
pub(crate) fn parse_prefix(text: &str) -> Result<Vec<Segment>, String> {
    let segments = parse_path(text)?;
    if segments.iter().any(|segment| segment.name().is_some()) {
        return Err(format!("a prefix has no names: {text:?}"));
    }
    Ok(segments)
}

fn parse_segment(piece: &str, whole: &str) -> Result<Segment, String> {
    if piece.is_empty() {
        return Err(format!("has an empty segment or a slash at its end: {whole:?}"));
    }
    if let Some(inner) = piece.strip_prefix('{').and_then(|piece| piece.strip_suffix('}')) {
        let (name, rest) = match inner.strip_prefix('*') {
            Some(name) => (name, true),
            None => (inner, false),
        };
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return Err(format!("not a name: {piece:?}"));
        }
        return Ok(if rest {
            Segment::Rest(name.into())
        } else {
            Segment::Name(name.into())
        });
    }
    // Characters with a second spelling (`%3A` for `:`) would make a literal that some requests get around.
    if matches!(piece, "." | "..") || !piece.bytes().all(path::is_unreserved) {
        return Err(format!("not a literal: {piece:?}"));
    }
    Ok(Segment::Literal(piece.into()))
}

/// The path that literals spell, without a trailing slash: `/api/v1`, or nothing.
pub(crate) fn spell(segments: &[Segment]) -> String {
    let mut text = String::new();
    for segment in segments {
        text.push('/');
        match segment {
            Segment::Literal(literal) => text.push_str(literal),
            Segment::Name(name) => text.push_str(&format!("{{{name}}}")),
            Segment::Rest(name) => text.push_str(&format!("{{*{name}}}")),
        }
    }
    text
}

#[cfg(test)]
mod tests;
