//! All that is wrong with a configuration, told at once.

use std::fmt;

use crate::error::{Error, ErrorKind};

/// Every problem of a configuration, one sentence each: which variable, its value (never a secret's), what was expected.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConfigProblems(Vec<String>);

impl ConfigProblems {
    pub(super) fn push(&mut self, problem: impl Into<String>) {
        self.0.push(problem.into());
    }

    /// The problems, in the order in which they were found.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// One problem per line.
impl fmt::Display for ConfigProblems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl std::error::Error for ConfigProblems {}

impl From<ConfigProblems> for Error {
    fn from(problems: ConfigProblems) -> Self {
        Self::new(ErrorKind::Config, problems.to_string())
    }
}
