//! What does a process use? Starts them, asks the kernel about them, and ends them.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::{DirEntry, File};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How long a process may take to come up on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running process; killed when dropped.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    log: PathBuf,
}

impl Running {
    /// Starts it in this folder; what it says goes into the file `log` there.
    pub(crate) fn start(mut command: Command, folder: &Path, log: &str) -> Self {
        let log = folder.join(log);
        let child = command
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).expect("log"))
            .spawn()
            .expect("start");
        Self { child, log }
    }

    /// The process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has used so far.
    pub(crate) fn cpu_time(&self) -> CpuTime {
        CpuTime::of(self.id())
    }

    /// Waits until it accepts connections.
    pub(crate) fn wait_for(&mut self, address: SocketAddr) {
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(address).is_err() {
            let ended = self.child.try_wait().expect("wait").is_some();
            assert!(!ended && Instant::now() < deadline, "does not listen:\n{}", self.said());
            pause();
        }
    }

    /// Everything that it has said.
    pub(crate) fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// CPU time of every thread of a process so far, in nanoseconds.
#[derive(Clone, Debug, Default)]
pub(crate) struct CpuTime(HashMap<OsString, u64>);

impl CpuTime {
    /// Asks the kernel.
    pub(crate) fn of(process: u32) -> Self {
        let tasks = std::fs::read_dir(format!("/proc/{process}/task")).expect("tasks");
        let nanos = |task: DirEntry| -> Option<(OsString, u64)> {
            let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
            Some((task.file_name(), text.split(' ').next()?.parse().ok()?))
        };
        Self(tasks.filter_map(|task| nanos(task.ok()?)).collect())
    }

    /// Nanoseconds since then. Threads that ended do not count: those of a pool end after seconds without work.
    pub(crate) fn since(&self, before: &Self) -> u64 {
        let of = |(task, nanos): (&OsString, &u64)| nanos - before.0.get(task).unwrap_or(&0);
        self.0.iter().map(of).sum()
    }
}

/// Memory of a process in KiB; what it shares with others counts by its share.
pub(crate) fn memory_kib(process: u32) -> u64 {
    let rollup = std::fs::read_to_string(format!("/proc/{process}/smaps_rollup")).expect("smaps_rollup");
    let line = rollup.lines().find(|line| line.starts_with("Pss:")).expect("Pss");
    let number = line.split_whitespace().nth(1).expect("number");
    number.parse().expect("number")
}

/// Binds a process to one processor, as far as the machine lets us.
pub(crate) fn pin_to(process: u32, processor: usize) {
    let _ = Command::new("taskset")
        .args(["-a", "-c", "-p", &processor.to_string(), &process.to_string()])
        .stdout(Stdio::null())
        .status();
}

/// Where nobody listens now.
pub(crate) fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    listener.local_addr().expect("address")
}

/// A folder that is gone in the end.
pub(crate) fn folder() -> TempDir {
    tempfile::tempdir().expect("folder")
}

/// Between two looks at something that another process changes.
pub(crate) fn pause() {
    std::thread::park_timeout(Duration::from_millis(5));
}
