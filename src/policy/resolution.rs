//! What a method and a path turned out to be.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use crate::path::{self, PathError};
use crate::route::Route;

/// What a policy says about a method and a path.
#[derive(Debug)]
pub enum Resolution<'p> {
    /// One route takes it.
    Route {
        /// That route.
        route: &'p Route,
        /// The path as the gateway gets to see it.
        path: CanonicalPath,
    },
    /// No route takes it: nothing is forwarded.
    Unmatched {
        /// What the client sees.
        area: Area,
        /// Whether the path is part of the user API (which `Link` header goes with our answer, WIRE §1.6).
        user_api: bool,
    },
    /// The path can be read in more than one way: 400.
    Ambiguous {
        /// Why.
        error: PathError,
        /// As far as it can be read, it is part of the user API.
        user_api: bool,
    },
}

impl Resolution<'_> {
    /// Whether the path is part of the user API, that is at or below a `protected` prefix.
    #[must_use]
    pub fn is_user_api(&self) -> bool {
        match self {
            Self::Route { path, .. } => path.is_user_api(),
            Self::Unmatched { user_api, .. } | Self::Ambiguous { user_api, .. } => *user_api,
        }
    }
}

/// What a client sees where there is no route (WIRE §1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Area {
    /// Authentication comes first ([`crate::Policy::protected`]), then 404.
    Protected,
    /// 404 at once.
    Open,
}

/// A path that means one thing only, as the gateway gets to see it: what was matched is what is forwarded.
///
/// INVARIANT(matched is forwarded): only the router makes one, from the very segments it matched; tests
/// `router::tests::{what_is_forwarded_resolves_to_itself, the_router_equals_a_naive_matcher}`.
#[derive(Clone)]
pub struct CanonicalPath {
    pub(crate) text: String,
    pub(crate) shape: Arc<Shape>,
}

/// What the matched pattern knows about every path that it matches.
#[derive(Debug)]
pub(crate) struct Shape {
    /// Name, and which segment of the forwarded path holds it.
    pub(crate) params: Box<[ParamPlace]>,
    pub(crate) user_api: bool,
}

#[derive(Debug)]
pub(crate) struct ParamPlace {
    pub(crate) name: Box<str>,
    /// Segment of the forwarded path, from 0.
    pub(crate) segment: usize,
    /// Whether it goes on to the end.
    pub(crate) rest: bool,
}

impl CanonicalPath {
    /// The path to forward: absolute, ASCII, percent-encoded, with the gateway's prefix, without a query.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What stands in the place of `{name}`, percent-decoded.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<Cow<'_, str>> {
        let place = self.shape.params.iter().find(|p| &*p.name == name)?;
        self.value(place)
    }

    /// All names and their values, percent-decoded, from left to right.
    pub fn params(&self) -> impl Iterator<Item = (&str, Cow<'_, str>)> {
        self.shape
            .params
            .iter()
            .filter_map(|place| Some((&*place.name, self.value(place)?)))
    }

    /// Whether the client asked under a `protected` prefix.
    #[must_use]
    pub fn is_user_api(&self) -> bool {
        self.shape.user_api
    }

    fn value(&self, place: &ParamPlace) -> Option<Cow<'_, str>> {
        let mut rest = self.text.strip_prefix('/')?;
        for _ in 0..place.segment {
            rest = rest.split_once('/')?.1;
        }
        let raw = if place.rest {
            rest
        } else {
            rest.split_once('/').map_or(rest, |(segment, _)| segment)
        };
        Some(path::decode(raw))
    }
}

impl fmt::Display for CanonicalPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for CanonicalPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

impl PartialEq<str> for CanonicalPath {
    fn eq(&self, other: &str) -> bool {
        self.text == other
    }
}
