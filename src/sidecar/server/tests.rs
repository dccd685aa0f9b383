//! The whole sidecar over real sockets, with a toy gateway behind it.

mod door;
mod passing;
mod passwords;
mod refusing;
mod stopping;
mod trouble;
