//! The command line (DESIGN §3).

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use gateward_boot::exit::Exit;

/// An auth sidecar for SMS gateways.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Sidecar and core in one process, on embedded stores (the default)
    Up {
        /// Configuration of the sidecar; built-in defaults without it
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// The sidecar alone
    Run {
        /// Configuration of the sidecar
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Validate configuration, policy and the policy's own tests
    Check {
        /// Configuration of the sidecar
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Say why a request would be allowed or denied
    Explain(Question),
    /// A simulated Android phone
    Phone(Phone),
}

impl Default for Command {
    fn default() -> Self {
        Self::Up { config: None }
    }
}

/// What `explain` is asked.
#[derive(Debug, Args)]
pub(crate) struct Question {
    /// Method of the request
    pub method: String,
    /// Path of the request, as a client sends it
    pub path: String,
    /// Configuration of the sidecar; the compiled-in policy without it
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    #[command(flatten)]
    pub caller: Caller,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Who asks; nobody when nothing is given.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub(crate) struct Caller {
    /// A token with these scopes
    #[arg(long, value_name = "SCOPE,…", value_delimiter = ',')]
    pub scopes: Option<Vec<String>>,
    /// A good password
    #[arg(long)]
    pub basic: bool,
    /// This very token, with the secret of the configuration
    #[arg(long)]
    pub token: Option<String>,
    /// No credential
    #[arg(long)]
    pub none: bool,
}

/// What `phone` is told.
#[derive(Debug, Args)]
pub(crate) struct Phone {
    /// The gateway: its root, its /api, or its /mobile/v1 base
    #[arg(long)]
    pub url: String,
    /// Registration key of a gateway in private mode
    #[arg(long, value_name = "TOKEN", conflicts_with_all = ["login", "code"])]
    pub private_token: Option<String>,
    /// Register for this user
    #[arg(long, requires = "password", conflicts_with = "code")]
    pub login: Option<String>,
    /// The user's password
    #[arg(long, requires = "login")]
    pub password: Option<String>,
    /// A one-time code of an existing user
    #[arg(long)]
    pub code: Option<String>,
    /// Register with this push token: the gateway pushes, and the phone asks for its messages every second
    #[arg(long, value_name = "TOKEN")]
    pub push_token: Option<String>,
    /// The device's name
    #[arg(long, default_value = "Gateward/Phone")]
    pub name: String,
    /// Pause before each report, such as 250ms
    #[arg(long, default_value = "0s", value_parser = duration)]
    pub delay: Duration,
    /// Messages to this number fail; may be given more than once
    #[arg(long, value_name = "NUMBER")]
    pub fail: Vec<String>,
    /// End after so many messages
    #[arg(long, value_name = "N")]
    pub messages: Option<u64>,
    /// File that keeps the registration for the next start
    #[arg(long, value_name = "FILE")]
    pub state: Option<PathBuf>,
}

fn duration(text: &str) -> Result<Duration, &'static str> {
    gateward_document::parse_duration(text).ok_or("a number and ms, s, m or h, such as 250ms")
}

/// Prints what is wrong with the arguments, or the help that was asked for.
pub(crate) fn complain(told: &clap::Error) -> ExitCode {
    // A closed standard output is no reason to fail while helping.
    let _ = told.print();
    let is_explain = std::env::args_os().nth(1).is_some_and(|first| first == "explain");
    let exit = if !told.use_stderr() {
        Exit::Success
    } else if is_explain {
        Exit::Failed
    } else {
        Exit::Usage
    };
    exit.into()
}
