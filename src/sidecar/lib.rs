//! The auth sidecar: who may call what on the gateway behind it.
//!
//! Read it in this order: [`proxy`] (Pingora's phases, delegating) → [`gate`] (route, credential,
//! evidence, decision) → [`forward`] (identity towards the gateway, headers, peer). Refusals leave
//! through [`reply`], what happened leaves through [`observe`]. Before any of it, [`front`] reads the raw
//! request head and [`framing`] says whether its bytes mean the same thing to everybody.
//!
//! This crate never touches the gateway's database.

pub mod admin;
pub mod authenticate;
pub mod body;
pub mod check;
pub mod config;
pub mod context;
pub mod endpoints;
pub mod explain;
pub mod forward;
pub mod framing;
pub mod front;
pub mod gate;
pub mod gateway;
pub mod headers;
pub mod observe;
pub mod proxy;
pub mod reload;
pub mod reply;
pub mod server;
pub mod users;

#[cfg(test)]
mod testing;
