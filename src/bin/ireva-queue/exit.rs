//! The exit codes, and which error ends in which.

use std::fmt;
use std::process::ExitCode;

use ireva_queue::{Error, ErrorKind};

/// How a command ends, as scripts see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// Done; also when the reader closed the pipe.
    Done = 0,
    /// Failed.
    Failed = 1,
    /// Wrong usage, or an invalid value of a flag or argument.
    Usage = 2,
    /// Partly done; the rest is listed on stderr.
    Partly = 3,
    /// Not found.
    NotFound = 4,
    /// Needs `--yes`, or the state does not allow it.
    Refused = 5,
    /// `--wait`: the job ended among the dead letters or was cancelled.
    EndedBadly = 10,
    /// Redis, or another service, cannot be reached.
    Unreachable = 69,
    /// Outcome unknown, or not now.
    NotNow = 75,
    /// Access refused.
    Denied = 77,
    /// The environment or the profile file is invalid, or a queue has no processor.
    Config = 78,
    /// `--wait`: time is up.
    TimeUp = 124,
    /// Interrupted; what was done stays done, and is told.
    Interrupted = 130,
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        Self::from(code as u8)
    }
}

impl From<ErrorKind> for Code {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Config => Self::Config,
            ErrorKind::Invalid => Self::Usage,
            ErrorKind::NotFound => Self::NotFound,
            ErrorKind::Refused => Self::Refused,
            ErrorKind::Unreachable => Self::Unreachable,
            ErrorKind::OutcomeUnknown | ErrorKind::NotNow | ErrorKind::Full | ErrorKind::Moved => Self::NotNow,
            ErrorKind::AccessDenied => Self::Denied,
            ErrorKind::Timeout => Self::TimeUp,
            _ => Self::Failed,
        }
    }
}

/// An error that the command line itself has to tell, with its code.
#[derive(Debug)]
pub struct Stop {
    code: Code,
    message: String,
}

impl Stop {
    /// Ends with `code` and says `message`.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// Wrong usage: `message` names the flag or argument.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Code::Usage, message)
    }

    /// Ended by a signal.
    pub fn interrupted() -> Self {
        Self::new(Code::Interrupted, "interrupted")
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Stop {}

/// The code that an error ends in: that of the first cause that has one.
pub fn code_of(error: &anyhow::Error) -> Code {
    let known = |cause: &(dyn std::error::Error + 'static)| {
        let stop = cause.downcast_ref::<Stop>().map(|stop| stop.code);
        let own = || cause.downcast_ref::<Error>().map(|error| error.kind().into());
        let io = || cause.downcast_ref::<std::io::Error>().filter(|io| is_closed_pipe(io)).map(|_| Code::Done);
        stop.or_else(own).or_else(io)
    };
    error.chain().find_map(known).unwrap_or(Code::Failed)
}

/// Whether nobody reads our output any more, which is no error.
pub fn is_closed_pipe(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::BrokenPipe
}

/// The code of an act on several things, of which `done` went well and these did not.
pub fn code_of_some(done: usize, errors: &[anyhow::Error]) -> Code {
    if errors.is_empty() {
        return Code::Done;
    }
    if done > 0 {
        return Code::Partly;
    }
    let codes = errors.iter().map(code_of);
    codes.fold(Code::NotFound, |worst, code| if worst == Code::NotFound { code } else { worst })
}

/// How a command ends that had to leave something out, since what has it is away: whatever it says of the rest, that is said
/// too, and decides the code where the rest went well or was not found.
pub fn without(unreached: Vec<anyhow::Error>, ended: (Vec<anyhow::Error>, Code)) -> (Vec<anyhow::Error>, Code) {
    let (mut errors, code) = ended;
    if unreached.is_empty() {
        return (errors, code);
    }
    if !matches!(code, Code::Done | Code::NotFound | Code::Partly | Code::Unreachable) {
        errors.extend(unreached);
        return (errors, code);
    }
    // One of the same cause says less.
    errors.retain(|error| code_of(error) != Code::Unreachable);
    errors.extend(unreached);
    (errors, Code::Unreachable)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(kind: ErrorKind) -> anyhow::Error {
        Error::new(kind, "x").into()
    }

    #[test]
    fn each_kind_of_error_has_its_code() {
        let table = [
            (ErrorKind::Config, 78),
            (ErrorKind::Invalid, 2),
            (ErrorKind::NotFound, 4),
            (ErrorKind::Refused, 5),
            (ErrorKind::Unreachable, 69),
            (ErrorKind::OutcomeUnknown, 75),
            (ErrorKind::NotNow, 75),
            (ErrorKind::Full, 75),
            (ErrorKind::Moved, 75),
            (ErrorKind::AccessDenied, 77),
            (ErrorKind::Timeout, 124),
            (ErrorKind::LeaseLost, 1),
            (ErrorKind::Corrupt, 1),
            (ErrorKind::Internal, 1),
        ];
        for (kind, code) in table {
            assert_eq!(code_of(&error(kind).context("somewhere")) as u8, code, "{kind:?}");
        }
        assert_eq!(code_of(&anyhow::anyhow!("what")), Code::Failed);
        assert_eq!(code_of(&std::io::Error::from(std::io::ErrorKind::BrokenPipe).into()), Code::Done);
    }

    #[test]
    fn what_was_left_out_is_told_beside_the_rest() {
        let away = || vec![error(ErrorKind::Unreachable)];
        let code = |ended| {
            let (errors, code) = without(away(), ended);
            (errors.len(), code)
        };
        assert_eq!(code((Vec::new(), Code::Done)), (1, Code::Unreachable));
        assert_eq!(code((vec![error(ErrorKind::NotFound)], Code::NotFound)), (2, Code::Unreachable));
        assert_eq!(code((away(), Code::Unreachable)), (1, Code::Unreachable));
        assert_eq!(code((vec![error(ErrorKind::Refused)], Code::Refused)), (2, Code::Refused));
        assert_eq!(without(Vec::new(), (Vec::new(), Code::Done)).1, Code::Done);
    }

    #[test]
    fn partly_done_differs_from_nothing_done() {
        let gone = || error(ErrorKind::NotFound);
        assert_eq!(code_of_some(2, &[]), Code::Done);
        assert_eq!(code_of_some(1, &[gone()]), Code::Partly);
        assert_eq!(code_of_some(0, &[gone(), gone()]), Code::NotFound);
        assert_eq!(code_of_some(0, &[gone(), error(ErrorKind::Refused)]), Code::Refused);
    }
}
