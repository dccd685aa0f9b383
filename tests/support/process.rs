//! The real binaries as child processes: started in a folder of their own, on free ports, killed when dropped.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// How long a process may take to come up or go down on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// An address that nobody can connect to: pushes of a core on its own do not leave this machine.
const NOWHERE: &str = "http://127.0.0.1:0";

/// A running child and everything it has said.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    output: Arc<Mutex<Vec<String>>>,
}

impl Process {
    /// Starts `program` with nothing but `environment`, in `folder`.
    pub(crate) fn start(
        program: &str,
        arguments: &[&str],
        environment: &BTreeMap<String, String>,
        folder: &Path,
    ) -> Self {
        let mut child = Command::new(program)
            .args(arguments)
            .current_dir(folder)
            .env_clear()
            .envs(environment)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("start {program}: {error}"));
        let output = Arc::new(Mutex::new(Vec::new()));
        collect(child.stdout.take().expect("stdout"), &output);
        collect(child.stderr.take().expect("stderr"), &output);
        Self { child, output }
    }

    /// The process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Every line printed so far, on either stream.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.output.lock().expect("output").clone()
    }

    /// The JSON lines printed so far.
    pub(crate) fn records(&self) -> Vec<Value> {
        let lines = self.lines();
        lines
            .iter()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    /// Waits until some printed line gives an answer.
    pub(crate) fn wait_for<T>(&mut self, what: &str, find: impl Fn(&str) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = self.lines().iter().find_map(|line| find(line)) {
                return found;
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                // Whatever it said last may still be on its way through the pipe.
                let last = self.lines();
                if let Some(found) = last.iter().find_map(|line| find(line)) {
                    return found;
                }
                panic!("ended with {status} before {what}:\n{}", last.join("\n"));
            }
            assert!(
                Instant::now() < deadline,
                "no {what} in time:\n{}",
                self.lines().join("\n")
            );
            pause();
        }
    }

    /// Sends a signal by name, such as `TERM` or `KILL`.
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .arg(format!("-{name}"))
            .arg(self.id().to_string())
            .status();
        assert!(status.expect("kill").success(), "kill -{name}");
    }

    /// Waits for the end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("wait") {
                return status;
            }
            assert!(Instant::now() < deadline, "still running:\n{}", self.lines().join("\n"));
            pause();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Between two looks at something that another process changes.
pub(crate) fn pause() {
    std::thread::park_timeout(Duration::from_millis(5));
}

fn collect(stream: impl Read + Send + 'static, output: &Arc<Mutex<Vec<String>>>) {
    let output = Arc::clone(output);
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            output.lock().expect("output").push(line);
        }
    });
}

/// A folder of a test's own.
pub(crate) fn folder() -> TempDir {
    tempfile::tempdir().expect("temporary folder")
}

/// A running sidecar or a whole `gateward up`.
#[derive(Debug)]
pub(crate) struct Gateward {
    /// The process.
    pub process: Process,
    /// Where clients connect.
    pub public: SocketAddr,
    /// Health, readiness, metrics, status.
    pub admin: SocketAddr,
    folder: Arc<TempDir>,
    arguments: Vec<String>,
    environment: BTreeMap<String, String>,
}

/// What a start needs beside the defaults.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    environment: BTreeMap<String, String>,
    folder: Option<Arc<TempDir>>,
}

impl Settings {
    /// Nothing but the defaults, on free ports.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Sets one environment variable.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Starts in a folder that exists already.
    pub(crate) fn within(mut self, folder: &Arc<TempDir>) -> Self {
        self.folder = Some(Arc::clone(folder));
        self
    }

    /// Writes a file into the folder of the process.
    pub(crate) fn file(mut self, name: &str, text: &str) -> Self {
        let folder = self.folder.get_or_insert_with(|| Arc::new(folder()));
        write_private(&folder.path().join(name), text);
        self
    }

    /// `gateward up`.
    pub(crate) fn up(self) -> Gateward {
        self.with("HTTP__LISTEN", "127.0.0.1:0").start(&["up"])
    }

    /// `gateward run --config gateward.yaml`; the file was given with [`Self::file`].
    pub(crate) fn run(self) -> Gateward {
        self.start(&["run", "--config", "gateward.yaml"])
    }

    /// Starts `gateward` with these arguments and waits until it is ready.
    pub(crate) fn start(self, arguments: &[&str]) -> Gateward {
        let mut gateward = self.spawn(arguments);
        gateward.await_ready();
        gateward
    }

    /// Starts `gateward` and waits only until it listens: it may not be ready.
    pub(crate) fn spawn(mut self, arguments: &[&str]) -> Gateward {
        for (name, address) in [("GATEWARD__LISTEN", "127.0.0.1:0"), ("GATEWARD__ADMIN", "127.0.0.1:0")] {
            self.environment
                .entry(name.to_owned())
                .or_insert_with(|| address.to_owned());
        }
        let folder = self.folder.unwrap_or_else(|| Arc::new(folder()));
        let mut process = Process::start(
            env!("CARGO_BIN_EXE_gateward"),
            arguments,
            &self.environment,
            folder.path(),
        );
        let (public, admin) = process.wait_for("the line that says where it listens", listening);
        Gateward {
            process,
            public,
            admin,
            folder,
            arguments: arguments.iter().map(|&argument| argument.to_owned()).collect(),
            environment: self.environment,
        }
    }
}

impl Gateward {
    /// Waits until `/health/ready` says so.
    pub(crate) fn await_ready(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while status_of(self.admin, "/health/ready") != Some(200) {
            assert!(
                Instant::now() < deadline,
                "not ready:\n{}",
                self.process.lines().join("\n")
            );
            pause();
        }
    }

    /// Where the process runs; `data` is below it.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Kills the process without warning and starts it again in the same folder.
    pub(crate) fn crash_and_restart(mut self) -> Self {
        self.process.signal("KILL");
        self.process.wait();
        let settings = Settings {
            environment: self.environment.clone(),
            folder: Some(Arc::clone(&self.folder)),
        };
        let arguments: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        settings.start(&arguments)
    }
}

/// The addresses from the line `{"message":"listening","listen":"…","admin":"…"}`.
pub(crate) fn listening(line: &str) -> Option<(SocketAddr, SocketAddr)> {
    let record: Value = serde_json::from_str(line).ok()?;
    if record["message"] != "listening" {
        return None;
    }
    let address = |name: &str| record[name].as_str()?.parse().ok();
    Some((address("listen")?, address("admin")?))
}

/// The status that a plain GET gets, without an async runtime.
pub(crate) fn status_of(address: SocketAddr, path: &str) -> Option<u16> {
    use std::io::Write as _;
    let mut stream = std::net::TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )
    .ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.split(' ').nth(1)?.parse().ok()
}

/// Writes a file that only its owner can read, as secrets must be.
pub(crate) fn write_private(path: &Path, text: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::write(path, text).expect("write");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).expect("permissions");
    path.to_owned()
}

/// A running `gateward-core`.
#[derive(Debug)]
pub(crate) struct Core {
    /// The process.
    pub process: Process,
    /// Where it listens.
    pub address: SocketAddr,
    _folder: Arc<TempDir>,
}

impl Core {
    /// The secret of the tokens it accepts.
    pub(crate) const SECRET: &str = "core-minting-secret-0123456789abcdef";

    /// Starts a core in private mode on a database of its own.
    pub(crate) fn start(private_token: &str) -> Self {
        Self::start_in(&Arc::new(folder()), private_token, &[])
    }

    /// Starts a core in private mode, on the database in this folder if nothing further says otherwise.
    pub(crate) fn start_in(folder: &Arc<TempDir>, private_token: &str, further: &[(&str, &str)]) -> Self {
        let ours = [
            ("HTTP__LISTEN", "127.0.0.1:0"),
            ("DATABASE__URL", "sqlite://core.db"),
            ("GATEWAY__MODE", "private"),
            ("GATEWAY__PRIVATE_TOKEN", private_token),
            ("GATEWAY__UPSTREAM_URL", NOWHERE),
            ("JWT__SECRET", Self::SECRET),
        ];
        let all = ours.iter().chain(further);
        let environment = all.map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        let program = env!("CARGO_BIN_EXE_gateward-core");
        let mut process = Process::start(program, &["run"], &environment, folder.path());
        let address = process.wait_for("the line that says where it listens", |line| {
            let record: Value = serde_json::from_str(line).ok()?;
            let is_it = record["message"] == "listening";
            is_it.then(|| record["address"].as_str()?.parse().ok()).flatten()
        });
        Self {
            process,
            address,
            _folder: Arc::clone(folder),
        }
    }
}
