//! Are configuration, policy, the policy's own tests and the users file fit for use? Every problem, not the first.
//!
//! Opens no port and no store.

use std::fmt::Write as _;

use gateward_boot::exit::Exit;
use gateward_document::Diagnostic;
use gateward_policy::Policy;

use crate::config::{Config, Provided, Source, UserSource};
use crate::explain::Report;
use crate::forward::Forward;
use crate::reload;
use crate::server;
use crate::users::{self, Users};

/// Checks. Exit codes: good, bad configuration, bad policy (DESIGN §3: 0, 78, 65).
///
/// A source that names no upstream is one for `up`, which makes its secrets itself.
pub fn check(source: &Source) -> Report {
    let provided = if source.names_upstream() {
        Provided::default()
    } else {
        Provided::stand_ins()
    };
    let (config, mut warnings) = match Config::load(source, &provided) {
        Ok(loaded) => (loaded.config, loaded.warnings),
        Err(problems) => return Report::broken(&problems, Exit::Config),
    };
    let mut wrong = start_problems(&config);
    let policy = match reload::load_policy(&config.policy) {
        Ok(compiled) => {
            warnings.extend(compiled.warnings);
            Ok(compiled.policy)
        }
        Err(problems) => Err(problems),
    };
    if let Ok(policy) = &policy {
        wrong.extend(problems_with(&config, policy));
    }
    let mut report = match policy {
        Ok(policy) if wrong.is_empty() => Report {
            text: in_words(&policy),
            problems: Vec::new(),
            exit: Exit::Success,
        },
        Ok(_) => Report::broken(&wrong, Exit::Config),
        Err(bad) => {
            let exit = if wrong.is_empty() { Exit::Data } else { Exit::Config };
            wrong.extend(bad);
            Report::broken(&wrong, exit)
        }
    };
    let warnings = warnings.iter().map(Diagnostic::to_string);
    report.problems.splice(0..0, warnings);
    report
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
fn problems_with(config: &Config, policy: &Policy) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    if let Ok(forward) = Forward::new(&config.upstream) {
        problems.extend(
            reload::check_credentials(policy, &forward, "policy")
                .err()
                .unwrap_or_default(),
        );
    }
    if let UserSource::File(path) = &config.users.source {
        let read = users::read(path).map_err(|problem| vec![problem]);
        let parsed = read.and_then(|text| Users::parse(&path.display().to_string(), &text, policy));
        problems.extend(parsed.err().unwrap_or_default());
    }
    problems
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
