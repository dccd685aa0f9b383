//! Where does the configuration come from, and what is made for an operator who gives none?

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use gateward_auth::Secret;
use gateward_boot::config::{File, Manner, Reader, Sources};
use gateward_boot::environment::Environment;
use gateward_boot::{random, secrets};
use gateward_document::Diagnostic;

use super::{PREFIX, UpstreamUrl};

/// What was given.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// The file named by `--config`.
    pub file: Option<File>,
    /// The variables.
    pub environment: Environment,
    /// Where relative paths start: the working directory. Empty means the same.
    pub directory: PathBuf,
}

impl Source {
    /// Reads the file, if one is named.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub fn open(file: Option<&Path>, environment: Environment) -> Result<Self, Diagnostic> {
        Ok(Self {
            file: file.map(File::read).transpose()?,
            environment,
            directory: PathBuf::new(),
        })
    }

    /// Whether an upstream is named: then this is for `run`, which makes nothing by itself; else it is for `up`.
    #[must_use]
    pub fn names_upstream(&self) -> bool {
        let reader = self.reader();
        reader.is_given("upstream.url") || reader.is_given("upstream.urls")
    }

    /// `data_dir`, before anything else is read: `up` makes its secrets there.
    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        super::read::data_dir(&mut self.reader())
    }

    pub(super) fn reader(&self) -> Reader<'_> {
        let sources = Sources {
            file: self.file.as_ref(),
            environment: &self.environment,
            prefix: PREFIX,
            directory: &self.directory,
        };
        Reader::open(sources, Manner::Strict)
    }
}

/// What is used where the source says nothing. [`Provided::default`] is what `run` gets: nothing.
#[derive(Clone, Debug, Default)]
pub struct Provided {
    /// For `upstream.url` and `upstream.urls`.
    pub upstream: Option<UpstreamUrl>,
    /// For `tokens.secret`.
    pub tokens_secret: Option<Secret>,
    /// For `upstream.mint.secret`.
    pub mint_secret: Option<Secret>,
}

impl Provided {
    /// What `up` gets: the secrets in `secrets/` of the data folder, made at the first start.
    ///
    /// # Errors
    ///
    /// When a secret cannot be read or made.
    pub fn kept_in(data_dir: &Path, upstream: UpstreamUrl) -> Result<Self, secrets::SecretError> {
        let secret = |name: &str| {
            let sealed = secrets::read_or_create(&data_dir.join("secrets").join(name))?;
            Ok(Some(Secret::new(sealed.into_bytes())))
        };
        Ok(Self {
            upstream: Some(upstream),
            tokens_secret: secret("tokens")?,
            mint_secret: secret("mint")?,
        })
    }

    /// What `check` and `explain` get for a source that names no upstream: values that fit and are never used.
    /// Nothing is written to disk.
    #[must_use]
    pub fn stand_ins() -> Self {
        let secret = || Some(Secret::new(random::bytes::<32>()));
        let upstream = UpstreamUrl::listening_on(SocketAddr::from(([127, 0, 0, 1], 3100)));
        Self {
            upstream: Some(upstream),
            tokens_secret: secret(),
            mint_secret: secret(),
        }
    }
}
