//! Connections within TLS, and HTTP/2: both protocols are spoken, and nobody may be silent in them for long.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;

use crate::bench::{Bench, MESSAGES, gateway, token};
use crate::support::http::{Connection, PATIENCE, Request};
use crate::support::process::{Gateward, Settings};
use crate::support::upstream::Upstream;

/// A sidecar that speaks TLS as `localhost`.
fn with_tls(upstream: &Upstream, settings: impl FnOnce(Settings) -> Settings) -> Gateward {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("certificate");
    let secured = Bench::settings(upstream)
        .file("cert.pem", &made.cert.pem())
        .file("key.pem", &made.signing_key.serialize_pem())
        .with("GATEWARD__TLS__CERT", "cert.pem")
        .with("GATEWARD__TLS__KEY", "key.pem");
    settings(secured).run()
}

/// A client of [`with_tls`] that settles on HTTP/2, and whether its connection is still good for anything.
struct Settled(rustls::StreamOwned<rustls::ClientConnection, TcpStream>);

impl Settled {
    fn on_http2(gateward: &Gateward) -> Self {
        let mut trusted = rustls::RootCertStore::empty();
        let pem = gateward.folder().join("cert.pem");
        let certificate = rustls::pki_types::CertificateDer::from_pem_file(pem).expect("certificate");
        trusted.add(certificate).expect("certificate");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(trusted)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let name = "localhost".try_into().expect("name");
        let client = rustls::ClientConnection::new(Arc::new(config), name).expect("client");
        let socket = TcpStream::connect(gateward.public).expect("connect");
        socket.set_read_timeout(Some(PATIENCE)).expect("timeout");
        let mut settled = rustls::StreamOwned::new(client, socket);
        while settled.conn.is_handshaking() {
            settled.conn.complete_io(&mut settled.sock).expect("handshake");
        }
        assert_eq!(settled.conn.alpn_protocol(), Some(&b"h2"[..]));
        Self(settled)
    }

    fn say(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).expect("write");
    }

    /// Everything that the other side says until it ends the connection, which it does in time.
    fn hear_to_the_end(&mut self) -> Vec<u8> {
        let mut heard = Vec::new();
        match self.0.read_to_end(&mut heard) {
            // No parting word within TLS is a way to end, too.
            Err(error) if error.kind() != ErrorKind::UnexpectedEof => panic!("not ended: {error}"),
            Ok(_) | Err(_) => heard,
        }
    }
}

/// `GET /messages` through TLS, with curl: status and version of HTTP.
fn list_through_tls(gateward: &Gateward, flag: &str) -> String {
    let port = gateward.public.port();
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--max-time", "20", flag, "--cacert"])
        .arg(gateward.folder().join("cert.pem"))
        .args(["--resolve", &format!("localhost:{port}:127.0.0.1")])
        .args([
            "--header",
            &format!("Authorization: Bearer {}", token(&["messages:list"])),
        ])
        .args(["--write-out", "%{http_code} %{http_version}", "--output", "/dev/null"])
        .arg(format!("https://localhost:{port}{MESSAGES}"))
        .output()
        .expect("curl");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test]
async fn tls_is_spoken_with_http_1_and_2() {
    let upstream = Upstream::answering(gateway);
    let gateward = with_tls(&upstream, |settings| settings);
    for (flag, version) in [("--http1.1", "1.1"), ("--http2", "2")] {
        assert_eq!(list_through_tls(&gateward, flag), format!("200 {version}"));
        assert_eq!(upstream.last().header("x-forwarded-proto"), Some("https"));
    }
}

#[tokio::test]
async fn connections_that_never_begin_tls_are_counted_and_given_up() {
    let upstream = Upstream::answering(gateway);
    let limits = |settings: Settings| {
        settings
            .with("GATEWARD__LIMITS__CONNECTIONS", "3")
            .with("GATEWARD__TIMEOUTS__HEAD", "1s")
    };
    let gateward = with_tls(&upstream, limits);
    let mut silent = Vec::new();
    for _ in 0..10 {
        silent.push(Connection::open(gateward.public).await);
    }
    let start = std::time::Instant::now();
    loop {
        let metrics = Request::get("/metrics").send(gateward.admin).await.text();
        if metrics.lines().any(|line| line == "gateward_connections 3") {
            break;
        }
        // Longer than the head may take, nobody is counted any more.
        assert!(start.elapsed() < Duration::from_secs(1), "{metrics}");
    }
    for connection in &mut silent {
        assert!(connection.is_closed_by_peer().await);
    }
    assert!(start.elapsed() < Duration::from_secs(15));
    assert_eq!(list_through_tls(&gateward, "--http2"), "200 2", "there is room again");
    // What is no TLS at all gets no answer, and is no news.
    let mut plain = Connection::open(gateward.public).await;
    plain.write(&Request::get("/health").bytes(gateward.public)).await;
    while !plain.read_some().await.is_empty() {}
    assert!(
        gateward
            .process
            .records()
            .iter()
            .all(|record| record["level"] != "ERROR")
    );
}

/// Waits so long for a head, and on a connection that is not used.
fn patient(upstream: &Upstream, head: &str, idle: &str) -> Gateward {
    with_tls(upstream, |settings| {
        settings
            .with("GATEWARD__TIMEOUTS__HEAD", head)
            .with("GATEWARD__TIMEOUTS__IDLE", idle)
    })
}

#[test]
fn clients_that_settle_on_http_2_and_do_not_speak_it_are_given_up() {
    let upstream = Upstream::answering(gateway);
    let gateward = patient(&upstream, "1s", "1h");
    let mut silent = Settled::on_http2(&gateward);
    let mut slow = Settled::on_http2(&gateward);
    slow.say(b"PRI * HTTP/2.0\r\n");
    let mut other = Settled::on_http2(&gateward);
    other.say(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n");
    for client in [&mut silent, &mut slow, &mut other] {
        client.hear_to_the_end();
    }
    assert_eq!(list_through_tls(&gateward, "--http2"), "200 2");
    let records = gateward.process.records();
    assert!(records.iter().all(|record| record["level"] != "ERROR"), "{records:?}");
}

#[test]
fn an_http_2_connection_without_requests_is_given_up() {
    let upstream = Upstream::answering(gateway);
    let gateward = patient(&upstream, "1h", "300ms");
    let mut client = Settled::on_http2(&gateward);
    // The preface, and an empty SETTINGS frame (RFC 9113 §3.4, §6.5).
    client.say(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0");
    let heard = client.hear_to_the_end();
    assert_eq!(heard.get(3), Some(&4), "SETTINGS come first: {heard:?}");
}

/// Speaks HTTP/2 at once, and keeps nothing of the body.
fn curl_http2() -> Command {
    let mut command = Command::new("curl");
    command.args([
        "--silent",
        "--max-time",
        "20",
        "--http2-prior-knowledge",
        "--output",
        "/dev/null",
    ]);
    command
}

#[tokio::test]
async fn credentials_in_http_2_are_counted_too() {
    let upstream = Upstream::answering(gateway);
    let gateward = Bench::settings(&upstream).with("GATEWARD__H2C", "true").run();
    let url = format!("http://{}{MESSAGES}", gateward.public);
    let ask = |credentials: &[String]| {
        let mut command = curl_http2();
        for credential in credentials {
            command.args(["--header", credential]);
        }
        let output = command
            .args(["--write-out", "%{http_code}"])
            .arg(&url)
            .output()
            .expect("curl");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let good = format!("Authorization: Bearer {}", token(&["messages:list"]));
    assert_eq!(ask(std::slice::from_ref(&good)), "200");
    assert_eq!(ask(&[good, "authorization: Bearer x".to_owned()]), "400");
    assert_eq!(ask(&[]), "401");
}

#[tokio::test]
async fn a_refusal_in_http_2_arrives_however_much_the_client_still_sends() {
    let upstream = Upstream::answering(gateway);
    let gateward = Bench::settings(&upstream).with("GATEWARD__H2C", "true").run();
    let folder = gateward.folder();
    let good = token(&["messages:send"]);
    for (bytes, credential, length, wanted) in [
        (10, "bad", None, "401"),
        (200_000, "bad", None, "401"),
        (5 * 1024 * 1024, good.as_str(), None, "413"),
        (5 * 1024 * 1024, good.as_str(), Some("Content-Length:"), "413"),
    ] {
        std::fs::write(folder.join("body"), "x".repeat(bytes)).expect("write");
        for _ in 0..5 {
            let mut command = curl_http2();
            command.args(["--header", &format!("Authorization: Bearer {credential}")]);
            command.args(length.into_iter().flat_map(|length| ["--header", length]));
            command.args(["--data-binary", "@body", "--write-out", "%{http_code}"]);
            command
                .arg(format!("http://{}{MESSAGES}", gateward.public))
                .current_dir(folder);
            let output = command.output().expect("curl");
            assert_eq!(String::from_utf8_lossy(&output.stdout), wanted, "{bytes} bytes");
        }
    }
    assert_eq!(upstream.count(), 0);
}
