//! The routes of received messages (WIRE §3.6, §3.8). The third spelling of the export path, which published clients call,
//! is put right by the sidecar's policy.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderName, HeaderValue, StatusCode},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::json;

use super::request::InboxRequest;
use crate::{
    App,
    events::{Audience, Event},
    http::{ApiError, Caller, Json, RawBody, Routes},
    users::UserId,
};

const DEPRECATION: HeaderName = HeaderName::from_static("deprecation");

pub(crate) fn routes() -> Routes {
    Routes::new()
        .at(&["/api/3rdparty/v1/inbox"], get(list))
        .at(&["/api/3rdparty/v1/inbox/refresh"], post(refresh))
        .at(
            &[
                "/api/3rdparty/v1/messages/inbox/export",
                "/api/3rdparty/v1/message/inbox/export",
            ],
            post(export),
        )
}

/// Until phones bring what they received, there is nothing to list.
async fn list(Caller(_): Caller) -> ApiError {
    ApiError::new(StatusCode::NOT_IMPLEMENTED, "Inbox API is not implemented yet")
}

async fn refresh(State(app): State<Arc<App>>, Caller(user): Caller, body: RawBody) -> Result<Response, ApiError> {
    let request = body.read(|body| InboxRequest::read(&body))?;
    tell(&app, &user, request.device_id.as_deref(), &request.refresh()).await?;
    Ok(accepted())
}

async fn export(State(app): State<Arc<App>>, Caller(user): Caller, body: RawBody) -> Result<Response, ApiError> {
    let request = body.read(|body| InboxRequest::read(&body))?;
    tell(&app, &user, request.device_id.as_deref(), &request.export()).await?;
    let deprecated = [(DEPRECATION, HeaderValue::from_static("true"))];
    Ok((deprecated, accepted()).into_response())
}

/// An unknown device hears nothing, and nobody says so.
async fn tell(app: &App, user: &UserId, device: Option<&str>, event: &Event) -> Result<(), ApiError> {
    let user = user.as_str();
    let audience = device.map_or(Audience::User(user), |device| Audience::Device { user, device });
    app.events.deliver(audience, event).await.map_err(|error| {
        let text = format!("failed to notify device: {error}");
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, text)
    })
}

/// The reference says `Accepted` as text, which its own Python client cannot read (WIRE §14.2).
fn accepted() -> Response {
    (StatusCode::ACCEPTED, Json(json!({}))).into_response()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::testing::{Bench, bearer};

    const REFRESH: &str = "/api/3rdparty/v1/inbox/refresh";
    const EXPORTS: [&str; 2] = [
        "/api/3rdparty/v1/messages/inbox/export",
        "/api/3rdparty/v1/message/inbox/export",
    ];

    #[tokio::test]
    async fn the_phones_that_are_meant_are_asked() {
        let bench = Bench::new().await;
        let phone = bench.register("{}").await;
        let stranger = bench.register("{}").await;
        let mut hears = bench.listen(&phone).await;
        let mut stranger_hears = bench.listen(&stranger).await;
        let minted = bench.minted(&phone.login);
        let body = |device: Option<&str>| {
            json!({"deviceId": device, "since": "2026-01-01T00:00:00Z", "until": "2026-01-02T00:00:00Z"}).to_string()
        };
        for device in [None, Some(phone.id.as_str())] {
            let answer = bench.tell("POST", REFRESH, &minted, &body(device)).await;
            assert_eq!((answer.status.as_u16(), answer.json()), (202, json!({})));
            assert_eq!(answer.header("deprecation"), None);
            assert_eq!(
                hears.next().await,
                "event: MessagesExportRequested\ndata: {\"since\":\"2026-01-01T00:00:00Z\",\"triggerWebhooks\":\"false\",\
                 \"until\":\"2026-01-02T00:00:00Z\",\"webhookDelivery\":\"Disabled\"}\n\n"
            );
        }
        for path in EXPORTS {
            let answer = bench.tell("POST", path, &minted, &body(None)).await;
            assert_eq!((answer.status.as_u16(), answer.json()), (202, json!({})));
            assert_eq!(answer.header("deprecation"), Some("true"));
            assert!(hears.next().await.contains("\"messageTypes\":\"SMS\""));
        }
        for device in ["no-such-device", stranger.id.as_str(), ""] {
            let answer = bench.tell("POST", REFRESH, &minted, &body(Some(device))).await;
            assert_eq!(answer.status, 202);
        }
        assert!(bench.is_quiet(&phone, &mut hears).await);
        assert!(
            bench.is_quiet(&stranger, &mut stranger_hears).await,
            "his phones are not ours to ask"
        );
    }

    #[tokio::test]
    async fn what_is_refused_asks_nobody() {
        let bench = Bench::new().await;
        let phone = bench.register("{}").await;
        let mut hears = bench.listen(&phone).await;
        let minted = bench.minted(&phone.login);
        let [export, alias] = EXPORTS;
        for path in [REFRESH, export, alias] {
            let refused = bench.tell("POST", path, &minted, "{}").await.refusal();
            let line = |field| {
                format!(
                    "Key: 'InboxRefreshRequest.{field}' Error:Field validation for '{field}' failed on the 'required' tag"
                )
            };
            let text = format!("failed to validate: {}\n{}", line("Since"), line("Until"));
            assert_eq!(refused, (400, text));
        }
        assert!(bench.is_quiet(&phone, &mut hears).await);
    }

    #[tokio::test]
    async fn what_is_received_is_not_kept_here() {
        let bench = Bench::new().await;
        let phone = bench.register("{}").await;
        let minted = bench.minted(&phone.login);
        for path in ["/api/3rdparty/v1/inbox", "/api/3rdparty/v1/inbox?type=SMS&limit=9999"] {
            let text = "Inbox API is not implemented yet".to_owned();
            assert_eq!(bench.ask("GET", path, &minted).await.refusal(), (501, text));
            assert_eq!(bench.ask("GET", path, &bearer(&phone.token)).await.refusal().0, 401);
        }
        let [export, alias] = EXPORTS;
        for path in [REFRESH, export, alias] {
            assert_eq!(bench.ask("POST", path, "").await.refusal().0, 401, "{path}");
        }
    }
}
