//! `gateward up`: sidecar and core in one process, for an operator who has nothing yet.

use std::net::SocketAddr;
use std::path::Path;

use gateward_auth::Secret;
use gateward_boot::clock::Clock;
use gateward_boot::environment::Environment;
use gateward_boot::exit::Exit;
use gateward_boot::{logs, secrets};
use gateward_core::config::{self as core, Mode, PushNeed};
use gateward_sidecar::check;
use gateward_sidecar::config::{Config, Provided, Source, UpstreamUrl};
use gateward_sidecar::server::{self, Orders};
use tokio::sync::oneshot;

use crate::report;
use crate::sidecar::{ended, obey, open, prepare};
use crate::welcome::Welcome;

/// Starts both and serves until a signal asks to stop. What is not configured is made in the data folder.
pub(crate) fn up(config: Option<&Path>) -> Exit {
    let plan = match open(config).map_err(wrong).and_then(|source| Plan::make(&source)) {
        Ok(plan) => plan,
        Err((problems, exit)) => return report(problems, exit),
    };
    let (runtime, logs) = match prepare(plan.sidecar.threads, &plan.sidecar.log) {
        Ok(prepared) => prepared,
        Err(why) => return report([why], Exit::Software),
    };
    logs::warn_of(&plan.warnings);
    let dropped = logs.dropped();
    runtime.block_on(plan.run(move || dropped.count()))
}

/// Everything that is decided before a port is opened.
struct Plan {
    sidecar: Config,
    core: core::Config,
    /// Whether the sidecar is told where its gateway is, and so must not be sent to the core of this process.
    has_upstream: bool,
    warnings: Vec<String>,
}

impl Plan {
    fn make(source: &Source) -> Result<Self, (Vec<String>, Exit)> {
        let variables = core::Source::of_variables(Environment::of_process());
        examine(source, &variables)?;
        let data_dir = source.data_dir();
        // The real address is known when the core listens; until then any will do.
        let nowhere = UpstreamUrl::listening_on(SocketAddr::from(([127, 0, 0, 1], 0)));
        let mut for_sidecar = Provided::kept_in(&data_dir, nowhere).map_err(kept)?;
        let private_token = secrets::read_or_create(&data_dir.join("secrets").join("private_token")).map_err(kept)?;
        let for_core = core::Provided {
            jwt_secret: for_sidecar.mint_secret.clone(),
            mode: Some(Mode::Private),
            private_token: Some(Secret::new(private_token.into_bytes())),
            database: Some(data_dir.join("core.db")),
            push: PushNeed::Optional,
        };
        let mut core = core::Config::load(&variables, &for_core).map_err(wrong)?;
        // One secret for both sides, whichever side was told.
        for_sidecar.mint_secret = Some(core.config.jwt.secret.clone());
        let sidecar = Config::load(source, &for_sidecar).map_err(wrong)?;
        if let Some(mint) = &sidecar.config.upstream.mint
            && !variables.gives("jwt.secret")
            && !variables.gives("jwt.secret_file")
        {
            core.config.jwt.secret = mint.secret.clone();
        }
        Ok(Self {
            sidecar: sidecar.config,
            core: core.config,
            has_upstream: source.names_upstream(),
            warnings: lines([sidecar.warnings, core.warnings].concat()),
        })
    }

    async fn run(self, lost_lines: impl Fn() -> u64 + Send + Sync + 'static) -> Exit {
        let Self {
            mut sidecar,
            core,
            has_upstream,
            ..
        } = self;
        let welcome = Welcome::of(&core);
        let bound = match gateward_core::Server::bind(core, Clock::system()).await {
            Ok(bound) => bound,
            Err(error) => return report([error], Exit::Unavailable),
        };
        if !has_upstream {
            sidecar.upstream.urls = vec![UpstreamUrl::listening_on(bound.address())];
        }
        // The core goes last: requests in flight still need it.
        let (stop_core, core_stopped) = oneshot::channel::<()>();
        let core = tokio::spawn(bound.serve(async {
            // Both mean that the sidecar is gone.
            let _ = core_stopped.await;
        }));
        let (commander, orders) = server::orders();
        tokio::spawn(obey(commander));
        let exit = ended(serve(sidecar, orders, welcome, lost_lines).await);
        let _ = stop_core.send(());
        match core.await {
            Ok(Ok(())) => exit,
            Ok(Err(error)) => report([error], Exit::Unavailable),
            Err(error) => report([error], Exit::Software),
        }
    }
}

/// Every problem of both sides, before anything is written.
fn examine(source: &Source, variables: &core::Source) -> Result<(), (Vec<String>, Exit)> {
    let stand_ins = Provided::stand_ins();
    let for_core = core::Provided {
        jwt_secret: stand_ins.mint_secret.clone(),
        mode: Some(Mode::Private),
        private_token: stand_ins.tokens_secret.clone(),
        database: Some(source.data_dir().join("core.db")),
        push: PushNeed::Optional,
    };
    let core = core::Config::load(variables, &for_core).err();
    let sidecar = check::examine(source, &stand_ins).err();
    let exit = match (&core, &sidecar) {
        (None, None) => return Ok(()),
        (None, Some(wrong)) => wrong.exit,
        (Some(_), _) => Exit::Config,
    };
    let of_sidecar = sidecar.map(|wrong| wrong.problems).unwrap_or_default();
    Err((lines(of_sidecar.into_iter().chain(core.unwrap_or_default())), exit))
}

async fn serve(
    config: Config,
    orders: Orders,
    welcome: Welcome,
    lost_lines: impl Fn() -> u64 + Send + Sync + 'static,
) -> Result<(), server::StartError> {
    let is_tls = config.tls.is_some();
    let ready = |bound| welcome.print(bound, is_tls);
    server::run(config, Clock::system(), orders, lost_lines, ready).await
}

fn lines(problems: impl IntoIterator<Item = impl std::fmt::Display>) -> Vec<String> {
    problems.into_iter().map(|problem| problem.to_string()).collect()
}

fn wrong(problems: Vec<gateward_document::Diagnostic>) -> (Vec<String>, Exit) {
    (lines(problems), Exit::Config)
}

fn kept(error: secrets::SecretError) -> (Vec<String>, Exit) {
    (vec![error.to_string()], Exit::Unavailable)
}
