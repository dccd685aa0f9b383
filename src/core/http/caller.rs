//! Who is calling? One type per way of proving it; a handler's signature says which it takes.
//! Nobody gets in without: a handler without one of these is public.

use std::sync::Arc;

use axum::{
    extract::FromRequestParts,
    http::{StatusCode, request::Parts},
};
use gateward_auth::{TOKENS_REFRESH, UnixSeconds, VerifiedToken};

use super::{ApiError, Authorization};
use crate::{App, devices::Device, users::UserId};

/// A user, vouched for by the sidecar.
///
/// INVARIANT(minted only): only a token that carries the mark of the sidecar is accepted, never one that a client holds,
/// and never Basic. Test: `http::tests::only_a_minted_token_opens_the_user_api`.
#[derive(Debug)]
pub(crate) struct Caller(pub(crate) UserId);

/// A user, vouched for by the sidecar or by a login and password: only for the one route that the sidecar checks logins
/// with (DESIGN §13).
#[derive(Debug)]
pub(crate) struct CallerOrLogin(pub(crate) UserId);

/// A user, by login and password.
#[derive(Debug)]
pub(crate) struct LoginCaller(pub(crate) UserId);

/// Whoever holds a refresh token that the reference server signed. Whether it is still good, only the database knows: this
/// is nobody who may call anything.
#[derive(Debug)]
pub(crate) struct RefreshToken(pub(crate) VerifiedToken);

/// A device, by its token. Being seen is noted.
#[derive(Debug)]
pub(crate) struct DeviceCaller(pub(crate) Arc<Device>);

/// A device, by its token, if there is one that we know.
#[derive(Debug)]
pub(crate) struct OptionalDevice(pub(crate) Option<Arc<Device>>);

impl FromRequestParts<Arc<App>> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let Authorization::Bearer(raw) = Authorization::of(&parts.headers) else {
            return Err(ApiError::unauthorized());
        };
        minted(app, raw).await.map(Self)
    }
}

impl FromRequestParts<Arc<App>> for CallerOrLogin {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        match Authorization::of(&parts.headers) {
            Authorization::Bearer(raw) => minted(app, raw).await.map(Self),
            Authorization::Basic { login, password } => log_in(app, &login, &password).await.map(Self),
            Authorization::None | Authorization::Unreadable | Authorization::Code(_) => Err(ApiError::unauthorized()),
        }
    }
}

impl FromRequestParts<Arc<App>> for LoginCaller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let Authorization::Basic { login, password } = Authorization::of(&parts.headers) else {
            return Err(ApiError::unauthorized());
        };
        log_in(app, &login, &password).await.map(Self)
    }
}

impl FromRequestParts<Arc<App>> for RefreshToken {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let Authorization::Bearer(raw) = Authorization::of(&parts.headers) else {
            return Err(ApiError::unauthorized());
        };
        let now = UnixSeconds(app.now().seconds());
        let token = app.reference_verifier.verify(raw, now).map_err(|error| {
            tracing::info!(reason = error.label(), "refresh token refused");
            ApiError::unauthorized()
        })?;
        if token.is_refresh() {
            Ok(Self(token))
        } else {
            let text = format!("scope required: {TOKENS_REFRESH}");
            Err(ApiError::new(StatusCode::FORBIDDEN, text))
        }
    }
}

impl FromRequestParts<Arc<App>> for DeviceCaller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let OptionalDevice(device) = OptionalDevice::from_request_parts(parts, app).await?;
        device.map(Self).ok_or_else(ApiError::unauthorized)
    }
}

impl FromRequestParts<Arc<App>> for OptionalDevice {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let Authorization::Bearer(token) = Authorization::of(&parts.headers) else {
            return Ok(Self(None));
        };
        Ok(Self(app.devices.authenticate(token, app.now()).await?))
    }
}

/// The user that a minted token names, in the stored spelling.
async fn minted(app: &App, raw: &str) -> Result<UserId, ApiError> {
    let now = UnixSeconds(app.now().seconds());
    let token = app.verifier.verify_minted(raw, now).map_err(|error| {
        tracing::info!(reason = error.label(), "minted token refused");
        ApiError::unauthorized()
    })?;
    if token.is_refresh() {
        return Err(ApiError::unauthorized());
    }
    let user = app.users.find(token.user().as_str()).await?;
    user.ok_or_else(ApiError::unauthorized)
}

/// The user whose login and password these are, in the stored spelling.
pub(crate) async fn log_in(app: &App, login: &str, password: &str) -> Result<UserId, ApiError> {
    app.users
        .log_in(login, password)
        .await?
        .ok_or_else(ApiError::unauthorized)
}
