//! The one error type of the library: what kind of trouble, said in one sentence.

use std::fmt;

use serde::Serialize;

/// `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of trouble it is; the shells turn each kind into one exit code or HTTP status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The environment or the profile file is invalid, or the server does not fit the configuration.
    Config,
    /// A value handed to a call is invalid: a name, a payload, an option.
    Invalid,
    /// No such queue, job or dead letter.
    NotFound,
    /// The job's state, or a protection, does not allow it.
    Refused,
    /// Redis, or another service, cannot be reached.
    Unreachable,
    /// The request was sent and no answer came: it may or may not have happened; or it happened, and in a durable queue no
    /// replica has confirmed it, so that a failover may undo it. Safe to repeat.
    OutcomeUnknown,
    /// The server refuses writes for now (memory, disk, replicas, loading): repeat later.
    NotNow,
    /// The queue holds as many jobs as its `maxLength` allows: repeat later.
    Full,
    /// The number of the queue's partitions changes just now, and nothing was written: repeat later.
    Moved,
    /// Wrong password, or a right is missing.
    AccessDenied,
    /// Time is up.
    Timeout,
    /// The claim on the job is no longer this worker's.
    LeaseLost,
    /// What is stored cannot be read.
    Corrupt,
    /// A defect of this crate.
    Internal,
}

/// What went wrong, with the thing it is about named in the message.
///
/// The message is lower case without a final period and holds no secret. [`Error::kind`] is stable; the words are not.
pub struct Error {
    kind: ErrorKind,
    message: String,
    fields: Vec<FieldProblem>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// What is wrong with one field of a payload, an option or a setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
pub struct FieldProblem {
    /// The field, as it is written: `to`, `attachments[0].filename`, `delay`.
    pub field: String,
    /// What is wrong with it; reads on from the field's name.
    pub message: String,
}

impl FieldProblem {
    /// `message` about `field`.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into() }
    }
}

impl fmt::Display for FieldProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.field, self.message)
    }
}

impl Error {
    /// An error of `kind` that says `message`.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), fields: Vec::new(), source: None }
    }

    /// These fields are invalid; the message tells of each.
    pub fn invalid_fields(fields: Vec<FieldProblem>) -> Self {
        let told: Vec<_> = fields.iter().map(FieldProblem::to_string).collect();
        Self::invalid(told.join("; ")).with_fields(fields)
    }

    /// The same error, said to be about these fields.
    pub fn with_fields(mut self, fields: Vec<FieldProblem>) -> Self {
        self.fields = fields;
        self
    }

    /// The same error, said to be about one field.
    pub fn about(self, field: &str) -> Self {
        let problem = FieldProblem::new(field, &self.message);
        self.with_fields(vec![problem])
    }

    /// The same error with the error that caused it.
    pub fn with_source(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.source = Some(Box::new(source));
        self
    }

    /// The same kind, with `context` put before the message: `context: message`.
    pub fn context(mut self, context: impl fmt::Display) -> Self {
        self.message = format!("{context}: {}", self.message);
        self
    }

    /// What kind of trouble it is.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The fields that it is about, where it is about any.
    pub fn fields(&self) -> &[FieldProblem] {
        &self.fields
    }

    /// Whether the same call may succeed later, unchanged.
    pub fn is_transient(&self) -> bool {
        use ErrorKind::{Full, Moved, NotNow, OutcomeUnknown, Timeout, Unreachable};
        matches!(self.kind, Unreachable | OutcomeUnknown | NotNow | Full | Moved | Timeout)
    }

    /// A value of a call is invalid.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, message)
    }

    /// Something named does not exist.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotFound, message)
    }

    /// The state does not allow it.
    pub fn refused(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Refused, message)
    }

    /// Something stored cannot be read.
    pub fn corrupt(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Corrupt, message)
    }

    /// A defect of this crate.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, message)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.kind, self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| source.as_ref() as _)
    }
}
