//! How are connections accepted, and when do they end? Limits that hold before a request is one: time for a head and
//! between requests, size of a head (WIRE §1.4). It knows no route. How long an answer may take on its way is in `outlet`.

mod outlet;

use std::{convert::Infallible, future::Future, io, net::SocketAddr, time::Duration};

use axum::{Router, body::Body, extract::ConnectInfo, response::Response};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt;

#[cfg(target_os = "linux")]
use self::outlet::UNSENT;
use self::outlet::{Outlet, UNREAD};

/// How long a connection may wait for a request, and a request for the rest of its head. The sidecar closes connections
/// that it does not use earlier (`upstream.idle`), so that it never writes to one that we have just closed.
const PATIENCE: Duration = Duration::from_secs(60);
/// Bytes of a head that are read at all; what is more ends the connection with 431. A head that can be read and is too
/// large all the same is answered as the reference does ([`super::envelope`]).
const MAX_HEAD: usize = 128 * 1024;
/// A peer that says nothing for so long is asked by the system whether it is there.
const SILENCE: Duration = Duration::from_secs(60);
/// How long to wait when the system has no connection to give: the next attempt would fail, too.
const PAUSE: Duration = Duration::from_secs(1);
/// After so many failures in a row that do not end by themselves somebody else has to look into it.
const FAILURES: u32 = 60;

/// Serves until `stop` is done, then accepts nothing more and waits for requests in flight.
///
/// # Errors
/// When no connection could be accepted for a minute, for another reason than that there are too many.
pub(crate) async fn serve(listener: TcpListener, router: Router, stop: impl Future<Output = ()>) -> io::Result<()> {
    let mut rules = http1::Builder::new();
    rules
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .max_buf_size(MAX_HEAD);
    let running = GracefulShutdown::new();
    let mut stop = std::pin::pin!(stop);
    loop {
        let (stream, peer) = tokio::select! {
            connection = accept(|| listener.accept()) => connection?,
            () = &mut stop => break,
        };
        prepare(&stream);
        let router = router.clone();
        let answer = service_fn(move |request| answer(router.clone(), peer, request));
        let connection = running.watch(rules.serve_connection(TokioIo::new(Outlet::new(stream)), answer));
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(error = %error, "a connection broke");
            }
        });
    }
    drop(listener);
    running.shutdown().await;
    Ok(())
}

/// The next connection. Too many files open, ours or the system's, end when somebody closes some; those who are connected
/// go on meanwhile. A connection that broke before anybody took it is nobody's trouble.
async fn accept<C, F: Future<Output = io::Result<C>>>(mut next: impl FnMut() -> F) -> io::Result<C> {
    let mut failures = 0;
    loop {
        let error = match next().await {
            Ok(connection) => return Ok(connection),
            Err(error) if is_of_one_connection(&error) => continue,
            Err(error) => error,
        };
        failures = if is_want_of_files(&error) { 0 } else { failures + 1 };
        if failures > FAILURES {
            return Err(error);
        }
        tracing::error!(error = %error, "cannot accept a connection");
        tokio::time::sleep(PAUSE).await;
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted
    )
}

fn is_want_of_files(error: &io::Error) -> bool {
    // Without names in the standard library; the same on every Unix.
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    matches!(error.raw_os_error(), Some(ENFILE | EMFILE))
}

/// What the system is to do for a connection. Without it we go on.
fn prepare(stream: &TcpStream) {
    let socket = SockRef::from(stream);
    let keep_alive = TcpKeepalive::new().with_time(SILENCE);
    let prepared = [
        // Small answers and events must not wait for each other.
        socket.set_tcp_nodelay(true),
        socket.set_tcp_keepalive(&keep_alive),
        #[cfg(target_os = "linux")]
        socket.set_tcp_user_timeout(Some(UNREAD)),
        #[cfg(target_os = "linux")]
        socket.set_tcp_notsent_lowat(UNSENT),
    ];
    for error in prepared.into_iter().filter_map(Result::err) {
        tracing::debug!(error = %error, "cannot prepare a connection");
    }
}

async fn answer(router: Router, peer: SocketAddr, request: hyper::Request<Incoming>) -> Result<Response, Infallible> {
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(ConnectInfo(peer));
    router.oneshot(request).await
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use axum::routing::get;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        sync::oneshot,
        time::Instant,
    };

    use super::*;

    /// More than the system keeps for a connection.
    const LARGE: usize = 64 << 20;

    /// A server with two routes, until the sender is used or dropped.
    async fn start() -> (SocketAddr, oneshot::Sender<()>, tokio::task::JoinHandle<io::Result<()>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route(
            "/",
            get(|ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.to_string() }),
        );
        let router = router.route("/large", get(async || vec![b'x'; LARGE]));
        let (stop, stopped) = oneshot::channel::<()>();
        let ended = tokio::spawn(serve(listener, router, async move {
            let _ = stopped.await;
        }));
        (address, stop, ended)
    }

    async fn said(connection: &mut TcpStream) -> String {
        let mut all = String::new();
        connection.read_to_string(&mut all).await.unwrap();
        all
    }

    #[tokio::test(start_paused = true)]
    async fn half_a_head_and_an_unused_connection_are_waited_for_for_a_minute() {
        let (address, _stop, _ended) = start().await;
        for sent in ["GET / HTTP/1.1\r\nHost: x\r\n", "", "GET / HTTP/1.1\r\nHost: x\r\n\r\n"] {
            let mut connection = TcpStream::connect(address).await.unwrap();
            connection.write_all(sent.as_bytes()).await.unwrap();
            let start = Instant::now();
            let said = said(&mut connection).await;
            assert_eq!(said.contains(" 200 OK"), sent.ends_with("\r\n\r\n"), "{said}");
            assert!(
                start.elapsed() >= PATIENCE - Duration::from_secs(1),
                "{:?}",
                start.elapsed()
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_nobody_reads_is_given_up_after_a_minute() {
        let (address, _stop, _ended) = start().await;
        for (waits, all) in [(Duration::ZERO, true), (UNREAD + Duration::from_secs(1), false)] {
            let mut connection = TcpStream::connect(address).await.unwrap();
            let asked = b"GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
            connection.write_all(asked).await.unwrap();
            tokio::time::sleep(waits).await;
            let mut read = Vec::new();
            // The system may tell us of the end before what it has kept.
            let _ = connection.read_to_end(&mut read).await;
            assert_eq!(read.len() > LARGE, all, "{}", read.len());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn too_many_files_are_waited_for_and_other_failures_not_for_ever() {
        let mut attempts = 0;
        let accepted = accept(|| {
            attempts += 1;
            std::future::ready(match attempts {
                1..=500 => Err(io::Error::from_raw_os_error(24)),
                501..=1_000 => Err(io::Error::from_raw_os_error(23)),
                1_001..=1_060 => Err(io::Error::other("trouble")),
                attempt => Ok(attempt),
            })
        });
        assert_eq!(accepted.await.unwrap(), 1_061);
        let start = Instant::now();
        let mut attempts = 0;
        let accepted = accept(|| {
            attempts += 1;
            let gone = || io::Error::from(io::ErrorKind::ConnectionAborted);
            std::future::ready(if attempts <= 500 { Err(gone()) } else { Ok(attempts) })
        });
        assert_eq!(accepted.await.unwrap(), 501);
        assert_eq!(start.elapsed(), Duration::ZERO, "whose connection is gone already");
        let never = accept(|| std::future::ready(Err::<(), _>(io::Error::other("trouble")))).await;
        assert_eq!(never.unwrap_err().to_string(), "trouble");
        assert_eq!(start.elapsed(), Duration::from_secs(60));
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn the_system_looks_after_peers_that_are_gone() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let _peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        prepare(&stream);
        let socket = SockRef::from(&stream);
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(Duration::from_secs(60)));
        assert!(socket.keepalive().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), Duration::from_secs(60));
        assert!(socket.tcp_nodelay().unwrap());
        assert_eq!(socket.tcp_notsent_lowat().unwrap(), UNSENT);
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn the_system_takes_more_as_soon_as_a_peer_has_read_a_little() {
        // Of the megabytes that it would keep otherwise, a third would have to be read.
        const LITTLE: usize = 128 << 10;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        prepare(&stream);
        let (piece, mut taken) = (vec![0; 2 * LITTLE], 0);
        loop {
            stream.writable().await.unwrap();
            let Ok(bytes) = stream.try_write(&piece) else { break };
            taken += bytes;
        }
        assert!(taken > LITTLE, "{taken}");
        peer.read_exact(&mut vec![0; LITTLE]).await.unwrap();
        let more = tokio::time::timeout(Duration::from_secs(20), stream.writable());
        more.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_head_without_end_is_not_kept() {
        let (address, _stop, _ended) = start().await;
        let mut connection = TcpStream::connect(address).await.unwrap();
        let long = format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(2 * MAX_HEAD));
        // The server may be faster than we are.
        let _ = connection.write_all(long.as_bytes()).await;
        let mut start = [0; 12];
        connection.read_exact(&mut start).await.unwrap();
        assert_eq!(&start, b"HTTP/1.1 431");
    }

    #[tokio::test]
    async fn stopping_ends_unused_connections_and_takes_no_new_ones() {
        let (address, stop, ended) = start().await;
        let mut connection = TcpStream::connect(address).await.unwrap();
        connection
            .write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            .await
            .unwrap();
        let mut first = [0; 15];
        connection.read_exact(&mut first).await.unwrap();
        assert_eq!(&first, b"HTTP/1.1 200 OK");
        stop.send(()).unwrap();
        let ended = tokio::time::timeout(Duration::from_secs(10), ended).await.unwrap();
        ended.unwrap().unwrap();
        let local = connection.local_addr().unwrap().to_string();
        assert!(
            said(&mut connection).await.ends_with(&local),
            "the peer is told to handlers"
        );
        assert!(TcpStream::connect(address).await.is_err());
    }
}
