//! How a worker's process ended, as whoever started it tells.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

/// The signals that end a process, by their numbers on Linux.
const SIGNALS: [(u8, &str); 19] = [
    (1, "HUP"),
    (2, "INT"),
    (3, "QUIT"),
    (4, "ILL"),
    (5, "TRAP"),
    (6, "ABRT"),
    (7, "BUS"),
    (8, "FPE"),
    (9, "KILL"),
    (10, "USR1"),
    (11, "SEGV"),
    (12, "USR2"),
    (13, "PIPE"),
    (14, "ALRM"),
    (15, "TERM"),
    (24, "XCPU"),
    (25, "XFSZ"),
    (29, "IO"),
    (31, "SYS"),
];
/// A shell adds this to the number of the signal.
const BY_SIGNAL: u8 = 128;
const LAST_SIGNAL: u8 = 64;

/// How a process ended. Written as `SIGSEGV` or `exit 101`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProcessEnd {
    /// By the signal of this number.
    Signal(u8),
    /// By itself, with this status.
    Exit(u8),
}

impl ProcessEnd {
    /// As a shell tells in `$?`: 137 is signal 9.
    pub fn of_status(status: u8) -> Self {
        match status.checked_sub(BY_SIGNAL) {
            Some(signal @ 1..=LAST_SIGNAL) => Self::Signal(signal),
            _ => Self::Exit(status),
        }
    }

    /// By a signal: `SIGKILL`, `kill` or `9`.
    ///
    /// # Errors
    /// `Invalid` where no signal is called so.
    pub fn by_signal(name: &str) -> Result<Self> {
        let bare = name.trim().to_ascii_uppercase();
        let bare = bare.strip_prefix("SIG").unwrap_or(&bare);
        let number = match bare.parse() {
            Ok(number) => Some(number).filter(|number| (1..=LAST_SIGNAL).contains(number)),
            Err(_) => SIGNALS.iter().find(|(_, known)| *known == bare).map(|(number, _)| *number),
        };
        let wrong = || Error::invalid(format!("no signal is called {name:?}: give one like SIGKILL, or its number"));
        number.map(Self::Signal).ok_or_else(wrong)
    }

    /// Whether it ended as it was to.
    pub fn is_success(self) -> bool {
        self == Self::Exit(0)
    }

    /// What became of a job's worker, in words, where its `end` was told and where it was not.
    pub(crate) fn of_worker(end: Option<Self>) -> String {
        match end {
            Some(signal @ Self::Signal(_)) => format!("its worker was killed by {signal}"),
            Some(Self::Exit(status)) => format!("its worker ended with exit status {status}"),
            None => "its worker died or fell silent".to_owned(),
        }
    }
}

impl fmt::Display for ProcessEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exit(status) => write!(f, "exit {status}"),
            Self::Signal(number) => match SIGNALS.iter().find(|(known, _)| known == number) {
                Some((_, name)) => write!(f, "SIG{name}"),
                None => write!(f, "SIG{number}"),
            },
        }
    }
}

impl FromStr for ProcessEnd {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.strip_prefix("exit ") {
            Some(status) => {
                status.parse().map(Self::Exit).map_err(|_| Error::invalid(format!("{text:?} is no exit status")))
            }
            None => Self::by_signal(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_as_shells_and_supervisors_write_it() {
        assert_eq!(ProcessEnd::of_status(137), ProcessEnd::Signal(9));
        assert_eq!([0, 101, 128, 193, 255].map(ProcessEnd::of_status), [0, 101, 128, 193, 255].map(ProcessEnd::Exit));
        for name in ["SIGKILL", "KILL", "kill", "9"] {
            assert_eq!(ProcessEnd::by_signal(name).unwrap().to_string(), "SIGKILL", "{name}");
        }
        assert_eq!(ProcessEnd::by_signal("SIG34").unwrap().to_string(), "SIG34");
        for wrong in ["", "0", "65", "SIG", "SIGNOT", "-9"] {
            assert!(ProcessEnd::by_signal(wrong).unwrap_err().to_string().contains("like SIGKILL"), "{wrong}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        for end in (0..=255).map(ProcessEnd::of_status) {
            assert_eq!(end.to_string().parse::<ProcessEnd>().unwrap(), end);
        }
        assert!("exit 256".parse::<ProcessEnd>().is_err() && "exit".parse::<ProcessEnd>().is_err());
    }
}
