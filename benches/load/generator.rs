//! A closed-loop load generator: so many connections, each sends its next request when the answer is there.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const CONNECTIONS: usize = 64;

/// Where to send what.
pub struct Generator {
    address: SocketAddr,
    requests: Arc<Vec<Vec<u8>>>,
}

impl Generator {
    /// Sends `requests` in turn to `address`.
    pub fn new(address: SocketAddr, requests: Vec<Vec<u8>>) -> Self {
        let requests = Arc::new(requests);
        Self { address, requests }
    }

    /// Loads for that long; returns how many answers came. Every answer must have the expected status.
    pub fn run(&self, length: Duration, status: u16) -> u64 {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
        runtime.block_on(async {
            let end = Instant::now() + length;
            let tasks: Vec<_> = (0..CONNECTIONS)
                .map(|number| tokio::spawn(drive(self.address, Arc::clone(&self.requests), number, end, status)))
                .collect();
            let mut answered = 0;
            for task in tasks {
                answered += task.await.expect("connection");
            }
            answered
        })
    }
}

async fn drive(address: SocketAddr, requests: Arc<Vec<Vec<u8>>>, number: usize, end: Instant, status: u16) -> u64 {
    let mut stream = TcpStream::connect(address).await.expect("connect");
    stream.set_nodelay(true).expect("nodelay");
    let expected = format!("HTTP/1.1 {status} ");
    let mut buffer = Vec::with_capacity(8192);
    let mut next = number * requests.len() / CONNECTIONS;
    let mut answered = 0;
    while Instant::now() < end {
        stream.write_all(&requests[next % requests.len()]).await.expect("write");
        next += 1;
        buffer.clear();
        loop {
            let count = stream.read_buf(&mut buffer).await.expect("read");
            assert!(count > 0, "closed after {:?}", String::from_utf8_lossy(&buffer));
            if is_whole(&buffer) {
                break;
            }
        }
        assert!(buffer.starts_with(expected.as_bytes()), "{}", String::from_utf8_lossy(&buffer));
        answered += 1;
    }
    answered
}

/// Whether the buffer holds a whole answer with a Content-Length.
fn is_whole(buffer: &[u8]) -> bool {
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut head = httparse::Response::new(&mut fields);
    let Ok(httparse::Status::Complete(length)) = head.parse(buffer) else {
        return false;
    };
    let body = head
        .headers
        .iter()
        .find(|field| field.name.eq_ignore_ascii_case("content-length"))
        .and_then(|field| std::str::from_utf8(field.value).ok()?.parse::<usize>().ok())
        .expect("content-length");
    buffer.len() >= length + body
}
