//! What happens to a request that panics, or whose client goes away? The first is answered 500 and ends nothing else. The
//! second runs to its end if it writes: half of "store, then forget what was remembered" must not happen.

use std::panic::AssertUnwindSafe;

use axum::{
    extract::Request,
    http::Method,
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures_util::FutureExt;

use super::ApiError;

/// INVARIANT(writes are finished): what is not GET or HEAD runs in a task of its own, which nobody drops when the
/// connection breaks. Test: `http::tests::a_change_is_finished_when_its_client_is_gone`.
pub(super) async fn shield(request: Request, next: Next) -> Response {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let answer = next.run(request);
    let answered = if reads {
        AssertUnwindSafe(answer).catch_unwind().await.ok()
    } else {
        tokio::spawn(answer).await.ok()
    };
    answered.unwrap_or_else(|| {
        tracing::error!("a request panicked");
        ApiError::internal().into_response()
    })
}
