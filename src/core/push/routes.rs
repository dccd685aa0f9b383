//! Which pushes do private gateways ask us to send? `POST /upstream/v1/push`, in public mode only (WIRE §5.5).

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{FromRequest, Request, State},
    http::StatusCode,
    response::Response,
    routing::post,
};
use gateward_contract::{Object, ParseError, Value, Violations};
use serde::Serialize;

use super::{notification::Notification, queue::Queue, upstream::AT_ONCE};
use crate::{
    App,
    http::{ApiError, ClientAddress, Json, RateLimiter, RawBody, Routes},
};

const WINDOW: Duration = Duration::from_secs(60);

/// 5 requests a minute.
pub(crate) fn limiter() -> RateLimiter {
    RateLimiter::new(5, WINDOW)
}

pub(crate) fn routes() -> Routes {
    Routes::new().at(&["/api/upstream/v1/push"], post(relay))
}

/// An object without fields: the reference says `Accepted` as text, on which a published client fails (DESIGN §13).
#[derive(Serialize)]
struct Accepted {}

async fn relay(State(app): State<Arc<App>>, ClientAddress(client): ClientAddress, request: Request) -> Response {
    let answer = async {
        let body = RawBody::from_request(request, &()).await?;
        take(&app.push, body).await?;
        Ok::<_, ApiError>((StatusCode::ACCEPTED, Json(Accepted {})))
    };
    app.relay_limit.guard(client, app.now(), answer).await
}

/// What comes before a bad one is queued, as in the reference.
async fn take(queue: &Queue, body: RawBody) -> Result<(), ApiError> {
    let read = body.read(|body| read(&body));
    let Asked { good, bad } = read.map_err(|error| ApiError::bad_request(error.detail().to_owned()))??;
    queue.relay(good).await;
    bad.map_or(Ok(()), |broken| Err(broken.into()))
}

/// What is asked for.
struct Asked {
    /// The notifications before the first bad one.
    good: Vec<Notification>,
    /// What is bad about that.
    bad: Option<Violations>,
}

/// A list that cannot be read (the outer error) is refused as a whole, and so is an empty or a long one. Nothing is kept of
/// what comes after a mistake: anybody may ask.
fn read(body: &Value<'_>) -> Result<Result<Asked, ApiError>, ParseError> {
    let mut counted = body.items().into_iter().flatten();
    if counted.nth(AT_ONCE).is_some() {
        let text = format!("Too many items: at most {AT_ONCE}");
        return Ok(Err(ApiError::bad_request(text)));
    }
    let (mut good, mut bad) = (Vec::new(), None);
    let items = Object::list_of(body, None, "PushNotification")?;
    for item in items.into_iter().flatten() {
        match Notification::relayed(&item?)? {
            Ok(notification) if bad.is_none() => good.push(notification),
            Ok(_) => {}
            Err(broken) => bad = bad.or(Some(broken)),
        }
    }
    if good.is_empty() && bad.is_none() {
        return Ok(Err(ApiError::bad_request("Empty request")));
    }
    Ok(Ok(Asked { good, bad }))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use axum::body::Body;
    use axum::http::header;

    use crate::push::testing::{Seen, Service, refusal};
    use crate::testing::{Answer, Bench, request, service_account};

    const PATH: &str = "/api/upstream/v1/push";

    /// Each from an address of its own.
    async fn tell(bench: &Bench, client: &str, body: &str) -> Answer {
        let asked = request("POST", PATH, "")
            .header(header::CONTENT_TYPE, "application/json")
            .header("X-Forwarded-For", client);
        bench.send(asked.body(Body::from(body.to_owned())).unwrap()).await
    }

    #[tokio::test]
    async fn what_is_accepted_is_queued_and_sent() {
        let service = Service::answering(|_| refusal(200, None, r#"{"access_token":"a","expires_in":60}"#)).await;
        let account = service_account(&service.url("/token"));
        let bench = Bench::with(|config| {
            config.fcm.account = Some(crate::config::ServiceAccount::parse(account.as_bytes()).unwrap());
            config.fcm.endpoint = service.url("");
        })
        .await;
        let body = r#"[{"token":"a","event":"MessageEnqueued","data":null},{"Token":"b","event":"MessageCancelled","data":{"messageId":"1"}}]"#;
        let answer = tell(&bench, "203.0.113.1", body).await;
        assert_eq!(
            (answer.status.as_u16(), answer.json().to_string()),
            (202, "{}".to_owned())
        );
        assert_eq!(answer.header("x-ratelimit-remaining"), Some("4"));
        bench.app.push.flush(std::future::pending()).await;
        let mut sent: Vec<_> = service
            .seen()
            .iter()
            .filter(|seen| seen.path != "/token")
            .map(Seen::text)
            .collect();
        sent.sort();
        assert_eq!(
            sent,
            [
                r#"{"message":{"token":"a","data":{"event":"MessageEnqueued","data":"null"},"android":{"priority":"high"}}}"#,
                r#"{"message":{"token":"b","data":{"event":"MessageCancelled","data":"{\"messageId\":\"1\"}"},"android":{"priority":"high"}}}"#,
            ]
        );
    }

    #[tokio::test]
    async fn what_is_bad_is_refused_in_the_words_of_the_reference() {
        let bench = Bench::new().await;
        let required = "Key: 'PushNotification.Token' Error:Field validation for 'Token' failed on the 'required' tag";
        let one_of = "Key: 'PushNotification.Event' Error:Field validation for 'Event' failed on the 'oneof' tag";
        let too_long = |field: &str| {
            format!("Key: 'PushNotification.{field}' Error:Field validation for '{field}' failed on the 'max' tag")
        };
        for (number, (body, text)) in [
            ("", "unexpected end of JSON input".to_owned()),
            ("[]", "Empty request".to_owned()),
            ("null", "Empty request".to_owned()),
            (
                "{}",
                "json: cannot unmarshal object into Go value of type []smsgateway.PushNotification".to_owned(),
            ),
            (
                r#"[{"token":1}]"#,
                "json: cannot unmarshal number into Go struct field PushNotification.token of type string".to_owned(),
            ),
            (
                r#"[{"token":"t","event":"MessageEnqueued","data":{"a":1}}]"#,
                "json: cannot unmarshal number into Go struct field PushNotification.data of type string".to_owned(),
            ),
            (
                r#"[{"event":"MessageEnqueued"}]"#,
                format!("failed to validate: {required}"),
            ),
            (r#"[{"token":"t"}]"#, format!("failed to validate: {one_of}")),
            ("[{}]", format!("failed to validate: {required}\n{one_of}")),
            (
                &format!(r#"[{{"token":"{}","event":"MessageEnqueued"}}]"#, "t".repeat(4097)),
                format!("failed to validate: {}", too_long("Token")),
            ),
            (
                &format!(
                    r#"[{{"token":"t","event":"MessageEnqueued","data":{{"a":"{}"}}}}]"#,
                    "b".repeat(4096)
                ),
                format!("failed to validate: {}", too_long("Data")),
            ),
            (
                &format!("[1{}]", ",1".repeat(5_000)),
                "Too many items: at most 5000".to_owned(),
            ),
        ]
        .into_iter()
        .enumerate()
        {
            let answer = tell(&bench, &format!("203.0.113.{number}"), body).await;
            assert_eq!(answer.refusal(), (400, text), "{body}");
            assert_eq!(answer.header("x-ratelimit-limit"), Some("5"));
        }
        let untyped = request("POST", PATH, "").body(Body::from("[]")).unwrap();
        assert_eq!(
            bench.send(untyped).await.refusal(),
            (400, "Unprocessable Entity".to_owned())
        );
    }

    #[tokio::test]
    async fn what_comes_before_a_bad_one_is_queued_but_nothing_of_a_list_that_cannot_be_read() {
        let bench = Bench::new().await;
        let good = r#"{"token":"a","event":"MessageEnqueued"}"#;
        // Push is off here: what would be queued is counted.
        let counted = async |times: &str| {
            let metrics = bench.ask("GET", "/metrics", "").await.body;
            metrics.contains(&format!("\nsms_push_errors_total {times}\n"))
        };
        let unreadable = tell(&bench, "203.0.113.1", &format!(r#"[{good},{{}},{{"token":1}}]"#)).await;
        assert!(unreadable.refusal().1.starts_with("json: "));
        assert!(counted("0").await);
        let bad = tell(&bench, "203.0.113.1", &format!("[{good},{{}},{good}]")).await;
        assert!(bad.refusal().1.starts_with("failed to validate: "));
        assert!(counted("1").await);
    }

    #[tokio::test]
    async fn the_sixth_within_a_minute_is_refused_unread() {
        let bench = Bench::new().await;
        for _ in 0..5 {
            assert_eq!(tell(&bench, "203.0.113.1", "[]").await.status, 400);
        }
        let refused = tell(&bench, "203.0.113.1", "[]").await;
        assert_eq!(refused.text(), (429, "Too Many Requests"));
        assert_eq!(refused.header("retry-after"), Some("60"));
        assert_eq!(tell(&bench, "203.0.113.2", "[]").await.status, 400);
    }

    #[tokio::test]
    async fn a_private_gateway_passes_nothing_on() {
        let bench = Bench::private().await;
        let answer = tell(&bench, "203.0.113.1", "[]").await;
        assert_eq!(answer.text(), (404, "Not Found"));
        assert_eq!(answer.header("x-ratelimit-limit"), None);
    }
}
