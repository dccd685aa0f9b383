//! How does a secret get from a file into the process, and into a file in the first place?
//!
//! Refuses files that others can read, and secrets that anybody can guess. Never says what a file contains.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::failure::reason;
use crate::{folder, random};

/// Longest accepted secret, in bytes.
const LONGEST: u64 = 64 * 1024;

/// Secrets mounted here are protected by the container they are mounted into, whatever their mode says.
const MOUNTED: &str = "/run/secrets";

/// How the placeholders of our own documentation, and those that people copy from elsewhere, start.
const PLACEHOLDERS: [&str; 10] = [
    "changeme",
    "change-me",
    "change_me",
    "change me",
    "replaceme",
    "replace-me",
    "replace_me",
    "replace me",
    "your-",
    "your_",
];

/// A secret on its way to whoever needs it. `Debug` does not show it, nothing else could, and there is no `==`.
#[derive(Clone)]
pub struct Sealed(Vec<u8>);

impl Sealed {
    /// Seals bytes.
    #[must_use]
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes, for the type that keeps them.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

// INVARIANT(secrets-are-not-shown): held by tests::a_sealed_secret_is_not_shown, and by every type that holds one.
impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// Why a secret, or the file that holds it, is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file is not there, or the system refuses it.
    #[error("cannot read {}: {}", .0.display(), reason(.1))]
    Unreadable(PathBuf, #[source] io::Error),
    /// The path names something else.
    #[error("{} is not a regular file", .0.display())]
    NotAFile(PathBuf),
    /// Its mode lets others in.
    #[error("{} can be read or written by others (mode {:04o}): chmod 600 it", .0.display(), .1)]
    Exposed(PathBuf, u32),
    /// More than 64 KiB.
    #[error("{} is too long for a secret", .0.display())]
    TooLong(PathBuf),
    /// The file could not be made.
    #[error("cannot write {}: {}", .0.display(), reason(.1))]
    Unwritable(PathBuf, #[source] io::Error),
}

/// Reads a secret. One newline at the end (`\n` or `\r\n`) is not part of it.
///
/// # Errors
///
/// A file that is missing, not regular, longer than 64 KiB, or readable by others (see [`check_private`]).
pub fn read(path: &Path) -> Result<Sealed, SecretError> {
    let mut bytes = read_private(path, LONGEST)?;
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    }
    Ok(Sealed(bytes))
}

/// Reads a file that others must not be able to read, of at most `longest` bytes.
///
/// # Errors
///
/// As [`read`].
pub fn read_private(path: &Path, longest: u64) -> Result<Vec<u8>, SecretError> {
    let unreadable = |error| SecretError::Unreadable(path.to_owned(), error);
    // Asked before opening: opening a pipe would wait for a writer.
    if !fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(SecretError::NotAFile(path.to_owned()));
    }
    let file = File::open(path).map_err(unreadable)?;
    check(path, &file)?;
    let mut bytes = Vec::new();
    file.take(longest.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > longest {
        return Err(SecretError::TooLong(path.to_owned()));
    }
    Ok(bytes)
}

/// Checks that a file (where links lead, not the link) is regular and that neither its group nor others can read or
/// write it. Under `/run/secrets`, where container runtimes mount secrets with modes of their own, anything goes.
///
/// # Errors
///
/// As [`read`].
pub fn check_private(path: &Path) -> Result<(), SecretError> {
    let unreadable = |error| SecretError::Unreadable(path.to_owned(), error);
    if !fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(SecretError::NotAFile(path.to_owned()));
    }
    check(path, &File::open(path).map_err(unreadable)?)
}

// INVARIANT(exposed-secrets-are-refused): the mode is asked of the open file, so what is checked is what is read. Held
// by tests::a_file_that_others_can_read_is_refused.
fn check(path: &Path, file: &File) -> Result<(), SecretError> {
    let unreadable = |error| SecretError::Unreadable(path.to_owned(), error);
    let mode = file.metadata().map_err(unreadable)?.permissions().mode() & 0o7777;
    if mode & 0o066 == 0 {
        return Ok(());
    }
    if fs::canonicalize(path).map_err(unreadable)?.starts_with(MOUNTED) {
        return Ok(());
    }
    Err(SecretError::Exposed(path.to_owned(), mode))
}

/// Reads the secret in `path`; if there is none, makes one of 64 hexadecimal digits first, mode 0600. Of two processes
/// that do this at once, both get the same secret. Directories that are missing are made with mode 0700.
///
/// # Errors
///
/// As [`read`], and when the file cannot be made.
pub fn read_or_create(path: &Path) -> Result<Sealed, SecretError> {
    if !path.try_exists().unwrap_or(true) {
        create(path, random::hexadecimal::<32>().as_bytes())?;
    }
    read(path)
}

/// Makes a private file with these contents, unless there is one already: then that one stays as it is. The file
/// appears whole or not at all, also when the power fails.
///
/// # Errors
///
/// When the file cannot be made.
pub fn create(path: &Path, contents: &[u8]) -> Result<(), SecretError> {
    let unwritable = |error| SecretError::Unwritable(path.to_owned(), error);
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    folder::create_private(parent).map_err(|error| SecretError::Unwritable(parent.to_owned(), error))?;
    let draft = parent.join(format!(".new-{}", random::hexadecimal::<8>()));
    let written = write_new(&draft, contents).and_then(|()| publish(&draft, path));
    // The draft is a second name of the file by now, or of no use any more.
    let removed = fs::remove_file(&draft);
    written
        .and(removed)
        .and_then(|()| File::open(parent)?.sync_all())
        .map_err(unwritable)
}

fn write_new(path: &Path, contents: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(contents)?;
    file.write_all(b"\n")?;
    file.sync_all()
}

/// A link never replaces a file, a rename would: whoever comes second must use the first one's secret.
fn publish(draft: &Path, path: &Path) -> io::Result<()> {
    match fs::hard_link(draft, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

/// Whether a secret is one that everybody knows: a placeholder such as `changeme…`, or one character repeated.
#[must_use]
pub fn is_example(secret: &[u8]) -> bool {
    let lower = secret.to_ascii_lowercase();
    let placeholder = PLACEHOLDERS.iter().any(|start| lower.starts_with(start.as_bytes()));
    let repeated = secret
        .first()
        .is_some_and(|first| secret.iter().all(|byte| byte == first));
    placeholder || repeated
}

#[cfg(test)]
mod tests;
