//! How does a private gateway push? It has no account at FCM: it asks a public one to do it (WIRE §5.5).

use std::time::Duration;

use gateward_boot::clock::Clock;
use reqwest::{Client, StatusCode, header};

use super::{
    call::{self, Answer, CallError},
    courier::{Outcome, Round},
    notification::{Notification, for_relay},
};

/// The name that public gateways know private ones by.
const USER_AGENT: &str = "sms-gate/1.x (server; golang)";
/// So many in one request, sent or taken: it stays well below the 4 MiB that a gateway takes.
pub(super) const AT_ONCE: usize = 5_000;
/// How long to wait after "too many requests" without a time: the relay counts by the minute.
const CALM_DOWN: Duration = Duration::from_secs(60);

/// A public gateway.
#[derive(Debug)]
pub(super) struct Upstream {
    client: Client,
    clock: Clock,
    url: String,
}

impl Upstream {
    /// `base` is `gateway.upstream_url`, without a slash at its end.
    pub(super) fn new(base: &str, clock: Clock) -> Result<Self, CallError> {
        Ok(Self {
            client: call::client(USER_AGENT)?,
            clock,
            url: format!("{base}/push"),
        })
    }

    /// Success and failure are those of the request, for all that is in it.
    pub(super) async fn deliver(&self, batch: &[&Notification], deadline: Duration, round: &mut Round) {
        let ends = tokio::time::Instant::now() + deadline;
        for (part, outcomes) in batch.chunks(AT_ONCE).zip(round.outcomes.chunks_mut(AT_ONCE)) {
            if tokio::time::Instant::now() >= ends {
                // What is not tried has not failed.
                break;
            }
            let asked = tokio::time::timeout_at(ends, self.ask(part)).await;
            let (outcome, pause) = judge(asked.unwrap_or(Err(CallError::TimedOut)));
            outcomes.fill(outcome);
            round.pause = pause;
            if pause.is_some() {
                break;
            }
        }
    }

    async fn ask(&self, part: &[&Notification]) -> Result<Answer, CallError> {
        let body = for_relay(part.iter().copied());
        let request = self.client.post(&self.url).body(body);
        let request = request.header(header::CONTENT_TYPE, "application/json");
        call::ask(request, &self.clock).await
    }
}

/// What an answer means for all that was in the request, and how long to wait before the next.
fn judge(asked: Result<Answer, CallError>) -> (Outcome, Option<Duration>) {
    let answer = match asked {
        Ok(answer) => answer,
        Err(error) => {
            tracing::warn!(%error, "the upstream did not take pushes");
            return (Outcome::Failed, None);
        }
    };
    // The reference takes a redirect for success, but we do not follow it: nobody has the pushes.
    if answer.status.is_success() {
        return (Outcome::Sent, None);
    }
    tracing::warn!(status = answer.status.as_u16(), "the upstream did not take pushes");
    if answer.status == StatusCode::TOO_MANY_REQUESTS {
        return (Outcome::Postponed, Some(answer.retry_after.unwrap_or(CALM_DOWN)));
    }
    (Outcome::Failed, answer.retry_after)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
mod tests {
    use std::time::UNIX_EPOCH;

    use axum::http::HeaderValue;

    use super::*;
    use crate::events::{Event, Kind};
    use crate::push::testing::{Service, refusal, status};
    use crate::testing::START_SECS;

    const DEADLINE: Duration = Duration::from_secs(20);

    fn to(url: &str) -> Upstream {
        let (clock, _) = Clock::manual(UNIX_EPOCH + Duration::from_secs(START_SECS));
        Upstream::new(url, clock).unwrap()
    }

    fn notification() -> Notification {
        Notification::of("t", &Event::plain(Kind::MessageEnqueued))
    }

    async fn delivered(upstream: &Upstream, batch: &[&Notification], deadline: Duration) -> Round {
        let mut round = Round::of(batch.len());
        upstream.deliver(batch, deadline, &mut round).await;
        round
    }

    #[tokio::test]
    async fn a_batch_is_one_request_in_the_words_of_the_reference() {
        let service = Service::answering(|_| status(202)).await;
        let upstream = to(&service.url("/upstream/v1"));
        let one = notification();
        let round = delivered(&upstream, &[&one, &one], DEADLINE).await;
        assert_eq!(round.outcomes, [Outcome::Sent; 2]);
        let seen = service.seen();
        assert_eq!(seen.len(), 1);
        assert_eq!(
            (seen[0].method.as_str(), seen[0].path.as_str()),
            ("POST", "/upstream/v1/push")
        );
        assert_eq!(seen[0].header("user-agent"), Some(USER_AGENT));
        assert_eq!(seen[0].header("content-type"), Some("application/json"));
        let expected = br#"[{"token":"t","event":"MessageEnqueued","data":null},{"token":"t","event":"MessageEnqueued","data":null}]"#;
        assert_eq!(seen[0].body, expected);
    }

    #[tokio::test]
    async fn a_refusal_is_the_failure_of_all() {
        for code in [301, 304, 307, 400, 404, 500, 503] {
            let service = Service::answering(move |_| status(code)).await;
            let upstream = to(&service.url(""));
            let one = notification();
            let round = delivered(&upstream, &[&one, &one], DEADLINE).await;
            assert_eq!(
                (round.outcomes, round.pause),
                (vec![Outcome::Failed; 2], None),
                "{code}"
            );
        }
        let nobody = to("http://127.0.0.1:9");
        let round = delivered(&nobody, &[&notification()], DEADLINE).await;
        assert_eq!(round.outcomes, [Outcome::Failed]);
    }

    #[tokio::test]
    async fn too_many_requests_are_nobody_s_failure_and_make_a_pause() {
        for (after, pause) in [(Some(7), Duration::from_secs(7)), (None, CALM_DOWN)] {
            let service = Service::answering(move |_| refusal(429, after, "")).await;
            let upstream = to(&service.url(""));
            let round = delivered(&upstream, &[&notification()], DEADLINE).await;
            assert_eq!((round.outcomes, round.pause), (vec![Outcome::Postponed], Some(pause)));
        }
    }

    #[tokio::test]
    async fn an_upstream_may_say_until_when_it_wants_to_be_left_alone() {
        let service = Service::answering(|_| {
            let mut answer = status(503);
            let at = HeaderValue::from_static("Thu, 01 Jan 2026 00:00:07 GMT");
            answer.headers_mut().insert(header::RETRY_AFTER, at);
            answer
        })
        .await;
        let round = delivered(&to(&service.url("")), &[&notification()], DEADLINE).await;
        assert_eq!(round.pause, Some(Duration::from_secs(7)));
    }

    #[tokio::test]
    async fn an_upstream_that_hangs_is_given_up_at_the_deadline() {
        let service = Service::hanging().await;
        let upstream = to(&service.url(""));
        let one = notification();
        let more_than_one_request = vec![&one; AT_ONCE + 1];
        let round = delivered(&upstream, &more_than_one_request, Duration::from_millis(50)).await;
        let (asked, not_asked) = round.outcomes.split_at(AT_ONCE);
        assert!(asked.iter().all(|outcome| *outcome == Outcome::Failed));
        assert_eq!(not_asked, [Outcome::Postponed], "what was not tried has not failed");
    }
}
