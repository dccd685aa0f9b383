//! The routes of settings on both APIs (WIRE §3.11, §4.9). `GET /3rdparty/v1/settings` is also what the sidecar checks a
//! login with.

use std::sync::Arc;

use super::{Tree, draft, store::Change};
use crate::{
    App,
    events::{Audience, Event, Kind},
    http::{ApiError, Caller, CallerOrLogin, DeviceCaller, JsonText, RawBody, Routes},
};
use axum::{
    extract::State,
    http::StatusCode,
    routing::{MethodRouter, get},
};

pub(crate) fn routes() -> Routes {
    let of_user: MethodRouter<Arc<App>> = get(show).patch(merge).put(replace);
    Routes::new()
        .at(&["/api/3rdparty/v1/settings"], of_user)
        .at(&["/api/mobile/v1/settings"], get(show_device))
}

async fn show(State(app): State<Arc<App>>, CallerOrLogin(user): CallerOrLogin) -> Result<JsonText, ApiError> {
    let settings = app.settings.of(&user).await?;
    Ok(JsonText(settings.for_clients))
}

async fn merge(state: State<Arc<App>>, caller: Caller, body: RawBody) -> Result<JsonText, ApiError> {
    let given = read(body)?;
    change(state, caller, Change::Merge(given)).await
}

async fn replace(state: State<Arc<App>>, caller: Caller, body: RawBody) -> Result<JsonText, ApiError> {
    let given = read(body)?;
    change(state, caller, Change::Replace(given)).await
}

fn read(body: RawBody) -> Result<Tree, ApiError> {
    let given = body.read(|body| draft::read(&body));
    given.map_err(|refusal| ApiError::bad_request(refusal.to_string()))
}

/// Changes the settings and tells all of the user's phones.
async fn change(State(app): State<Arc<App>>, Caller(user): Caller, change: Change) -> Result<JsonText, ApiError> {
    let settings = app.settings.change(&user, change, app.now()).await?;
    let audience = Audience::User(user.as_str());
    app.events.publish(audience, &Event::plain(Kind::SettingsUpdated));
    Ok(JsonText(settings.for_clients))
}

async fn show_device(State(app): State<Arc<App>>, DeviceCaller(device): DeviceCaller) -> Result<JsonText, ApiError> {
    let settings = app.settings.of(&device.user).await.map_err(|error| {
        tracing::error!(error = %error, "database failure");
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "failed to get settings")
    })?;
    Ok(JsonText(settings.for_phones))
}

#[cfg(test)]
mod tests;
