//! Webhooks: which addresses a user's phones call when something happens. They are kept and handed out here; the calls
//! are made by the phones (WIRE §8).

mod address;
mod draft;
mod model;
mod routes;
mod store;

use model::Webhook;
pub(crate) use routes::routes;
pub(crate) use store::Webhooks;
