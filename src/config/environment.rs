//! The only reader of the environment.

use std::io;
use std::path::{Path, PathBuf};

use super::Config;
use super::file::ProfileFile;
use super::origin::{ConfigValue, values};
use super::problems::ConfigProblems;
use super::source::user_dir;
use super::variable::VARIABLES;

/// What names a profile.
const PROFILE: &str = "IREVA_QUEUE_PROFILE";
const CONFIG: &str = "IREVA_QUEUE_CONFIG";

/// A profile: a file of the user's configuration directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Its name.
    pub name: String,
    /// Its file.
    pub path: PathBuf,
}

/// A configuration as far as it can be told, with where each value comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct Explained {
    /// The profile file that is read, or would be if it were there; `None` where the user has no home.
    pub file: Option<PathBuf>,
    /// Every value, in the order of [`VARIABLES`], then the settings of queues.
    pub values: Vec<ConfigValue>,
    /// All that is wrong with it.
    pub problems: ConfigProblems,
}

impl Config {
    /// The configuration that the environment and the profile file describe: the file of the profile that
    /// `IREVA_QUEUE_PROFILE` names, or the file that `IREVA_QUEUE_CONFIG` names, else `ireva-queue/config.toml` in the
    /// user's configuration directory, if it is there.
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
        let mut problems = unreadable_variables();
        let profile = read_profile(&lookup, &first).unwrap_or_else(|problem| {
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

    /// What [`Config::from_env_with`] reads, with where each value comes from; secrets are hidden.
    pub fn explain_env_with(first: impl Fn(&str) -> Option<String>) -> Explained {
        let lookup = |name: &str| first(name).or_else(|| variable(name));
        let problems = Self::from_env_with(&first).err().unwrap_or_default();
        let profile = read_profile(&lookup, &first).ok().flatten();
        let file = profile_path(&lookup, &first).ok().flatten().map(|(path, _)| path);
        Explained { file, values: values(&first, &variable, profile.as_ref()), problems }
    }

    /// The profiles that there are, by name.
    pub fn profiles() -> Vec<Profile> {
        let Some(directory) = profiles_directory(&variable) else { return Vec::new() };
        let names = |entry: io::Result<std::fs::DirEntry>| {
            let path = entry.ok()?.path();
            let name = path.file_name()?.to_str()?.strip_suffix(".toml").filter(|name| is_profile_name(name))?;
            Some(Profile { name: name.to_owned(), path: path.clone() })
        };
        let mut profiles: Vec<_> = std::fs::read_dir(directory).into_iter().flatten().filter_map(names).collect();
        profiles.sort_by(|one, other| one.name.cmp(&other.name));
        profiles
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var_os(name)?.into_string().ok()
}

fn unreadable_variables() -> ConfigProblems {
    let mut problems = ConfigProblems::default();
    for known in VARIABLES {
        if std::env::var_os(known.name).is_some_and(|value| value.to_str().is_none()) {
            problems.push(format!("{}: is not valid UTF-8", known.name));
        }
    }
    problems
}

type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Where profiles of their own names stand.
fn profiles_directory(lookup: Lookup<'_>) -> Option<PathBuf> {
    user_dir(lookup, "XDG_CONFIG_HOME", ".config").map(|dir| dir.join("ireva-queue/profiles"))
}

/// A name that stays inside its directory.
fn is_profile_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    name.len() <= 64 && name.bytes().all(allowed) && name.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric)
}

/// The profile file, and whether it must be there.
fn profile_path(lookup: Lookup<'_>, first: Lookup<'_>) -> Result<Option<(PathBuf, bool)>, String> {
    let set = |name: &str| lookup(name).filter(|text| !text.is_empty());
    let (profile, file) = (set(PROFILE), set(CONFIG));
    // Whoever names a profile on the command line means it; two in the environment are a slip.
    let by_flag = first(PROFILE).is_some();
    match (profile, file) {
        (Some(_), Some(_)) if !by_flag => {
            Err(format!("{PROFILE} and {CONFIG} are both set, and each names the profile file: unset one of them"))
        }
        (Some(name), _) if !is_profile_name(&name) => {
            Err(format!("{PROFILE}={name:?}: expected letters, digits and _.-, beginning with a letter or digit"))
        }
        (Some(name), _) => match profiles_directory(lookup) {
            Some(directory) => Ok(Some((directory.join(format!("{name}.toml")), true))),
            None => Err(format!("{PROFILE}={name:?} needs a configuration directory: set HOME or XDG_CONFIG_HOME")),
        },
        (None, Some(file)) => Ok(Some((PathBuf::from(file), true))),
        (None, None) => {
            let usual = user_dir(lookup, "XDG_CONFIG_HOME", ".config").map(|dir| dir.join("ireva-queue/config.toml"));
            Ok(usual.map(|path| (path, false)))
        }
    }
}

fn read_profile(lookup: Lookup<'_>, first: Lookup<'_>) -> Result<Option<ProfileFile>, String> {
    let Some((path, required)) = profile_path(lookup, first)? else { return Ok(None) };
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
            let named = lookup(PROFILE).filter(|name| !name.is_empty());
            Err(match named {
                Some(name) => format!("profile {name}: {}: {reason}{}", path.display(), others(&path)),
                None if required => format!("{CONFIG}={}: {reason}", path.display()),
                None => format!("{}: {reason}", path.display()),
            })
        }
    }
}

/// The profiles that may have been meant.
fn others(path: &Path) -> String {
    let beside = path.parent().and_then(|directory| std::fs::read_dir(directory).ok()).into_iter().flatten();
    let name = |entry: io::Result<std::fs::DirEntry>| {
        let name = entry.ok()?.file_name().into_string().ok()?;
        name.strip_suffix(".toml").filter(|name| is_profile_name(name)).map(str::to_owned)
    };
    let mut names: Vec<_> = beside.filter_map(name).collect();
    names.sort();
    if names.is_empty() { String::new() } else { format!("; there are {}", names.join(", ")) }
}
