//! What do all answers have in common? A request id and links (WIRE §1.6). It looks into no body.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{HeaderName, HeaderValue, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use gateward_contract::{headers, uuid};

use super::{body, path::Area};
use crate::App;

static X_REQUEST_ID: HeaderName = HeaderName::from_static(headers::X_REQUEST_ID);

/// Adds the request's id, ours if it has none, and the links of its part of the tree.
pub(super) async fn wrap(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let id = request
        .headers()
        .get(&X_REQUEST_ID)
        .filter(|id| !id.is_empty())
        .cloned();
    let area = Area::of(request.uri().path());
    let mut response = next.run(request).await;
    let given = response.headers_mut();
    // The router names the methods of a path that has others; the reference does not.
    given.remove(header::ALLOW);
    if let Some(id) = id.or_else(|| HeaderValue::from_str(&uuid(app.random_bytes())).ok()) {
        given.insert(X_REQUEST_ID.clone(), id);
    }
    let link = match area {
        Area::UserApi => &app.links.user_api,
        Area::DeviceApi | Area::Elsewhere => &app.links.elsewhere,
    };
    given.insert(header::LINK, link.clone());
    response
}

/// Refuses a body that says it is too large before anything of it is read.
pub(super) async fn refuse_large_bodies(request: Request, next: Next) -> Response {
    let length = request
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse::<usize>().ok());
    if length.is_some_and(|length| length > body::MAX_BODY) {
        return body::too_large().into_response();
    }
    next.run(request).await
}
