//! A directory: every component of a name is opened by itself, from the one before it, and none may be a symbolic link.

use std::fs::{DirBuilder, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, Dir, FlockOperation, Mode, OFlags, flock, mkdirat, open, openat, unlinkat};
use rustix::io::Errno;

use super::name::FileName;
use crate::clock::local_now;

/// What the names of drafts begin and end with. No name of a user's begins with a dot.
const DRAFT_PREFIX: &str = ".ireva-";
const DRAFT_SUFFIX: &str = ".part";
/// A draft that nobody has locked or written to for so long is of a process that is gone.
const DRAFT_ABANDONED_SECS: i64 = 3_600;
/// How often a draft is begun anew when somebody takes its first name away.
const DRAFT_BEGINNINGS: usize = 8;
const PRIVATE_FILE: Mode = Mode::RUSR.union(Mode::WUSR);
const PRIVATE_DIR: Mode = Mode::RWXU;

/// A directory of the file system.
#[derive(Debug, Clone)]
pub(super) struct Directory {
    path: Arc<PathBuf>,
}

/// A file that is being written, and the directory in which it gets its name.
#[derive(Debug)]
pub(super) struct Beginning {
    pub file: File,
    pub directory: OwnedFd,
    /// What it is called until it is whole.
    pub name: String,
}

/// Makes a directory of one's own, with those above it.
pub(super) fn make(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

impl Directory {
    pub fn new(path: &Path) -> Self {
        Self { path: Arc::new(path.to_owned()) }
    }

    /// Whether it is there and lets itself be read.
    pub fn look(&self) -> io::Result<()> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        // Then it is not a file in it that is missing.
        let away = |error| if error == Errno::NOENT { Errno::NODEV } else { error };
        let directory = open(self.path.as_path(), flags, Mode::empty()).map_err(away)?;
        Dir::read_from(&directory)?.next().transpose().map(drop)?;
        Ok(())
    }

    /// Opens a plain file for reading.
    pub fn open_file(&self, name: &FileName) -> io::Result<File> {
        let directory = self.descend(name, false)?;
        // A pipe that nobody writes to would be waited for.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = File::from(openat(&directory, name.leaf(), flags, Mode::empty())?);
        let kind = file.metadata()?.file_type();
        match (kind.is_file(), kind.is_dir()) {
            (true, _) => Ok(file),
            (_, true) => Err(Errno::ISDIR.into()),
            // A pipe or a device.
            _ => Err(Errno::NOTSUP.into()),
        }
    }

    /// Begins a file that gets the name later. What processes that are gone have left behind there is removed.
    pub fn begin(&self, name: &FileName) -> io::Result<Beginning> {
        let directory = self.descend(name, true)?;
        sweep(&directory)?;
        for _ in 0..DRAFT_BEGINNINGS {
            let draft = format!("{DRAFT_PREFIX}{}{DRAFT_SUFFIX}", ulid::Ulid::generate());
            let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let file = File::from(openat(&directory, draft.as_str(), flags, PRIVATE_FILE)?);
            // Whoever sweeps takes the lock first: either it is ours, or the name is gone already.
            let is_locked = match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => true,
                Err(Errno::WOULDBLOCK) => false,
                // A file system without locks has nobody who sweeps by them either: age decides alone.
                Err(_) => true,
            };
            if is_locked && file.metadata()?.nlink() > 0 {
                return Ok(Beginning { file, directory, name: draft });
            }
        }
        Err(io::Error::other("the names of drafts are taken away as fast as they are made"))
    }

    /// The directory that holds the file; with `make`, the ones on the way are made where they are missing.
    fn descend(&self, name: &FileName, make: bool) -> io::Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = open(self.path.as_path(), flags, Mode::empty());
        // Then it is not the file that is missing, nor its name that is wrong.
        let is_away = |error| matches!(error, Errno::NOENT | Errno::NOTDIR);
        let mut directory = root.map_err(|error| if is_away(error) { Errno::NODEV } else { error })?;
        for component in name.parents() {
            if make {
                match mkdirat(&directory, component.as_str(), PRIVATE_DIR) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            directory = openat(&directory, component.as_str(), flags | OFlags::NOFOLLOW, Mode::empty())?;
        }
        Ok(directory)
    }
}

/// Removes drafts whose processes are gone.
fn sweep(directory: &OwnedFd) -> io::Result<()> {
    let now = local_now().timestamp();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().to_str() else { continue };
        if !name.starts_with(DRAFT_PREFIX) || !name.ends_with(DRAFT_SUFFIX) {
            continue;
        }
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let Ok(draft) = openat(directory, name, flags, Mode::empty()).map(File::from) else { continue };
        let Ok(metadata) = draft.metadata() else { continue };
        let is_old = now.saturating_sub(metadata.mtime()) > DRAFT_ABANDONED_SECS;
        if is_old && flock(&draft, FlockOperation::NonBlockingLockExclusive) != Err(Errno::WOULDBLOCK) {
            // Somebody else may have swept it meanwhile.
            let _ = unlinkat(directory, name, AtFlags::empty());
        }
    }
    Ok(())
}
