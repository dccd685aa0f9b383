//! A core in a folder of its own, with a clock that stands still: what tests ask over its router.

use std::{
    net::SocketAddr,
    sync::{Arc, LazyLock},
    time::{Duration, UNIX_EPOCH},
};

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    rsa::KeySize,
    signature::{KeyPair, RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey},
};
use axum::{
    Router,
    body::{Body, BodyDataStream},
    extract::ConnectInfo,
    http::{HeaderMap, Request, StatusCode, header},
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use futures_util::StreamExt;
use gateward_auth::{Hs256Key, MintedClaims, Secret, Signer, TokenId, UnixSeconds};
use gateward_boot::clock::{Clock, Hands};
use http_body_util::BodyExt;
use serde_json::Value;
use tempfile::TempDir;
use tower::ServiceExt;

use crate::{
    App,
    config::{
        Backend, Cleanup, Config, Database, DatabaseUrl, Fcm, Gateway, Http, Jwt, Messages, Mode, Otp, Pubsub, Queue,
        Sse, Tasks,
    },
    db::testing::{Kind, Place},
    events::{Audience, Event},
    http,
    messages::{StateMetrics, States},
    shared::PubSub,
};

/// 2026-01-01T00:00:00Z: where a test's clock starts.
pub(crate) const START_SECS: u64 = 1_767_225_600;
/// What registers in private mode.
pub(crate) const PRIVATE_TOKEN: &str = "123456789";
const SECRET: &str = "a secret of the tests, 32 bytes or more";

/// A core to ask.
pub(crate) struct Bench {
    pub(crate) app: Arc<App>,
    /// Move the clock.
    pub(crate) hands: Hands,
    router: Router,
    _folder: TempDir,
}

/// A registered device and its user.
#[derive(Clone, Debug)]
pub(crate) struct Phone {
    pub(crate) id: String,
    pub(crate) token: String,
    pub(crate) login: String,
    pub(crate) password: String,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), Some("application/json"), "{self:?}");
        serde_json::from_str(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The text of a refusal in JSON, with its status.
    pub(crate) fn refusal(&self) -> (u16, String) {
        let body = self.json();
        assert_eq!(body.as_object().unwrap().len(), 1, "{self:?}");
        (self.status.as_u16(), body["message"].as_str().unwrap().to_owned())
    }

    /// A plain text, with its status.
    pub(crate) fn text(&self) -> (u16, &str) {
        assert_eq!(
            self.header("content-type"),
            Some("text/plain; charset=utf-8"),
            "{self:?}"
        );
        (self.status.as_u16(), &self.body)
    }

    /// 204 with nothing in it.
    pub(crate) fn is_empty_204(&self) -> bool {
        self.status == StatusCode::NO_CONTENT && self.body.is_empty() && self.header("content-type").is_none()
    }
}

/// An open event stream.
pub(crate) struct Events(BodyDataStream);

impl Events {
    /// The next frame as text, which has to come soon.
    pub(crate) async fn next(&mut self) -> String {
        let next = tokio::time::timeout(Duration::from_secs(10), self.0.next());
        let bytes = next.await.expect("an event").unwrap().unwrap();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    /// Reads to the end, which has to come soon.
    pub(crate) async fn end(mut self) {
        let to_the_end = async { while self.0.next().await.is_some() {} };
        tokio::time::timeout(Duration::from_secs(10), to_the_end)
            .await
            .expect("an end");
    }
}

impl Bench {
    /// In public mode.
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// In public mode, with something configured.
    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = config(DatabaseUrl::Sqlite(folder.path().join("data/core.db")));
        change(&mut config);
        let (clock, hands) = Clock::manual(UNIX_EPOCH + Duration::from_secs(START_SECS));
        let app = Arc::new(App::open(config, clock).await.unwrap());
        let router = http::router(Arc::clone(&app));
        Self {
            app,
            hands,
            router,
            _folder: folder,
        }
    }

    /// On this database, which has to outlive it.
    pub(crate) async fn on(place: &Place) -> Self {
        Self::with(|config| config.database = place.config.clone()).await
    }

    /// On a database of its own, which has to outlive it, with a user and a phone.
    pub(crate) async fn with_phone(kind: Kind) -> (Self, Phone, Place) {
        let place = Place::new(kind).await;
        let bench = Self::on(&place).await;
        let phone = bench.register("{}").await;
        (bench, phone, place)
    }

    /// In private mode.
    pub(crate) async fn private() -> Self {
        Self::with(|config| config.gateway.mode = Mode::Private).await
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let answer = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = answer.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
        }
    }

    /// A request without a body.
    pub(crate) async fn ask(&self, method: &str, path: &str, authorization: &str) -> Answer {
        self.send(request(method, path, authorization).body(Body::empty()).unwrap())
            .await
    }

    /// A request with a body in JSON.
    pub(crate) async fn tell(&self, method: &str, path: &str, authorization: &str, body: &str) -> Answer {
        let request = request(method, path, authorization)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(body.to_owned()))
            .unwrap();
        self.send(request).await
    }

    /// Registers a device with a new user, in either mode.
    pub(crate) async fn register(&self, body: &str) -> Phone {
        let authorization = bearer(PRIVATE_TOKEN);
        let answer = self.tell("POST", "/api/mobile/v1/device", &authorization, body).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        let body = answer.json();
        let field = |name: &str| body[name].as_str().unwrap().to_owned();
        Phone {
            id: field("id"),
            token: field("token"),
            login: field("login"),
            password: field("password"),
        }
    }

    /// Opens the event stream of a phone.
    pub(crate) async fn listen(&self, phone: &Phone) -> Events {
        let asked = request("GET", "/api/mobile/v1/events", &bearer(&phone.token));
        let answer = self.router.clone().oneshot(asked.body(Body::empty()).unwrap());
        let answer = answer.await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        Events(answer.into_body().into_data_stream())
    }

    /// Whether the phone has heard nothing but what was read from its stream: the next thing it hears is what we say now.
    pub(crate) async fn is_quiet(&self, phone: &Phone, stream: &mut Events) -> bool {
        let (user, device) = (phone.login.as_str(), phone.id.as_str());
        let told = Event::message_cancelled("anything-else?".to_owned());
        let audience = Audience::Device { user, device };
        self.app.events.deliver(audience, &told).await.unwrap();
        stream.next().await.contains("anything-else?")
    }

    /// What the sidecar sends on behalf of a user.
    pub(crate) fn minted(&self, user: &str) -> String {
        minted(user, UnixSeconds(self.app.now().seconds()))
    }
}

/// What the sidecar sends on behalf of a user at that time.
pub(crate) fn minted(user: &str, now: UnixSeconds) -> String {
    bearer(&signer().minted(&MintedClaims {
        user: &gateward_auth::UserId::parse(user).unwrap(),
        id: &TokenId::parse("minted-id").unwrap(),
        scopes: &["some:scope"],
        issued_at: now,
        expires_at: UnixSeconds(now.0 + 60),
    }))
}

/// The way to other processes where there are none.
pub(crate) async fn alone() -> PubSub {
    let config = Pubsub {
        url: Backend::Memory,
        buffer_size: 1,
    };
    PubSub::open(&config, String::new()).await.unwrap()
}

/// What is known of messages, each for so long, with nobody else around.
pub(crate) async fn states(ttl: Duration) -> States {
    let metrics = StateMetrics::new(&gateward_boot::metrics::Metrics::new()).unwrap();
    States::new(ttl, alone().await, metrics)
}

/// Signs as the sidecar of these tests.
pub(crate) fn signer() -> Signer {
    Signer::new(
        Hs256Key::new(&Secret::new(SECRET)).unwrap(),
        Some("sms-gate.app".into()),
    )
}

/// A token with these claims, signed with the secret that the sidecar of these tests, and a reference before it, has.
pub(crate) fn signed(claims: &Value) -> String {
    let key = jsonwebtoken::EncodingKey::from_secret(SECRET.as_bytes());
    jsonwebtoken::encode(&jsonwebtoken::Header::default(), claims, &key).unwrap()
}

pub(crate) fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

pub(crate) fn basic(login: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{login}:{password}")))
}

/// The key of [`service_account`].
static KEY: LazyLock<RsaKeyPair> = LazyLock::new(|| RsaKeyPair::generate(KeySize::Rsa2048).unwrap());

/// The JSON file of a Google service account with a key that was made for this run.
pub(crate) fn service_account(token_uri: &str) -> String {
    let der: Pkcs8V1Der<'_> = KEY.as_der().unwrap();
    let pem = format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        STANDARD.encode(der.as_ref())
    );
    serde_json::json!({
        "type": "service_account",
        "project_id": "test-project",
        "private_key_id": "key-1",
        "private_key": pem,
        "client_email": "push@test-project.iam.gserviceaccount.com",
        "token_uri": token_uri,
    })
    .to_string()
}

/// Whether a signed assertion is by the key of [`service_account`].
pub(crate) fn verify_assertion(assertion: &str) -> bool {
    let (signed, signature) = assertion.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, KEY.public_key().as_ref());
    key.verify(signed.as_bytes(), &signature).is_ok()
}

/// A request from this machine; an empty authorization is none.
pub(crate) fn request(method: &str, path: &str, authorization: &str) -> axum::http::request::Builder {
    let peer: SocketAddr = "127.0.0.1:50000".parse().unwrap();
    let request = Request::builder().method(method).uri(path).extension(ConnectInfo(peer));
    if authorization.is_empty() {
        request
    } else {
        request.header(header::AUTHORIZATION, authorization)
    }
}

/// The defaults, public mode, on a free port.
pub(crate) fn config(url: DatabaseUrl) -> Config {
    let day = Duration::from_secs(86_400);
    let cleanup = Cleanup {
        interval: day,
        max_age: 30 * day,
    };
    Config {
        gateway: Gateway {
            mode: Mode::Public,
            private_token: Some(Secret::new(PRIVATE_TOKEN)),
            upstream_url: Some("https://api.sms-gate.app/upstream/v1".into()),
        },
        http: Http {
            listen: "127.0.0.1:0".parse().unwrap(),
            worker_listen: "127.0.0.1:0".parse().unwrap(),
            proxies: Vec::new(),
            api: None,
            openapi: false,
        },
        database: Database {
            url,
            max_open_conns: 0,
            max_idle_conns: 0,
            debug: false,
        },
        fcm: Fcm {
            account: None,
            endpoint: "http://127.0.0.1:0".into(),
            debounce: Duration::from_secs(5),
            timeout: Duration::from_secs(1),
        },
        sse: Sse {
            keep_alive: Duration::from_secs(15),
        },
        messages: Messages {
            cache_ttl: Duration::from_secs(300),
            hashing_interval: Duration::from_secs(60),
            default_region: rlibphonenumber::Region::RU,
            queue: Queue {
                max_pending: 0,
                max_pending_age: Duration::ZERO,
                max_failed: 0,
                max_failed_age: Duration::ZERO,
                stats_refresh_interval: Duration::from_secs(5),
                stats_cache_ttl: Duration::from_secs(60),
            },
        },
        cache: Backend::Memory,
        pubsub: Pubsub {
            url: Backend::Memory,
            buffer_size: 128,
        },
        jwt: Jwt {
            secret: Secret::new(SECRET),
            issuer: Some("sms-gate.app".into()),
            access_ttl: Duration::from_secs(900),
            refresh_ttl: 30 * day,
        },
        otp: Otp {
            enabled: true,
            length: 6,
            ttl: Duration::from_secs(60),
            retries: 3,
        },
        tasks: Tasks {
            messages_hashing_interval: 7 * day,
            messages_cleanup: cleanup,
            devices_cleanup: cleanup,
            tokens_cleanup: cleanup,
        },
        log_level: gateward_boot::logs::Level::Info,
    }
}
