//! A sidecar on free ports, a toy gateway that remembers what it was asked, and clients that speak raw bytes.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gateward_auth::{AccessClaims, FamilyId, Hs256Key, Secret, Signer, TokenId, UnixSeconds, UserId};
use gateward_boot::clock::Clock;
use gateward_boot::config::File;
use gateward_denylist::{Denylist, Options, Retention};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::config::{Config, Provided, Source};
use crate::server::{self, Bound, Commander, StartError};

pub(crate) const SECRET: &str = "0123456789abcdef0123456789abcdef";
pub(crate) const MINT_SECRET: &str = "fedcba9876543210fedcba9876543210";
/// Nothing here may take longer.
const DEADLINE: Duration = Duration::from_secs(10);

/// One request that the gateway got.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asked {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Asked {
    pub(crate) fn line(&self) -> &str {
        self.head.lines().next().unwrap_or_default()
    }

    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        fields(&self.head, name)
    }

    pub(crate) fn one(&self, name: &str) -> Option<&str> {
        let all = self.all(name);
        assert!(all.len() < 2, "{name} is repeated: {}", self.head);
        all.first().copied()
    }
}

fn fields<'a>(head: &'a str, name: &str) -> Vec<&'a str> {
    let lines = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    lines
        .filter(|(field, _)| field.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
        .collect()
}

/// What the toy gateway does with a request.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// Answers with these bytes.
    Say(String),
    /// Closes the connection without a word.
    HangUp,
    /// Waits until it is told to go on, and answers then.
    Wait(Arc<Notify>, String),
    /// Answers with a stream: each piece when it is told to go on, until it is dropped.
    Stream(Arc<Notify>),
}

pub(crate) fn say(status: &str, fields: &str, body: &str) -> Act {
    Act::Say(format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\n{fields}\r\n{body}",
        body.len()
    ))
}

pub(crate) fn good() -> Act {
    say("200 OK", "Content-Type: application/json\r\n", "{\"good\":true}")
}

type Script = Arc<dyn Fn(&Asked) -> Act + Send + Sync>;

/// The toy gateway.
pub(crate) struct Toy {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    hung_up: Arc<Notify>,
}

impl Toy {
    pub(crate) async fn new(script: impl Fn(&Asked) -> Act + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let toy = Self {
            address: listener.local_addr().unwrap(),
            asked: Arc::default(),
            hung_up: Arc::default(),
        };
        let (asked, hung_up, script) = (toy.asked.clone(), toy.hung_up.clone(), Arc::new(script) as Script);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, asked.clone(), hung_up.clone(), script.clone()));
            }
        });
        toy
    }

    pub(crate) async fn good() -> Self {
        Self::new(|_| good()).await
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    pub(crate) fn last(&self) -> Asked {
        self.asked()
            .pop()
            .unwrap_or_else(|| panic!("the gateway was not asked"))
    }

    /// Waits until a client of the toy left while it was streaming.
    pub(crate) async fn client_left(&self) {
        timeout(DEADLINE, self.hung_up.notified()).await.unwrap();
    }
}

async fn serve(mut stream: TcpStream, asked: Arc<Mutex<Vec<Asked>>>, hung_up: Arc<Notify>, script: Script) {
    let mut bytes = Vec::new();
    loop {
        let Some(end) = read_head(&mut stream, &mut bytes).await else {
            return;
        };
        let head = String::from_utf8(bytes.drain(..end).collect()).unwrap();
        if fields(&head, "expect").contains(&"100-continue") {
            stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await.unwrap();
        }
        let Some(body) = read_body(&mut stream, &head, &mut bytes).await else {
            return;
        };
        let request = Asked { head, body };
        asked.lock().unwrap().push(request.clone());
        match script(&request) {
            Act::Say(answer) => stream.write_all(answer.as_bytes()).await.unwrap(),
            Act::HangUp => return,
            Act::Wait(go, answer) => {
                go.notified().await;
                let _gone = stream.write_all(answer.as_bytes()).await;
            }
            Act::Stream(go) => {
                let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
                stream.write_all(head.as_bytes()).await.unwrap();
                let mut nothing = [0; 1];
                loop {
                    tokio::select! {
                        () = go.notified() => stream.write_all(b"6\r\n:ping\n\r\n").await.unwrap(),
                        read = stream.read(&mut nothing) => {
                            assert!(matches!(read, Ok(0) | Err(_)));
                            hung_up.notify_one();
                            return;
                        }
                    }
                }
            }
        }
    }
}

async fn read_head(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> Option<usize> {
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            return Some(end + 4);
        }
        if stream.read_buf(bytes).await.ok()? == 0 {
            return None;
        }
    }
}

async fn read_body(stream: &mut TcpStream, head: &str, bytes: &mut Vec<u8>) -> Option<Vec<u8>> {
    if fields(head, "transfer-encoding").contains(&"chunked") {
        let mut body = Vec::new();
        loop {
            let end = loop {
                match bytes.windows(2).position(|window| window == b"\r\n") {
                    Some(end) => break end,
                    None if stream.read_buf(bytes).await.ok()? == 0 => return None,
                    None => {}
                }
            };
            let size = usize::from_str_radix(std::str::from_utf8(&bytes[..end]).unwrap(), 16).unwrap();
            while bytes.len() < end + 2 + size + 2 {
                if stream.read_buf(bytes).await.ok()? == 0 {
                    return None;
                }
            }
            body.extend_from_slice(&bytes[end + 2..end + 2 + size]);
            bytes.drain(..end + 2 + size + 2);
            if size == 0 {
                return Some(body);
            }
        }
    }
    let length: usize = fields(head, "content-length")
        .first()
        .map_or(0, |length| length.parse().unwrap());
    while bytes.len() < length {
        if stream.read_buf(bytes).await.ok()? == 0 {
            return None;
        }
    }
    Some(bytes.drain(..length).collect())
}

/// A running sidecar.
pub(crate) struct Sidecar {
    pub(crate) bound: Bound,
    pub(crate) commander: Commander,
    pub(crate) done: JoinHandle<Result<(), StartError>>,
    pub(crate) folder: tempfile::TempDir,
}

/// A configuration for a gateway at this address; `text` is YAML of its own.
pub(crate) fn config(folder: &std::path::Path, gateway: SocketAddr, text: &str) -> Config {
    let url = format!("http://{gateway}");
    let data = folder.join("data").display().to_string();
    let variables = [
        ("GATEWARD__UPSTREAM__URL", url.as_str()),
        ("GATEWARD__UPSTREAM__MINT__SECRET", MINT_SECRET),
        ("GATEWARD__TOKENS__SECRET", SECRET),
        ("GATEWARD__DATA_DIR", &data),
        ("GATEWARD__LISTEN", "127.0.0.1:0"),
        ("GATEWARD__ADMIN", "127.0.0.1:0"),
    ];
    let source = Source {
        file: Some(File {
            name: "test.yaml".to_owned(),
            text: text.to_owned(),
        }),
        environment: variables.into_iter().collect(),
        directory: folder.to_owned(),
    };
    Config::load(&source, &Provided::default())
        .unwrap_or_else(|problems| panic!("{problems:#?}"))
        .config
}

/// An embedded denylist of its own.
pub(crate) async fn denylist(folder: &std::path::Path, clock: &Clock, retention: Retention) -> Denylist {
    let path = folder.join("denylist.redb");
    gateward_denylist::open(Options::Embedded { path }, clock.reader(), retention)
        .await
        .unwrap()
}

impl Sidecar {
    pub(crate) async fn start(toy: &Toy) -> Self {
        Self::start_with(toy, "", |_| {}).await
    }

    pub(crate) async fn start_with(toy: &Toy, text: &str, change: impl FnOnce(&mut Config)) -> Self {
        Self::start_in(toy, text, |config, _folder| change(config)).await
    }

    /// As [`Self::start_with`], for changes that need files.
    pub(crate) async fn start_in(toy: &Toy, text: &str, change: impl FnOnce(&mut Config, &std::path::Path)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = config(folder.path(), toy.address, text);
        change(&mut config, folder.path());
        let (commander, orders) = server::orders();
        let (sender, ready) = oneshot::channel();
        let done = tokio::spawn(server::run(
            config,
            Clock::system(),
            orders,
            || 3,
            |bound| {
                sender.send(bound).unwrap();
            },
        ));
        let bound = timeout(DEADLINE, ready).await.unwrap();
        let bound = match bound {
            Ok(bound) => bound,
            Err(_) => panic!("{:?}", done.await),
        };
        Self {
            bound,
            commander,
            done,
            folder,
        }
    }

    pub(crate) async fn connect(&self) -> Line {
        Line::to(self.bound.public).await
    }

    /// One request on a connection of its own.
    pub(crate) async fn ask(&self, request: &str) -> Answer {
        let mut line = self.connect().await;
        line.say(request).await;
        line.hear().await
    }

    /// Waits until the metrics say so: a request is counted after its answer was sent.
    pub(crate) async fn counted(&self, wanted: &str) {
        let wait = async {
            while !self.admin("/metrics").await.body.contains(wanted) {
                tokio::task::yield_now().await;
            }
        };
        timeout(DEADLINE, wait)
            .await
            .unwrap_or_else(|_| panic!("never counted: {wanted}"));
    }

    pub(crate) async fn admin(&self, path: &str) -> Answer {
        let mut line = Line::to(self.bound.admin).await;
        line.say(&format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"))
            .await;
        line.hear().await
    }
}

/// An access token for these scopes.
pub(crate) fn token(scopes: &[&str]) -> String {
    let now = UnixSeconds(Clock::system().unix_seconds());
    let key = Hs256Key::new(&Secret::new(SECRET)).unwrap();
    Signer::new(key, Some("sms-gate.app".to_owned())).access(&AccessClaims {
        user: &UserId::parse("SOMEBODY").unwrap(),
        id: &TokenId::parse("abcdefghijklABCDEFGHI").unwrap(),
        family: &FamilyId::parse("abcdefghijkl").unwrap(),
        epoch: 0,
        scopes,
        issued_at: now.minus(1),
        expires_at: now.plus(600),
    })
}

/// A head with `Host`, these fields, and the empty line.
pub(crate) fn request(line: &str, fields: &[&str]) -> String {
    let mut text = format!("{line} HTTP/1.1\r\nHost: sms.example\r\n");
    for field in fields {
        text.push_str(field);
        text.push_str("\r\n");
    }
    text + "\r\n"
}

pub(crate) fn bearer(scopes: &[&str]) -> String {
    format!("Authorization: Bearer {}", token(scopes))
}

/// An answer as it came.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        fields(&self.head, name)
    }

    pub(crate) fn one(&self, name: &str) -> &str {
        let all = self.all(name);
        assert_eq!(all.len(), 1, "{name} in {}", self.head);
        all[0]
    }
}

/// A client's connection.
pub(crate) struct Line {
    stream: TcpStream,
    bytes: Vec<u8>,
}

impl Line {
    pub(crate) async fn to(address: SocketAddr) -> Self {
        Self {
            stream: TcpStream::connect(address).await.unwrap(),
            bytes: Vec::new(),
        }
    }

    pub(crate) async fn say(&mut self, text: &str) {
        self.say_bytes(text.as_bytes()).await;
    }

    pub(crate) async fn say_bytes(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// Says as much as the other side takes.
    pub(crate) async fn try_say(&mut self, bytes: &[u8]) {
        let _refused = self.stream.write_all(bytes).await;
    }

    pub(crate) async fn hear(&mut self) -> Answer {
        timeout(DEADLINE, self.hear_answer(true))
            .await
            .unwrap_or_else(|_| panic!("no answer in time"))
    }

    /// The answer to a HEAD request.
    pub(crate) async fn hear_head(&mut self) -> Answer {
        timeout(DEADLINE, self.hear_answer(false))
            .await
            .unwrap_or_else(|_| panic!("no answer in time"))
    }

    async fn hear_answer(&mut self, with_body: bool) -> Answer {
        let end = read_head(&mut self.stream, &mut self.bytes).await;
        let end = end.unwrap_or_else(|| panic!("closed: {:?}", String::from_utf8_lossy(&self.bytes)));
        let head = String::from_utf8(self.bytes.drain(..end).collect()).unwrap();
        let status: u16 = head.split(' ').nth(1).unwrap().parse().unwrap();
        let body = if with_body && !matches!(status, 100 | 204) {
            read_body(&mut self.stream, &head, &mut self.bytes).await.unwrap()
        } else {
            Vec::new()
        };
        Answer {
            status,
            head,
            body: String::from_utf8(body).unwrap(),
        }
    }

    /// Reads until these bytes came; for streams.
    pub(crate) async fn hear_until(&mut self, wanted: &str) -> String {
        let read = async {
            loop {
                let text = String::from_utf8_lossy(&self.bytes).into_owned();
                if text.contains(wanted) {
                    return text;
                }
                assert_ne!(
                    self.stream.read_buf(&mut self.bytes).await.unwrap(),
                    0,
                    "closed after {text:?}"
                );
            }
        };
        let text = timeout(DEADLINE, read).await.unwrap();
        self.bytes.clear();
        text
    }

    /// Leaves at once and without a word (RST).
    pub(crate) fn reset(self) {
        self.stream.set_zero_linger().unwrap();
    }

    /// Whether the other side closes without another byte.
    pub(crate) async fn is_closed(&mut self) -> bool {
        let mut rest = Vec::new();
        let read = timeout(DEADLINE, self.stream.read_to_end(&mut rest)).await;
        matches!(read, Ok(Ok(0) | Err(_)))
    }
}

/// A bug on demand, to see what one request's panic does to the others.
pub(crate) fn perhaps_panic(session: &pingora::proxy::Session, phase: &str) {
    let asked = session.get_header("x-test-panic");
    assert!(asked.is_none_or(|asked| asked != phase), "the test asked for it");
}
