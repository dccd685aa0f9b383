//! `POST /3rdparty/v1/auth/token/refresh`, of which the sidecar needs the status only (DESIGN §6, WIRE §2.4).

use std::sync::Arc;

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::post,
};
use serde_json::json;

use crate::{
    App,
    http::{ApiError, Json, RawBody, RefreshToken, Routes},
};

pub(crate) fn routes() -> Routes {
    Routes::new().at(&["/api/3rdparty/v1/auth/token/refresh"], post(exchange))
}

/// 201 as there, but with no new pair: the sidecar would drop it, and nobody else shall have a session beside the one that
/// begins at the sidecar. Nothing of the body matters, but that all of it is here before the token is used up: whoever is
/// refused for its body may try again.
async fn exchange(
    State(app): State<Arc<App>>,
    RefreshToken(token): RefreshToken,
    _body: RawBody,
) -> Result<Response, ApiError> {
    if app.exchange.use_up(&token, app.now()).await? {
        tracing::info!(user = %token.user(), "a refresh token of the reference server is used up");
        Ok((StatusCode::CREATED, Json(json!({}))).into_response())
    } else {
        Err(ApiError::unauthorized())
    }
}
