//! A real MariaDB for tests: in a folder of its own, on a Unix socket, without users, gone with the process.

use std::{
    io::Write as _,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use gateward_auth::Secret;
use sqlx::{AssertSqlSafe, Connection as _, MySqlConnection};

use crate::{
    config::{self, DatabaseServer, DatabaseUrl},
    db::mysql,
};

/// How long a server may take to come up on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Ends the server and removes its folder when its standard input ends, which it does however the test ends.
const KEEPER: &str = r#"
folder=$1 keep=$2; shift 2
"$@" & server=$!
read -r how
[ "$how" = gently ] && kill -TERM "$server" || kill -9 "$server"
wait
[ "$keep" = yes ] || rm -rf "$folder"
"#;

/// A server. Those of the tests' own are killed when dropped.
#[derive(Debug)]
pub(crate) struct MariaDb {
    folder: PathBuf,
    keep: bool,
    child: Option<Child>,
}

impl MariaDb {
    /// The one that tests use who do not stop it.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<MariaDb> = OnceLock::new();
        SHARED.get_or_init(|| {
            let folder = tempfile::Builder::new().prefix("gateward-mariadb").tempdir().unwrap();
            let mut server = Self::within(folder.keep());
            server.keep = false;
            server.launch();
            server
        })
    }

    /// One that does not run yet.
    pub(crate) fn within(folder: PathBuf) -> Self {
        Self {
            folder,
            keep: true,
            child: None,
        }
    }

    /// One with a folder that it can be started in again after it was killed: what a server writes at its very first
    /// start is safe when it has stopped in peace.
    pub(crate) async fn seasoned(folder: &Path) -> Self {
        let mut server = Self::within(folder.to_owned());
        server.launch();
        // A server that has not answered yet may not hear that it is to stop.
        server.create().await;
        let mut child = server.child.take().unwrap();
        child.stdin.take().unwrap().write_all(b"gently\n").unwrap();
        child.wait().unwrap();
        server
    }

    /// Starts it, with whatever its folder holds, and waits until it answers.
    pub(crate) fn launch(&mut self) {
        let data = self.folder.join("data");
        std::fs::create_dir_all(&data).unwrap();
        let path = |name: &str, path: &PathBuf| format!("--{name}={}", path.display());
        let child = Command::new("sh")
            .args(["-c", KEEPER, "sh"])
            .arg(&self.folder)
            .arg(if self.keep { "yes" } else { "no" })
            .args(["mariadbd", "--no-defaults", "--user=root"])
            .arg(path("datadir", &data))
            .arg(path("tmpdir", &self.folder))
            .arg(path("socket", &self.socket()))
            .arg(path("pid-file", &self.folder.join("pid")))
            // Without users there is no need to make the server's own tables first, which takes longer than all tests.
            .args(["--skip-networking", "--skip-grant-tables", "--skip-log-bin"])
            .args(["--innodb-buffer-pool-size=64M", "--innodb-log-file-size=16M"])
            .args(["--performance-schema=OFF", "--max-connections=500"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(self.folder.join("log")).unwrap())
            .spawn()
            .unwrap();
        self.child = Some(child);
        let deadline = Instant::now() + PATIENCE;
        while UnixStream::connect(self.socket()).is_err() {
            assert!(
                Instant::now() < deadline,
                "mariadbd does not answer; if it is missing: tests/run installs it\n{}",
                std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
            );
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }

    /// Kills it without warning; [`Self::launch`] starts it again.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            drop(child.stdin.take());
            child.wait().unwrap();
        }
    }

    /// A new, empty database.
    pub(crate) async fn create(&self) -> DatabaseServer {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let created = self.database(&name);
        let mut connection = MySqlConnection::connect_with(&mysql::options(&self.database("information_schema")))
            .await
            .unwrap();
        let create = format!("CREATE DATABASE {name}");
        sqlx::raw_sql(AssertSqlSafe(create))
            .execute(&mut connection)
            .await
            .unwrap();
        connection.close().await.unwrap();
        created
    }

    /// Runs statements in a database.
    pub(crate) async fn run(&self, place: &config::Database, statements: &'static str) {
        let DatabaseUrl::MySql(server) = &place.url else {
            unreachable!("a database of this server")
        };
        let mut connection = MySqlConnection::connect_with(&mysql::options(server)).await.unwrap();
        sqlx::raw_sql(statements).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }

    /// How one of its databases is reached.
    pub(crate) fn database(&self, name: &str) -> DatabaseServer {
        DatabaseServer {
            host: self.socket().to_str().unwrap().to_owned(),
            port: 3306,
            user: "root".to_owned(),
            password: Secret::new([]),
            name: name.to_owned(),
        }
    }

    fn socket(&self) -> PathBuf {
        self.folder.join("socket")
    }
}

impl Drop for MariaDb {
    fn drop(&mut self) {
        self.kill();
    }
}
