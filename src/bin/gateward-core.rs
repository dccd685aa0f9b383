//! `gateward-core`: the backend alone. Reads arguments and hands over; decides nothing.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use gateward_boot::clock::Clock;
use gateward_boot::environment::Environment;
use gateward_boot::exit::Exit;
use gateward_boot::logs;
use gateward_boot::signals::Signals;
use gateward_core::config::{Config, Provided, Source};
use gateward_core::{RunError, run};

/// 8 % less CPU time per request than the system's allocator, at some memory (benches/README.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A small SMS gateway: messages, devices, events.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve until told to stop
    Run {
        /// Configuration, in the reference server's own keys; `config.yml` if it is there
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(told) => {
            // A closed standard output is no reason to fail while helping.
            let _ = told.print();
            let exit = if told.use_stderr() { Exit::Usage } else { Exit::Success };
            return exit.into();
        }
    };
    let Command::Run { config } = arguments.command;
    serve(config.as_deref()).into()
}

fn serve(named: Option<&Path>) -> Exit {
    let source = match Source::find(named, Environment::of_process(), Path::new("")) {
        Ok(source) => source,
        Err(problem) => return report([problem], Exit::Config),
    };
    let loaded = match Config::load(&source, &Provided::default()) {
        Ok(loaded) => loaded,
        Err(problems) => return report(problems, Exit::Config),
    };
    report(&loaded.warnings, Exit::Success);
    let _logs = match logs::start(loaded.config.log_level, "gateward") {
        Ok(logs) => logs,
        Err(error) => return report([error], Exit::Software),
    };
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return report([error], Exit::Software),
    };
    let ran: Result<(), RunError> = runtime.block_on(async {
        let listening = |address| tracing::info!(%address, "listening");
        run(loaded.config, Clock::system(), stop_signal(), listening).await
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
        eprintln!("{problem}");
    }
    exit
}
