//! How is an answer written as JSON? As Go writes it: compact, in the order of the fields, with
//! `<`, `>` and `&` escaped (WIRE §1.9), as `application/json` and nothing behind it.

use axum::{
    body::Bytes,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use gateward_contract::{headers, json};
use serde::Serialize;

/// A body in JSON.
#[derive(Debug)]
pub(crate) struct Json<T>(pub(crate) T);

/// A body that is JSON already.
#[derive(Debug)]
pub(crate) struct JsonText(pub(crate) Bytes);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        JsonText(json::to_vec(&self.0).into()).into_response()
    }
}

impl IntoResponse for JsonText {
    fn into_response(self) -> Response {
        let kind = HeaderValue::from_static(headers::JSON);
        ([(header::CONTENT_TYPE, kind)], self.0).into_response()
    }
}
