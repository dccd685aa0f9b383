//! The processes under measurement and what is sent to them.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use gateward_auth::{AccessClaims, FamilyId, Hs256Key, Scope, Secret, Signer, TokenId, UnixSeconds, UserId};
use tempfile::TempDir;

use crate::bare;

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const TOKENS: usize = 10_000;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A Pingora proxy without checks that receives the same Bearer headers.
    BarePingora,
    /// The sidecar with 10,000 distinct tokens in turn, each minted anew for the gateway.
    Jwt,
    /// The sidecar with one Basic credential that it has seen before.
    Basic,
    /// The sidecar refusing tokens whose signature is broken.
    Refusal,
}

impl Kind {
    /// What the table says.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::BarePingora => "bare Pingora, Bearer header",
            Self::Jwt => "gateward, JWT",
            Self::Basic => "gateward, Basic (cached)",
            Self::Refusal => "gateward, refused JWT (401)",
        }
    }
}

/// A running candidate; stopped when dropped.
pub(crate) struct Candidate {
    kind: Kind,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    child: Child,
    _folder: TempDir,
}

impl Candidate {
    /// Starts a fresh process on processor 0 and waits until it accepts.
    pub(crate) fn start(kind: Kind, upstream: SocketAddr) -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let address = free_address();
        let mut command = match kind {
            Kind::BarePingora => {
                let mut command = Command::new(std::env::current_exe().expect("own path"));
                command.args([bare::ARGUMENT, &address.to_string(), &upstream.to_string()]);
                command
            }
            Kind::Jwt | Kind::Basic | Kind::Refusal => sidecar(folder.path().join("gateward.yaml"), address, upstream),
        };
        let child = command
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("start");
        pin_to(child.id(), 0);
        let candidate = Self {
            kind,
            address,
            child,
            _folder: folder,
        };
        candidate.wait_until_it_answers();
        candidate
    }

    /// Requests to send in turn.
    pub(crate) fn requests(&self) -> Vec<Vec<u8>> {
        match self.kind {
            Kind::BarePingora | Kind::Jwt => tokens()
                .iter()
                .map(|token| request(&format!("Bearer {token}")))
                .collect(),
            Kind::Refusal => tokens()
                .iter()
                .map(|token| request(&format!("Bearer {token}x")))
                .collect(),
            Kind::Basic => {
                let credential = base64::engine::general_purpose::STANDARD.encode("USER01:correct horse");
                vec![request(&format!("Basic {credential}"))]
            }
        }
    }

    /// The status of every answer.
    pub(crate) fn expected_status(&self) -> u16 {
        if self.kind == Kind::Refusal { 401 } else { 200 }
    }

    /// CPU time of all threads so far, in nanoseconds.
    pub(crate) fn cpu_nanos(&self) -> u64 {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).expect("tasks");
        let nanos = |path: PathBuf| -> Option<u64> {
            let text = std::fs::read_to_string(path.join("schedstat")).ok()?;
            text.split(' ').next()?.parse().ok()
        };
        tasks.filter_map(|task| nanos(task.ok()?.path())).sum()
    }

    fn wait_until_it_answers(&self) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(self.address).is_err() {
            assert!(Instant::now() < deadline, "{:?} does not listen", self.kind);
            std::thread::park_timeout(Duration::from_millis(10));
        }
    }
}

impl Drop for Candidate {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The real binary with one worker, the shipped policy, minted tokens and no line per request: as the bare proxy.
fn sidecar(config: PathBuf, address: SocketAddr, upstream: SocketAddr) -> Command {
    let text = format!(
        "listen: {address}\nadmin: 127.0.0.1:0\nthreads: 1\nallow_inline_secrets: true\n\
         log: {{ decisions: off }}\n\
         upstream: {{ url: 'http://{upstream}', mint: {{ secret: {SECRET} }} }}\n\
         tokens: {{ secret: {SECRET} }}\n"
    );
    std::fs::write(&config, text).expect("config");
    let mut command = Command::new(env!("CARGO_BIN_EXE_gateward"));
    command.args(["run", "--config"]).arg(config);
    command
}

fn request(authorization: &str) -> Vec<u8> {
    format!(
        "GET /api/3rdparty/v1/messages HTTP/1.1\r\nHost: sms.example\r\nUser-Agent: load\r\n\
         Accept: application/json\r\nAuthorization: {authorization}\r\n\r\n"
    )
    .into_bytes()
}

fn tokens() -> Vec<String> {
    let key = Hs256Key::new(&Secret::new(SECRET)).expect("key");
    let signer = Signer::new(key, Some("sms-gate.app".into()));
    #[expect(clippy::disallowed_methods, reason = "the tokens must be valid now")]
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("clock").as_secs();
    let now = UnixSeconds(now.try_into().expect("clock"));
    let scopes = ["messages:list", "messages:send"].map(|scope| Scope::parse(scope).expect("scope"));
    let family = FamilyId::parse("loadfamily01").expect("family");
    let token = |number: usize| {
        signer.access(&AccessClaims {
            user: &UserId::parse("USER01").expect("user"),
            id: &TokenId::parse(&format!("loadtoken{number:012}")).expect("id"),
            family: &family,
            epoch: 0,
            scopes: &scopes,
            issued_at: now,
            expires_at: UnixSeconds(now.0 + 900),
        })
    };
    (0..TOKENS).map(token).collect()
}

fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    listener.local_addr().expect("address")
}

/// Binds a process to one processor, as far as the machine lets us.
pub(crate) fn pin_to(process: u32, processor: usize) {
    let _ = Command::new("taskset")
        .args(["-a", "-c", "-p", &processor.to_string(), &process.to_string()])
        .stdout(Stdio::null())
        .status();
}
