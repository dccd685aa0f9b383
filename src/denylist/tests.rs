//! Tests of the stores: what both promise (`suite`), what the embedded one survives (`durability`), what a Redis can do
//! to us (`redis`), and several replicas on one Redis (`fleet`).

mod durability;
mod fleet;
mod redis;
mod redis_server;
mod suite;
mod support;
mod wire;
