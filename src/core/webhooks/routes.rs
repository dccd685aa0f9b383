//! The routes of webhooks on both APIs (WIRE §3.10, §4.8).

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{delete, get},
};

use super::{Webhook, draft::Draft};
use crate::{
    App,
    events::{Audience, Event, Kind},
    http::{ApiError, Caller, DeviceCaller, Json, RawBody, Routes},
};

pub(crate) fn routes() -> Routes {
    Routes::new()
        .at(&["/api/3rdparty/v1/webhooks"], get(list).post(put))
        .at(&["/api/3rdparty/v1/webhooks/{id}"], delete(remove))
        .at(&["/api/mobile/v1/webhooks"], get(show_device))
}

async fn list(State(app): State<Arc<App>>, Caller(user): Caller) -> Result<Json<Vec<Webhook>>, ApiError> {
    Ok(Json(app.webhooks.of_user(&user).await?))
}

/// Adds or replaces. Only the phones that the webhook is for are told: as in the reference, one that loses it learns that
/// when it looks again.
async fn put(State(app): State<Arc<App>>, Caller(user): Caller, body: RawBody) -> Result<Response, ApiError> {
    let draft = body
        .read(|body| Draft::read(&body))
        .map_err(|refusal| ApiError::bad_request(refusal.to_string()))?;
    let webhook = draft.into_webhook(|| app.nanoid());
    let device = webhook.device_id.clone().unwrap_or_default();
    let Some(webhook) = app.webhooks.put(&user, webhook, app.now()).await? else {
        let text = format!("invalid \"device_id\" = \"{device}\": record not found");
        return Err(ApiError::bad_request(text));
    };
    let audience = match &webhook.device_id {
        Some(device) => Audience::Device {
            user: user.as_str(),
            device,
        },
        None => Audience::User(user.as_str()),
    };
    app.events.publish(audience, &Event::plain(Kind::WebhooksUpdated));
    Ok((StatusCode::CREATED, Json(webhook)).into_response())
}

/// 204 whether there was one or not, and all phones are told.
async fn remove(
    State(app): State<Arc<App>>,
    Caller(user): Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    app.webhooks.delete(&user, &id).await?;
    let audience = Audience::User(user.as_str());
    app.events.publish(audience, &Event::plain(Kind::WebhooksUpdated));
    Ok(StatusCode::NO_CONTENT)
}

async fn show_device(
    State(app): State<Arc<App>>,
    DeviceCaller(device): DeviceCaller,
) -> Result<Json<Vec<Webhook>>, ApiError> {
    let webhooks = app.webhooks.of_device(&device.user, device.id.as_str()).await?;
    Ok(Json(webhooks))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
mod tests;
