//! How does a process say why it ended? With the codes of sysexits(3).

use std::process::ExitCode;

/// Why a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Exit {
    /// Everything went as asked.
    Success = 0,
    /// The answer is no.
    Denied = 1,
    /// The question could not be answered.
    Failed = 2,
    /// The arguments are wrong.
    Usage = 64,
    /// An input file is wrong.
    Data = 65,
    /// Something that is needed is not there: an address in use, a store that cannot be opened.
    Unavailable = 69,
    /// An error of our own.
    Software = 70,
    /// The configuration is wrong.
    Config = 78,
}

impl Exit {
    /// The number that the shell sees.
    #[must_use]
    pub fn code(self) -> u8 {
        self as u8
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
