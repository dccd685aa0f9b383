//! How does a public gateway push? Through Firebase Cloud Messaging's HTTP v1 API, one send per notification (WIRE §5.3).
//!
//! `access` is about the token that every send carries, `answer` about what the service says.

mod access;
mod answer;

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::http::HeaderValue;
use futures_util::{StreamExt, stream::FuturesUnordered};
use gateward_boot::clock::Clock;
use reqwest::{Client, header};
use tokio::time::Instant;

use self::{
    access::Access,
    answer::{Verdict, judge},
};
use super::{
    call::{self, CallError},
    courier::{Outcome, Round},
    notification::Notification,
};
use crate::{config::ServiceAccount, http::segment};

/// Sends that are under way at once.
const AT_ONCE: usize = 64;
/// No token rests for longer, whatever the service says.
const LONGEST_REST: Duration = Duration::from_secs(15 * 60);

/// A Firebase project.
#[derive(Debug)]
pub(super) struct Fcm {
    client: Client,
    clock: Clock,
    access: Access,
    /// Where messages are sent.
    url: String,
    /// Tokens that had too many messages, and until when they get none.
    resting: Mutex<HashMap<String, Instant>>,
}

impl Fcm {
    /// `endpoint` is `fcm.endpoint`, without a slash at its end.
    pub(super) fn new(account: ServiceAccount, endpoint: &str, clock: Clock) -> Result<Self, CallError> {
        let client = call::client("gateward")?;
        let url = format!("{endpoint}/v1/projects/{}/messages:send", segment(&account.project_id));
        Ok(Self {
            access: Access::new(account, client.clone(), clock.clone()),
            client,
            clock,
            url,
            resting: Mutex::default(),
        })
    }

    /// Sends as many as it can within `deadline`. Those that were under way then have failed; those that had not begun are
    /// postponed, and so is the rest when the service asks for a pause.
    pub(super) async fn deliver(&self, batch: &[&Notification], deadline: Duration, round: &mut Round) {
        // Not within the deadline, which may be a second: an exchange that is slower than that must end some time.
        if let Err(error) = self.access.token(None).await {
            tracing::error!(%error, "no access token for pushes");
            round.pause = Verdict::LOCKED_OUT.pause;
            return;
        }
        let ends = Instant::now() + deadline;
        let Round { outcomes, pause } = round;
        let resting = self.still_resting();
        let rest = batch.iter().zip(outcomes);
        let mut rest = rest.filter(|(notification, _)| !resting.contains_key(&notification.token));
        let mut too_many = false;
        let mut under_way = FuturesUnordered::new();
        loop {
            while under_way.len() < AT_ONCE && pause.is_none() {
                let Some((notification, outcome)) = rest.next() else {
                    break;
                };
                // Until it is known what became of it.
                *outcome = Outcome::Failed;
                under_way.push(self.attempt(notification, outcome));
            }
            match tokio::time::timeout_at(ends, under_way.next()).await {
                Ok(Some(verdict)) => {
                    // A second token that had too many: it is not the tokens.
                    let everybody = verdict.rest.filter(|_| too_many);
                    too_many |= verdict.rest.is_some();
                    *pause = (*pause).max(verdict.pause).max(everybody);
                }
                Ok(None) => break,
                Err(_) => {
                    tracing::warn!("fcm did not take all pushes in time");
                    break;
                }
            }
        }
    }

    /// Notes what became of a notification.
    async fn attempt(&self, notification: &Notification, outcome: &mut Outcome) -> Verdict {
        let verdict = self.send(notification).await;
        *outcome = verdict.outcome;
        if let Some(rest) = verdict.rest {
            let until = Instant::now() + rest.min(LONGEST_REST);
            self.resting().insert(notification.token.clone(), until);
        }
        verdict
    }

    fn still_resting(&self) -> HashMap<String, Instant> {
        let now = Instant::now();
        let mut resting = self.resting();
        resting.retain(|_, until| now < *until);
        resting.clone()
    }

    // No code panics while it holds this lock.
    fn resting(&self) -> MutexGuard<'_, HashMap<String, Instant>> {
        self.resting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One send; with a new access token if the service no longer takes the one we have.
    async fn send(&self, notification: &Notification) -> Verdict {
        let mut refused: Option<HeaderValue> = None;
        loop {
            let token = match self.access.token(refused.as_ref()).await {
                Ok(token) => token,
                Err(error) => {
                    tracing::error!(%error, "no access token for pushes");
                    return Verdict::LOCKED_OUT;
                }
            };
            let request = self
                .client
                .post(&self.url)
                .header(header::AUTHORIZATION, token.clone())
                .header(header::CONTENT_TYPE, "application/json")
                .body(notification.for_fcm());
            match call::ask(request, &self.clock).await {
                Ok(answer) if answer.status.as_u16() == 401 && refused.is_none() => refused = Some(token),
                Ok(answer) => return judge(&answer),
                Err(error) => {
                    tracing::warn!(%error, "fcm did not take a push");
                    return Verdict::FAILED;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
