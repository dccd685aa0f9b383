//! Which answers are refusals, and what do they look like? `{"message":"…"}` or, in four places,
//! plain text (WIRE §1.7). It knows nothing of why.

use std::borrow::Cow;

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use gateward_contract::{ErrorBody, ParseError, RequestError, Violations, headers::TEXT};

use super::Json;
use crate::db::StoreError;

/// A refusal or failure, ready to be sent.
///
/// The message is for the client: it never derives from the text of an internal error.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    message: Cow<'static, str>,
    form: Form,
    routed: bool,
    /// Whether it is worth trying again at once.
    retry: bool,
}

#[derive(Debug)]
enum Form {
    Json,
    Text,
}

/// Marks an answer that no route gave: the reference's request metrics leave those out (WIRE §9).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unrouted;

impl ApiError {
    /// A status with `{"message":…}`.
    pub(crate) fn new(status: StatusCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status,
            message: message.into(),
            form: Form::Json,
            routed: true,
            retry: false,
        }
    }

    /// A status with plain text.
    pub(crate) fn text(status: StatusCode, message: &'static str) -> Self {
        Self {
            status,
            message: message.into(),
            form: Form::Text,
            routed: true,
            retry: false,
        }
    }

    /// A status with `{"message":…}` that no route has anything to do with.
    pub(crate) fn unrouted(status: StatusCode, message: &'static str) -> Self {
        Self {
            routed: false,
            ..Self::new(status, message)
        }
    }

    /// 400 with the reason.
    pub(crate) fn bad_request(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// 401: nobody, or nobody that we know.
    pub(crate) fn unauthorized() -> Self {
        Self::unrouted(StatusCode::UNAUTHORIZED, "Unauthorized")
    }

    /// 403: somebody, but not the right one.
    pub(crate) fn forbidden() -> Self {
        Self::new(StatusCode::FORBIDDEN, "Forbidden")
    }

    /// 404 as for a path that does not exist.
    pub(crate) fn unknown_path() -> Self {
        Self {
            routed: false,
            ..Self::text(StatusCode::NOT_FOUND, "Not Found")
        }
    }

    /// 503: too much to do right now.
    pub(crate) fn busy() -> Self {
        Self {
            retry: true,
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable")
        }
    }

    /// 500 without a word about the cause: log that where it is known.
    pub(crate) fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        tracing::error!(error = %error, "database failure");
        Self::internal()
    }
}

impl From<ParseError> for ApiError {
    fn from(error: ParseError) -> Self {
        Self::bad_request(error.to_string())
    }
}

impl From<Violations> for ApiError {
    fn from(violations: Violations) -> Self {
        Self::bad_request(violations.to_string())
    }
}

impl From<RequestError> for ApiError {
    fn from(error: RequestError) -> Self {
        Self::bad_request(error.to_string())
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = match self.form {
            Form::Json => (self.status, Json(ErrorBody { message: &self.message })).into_response(),
            Form::Text => {
                let kind = HeaderValue::from_static(TEXT);
                (self.status, [(header::CONTENT_TYPE, kind)], self.message).into_response()
            }
        };
        if self.retry {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if !self.routed {
            response.extensions_mut().insert(Unrouted);
        }
        response
    }
}
