//! Which route takes a path? A trie of segments; the most specific pattern wins, decided from left to right.
//!
//! Knows patterns and paths, and nothing about what routes ask for.

use std::sync::Arc;

use crate::method::Method;
use crate::path::{self, RouterTwin};
use crate::pattern::{MAX_SEGMENTS, Segment};
use crate::resolution::{Area, CanonicalPath, ParamPlace, Resolution, Shape};
use crate::route::Route;

/// A pattern with its prefix, and where it leads.
#[derive(Clone, Debug)]
pub(crate) struct Leaf {
    /// Place of the route in the policy.
    pub(crate) route: usize,
    pub(crate) method: Method,
    /// What clients ask for.
    pub(crate) client: Vec<Segment>,
    /// What the gateway gets to see; its names are those of `client`.
    pub(crate) upstream: Vec<Segment>,
}

/// Compiled patterns.
#[derive(Debug)]
pub(crate) struct Router {
    twin: RouterTwin,
    nodes: Vec<Node>,
    ends: Vec<End>,
    protected: Vec<Vec<Segment>>,
}

/// `ends` and `rests` are indices into [`Router::ends`], by method.
#[derive(Debug, Default)]
struct Node {
    literals: Vec<(Box<str>, usize)>,
    name: Option<usize>,
    ends: [Option<usize>; Method::COUNT],
    rests: [Option<usize>; Method::COUNT],
}

#[derive(Debug)]
struct End {
    route: usize,
    shape: Arc<Shape>,
    pieces: Box<[Piece]>,
}

/// How the forwarded path is put together.
#[derive(Debug)]
enum Piece {
    /// Slashes and literals, in the policy's spelling.
    Text(Box<str>),
    /// One segment of the request.
    Segment(usize),
    /// All of the request from this segment on.
    Rest(usize),
}

impl Router {
    /// `protected` are the protected prefixes as clients see them. Of two patterns that tie the first one stays; the
    /// compiler reports them before.
    pub(crate) fn new(twin: RouterTwin, leaves: &[Leaf], protected: Vec<Vec<Segment>>) -> Self {
        let mut router = Self {
            twin,
            nodes: vec![Node::default()],
            ends: Vec::new(),
            protected,
        };
        for leaf in leaves {
            router.insert(leaf);
        }
        router
    }

    fn insert(&mut self, leaf: &Leaf) {
        let mut at = 0;
        let mut rest = false;
        for segment in &leaf.client {
            match segment {
                Segment::Literal(literal) => at = self.literal_child(at, literal),
                Segment::Name(_) => at = self.name_child(at),
                Segment::Rest(_) => rest = true,
            }
        }
        let user_api = self.protected.iter().any(|prefix| {
            prefix.len() <= leaf.client.len()
                && prefix.iter().zip(&leaf.client).all(|(want, have)| match (want, have) {
                    (Segment::Literal(want), Segment::Literal(have)) => self.twin.same(want, have),
                    _ => false,
                })
        });
        let end = self.ends.len();
        self.ends.push(End::new(leaf, user_api));
        if let Some(node) = self.nodes.get_mut(at) {
            let slots = if rest { &mut node.rests } else { &mut node.ends };
            if let Some(slot) = slots.get_mut(leaf.method as usize) {
                slot.get_or_insert(end);
            }
        }
    }

    fn literal_child(&mut self, at: usize, literal: &str) -> usize {
        let fresh = self.nodes.len();
        let twin = self.twin;
        let Some(node) = self.nodes.get_mut(at) else { return at };
        if let Some((_, child)) = node.literals.iter().find(|(known, _)| twin.same(known, literal)) {
            return *child;
        }
        node.literals.push((literal.into(), fresh));
        self.nodes.push(Node::default());
        fresh
    }

    fn name_child(&mut self, at: usize) -> usize {
        let fresh = self.nodes.len();
        let Some(node) = self.nodes.get_mut(at) else { return at };
        let child = *node.name.get_or_insert(fresh);
        if child == fresh {
            self.nodes.push(Node::default());
        }
        child
    }

    /// INVARIANT(one pass): each node of the trie is looked at once at most, and the path is read twice at most; test
    /// `tests::a_path_of_ten_thousand_segments_takes_linear_time`.
    pub(crate) fn resolve<'p>(&self, routes: &'p [Route], method: Option<Method>, raw: &[u8]) -> Resolution<'p> {
        let text = match path::normalise(raw) {
            Ok(text) => text,
            Err(error) => {
                let user_api = self.begins_protected(raw);
                return Resolution::Ambiguous { error, user_api };
            }
        };
        let request = Request::new(&text, self.twin);
        let found = method.and_then(|method| self.find(0, 0, self.looked_up(method), &request));
        let matched = found.and_then(|end| Some((end, routes.get(end.route)?)));
        match matched {
            Some((end, route)) => Resolution::Route {
                route,
                path: end.forwarded(&request),
            },
            None => {
                let protected = self.is_protected(&request);
                let area = if protected { Area::Protected } else { Area::Open };
                Resolution::Unmatched {
                    area,
                    user_api: protected,
                }
            }
        }
    }

    fn looked_up(&self, method: Method) -> Method {
        if method == Method::Head && self.twin.heads_are_gets() {
            Method::Get
        } else {
            method
        }
    }

    fn find(&self, at: usize, depth: usize, method: Method, request: &Request<'_>) -> Option<&End> {
        let node = self.nodes.get(at)?;
        let Some(segment) = request.segment(depth) else {
            let end = node.ends.get(method as usize).copied().flatten();
            return end
                .filter(|_| !request.more && !request.trailing_slash)
                .and_then(|end| self.ends.get(end));
        };
        let literal = node
            .literals
            .iter()
            .find(|(literal, _)| self.twin.same(literal, segment));
        literal
            .and_then(|(_, child)| self.find(*child, depth + 1, method, request))
            .or_else(|| self.find(node.name?, depth + 1, method, request))
            .or_else(|| self.ends.get(node.rests.get(method as usize).copied().flatten()?))
    }

    /// Whether a path that nobody can read as a whole begins with a protected prefix, for what goes with its refusal.
    fn begins_protected(&self, raw: &[u8]) -> bool {
        let Some(rest) = raw.strip_prefix(b"/") else {
            return false;
        };
        self.protected.iter().any(|prefix| {
            let mut segments = rest.split(|byte| *byte == b'/');
            prefix.iter().all(|want| {
                let have = segments.next().and_then(|segment| std::str::from_utf8(segment).ok());
                match (want, have) {
                    (Segment::Literal(want), Some(have)) => self.twin.same(want, have),
                    _ => false,
                }
            })
        })
    }

    fn is_protected(&self, request: &Request<'_>) -> bool {
        self.protected.iter().any(|prefix| {
            prefix
                .iter()
                .enumerate()
                .all(|(depth, want)| match (want, request.segment(depth)) {
                    (Segment::Literal(want), Some(have)) => self.twin.same(want, have),
                    _ => false,
                })
        })
    }
}

impl End {
    fn new(leaf: &Leaf, user_api: bool) -> Self {
        let mut pieces = Vec::new();
        let mut params = Vec::new();
        let mut text = String::new();
        for (place, segment) in leaf.upstream.iter().enumerate() {
            text.push('/');
            let Some(name) = segment.name() else {
                if let Segment::Literal(literal) = segment {
                    text.push_str(literal);
                }
                continue;
            };
            let from = leaf
                .client
                .iter()
                .position(|other| other.name() == Some(name))
                .unwrap_or(leaf.client.len());
            let rest = matches!(segment, Segment::Rest(_));
            pieces.push(Piece::Text(std::mem::take(&mut text).into()));
            pieces.push(if rest { Piece::Rest(from) } else { Piece::Segment(from) });
            params.push(ParamPlace {
                name: name.into(),
                segment: place,
                rest,
            });
        }
        if pieces.is_empty() && text.is_empty() {
            text.push('/');
        }
        pieces.push(Piece::Text(text.into()));
        Self {
            route: leaf.route,
            shape: Arc::new(Shape {
                params: params.into(),
                user_api,
            }),
            pieces: pieces.into(),
        }
    }

    fn forwarded(&self, request: &Request<'_>) -> CanonicalPath {
        let mut text = String::with_capacity(request.text.len() + 32);
        for piece in &self.pieces {
            text.push_str(match piece {
                Piece::Text(literal) => literal,
                Piece::Segment(place) => request.segment(*place).unwrap_or_default(),
                Piece::Rest(place) => request.from(*place),
            });
        }
        CanonicalPath {
            text,
            shape: Arc::clone(&self.shape),
        }
    }
}

/// A normalised path, taken apart as far as any pattern goes.
struct Request<'t> {
    text: &'t str,
    /// Where the first segments start, and where the last one of them ends.
    starts: [u32; MAX_SEGMENTS + 1],
    /// How many segments are known; there may be more.
    known: usize,
    more: bool,
    trailing_slash: bool,
}

impl<'t> Request<'t> {
    fn new(text: &'t str, twin: RouterTwin) -> Self {
        let mut request = Self {
            text,
            starts: [0; MAX_SEGMENTS + 1],
            known: 0,
            more: false,
            trailing_slash: false,
        };
        if text.len() == 1 {
            return request;
        }
        let without = text.strip_suffix('/');
        request.trailing_slash = without.is_some() && !twin.ignores_trailing_slash();
        if twin.ignores_trailing_slash() {
            request.text = without.unwrap_or(text);
        }
        request.split(without.unwrap_or(text));
        request
    }

    fn split(&mut self, text: &str) {
        for (at, byte) in text.bytes().enumerate() {
            if byte != b'/' {
                continue;
            }
            if self.known == MAX_SEGMENTS {
                self.more = true;
                self.end_at(at);
                return;
            }
            if let (Some(slot), Ok(start)) = (self.starts.get_mut(self.known), u32::try_from(at + 1)) {
                *slot = start;
            }
            self.known += 1;
        }
        self.end_at(text.len());
    }

    /// The slot behind the last start: as if another segment started there.
    fn end_at(&mut self, at: usize) {
        if let (Some(slot), Ok(end)) = (self.starts.get_mut(self.known), u32::try_from(at + 1)) {
            *slot = end;
        }
    }

    fn segment(&self, place: usize) -> Option<&'t str> {
        if place >= self.known {
            return None;
        }
        let start = *self.starts.get(place)? as usize;
        let next = *self.starts.get(place + 1)? as usize;
        self.text.get(start..next - 1)
    }

    fn from(&self, place: usize) -> &'t str {
        let start = self.starts.get(place).copied().unwrap_or_default() as usize;
        self.text.get(start..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
