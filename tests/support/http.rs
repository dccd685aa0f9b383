//! A raw HTTP/1.1 client: sends exactly the bytes a test wants and shows exactly what came back.
//!
//! Ordinary clients normalise paths, fold headers and retry; a black-box test of a proxy needs none of that.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

/// No answer of a test server takes longer than this.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A request as it will stand on the wire.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
    source: Option<Ipv4Addr>,
}

/// A whole answer.
#[derive(Clone, Debug)]
pub(crate) struct Response {
    /// The status code.
    pub status: u16,
    /// Header fields in their order, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body after transfer decoding.
    pub body: Vec<u8>,
}

impl Request {
    /// A request without body, `target` as it stands.
    pub(crate) fn new(method: &str, target: &str) -> Self {
        Self {
            method: method.to_owned(),
            target: target.to_owned(),
            headers: Vec::new(),
            body: None,
            source: None,
        }
    }

    /// `GET target`.
    pub(crate) fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    /// `POST target`.
    pub(crate) fn post(target: &str) -> Self {
        Self::new("POST", target)
    }

    /// Adds a header field; the same name may come twice.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// `Authorization: Basic …`.
    pub(crate) fn basic(self, user: &str, password: &str) -> Self {
        use base64::Engine as _;
        let text = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
        self.header("Authorization", &format!("Basic {text}"))
    }

    /// `Authorization: Bearer …`.
    pub(crate) fn bearer(self, token: &str) -> Self {
        self.header("Authorization", &format!("Bearer {token}"))
    }

    /// A JSON body.
    pub(crate) fn json(self, body: &Value) -> Self {
        self.header("Content-Type", "application/json").body(body.to_string())
    }

    /// A body as it stands, without a content type.
    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// The loopback address to send from.
    pub(crate) fn from(mut self, source: Ipv4Addr) -> Self {
        self.source = Some(source);
        self
    }

    /// The method.
    pub(crate) fn method(&self) -> &str {
        &self.method
    }

    /// Header fields whose name is `name`, without regard to case.
    pub(crate) fn has_header(&self, name: &str) -> bool {
        self.headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(name))
    }

    /// The bytes on the wire.
    pub(crate) fn bytes(&self, host: SocketAddr) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        if !self.has_header("host") {
            head.push_str(&format!("Host: {host}\r\n"));
        }
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let needs_length = self.body.is_some() || matches!(self.method.as_str(), "POST" | "PUT" | "PATCH");
        if needs_length && !self.has_header("content-length") && !self.has_header("transfer-encoding") {
            head.push_str(&format!(
                "Content-Length: {}\r\n",
                self.body.as_ref().map_or(0, Vec::len)
            ));
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend(self.body.iter().flatten());
        bytes
    }

    /// Sends the request on a connection of its own and reads the whole answer.
    pub(crate) async fn send(&self, to: SocketAddr) -> Response {
        let mut connection = Connection::open_from(to, self.source).await;
        connection.send(self).await
    }
}

/// A connection that may carry several requests.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    peer: SocketAddr,
    buffer: Vec<u8>,
}

impl Connection {
    /// Connects.
    pub(crate) async fn open(to: SocketAddr) -> Self {
        Self::open_from(to, None).await
    }

    async fn open_from(to: SocketAddr, source: Option<Ipv4Addr>) -> Self {
        let socket = TcpSocket::new_v4().expect("socket");
        if let Some(source) = source {
            socket.bind(SocketAddr::new(IpAddr::V4(source), 0)).expect("bind");
        }
        let stream = tokio::time::timeout(PATIENCE, socket.connect(to))
            .await
            .expect("connect in time")
            .unwrap_or_else(|error| panic!("connect to {to}: {error}"));
        stream.set_nodelay(true).expect("nodelay");
        Self {
            stream,
            peer: to,
            buffer: Vec::new(),
        }
    }

    /// Sends a request and reads its whole answer.
    pub(crate) async fn send(&mut self, request: &Request) -> Response {
        self.write(&request.bytes(self.peer)).await;
        self.read_response(request.method() == "HEAD")
            .await
            .unwrap_or_else(|| panic!("no answer to {} {}", request.method, request.target))
    }

    /// Sends bytes as they stand. A peer that already closed is not an error: the answer tells.
    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).await;
        let _ = self.stream.flush().await;
    }

    /// Closes the client's half of the connection; the server may still speak.
    pub(crate) async fn say_no_more(&mut self) {
        let _ = self.stream.shutdown().await;
    }

    /// Reads one answer; `None` when the peer closed without any.
    pub(crate) async fn read_response(&mut self, head_only: bool) -> Option<Response> {
        let (status, headers) = loop {
            let (status, headers) = self.read_head().await?;
            if status >= 200 || status == 101 {
                break (status, headers);
            }
        };
        let find = |name: &str| headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
        let body = if head_only || status == 204 || status == 304 {
            Vec::new()
        } else if find("transfer-encoding").is_some() {
            self.read_chunked().await
        } else if let Some(length) = find("content-length") {
            self.read_exact(length.parse().expect("content-length")).await
        } else {
            self.read_to_end().await
        };
        Some(Response { status, headers, body })
    }

    /// Reads a head: status and header fields.
    pub(crate) async fn read_head(&mut self) -> Option<(u16, Vec<(String, String)>)> {
        loop {
            let mut fields = [httparse::EMPTY_HEADER; 128];
            let mut head = httparse::Response::new(&mut fields);
            match head.parse(&self.buffer) {
                Ok(httparse::Status::Complete(length)) => {
                    let status = head.code.expect("status");
                    let headers = head
                        .headers
                        .iter()
                        .map(|field| {
                            let value = String::from_utf8_lossy(field.value).into_owned();
                            (field.name.to_ascii_lowercase(), value)
                        })
                        .collect();
                    self.buffer.drain(..length);
                    return Some((status, headers));
                }
                Ok(httparse::Status::Partial) => {
                    if self.fill().await == 0 {
                        assert!(self.buffer.is_empty(), "half an answer: {:?}", self.buffer);
                        return None;
                    }
                }
                Err(error) => panic!("not an answer ({error}): {:?}", String::from_utf8_lossy(&self.buffer)),
            }
        }
    }

    /// Whatever comes next, chunk framing included; empty at the end.
    pub(crate) async fn read_some(&mut self) -> Vec<u8> {
        if self.buffer.is_empty() {
            self.fill().await;
        }
        std::mem::take(&mut self.buffer)
    }

    /// The next chunk of a chunked body; `None` at its end. Waits as long as the caller lets it.
    pub(crate) async fn read_chunk(&mut self) -> Option<Vec<u8>> {
        let size = loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line = String::from_utf8_lossy(&self.buffer[..end]).trim().to_owned();
                let size = usize::from_str_radix(&line, 16).expect("chunk size");
                // The whole chunk with its line ends must be there, so that nothing is lost when the caller gives up.
                if self.buffer.len() >= end + 1 + size + 2 {
                    self.buffer.drain(..=end);
                    break size;
                }
            }
            if self.stream.read_buf(&mut self.buffer).await.unwrap_or(0) == 0 {
                return None;
            }
        };
        let chunk: Vec<u8> = self.buffer.drain(..size).collect();
        self.buffer.drain(..2);
        (size > 0).then_some(chunk)
    }

    /// Whether the peer has closed the connection, waiting for it as long as [`PATIENCE`].
    pub(crate) async fn is_closed_by_peer(&mut self) -> bool {
        self.buffer.is_empty() && self.fill().await == 0
    }

    async fn fill(&mut self) -> usize {
        let read = self.stream.read_buf(&mut self.buffer);
        match tokio::time::timeout(PATIENCE, read).await {
            Ok(Ok(count)) => count,
            // A reset is a close too.
            Ok(Err(_)) => 0,
            Err(_) => panic!(
                "the server is silent; so far: {:?}",
                String::from_utf8_lossy(&self.buffer)
            ),
        }
    }

    async fn read_exact(&mut self, length: usize) -> Vec<u8> {
        while self.buffer.len() < length {
            assert!(self.fill().await > 0, "the body ended early");
        }
        self.buffer.drain(..length).collect()
    }

    async fn read_to_end(&mut self) -> Vec<u8> {
        while self.fill().await > 0 {}
        std::mem::take(&mut self.buffer)
    }

    async fn read_chunked(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let line = self.read_line().await;
            let size =
                usize::from_str_radix(line.split(';').next().unwrap_or_default().trim(), 16).expect("chunk size");
            if size == 0 {
                while !self.read_line().await.is_empty() {}
                return body;
            }
            body.extend(self.read_exact(size).await);
            self.read_line().await;
        }
    }

    async fn read_line(&mut self) -> String {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                return String::from_utf8_lossy(&line).trim_end().to_owned();
            }
            assert!(self.fill().await > 0, "the body ended early");
        }
    }
}

impl Response {
    /// The first header field of that name (lower case).
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, value)| value.as_str())
    }

    /// All header fields of that name (lower case).
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let fields = self.headers.iter().filter(|(n, _)| n == name);
        fields.map(|(_, value)| value.as_str()).collect()
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("not JSON ({error}): {}", self.text()))
    }

    /// The `message` of an error body.
    pub(crate) fn message(&self) -> String {
        self.json()["message"].as_str().unwrap_or_default().to_owned()
    }
}
