//! What do clients and phones see? The routes of messages on both APIs (WIRE §3.1 to §3.5, §4.6, §4.7).
//!
//! The order of the checks in [`send`] is the reference's: query, body, rules, device, its queue, numbers.

use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use gateward_contract::headers;

use super::draft::{Draft, NewMessage, Refusal};
use super::query::{ListQuery, Order, SendQuery};
use super::report::{self, Report};
use super::shown::{self, Found};
use super::state::State as MessageState;
use super::states::{Form, Shown};
use super::store::{CancelRefusal, Inserted};
use super::view::{Message, Recipient};
use crate::db::StoreError;
use crate::devices::DeviceId;
use crate::events::{Audience, Event, Kind};
use crate::http::{ApiError, Caller, DeviceCaller, Json, JsonText, RawBody, Routes, segment};
use crate::users::UserId;
use crate::{App, Timestamp};

/// All of them, with their aliases.
pub(crate) fn routes() -> Routes {
    Routes::new()
        .at(
            &["/api/3rdparty/v1/messages", "/api/3rdparty/v1/message"],
            get(list).post(send),
        )
        .at(
            &["/api/3rdparty/v1/messages/{id}", "/api/3rdparty/v1/message/{id}"],
            get(read).delete(cancel),
        )
        .at(
            &["/api/mobile/v1/message", "/api/mobile/v1/messages"],
            get(pull).patch(report),
        )
}

async fn send(
    State(app): State<Arc<App>>,
    Caller(user): Caller,
    RawQuery(query): RawQuery,
    body: RawBody,
) -> Result<Response, ApiError> {
    let now = app.now();
    let query = SendQuery::parse(&query.unwrap_or_default()).map_err(refused)?;
    let draft = body.read(|body| Draft::read(&body)).map_err(refused)?;
    let checked = draft.check(now).map_err(refused)?;
    let wanted = checked.device_id().map(str::to_owned);
    let mut device = choose_device(&app, &user, wanted.as_deref(), query, now).await?;
    let home = app.config.messages.default_region;
    let message = checked
        .prepare(query.skip_phone_validation, home, now)
        .map_err(refused)?;
    let id = message.id.clone().unwrap_or_else(|| app.nanoid());

    let store = async |device: &DeviceId| app.messages.insert(&user, device, &id, &message, now).await;
    let mut inserted = store(&device).await.map_err(failed)?;
    if inserted == Inserted::DeviceGone {
        // Perhaps since the user's devices were last looked up; there may be others.
        app.devices.forget_ids_of(&user);
        device = choose_device(&app, &user, wanted.as_deref(), query, now).await?;
        inserted = store(&device).await.map_err(failed)?;
    }
    match inserted {
        Inserted::Stored => {}
        Inserted::DeviceGone => return Err(no_device()),
        Inserted::NumbersNotUnique => return Err(refused(Refusal::NumbersNotUnique)),
        Inserted::IdTaken => {
            let text = "message with the same ID already exists";
            return Err(ApiError::new(StatusCode::CONFLICT, text));
        }
    }
    count(&app, MessageState::Pending);
    let audience = Audience::Device {
        user: user.as_str(),
        device: device.as_str(),
    };
    app.events.publish(audience, &Event::plain(Kind::MessageEnqueued));

    let public_path = app.config.http.api.as_ref().map_or("/api", |api| api.path.as_str());
    let location = [(header::LOCATION, location(public_path, &id))];
    let accepted = Json(accepted(id, &device, message, now));
    Ok((StatusCode::ACCEPTED, location, accepted).into_response())
}

/// The device that the client named, or any of the user's: all have the same chance (WIRE §3.1). Its queue has room.
async fn choose_device(
    app: &App,
    user: &UserId,
    wanted: Option<&str>,
    query: SendQuery,
    now: Timestamp,
) -> Result<DeviceId, ApiError> {
    let seen_since = query.device_active_within.map(|window| now.minus(window));
    let devices = app.devices.ids_of(user, wanted, seen_since).await;
    let devices = devices.map_err(failed)?;
    let chosen = devices.get(pick(devices.len(), app.random_bytes()));
    let device = chosen.ok_or_else(no_device)?;
    let allowed = app.limiter.check(&app.messages, device, now).await;
    allowed.map_err(|excess| {
        let text = format!("failed to enqueue message: queue limits exceeded: {excess}");
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, text)
    })?;
    Ok(device.clone())
}

/// One of so many, evenly: the bias of 64 random bits is beyond measuring.
fn pick(count: usize, random: [u8; 8]) -> usize {
    let scaled = (u128::from(u64::from_le_bytes(random)) * count as u128) >> 64;
    usize::try_from(scaled).unwrap_or_default()
}

/// The message as it was stored; the numbers come in the order of the request here.
fn accepted(id: String, device: &DeviceId, message: NewMessage, now: Timestamp) -> Message {
    let pending = |phone_number| Recipient {
        phone_number,
        state: MessageState::Pending,
        error: None,
    };
    Message {
        id,
        device: device.as_str().to_owned(),
        state: MessageState::Pending,
        is_hashed: false,
        is_encrypted: message.is_encrypted,
        recipients: message.numbers.into_iter().map(pending).collect(),
        history: [(MessageState::Pending, now)].into(),
        content: Some(message.content),
        created_at: now,
    }
}

/// Where the message can be read; by the singular alias, as in the reference.
fn location(public_path: &str, id: &str) -> HeaderValue {
    let path = format!(
        "{}/3rdparty/v1/message/{}",
        public_path.trim_end_matches('/'),
        segment(id)
    );
    // Only a strange public path could be no header value.
    HeaderValue::try_from(path).unwrap_or(HeaderValue::from_static("/"))
}

async fn list(
    State(app): State<Arc<App>>,
    Caller(user): Caller,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let query = ListQuery::parse(&query.unwrap_or_default()).map_err(refused)?;
    let failed = |error: StoreError| failure(&error, "failed to retrieve message history");
    let devices = app.devices.ids_of(&user, query.device.as_deref(), None).await;
    let page = app.messages.page(&devices.map_err(failed)?, &query, app.now()).await;
    let page = page.map_err(failed)?;
    let form = if query.include_content {
        Form::ListedWithContent
    } else {
        Form::Listed
    };
    let look_up = async |rows: &[i64]| {
        let messages = app.messages.load(rows, query.include_content).await?;
        let found = messages.iter().map(|(row, message)| Found {
            shown: Shown::new(*row, message.state, message),
            lasts: true,
        });
        Ok(found.collect())
    };
    // They may change between the page and the look-up.
    let is_wanted = |state| query.wants(state);
    let messages = shown::array(app.messages.states(), form, &page.rows, is_wanted, look_up).await;
    let total = [(HeaderName::from_static(headers::X_TOTAL_COUNT), page.total.to_string())];
    Ok((total, JsonText(messages.map_err(failed)?)).into_response())
}

async fn read(State(app): State<Arc<App>>, Caller(user): Caller, Path(id): Path<String>) -> Result<JsonText, ApiError> {
    let states = app.messages.states();
    let began = match states.recall(&user, &id) {
        Ok(known) => return Ok(JsonText(known)),
        Err(began) => began,
    };
    let found = app.messages.find(&user, &id).await;
    let found = found.map_err(|error| failure(&error, "failed to get message state"))?;
    let Some((row, mut message)) = found else {
        return Err(ApiError::new(StatusCode::NOT_FOUND, "message not found"));
    };
    states.arrange(&user, &id, &mut message);
    let shown = Shown::new(row, message.state, &message);
    states.remember(&user, &id, shown.clone(), began);
    Ok(JsonText(shown.body))
}

async fn cancel(
    State(app): State<Arc<App>>,
    Caller(user): Caller,
    Path(id): Path<String>,
) -> Result<Json<Message>, ApiError> {
    let cancelled = app.messages.cancel(&user, &id, app.now()).await.map_err(failed)?;
    let message = cancelled.map_err(|refusal| {
        let status = match refusal {
            CancelRefusal::NotFound => StatusCode::NOT_FOUND,
            CancelRefusal::Ambiguous => StatusCode::BAD_REQUEST,
            CancelRefusal::NotPending => StatusCode::CONFLICT,
        };
        ApiError::new(status, refusal.to_string())
    })?;
    let event = Event::message_cancelled(message.id.clone());
    let audience = Audience::Device {
        user: user.as_str(),
        device: &message.device,
    };
    app.events.publish(audience, &event);
    Ok(Json(message))
}

async fn pull(
    State(app): State<Arc<App>>,
    DeviceCaller(device): DeviceCaller,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let order = Order::parse(&query.unwrap_or_default()).map_err(refused)?;
    let rows = app.messages.queue(&device.id, order).await?;
    let now = app.now();
    let look_up = async |rows: &[i64]| {
        let queue = app.messages.queued(rows).await?;
        let found = queue.iter().map(|(row, queued)| Found {
            shown: Shown::new(*row, queued.state, &queued.view(now)),
            // Or it says how many seconds are left.
            lasts: queued.valid_until.is_none(),
        });
        Ok(found.collect())
    };
    let queue = shown::array(app.messages.states(), Form::Queued, &rows, MessageState::waits, look_up).await?;
    Ok(JsonText(queue).into_response())
}

/// Answers 204 once the list makes sense; reports that do not are ignored, each for itself. When the database fails the
/// phone is told, other than by the reference: it will try again.
async fn report(
    State(app): State<Arc<App>>,
    DeviceCaller(device): DeviceCaller,
    body: RawBody,
) -> Result<StatusCode, ApiError> {
    let reports = body.read(|body| report::read(&body)).map_err(refused)?;
    let given = reports.len();
    let reports: Vec<_> = reports.into_iter().filter_map(Report::read).collect();
    let applied = app.messages.apply(&device.id, &reports, app.now()).await?;
    applied.iter().for_each(|applied| count(&app, applied.state));
    if !app.config.messages.hashing_interval.is_zero() {
        app.reported.note(applied.iter().map(|applied| applied.row));
    }
    if applied.len() < given {
        let ignored = given - applied.len();
        tracing::info!(device = %device.id, ignored, "reports ignored");
    }
    Ok(StatusCode::NO_CONTENT)
}

fn count(app: &App, state: MessageState) {
    app.metrics.messages.with_label_values(&[state.name()]).inc();
}

fn refused(reason: impl std::error::Error) -> ApiError {
    ApiError::bad_request(reason.to_string())
}

fn no_device() -> ApiError {
    ApiError::bad_request("failed to select device: record not found")
}

fn failed(error: StoreError) -> ApiError {
    failure(&error, "failed to handle request")
}

fn failure(error: &StoreError, message: &'static str) -> ApiError {
    tracing::error!(%error, "database failure");
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, message)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
mod tests;
