//! `gateward`: the sidecar and every tool of its operator. Reads arguments and hands over; decides nothing.

mod arguments;
mod phone;
mod sidecar;
mod up;
mod welcome;

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use gateward_boot::dumps;
use gateward_boot::exit::Exit;

use arguments::{Arguments, Command};

/// 8 % less CPU time per request than the system's allocator, at some memory (benches/README.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    dumps::forbid();
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(told) => return arguments::complain(&told),
    };
    let exit = match arguments.command.unwrap_or_default() {
        Command::Up { config } => up::up(config.as_deref()),
        Command::Run { config } => sidecar::run(&config),
        Command::Check { config } => sidecar::check(&config),
        Command::Explain(question) => sidecar::explain(&question),
        Command::Phone(options) => phone::run(options),
    };
    exit.into()
}

/// Says why a command could not do its work, one line each, on standard error.
fn report(problems: impl IntoIterator<Item = impl std::fmt::Display>, exit: Exit) -> Exit {
    for problem in problems {
        // A reader who has seen enough is no reason to end in a panic.
        let _ = writeln!(std::io::stderr(), "{problem}");
    }
    exit
}
