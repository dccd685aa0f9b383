//! What do clients send, and what became of it? Messages from the request to the phone and back (WIRE §3, §4, §6).
//!
//! Rules without IO: [`draft`] (what may be sent), [`phone`] (numbers), [`query`], [`report`] (what phones say), [`state`],
//! [`content`], [`hashing`] (what is left of them), [`limiter`] (how many may wait); what others see: [`view`] (clients)
//! and [`queue`] (phones). The database is [`store`]'s; [`states`] and [`totals`] are known without asking it. HTTP is
//! [`routes`]'.

mod content;
mod draft;
mod hashing;
mod limiter;
mod phone;
mod query;
mod queue;
mod report;
mod routes;
mod shown;
mod state;
mod states;
mod store;
mod totals;
mod view;

pub(crate) use hashing::Reported;
pub(crate) use limiter::{Limiter, LimiterMetrics};
pub(crate) use routes::routes;
pub(crate) use state::State as MessageState;
pub(crate) use states::{Ear, StateMetrics, States};
pub(crate) use store::Messages;
