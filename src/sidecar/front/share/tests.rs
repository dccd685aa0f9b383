#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use futures_util::FutureExt as _;
use pingora::protocols::l4::stream::Stream as Socket;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;

const HEAD: &[u8] = b"POST / HTTP/1.1\r\n\r\n";

async fn pair() -> (TcpStream, Stream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (server, _) = listener.accept().await.unwrap();
    (client, Box::new(Socket::from(server)))
}

fn share(connection: Stream, behind: &[u8], body: BodyLength) -> (Share, BytesMut) {
    let read = BytesMut::from(&[HEAD, behind].concat()[..]);
    Share::new(connection, read, HEAD.len(), body, &Home::default())
}

#[tokio::test]
async fn what_was_read_is_divided_where_the_request_ends() {
    let cases = [
        ("", BodyLength::None, "", "", true),
        ("GET", BodyLength::None, "", "GET", true),
        ("ab", BodyLength::Fixed(3), "ab", "", false),
        ("abcGET", BodyLength::Fixed(3), "abc", "GET", true),
        ("ab", BodyLength::Fixed(u64::MAX), "ab", "", false),
        ("0\r\n\r\n", BodyLength::Chunked, "0\r\n\r\n", "", true),
        ("0\r\n\r\nGET", BodyLength::Chunked, "0\r\n\r\n", "GET", true),
        ("1\r\na", BodyLength::Chunked, "1\r\na", "", false),
        ("0\n\nGET", BodyLength::Chunked, "", "", false),
    ];
    for (behind, body, mine, next, here) in cases {
        let (share, request) = share(pair().await.1, behind.as_bytes(), body);
        assert_eq!(request, [HEAD, mine.as_bytes()].concat(), "{body:?}");
        if here {
            assert_eq!(share.end().unwrap().1, next.as_bytes(), "{body:?}");
        } else {
            assert!(share.end().is_none(), "{body:?}");
        }
    }
}

#[tokio::test]
async fn nothing_behind_the_body_is_read_and_nothing_is_lost() {
    let (mut client, connection) = pair().await;
    let (mut share, _) = share(connection, b"a", BodyLength::Fixed(3));
    client.write_all(b"bcGET").await.unwrap();
    let mut body = [0; 2];
    share.read_exact(&mut body).await.unwrap();
    assert_eq!(&body, b"bc");
    client.write_all(b" / HTTP/1.1\r\n\r\n").await.unwrap();
    let wanted = b"GET / HTTP/1.1\r\n\r\n";
    while share.next.len() < wanted.len() {
        assert!(share.read_u8().now_or_never().is_none());
        tokio::task::yield_now().await;
    }
    drop(client);
    let (mut connection, mut next) = share.end().unwrap();
    connection.read_buf(&mut next).await.unwrap();
    assert_eq!(next, &wanted[..]);
}

#[tokio::test]
async fn chunks_end_the_request_wherever_they_are_cut() {
    let whole = b"1\r\na\r\n0\r\n\r\nGET";
    let body = &whole[..whole.len() - 3];
    for cut in 0..whole.len() {
        let (mut client, connection) = pair().await;
        let (mut share, request) = share(connection, &whole[..cut], BodyLength::Chunked);
        let mut read = request[HEAD.len()..].to_vec();
        client.write_all(&whole[cut..]).await.unwrap();
        while read.len() < body.len() {
            share.read_buf(&mut read).await.unwrap();
        }
        assert_eq!(read, body, "{cut}");
        assert!(share.read_u8().now_or_never().is_none());
        let (mut connection, mut next) = share.end().unwrap();
        while next.len() < 3 {
            connection.read_buf(&mut next).await.unwrap();
        }
        assert_eq!(next, &b"GET"[..], "{cut}");
    }
}

#[tokio::test]
async fn chunks_that_are_none_are_an_error_and_the_end() {
    let nonsense = b"1\r\na\r\n\r\n\r\nGET / HTTP/1.1\r\n\r\n";
    for cut in [0, nonsense.len()] {
        let (mut client, connection) = pair().await;
        let (mut share, _) = share(connection, &nonsense[..cut], BodyLength::Chunked);
        client.write_all(&nonsense[cut..]).await.unwrap();
        client.shutdown().await.unwrap();
        let mut body = [0; 64];
        let error = share.read(&mut body).await.unwrap_err();
        assert!(error.get_ref().unwrap().is::<Malformed>(), "{cut}");
        assert_eq!(share.read(&mut body).await.unwrap(), 0, "{cut}");
        assert!(share.end().is_none(), "{cut}");
    }
}

#[tokio::test]
async fn a_connection_comes_home_when_its_request_is_over() {
    for (behind, over) in [("ab", true), ("a", false)] {
        let home = Home::default();
        let read = BytesMut::from(&[HEAD, behind.as_bytes()].concat()[..]);
        let (share, _) = Share::new(pair().await.1, read, HEAD.len(), BodyLength::Fixed(2), &home);
        go_home(Box::new(share));
        assert_eq!(home.take().is_some(), over, "{behind}");
        assert!(home.take().is_none());
    }
}

#[tokio::test]
async fn a_client_that_left_is_noticed() {
    let (client, connection) = pair().await;
    let (mut share, _) = share(connection, b"", BodyLength::None);
    assert!(share.read_u8().now_or_never().is_none());
    drop(client);
    assert_eq!(share.read(&mut [0; 8]).await.unwrap(), 0);
}

#[tokio::test]
async fn a_client_that_sends_on_and_on_has_to_wait() {
    let (mut client, connection) = pair().await;
    let (mut share, _) = share(connection, b"", BodyLength::None);
    let flood = tokio::spawn(async move { while client.write_all(&[b'x'; 4096]).await.is_ok() {} });
    while share.next.len() < EARLY {
        assert!(share.read_u8().now_or_never().is_none());
        tokio::task::yield_now().await;
    }
    assert!(share.read_u8().now_or_never().is_none());
    assert!(share.next.len() < 2 * EARLY);
    flood.abort();
}
