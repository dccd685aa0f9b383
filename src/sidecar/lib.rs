//! The auth sidecar: who may call what on the gateway behind it.
//!
//! Read it in this order: `proxy` (Pingora's phases, delegating) → [`gate`] (route, credential,
//! evidence, decision) → [`forward`] (identity towards the gateway, headers, peer). Refusals leave
//! through `reply`, what happened leaves through [`observe`]. Before any of it, `front` reads the raw
//! request head and [`framing`] says whether its bytes mean the same thing to everybody.
//!
//! This crate never touches the gateway's database.
//!
//! Public is what the binaries start ([`config`], [`check`], [`explain`], [`server`]) and what `benches/gate.rs`
//! measures.

mod admin;
pub mod authenticate;
mod authorization;
mod body;
pub mod check;
pub mod config;
pub mod context;
pub mod endpoints;
pub mod explain;
mod flight;
pub mod forward;
pub mod framing;
mod front;
pub mod gate;
pub mod gateway;
pub mod headers;
mod keyed;
pub mod observe;
mod pool;
mod proxy;
mod reload;
mod reply;
pub mod server;
mod users;

#[cfg(test)]
mod testing;
