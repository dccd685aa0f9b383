//! A real Redis of a test's own.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::process::{folder, pause};

const PATIENCE: Duration = Duration::from_secs(30);

/// A running `redis-server`; killed when dropped.
#[derive(Debug)]
pub(crate) struct Redis {
    child: Option<Child>,
    address: SocketAddr,
    password: Option<String>,
    folder: TempDir,
}

impl Redis {
    /// Starts a server that writes every change to disk before it answers.
    pub(crate) fn start() -> Self {
        Self::reserve(None).started()
    }

    /// Starts a server that asks for a password.
    pub(crate) fn with_password(password: &str) -> Self {
        Self::reserve(Some(password.to_owned())).started()
    }

    /// Chooses an address, but starts nothing yet.
    pub(crate) fn reserve(password: Option<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let address = listener.local_addr().expect("address");
        Self {
            child: None,
            address,
            password,
            folder: folder(),
        }
    }

    fn started(mut self) -> Self {
        self.launch();
        self
    }

    /// Starts the server on its address, with whatever data its folder holds.
    pub(crate) fn launch(&mut self) {
        let mut command = Command::new("redis-server");
        command
            .args(["--port", &self.address.port().to_string(), "--bind", "127.0.0.1"])
            .args(["--appendonly", "yes", "--appendfsync", "always", "--save", ""])
            .arg("--dir")
            .arg(self.folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if let Some(password) = &self.password {
            command.args(["--requirepass", password]);
        }
        let child = command
            .spawn()
            .expect("redis-server is missing: run tests/run, which installs it");
        self.child = Some(child);
        let deadline = Instant::now() + PATIENCE;
        while self.command(&["PING"]).trim() != "PONG" {
            assert!(Instant::now() < deadline, "redis-server does not answer");
            pause();
        }
    }

    /// `redis://127.0.0.1:port`
    pub(crate) fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Kills the server without warning; [`Self::launch`] starts it again.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Takes all data away from a killed server.
    pub(crate) fn forget(&mut self) {
        for entry in std::fs::read_dir(self.folder.path()).expect("folder") {
            remove(&entry.expect("entry").path());
        }
    }

    /// Stops the server so that it accepts and never answers.
    pub(crate) fn freeze(&self) {
        self.signal("-STOP");
    }

    /// Lets it go on.
    pub(crate) fn thaw(&self) {
        self.signal("-CONT");
    }

    /// Runs one command with redis-cli and returns what it printed.
    pub(crate) fn command(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("redis-cli");
        command.args(["-p", &self.address.port().to_string(), "--no-auth-warning"]);
        if let Some(password) = &self.password {
            command.args(["-a", password]);
        }
        let output = command.args(arguments).output().expect("redis-cli");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn signal(&self, name: &str) {
        let id = self.child.as_ref().expect("running").id().to_string();
        assert!(Command::new("kill").args([name, &id]).status().expect("kill").success());
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}

fn remove(path: &Path) {
    let removed = if path.is_dir() {
        std::fs::remove_dir_all(path)
    } else {
        std::fs::remove_file(path)
    };
    removed.expect("remove");
}
