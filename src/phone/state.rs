//! What survives a restart of the phone: its registration, in a file only its owner can read.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::PhoneError;

/// A registered device (WIRE §4.1).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Registration {
    pub(crate) id: String,
    pub(crate) token: String,
    pub(crate) login: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) password: Option<String>,
}

/// The registration kept in `path`, if there is one.
///
/// # Errors
/// [`PhoneError::State`] when the file is there but cannot be read or is not ours.
pub(crate) fn load(path: &Path) -> Result<Option<Registration>, PhoneError> {
    match std::fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|error| PhoneError::State(path.to_owned(), error.to_string())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(PhoneError::State(path.to_owned(), error.to_string())),
    }
}

/// Keeps `registration` in `path`, readable for its owner only: it holds the device's token.
///
/// # Errors
/// [`PhoneError::State`] when the file cannot be written.
pub(crate) fn save(path: &Path, registration: &Registration) -> Result<(), PhoneError> {
    let failed = |error: &dyn std::fmt::Display| PhoneError::State(path.to_owned(), error.to_string());
    let bytes = serde_json::to_vec_pretty(registration).map_err(|error| failed(&error))?;
    std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(&bytes))
        .map_err(|error| failed(&error))
}
