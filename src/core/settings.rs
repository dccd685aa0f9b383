//! Settings: what a user wants all his devices to do. Reading only; writing them is not there yet.

mod routes;
mod store;

pub(crate) use routes::routes;
