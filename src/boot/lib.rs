//! What does every process need before it can start its work?
//!
//! Time, randomness, the environment, configuration, secret files, private folders, logs, metrics, signals, crashes and
//! exit codes: the things that everything else is handed and never reaches for. This crate knows no word of the product: what
//! a key means, and what a metric counts, is said by its callers.

pub mod clock;
pub mod config;
pub mod dumps;
pub mod environment;
pub mod exit;
pub mod failure;
pub mod folder;
pub mod logs;
pub mod metrics;
pub mod random;
pub mod secrets;
pub mod signals;
