#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gateward_boot::clock::{Clock, Hands};
use serde_json::{Value, json};

use super::*;
use crate::events::{Event, Kind};
use crate::push::testing::{Seen, Service, refusal, status};
use crate::testing::{START_SECS, service_account, verify_assertion};

const DEADLINE: Duration = Duration::from_secs(20);
const TOKEN_PATH: &str = "/token";

/// FCM and the token service of a test.
struct Google {
    service: Service,
    hands: Hands,
    fcm: Fcm,
}

impl Google {
    /// Sends are answered by `answer`; tokens are `token-1`, `token-2` and so on, good for `lifetime` seconds.
    async fn with(lifetime: u64, answer: impl Fn(&Seen) -> Option<Response> + Clone + Send + Sync + 'static) -> Self {
        let issued = Arc::new(AtomicU64::new(0));
        let service = Service::deciding(move |seen| {
            if seen.path != TOKEN_PATH {
                return answer(seen);
            }
            let number = issued.fetch_add(1, SeqCst) + 1;
            let granted = json!({ "access_token": format!("token-{number}"), "expires_in": lifetime });
            Some(refusal(200, None, &granted.to_string()))
        })
        .await;
        let account = service_account(&service.url(TOKEN_PATH));
        let account = ServiceAccount::parse(account.as_bytes()).unwrap();
        let (clock, hands) = Clock::manual(UNIX_EPOCH + Duration::from_secs(START_SECS));
        let fcm = Fcm::new(account, &service.url(""), clock).unwrap();
        Self { service, hands, fcm }
    }

    async fn sending(answer: impl Fn(&Seen) -> Response + Clone + Send + Sync + 'static) -> Self {
        Self::with(3600, move |seen| Some(answer(seen))).await
    }

    async fn deliver(&self, count: usize) -> Round {
        self.deliver_within(count, DEADLINE).await
    }

    async fn deliver_within(&self, count: usize, deadline: Duration) -> Round {
        let batch: Vec<_> = (0..count)
            .map(|number| Notification::of(&format!("t{number}"), &Event::plain(Kind::MessageEnqueued)))
            .collect();
        delivered(&self.fcm, &batch.iter().collect::<Vec<_>>(), deadline).await
    }

    fn purchases(&self) -> Vec<Seen> {
        let seen = self.service.seen();
        seen.into_iter().filter(|seen| seen.path == TOKEN_PATH).collect()
    }

    fn sends(&self) -> Vec<Seen> {
        let seen = self.service.seen();
        seen.into_iter().filter(|seen| seen.path != TOKEN_PATH).collect()
    }
}

async fn delivered(fcm: &Fcm, batch: &[&Notification], deadline: Duration) -> Round {
    let mut round = Round::of(batch.len());
    fcm.deliver(batch, deadline, &mut round).await;
    round
}

fn token_of(seen: &Seen) -> String {
    let body: Value = serde_json::from_slice(&seen.body).unwrap();
    body["message"]["token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_send_carries_a_token_that_was_bought_with_a_signed_assertion() {
    let google = Google::sending(|_| status(200)).await;
    assert_eq!(google.deliver(1).await.outcomes, [Outcome::Sent]);

    let purchases = google.purchases();
    assert_eq!(purchases.len(), 1);
    assert_eq!(
        purchases[0].header("content-type"),
        Some("application/x-www-form-urlencoded")
    );
    let form = purchases[0].text();
    let assertion = form
        .strip_prefix("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=")
        .unwrap();
    assert!(verify_assertion(assertion));
    let part = |number: usize| -> Value {
        let text = assertion.split('.').nth(number).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
    };
    assert_eq!(part(0), json!({ "typ": "JWT", "alg": "RS256", "kid": "key-1" }));
    let expected = json!({
        "iss": "push@test-project.iam.gserviceaccount.com",
        "scope": "https://www.googleapis.com/auth/firebase.messaging",
        "aud": google.service.url(TOKEN_PATH),
        "iat": START_SECS,
        "exp": START_SECS + 3600,
    });
    assert_eq!(part(1), expected);

    let sends = google.sends();
    assert_eq!(sends.len(), 1);
    assert_eq!(sends[0].method, "POST");
    assert_eq!(sends[0].path, "/v1/projects/test-project/messages:send");
    assert_eq!(sends[0].header("authorization"), Some("Bearer token-1"));
    assert_eq!(sends[0].header("content-type"), Some("application/json"));
    assert_eq!(token_of(&sends[0]), "t0");
}

#[tokio::test]
async fn one_token_serves_many_sends_and_many_rounds() {
    let google = Google::sending(|_| status(200)).await;
    for _ in 0..3 {
        assert_eq!(google.deliver(200).await.outcomes, vec![Outcome::Sent; 200]);
    }
    assert_eq!((google.purchases().len(), google.sends().len()), (1, 600));
}

#[tokio::test]
async fn a_token_is_renewed_before_it_expires() {
    let google = Google::sending(|_| status(200)).await;
    google.deliver(1).await;
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(3600 - 301)).await;
    tokio::time::resume();
    google.deliver(1).await;
    assert_eq!(google.purchases().len(), 1);
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(2)).await;
    tokio::time::resume();
    google.hands.advance(Duration::from_secs(3300));
    google.deliver(1).await;
    assert_eq!(google.purchases().len(), 2);
    assert_eq!(google.sends()[2].header("authorization"), Some("Bearer token-2"));
}

#[tokio::test]
async fn a_token_that_is_refused_is_renewed_once_for_everybody() {
    let google = Google::sending(|seen| match seen.header("authorization") {
        Some("Bearer token-1") => status(401),
        _ => status(200),
    })
    .await;
    assert_eq!(google.deliver(20).await.outcomes, vec![Outcome::Sent; 20]);
    assert_eq!(google.purchases().len(), 2);
}

#[tokio::test]
async fn a_token_for_ever_is_good_for_a_day() {
    let google = Google::with(u64::MAX, |_| Some(status(200))).await;
    for purchases in 1..=2 {
        assert_eq!(google.deliver(2).await.outcomes, [Outcome::Sent; 2]);
        assert_eq!(google.purchases().len(), purchases);
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(86_400)).await;
        tokio::time::resume();
    }
}

#[tokio::test]
async fn whoever_is_not_let_in_has_not_failed() {
    for (code, purchases, sends) in [(401, 2, 2), (403, 1, 1), (404, 1, 1)] {
        let google = Google::sending(move |_| status(code)).await;
        let round = google.deliver(1).await;
        assert_eq!(
            (round.outcomes, round.pause.is_some()),
            (vec![Outcome::Postponed], true)
        );
        assert_eq!((google.purchases().len(), google.sends().len()), (purchases, sends));
    }
}

#[tokio::test]
async fn without_a_token_nothing_is_sent_and_nothing_has_failed() {
    for answer in [(400, r#"{"error":"invalid_grant"}"#), (200, "{}"), (200, "nonsense")] {
        let service = Service::answering(move |_| refusal(answer.0, None, answer.1)).await;
        let account = ServiceAccount::parse(service_account(&service.url(TOKEN_PATH)).as_bytes()).unwrap();
        let fcm = Fcm::new(account, &service.url(""), Clock::system()).unwrap();
        let one = Notification::of("t", &Event::plain(Kind::MessageEnqueued));
        let round = delivered(&fcm, &[&one, &one], DEADLINE).await;
        assert_eq!(round.outcomes, [Outcome::Postponed; 2]);
        assert_eq!(
            round.pause,
            Verdict::LOCKED_OUT.pause,
            "the next round would not fare better"
        );
        assert_eq!(service.seen().len(), 1);
    }
}

#[tokio::test]
async fn each_notification_has_the_outcome_of_its_own_send() {
    let unregistered = r#"{"error":{"details":[{"errorCode":"UNREGISTERED"}]}}"#;
    let google = Google::sending(move |seen| match token_of(seen).as_str() {
        "t1" => refusal(404, None, unregistered),
        "t2" => status(500),
        "t3" => status(400),
        _ => status(200),
    })
    .await;
    let round = google.deliver(5).await;
    let expected = [
        Outcome::Sent,
        Outcome::Unreachable,
        Outcome::Failed,
        Outcome::Refused,
        Outcome::Sent,
    ];
    assert_eq!((round.outcomes.as_slice(), round.pause), (&expected[..], None));
}

#[tokio::test]
async fn at_the_deadline_what_was_under_way_has_failed_and_the_rest_was_not_tried() {
    let google = Google::with(3600, |_| None).await;
    let round = google.deliver_within(AT_ONCE + 10, Duration::from_millis(300)).await;
    let (tried, rest) = round.outcomes.split_at(AT_ONCE);
    assert_eq!(tried, vec![Outcome::Failed; AT_ONCE]);
    assert_eq!(rest, vec![Outcome::Postponed; 10]);
}

#[tokio::test]
async fn too_many_requests_stop_the_round() {
    let sent = Arc::new(Mutex::new(0));
    let google = Google::sending(move |_| {
        *sent.lock().unwrap() += 1;
        refusal(429, Some(30), "{}")
    })
    .await;
    let round = google.deliver(AT_ONCE * 3).await;
    assert_eq!(round.outcomes, vec![Outcome::Postponed; AT_ONCE * 3]);
    assert_eq!(round.pause, Some(Duration::from_secs(30)));
    assert!(google.sends().len() < AT_ONCE * 3, "{}", google.sends().len());
}

#[tokio::test]
async fn too_many_messages_for_one_phone_stop_nobody_else() {
    let google = Google::sending(|seen| match token_of(seen).as_str() {
        "t1" => refusal(429, Some(30), "{}"),
        _ => status(200),
    })
    .await;
    let postponed_one = [Outcome::Sent, Outcome::Postponed, Outcome::Sent];
    for sends in [3, 5] {
        let round = google.deliver(3).await;
        assert_eq!((round.outcomes.as_slice(), round.pause), (&postponed_one[..], None));
        assert_eq!(google.sends().len(), sends, "the phone that had too many rests");
    }
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(31)).await;
    tokio::time::resume();
    google.deliver(3).await;
    assert_eq!(google.sends().len(), 8);
}
