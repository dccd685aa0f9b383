//! A stand-in for Google: the token service of a service account, and FCM's HTTP v1 API. It checks what it is sent as
//! the documentation says, and answers in its words; how a push goes, its token says.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::upstream::{Answer, Received, Upstream};

const PROJECT: &str = "test-project";
const EMAIL: &str = "push@test-project.iam.gserviceaccount.com";
const SCOPE: &str = "https://www.googleapis.com/auth/firebase.messaging";
const GRANT: &str = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=";

/// A push to this token is answered as one to an app that is gone.
pub(crate) const UNREGISTERED: &str = "unregistered";
/// Pushes to this token find the service overloaded.
pub(crate) const OVERLOADED: &str = "overloaded";
/// Pushes to this token are never answered.
pub(crate) const SILENT: &str = "silent";

/// The running stand-in; it ends with the test process.
pub(crate) struct Google {
    service: Upstream,
    key: Arc<RsaKeyPair>,
    faults: Arc<Mutex<Vec<String>>>,
}

impl Google {
    /// Starts it with a key of its own.
    pub(crate) fn start() -> Self {
        let key = Arc::new(RsaKeyPair::generate(KeySize::Rsa2048).expect("key"));
        let faults = Arc::new(Mutex::new(Vec::new()));
        let (known, complaints) = (Arc::clone(&key), Arc::clone(&faults));
        let issued = AtomicUsize::new(0);
        let service = Upstream::answering(move |received| {
            answer(received, &known, &issued).unwrap_or_else(|fault| {
                let refusal = json!({ "error": "invalid", "error_description": fault });
                complaints.lock().expect("faults").push(fault);
                Answer::json(400, &refusal.to_string())
            })
        });
        Self { service, key, faults }
    }

    /// Where pushes are sent.
    pub(crate) fn endpoint(&self) -> String {
        self.service.url()
    }

    /// The JSON file of the service account.
    pub(crate) fn credentials(&self) -> String {
        let der: Pkcs8V1Der<'_> = self.key.as_der().expect("der");
        let text = STANDARD.encode(der.as_ref());
        let lines: Vec<_> = text.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
        let pem = format!(
            "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
            lines.join("\n")
        );
        json!({
            "type": "service_account",
            "project_id": PROJECT,
            "private_key_id": "key-1",
            "private_key": pem,
            "client_email": EMAIL,
            "client_id": "1",
            "token_uri": format!("{}/token", self.service.url()),
        })
        .to_string()
    }

    /// What was pushed to a token so far, as the `data` of each message. Panics if anything was not as documented.
    pub(crate) fn pushed(&self, token: &str) -> Vec<Value> {
        assert_eq!(*self.faults.lock().expect("faults"), Vec::<String>::new());
        let sends = self.service.received().into_iter().filter(is_send);
        let messages = sends.map(|send| json_of(&send.body)["message"].clone());
        let to_token = messages.filter(|message| message["token"] == token);
        to_token.map(|message| message["data"].clone()).collect()
    }

    /// How often an access token was bought.
    pub(crate) fn purchases(&self) -> usize {
        let received = self.service.received();
        received.iter().filter(|received| !is_send(received)).count()
    }
}

fn is_send(received: &Received) -> bool {
    !received.line.starts_with("POST /token ")
}

/// The error says what is not as documented.
fn answer(received: &Received, key: &RsaKeyPair, issued: &AtomicUsize) -> Result<Answer, String> {
    if !is_send(received) {
        check_purchase(received, key)?;
        let number = issued.fetch_add(1, Ordering::SeqCst) + 1;
        let granted = json!({ "access_token": access_token(number), "expires_in": 3599, "token_type": "Bearer" });
        return Ok(Answer::json(200, &granted.to_string()));
    }
    let expected = format!("POST /v1/projects/{PROJECT}/messages:send HTTP/1.1");
    is(&received.line, &expected, "request line")?;
    let last = access_token(issued.load(Ordering::SeqCst));
    is(
        received.header("authorization").unwrap_or_default(),
        &format!("Bearer {last}"),
        "authorization",
    )?;
    is(
        received.header("content-type").unwrap_or_default(),
        "application/json",
        "content type",
    )?;
    let body = json_of(&received.body);
    let message = &body["message"];
    let token = message["token"].as_str().ok_or("no token")?;
    let data = message["data"].as_object().ok_or("no data")?;
    if !data.values().all(Value::is_string) {
        return Err(format!("data that is no text: {body}"));
    }
    let rebuilt = json!({ "message": { "token": token, "data": data, "android": { "priority": "high" } } });
    is(&body.to_string(), &rebuilt.to_string(), "message")?;
    Ok(match token {
        UNREGISTERED => problem(404, "NOT_FOUND", "UNREGISTERED"),
        OVERLOADED => problem(503, "UNAVAILABLE", "UNAVAILABLE"),
        SILENT => Answer::Stall(Vec::new()),
        _ => Answer::json(
            200,
            &json!({ "name": format!("projects/{PROJECT}/messages/1") }).to_string(),
        ),
    })
}

fn access_token(number: usize) -> String {
    format!("ya29.access-{number}")
}

fn problem(code: u16, status: &str, error_code: &str) -> Answer {
    let kind = "type.googleapis.com/google.firebase.fcm.v1.FcmError";
    let detail = json!({ "@type": kind, "errorCode": error_code });
    let error = json!({ "code": code, "message": "Refused.", "status": status, "details": [detail] });
    Answer::json(code, &json!({ "error": error }).to_string())
}

/// RFC 7523, and what Google's documentation of service accounts adds to it.
fn check_purchase(received: &Received, key: &RsaKeyPair) -> Result<(), String> {
    let kind = received.header("content-type").unwrap_or_default();
    is(kind, "application/x-www-form-urlencoded", "content type")?;
    let form = String::from_utf8_lossy(&received.body).into_owned();
    let assertion = form.strip_prefix(GRANT).ok_or("no jwt-bearer grant")?;
    let (signed, signature) = assertion.rsplit_once('.').ok_or("no signature")?;
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|error| error.to_string())?;
    let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.public_key().as_ref());
    public
        .verify(signed.as_bytes(), &signature)
        .map_err(|_| "signed by another key")?;
    let mut parts = signed
        .split('.')
        .map(|part| json_of(&URL_SAFE_NO_PAD.decode(part).unwrap_or_default()));
    let (header, claims) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let expected = json!({ "alg": "RS256", "kid": "key-1", "typ": "JWT" });
    is(&header.to_string(), &expected.to_string(), "header")?;
    let host = received.header("host").unwrap_or_default();
    for (name, value) in [
        ("iss", EMAIL),
        ("scope", SCOPE),
        ("aud", &format!("http://{host}/token")),
    ] {
        is(claims[name].as_str().unwrap_or_default(), value, name)?;
    }
    let now = OffsetDateTime::now_utc().unix_timestamp();
    let (issued, expires) = (claims["iat"].as_i64().unwrap_or(0), claims["exp"].as_i64().unwrap_or(0));
    let is_timely = issued <= now && now < expires && expires - issued <= 3600;
    if is_timely {
        Ok(())
    } else {
        Err(format!("not good now: {claims}"))
    }
}

fn is(actual: &str, expected: &str, what: &str) -> Result<(), String> {
    if actual == expected {
        return Ok(());
    }
    Err(format!("{what}: {actual:?} instead of {expected:?}"))
}

fn json_of(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap_or_default()
}
