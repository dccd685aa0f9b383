//! Settings: what a user wants all his phones to do (WIRE §3.11). One table says which there are (`schema`); clients
//! replace or merge them, phones read all of them, clients only what is no secret.

mod draft;
mod routes;
mod schema;
mod store;

pub(crate) use routes::routes;

/// Settings by section and name, as they are stored: every value is null, true, false, an integer or a text.
type Tree = serde_json::Map<String, serde_json::Value>;
