//! `gateward-core`: the backend alone. Reads arguments and hands over; decides nothing.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use gateward_boot::clock::Clock;
use gateward_boot::dumps;
use gateward_boot::environment::Environment;
use gateward_boot::exit::Exit;
use gateward_boot::logs;
use gateward_boot::signals::Signals;
use gateward_core::config::{Config, Provided, PushNeed, Source};
use gateward_core::{RunError, is_alive, migrate, run, work};

/// 8 % less CPU time per request than the system's allocator, at some memory (benches/README.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A small SMS gateway: messages, devices, events.
///
/// Without a command it serves. The reference server's names of the commands work, too.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// Configuration, in the reference server's own keys; `config.yml` if it is there
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Subcommand)]
enum Command {
    /// Serve until told to stop
    #[command(aliases = ["start", "http:run"])]
    Run,
    /// Run the background tasks until told to stop: where the database is not SQLite, whose server runs them itself
    Worker,
    /// Ask a running server whether it is alive
    Health,
    /// Bring the database up to date and stop
    #[command(name = "db:migrate", alias = "db:auto-migrate")]
    Migrate,
}

fn main() -> ExitCode {
    dumps::forbid();
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(told) => {
            // A closed standard output is no reason to fail while helping.
            let _ = told.print();
            let exit = if told.use_stderr() { Exit::Usage } else { Exit::Success };
            return exit.into();
        }
    };
    let command = arguments.command.unwrap_or(Command::Run);
    perform(command, arguments.config.as_deref()).into()
}

/// Memory in pages of 4 KiB. With huge ones every thread that needs a little takes 2 MiB, a connection to SQLite is a
/// thread, and after a load this process has nearly twice as much (`benches/README.md`); they make it no faster, other
/// than the sidecar.
fn take_memory_in_small_pages() {
    // A kernel that refuses goes on as before.
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::disable_transparent_huge_pages(true);
}

fn perform(command: Command, named: Option<&Path>) -> Exit {
    let source = match Source::find(named, Environment::of_process(), Path::new("")) {
        Ok(source) => source,
        Err(problem) => return report([problem], Exit::Config),
    };
    let provided = Provided {
        push: match command {
            Command::Run => PushNeed::Required,
            Command::Worker | Command::Health | Command::Migrate => PushNeed::Unused,
        },
        ..Provided::default()
    };
    let loaded = match Config::load(&source, &provided) {
        Ok(loaded) => loaded,
        Err(problems) => return report(problems, Exit::Config),
    };
    if let Command::Health = command {
        report(&loaded.warnings, Exit::Success);
        return match is_alive(loaded.config.http.listen) {
            Ok(()) => Exit::Success,
            Err(error) => report([error], Exit::Unavailable),
        };
    }
    let _logs = match logs::start(loaded.config.log_level, "gateward", &[]) {
        Ok(logs) => logs,
        Err(error) => return report([error], Exit::Software),
    };
    logs::warn_of(&loaded.warnings);
    take_memory_in_small_pages();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return report([error], Exit::Software),
    };
    let (config, clock) = (loaded.config, Clock::system());
    let listening = |address| tracing::info!(%address, "listening");
    let ran: Result<(), RunError> = runtime.block_on(async {
        match command {
            Command::Worker => work(config, clock, stop_signal(), listening).await,
            Command::Migrate => Ok(migrate(&config).await?),
            Command::Run | Command::Health => run(config, clock, stop_signal(), listening).await,
        }
    });
    match ran {
        Ok(()) => Exit::Success,
        Err(error) => report([error], Exit::Unavailable),
    }
}

/// Ends when a signal asks to stop.
async fn stop_signal() {
    match Signals::listen() {
        Ok(mut signals) => while !signals.next().await.stops() {},
        Err(error) => tracing::error!(%error, "signals cannot be heard"),
    }
}

fn report(problems: impl IntoIterator<Item = impl std::fmt::Display>, exit: Exit) -> Exit {
    for problem in problems {
        // A reader who has seen enough is no reason to end in a panic.
        let _ = writeln!(std::io::stderr(), "{problem}");
    }
    exit
}
