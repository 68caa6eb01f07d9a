//! Where mails go: an SMTP server, through connections that are kept a while, or a directory of files.

mod pool;
mod url;

use std::fmt;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::builtin::email::config;
use crate::builtin::email::message::Outgoing;
use crate::error::Result;
use crate::job::JobId;
use crate::processor::ProcessError;
use crate::retry::ErrorClass;
use pool::Pool;
use url::{MailUrl, SmtpUrl};

/// The way out. Shown as `host:port` or the directory, never with a password.
#[derive(Debug)]
pub(super) enum Transport {
    Smtp(Box<Pool>),
    Files(PathBuf),
}

impl Transport {
    /// Reads the URL and the authority file; makes the directory, for its owner alone.
    pub fn new(url: &str, ca: Option<&Path>) -> Result<Self> {
        match MailUrl::parse(url).map_err(|problem| config(format!("mail URL is not valid: {problem}")))? {
            MailUrl::Smtp(url) => Pool::new(url, ca).map(|pool| Self::Smtp(Box::new(pool))),
            MailUrl::Files(directory) => {
                let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&directory);
                made.map_err(|error| config(format!("mail directory {directory:?} cannot be made: {error}")))?;
                Ok(Self::Files(directory))
            }
        }
    }

    /// The service that every mail needs.
    pub fn dependency(&self) -> Option<String> {
        match self {
            Self::Smtp(pool) => Some(format!("smtp://{pool}")),
            Self::Files(_) => None,
        }
    }

    /// Hands the mail over and returns what was said to it. Dropped, the mail may have been taken or not.
    pub async fn send(&self, mail: &Outgoing, job: &JobId) -> Result<String, ProcessError> {
        match self {
            Self::Smtp(pool) => pool.send(mail).await.map_err(|refusal| {
                let (class, code) = refusal.verdict;
                let failed =
                    ProcessError::new(class, code, format!("{self} did not take the mail: {}", refusal.told()));
                // A reply about this one mail says that the server is there.
                let answered = class == ErrorClass::Permanent || code == "smtp_4xx";
                let server = format!("smtp://{pool}");
                if answered { failed.answered_by(server) } else { failed.blame(server) }
            }),
            Self::Files(directory) => {
                let (directory, name, bytes) = (directory.clone(), format!("{job}.eml"), mail.bytes.clone());
                // A file half written would stay if the future were dropped between two steps.
                let written = tokio::task::spawn_blocking(move || write_whole(&directory, &name, &bytes)).await;
                written
                    .map_err(io::Error::other)
                    .flatten()
                    .map(|path| format!("written to {}", path.display()))
                    .map_err(|error| {
                        ProcessError::transient("file_failed", format!("mail cannot be written to {self}: {error}"))
                    })
            }
        }
    }

    /// Tries the way without a mail.
    pub async fn probe(&self) -> Result<String, ProcessError> {
        match self {
            Self::Smtp(pool) => match pool.probe().await {
                Ok(()) => Ok(format!("{self} answers")),
                Err(refusal) => {
                    let (class, code) = refusal.verdict;
                    Err(ProcessError::new(class, code, format!("{self}: {}", refusal.told())))
                }
            },
            Self::Files(directory) => {
                let directory = directory.clone();
                let tried = tokio::task::spawn_blocking(move || try_writing(&directory)).await;
                tried.map_err(io::Error::other).flatten().map(|()| format!("{self} can be written to")).map_err(
                    |error| {
                        ProcessError::transient("file_failed", format!("mails cannot be written to {self}: {error}"))
                    },
                )
            }
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Smtp(pool) => pool.fmt(f),
            Self::Files(directory) => write!(f, "{}", directory.display()),
        }
    }
}

/// Writes a file under another name and renames it, so that a reader sees all of it or nothing.
fn write_whole(directory: &Path, name: &str, bytes: &[u8]) -> io::Result<PathBuf> {
    let (path, under_way) = (directory.join(name), directory.join(format!(".{name}.{}", JobId::generate())));
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&under_way)?;
    let written = file.write_all(bytes).and_then(|()| std::fs::rename(&under_way, &path));
    if written.is_err() {
        let _ = std::fs::remove_file(&under_way);
    }
    written.map(|()| path)
}

/// Writes a file and removes it.
fn try_writing(directory: &Path) -> io::Result<()> {
    let path = directory.join(format!(".probe.{}", JobId::generate()));
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    let written = file.write_all(b"probe");
    std::fs::remove_file(&path).and(written)
}

impl SmtpUrl {
    fn server(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_mail_file_is_private_whole_and_overwritten_by_its_repeat() {
        let directory = tempfile::tempdir().unwrap();
        for text in ["first", "second"] {
            let path = write_whole(directory.path(), "a:b@c.eml", text.as_bytes()).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
        assert!(write_whole(&directory.path().join("gone"), "a.eml", b"x").is_err());
        try_writing(directory.path()).unwrap();
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1, "a probe leaves nothing");
    }
}
