//! What do all answers have in common, and what is refused whatever it asks for? A request id and links (WIRE §1.6), and
//! limits (WIRE §1.4). It looks into no body.

use std::sync::Arc;

use axum::{
    body::{Body, HttpBody as _},
    extract::{Request, State},
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use gateward_contract::{headers, uuid};

use super::{
    ApiError,
    arriving::{Arriving, Fault, MAX_BODY},
    path::Area,
};
use crate::App;

/// The methods that the reference knows, whatever it does with them.
const METHODS: [Method; 9] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
    Method::OPTIONS,
    Method::CONNECT,
    Method::TRACE,
];
/// The largest head, in bytes. The reference takes 4096; a sidecar in front, which takes 16 KiB by default, adds its own.
const MAX_HEAD: usize = 32 * 1024;

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
    // The catalog is its own link.
    given.entry(header::LINK).or_insert_with(|| link.clone());
    response
}

/// Refuses what the reference's connections refuse, before anything is known of the request: a method that it does not
/// know, a head that is too large; and a body that is too large, does not come, or breaks off (WIRE §1.3, §1.4). Such
/// answers carry neither id nor links.
///
/// INVARIANT(nothing is kept for strangers): of a body that nobody reads, because its sender is not known or has no
/// business here, nothing is kept. Test: `http::tests::bodies::nothing_is_kept_of_what_a_stranger_sends`.
pub(super) async fn refuse_at_the_door(request: Request, next: Next) -> Response {
    if !METHODS.contains(request.method()) {
        return ApiError::text(StatusCode::BAD_REQUEST, "Invalid http method").into_response();
    }
    if head_length(&request) > MAX_HEAD {
        let text = "Request Header Fields Too Large";
        return ApiError::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, text).into_response();
    }
    let length = request
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse::<usize>().ok());
    if length.is_some_and(|length| length > MAX_BODY) {
        return ApiError::from(Fault::TooLong).into_response();
    }
    if request.body().is_end_stream() {
        return next.run(request).await;
    }
    let (head, body) = request.into_parts();
    let body = Arriving::new(body);
    if !may_have_a_use(&head.method) {
        return match body.pass_by().await {
            Ok(()) => next.run(Request::from_parts(head, Body::empty())).await,
            Err(fault) => ApiError::from(fault).into_response(),
        };
    }
    let answer = next.run(Request::from_parts(head, Body::new(body.clone()))).await;
    // A body that is wrong is refused for that, as in the reference, even if its sender would be for another reason; that
    // shows when the rest of it has gone by.
    match body.pass_by().await {
        Ok(()) => answer,
        Err(fault) => ApiError::from(fault).into_response(),
    }
}

/// Whether anybody would read a body. Whoever does, does nothing before the end of it ([`super::RawBody`]), but for a code
/// for registration, which is used up before (`devices/registrant.rs`); with other methods it has to be there before anything
/// is done.
fn may_have_a_use(method: &Method) -> bool {
    matches!(*method, Method::POST | Method::PUT | Method::PATCH)
}

/// About as many bytes as were sent.
fn head_length(request: &Request) -> usize {
    let target = request.uri().path().len() + request.uri().query().map_or(0, str::len);
    let fields = request.headers().iter();
    target
        + fields
            .map(|(name, value)| name.as_str().len() + value.len() + 4)
            .sum::<usize>()
}
