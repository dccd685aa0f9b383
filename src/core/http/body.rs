//! What did the client send? All of a body (`arriving` bounds it), not looked into.

use axum::{
    body::{Bytes, to_bytes},
    extract::{FromRequest, Request},
    http::header,
};

use gateward_contract::{ParseError, Value, json};
use tokio::{
    runtime::{Handle, RuntimeFlavor},
    task::block_in_place,
};

use super::{
    ApiError,
    arriving::{Fault, MAX_BODY},
};

/// A body of more bytes may take longer to read than others should wait for: a millisecond, more or less. None of real
/// clients has as many.
const LARGE: usize = 128 * 1024;

/// A body as it came. The last thing that a handler takes: nobody is read before he is known, and nothing is done before
/// all of it is here.
#[derive(Debug)]
pub(crate) struct RawBody {
    /// `Content-Type`, if it is text.
    pub(crate) content_type: Option<String>,
    /// The bytes.
    pub(crate) bytes: Bytes,
}

impl RawBody {
    /// What is in the one JSON value that it is. Nothing of the value outlives this, so that no body is kept while a
    /// database is waited for; and a large one keeps nobody else waiting.
    pub(crate) fn read<T, E: From<ParseError>>(self, read: impl FnOnce(Value<'_>) -> Result<T, E>) -> Result<T, E> {
        let reading = || read(json::parse_body(self.content_type.as_deref(), &self.bytes)?);
        if self.bytes.len() > LARGE && Handle::current().runtime_flavor() == RuntimeFlavor::MultiThread {
            block_in_place(reading)
        } else {
            reading()
        }
    }
}

impl<S: Sync> FromRequest<S> for RawBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let content_type = request
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned);
        // What it was that went wrong, the door knows and says.
        let bytes = to_bytes(request.into_body(), MAX_BODY)
            .await
            .map_err(|_| Fault::BrokenOff)?;
        Ok(Self { content_type, bytes })
    }
}
