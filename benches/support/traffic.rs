//! Load generator, and an upstream where the candidate needs one, in one thread and one event loop, so that they cost as
//! little as possible beside the candidate.
//!
//! Closed loop: so many connections, and each sends its next request when its answer is there. The upstream answers
//! every request at once with the same small JSON body.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

const LISTENER: Token = Token(usize::MAX);
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 64\r\n\r\n\
{\"padding\":\"01234567890123456789012345678901234567890123456789\"}";

/// The upstream's socket; it is served only while a load runs.
pub(crate) struct Upstream {
    listener: std::net::TcpListener,
    /// Where it listens.
    pub(crate) address: SocketAddr,
}

impl Upstream {
    /// Listens on a free port.
    pub(crate) fn listen() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
        listener.set_nonblocking(true).expect("nonblocking");
        let address = listener.local_addr().expect("address");
        Self { listener, address }
    }
}

/// A connection to the candidate, or one from it.
struct Peer {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// Which request is next; `None` for a connection from the candidate.
    next: Option<usize>,
}

/// All connections and what is sent on them.
pub(crate) struct Traffic<'a> {
    poll: Poll,
    upstream: Option<TcpListener>,
    peers: Vec<Option<Peer>>,
    requests: &'a [Vec<u8>],
    expected: Vec<u8>,
    /// Connections that have sent nothing yet.
    idle: usize,
    answered: u64,
}

impl<'a> Traffic<'a> {
    /// Connects to the candidate so many times. Every answer must have the expected status.
    pub(crate) fn open(candidate: SocketAddr, connections: usize, requests: &'a [Vec<u8>], status: u16) -> Self {
        let poll = Poll::new().expect("poll");
        let expected = format!("HTTP/1.1 {status} ").into_bytes();
        let mut traffic = Self {
            poll,
            upstream: None,
            peers: Vec::new(),
            requests,
            expected,
            idle: connections,
            answered: 0,
        };
        for number in 0..connections {
            let stream = std::net::TcpStream::connect(candidate).expect("connect");
            stream.set_nonblocking(true).expect("nonblocking");
            let first = number * requests.len() / connections;
            traffic.add(TcpStream::from_std(stream), Some(first));
        }
        traffic
    }

    /// Answers what the candidate asks its upstream.
    pub(crate) fn serve(&mut self, upstream: &Upstream) {
        let listener = upstream.listener.try_clone().expect("clone");
        let mut listener = TcpListener::from_std(listener);
        self.poll
            .registry()
            .register(&mut listener, LISTENER, Interest::READABLE)
            .expect("register");
        self.upstream = Some(listener);
    }

    /// Loads for that long; returns how many answers came.
    pub(crate) fn run(&mut self, length: Duration) -> u64 {
        for index in 0..std::mem::take(&mut self.idle) {
            self.send_next(index);
        }
        let before = self.answered;
        let end = Instant::now() + length;
        let mut events = Events::with_capacity(512);
        while Instant::now() < end {
            self.poll
                .poll(&mut events, Some(Duration::from_millis(100)))
                .expect("poll");
            for event in &events {
                match event.token() {
                    LISTENER => self.accept(),
                    Token(index) => self.read(index),
                }
            }
        }
        self.answered - before
    }

    fn add(&mut self, mut stream: TcpStream, next: Option<usize>) {
        let _ = stream.set_nodelay(true);
        let token = Token(self.peers.len());
        self.poll
            .registry()
            .register(&mut stream, token, Interest::READABLE)
            .expect("register");
        self.peers.push(Some(Peer {
            stream,
            buffer: Vec::with_capacity(8192),
            next,
        }));
    }

    fn accept(&mut self) {
        while let Some(Ok((stream, _))) = self.upstream.as_ref().map(TcpListener::accept) {
            self.add(stream, None);
        }
    }

    /// Reads until nothing is left, as edge-triggered events want it.
    fn read(&mut self, index: usize) {
        let Some(Some(peer)) = self.peers.get_mut(index) else {
            return;
        };
        let mut bytes = [0; 16 * 1024];
        loop {
            match peer.stream.read(&mut bytes) {
                Ok(0) => {
                    assert!(
                        peer.next.is_none(),
                        "the candidate closed a connection: {}",
                        text(&peer.buffer)
                    );
                    self.peers[index] = None;
                    return;
                }
                Ok(count) => peer.buffer.extend_from_slice(&bytes[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => panic!("read: {error}"),
            }
        }
        match peer.next {
            Some(_) if is_whole(&peer.buffer) => {
                assert!(peer.buffer.starts_with(&self.expected), "{}", text(&peer.buffer));
                peer.buffer.clear();
                self.answered += 1;
                self.send_next(index);
            }
            // Requests here have no body: a head ends with an empty line.
            None if peer.buffer.ends_with(b"\r\n\r\n") => {
                peer.buffer.clear();
                peer.stream.write_all(ANSWER).expect("answer");
            }
            Some(_) | None => {}
        }
    }

    fn send_next(&mut self, index: usize) {
        let Some(Some(Peer {
            stream,
            next: Some(next),
            ..
        })) = self.peers.get_mut(index)
        else {
            return;
        };
        let request = &self.requests[*next % self.requests.len()];
        *next += 1;
        stream.write_all(request).expect("request");
    }
}

/// Whether the buffer holds a whole answer: with a Content-Length, or one that has no body (204).
fn is_whole(buffer: &[u8]) -> bool {
    let mut fields = [httparse::EMPTY_HEADER; 32];
    let mut head = httparse::Response::new(&mut fields);
    let Ok(httparse::Status::Complete(length)) = head.parse(buffer) else {
        return false;
    };
    if head.code == Some(204) {
        return true;
    }
    let is_length = |field: &&httparse::Header<'_>| field.name.eq_ignore_ascii_case("content-length");
    let field = head.headers.iter().find(is_length).expect("content-length");
    let body: usize = std::str::from_utf8(field.value)
        .expect("digits")
        .parse()
        .expect("digits");
    buffer.len() >= length + body
}

fn text(buffer: &[u8]) -> String {
    String::from_utf8_lossy(buffer).into_owned()
}
