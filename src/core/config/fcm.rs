//! `fcm.*`: how pushes are sent in public mode, and by which Google account.

use std::time::Duration;

use gateward_boot::config::{Reader, SecretRules};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Deserialize;

use super::read::{http_url, seconds};
use super::{Mode, Provided, PushNeed};

const ENDPOINT: &str = "https://fcm.googleapis.com";
/// Where accounts that do not say otherwise get their access tokens.
const TOKEN_URI: &str = "https://oauth2.googleapis.com/token";
/// In the reference's example configuration this stands for "none".
const PLACEHOLDER: &str = "{}";

/// `fcm.*`
#[derive(Clone, Debug)]
pub struct Fcm {
    /// `fcm.credentials_json`; `None` when empty, and in private mode, which does not need it: push through FCM is off.
    pub account: Option<ServiceAccount>,
    /// `fcm.endpoint`, without a slash at its end.
    pub endpoint: String,
    /// `fcm.debounce_seconds`, at least 5 s.
    pub debounce: Duration,
    /// `fcm.timeout_seconds`, at least 1 s.
    pub timeout: Duration,
}

/// A Google service account that may send for a Firebase project, as its JSON file describes it.
#[derive(Clone, Debug)]
pub struct ServiceAccount {
    /// `project_id`
    pub project_id: String,
    /// `client_email`
    pub client_email: String,
    /// `private_key`, which has been tried.
    pub private_key: EncodingKey,
    /// `private_key_id`
    pub private_key_id: Option<String>,
    /// `token_uri`
    pub token_uri: String,
}

/// What is wrong with a service account. Shows nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccountError {
    /// It cannot be read at all.
    #[error("not the json file of a service account")]
    Json,
    /// Something is not there.
    #[error("not the json file of a service account: {0} is missing")]
    Missing(&'static str),
    /// The key does not sign.
    #[error("private_key is not an rsa key in pem")]
    Key,
    /// The address of the token service makes no sense.
    #[error("token_uri is not a url")]
    TokenUri,
}

#[derive(Deserialize)]
struct Written {
    project_id: Option<String>,
    client_email: Option<String>,
    private_key: Option<String>,
    private_key_id: Option<String>,
    token_uri: Option<String>,
}

impl ServiceAccount {
    /// Reads the JSON file that Google hands out.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong with it.
    pub fn parse(json: &[u8]) -> Result<Self, AccountError> {
        let written: Written = serde_json::from_slice(json).map_err(|_| AccountError::Json)?;
        let needed =
            |text: Option<String>, name| text.filter(|text| !text.is_empty()).ok_or(AccountError::Missing(name));
        let project_id = needed(written.project_id, "project_id")?;
        let client_email = needed(written.client_email, "client_email")?;
        let pem = needed(written.private_key, "private_key")?;
        let private_key = EncodingKey::from_rsa_pem(pem.as_bytes()).map_err(|_| AccountError::Key)?;
        // Only signing shows whether it is a key, and the first push is late for that.
        jsonwebtoken::encode(&Header::new(Algorithm::RS256), &(), &private_key).map_err(|_| AccountError::Key)?;
        let token_uri = written.token_uri.unwrap_or_else(|| TOKEN_URI.to_owned());
        http_url(&token_uri).map_err(|_| AccountError::TokenUri)?;
        Ok(Self {
            project_id,
            client_email,
            private_key,
            private_key_id: written.private_key_id,
            token_uri,
        })
    }
}

/// In public mode an account is required, unless `provided` says that it works without.
pub(super) fn read(reader: &mut Reader<'_>, mode: Mode, provided: &Provided) -> Fcm {
    reader.declare("fcm.endpoint", ENDPOINT);
    let endpoint = reader.parsed_unseen("fcm.endpoint", "https://host", http_url);
    Fcm {
        account: account(reader, mode, provided),
        endpoint: endpoint.unwrap_or_else(|| ENDPOINT.to_owned()),
        debounce: seconds(reader, "fcm.debounce_seconds", 0, 0).max(Duration::from_secs(5)),
        timeout: seconds(reader, "fcm.timeout_seconds", 0, 0).max(Duration::from_secs(1)),
    }
}

fn account(reader: &mut Reader<'_>, mode: Mode, provided: &Provided) -> Option<ServiceAccount> {
    const KEY: &str = "fcm.credentials_json";
    let before = reader.problem_count();
    let given = reader.secret(KEY, SecretRules::PASSED_ON);
    let is_unused = mode == Mode::Private || provided.push == PushNeed::Unused;
    if is_unused || reader.problem_count() > before {
        return None;
    }
    let given = given
        .map(|sealed| sealed.into_bytes())
        .filter(|json| json.trim_ascii() != PLACEHOLDER.as_bytes());
    let Some(json) = given else {
        if provided.push == PushNeed::Optional {
            reader.warning(KEY, "empty in public mode: push is off");
        } else {
            reader.required(KEY, "in public mode, for push");
        }
        return None;
    };
    ServiceAccount::parse(&json)
        .map_err(|error| reader.problem(KEY, error.to_string()))
        .ok()
}
