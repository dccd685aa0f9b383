//! Tests of collecting a body, through Pingora's own session on a pipe.

#![expect(clippy::unwrap_used, reason = "tests")]

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

use super::*;

const PATIENT: Duration = Duration::from_secs(10);

/// A session whose client has sent `sent` so far.
async fn session(sent: &str) -> (Session, DuplexStream) {
    let (mut client, server) = tokio::io::duplex(64 * 1024);
    client.write_all(sent.as_bytes()).await.unwrap();
    let mut session = Session::new_h1(Box::new(server));
    assert!(session.read_request().await.unwrap());
    (session, client)
}

async fn collected(sent: &str, limit: u64) -> Result<Bytes, Refusal> {
    let (mut session, _client) = session(sent).await;
    collect(&mut session, limit, PATIENT).await
}

fn with_length(length: usize, body: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{body}")
}

#[tokio::test]
async fn a_body_up_to_the_limit_is_collected() {
    assert_eq!(collected(&with_length(5, "hello"), 5).await.unwrap(), "hello");
    assert_eq!(collected("POST / HTTP/1.1\r\nHost: x\r\n\r\n", 5).await.unwrap(), "");
    let chunks = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n";
    assert_eq!(collected(chunks, 5).await.unwrap(), "hello");
}

#[tokio::test]
async fn a_longer_body_is_refused_by_what_it_announces_or_by_what_comes() {
    // Nothing of it has come: the announcement is enough.
    let answer = collected(&with_length(6, ""), 5).await;
    assert!(matches!(answer, Err(Refusal::BodyTooLarge)), "{answer:?}");
    let chunks = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nhello!\r\n";
    let answer = collected(chunks, 5).await;
    assert!(matches!(answer, Err(Refusal::BodyTooLarge)), "{answer:?}");
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for_for_ever() {
    let (mut session, _client) = session(&with_length(5, "hel")).await;
    let answer = collect(&mut session, 5, Duration::from_millis(20)).await;
    assert!(matches!(answer, Err(Refusal::BodyTimeout)), "{answer:?}");
}

#[tokio::test]
async fn it_is_too_slow_also_when_the_wait_for_its_next_bytes_is_over_first() {
    let (mut session, _client) = session(&with_length(5, "hel")).await;
    session.set_read_timeout(Some(Duration::from_millis(20)));
    let answer = collect(&mut session, 5, PATIENT).await;
    assert!(matches!(answer, Err(Refusal::BodyTimeout)), "{answer:?}");
}

#[tokio::test]
async fn a_body_that_breaks_off_is_refused() {
    let (mut session, client) = session(&with_length(5, "hel")).await;
    drop(client);
    let answer = collect(&mut session, 5, PATIENT).await;
    assert!(matches!(answer, Err(Refusal::BodyBroken)), "{answer:?}");
}

#[tokio::test]
async fn a_client_that_asks_is_told_to_go_on_unless_the_body_would_be_too_long() {
    let head = "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-Continue\r\nContent-Length: 5\r\n\r\n";
    let (mut asking, mut client) = session(head).await;
    let sending = async {
        let mut told = vec![0; "HTTP/1.1 100 Continue\r\n".len()];
        client.read_exact(&mut told).await.unwrap();
        client.write_all(b"hello").await.unwrap();
        String::from_utf8(told).unwrap()
    };
    let (told, body) = tokio::join!(sending, collect(&mut asking, 5, PATIENT));
    assert_eq!(
        (told.as_str(), body.unwrap().as_ref()),
        ("HTTP/1.1 100 Continue\r\n", &b"hello"[..])
    );

    let (mut asking, mut client) = session(head).await;
    let answer = collect(&mut asking, 4, PATIENT).await;
    assert!(matches!(answer, Err(Refusal::BodyTooLarge)), "{answer:?}");
    drop(asking);
    let mut told = String::new();
    client.read_to_string(&mut told).await.unwrap();
    assert_eq!(told, "");
}
