//! Which route is this request, what does that route ask for, and what path does the gateway get to see?
//!
//! A policy is a YAML table ([`compile`] reads it, reports every problem and runs its own tests). A compiled
//! [`Policy`] turns a method and the raw bytes of a path into a [`Resolution`]. Read in this order: [`Policy`],
//! [`Route`], [`Resolution`], then `path.rs` (what a path means), `router.rs` (which route it is), `compile.rs`.
//!
//! This crate refuses to know the gateway's address, request bodies, headers, tokens and the time.

mod cases;
mod compile;
mod explain;
mod lint;
mod method;
mod path;
mod pattern;
mod policy;
mod read;
mod resolution;
mod route;
mod router;
mod statuses;

pub use compile::{Compiled, compile};
pub use explain::{Caller, Explanation, Verdict};
pub use method::Method;
pub use path::{PathError, RouterTwin};
pub use policy::{Catalogue, GatewayRequest, LoginCheck, Policy, Protected, UserNames};
pub use resolution::{Area, CanonicalPath, Resolution};
pub use route::{Action, Route, RouteId, UpstreamCredential};

/// The policy for SMSGate's server and for our core, as shipped.
pub const SMSGATE: &str = include_str!("../../policies/smsgate.yaml");
/// The policy for the local server of SMSGate's Android app, as shipped.
pub const SMSGATE_LOCAL: &str = include_str!("../../policies/smsgate-local.yaml");
