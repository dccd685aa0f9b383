//! `GET /mobile/v1/user/code` (WIRE §2.6).

use std::sync::Arc;

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use gateward_boot::random;

use super::CodeError;
use crate::{
    App,
    http::{ApiError, Json, LoginCaller, Routes},
};

pub(crate) fn routes() -> Routes {
    Routes::new().at(&["/api/mobile/v1/user/code"], get(issue))
}

async fn issue(State(app): State<Arc<App>>, LoginCaller(user): LoginCaller) -> Result<Response, ApiError> {
    let code = app.codes.issue(&user, app.now(), random::bytes).await?;
    Ok(Json(code).into_response())
}

impl From<CodeError> for ApiError {
    fn from(error: CodeError) -> Self {
        match error {
            CodeError::Disabled => Self::new(
                StatusCode::NOT_IMPLEMENTED,
                "failed to generate user code: failed to generate code: otp disabled",
            ),
            CodeError::Exhausted | CodeError::Unavailable(_) => {
                tracing::error!(error = %error, "one-time code failure");
                Self::internal()
            }
        }
    }
}
