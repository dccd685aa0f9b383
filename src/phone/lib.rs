//! A simulated Android phone: registers at a gateway, waits for messages, "sends" them and reports their states.
//!
//! It speaks the mobile API as the Android app does (WIRE §4 and §14.4) and knows nothing of tokens, scopes or
//! policies. It is for smoke tests, demonstrations and our own tests; no SMS leaves it.
//!
//! Read in this order: `handset` (what a phone does with a message, pure), `stream` (event-stream frames, pure), `gateway`
//! (the HTTP calls), `session` (the loop that joins them), `state` (what survives a restart).

mod gateway;
mod handset;
mod session;
mod state;
mod stream;

use std::path::PathBuf;
use std::time::Duration;

pub use gateway::PhoneError;
pub use session::run;

/// How the phone introduces itself when it registers (WIRE §2.7).
#[derive(Clone, Debug)]
pub enum Introduction {
    /// No credential: a gateway in public mode.
    Nobody,
    /// The key of a gateway in private mode.
    PrivateToken(String),
    /// An existing user: the device is added to that account.
    Login {
        /// The user's login.
        login: String,
        /// The user's password.
        password: String,
    },
    /// A one-time code of an existing user.
    Code(String),
}

/// What the phone shall do.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the gateway is: its root, its `/api`, or its whole `/mobile/v1` base.
    pub url: String,
    /// How to register.
    pub introduction: Introduction,
    /// Where the gateway is to push. Nothing pushed reaches a simulated phone, and a gateway that pushes tells the event
    /// stream nothing: with a push token the phone asks for its messages every second.
    pub push_token: Option<String>,
    /// The device's name, as `Maker/Model`.
    pub name: String,
    /// Pause before each report.
    pub delay: Duration,
    /// Numbers whose messages fail.
    pub fail: Vec<String>,
    /// End after so many messages have reached their last state; `None`: go on until interrupted.
    pub messages: Option<u64>,
    /// Where to keep the registration, so that the next start is the same device.
    pub state: Option<PathBuf>,
}
