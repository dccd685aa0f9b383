//! `PATCH /mobile/v1/user/password` (WIRE §4.5).

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderName, HeaderValue, StatusCode},
    response::{IntoResponse, Response},
    routing::patch,
};
use gateward_contract::{Object, RequestError, Value, Violations, headers};

use super::{UserError, passwords::Unhashable};
use crate::{
    App,
    http::{ApiError, DeviceCaller, RawBody, Routes},
};

static X_GATEWARD_USER: HeaderName = HeaderName::from_static(headers::X_GATEWARD_USER);

/// So many characters has a new password at least.
const MIN_PASSWORD: usize = 14;

pub(crate) fn routes() -> Routes {
    Routes::new().at(&["/api/mobile/v1/user/password"], patch(change_password))
}

async fn change_password(
    State(app): State<Arc<App>>,
    DeviceCaller(device): DeviceCaller,
    body: RawBody,
) -> Result<Response, ApiError> {
    let request = ChangeRequest::parse(body)?;
    let salt = app.random_bytes();
    app.users
        .change_password(&device.user, &request.current, &request.new, salt, app.now())
        .await?;
    let mut response = StatusCode::NO_CONTENT.into_response();
    // Tells the sidecar whose cached logins and tokens end now; it goes no further than there.
    match HeaderValue::from_bytes(device.user.as_str().as_bytes()) {
        Ok(user) => {
            response.headers_mut().insert(X_GATEWARD_USER.clone(), user);
        }
        Err(_) => tracing::error!("a user's name does not fit into a header: tokens stay valid"),
    }
    Ok(response)
}

struct ChangeRequest {
    current: String,
    new: String,
}

impl ChangeRequest {
    fn parse(body: RawBody) -> Result<Self, RequestError> {
        body.read(|value| Self::read(&value))
    }

    fn read(body: &Value<'_>) -> Result<Self, RequestError> {
        let fields = Object::of(body, "MobileChangePasswordRequest")?;
        let current = fields.string("currentPassword")?;
        let new = fields.string("newPassword")?;
        let mut broken = Violations::new();
        broken.check(
            !current.is_empty(),
            "MobileChangePasswordRequest.CurrentPassword",
            "required",
        );
        let key = "MobileChangePasswordRequest.NewPassword";
        if broken.check(!new.is_empty(), key, "required") {
            broken.check(new.chars().count() >= MIN_PASSWORD, key, "min");
        }
        broken.finish()?;
        Ok(Self { current, new })
    }
}

impl From<UserError> for ApiError {
    fn from(error: UserError) -> Self {
        match error {
            UserError::Store(error) => error.into(),
            UserError::Password(Unhashable::Busy) => Self::busy(),
            UserError::WrongPassword | UserError::Password(Unhashable::TooLong) => {
                Self::new(StatusCode::UNAUTHORIZED, "failed to change password")
            }
            UserError::Password(Unhashable::Failed) | UserError::Taken(_) => {
                tracing::error!(error = %error, "user failure");
                Self::internal()
            }
        }
    }
}
