//! A real MariaDB of a test's own.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::process::{folder, pause};

const PATIENCE: Duration = Duration::from_secs(60);

/// A running `mariadbd` on a Unix socket, without users; killed when dropped.
#[derive(Debug)]
pub(crate) struct MariaDb {
    child: Child,
    folder: TempDir,
}

impl MariaDb {
    /// Starts a server that has no database yet.
    pub(crate) fn start() -> Self {
        let folder = folder();
        let place = |name: &str, file: &str| format!("--{name}={}", folder.path().join(file).display());
        std::fs::create_dir(folder.path().join("data")).expect("folder");
        let child = Command::new("mariadbd")
            .args([
                "--no-defaults",
                "--user=root",
                "--skip-networking",
                "--skip-grant-tables",
            ])
            .args([place("datadir", "data"), place("socket", "socket"), place("tmpdir", "")])
            .args([place("pid-file", "pid"), "--innodb-buffer-pool-size=64M".to_owned()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(folder.path().join("log")).expect("log"))
            .spawn()
            .expect("mariadbd is missing: run tests/run, which installs it");
        let server = Self { child, folder };
        let deadline = Instant::now() + PATIENCE;
        while UnixStream::connect(server.socket()).is_err() {
            let log = || std::fs::read_to_string(server.folder.path().join("log")).unwrap_or_default();
            assert!(Instant::now() < deadline, "mariadbd does not answer:\n{}", log());
            pause();
        }
        server
    }

    /// Makes an empty database.
    pub(crate) fn create(&self, database: &str) {
        let create = format!("CREATE DATABASE {database} CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci");
        self.run("information_schema", &create);
    }

    /// `mysql://…` for the core.
    pub(crate) fn url(&self, database: &str) -> String {
        let socket = self.socket().display().to_string().replace('/', "%2F");
        format!("mysql://root@{socket}/{database}")
    }

    /// Runs SQL; the rows as lines, their columns separated by tabs.
    pub(crate) fn run(&self, database: &str, sql: &str) -> String {
        let mut client = Command::new("mariadb")
            .args(["--no-defaults", "--batch", "--skip-column-names"])
            .args(["--default-character-set=utf8mb4", "--socket"])
            .arg(self.socket())
            .arg(database)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("mariadb");
        let mut input = client.stdin.take().expect("stdin");
        input.write_all(sql.as_bytes()).expect("write");
        drop(input);
        let output = client.wait_with_output().expect("wait");
        let trouble = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{sql}: {trouble}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }
}

impl Drop for MariaDb {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
