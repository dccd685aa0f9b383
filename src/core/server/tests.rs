//! Over a real connection: what the router alone cannot show.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::{Duration, UNIX_EPOCH};

use gateward_auth::UnixSeconds;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::{mpsc, oneshot},
    task::JoinHandle,
};

use super::*;
use crate::{
    config::{DatabaseServer, DatabaseUrl, Mode},
    testing::{PRIVATE_TOKEN, START_SECS, bearer, config, minted},
};

struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<Result<(), RunError>>,
    database: crate::config::Database,
    _folder: tempfile::TempDir,
}

async fn start() -> Running {
    start_with(|_| ()).await
}

async fn start_with(change: impl FnOnce(&mut Config)) -> Running {
    let folder = tempfile::tempdir().unwrap();
    let url = DatabaseUrl::Sqlite(folder.path().join("core.db"));
    let (clock, hands) = Clock::manual(UNIX_EPOCH + Duration::from_secs(START_SECS));
    let (stop, stopped) = oneshot::channel();
    let (ready, address) = oneshot::channel();
    let shutdown = async move {
        hands.advance(Duration::from_secs(1));
        let _ = stopped.await;
    };
    let mut config = config(url);
    change(&mut config);
    let database = config.database.clone();
    let ended = tokio::spawn(run(config, clock, shutdown, move |address| {
        ready.send(address).unwrap();
    }));
    let address = address.await.unwrap();
    Running {
        address,
        stop,
        ended,
        database,
        _folder: folder,
    }
}

/// Everything that comes back on a connection of its own.
async fn exchange(address: SocketAddr, request: &str) -> String {
    let mut connection = TcpStream::connect(address).await.unwrap();
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    answer
}

/// Registers a device and gives its token.
async fn register(address: SocketAddr) -> String {
    let request = "POST /api/mobile/v1/device HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
                   Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
    let answer = exchange(address, request).await;
    assert!(answer.starts_with("HTTP/1.1 201 Created\r\n"), "{answer}");
    let (_, token) = answer.split_once(r#""token":""#).unwrap();
    token.split('"').next().unwrap().to_owned()
}

#[tokio::test]
async fn heads_are_as_the_reference_writes_them() {
    let core = start().await;
    let request = "GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let answer = exchange(core.address, request).await.to_ascii_lowercase();
    assert!(answer.starts_with("http/1.1 200 ok\r\n"), "{answer}");
    assert!(answer.contains("\r\ncontent-type: application/json\r\n"), "{answer}");
    assert!(answer.contains("\r\ndate: "), "{answer}");
    assert!(!answer.contains("\r\nserver: "), "{answer}");

    let token = register(core.address).await;
    let id = exchange(
        core.address,
        &format!(
            "GET /api/mobile/v1/device HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
             Authorization: Bearer {token}\r\n\r\n"
        ),
    )
    .await;
    let (_, id) = id.split_once(r#""id":""#).unwrap();
    let body = format!(r#"{{"id":"{}"}}"#, id.split('"').next().unwrap());
    let answer = exchange(
        core.address,
        &format!(
            "PATCH /api/mobile/v1/device HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
             Authorization: Bearer {token}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        ),
    )
    .await
    .to_ascii_lowercase();
    assert!(answer.starts_with("http/1.1 204 no content\r\n"), "{answer}");
    assert!(
        !answer.contains("content-length") && !answer.contains("content-type"),
        "{answer}"
    );
    assert!(answer.ends_with("\r\n\r\n"), "{answer}");
    core.stop.send(()).unwrap();
    core.ended.await.unwrap().unwrap();
}

#[tokio::test]
async fn stopping_ends_streams_and_writes_down_what_is_in_memory() {
    let core = start().await;
    let token = register(core.address).await;
    let mut stream = TcpStream::connect(core.address).await.unwrap();
    let request = format!("GET /api/mobile/v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = [0; 12];
    stream.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200");

    core.stop.send(()).unwrap();
    core.ended.await.unwrap().unwrap();
    let mut rest = String::new();
    stream.read_to_string(&mut rest).await.unwrap();
    assert!(rest.ends_with("0\r\n\r\n"), "the stream ends as it should: {rest}");
    assert!(TcpStream::connect(core.address).await.is_err());

    let database = db::Database::open(&core.database).await.unwrap();
    let seen = db::Statement::same("SELECT last_seen FROM devices").query();
    let seen: i64 = seen.fetch_value(&database).await.unwrap();
    let started = i64::try_from(START_SECS * 1000).unwrap();
    assert_eq!(seen, started + 1000);
}

#[tokio::test]
async fn what_a_request_leaves_behind_while_the_core_stops_is_pushed() {
    let (pushed, mut pushes) = mpsc::unbounded_channel::<String>();
    let relay = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = format!("http://{}", relay.local_addr().unwrap());
    let router = axum::Router::new().fallback(move |body: String| async move {
        pushed.send(body).unwrap();
        axum::http::StatusCode::ACCEPTED
    });
    tokio::spawn(async move { axum::serve(relay, router).await });
    let core = start_with(|config| {
        config.gateway.mode = Mode::Private;
        config.gateway.upstream_url = Some(upstream);
    })
    .await;
    let body = r#"{"pushToken":"its-token"}"#;
    let request = format!(
        "POST /api/mobile/v1/device HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: {}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        bearer(PRIVATE_TOKEN),
        body.len()
    );
    let phone = exchange(core.address, &request).await;
    let (_, login) = phone.split_once(r#""login":""#).unwrap();
    let login = login.split('"').next().unwrap();

    let body = r#"{"message":"hello","phoneNumbers":["+79990001234"]}"#;
    let head = format!(
        "POST /api/3rdparty/v1/messages HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: {}\r\n\
         Expect: 100-continue\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        minted(login, UnixSeconds(i64::try_from(START_SECS).unwrap())),
        body.len()
    );
    let mut connection = TcpStream::connect(core.address).await.unwrap();
    connection.write_all(head.as_bytes()).await.unwrap();
    let mut go_on = [0; "HTTP/1.1 100 Continue\r\n\r\n".len()];
    connection.read_exact(&mut go_on).await.unwrap();
    core.stop.send(()).unwrap();
    while TcpStream::connect(core.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    connection.write_all(body.as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
    core.ended.await.unwrap().unwrap();
    let pushed = pushes.try_recv().unwrap();
    assert!(pushed.contains("its-token"), "{pushed}");
}

#[test]
fn processes_that_share_a_server_and_no_redis_are_deaf() {
    let server = || {
        DatabaseUrl::MySql(DatabaseServer {
            host: String::new(),
            port: 3306,
            user: String::new(),
            password: gateward_auth::Secret::new([]),
            name: String::new(),
        })
    };
    let redis = || Backend::Redis(gateward_auth::Secret::new("redis://127.0.0.1:6379"));
    for (database, pubsub, deaf) in [
        (server(), Backend::Memory, true),
        (server(), redis(), false),
        (DatabaseUrl::SqliteMemory, Backend::Memory, false),
    ] {
        let mut config = config(database);
        config.pubsub.url = pubsub;
        assert_eq!(is_deaf(&config), deaf, "{:?}", config.database.url);
    }
}

#[tokio::test]
async fn a_port_in_use_is_said_at_start() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config = config(DatabaseUrl::SqliteMemory);
    config.http.listen = taken.local_addr().unwrap();
    let refused = Server::bind(config, Clock::system()).await.unwrap_err();
    let text = refused.to_string();
    assert!(text.starts_with("http.listen: cannot listen on 127.0.0.1:"), "{text}");
}

#[tokio::test]
async fn a_short_secret_is_said_at_start() {
    let mut config = config(DatabaseUrl::SqliteMemory);
    config.jwt.secret = gateward_auth::Secret::new("too short");
    let refused = Server::bind(config, Clock::system()).await.unwrap_err();
    assert_eq!(refused.to_string(), "jwt.secret: shorter than 32 bytes");
}

#[tokio::test]
async fn a_worker_answers_for_its_health_and_metrics_and_nothing_else() {
    let (clock, _hands) = Clock::manual(UNIX_EPOCH + Duration::from_secs(START_SECS));
    let (stop, stopped) = oneshot::channel::<()>();
    let (ready, address) = oneshot::channel();
    let shutdown = async move {
        let _ = stopped.await;
    };
    let ended = tokio::spawn(work(
        config(DatabaseUrl::SqliteMemory),
        clock,
        shutdown,
        move |address| {
            ready.send(address).unwrap();
        },
    ));
    let address = address.await.unwrap();
    let ask = async |path: &str| {
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        exchange(address, &request).await
    };
    for path in ["/health", "/health/live", "/health/ready", "/health/startup"] {
        assert!(ask(path).await.starts_with("HTTP/1.1 200 "), "{path}");
    }
    let metrics = ask("/metrics").await;
    assert!(metrics.contains("\nworker_executor_active_tasks 0\n"), "{metrics}");
    for path in [
        "/",
        "/api/3rdparty/v1/messages",
        "/api/mobile/v1/device",
        "/api/3rdparty/v1/health",
    ] {
        let answer = ask(path).await;
        assert!(answer.starts_with("HTTP/1.1 404 "), "{path}: {answer}");
        assert!(answer.ends_with("\r\n\r\nNot Found"), "{path}: {answer}");
    }
    stop.send(()).unwrap();
    ended.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_database_can_be_made_without_serving() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(DatabaseUrl::Sqlite(folder.path().join("data/core.db")));
    migrate(&config).await.unwrap();
    migrate(&config).await.unwrap();
    assert!(folder.path().join("data/core.db").exists());
}
