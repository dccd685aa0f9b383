//! What did the client send? At most 4 MiB (WIRE §1.4), in a bounded time, not looked into.

use std::{error::Error as _, time::Duration};

use axum::{
    body::{Body, Bytes, to_bytes},
    extract::{FromRequest, Request},
    http::{StatusCode, header},
};

use gateward_contract::{ParseError, Value, json};
use http_body_util::LengthLimitError;
use tokio::{
    runtime::{Handle, RuntimeFlavor},
    task::block_in_place,
};

use super::ApiError;

/// The largest body, in bytes.
pub(super) const MAX_BODY: usize = 4 * 1024 * 1024;
/// How long a body may take to come; the reference's 5 s are for clients nearer than a phone.
const PATIENCE: Duration = Duration::from_secs(30);

/// A body of more bytes may take longer to read than others should wait for: a millisecond, more or less. None of real
/// clients has as many.
const LARGE: usize = 128 * 1024;

/// A body as it came.
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
        let bytes = whole(request.into_body()).await?;
        Ok(Self { content_type, bytes })
    }
}

/// All of a body.
pub(super) async fn whole(body: Body) -> Result<Bytes, ApiError> {
    let reading = tokio::time::timeout(PATIENCE, to_bytes(body, MAX_BODY)).await;
    let read = reading.map_err(|_| ApiError::new(StatusCode::REQUEST_TIMEOUT, "Request Timeout"))?;
    read.map_err(|error| {
        let is_long = error.source().is_some_and(|cause| cause.is::<LengthLimitError>());
        // Else it broke off, and hardly anybody is left to read why.
        if is_long {
            too_large()
        } else {
            ApiError::bad_request("Bad Request")
        }
    })
}

/// The answer to a body over [`MAX_BODY`].
pub(super) fn too_large() -> ApiError {
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large")
}
