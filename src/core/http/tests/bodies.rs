//! How bodies come in: how large, how long, of whom, and what is kept of them (WIRE §1.4).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::{Body, Bytes};
use axum::http::header;
use futures_util::{StreamExt, stream};
use serde_json::json;

use crate::testing::{Answer, Bench, bearer, request};

const MESSAGES: &str = "/api/3rdparty/v1/messages";
const DEVICE: &str = "/api/mobile/v1/device";
const MIB: usize = 1024 * 1024;

/// A piece of a body that is counted while somebody has it.
struct Piece {
    bytes: Vec<u8>,
    kept: Arc<AtomicUsize>,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        self.kept.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Sends spaces by the quarter of a MiB, without saying how many will come; and says how many pieces somebody had at most
/// at a time.
async fn send_in_pieces(bench: &Bench, method: &str, path: &str, who: &str, pieces: usize) -> (Answer, usize) {
    let (kept, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (now, highest) = (Arc::clone(&kept), Arc::clone(&most));
    let coming = stream::iter(0..pieces).map(move |_| {
        highest.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        let piece = Piece {
            bytes: vec![b' '; MIB / 4],
            kept: Arc::clone(&now),
        };
        Ok::<_, std::io::Error>(Bytes::from_owner(piece))
    });
    let asked = request(method, path, who).header(header::CONTENT_TYPE, "application/json");
    let answer = bench.send(asked.body(Body::from_stream(coming)).unwrap()).await;
    assert_eq!(kept.load(Ordering::SeqCst), 0);
    (answer, most.load(Ordering::SeqCst))
}

#[tokio::test]
async fn nothing_is_kept_of_what_a_stranger_sends() {
    let bench = Bench::private().await;
    for (method, path, status) in [
        ("POST", MESSAGES, 401),
        ("PATCH", "/api/mobile/v1/message", 401),
        ("POST", DEVICE, 401),
        ("POST", "/api/mobile/v1/nope", 401),
        ("POST", "/nope", 404),
        ("GET", "/health", 200),
    ] {
        let (answer, most) = send_in_pieces(&bench, method, path, "", 16).await;
        assert_eq!(answer.status.as_u16(), status, "{method} {path}");
        assert_eq!(most, 1, "{method} {path}");
        // How long it is, is the first thing that matters, as with the reference.
        let (answer, most) = send_in_pieces(&bench, method, path, "", 17).await;
        assert_eq!(
            answer.refusal(),
            (413, "Request Entity Too Large".to_owned()),
            "{method} {path}"
        );
        assert_eq!((answer.header("x-request-id"), answer.header("link")), (None, None));
        assert_eq!(most, 1, "{method} {path}");
    }
}

#[tokio::test]
async fn the_body_of_somebody_known_is_read_as_a_whole() {
    let bench = Bench::new().await;
    let minted = bench.minted(&bench.register("{}").await.login);
    let (answer, most) = send_in_pieces(&bench, "POST", MESSAGES, &minted, 16).await;
    let empty = "failed to parse body: unexpected end of JSON input".to_owned();
    assert_eq!((answer.refusal(), most), ((400, empty), 16));
    let (answer, _) = send_in_pieces(&bench, "POST", MESSAGES, &minted, 17).await;
    assert_eq!(answer.refusal(), (413, "Request Entity Too Large".to_owned()));
    assert_eq!((answer.header("x-request-id"), answer.header("link")), (None, None));
}

#[tokio::test]
async fn nothing_is_done_before_the_end_of_a_body() {
    let bench = Bench::new().await;
    let phone = bench.register("{}").await;
    let minted = bench.minted(&phone.login);
    let device = format!("/api/3rdparty/v1/devices/{}", phone.id);
    let (answer, _) = send_in_pieces(&bench, "DELETE", &device, &minted, 17).await;
    assert_eq!(answer.refusal().0, 413);
    assert_eq!(
        bench
            .ask("GET", "/api/mobile/v1/settings", &bearer(&phone.token))
            .await
            .status,
        200
    );
    let (answer, most) = send_in_pieces(&bench, "DELETE", &device, &minted, 16).await;
    assert_eq!((answer.status.as_u16(), most), (204, 1));
    assert_eq!(
        bench
            .ask("GET", "/api/mobile/v1/settings", &bearer(&phone.token))
            .await
            .status,
        401
    );
}

#[tokio::test]
async fn a_body_that_is_wrong_is_counted_for_no_route() {
    let bench = Bench::new().await;
    let minted = bench.minted(&bench.register("{}").await.login);
    send_in_pieces(&bench, "POST", MESSAGES, &minted, 17).await;
    let metrics = bench.ask("GET", "/metrics", "").await.body;
    assert!(!metrics.contains(r#"path="/api/3rdparty/v1/messages""#), "{metrics}");
}

#[tokio::test]
async fn a_body_has_4_mib_at_most() {
    const MAX: usize = 4 * 1024 * 1024;
    let bench = Bench::new().await;
    let too_large = (413, "Request Entity Too Large".to_owned());
    let path = DEVICE;
    let of = |length| " ".repeat(length);
    let answer = bench.tell("POST", path, "", &of(MAX)).await;
    let empty = "failed to parse body: unexpected end of JSON input".to_owned();
    assert_eq!(answer.refusal(), (400, empty));
    assert_eq!(bench.tell("POST", path, "", &of(MAX + 1)).await.refusal(), too_large);

    // In chunks, which do not say how much they are, and before anybody asks whose they are.
    let of_nobody = request("POST", MESSAGES, "").body(Body::from(of(MAX + 1)));
    let answer = bench.send(of_nobody.unwrap()).await;
    assert_eq!(answer.refusal(), too_large);
    assert_eq!((answer.header("x-request-id"), answer.header("link")), (None, None));
    let pieces = [Ok(" "), Err(std::io::Error::other("gone"))];
    let broken = Body::from_stream(futures_util::stream::iter(pieces));
    let answer = bench.send(request("POST", path, "").body(broken).unwrap()).await;
    assert_eq!(answer.refusal(), (400, "Bad Request".to_owned()));

    let asked = request("POST", path, "")
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::CONTENT_LENGTH, MAX + 1);
    let answer = bench.send(asked.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.refusal(), too_large);
    assert_eq!((answer.header("x-request-id"), answer.header("link")), (None, None));
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for_for_ever() {
    let bench = Bench::new().await;
    tokio::time::pause();
    for (method, path) in [("POST", DEVICE), ("POST", MESSAGES), ("GET", "/health")] {
        let never = futures_util::stream::pending::<Result<Vec<u8>, std::io::Error>>();
        let asked = request(method, path, "");
        let start = tokio::time::Instant::now();
        let answer = bench.send(asked.body(Body::from_stream(never)).unwrap()).await;
        assert_eq!(answer.refusal(), (408, "Request Timeout".to_owned()), "{path}");
        assert_eq!((answer.header("x-request-id"), answer.header("link")), (None, None));
        assert_eq!(start.elapsed().as_secs(), 30);
    }
}

#[tokio::test]
async fn a_body_far_over_the_limit_is_not_read() {
    let bench = Bench::new().await;
    let minted = bench.minted(&bench.register("{}").await.login);
    let read = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&read);
    // A gigabyte that does not say how much it is.
    let chunks = (0..1024).map(move |_| {
        count.fetch_add(1, Ordering::Relaxed);
        Ok::<_, std::io::Error>(vec![b' '; 1024 * 1024])
    });
    let body = Body::from_stream(futures_util::stream::iter(chunks));
    let asked = request("POST", MESSAGES, &minted).header("content-type", "application/json");
    let answer = bench.send(asked.body(body).unwrap()).await;
    assert_eq!(answer.refusal(), (413, "Request Entity Too Large".to_owned()));
    let read = read.load(Ordering::Relaxed);
    assert!(read <= 6, "{read} MiB were read");

    let lie = request("POST", MESSAGES, &minted).header("content-length", u64::MAX.to_string());
    let answer = bench.send(lie.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.refusal().0, 413);
    assert_eq!(bench.ask("GET", MESSAGES, &minted).await.json(), json!([]));
}
