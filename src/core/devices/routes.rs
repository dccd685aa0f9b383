//! The routes of devices on both APIs (WIRE §3.7, §4.1 to §4.3).

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{delete, get},
};
use serde::Serialize;

use super::{
    DeviceId, DeviceView, NewDevice, Owner,
    registrant::Registrant,
    requests::{RegisterRequest, UpdateRequest},
};
use crate::{
    App,
    db::StoreError,
    http::{ApiError, Caller, ClientAddress, DeviceCaller, Json, OptionalDevice, RawBody, Routes},
    users::UserId,
};

pub(crate) fn routes() -> Routes {
    Routes::new()
        .at(&["/api/3rdparty/v1/devices", "/api/3rdparty/v1/device"], get(list))
        .at(
            &["/api/3rdparty/v1/devices/{id}", "/api/3rdparty/v1/device/{id}"],
            delete(remove),
        )
        .at(&["/api/mobile/v1/device"], get(show).post(register).patch(update))
}

async fn list(State(app): State<Arc<App>>, Caller(user): Caller) -> Result<Response, ApiError> {
    let devices = app.devices.list(&user).await?;
    let views: Vec<DeviceView<'_>> = devices.iter().map(DeviceView::from).collect();
    Ok(Json(views).into_response())
}

/// 204 whether there was one or not.
async fn remove(
    State(app): State<Arc<App>>,
    Caller(user): Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let Some(device) = app.devices.stored_id(&user, &id).await? else {
        return Ok(StatusCode::NO_CONTENT);
    };
    let deleted = remove_stored(&app, &user, &device).await;
    // Also if it failed: the database may have done more than it could say.
    app.messages.states().deleted().heard().await;
    if !matches!(deleted, Ok(None)) {
        app.events.end(device.as_str());
    }
    deleted?;
    Ok(StatusCode::NO_CONTENT)
}

/// A device with few messages goes at once. Of many most go first, a few at a time: one statement would keep everybody else
/// waiting, and end unfinished. Nobody proves to be such a device any more, nor gives it messages, whatever happens in
/// between: they would be accepted to be deleted.
async fn remove_stored(app: &App, user: &UserId, device: &DeviceId) -> Result<Option<DeviceId>, StoreError> {
    if app.messages.are_many(device).await? {
        app.devices.take_out(user, device, &app.nanoid()).await?;
        app.events.end(device.as_str());
        app.messages.remove_most(device).await?;
    }
    app.devices.delete(user, device).await
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<DeviceView<'a>>,
    external_ip: String,
}

/// Also without a token: a phone learns its address before it registers.
async fn show(
    State(app): State<Arc<App>>,
    OptionalDevice(device): OptionalDevice,
    ClientAddress(address): ClientAddress,
) -> Response {
    let device = device.as_deref().map(|device| DeviceView::from(device).seen(app.now()));
    Json(Shown {
        device,
        external_ip: address.to_string(),
    })
    .into_response()
}

#[derive(Serialize)]
struct Registered<'a> {
    id: &'a str,
    token: &'a str,
    login: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<&'a str>,
}

async fn register(State(app): State<Arc<App>>, registrant: Registrant, body: RawBody) -> Result<Response, ApiError> {
    let request = RegisterRequest::parse(body)?;
    let device = NewDevice {
        id: DeviceId::stored(&app.nanoid()),
        token: app.nanoid(),
        name: request.name,
        push_token: request.push_token,
        sim_cards: request.sim_cards,
    };
    let now = app.now();
    let (user, new) = match registrant {
        Registrant::User(user) => (user, None),
        Registrant::Anybody => {
            let new = app.users.draft(&app.nanoid(), app.random_bytes()).await?;
            (new.id.clone(), Some(new))
        }
    };
    let owner = new.as_ref().map_or(Owner::Known(&user), Owner::New);
    app.devices.register(&device, owner, now).await?;
    let registered = Registered {
        id: device.id.as_str(),
        token: &device.token,
        login: user.as_str(),
        password: new.as_ref().map(|new| new.password.as_str()),
    };
    Ok((StatusCode::CREATED, Json(registered)).into_response())
}

async fn update(
    State(app): State<Arc<App>>,
    DeviceCaller(device): DeviceCaller,
    body: RawBody,
) -> Result<StatusCode, ApiError> {
    let request = UpdateRequest::parse(body)?;
    if request.id != device.id.as_str() {
        return Err(ApiError::forbidden());
    }
    let push_token = Some(request.push_token.as_str()).filter(|token| !token.is_empty());
    app.devices
        .update(&device, push_token, &request.sim_cards, app.now())
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
