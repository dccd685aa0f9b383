//! Has the policy, the users file or the accounts file changed, and is the new one fit to take over?
//!
//! Files are looked at a few times a second (editors that rename and Kubernetes' symbolic links are only seen by
//! looking), and at once on SIGHUP. A candidate is read, compiled and tested before it is swapped in; one that
//! fails changes nothing and shows in the status, in a metric and in the log. A file that is gone changes
//! nothing either: there is no way to end up without a policy.

mod watched;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use gateward_auth::UnixSeconds;
use gateward_boot::clock::Clock;
use gateward_boot::config::File;
use gateward_document::Diagnostic;
use gateward_policy::{Compiled, Policy, SMSGATE};
use tokio::sync::Notify;
use tokio::time::{MissedTickBehavior, interval};

use self::watched::Watched;
use crate::authenticate::Authenticator;
use crate::config::{Files, PolicySource, UserSource};
use crate::endpoints::audit;
use crate::forward::Forward;
use crate::observe::{Edition, Observer};

/// How often files are looked at. A change counts when it is still the same at the next look, so that a file
/// that is just being written is not read half.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Reads and compiles a policy: the one way in, for `run`, `check`, `explain` and reloads.
pub(crate) fn load_policy(source: &PolicySource) -> Result<Compiled, Vec<Diagnostic>> {
    match source {
        PolicySource::Compiled => gateward_policy::compile("smsgate (compiled in)", SMSGATE),
        PolicySource::File(path) => {
            let file = File::read(path).map_err(|problem| vec![problem])?;
            gateward_policy::compile(&file.name, &file.text)
        }
    }
}

/// Whether the gateway's credentials that a policy asks for are configured.
pub(crate) fn check_credentials(policy: &Policy, forward: &Forward, source: &str) -> Result<(), Vec<Diagnostic>> {
    match forward.identity().missing_for(policy.routes()) {
        None => Ok(()),
        Some(kind) => {
            let message = format!("a route asks for the gateway credential {kind}, which is not configured");
            Err(vec![Diagnostic::error(source, "routes", message)])
        }
    }
}

/// How the last attempt to take over a file ended.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    /// When.
    pub at: SystemTime,
    /// What was wrong; empty when it was taken over.
    pub problems: Vec<String>,
}

/// Takes over changed files.
pub(crate) struct Reloader {
    files: Files,
    editions: Arc<ArcSwap<Edition>>,
    forward: Arc<Forward>,
    authenticator: Arc<Authenticator>,
    observer: Arc<Observer>,
    clock: Clock,
    outcomes: Mutex<Outcomes>,
}

/// The last outcome for each file.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outcomes {
    /// The policy.
    pub policy: Option<Outcome>,
    /// The users file.
    pub users: Option<Outcome>,
    /// The accounts file.
    pub accounts: Option<Outcome>,
}

/// The files of a configuration, as they were when they were first looked at.
///
/// To be made before they are read for the first time, so that no change goes unnoticed in between.
pub(crate) struct WatchedFiles {
    policy: Watched,
    users: Watched,
    accounts: Watched,
}

/// Which files are to be taken over.
#[derive(Clone, Copy)]
struct Changed {
    policy: bool,
    users: bool,
    accounts: bool,
}

impl WatchedFiles {
    /// Looks at them.
    pub(crate) fn look(files: &Files) -> Self {
        let policy = match &files.policy {
            PolicySource::Compiled => None,
            PolicySource::File(path) => Some(path.clone()),
        };
        let users = match &files.users {
            UserSource::Gateway => None,
            UserSource::File(path) => Some(path.clone()),
        };
        let accounts = files.accounts.as_ref().map(|file| file.path.clone());
        Self {
            policy: Watched::new(policy),
            users: Watched::new(users),
            accounts: Watched::new(accounts),
        }
    }
}

impl Reloader {
    /// A reloader for what is in force now.
    pub(crate) fn new(
        files: Files,
        editions: Arc<ArcSwap<Edition>>,
        forward: Arc<Forward>,
        authenticator: Arc<Authenticator>,
        observer: Arc<Observer>,
        clock: Clock,
    ) -> Self {
        Self {
            files,
            editions,
            forward,
            authenticator,
            observer,
            clock,
            outcomes: Mutex::default(),
        }
    }

    /// What became of the last attempts.
    pub(crate) fn outcomes(&self) -> Outcomes {
        self.outcomes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Looks at the files for ever. `asked`: somebody wants it now.
    pub(crate) async fn keep_watching(self: Arc<Self>, files: WatchedFiles, asked: Arc<Notify>) {
        let WatchedFiles {
            mut policy,
            mut users,
            mut accounts,
        } = files;
        let mut ticks = interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let asked = tokio::select! {
                () = asked.notified() => true,
                _ = ticks.tick() => false,
            };
            self.reload(Changed {
                policy: policy.has_changed() | asked,
                users: users.has_changed() | asked,
                accounts: accounts.has_changed() | asked,
            });
        }
    }

    /// Takes over what has changed. Policy and accounts are judged by each other, users by the policy: one that did not fit
    /// what was in force is tried again when that is another.
    fn reload(&self, changed: Changed) {
        let refused = |of: fn(&Outcomes) -> &Option<Outcome>| {
            let outcomes = self.outcomes();
            of(&outcomes).as_ref().is_some_and(|last| !last.problems.is_empty())
        };
        let mut other_policy = changed.policy && self.reload_policy();
        let again = other_policy && refused(|outcomes| &outcomes.accounts);
        let other_accounts = (changed.accounts || again) && self.reload_accounts();
        if other_accounts && refused(|outcomes| &outcomes.policy) {
            other_policy |= self.reload_policy();
        }
        if changed.users || (other_policy && refused(|outcomes| &outcomes.users)) {
            self.reload_users();
        }
    }

    /// Takes the policy over if it is fit, and says whether it was.
    ///
    /// INVARIANT(good policy): whatever the candidate is, a policy that compiled stays in force; held by
    /// `tests::a_bad_candidate_changes_nothing`.
    fn reload_policy(&self) -> bool {
        let PolicySource::File(path) = &self.files.policy else {
            return false;
        };
        let name = path.display().to_string();
        let old = self.editions.load_full();
        let candidate = load_policy(&self.files.policy).and_then(|Compiled { policy, .. }| {
            check_credentials(&policy, &self.forward, &name)?;
            let accounts = old.accounts.under(policy.user_names());
            Ok((policy, accounts.map_err(|problem| vec![problem])?))
        });
        let outcome = candidate.map(|(policy, accounts)| {
            let (from, to) = (old.policy.hash(), policy.hash());
            tracing::info!(target: audit::TARGET, event = "reload", file = "policy", from, to);
            let edition = self.observer.edition(Arc::new(policy), accounts);
            self.editions.store(Arc::new(edition));
        });
        self.conclude("policy", outcome, |outcomes| &mut outcomes.policy)
    }

    /// Takes the users file over if it is fit.
    fn reload_users(&self) {
        let UserSource::File(path) = &self.files.users else {
            return;
        };
        let edition = self.editions.load_full();
        let now = UnixSeconds(self.clock.unix_seconds());
        let outcome = crate::users::read(path)
            .map_err(|problem| vec![problem])
            .and_then(|file| {
                self.authenticator
                    .reload_users(&edition.policy, &file.name, &file.text, now)
            });
        if outcome.is_ok() {
            tracing::info!(target: audit::TARGET, event = "reload", file = "users");
        }
        self.conclude("users", outcome, |outcomes| &mut outcomes.users);
    }

    /// Takes the accounts file over if it is fit, and says whether it was. Requests that are under way keep the account they
    /// began with.
    ///
    /// INVARIANT(good accounts): whatever the candidate is, accounts that were good stay in force; held by
    /// `tests::a_bad_accounts_file_leaves_the_old_one_in_force`.
    fn reload_accounts(&self) -> bool {
        let Some(file) = &self.files.accounts else { return false };
        let old = self.editions.load_full();
        let candidate = old.accounts.reread(file, old.policy.user_names());
        let outcome = candidate.map(|accounts| {
            tracing::info!(target: audit::TARGET, event = "reload", file = "accounts");
            let edition = self.observer.edition(Arc::clone(&old.policy), accounts);
            self.editions.store(Arc::new(edition));
        });
        self.conclude("accounts", outcome, |outcomes| &mut outcomes.accounts)
    }

    fn conclude(
        &self,
        file: &'static str,
        outcome: Result<(), Vec<Diagnostic>>,
        slot: impl FnOnce(&mut Outcomes) -> &mut Option<Outcome>,
    ) -> bool {
        let taken = outcome.is_ok();
        self.observer.reloaded(file, taken);
        let problems: Vec<String> = match outcome {
            Ok(()) => Vec::new(),
            Err(problems) => problems.iter().map(Diagnostic::to_string).collect(),
        };
        for problem in &problems {
            tracing::error!(
                file,
                problem,
                "the changed file is not taken over, the old one stays in force"
            );
        }
        let outcome = Outcome {
            at: self.clock.now(),
            problems,
        };
        *slot(&mut self.outcomes.lock().unwrap_or_else(PoisonError::into_inner)) = Some(outcome);
        taken
    }
}

#[cfg(test)]
mod tests;
