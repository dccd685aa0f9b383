//! What happened that a phone should know of, and how does it hear of it?
//!
//! The API tells [`Events`] what happened ([`Event`]) and to whom ([`Audience`]). A device with a push token gets it by
//! push (the [`PushQueue`]), any other by the event streams it has open: here by way of the [`Bus`], at other processes
//! by way of the shared publications. Nothing is kept: a phone that is not connected asks for its queue when it comes back (WIRE
//! §4.10, §5.1).

mod announcement;
mod bus;
mod dispatch;
mod event;
mod frame;
mod listener;
mod metrics;
mod routes;

pub(crate) use bus::Bus;
use bus::Published;
pub(crate) use dispatch::{Audience, Events, PushQueue};
pub(crate) use event::{Event, Kind};
pub(crate) use listener::Listener;
pub(crate) use metrics::EventMetrics;
pub(crate) use routes::routes;
