//! Where the files of jobs come from and go to: a directory, or a bucket of an object store.
//!
//! A name leads to a file inside the storage and nowhere else: it is made of plain components, and no symbolic link on
//! the way is followed. A file appears under its name when it is whole; until then it is a draft that nobody finds.

#[cfg(feature = "s3")]
mod bucket;
mod directory;
mod draft;
mod name;
mod settings;
mod table;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

use crate::builtin::classify;
use crate::error::{Error, ErrorKind, Result};
use crate::processor::ProcessError;
#[cfg(feature = "s3")]
use bucket::Bucket;
use directory::Directory;
pub(super) use draft::Draft;
use name::FileName;
pub(super) use name::check_name;
pub use settings::{S3Settings, StorageSettings};
pub(super) use table::{StoredTable, TableFile, store_table};

/// A place for files. Cloning is cheap; nothing is connected to or opened before it is used.
#[derive(Debug, Clone)]
pub struct Storage {
    /// As users write it, without a slash at its end.
    place: String,
    /// Where rows and files wait that are not yet, or only for now, in their place.
    temporary_dir: PathBuf,
    root: Root,
}

#[derive(Debug, Clone)]
enum Root {
    Directory(Directory),
    #[cfg(feature = "s3")]
    Bucket(Bucket),
}

/// What a storage is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Files are read.
    Read,
    /// Files are written.
    Write,
}

/// A file that stands under its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Stored {
    /// Where it is, as users write it: `/srv/exports/investors.csv`, `s3://bucket/exports/investors.csv`.
    pub path: String,
    /// How long it is.
    pub size_bytes: u64,
    /// The SHA-256 of its bytes, in hexadecimal digits.
    pub sha256: String,
}

/// A file that was opened for reading.
#[derive(Debug)]
pub(super) struct Opened {
    /// Where it is, as users write it.
    pub path: String,
    /// Its bytes, from the first.
    pub file: File,
}

impl Storage {
    /// The storage at `root`: the absolute path of a directory, `file:///directory`, or `s3://bucket/prefix`.
    ///
    /// # Errors
    /// `Config`, when it is none of these, or needs a feature that this build is without.
    pub fn open(root: &str, settings: &StorageSettings) -> Result<Self> {
        let wrong = |why: &str| Error::new(ErrorKind::Config, format!("storage {root:?}: {why}"));
        if root.chars().any(char::is_control) {
            return Err(wrong("a control character is in it"));
        }
        if let Some(rest) = root.strip_prefix("s3://") {
            let opened = Self::open_bucket(rest.trim_end_matches('/'), settings);
            return opened.map_err(|error| wrong(&error.to_string()));
        }
        let path = root.strip_prefix("file://").unwrap_or(root);
        let place = path.trim_end_matches('/').to_owned();
        if !path.starts_with('/') {
            return Err(wrong("expected an absolute path, file:///directory or s3://bucket/prefix"));
        }
        if place.is_empty() {
            return Err(wrong("the whole file system is no place for files: name a directory"));
        }
        let temporary_dir = settings.temporary_dir.clone();
        Ok(Self { root: Root::Directory(Directory::new(Path::new(&place))), place, temporary_dir })
    }

    /// The directory at `path`, which is made where it is missing: for one that belongs to this tool.
    ///
    /// # Errors
    /// `Config`, when it cannot be made or is no absolute path.
    pub fn open_own(path: &Path, settings: &StorageSettings) -> Result<Self> {
        let said = path.display();
        let root = path.to_str().ok_or_else(|| Error::new(ErrorKind::Config, format!("{said}: is not valid UTF-8")))?;
        let storage = Self::open(root, settings)?;
        directory::make(path)
            .map_err(|error| Error::new(ErrorKind::Config, format!("cannot make directory {said}: {error}")))?;
        Ok(storage)
    }

    #[cfg(feature = "s3")]
    fn open_bucket(rest: &str, settings: &StorageSettings) -> Result<Self> {
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let root = Root::Bucket(Bucket::new(bucket, prefix, &settings.s3)?);
        Ok(Self { place: format!("s3://{rest}"), temporary_dir: settings.temporary_dir.clone(), root })
    }

    #[cfg(not(feature = "s3"))]
    fn open_bucket(_rest: &str, _settings: &StorageSettings) -> Result<Self> {
        Err(Error::new(ErrorKind::Config, "an object store needs a build with the feature s3"))
    }

    /// Where it is, as users write it.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Tries the storage: whether its directory can be read, and written to where that is what it is for; whether its
    /// bucket answers. What it found there.
    ///
    /// # Errors
    /// As a job would get it, or `timeout` after `limit`.
    pub async fn probe(&self, access: Access, limit: Duration) -> Result<String, ProcessError> {
        let tried = async {
            match (self.root.clone(), access) {
                (Root::Directory(_), Access::Write) => {
                    // Dropped before it is finished, it was never there.
                    self.create("probe").await.map(drop)?;
                    Ok(format!("{} can be written to", self.place))
                }
                (Root::Directory(directory), Access::Read) => {
                    let place = self.place.clone();
                    self.blocking(move || directory.look().map_err(|error| trouble(&place, &error))).await?;
                    Ok(format!("{} can be read", self.place))
                }
                #[cfg(feature = "s3")]
                (Root::Bucket(bucket), _) => {
                    let name = FileName::parse(&self.place, "probe")?;
                    bucket.look(&name, &self.place).await?;
                    Ok(format!("{} answers", self.place))
                }
            }
        };
        tokio::time::timeout(limit, tried).await.unwrap_or_else(|_| {
            let limit = crate::clock::span_text(limit);
            Err(ProcessError::transient("timeout", format!("{} did not answer within {limit}", self.place)))
        })
    }

    /// Begins the file `name`, which is not there until the draft is finished; one of that name is replaced then.
    ///
    /// `name` may also be a whole path inside the storage, as [`Stored::path`] is.
    ///
    /// # Errors
    /// Permanent where the name is refused (`file_name_invalid`, `file_refused`); the storage's trouble is transient.
    pub(super) async fn create(&self, name: &str) -> Result<Draft, ProcessError> {
        let name = FileName::parse(&self.place, name)?;
        let path = self.path_of(&name);
        match self.root.clone() {
            Root::Directory(directory) => {
                let begin = move || Draft::in_directory(&directory, &name, path);
                self.blocking(begin).await
            }
            #[cfg(feature = "s3")]
            Root::Bucket(bucket) => {
                let temporary_dir = self.temporary_dir.clone();
                let begin = move || Draft::for_bucket(bucket, &name, path, &temporary_dir);
                self.blocking(begin).await
            }
        }
    }

    /// Opens the file `name` for reading; from an object store it is fetched first, into a file without a name.
    ///
    /// # Errors
    /// As of [`create`](Self::create); `file_missing`, transient, where it is not there: what is away may come back, and
    /// what is not there yet may come.
    pub(super) async fn open_file(&self, name: &str) -> Result<Opened, ProcessError> {
        let name = FileName::parse(&self.place, name)?;
        let path = self.path_of(&name);
        let file = match self.root.clone() {
            Root::Directory(directory) => {
                let shown = path.clone();
                self.blocking(move || directory.open_file(&name).map_err(|error| trouble(&shown, &error))).await?
            }
            #[cfg(feature = "s3")]
            Root::Bucket(bucket) => bucket.fetch(&name, &path, &self.temporary_dir).await?,
        };
        Ok(Opened { path, file })
    }

    /// Where rows wait until their workbook is put together.
    fn temporary_dir(&self) -> Result<PathBuf, ProcessError> {
        let path = self.temporary_dir.clone();
        directory::make(&path).map_err(|error| trouble(&path.display().to_string(), &error))?;
        Ok(path)
    }

    fn path_of(&self, name: &FileName) -> String {
        format!("{}/{name}", self.place)
    }

    /// Runs what may wait for a disk or a network file system.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, ProcessError> + Send + 'static,
    ) -> Result<T, ProcessError> {
        let ended = tokio::task::spawn_blocking(work).await;
        ended.unwrap_or_else(|error| Err(ProcessError::transient("storage_failed", format!("{}: {error}", self.place))))
    }
}

/// What a file's trouble means to its job.
pub(super) fn trouble(path: &str, error: &std::io::Error) -> ProcessError {
    let (class, code) = classify::file(error);
    let said = match code {
        "file_missing" => "there is no such file".to_owned(),
        "file_refused" => format!("{error}: a name leads to a plain file, and symbolic links are not followed"),
        "storage_unreachable" if error.raw_os_error() == Some(rustix::io::Errno::NODEV.raw_os_error()) => {
            "its directory is not there, or is no directory: make it, or mount what belongs there".to_owned()
        }
        "storage_unreachable" => format!("{error}: what is mounted on its directory?"),
        _ => error.to_string(),
    };
    ProcessError::new(class, code, format!("{path}: {said}"))
}

/// A file without a name in `directory`, gone when it is closed.
#[cfg(feature = "s3")]
fn unnamed_file(directory: &Path) -> std::io::Result<File> {
    use rustix::fs::{Mode, OFlags, open};
    directory::make(directory)?;
    let path = directory.join(format!(".ireva-{}", ulid::Ulid::generate()));
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = File::from(open(&path, flags, Mode::RUSR | Mode::WUSR)?);
    std::fs::remove_file(&path)?;
    Ok(file)
}

#[cfg(test)]
mod tests;
