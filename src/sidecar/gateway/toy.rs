//! A gateway that says what a test tells it to, and remembers what it was asked.

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::{Gateway, GatewayError};
use crate::config::{CredentialKind, Upstream, UpstreamTimeouts, UpstreamUrl};
use crate::forward::sites::Sites;

/// What the toy does with a request.
pub(crate) enum Reply {
    /// Answers with this status and this body.
    Answer(u16, &'static str),
    /// Closes the connection without an answer.
    Close,
    /// Never answers.
    Silence,
}

type Script = Arc<dyn Fn(String) -> BoxFuture<'static, Reply> + Send + Sync>;

/// A running toy; it ends with the test's runtime.
pub(crate) struct Toy {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
    connections: Arc<AtomicUsize>,
}

impl Toy {
    /// Starts a toy that always answers with one status.
    pub(crate) async fn answering(status: u16) -> Self {
        Self::start(move |_head| async move { Reply::Answer(status, "{}") }).await
    }

    /// Starts a toy that asks `script` what to do with each request head.
    #[expect(clippy::unwrap_used, reason = "tests")]
    pub(crate) async fn start<F>(script: impl Fn(String) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Reply> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let script: Script = Arc::new(move |head| script(head).boxed());
        let log = Arc::clone(&asked);
        let connections = Arc::new(AtomicUsize::new(0));
        let accepted = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((stream, _peer)) = listener.accept().await {
                accepted.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(stream, Arc::clone(&script), Arc::clone(&log)));
            }
        });
        Self {
            port,
            asked,
            connections,
        }
    }

    /// The heads of all requests so far.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many connections were made to it.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// A configuration that points at it.
    pub(crate) fn upstream(&self) -> Upstream {
        upstream(vec![self.url()])
    }

    /// A client of the gateway that is configured so.
    pub(crate) fn gateway(upstream: &Upstream) -> Result<Gateway, GatewayError> {
        Gateway::new(upstream, Arc::new(Sites::new(upstream.urls.clone(), false)))
    }

    pub(crate) fn url(&self) -> UpstreamUrl {
        UpstreamUrl {
            tls: false,
            host: "127.0.0.1".to_owned(),
            port: self.port,
            path: String::new(),
        }
    }
}

/// An address where nobody listens: the port was free a moment ago.
#[expect(clippy::unwrap_used, reason = "tests")]
pub(crate) async fn nowhere() -> UpstreamUrl {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    UpstreamUrl {
        tls: false,
        host: "127.0.0.1".to_owned(),
        port,
        path: String::new(),
    }
}

pub(crate) fn upstream(urls: Vec<UpstreamUrl>) -> Upstream {
    let patient = Duration::from_secs(5);
    Upstream {
        urls,
        credential: CredentialKind::Passthrough,
        mint: None,
        basic: None,
        header: None,
        timeouts: UpstreamTimeouts {
            connect: patient,
            read: patient,
            write: patient,
        },
        health: None,
        idle: patient,
    }
}

async fn serve(mut stream: TcpStream, script: Script, log: Arc<Mutex<Vec<String>>>) {
    let mut received = Vec::new();
    loop {
        while !received.ends_with(b"\r\n\r\n") {
            match stream.read_u8().await {
                Ok(byte) => received.push(byte),
                Err(_closed) => return,
            }
        }
        let head = String::from_utf8_lossy(&std::mem::take(&mut received)).into_owned();
        log.lock().unwrap_or_else(PoisonError::into_inner).push(head.clone());
        match script(head).await {
            Reply::Answer(status, body) => {
                let length = body.len();
                let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n\r\n{body}");
                if stream.write_all(answer.as_bytes()).await.is_err() {
                    return;
                }
            }
            Reply::Close => return,
            Reply::Silence => std::future::pending().await,
        }
    }
}
