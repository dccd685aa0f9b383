//! A real Redis for one test: its own process, port and folder, gone with the test. Knows nothing of the denylist, so that
//! tests of whole programs can include this file too.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

const READY_WITHIN: Duration = Duration::from_secs(20);

/// A running `redis-server`. It keeps every acknowledged write through SIGKILL (`appendonly`).
pub(crate) struct RedisServer {
    folder: TempDir,
    port: u16,
    options: Vec<String>,
    process: Option<Child>,
}

impl RedisServer {
    /// Starts one and waits until it answers. Panics when the program is not installed: a test that needs Redis is never
    /// skipped.
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// The same with more options, such as `["--requirepass", "secret"]`.
    pub(crate) async fn start_with(options: &[&str]) -> Self {
        let mut server = Self::reserve(options).await;
        server.run().await;
        server
    }

    /// Chooses a port without starting anything on it.
    pub(crate) async fn reserve(options: &[&str]) -> Self {
        let port = TcpListener::bind("127.0.0.1:0")
            .await
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let options = options.iter().map(|&option| option.to_owned()).collect();
        Self {
            folder: tempfile::tempdir().unwrap(),
            port,
            options,
            process: None,
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    /// Starts the process (again) on the same port and data, and waits until it answers.
    pub(crate) async fn run(&mut self) {
        let deadline = Instant::now() + READY_WITHIN;
        let mut ticks = tokio::time::interval(Duration::from_millis(5));
        loop {
            ticks.tick().await;
            if self
                .process
                .as_mut()
                .is_none_or(|process| process.try_wait().unwrap().is_some())
            {
                self.process = Some(self.spawn());
            }
            if ping(self.port).await {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "redis-server does not answer on port {}",
                self.port
            );
        }
    }

    fn spawn(&self) -> Child {
        let port = self.port.to_string();
        Command::new("redis-server")
            .args([
                "--port",
                &port,
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--appendonly",
                "yes",
                "--daemonize",
                "no",
            ])
            .arg("--dir")
            .arg(self.folder.path())
            .args(&self.options)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("redis-server must be installed (apt-get install redis-server): {error}"))
    }

    /// SIGKILL, and waits until it is gone.
    pub(crate) async fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().await.unwrap();
        }
    }

    /// Throws the data of a killed server away.
    pub(crate) fn lose_data(&self) {
        for entry in std::fs::read_dir(self.folder.path()).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                std::fs::remove_dir_all(path).unwrap()
            } else {
                std::fs::remove_file(path).unwrap()
            }
        }
    }

    /// A copy of the data of a killed server.
    pub(crate) fn save_data(&self) -> TempDir {
        let copy = tempfile::tempdir().unwrap();
        copy_folder(self.folder.path(), copy.path());
        copy
    }

    /// Puts a copy in the place of data that were thrown away.
    pub(crate) fn restore_data(&self, copy: &TempDir) {
        copy_folder(copy.path(), self.folder.path());
    }

    /// SIGSTOP: the system still accepts connections for it, and nothing is answered.
    pub(crate) async fn hang(&self) {
        self.signal("STOP").await;
    }

    /// SIGCONT.
    pub(crate) async fn go_on(&self) {
        self.signal("CONT").await;
    }

    async fn signal(&self, name: &str) {
        let id = self.process.as_ref().and_then(Child::id).unwrap().to_string();
        let line = format!("kill -{name} {id}");
        assert!(Command::new("sh").args(["-c", &line]).status().await.unwrap().success());
    }
}

fn copy_folder(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let (source, target) = (entry.as_ref().unwrap().path(), to.join(entry.unwrap().file_name()));
        if source.is_dir() {
            std::fs::create_dir(&target).unwrap();
            copy_folder(&source, &target);
        } else {
            std::fs::copy(&source, &target).unwrap();
        }
    }
}

/// Does it answer a PING, if only with a request for a password?
async fn ping(port: u16) -> bool {
    let answer = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
        stream.write_all(b"PING\r\n").await.ok()?;
        let mut answer = [0; 64];
        let read = stream.read(&mut answer).await.ok()?;
        let answer = answer.get(..read)?;
        Some(answer.starts_with(b"+PONG") || answer.starts_with(b"-NOAUTH"))
    };
    tokio::time::timeout(Duration::from_secs(1), answer)
        .await
        .ok()
        .flatten()
        .unwrap_or(false)
}
