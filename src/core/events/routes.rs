//! How does a phone listen? `GET /mobile/v1/events` (WIRE §4.10).

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::stream::{self, Stream};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, sleep_until};

use super::bus::Subscription;
use super::frame::KEEP_ALIVE;
use crate::App;
use crate::http::{ApiError, DeviceCaller, Routes};

/// No stream is longer, as with the reference (WIRE §1.4): its phone comes again and proves itself anew.
const LONGEST: Duration = Duration::from_secs(30 * 60);

pub(crate) fn routes() -> Routes {
    Routes::new().at(&["/api/mobile/v1/events"], get(listen))
}

/// Answers at once and goes on until one side closes. The reference sends its head with the first event only.
async fn listen(State(app): State<Arc<App>>, DeviceCaller(device): DeviceCaller) -> Result<Response, ApiError> {
    let subscription = app.events.bus().subscribe(device.user.as_str(), device.id.as_str());
    // INVARIANT(no stream outlives its device): a device that was deleted between the look at its token and now has no
    // stream that could be ended. Test: `tests::a_device_that_is_deleted_meanwhile_gets_no_stream`.
    if app.devices.authenticate(&device.token, app.now()).await?.is_none() {
        return Err(ApiError::unauthorized());
    }
    let head = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-cache"),
        (header::CONNECTION, "keep-alive"),
    ];
    let frames = frames(subscription, app.config.sse.keep_alive);
    Ok((head, Body::from_stream(frames)).into_response())
}

/// Events as they come, and a comment every so often (never, if zero), so that nobody on the way takes the connection for
/// dead. Ends with the bus, and after half an hour.
fn frames(subscription: Subscription, keep_alive: Duration) -> impl Stream<Item = Result<Bytes, Infallible>> {
    let ticks = (!keep_alive.is_zero()).then(|| {
        let mut ticks = interval_at(Instant::now() + keep_alive, keep_alive);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks
    });
    let end = Instant::now() + LONGEST;
    stream::unfold((subscription, ticks), move |(mut subscription, mut ticks)| async move {
        let frame = tokio::select! {
            biased;
            event = subscription.next() => event?,
            () = sleep_until(end) => return None,
            () = tick(ticks.as_mut()) => {
                subscription.kept_alive();
                KEEP_ALIVE
            }
        };
        Some((Ok(frame), (subscription, ticks)))
    })
}

async fn tick(ticks: Option<&mut Interval>) {
    match ticks {
        Some(ticks) => {
            ticks.tick().await;
        }
        None => std::future::pending().await,
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::pin::pin;
    use std::sync::Arc;
    use std::time::Duration;

    use axum::body::{Body, Bytes};
    use futures_util::{FutureExt, StreamExt};
    use tower::ServiceExt;

    use super::*;
    use crate::db::testing::{Kind as Database, on_both_databases};
    use crate::events::bus::tests::{open_streams, quiet_bus};
    use crate::events::frame::KEEP_ALIVE;
    use crate::events::{Event, Kind};
    use crate::testing::{Bench, bearer, request};

    const PERIOD: Duration = Duration::from_secs(15);

    #[tokio::test]
    async fn the_head_comes_at_once_and_events_after_it() {
        let bench = Bench::new().await;
        let phone = bench.register("{}").await;
        let asked = request("GET", "/api/mobile/v1/events", &bearer(&phone.token));
        let router = crate::http::router(Arc::clone(&bench.app));
        let answer = router.oneshot(asked.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(answer.status(), 200);
        for (name, value) in [
            ("content-type", "text/event-stream"),
            ("cache-control", "no-cache"),
            ("connection", "keep-alive"),
        ] {
            assert_eq!(answer.headers()[name], value);
        }

        let mut body = answer.into_body().into_data_stream();
        let minted = bench.minted(&phone.login);
        let message = r#"{"id":"e1","textMessage":{"text":"hello"},"phoneNumbers":["+79990001234"]}"#;
        bench.tell("POST", "/api/3rdparty/v1/messages", &minted, message).await;
        bench.ask("DELETE", "/api/3rdparty/v1/messages/e1", &minted).await;
        for expected in [
            "event: MessageEnqueued\ndata: null\n\n",
            "event: MessageCancelled\ndata: {\"messageId\":\"e1\"}\n\n",
        ] {
            assert_eq!(body.next().await.unwrap().unwrap(), expected);
        }
        bench.app.events.close();
        assert!(body.next().await.is_none());
    }

    async fn a_deleted_device_s_streams_end(kind: Database) {
        let (bench, phone, _place) = Bench::with_phone(kind).await;
        let asked = request("GET", "/api/mobile/v1/events", &bearer(&phone.token));
        let router = crate::http::router(Arc::clone(&bench.app));
        let answer = router.oneshot(asked.body(Body::empty()).unwrap()).await.unwrap();
        let mut body = answer.into_body().into_data_stream();
        let minted = bench.minted(&phone.login);
        // As the database finds it: MySQL in any case.
        let id = match kind {
            Database::Sqlite => phone.id,
            Database::MariaDb => phone.id.to_ascii_uppercase(),
        };
        let device = format!("/api/3rdparty/v1/devices/{id}");
        assert_eq!(bench.ask("DELETE", &device, &minted).await.status, 204);
        let ended = tokio::time::timeout(Duration::from_secs(10), body.next()).await;
        assert!(ended.unwrap().is_none());
    }

    on_both_databases!(a_deleted_device_s_streams_end);

    #[tokio::test]
    async fn a_device_that_is_deleted_meanwhile_gets_no_stream() {
        let bench = Bench::new().await;
        let phone = bench.register("{}").await;
        let device = bench.app.devices.authenticate(&phone.token, bench.app.now()).await;
        let device = device.unwrap().unwrap();
        assert!(
            bench
                .app
                .devices
                .delete(&device.user, &device.id)
                .await
                .unwrap()
                .is_some()
        );
        let answer = listen(State(Arc::clone(&bench.app)), DeviceCaller(device)).await;
        assert_eq!(answer.into_response().status(), 401);
        assert_eq!(open_streams(bench.app.events.bus()), 0);
    }

    #[tokio::test]
    async fn only_devices_may_listen() {
        let bench = Bench::new().await;
        let phone = bench.register("{}").await;
        for authorization in [String::new(), bench.minted(&phone.login), bearer("unknown")] {
            let answer = bench.ask("GET", "/api/mobile/v1/events", &authorization).await;
            assert_eq!(answer.refusal(), (401, "Unauthorized".to_owned()));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_stream_says_every_so_often_that_it_lives() {
        let bus = quiet_bus();
        let mut frames = pin!(frames(bus.subscribe("ALICE", "phone"), PERIOD));
        let start = tokio::time::Instant::now();
        for times in 1..=3 {
            assert_eq!(frames.next().await, Some(Ok(KEEP_ALIVE)));
            assert_eq!(start.elapsed(), PERIOD * times);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_period_there_are_events_only() {
        let bus = quiet_bus();
        let mut frames = pin!(frames(bus.subscribe("ALICE", "phone"), Duration::ZERO));
        let quiet = tokio::time::timeout(Duration::from_secs(1_700), frames.next());
        assert!(quiet.await.is_err());
        bus.publish("phone", &Event::plain(Kind::WebhooksUpdated));
        let expected = Bytes::from_static(b"event: WebhooksUpdated\ndata: null\n\n");
        assert_eq!(frames.next().await, Some(Ok(expected)));
    }

    #[tokio::test(start_paused = true)]
    async fn events_come_at_once_and_the_end_of_the_bus_is_the_end() {
        let bus = quiet_bus();
        let mut frames = pin!(frames(bus.subscribe("ALICE", "phone"), PERIOD));
        bus.publish("phone", &Event::message_cancelled("e1".to_owned()));
        let expected = Bytes::from_static(b"event: MessageCancelled\ndata: {\"messageId\":\"e1\"}\n\n");
        assert_eq!(frames.next().now_or_never(), Some(Some(Ok(expected))));
        bus.close();
        assert_eq!(frames.next().now_or_never(), Some(None));
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_ends_after_half_an_hour() {
        let bus = quiet_bus();
        let start = tokio::time::Instant::now();
        let frames = frames(bus.subscribe("ALICE", "phone"), PERIOD)
            .collect::<Vec<_>>()
            .await;
        assert_eq!(start.elapsed(), Duration::from_secs(1_800));
        assert_eq!(frames.len(), 119, "the end comes before the last sign of life");
        assert_eq!(open_streams(&bus), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_nobody_reads_any_more_is_unsubscribed() {
        let bus = quiet_bus();
        let frames = frames(bus.subscribe("ALICE", "phone"), PERIOD);
        assert_eq!(open_streams(&bus), 1);
        drop(frames);
        assert_eq!(open_streams(&bus), 0);
    }
}
