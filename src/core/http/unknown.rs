//! What does a path or method answer that does not exist? Under the two APIs authentication comes
//! first (WIRE §1.3); then it is 404 everywhere, in plain text.

use std::sync::Arc;

use axum::{
    extract::{FromRequestParts, Request, State},
    response::{IntoResponse, Response},
};

use super::{ApiError, Caller, DeviceCaller, path::Area};
use crate::App;

/// Where there is no API: nobody has to say who he is.
pub(super) async fn nowhere() -> ApiError {
    ApiError::unknown_path()
}

pub(super) async fn unknown(State(app): State<Arc<App>>, request: Request) -> Response {
    let (mut parts, _) = request.into_parts();
    let refused = match Area::of(parts.uri.path()) {
        Area::UserApi => Caller::from_request_parts(&mut parts, &app).await.err(),
        Area::DeviceApi => DeviceCaller::from_request_parts(&mut parts, &app).await.err(),
        Area::Elsewhere => None,
    };
    refused.unwrap_or_else(ApiError::unknown_path).into_response()
}
