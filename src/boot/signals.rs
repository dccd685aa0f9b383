//! What does the operator want of a running process?

use std::io;

use tokio::signal::unix::{self, SignalKind};

/// A signal that processes here act on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Signal {
    /// SIGTERM: stop.
    Terminate,
    /// SIGINT: stop (Ctrl-C).
    Interrupt,
    /// SIGHUP: read the configuration again.
    Hangup,
}

impl Signal {
    /// Whether this one asks to stop.
    #[must_use]
    pub fn stops(self) -> bool {
        matches!(self, Self::Terminate | Self::Interrupt)
    }
}

/// The signals that arrive from now on. While this lives, none of them ends the process by itself.
#[derive(Debug)]
pub struct Signals {
    terminate: unix::Signal,
    interrupt: unix::Signal,
    hangup: unix::Signal,
}

impl Signals {
    /// Starts listening. Must be called inside a tokio runtime.
    ///
    /// # Errors
    ///
    /// When the system refuses a signal handler.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: unix::signal(SignalKind::terminate())?,
            interrupt: unix::signal(SignalKind::interrupt())?,
            hangup: unix::signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the next signal. May be dropped and called again without losing one.
    pub async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.terminate.recv() => Signal::Terminate,
            _ = self.interrupt.recv() => Signal::Interrupt,
            _ = self.hangup.recv() => Signal::Hangup,
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[tokio::test]
    async fn a_signal_sent_to_the_process_is_seen() {
        let mut signals = Signals::listen().unwrap();
        let own = std::process::id().to_string();
        for (name, signal) in [
            ("-HUP", Signal::Hangup),
            ("-TERM", Signal::Terminate),
            ("-INT", Signal::Interrupt),
        ] {
            let sent = std::process::Command::new("kill").args([name, &own]).status().unwrap();
            assert!(sent.success());
            assert_eq!(signals.next().await, signal);
        }
    }

    #[test]
    fn terminate_and_interrupt_stop_and_hangup_does_not() {
        assert!(Signal::Terminate.stops() && Signal::Interrupt.stops() && !Signal::Hangup.stops());
    }
}
