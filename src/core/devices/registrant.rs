//! Who may register a device, and for whom (WIRE §2.7)? Decided before the body is looked at.

use std::sync::Arc;

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, StatusCode, header, request::Parts},
};
use subtle::ConstantTimeEq;

use crate::{
    App,
    config::{Gateway, Mode},
    http::{ApiError, Authorization, log_in},
    otp::CodeError,
    users::UserId,
};

/// Who is registering a device.
#[derive(Debug)]
pub(super) enum Registrant {
    /// A user that is there: the device is added to his.
    User(UserId),
    /// Anybody, who becomes a new user.
    Anybody,
}

impl FromRequestParts<Arc<App>> for Registrant {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        match Authorization::of(&parts.headers) {
            Authorization::Basic { login, password } => log_in(app, &login, &password).await.map(Self::User),
            // INVARIANT(a code is good once): it is used up here, before anything else can
            // fail. Test: `devices::tests::a_code_is_used_up_by_a_refused_body`.
            Authorization::Code(code) => {
                let user = app.codes.consume(code).await.map_err(CodeError::from)?;
                user.map(Self::User).ok_or_else(ApiError::unauthorized)
            }
            Authorization::Unreadable => Err(ApiError::unauthorized()),
            Authorization::None | Authorization::Bearer(_) => {
                admit(&app.config.gateway, &parts.headers).map(|()| Self::Anybody)
            }
        }
    }
}

/// In public mode anybody; in private mode whoever knows the private token.
fn admit(gateway: &Gateway, headers: &HeaderMap) -> Result<(), ApiError> {
    match gateway.mode {
        Mode::Public => return Ok(()),
        Mode::Private => {}
    }
    // Here, and only here, the scheme's case counts.
    let given = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.as_bytes().strip_prefix(b"Bearer "))
        .filter(|token| !token.is_empty())
        .ok_or(ApiError::text(StatusCode::UNAUTHORIZED, "missing or malformed API Key"))?;
    let known = gateway
        .private_token
        .as_ref()
        .is_some_and(|token| bool::from(token.expose().ct_eq(given)));
    if known {
        Ok(())
    } else {
        Err(ApiError::text(StatusCode::UNAUTHORIZED, "Invalid or expired API Key"))
    }
}
