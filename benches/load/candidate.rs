//! The processes under measurement and what is sent to them.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use gateward_auth::{AccessClaims, FamilyId, Hs256Key, Scope, Secret, Signer, TokenId, UnixSeconds, UserId};
use tempfile::TempDir;

use crate::support::bare;
use crate::support::process::{CpuTime, Running, folder, free_address, pin_to};

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const TOKENS: usize = 10_000;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A Pingora proxy without checks that receives the same Bearer headers.
    BarePingora,
    /// The same with limits on how long connecting, reading, writing and idling may take, as the sidecar has them.
    LimitedPingora,
    /// The sidecar with one token.
    OneJwt,
    /// The sidecar with 10,000 distinct tokens in turn.
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
            Self::LimitedPingora => "bare Pingora with time limits",
            Self::OneJwt => "gateward, JWT, one token",
            Self::Jwt => "gateward, JWT, 10,000 tokens",
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
    process: Running,
    _folder: TempDir,
}

impl Candidate {
    /// Starts a fresh process on processor 0 and waits until it accepts.
    pub(crate) fn start(kind: Kind, upstream: SocketAddr) -> Self {
        let folder = folder();
        let address = free_address();
        let command = match kind {
            Kind::BarePingora => bare::command(false, 1, address, upstream),
            Kind::LimitedPingora => bare::command(true, 1, address, upstream),
            Kind::OneJwt | Kind::Jwt | Kind::Basic | Kind::Refusal => {
                sidecar(folder.path().join("gateward.yaml"), address, upstream)
            }
        };
        let mut process = Running::start(command, folder.path(), "log");
        pin_to(process.id(), 0);
        process.wait_for(address);
        Self {
            kind,
            address,
            process,
            _folder: folder,
        }
    }

    /// Requests to send in turn.
    pub(crate) fn requests(&self) -> Vec<Vec<u8>> {
        match self.kind {
            Kind::OneJwt => tokens()
                .iter()
                .take(1)
                .map(|token| request(&format!("Bearer {token}")))
                .collect(),
            Kind::BarePingora | Kind::LimitedPingora | Kind::Jwt => tokens()
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

    /// CPU time so far.
    pub(crate) fn cpu_time(&self) -> CpuTime {
        self.process.cpu_time()
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
