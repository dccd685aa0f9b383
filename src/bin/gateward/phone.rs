//! `gateward phone`: arguments to options.

use gateward_boot::clock::Clock;
use gateward_boot::exit::Exit;
use gateward_phone::{Introduction, Options};

use crate::arguments::Phone;
use crate::report;

/// Runs a phone until it has handled its messages or is interrupted.
pub(crate) fn run(phone: Phone) -> Exit {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return report([error], Exit::Software),
    };
    let clock = Clock::system();
    let mut out = std::io::stdout();
    let live = gateward_phone::run(options(phone), &mut out, || clock.now().into());
    match runtime.block_on(live) {
        Ok(()) => Exit::Success,
        Err(error) => report([error], Exit::Unavailable),
    }
}

fn options(phone: Phone) -> Options {
    let introduction = match (phone.private_token, phone.login, phone.password, phone.code) {
        (Some(token), ..) => Introduction::PrivateToken(token),
        (_, Some(login), Some(password), _) => Introduction::Login { login, password },
        (.., Some(code)) => Introduction::Code(code),
        _ => Introduction::Nobody,
    };
    Options {
        url: phone.url,
        introduction,
        push_token: phone.push_token,
        name: phone.name,
        delay: phone.delay,
        fail: phone.fail,
        messages: phone.messages,
        state: phone.state,
    }
}
