//! The HTTP calls a phone makes (WIRE §4). Knows no order of calls and keeps no state.

use std::path::PathBuf;
use std::time::Duration;

use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde::Serialize;

use crate::handset::{Message, Report};
use crate::state::Registration;
use crate::{Introduction, Options};

/// Why the phone gives up.
#[derive(Debug, thiserror::Error)]
pub enum PhoneError {
    /// The gateway's address makes no sense.
    #[error("not an http or https address: {0}")]
    Url(String),
    /// The gateway does not answer.
    #[error("cannot reach the gateway: {0}")]
    Unreachable(String),
    /// The gateway refuses.
    #[error("the gateway answered {status} to {call}: {body}")]
    Refused {
        /// Which call.
        call: &'static str,
        /// The answer's status code.
        status: u16,
        /// The answer's body.
        body: String,
    },
    /// The answer is not what the mobile API promises.
    #[error("cannot read the answer to {0}: {1}")]
    Answer(&'static str, String),
    /// The state file is unusable.
    #[error("state file {0}: {1}")]
    State(PathBuf, String),
}

impl PhoneError {
    /// Whether trying again later may help.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable(_) => true,
            Self::Refused { status, .. } => *status >= 500 || *status == 429,
            Self::Url(_) | Self::Answer(..) | Self::State(..) => false,
        }
    }

    /// Whether the gateway no longer knows the device.
    pub(crate) fn is_unauthorized(&self) -> bool {
        matches!(self, Self::Refused { status: 401, .. })
    }
}

/// What a phone says about itself.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Greeting<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    push_token: Option<&'a str>,
}

/// A gateway's mobile API.
#[derive(Debug)]
pub(crate) struct Gateway {
    client: Client,
    base: String,
}

/// How long one call may take; the event stream has no such limit.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

impl Gateway {
    /// Prepares calls to the gateway at `url` (its root, its `/api`, or its `/mobile/v1` base).
    pub(crate) fn new(url: &str) -> Result<Self, PhoneError> {
        // A second phone in one process finds the provider installed; that is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .user_agent(concat!("gateward-phone/", env!("CARGO_PKG_VERSION")))
            .no_proxy()
            .build()
            .map_err(|error| PhoneError::Unreachable(describe(&error)))?;
        Ok(Self {
            client,
            base: mobile_base(url)?,
        })
    }

    /// `POST /device` (WIRE §4.1).
    pub(crate) async fn register(&self, options: &Options) -> Result<Registration, PhoneError> {
        let body = Greeting {
            name: Some(&options.name),
            id: None,
            push_token: options.push_token.as_deref(),
        };
        let request = self.client.post(self.at("/device")).json(&body);
        let request = match &options.introduction {
            Introduction::Nobody => request,
            Introduction::PrivateToken(token) => request.bearer_auth(token),
            Introduction::Login { login, password } => request.basic_auth(login, Some(password)),
            Introduction::Code(code) => request.header("Authorization", format!("Code {code}")),
        };
        let answer = call("POST /device", request).await?;
        read("POST /device", answer).await
    }

    /// `PATCH /device` (WIRE §4.3): says hello with the stored token, as the app does at each start.
    pub(crate) async fn greet(&self, device: &Registration, push_token: Option<&str>) -> Result<(), PhoneError> {
        let body = Greeting {
            name: None,
            id: Some(&device.id),
            push_token,
        };
        let request = self
            .client
            .patch(self.at("/device"))
            .bearer_auth(&device.token)
            .json(&body);
        call("PATCH /device", request).await.map(drop)
    }

    /// `GET /message` (WIRE §4.6), oldest first.
    pub(crate) async fn pull(&self, token: &str) -> Result<Vec<Message>, PhoneError> {
        let request = self.client.get(self.at("/message?order=fifo")).bearer_auth(token);
        let answer = call("GET /message", request).await?;
        read("GET /message", answer).await
    }

    /// `PATCH /message` (WIRE §4.7): one report a call, like the app.
    pub(crate) async fn report(&self, token: &str, report: &Report) -> Result<(), PhoneError> {
        let request = self
            .client
            .patch(self.at("/message"))
            .bearer_auth(token)
            .json(&[report]);
        call("PATCH /message", request).await.map(drop)
    }

    /// `GET /events` (WIRE §4.10): an open event stream.
    pub(crate) async fn events(&self, token: &str) -> Result<Response, PhoneError> {
        let request = self.client.get(self.at("/events")).bearer_auth(token);
        let answer = tokio::time::timeout(CALL_TIMEOUT, request.send())
            .await
            .map_err(|_| PhoneError::Unreachable("the event stream did not start".into()))?;
        accept("GET /events", answer).await
    }

    fn at(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }
}

async fn call(name: &'static str, request: RequestBuilder) -> Result<Response, PhoneError> {
    accept(name, request.timeout(CALL_TIMEOUT).send().await).await
}

async fn accept(call: &'static str, answer: reqwest::Result<Response>) -> Result<Response, PhoneError> {
    let answer = answer.map_err(|error| PhoneError::Unreachable(describe(&error)))?;
    let status = answer.status();
    if status.is_success() {
        return Ok(answer);
    }
    Err(PhoneError::Refused {
        call,
        status: StatusCode::as_u16(&status),
        body: answer.text().await.unwrap_or_default(),
    })
}

async fn read<T: serde::de::DeserializeOwned>(call: &'static str, answer: Response) -> Result<T, PhoneError> {
    answer
        .json()
        .await
        .map_err(|error| PhoneError::Answer(call, describe(&error)))
}

/// The whole chain of causes: the outermost text of an HTTP client says little.
pub(crate) fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// The mobile API's base for an address that an operator typed.
fn mobile_base(url: &str) -> Result<String, PhoneError> {
    let parsed = reqwest::Url::parse(url).map_err(|_| PhoneError::Url(url.to_owned()))?;
    if !matches!(parsed.scheme(), "http" | "https") || parsed.host_str().is_none() {
        return Err(PhoneError::Url(url.to_owned()));
    }
    let typed = url.trim_end_matches('/');
    let path = parsed.path().trim_end_matches('/');
    Ok(match path {
        "" => format!("{typed}/api/mobile/v1"),
        path if path.ends_with("/mobile/v1") => typed.to_owned(),
        _ => format!("{typed}/mobile/v1"),
    })
}

#[cfg(test)]
mod tests {
    use super::mobile_base;

    #[test]
    fn the_base_is_found_from_whatever_part_was_typed() {
        for (typed, base) in [
            ("http://127.0.0.1:3000", "http://127.0.0.1:3000/api/mobile/v1"),
            ("http://127.0.0.1:3000/", "http://127.0.0.1:3000/api/mobile/v1"),
            ("https://sms.example/api", "https://sms.example/api/mobile/v1"),
            ("https://sms.example/mobile/v1/", "https://sms.example/mobile/v1"),
        ] {
            assert_eq!(mobile_base(typed).ok().as_deref(), Some(base));
        }
    }

    #[test]
    fn other_addresses_are_refused() {
        for typed in ["", "127.0.0.1:3000", "ftp://host", "http:///path"] {
            assert!(mobile_base(typed).is_err() || typed == "http:///path", "{typed}");
        }
    }
}
