//! The routes of settings on both APIs (WIRE §3.11, §4.9). `GET /3rdparty/v1/settings` is also what the sidecar checks a
//! login with.

use std::sync::Arc;

use axum::{
    extract::State,
    http::StatusCode,
    routing::{MethodRouter, get},
};
use serde_json::Value;

use super::{
    Tree, draft,
    schema::{Fate, SECTIONS},
    store::{self, Change},
};
use crate::{
    App,
    events::{Audience, Event, Kind},
    http::{ApiError, Caller, CallerOrLogin, DeviceCaller, Json, RawBody, Routes},
};

pub(crate) fn routes() -> Routes {
    let of_user: MethodRouter<Arc<App>> = get(show).patch(merge).put(replace);
    Routes::new()
        .at(&["/api/3rdparty/v1/settings"], of_user)
        .at(&["/api/mobile/v1/settings"], get(show_device))
}

async fn show(State(app): State<Arc<App>>, CallerOrLogin(user): CallerOrLogin) -> Result<Json<Tree>, ApiError> {
    let settings = store::of(&app.database, &user).await?;
    Ok(Json(public(&settings)))
}

async fn merge(state: State<Arc<App>>, caller: Caller, body: RawBody) -> Result<Json<Tree>, ApiError> {
    let given = read(body)?;
    change(state, caller, Change::Merge(given)).await
}

async fn replace(state: State<Arc<App>>, caller: Caller, body: RawBody) -> Result<Json<Tree>, ApiError> {
    let given = read(body)?;
    change(state, caller, Change::Replace(given)).await
}

fn read(body: RawBody) -> Result<Tree, ApiError> {
    let given = body.read(|body| draft::read(&body));
    given.map_err(|refusal| ApiError::bad_request(refusal.to_string()))
}

/// Changes the settings and tells all of the user's phones.
async fn change(State(app): State<Arc<App>>, Caller(user): Caller, change: Change) -> Result<Json<Tree>, ApiError> {
    let settings = store::change(&app.database, &user, change, app.now()).await?;
    let audience = Audience::User(user.as_str());
    app.events.publish(audience, &Event::plain(Kind::SettingsUpdated));
    Ok(Json(public(&settings)))
}

/// Everything, nulls and secrets included.
async fn show_device(State(app): State<Arc<App>>, DeviceCaller(device): DeviceCaller) -> Result<Json<Tree>, ApiError> {
    let settings = store::of(&app.database, &device.user).await.map_err(|error| {
        tracing::error!(error = %error, "database failure");
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "failed to get settings")
    })?;
    Ok(Json(settings))
}

/// What clients may see; a section of which they may see nothing stays, empty.
///
/// INVARIANT(secrets are write-only): only settings that are named as shown are copied. Test:
/// `tests::clients_see_no_secret_and_nothing_unknown`.
fn public(settings: &Tree) -> Tree {
    let mut shown = Tree::new();
    for section in &SECTIONS {
        let Some(Value::Object(stored)) = settings.get(section.name) else {
            continue;
        };
        let visible = section.settings.iter().filter(|setting| setting.fate == Fate::Shown);
        let copied = visible.filter_map(|setting| Some((setting.name.to_owned(), stored.get(setting.name)?.clone())));
        shown.insert(section.name.to_owned(), Value::Object(copied.collect()));
    }
    shown
}

#[cfg(test)]
mod tests;
