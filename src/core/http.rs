//! Which way does a request take? Connection → limits → envelope (id, links) → shield → canonical path →
//! route → caller → handler. The order is [`router`]; each step is a file below. It knows no resource.

mod address;
mod arriving;
mod authorization;
mod body;
mod caller;
mod connections;
mod envelope;
mod error;
mod path;
mod rate_limit;
mod reply;
mod routes;
mod shield;
mod unknown;

pub(crate) use address::{AskedHost, AskedScheme, ClientAddress, Disbelief};
pub(crate) use authorization::Authorization;
pub(crate) use body::RawBody;
pub(crate) use caller::{Caller, CallerOrLogin, DeviceCaller, LoginCaller, OptionalDevice, RefreshToken, log_in};
pub(crate) use connections::serve;
pub(crate) use error::{ApiError, Unrouted};
pub(crate) use path::segment;
pub(crate) use rate_limit::RateLimiter;
pub(crate) use reply::{Json, JsonText};
pub(crate) use routes::{Routes, router, worker_router};

#[cfg(test)]
mod tests;
