//! A stand-in gateway that writes down everything it receives, byte by byte, and answers as told.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    /// The request line.
    pub line: String,
    /// Header fields in their order, names as they came.
    pub headers: Vec<(String, String)>,
    /// The body after transfer decoding.
    pub body: Vec<u8>,
    /// Which connection it came on, from 0.
    pub connection: usize,
}

impl Received {
    /// All values of a header field, without regard to case.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let fields = self.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
        fields.map(|(_, value)| value.as_str()).collect()
    }

    /// The only value of a header field.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let all = self.all(name);
        assert!(all.len() < 2, "{name} came {} times", all.len());
        all.first().copied()
    }
}

/// What the stand-in does with a request.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// These bytes.
    Bytes(Vec<u8>),
    /// These bytes, and closes the connection.
    Last(Vec<u8>),
    /// Closes the connection after having read the request.
    Hangup,
    /// These bytes, then nothing more: the connection stays open.
    Stall(Vec<u8>),
    /// These bytes, and closes the connection when it is told to.
    Torn(Vec<u8>, Arc<Notify>),
}

impl Answer {
    /// A status with a JSON body.
    pub(crate) fn json(status: u16, body: &str) -> Self {
        Self::with(status, &[("Content-Type", "application/json")], body)
    }

    /// A status with these header fields.
    pub(crate) fn with(status: u16, headers: &[(&str, &str)], body: &str) -> Self {
        let mut text = format!("HTTP/1.1 {status} Some Reason\r\n");
        for (name, value) in headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        if status != 204
            && !headers
                .iter()
                .any(|(name, _)| name.eq_ignore_ascii_case("transfer-encoding"))
        {
            text.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        Self::Bytes(format!("{text}\r\n{body}").into_bytes())
    }
}

type Decide = dyn Fn(&Received) -> Answer + Send + Sync;

/// The running stand-in; it ends with the test process.
#[derive(Clone)]
pub(crate) struct Upstream {
    /// Where it listens.
    pub address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Upstream {
    /// Answers every request with 200 and `{}`.
    pub(crate) fn start() -> Self {
        Self::answering(|_| Answer::json(200, "{}"))
    }

    /// Answers with these in turn, then with 200 and `{}`.
    pub(crate) fn scripted(answers: impl IntoIterator<Item = Answer>) -> Self {
        let answers = Mutex::new(VecDeque::from_iter(answers));
        Self::answering(move |_| {
            let next = answers.lock().expect("answers").pop_front();
            next.unwrap_or_else(|| Answer::json(200, "{}"))
        })
    }

    /// Answers as `decide` says.
    pub(crate) fn answering(decide: impl Fn(&Received) -> Answer + Send + Sync + 'static) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
        listener.set_nonblocking(true).expect("nonblocking");
        let address = listener.local_addr().expect("address");
        let received = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&received);
        let decide: Arc<Decide> = Arc::new(decide);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("runtime");
            runtime.block_on(async move {
                let listener = TcpListener::from_std(listener).expect("listener");
                for connection in 0.. {
                    let Ok((stream, _)) = listener.accept().await else {
                        return;
                    };
                    tokio::spawn(serve(stream, connection, Arc::clone(&log), Arc::clone(&decide)));
                }
            });
        });
        Self { address, received }
    }

    /// `http://127.0.0.1:port`
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Everything received so far.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().expect("log").clone()
    }

    /// How many requests arrived so far.
    pub(crate) fn count(&self) -> usize {
        self.received.lock().expect("log").len()
    }

    /// The latest request.
    pub(crate) fn last(&self) -> Received {
        self.received().pop().expect("nothing was forwarded")
    }
}

async fn serve(mut stream: TcpStream, connection: usize, log: Arc<Mutex<Vec<Received>>>, decide: Arc<Decide>) {
    let _ = stream.set_nodelay(true);
    let mut buffer = Vec::new();
    while let Some(received) = read_request(&mut stream, &mut buffer, connection).await {
        log.lock().expect("log").push(received.clone());
        match decide(&received) {
            Answer::Bytes(bytes) => {
                if stream.write_all(&bytes).await.is_err() {
                    return;
                }
            }
            Answer::Last(bytes) => {
                let _ = stream.write_all(&bytes).await;
                return;
            }
            Answer::Hangup => return,
            Answer::Stall(bytes) => {
                let _ = stream.write_all(&bytes).await;
                std::future::pending::<()>().await;
            }
            Answer::Torn(bytes, tear) => {
                let _ = stream.write_all(&bytes).await;
                tear.notified().await;
                return;
            }
        }
    }
}

async fn read_request(stream: &mut TcpStream, buffer: &mut Vec<u8>, connection: usize) -> Option<Received> {
    let end = loop {
        if let Some(end) = find(buffer, b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(buffer).await.unwrap_or(0) == 0 {
            return None;
        }
    };
    let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
    buffer.drain(..end + 4);
    let mut lines = head.split("\r\n");
    let line = lines.next().unwrap_or_default().to_owned();
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect();
    let find_header = |name: &str| {
        headers
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, v)| v.clone())
    };
    if find_header("expect").is_some() {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await.ok()?;
    }
    let mut body = Vec::new();
    if find_header("transfer-encoding").is_some() {
        loop {
            let line_end = fill_until(stream, buffer, b"\r\n").await?;
            let size = usize::from_str_radix(String::from_utf8_lossy(&buffer[..line_end]).trim(), 16).ok()?;
            buffer.drain(..line_end + 2);
            while buffer.len() < size + 2 {
                if stream.read_buf(buffer).await.unwrap_or(0) == 0 {
                    return None;
                }
            }
            body.extend(buffer.drain(..size));
            buffer.drain(..2);
            if size == 0 {
                break;
            }
        }
    } else if let Some(length) = find_header("content-length").and_then(|length| length.parse::<usize>().ok()) {
        while buffer.len() < length {
            if stream.read_buf(buffer).await.unwrap_or(0) == 0 {
                return None;
            }
        }
        body = buffer.drain(..length).collect();
    }
    Some(Received {
        line,
        headers,
        body,
        connection,
    })
}

async fn fill_until(stream: &mut TcpStream, buffer: &mut Vec<u8>, what: &[u8]) -> Option<usize> {
    loop {
        if let Some(place) = find(buffer, what) {
            return Some(place);
        }
        if stream.read_buf(buffer).await.unwrap_or(0) == 0 {
            return None;
        }
    }
}

fn find(buffer: &[u8], what: &[u8]) -> Option<usize> {
    buffer.windows(what.len()).position(|window| window == what)
}
