//! One-time codes: a short word that a user reads off one phone and types into another, to add it
//! to his devices (WIRE §2.6). They live in memory, for a minute.

mod codes;
mod routes;

pub(crate) use codes::{CodeError, Codes};
pub(crate) use routes::routes;

#[cfg(test)]
mod tests;
