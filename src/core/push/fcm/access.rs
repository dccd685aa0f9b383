//! Which access token do sends carry? One that is bought from the account's token service with a signed assertion
//! (RFC 7523), kept, and renewed before it expires.

use std::time::Duration;

use axum::http::HeaderValue;
use gateward_boot::clock::Clock;
use jsonwebtoken::{Algorithm, Header};
use reqwest::{Client, StatusCode, header};
use serde::{Deserialize, Serialize};
use tokio::{sync::Mutex, time::Instant};

use crate::{
    config::ServiceAccount,
    push::call::{self, CallError},
};

const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const SCOPE: &str = "https://www.googleapis.com/auth/firebase.messaging";
/// The longest that an assertion may be good for.
const ASSERTION_SECS: i64 = 3600;
/// No token is kept for longer, whatever the service says about it: the real one says an hour.
const LONGEST_LIFE: Duration = Duration::from_secs(86_400);
/// A token is renewed so long before it expires, or in the last tenth of its life, if that is later.
const MARGIN: Duration = Duration::from_secs(300);

/// Why there is no access token.
#[derive(Debug, thiserror::Error)]
pub(super) enum AccessError {
    #[error("the token service: {0}")]
    Call(#[from] CallError),
    #[error("the token service answered {0}")]
    Refused(StatusCode),
    #[error("the answer of the token service holds no token")]
    Answer,
    #[error("the assertion cannot be signed")]
    Signature,
}

/// The tokens of one account.
#[derive(Debug)]
pub(super) struct Access {
    account: ServiceAccount,
    client: Client,
    clock: Clock,
    /// Held while a new one is fetched: whoever needs it waits, and nobody asks twice.
    held: Mutex<Option<Held>>,
}

#[derive(Debug)]
struct Held {
    /// `Bearer …`, marked sensitive.
    header: HeaderValue,
    renew_at: Instant,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    scope: &'static str,
    aud: &'a str,
    iat: i64,
    exp: i64,
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    expires_in: u64,
}

impl Access {
    pub(super) fn new(account: ServiceAccount, client: Client, clock: Clock) -> Self {
        Self {
            account,
            client,
            clock,
            held: Mutex::new(None),
        }
    }

    /// The value of `Authorization`, other than the one that was `refused`.
    pub(super) async fn token(&self, refused: Option<&HeaderValue>) -> Result<HeaderValue, AccessError> {
        let mut held = self.held.lock().await;
        let good = held
            .as_ref()
            .filter(|held| Instant::now() < held.renew_at && Some(&held.header) != refused);
        if let Some(good) = good {
            return Ok(good.header.clone());
        }
        *held = None;
        let new = self.buy().await?;
        let header = new.header.clone();
        *held = Some(new);
        Ok(header)
    }

    async fn buy(&self) -> Result<Held, AccessError> {
        let assertion = self.assertion()?;
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", GRANT)
            .append_pair("assertion", &assertion)
            .finish();
        let request = self
            .client
            .post(&self.account.token_uri)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form);
        let answer = call::ask(request, &self.clock).await?;
        if !answer.status.is_success() {
            return Err(AccessError::Refused(answer.status));
        }
        let granted: Granted = serde_json::from_slice(&answer.body).map_err(|_| AccessError::Answer)?;
        let header = HeaderValue::from_str(&format!("Bearer {}", granted.access_token));
        let mut header = header.map_err(|_| AccessError::Answer)?;
        header.set_sensitive(true);
        let lifetime = Duration::from_secs(granted.expires_in).min(LONGEST_LIFE);
        Ok(Held {
            header,
            renew_at: Instant::now() + lifetime.saturating_sub(MARGIN.min(lifetime / 10)),
        })
    }

    /// Says who we are and what for, signed with the account's key.
    fn assertion(&self) -> Result<String, AccessError> {
        let issued = self.clock.unix_seconds();
        let claims = Claims {
            iss: &self.account.client_email,
            scope: SCOPE,
            aud: &self.account.token_uri,
            iat: issued,
            exp: issued + ASSERTION_SECS,
        };
        let header = Header {
            kid: self.account.private_key_id.clone(),
            ..Header::new(Algorithm::RS256)
        };
        jsonwebtoken::encode(&header, &claims, &self.account.private_key).map_err(|_| AccessError::Signature)
    }
}
