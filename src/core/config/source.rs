//! Where does the configuration come from (WIRE §10), and what is made for an operator who gives none?

use std::path::{Path, PathBuf};

use gateward_auth::Secret;
use gateward_boot::config::{File, Manner, Reader, Sources};
use gateward_boot::environment::Environment;
use gateward_document::Diagnostic;

use super::Mode;

/// What was given.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// `config.yml`, if there is one.
    pub file: Option<File>,
    /// The variables, those of `.env` among them.
    pub environment: Environment,
    /// Where relative paths start: the working directory. Empty means the same.
    pub directory: PathBuf,
    /// Lines of `.env` that were not understood.
    pub warnings: Vec<Diagnostic>,
}

impl Source {
    /// Finds what the reference server would find: `.env` in `directory`, then the file that is named, or else the one
    /// in `CONFIG_PATH`, or else `config.yml`. Only a file that is named must be there.
    ///
    /// # Errors
    ///
    /// When a file cannot be read.
    pub fn find(named: Option<&Path>, mut environment: Environment, directory: &Path) -> Result<Self, Diagnostic> {
        let mut warnings = Vec::new();
        if let Some(dotenv) = File::read_if_present(&directory.join(".env"))? {
            warnings = environment.add_file(&dotenv.name, &dotenv.text);
        }
        let path = environment
            .value("CONFIG_PATH")
            .filter(|path| !path.is_empty())
            .unwrap_or("config.yml");
        let file = match named {
            Some(path) => Some(File::read(path)?),
            None => File::read_if_present(&directory.join(path))?,
        };
        Ok(Self {
            file,
            environment,
            directory: directory.to_owned(),
            warnings,
        })
    }

    /// Variables only: what the core has in `gateward up`.
    #[must_use]
    pub fn of_variables(environment: Environment) -> Self {
        Self {
            environment,
            ..Self::default()
        }
    }

    /// Whether a key has a value in the file or the environment.
    #[must_use]
    pub fn gives(&self, key: &str) -> bool {
        self.reader().is_given(key)
    }

    pub(super) fn reader(&self) -> Reader<'_> {
        let sources = Sources {
            file: self.file.as_ref(),
            environment: &self.environment,
            prefix: "",
            directory: &self.directory,
        };
        Reader::open(sources, Manner::Lenient)
    }
}

/// What is used where the source says nothing. [`Provided::default`] is what `gateward-core run` gets: nothing.
#[derive(Clone, Debug, Default)]
pub struct Provided {
    /// For `jwt.secret`.
    pub jwt_secret: Option<Secret>,
    /// For `gateway.mode`.
    pub mode: Option<Mode>,
    /// For `gateway.private_token`.
    pub private_token: Option<Secret>,
    /// For `database.url`: the file of a SQLite database.
    pub database: Option<PathBuf>,
    /// What is done without anything to push with.
    pub push: PushNeed,
}

/// What a process does without `fcm.credentials_json` in public mode, or `gateway.upstream_url` in private mode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PushNeed {
    /// As the reference: it does not start in public mode, and pushes through the reference's own public gateway in private
    /// mode.
    #[default]
    Required,
    /// It starts with a warning, and push is off: nobody hears of the phones of an operator who did not say so.
    Optional,
    /// It pushes nothing anyway: the account is not looked at.
    Unused,
}
