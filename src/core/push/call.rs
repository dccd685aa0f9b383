//! One HTTP call to a push service, and what of its answer matters. It knows no service.

use std::time::{Duration, SystemTime};

use gateward_boot::clock::Clock;
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
    /// How long we are asked to wait (`Retry-After`).
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
pub(super) async fn ask(request: RequestBuilder, clock: &Clock) -> Result<Answer, CallError> {
    let mut response = request.send().await.map_err(|error| classify(&error))?;
    let status = response.status();
    let retry_after = response
        .headers()
        .get(header::RETRY_AFTER)
        .and_then(|value| pause(value.to_str().ok()?.trim(), clock.now()));
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

/// `Retry-After` is a number of seconds or a date (RFC 9110 §10.2.3). A date that has passed says nothing: one of the two
/// clocks is wrong.
fn pause(value: &str, now: SystemTime) -> Option<Duration> {
    match value.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => httpdate::parse_http_date(value).ok()?.duration_since(now).ok(),
    }
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

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::testing::START_SECS;

    #[test]
    fn a_pause_is_asked_for_in_seconds_or_until_a_date() {
        let now = UNIX_EPOCH + Duration::from_secs(START_SECS);
        for (value, seconds) in [
            ("0", Some(0)),
            ("7", Some(7)),
            ("Thu, 01 Jan 2026 00:01:30 GMT", Some(90)),
            ("Thursday, 01-Jan-26 00:01:30 GMT", Some(90)),
            ("Thu Jan  1 00:01:30 2026", Some(90)),
            ("Wed, 31 Dec 2025 23:59:59 GMT", None),
            ("Thu, 32 Jan 2026 00:01:30 GMT", None),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(pause(value, now), seconds.map(Duration::from_secs), "{value}");
        }
    }
}
