//! What do both processes and their clients agree on? Names of headers, shapes of bodies, how JSON and times are read
//! and written (WIRE §1.6 to §1.9, §2.4). Knows no rules: who may do what, and what happens then, is decided elsewhere.

mod error;
pub mod headers;
pub mod json;
pub mod nanoid;
pub mod time;
mod tokens;
mod uuid;
mod validation;

pub use error::ErrorBody;
pub use json::{Object, ParseError, Value};
pub use nanoid::nanoid;
pub use tokens::{RequestError, TokenRequest, TokenResponse};
pub use uuid::uuid;
pub use validation::Violations;
