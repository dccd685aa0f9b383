//! Where does a process keep what is nobody else's business?

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

/// Makes a folder, and those above it, that only this user can enter (0700). One that is there stays as it is.
///
/// # Errors
///
/// When it cannot be made.
pub fn create_private(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}
