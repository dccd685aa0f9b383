//! `gateward run`, `check` and `explain`: arguments to the sidecar's own functions.

use std::io::Write as _;
use std::path::Path;

use gateward_auth::UnixSeconds;
use gateward_boot::clock::Clock;
use gateward_boot::environment::Environment;
use gateward_boot::exit::Exit;
use gateward_boot::logs::{self, Logs};
use gateward_boot::signals::Signals;
use gateward_sidecar::check;
use gateward_sidecar::config::{Log, Provided, Source};
use gateward_sidecar::endpoints::audit;
use gateward_sidecar::explain::{self, Asker, Report};
use gateward_sidecar::server::{self, Commander, StartError};
use tokio::runtime::Runtime;

use crate::arguments::{Caller, Question};
use crate::report;

/// The sidecar alone, until a signal asks it to stop.
pub(crate) fn run(config: &Path) -> Exit {
    let source = match open(Some(config)) {
        Ok(source) => source,
        Err(problems) => return report(problems, Exit::Config),
    };
    let loaded = match check::examine(&source, &Provided::default()) {
        Ok(fit) => fit.loaded,
        Err(wrong) => return report(wrong.problems, wrong.exit),
    };
    let config = loaded.config;
    let (runtime, logs) = match prepare(config.threads, &config.log) {
        Ok(prepared) => prepared,
        Err(why) => return report([why], Exit::Software),
    };
    logs::warn_of(&loaded.warnings);
    let ran = runtime.block_on(async {
        let (commander, orders) = server::orders();
        tokio::spawn(obey(commander));
        let dropped = logs.dropped();
        server::run(config, Clock::system(), orders, move || dropped.count(), |_| ()).await
    });
    ended(ran)
}

/// The exit code of a sidecar that stopped, or did not start.
pub(crate) fn ended(ran: Result<(), StartError>) -> Exit {
    match ran {
        Ok(()) => Exit::Success,
        Err(error) => report(error.lines(), error.exit()),
    }
}

/// Reads the configuration's sources.
pub(crate) fn open(config: Option<&Path>) -> Result<Source, Vec<gateward_document::Diagnostic>> {
    Source::open(config, Environment::of_process()).map_err(|problem| vec![problem])
}

/// A runtime with so many workers, and logs.
pub(crate) fn prepare(threads: Option<usize>, log: &Log) -> Result<(Runtime, Logs), String> {
    let logs = logs::start(log.level, "gateward", &[audit::TARGET]).map_err(|error| error.to_string())?;
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if let Some(threads) = threads {
        builder.worker_threads(threads);
    }
    let runtime = builder.enable_all().build().map_err(|error| error.to_string())?;
    Ok((runtime, logs))
}

/// Signals to orders, until one asks to stop.
pub(crate) async fn obey(commander: Commander) {
    let mut signals = match Signals::listen() {
        Ok(signals) => signals,
        Err(error) => {
            tracing::error!(%error, "signals cannot be heard");
            return commander.stop();
        }
    };
    while !signals.next().await.stops() {
        commander.reload();
    }
    commander.stop();
}

/// `gateward check`
pub(crate) fn check(config: &Path) -> Exit {
    match open(Some(config)) {
        Ok(source) => show(&check::check(&source)),
        Err(problems) => report(problems, Exit::Config),
    }
}

/// `gateward explain`
pub(crate) fn explain(question: &Question) -> Exit {
    let source = match open(question.config.as_deref()) {
        Ok(source) => source,
        Err(problems) => return report(problems, Exit::Failed),
    };
    let asked = explain::Question {
        method: question.method.clone(),
        path: question.path.clone(),
        asker: asker(&question.caller),
    };
    let now = UnixSeconds(Clock::system().unix_seconds());
    show(&explain::explain(&source, &asked, question.json, now))
}

fn asker(caller: &Caller) -> Asker {
    match (&caller.scopes, &caller.token, caller.basic) {
        (Some(scopes), ..) => Asker::Scopes(scopes.clone()),
        (_, Some(token), _) => Asker::Token(token.clone()),
        (.., true) => Asker::Basic,
        (.., false) => Asker::Nobody,
    }
}

fn show(told: &Report) -> Exit {
    // A reader who has seen enough is no error.
    let _ = std::io::stdout().write_all(told.text.as_bytes());
    report(&told.problems, told.exit)
}
