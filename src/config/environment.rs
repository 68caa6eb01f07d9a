//! The only reader of the environment.

use std::io;
use std::path::PathBuf;

use super::file::ProfileFile;
use super::problems::ConfigProblems;
use super::source::user_dir;
use super::variable::VARIABLES;
use super::{Config, Configured};

impl Config {
    /// The configuration that the environment and the profile file describe: the file that `IREVA_QUEUE_CONFIG` names,
    /// else `ireva-queue/config.toml` in the user's configuration directory, if it is there.
    ///
    /// # Errors
    /// Every problem at once.
    pub fn from_env() -> Result<Self, ConfigProblems> {
        Self::from_env_with(|_| None)
    }

    /// The same, with values that go before the environment: those of flags, by name of variable.
    ///
    /// # Errors
    /// Every problem at once.
    pub fn from_env_with(first: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigProblems> {
        let lookup = |name: &str| first(name).or_else(|| variable(name));
        let mut problems = ConfigProblems::default();
        for known in VARIABLES {
            if std::env::var_os(known.name).is_some_and(|value| value.to_str().is_none()) {
                problems.push(format!("{}: is not valid UTF-8", known.name));
            }
        }
        let profile = read_profile(&lookup).unwrap_or_else(|problem| {
            problems.push(problem);
            None
        });
        match Self::from_lookup(lookup, profile.as_ref()) {
            Ok(config) if problems.is_empty() => Ok(config),
            Ok(_) => Err(problems),
            Err(more) => {
                more.iter().for_each(|problem| problems.push(problem));
                Err(problems)
            }
        }
    }

    /// Every variable with the value that holds and where that comes from, secrets hidden.
    ///
    /// # Errors
    /// The profile file cannot be read.
    pub fn origins_from_env() -> Result<Vec<Configured>, ConfigProblems> {
        let read = read_profile(&variable).map_err(|problem| {
            let mut problems = ConfigProblems::default();
            problems.push(problem);
            problems
        });
        Ok(Self::origins(variable, read?.as_ref()))
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var_os(name)?.into_string().ok()
}

fn read_profile(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Option<ProfileFile>, String> {
    let named = lookup("IREVA_QUEUE_CONFIG").filter(|path| !path.is_empty()).map(PathBuf::from);
    let usual = || user_dir(lookup, "XDG_CONFIG_HOME", ".config").map(|dir| dir.join("ireva-queue/config.toml"));
    let required = named.is_some();
    let Some(path) = named.or_else(usual) else { return Ok(None) };
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(Some(ProfileFile { path, text })),
        Err(error) if error.kind() == io::ErrorKind::NotFound && !required => Ok(None),
        Err(error) => {
            let reason = match error.kind() {
                io::ErrorKind::NotFound => "no such file",
                io::ErrorKind::PermissionDenied => "permission denied",
                io::ErrorKind::InvalidData => "is not UTF-8 text",
                _ => "cannot be read",
            };
            let origin = if required { "IREVA_QUEUE_CONFIG=" } else { "" };
            Err(format!("{origin}{}: {reason}", path.display()))
        }
    }
}
