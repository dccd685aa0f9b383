//! Received messages: they stay on the phones, which are asked to report them again to the user's webhooks. Listing them
//! is answered 501, as in the reference (WIRE §3.6, §3.8).

mod request;
mod routes;

pub(crate) use routes::routes;
