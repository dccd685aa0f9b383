//! Is this file another one than a moment ago? Asked by looking, again and again; what follows from it is not known here.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// A file that is looked at, if there is one.
pub(super) struct Watched {
    path: Option<PathBuf>,
    taken: Option<Version>,
    seen: Option<Version>,
}

/// Which version of a file this is, as far as its metadata tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Version {
    inode: u64,
    bytes: u64,
    written: (i64, i64),
    /// Also when who may read it has changed: a file that was refused for that may be fit now.
    changed: (i64, i64),
}

impl Watched {
    /// As it is now.
    pub(super) fn new(path: Option<PathBuf>) -> Self {
        let version = path.as_deref().and_then(version);
        Self {
            path,
            taken: version,
            seen: version,
        }
    }

    /// Whether there is another version than the one that was taken, the same as at the last look.
    pub(super) fn has_changed(&mut self) -> bool {
        let Some(path) = &self.path else { return false };
        let found = version(path);
        let settled = found == self.seen;
        self.seen = found;
        let changed = settled && found != self.taken;
        if changed {
            self.taken = found;
        }
        changed
    }
}

/// `None`: the file is not there. Follows symbolic links, as Kubernetes mounts need.
fn version(path: &Path) -> Option<Version> {
    let metadata = std::fs::metadata(path).ok()?;
    Some(Version {
        inode: metadata.ino(),
        bytes: metadata.size(),
        written: (metadata.mtime(), metadata.mtime_nsec()),
        changed: (metadata.ctime(), metadata.ctime_nsec()),
    })
}
