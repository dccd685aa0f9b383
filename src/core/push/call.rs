//! One HTTP call to a push service, and what of its answer matters. It knows no service.

use std::time::Duration;

use reqwest::{Client, RequestBuilder, StatusCode, header};

/// What is read of an answer: tokens and refusals have a few kilobytes.
const LONGEST_ANSWER: usize = 64 * 1024;
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// Rounds have a deadline of their own; this one is for everything else.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Why a call to a push service had no answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// No connection.
    #[error("cannot connect")]
    Unreachable,
    /// It took too long.
    #[error("no answer in time")]
    TimedOut,
    /// The connection broke, or what came is not HTTP.
    #[error("the connection broke")]
    Broken,
    /// The certificates that are trusted cannot be loaded.
    #[error("cannot make an http client: {0}")]
    Setup(reqwest::Error),
}

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// `Retry-After` in seconds; a date, which push services do not send, is not understood.
    pub(super) retry_after: Option<Duration>,
    /// Not more than its beginning.
    pub(super) body: Vec<u8>,
}

/// A client that follows nobody elsewhere, repeats nothing, and asks no proxy.
pub(super) fn client(user_agent: &'static str) -> Result<Client, CallError> {
    // Only the first call in a process installs anything; all of ours install the same.
    let _already_installed = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .user_agent(user_agent)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .connect_timeout(CONNECT_WITHIN)
        .timeout(ANSWER_WITHIN)
        .build()
        .map_err(CallError::Setup)
}

/// Sends the request and reads the answer.
pub(super) async fn ask(request: RequestBuilder) -> Result<Answer, CallError> {
    let mut response = request.send().await.map_err(|error| classify(&error))?;
    let status = response.status();
    let retry_after = response
        .headers()
        .get(header::RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.trim().parse().ok())
        .map(Duration::from_secs);
    let mut body = Vec::new();
    while let Some(bytes) = response.chunk().await.map_err(|error| classify(&error))? {
        if body.len() + bytes.len() > LONGEST_ANSWER {
            break;
        }
        body.extend_from_slice(&bytes);
    }
    Ok(Answer {
        status,
        retry_after,
        body,
    })
}

/// Without the library's text, which names addresses.
fn classify(error: &reqwest::Error) -> CallError {
    if error.is_timeout() {
        CallError::TimedOut
    } else if error.is_connect() {
        CallError::Unreachable
    } else {
        CallError::Broken
    }
}
