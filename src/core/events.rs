//! What happened that a phone should know of, and how does it hear of it?
//!
//! The API says what happened ([`Event`]) to the [`Bus`]; the bus hands it to every open event stream of the device
//! (or of all devices of the user). Nothing is kept: a phone that is not connected asks for its queue when it comes
//! back (WIRE §4.10, §5.1).

mod bus;
mod event;
mod frame;
mod metrics;
mod routes;

use bus::Published;
pub(crate) use bus::{Audience, Bus};
pub(crate) use event::{Event, Kind};
pub(crate) use metrics::EventMetrics;
pub(crate) use routes::routes;
