//! What benchmarks of whole processes share: starting, measuring and loading them. It knows no program and no request.

#![expect(dead_code, reason = "each benchmark uses its part")]

pub(crate) mod bare;
#[path = "../../tests/support/mariadb.rs"]
pub(crate) mod mariadb;
pub(crate) mod process;
pub(crate) mod traffic;
