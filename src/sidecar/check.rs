//! Are configuration, policy, the policy's own tests, the users file and the accounts file fit for use? Every problem,
//! not the first.
//!
//! Opens no port and no store.

use std::fmt::Write as _;

use gateward_boot::exit::Exit;
use gateward_document::Diagnostic;
use gateward_policy::{Compiled, Policy, UserNames};

use crate::config::{AccountsFile, Config, Files, Loaded, Provided, Source, UpstreamBasic, UserSource};
use crate::explain::Report;
use crate::forward::Forward;
use crate::forward::accounts::Accounts;
use crate::reload;
use crate::server;
use crate::users;

/// Checks. Exit codes: good, bad configuration, bad policy (DESIGN §3: 0, 78, 65).
///
/// A source that names no upstream is one for `up`, which makes its secrets itself.
pub fn check(source: &Source) -> Report {
    let provided = if source.names_upstream() {
        Provided::default()
    } else {
        Provided::stand_ins()
    };
    match examine(source, &provided) {
        Ok(fit) => {
            let warnings = fit.loaded.warnings.iter().chain(&fit.policy.warnings);
            Report {
                text: in_words(&fit.policy.policy),
                problems: warnings.map(Diagnostic::to_string).collect(),
                exit: Exit::Success,
            }
        }
        Err(wrong) => Report::broken(&wrong.problems, wrong.exit),
    }
}

/// What is fit for use.
#[derive(Debug)]
pub struct Fit {
    /// The configuration, and what is worth a line.
    pub loaded: Loaded,
    /// The policy it names, and what is worth a line.
    policy: Compiled,
}

/// What is not.
#[derive(Debug)]
pub struct Wrong {
    /// Every problem, warnings among them.
    pub problems: Vec<Diagnostic>,
    /// Bad configuration, or only a bad policy.
    pub exit: Exit,
}

/// Reads everything that a start reads. Neither does a bad configuration keep the files it names from being looked at, nor
/// a bad policy those about users, but for what only a policy says: which scopes there are, and when two names are one
/// user's.
///
/// # Errors
///
/// Every problem there is.
pub fn examine(source: &Source, provided: &Provided) -> Result<Fit, Wrong> {
    let loaded = Config::load(source, provided);
    let files = match &loaded {
        Ok(loaded) => Files::from(&loaded.config),
        Err(_) => Config::files(source, provided),
    };
    let policy = if files.policy.is_there() {
        reload::load_policy(&files.policy).map(Some)
    } else {
        // The configuration's problems say so.
        Ok(None)
    };
    let mut wrong = loaded.as_ref().err().cloned().unwrap_or_default();
    if let Ok(loaded) = &loaded {
        wrong.extend(start_problems(&loaded.config));
    }
    if let (Ok(loaded), Ok(Some(compiled))) = (&loaded, &policy) {
        wrong.extend(missing_credentials(&loaded.config, &compiled.policy));
    }
    let compiled = policy.as_ref().ok().and_then(Option::as_ref);
    let for_users = compiled.map(|compiled| &compiled.policy);
    wrong.extend(users_problems(&files.users, for_users));
    wrong.extend(accounts_problems(files.accounts, for_users));
    match (loaded, policy) {
        (Ok(loaded), Ok(Some(policy))) if wrong.is_empty() => Ok(Fit { loaded, policy }),
        (loaded, policy) => {
            let warnings = |loaded: Loaded| loaded.warnings;
            let mut problems = loaded.map(warnings).unwrap_or_default();
            let bad = policy.err().unwrap_or_default();
            let exit = if wrong.is_empty() { Exit::Data } else { Exit::Config };
            for problem in wrong.into_iter().chain(bad) {
                if !problems.contains(&problem) {
                    problems.push(problem);
                }
            }
            Err(Wrong { problems, exit })
        }
    }
}

/// What only shows when a value is used.
fn start_problems(config: &Config) -> Vec<Diagnostic> {
    let forward = Forward::new(&config.upstream).err();
    let forward = forward.map(|error| Diagnostic::error("configuration", "upstream", error.to_string()));
    let tls = config.tls.as_ref().and_then(|tls| server::tls_acceptor(tls).err());
    let tls = tls.map(|error| Diagnostic::error("configuration", "tls", error.to_string()));
    forward.into_iter().chain(tls).collect()
}

/// What a good configuration and a good policy may still want of each other.
fn missing_credentials(config: &Config, policy: &Policy) -> Vec<Diagnostic> {
    let checked = Forward::new(&config.upstream).map(|forward| reload::check_credentials(policy, &forward, "policy"));
    checked.ok().and_then(Result::err).unwrap_or_default()
}

fn users_problems(users: &UserSource, policy: Option<&Policy>) -> Vec<Diagnostic> {
    let UserSource::File(path) = users else {
        return Vec::new();
    };
    if !path.is_file() {
        // The configuration's problems say so.
        return Vec::new();
    }
    match users::read(path) {
        Ok(file) => users::problems(&file.name, &file.text, policy),
        Err(problem) => vec![problem],
    }
}

fn accounts_problems(accounts: Option<AccountsFile>, policy: Option<&Policy>) -> Vec<Diagnostic> {
    // Of one that is not there the configuration's problems speak.
    let Some(file) = accounts.filter(|file| file.path.is_file()) else {
        return Vec::new();
    };
    let basic = UpstreamBasic {
        account: None,
        accounts: Some(file),
    };
    let names = policy.map_or(UserNames::AsWritten, Policy::user_names);
    Accounts::load(Some(&basic), names).err().unwrap_or_default()
}

fn in_words(policy: &Policy) -> String {
    let mut text = "configuration: good\n".to_owned();
    let scopes = policy.catalogue().iter().count();
    let _ = writeln!(
        text,
        "policy: good ({} {}, {} routes, {scopes} scopes)",
        policy.name(),
        policy.hash(),
        policy.routes().len()
    );
    text
}

#[cfg(test)]
mod tests;
