//! Why would a request be allowed or denied? Answers an operator with the code that judges live traffic.
//!
//! Opens no store and asks no gateway: a running process holds the one, and a question must not disturb the
//! other. So a token is judged by its signature and its claims; whether it was revoked is not said.

use gateward_auth::{Denial, Hs256Key, UnixSeconds, Verifier, credential};
use gateward_boot::exit::Exit;
use gateward_document::Diagnostic;
use gateward_policy::{Action, Caller, Explanation, Policy, Resolution, Verdict};

use crate::config::{Config, Provided, Source};
use crate::context::Terms;
use crate::forward::accounts::Accounts;
use crate::forward::identity::Identity;
use crate::reply::Refusal;
use crate::{gate, headers, reload};

/// What is asked.
#[derive(Debug, Clone)]
pub struct Question {
    /// The method.
    pub method: String,
    /// The path, with or without a query.
    pub path: String,
    /// Who asks.
    pub asker: Asker,
}

/// Who asks.
#[derive(Debug, Clone)]
pub enum Asker {
    /// Nobody: no credential.
    Nobody,
    /// Somebody with a good password.
    Basic,
    /// Somebody with a token that holds these scopes.
    Scopes(Vec<String>),
    /// The bearer of this very token.
    Token(String),
}

/// What a command prints, and how it ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// For standard output.
    pub text: String,
    /// For standard error, one problem per line.
    pub problems: Vec<String>,
    /// The exit code.
    pub exit: Exit,
}

impl Report {
    pub(crate) fn broken(problems: &[Diagnostic], exit: Exit) -> Self {
        Self {
            text: String::new(),
            problems: problems.iter().map(Diagnostic::to_string).collect(),
            exit,
        }
    }
}

/// Answers. Exit codes: allowed, denied, or the question could not be answered (DESIGN §3: 0, 1, 2).
///
/// Secrets that the source does not give are made up, so that a policy can be asked where no secret is at hand.
pub fn explain(source: &Source, question: &Question, as_json: bool, now: UnixSeconds) -> Report {
    let config = match Config::load(source, &Provided::stand_ins()) {
        Ok(loaded) => loaded.config,
        Err(problems) => return Report::broken(&problems, Exit::Failed),
    };
    let policy = match reload::load_policy(&config.policy) {
        Ok(compiled) => compiled.policy,
        Err(problems) => return Report::broken(&problems, Exit::Failed),
    };
    let identity = match Identity::new(&config.upstream) {
        Ok(identity) => identity,
        Err(error) => {
            let problem = Diagnostic::error("configuration", "upstream", error.to_string());
            return Report::broken(&[problem], Exit::Failed);
        }
    };
    let accounts = match Accounts::load(config.upstream.basic.as_ref(), policy.user_names()) {
        Ok(accounts) => accounts,
        Err(problems) => return Report::broken(&problems, Exit::Failed),
    };
    let told = ask(&policy, &config, (&identity, &accounts), question, now);
    let exit = match told.verdict {
        Verdict::Allow => Exit::Success,
        Verdict::Deny => Exit::Denied,
    };
    let text = if as_json {
        serde_json::to_string_pretty(&told).unwrap_or_default() + "\n"
    } else {
        in_words(&told)
    };
    Report {
        text,
        problems: Vec::new(),
        exit,
    }
}

fn ask(
    policy: &Policy,
    config: &Config,
    (identity, accounts): (&Identity, &Accounts),
    question: &Question,
    now: UnixSeconds,
) -> Explanation {
    let caller = match &question.asker {
        Asker::Nobody => Caller::Nobody,
        Asker::Basic => Caller::Basic,
        Asker::Scopes(scopes) => Caller::Jwt(scopes.clone()),
        Asker::Token(raw) => bearer(policy, config, raw, now),
    };
    let user = match &caller {
        Caller::Token(token) => Some(token.user().clone()),
        Caller::Nobody | Caller::Basic | Caller::Jwt(_) | Caller::Refresh(_) | Caller::Refused(_) => None,
    };
    let mut told = policy.explain(&question.method, &question.path, caller, None);
    let path = headers::path_of(question.path.as_bytes());
    if let Resolution::Route { route, .. } = policy.resolve(&question.method, path)
        && route.requirement.is_some()
    {
        let terms = Terms::from(route);
        if route.action == Action::Forward {
            told.credential = Some(identity.kind(&terms).label());
        }
        if told.verdict == Verdict::Allow && identity.account(accounts, &terms, user.as_ref()).is_err() {
            told.verdict = Verdict::Deny;
            told.status = Some(Refusal::NotServed.status());
            told.reason = Refusal::NotServed.label();
        }
    }
    if !gate::is_known_method(&question.method) {
        told.verdict = Verdict::Deny;
        told.status = Some(400);
        told.reason = "method_unknown";
    }
    told
}

/// As `authenticate::bearer` does it, without the denylist.
fn bearer(policy: &Policy, config: &Config, raw: &str, now: UnixSeconds) -> Caller {
    let header = format!("Bearer {raw}");
    if let Err(error) = credential::parse(Some(header.as_bytes())) {
        return Caller::Refused(Denial::BadCredential(error));
    }
    let Ok(key) = Hs256Key::new(&config.tokens.secret) else {
        return Caller::Nobody;
    };
    match Verifier::new(key, config.tokens.rules()).verify(raw, now) {
        Err(error) => Caller::Refused(Denial::TokenInvalid(error)),
        Ok(token) => Caller::Token(policy.user_names().in_token(token)),
    }
}

fn in_words(told: &Explanation) -> String {
    let verdict = match told.verdict {
        Verdict::Allow => "allow",
        Verdict::Deny => "deny",
    };
    let status = told.status.map(|status| format!(" {status}")).unwrap_or_default();
    let mut text = format!("{verdict}{status}: {}\n", told.reason);
    let mut line = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            text.push_str(&format!("  {name:<11}{value}\n"));
        }
    };
    line("request", Some(format!("{} {}", told.method, told.path)));
    line("policy", Some(format!("{} {}", told.policy, told.policy_hash)));
    line("route", told.route.clone().or_else(|| Some("none".to_owned())));
    line("action", told.action.map(str::to_owned));
    line("with", (!told.with.is_empty()).then(|| told.with.join(", ")));
    let exactly = if told.exact { " (exactly)" } else { "" };
    line("scope", told.scope.as_ref().map(|scope| format!("{scope}{exactly}")));
    line("on_outage", told.on_outage.clone());
    line("gateway", told.gateway_path.clone());
    line("credential", told.credential.map(str::to_owned));
    text
}

#[cfg(test)]
mod tests;
