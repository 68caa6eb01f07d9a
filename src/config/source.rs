//! Values by name of variable: the environment before the profile file, and what is wrong with them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::endpoint;
use super::problems::ConfigProblems;
use super::redis::Secret;
use super::variable::VARIABLES;

/// A secret file beyond this is not one.
const SECRET_FILE_MAX: usize = 64 * 1024;

/// A value of the profile file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ProfileValue {
    pub text: String,
    /// How a problem names it.
    pub origin: String,
}

/// Where values come from. Problems are gathered, not returned, so that all are told at once.
pub(super) struct Source<'a> {
    lookup: &'a dyn Fn(&str) -> Option<String>,
    profile: BTreeMap<&'static str, ProfileValue>,
    problems: ConfigProblems,
}

impl<'a> Source<'a> {
    pub(super) fn new(
        lookup: &'a dyn Fn(&str) -> Option<String>,
        profile: BTreeMap<&'static str, ProfileValue>,
        problems: ConfigProblems,
    ) -> Self {
        Self { lookup, profile, problems }
    }

    /// The configuration, if nothing was wrong.
    pub(super) fn finish<T>(self, config: T) -> Result<T, ConfigProblems> {
        if self.problems.is_empty() { Ok(config) } else { Err(self.problems) }
    }

    /// A value and where it comes from; an empty one counts as not set.
    pub(super) fn find(&self, name: &str) -> Option<ProfileValue> {
        let set = (self.lookup)(name).filter(|text| !text.is_empty());
        set.map(|text| ProfileValue { text, origin: name.to_owned() }).or_else(|| self.profile.get(name).cloned())
    }

    /// A value as it is; an empty one counts as not set.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.find(name).map(|value| value.text)
    }

    /// A variable of any name, which the profile file names; an empty one counts as not set.
    pub(super) fn named(&self, name: &str) -> Option<String> {
        (self.lookup)(name).filter(|text| !text.is_empty())
    }

    /// A secret of the file at `path`, which `origin` names.
    pub(super) fn secret_file(&mut self, origin: &str, path: &str) -> Option<Secret> {
        match read_secret(Path::new(path)) {
            Ok(text) => Some(Secret::new(text)),
            Err(problem) => {
                self.problem(format!("{origin}={path:?}: {problem}"));
                None
            }
        }
    }

    /// A value that `parse` understands; where it does not, a problem says what was expected.
    pub(super) fn parse<T>(&mut self, name: &str, expected: &str, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
        let value = self.find(name)?;
        let parsed = parse(&value.text);
        if parsed.is_none() {
            self.problem(wrong(&value.origin, &value.text, expected));
        }
        parsed
    }

    /// A secret, from its own variable or the file that another one names.
    pub(super) fn secret(&mut self, name: &str, file: Option<&str>) -> Option<Secret> {
        if let Some(value) = self.find(name) {
            return Some(Secret::new(value.text));
        }
        let value = self.find(file?)?;
        self.secret_file(&value.origin, &value.text)
    }

    /// Notes that the value of `name` is not what was expected.
    pub(super) fn wrong(&mut self, name: &str, text: &str, expected: &str) {
        let origin = self.find(name).map_or_else(|| name.to_owned(), |value| value.origin);
        self.problem(wrong(&origin, text, expected));
    }

    /// Notes a problem.
    pub(super) fn problem(&mut self, problem: impl Into<String>) {
        self.problems.push(problem);
    }

    /// Where files are kept: the configured directory, else the user's; empty where the user has no home.
    pub(super) fn data_dir(&mut self) -> PathBuf {
        // A relative one would be another server in every directory.
        let absolute = |text: &str| Some(PathBuf::from(text)).filter(|dir| dir.is_absolute());
        let set = self.parse("IREVA_QUEUE_DATA_DIR", "an absolute path", absolute);
        let shared = || user_dir(self.lookup, "XDG_DATA_HOME", ".local/share").map(|dir| dir.join("ireva-queue"));
        set.or_else(shared).unwrap_or_default()
    }
}

/// A directory of the user: the variable where it is absolute (as its standard demands), else below the home directory.
pub(super) fn user_dir(lookup: &dyn Fn(&str) -> Option<String>, variable: &str, below_home: &str) -> Option<PathBuf> {
    let dir = |name: &str| lookup(name).map(PathBuf::from).filter(|dir| dir.is_absolute());
    dir(variable).or_else(|| dir("HOME").map(|home| home.join(below_home)))
}

/// `origin="value": expected …`, the value shown unless it is secret, and never at length.
fn wrong(origin: &str, text: &str, expected: &str) -> String {
    let secret = VARIABLES.iter().any(|variable| variable.name == origin && variable.secret);
    if secret {
        return format!("{origin}: expected {expected}");
    }
    let text = &endpoint::without_login(text);
    let shown: String = text.chars().take(80).collect();
    let more = if shown.len() < text.len() { "…" } else { "" };
    format!("{origin}={shown:?}{more}: expected {expected}")
}

fn read_secret(path: &Path) -> Result<String, String> {
    let text = std::fs::read_to_string(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => "no such file".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        std::io::ErrorKind::InvalidData => "is not text".to_owned(),
        _ => "cannot be read".to_owned(),
    })?;
    // Editors end a file with a newline, which is no part of a password.
    let secret = text.strip_suffix('\n').unwrap_or(&text);
    let secret = secret.strip_suffix('\r').unwrap_or(secret);
    match secret.len() {
        0 => Err("the file is empty".to_owned()),
        length if length > SECRET_FILE_MAX => Err("the file is too long for a secret".to_owned()),
        _ => Ok(secret.to_owned()),
    }
}
