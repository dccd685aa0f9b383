//! What is told of a panic? Where it was, in a line like any other. Not what it says: that often shows the value that was
//! not what it should be, which may be a secret.

use std::panic::PanicHookInfo;
use std::thread;

/// From now on panics are told this way, and no other.
pub(super) fn tell() {
    std::panic::set_hook(Box::new(tell_one));
}

pub(super) fn tell_one(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let thread = thread::current();
    tracing::error!(place, thread = thread.name().unwrap_or_default(), "panic");
}
