//! A file that is being written: it has no name until it is whole, and leaves nothing behind if it never is.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, fsync, renameat, unlinkat};
use sha2::{Digest, Sha256};

#[cfg(feature = "s3")]
use super::bucket::Bucket;
use super::directory::Directory;
use super::name::FileName;
use super::{Stored, trouble};
use crate::processor::ProcessError;

/// A file that is being written. Dropped before it is finished, it is gone.
#[derive(Debug)]
pub(in crate::builtin) struct Draft {
    file: File,
    /// Where it will be, as users write it.
    path: String,
    size_bytes: u64,
    digest: Sha256,
    goal: Goal,
}

/// Where the file goes when it is whole.
#[derive(Debug)]
enum Goal {
    Directory(Renaming),
    #[cfg(feature = "s3")]
    Bucket(Bucket, FileName),
}

/// A name for now and the one for good, in one directory.
#[derive(Debug)]
struct Renaming {
    directory: OwnedFd,
    draft: String,
    leaf: String,
    is_done: bool,
}

impl Drop for Renaming {
    fn drop(&mut self) {
        if !self.is_done {
            // Where even this fails, whoever writes there next sweeps it away.
            let _ = unlinkat(&self.directory, self.draft.as_str(), AtFlags::empty());
        }
    }
}

impl Draft {
    pub(super) fn in_directory(directory: &Directory, name: &FileName, path: String) -> Result<Self, ProcessError> {
        let beginning = directory.begin(name).map_err(|error| trouble(&path, &error))?;
        let renaming = Renaming {
            directory: beginning.directory,
            draft: beginning.name,
            leaf: name.leaf().to_owned(),
            is_done: false,
        };
        Ok(Self::new(beginning.file, path, Goal::Directory(renaming)))
    }

    #[cfg(feature = "s3")]
    pub(super) fn for_bucket(
        bucket: Bucket,
        name: &FileName,
        path: String,
        temporary_dir: &std::path::Path,
    ) -> Result<Self, ProcessError> {
        let shown = format!("{} (on its way to {path})", temporary_dir.display());
        let file = super::unnamed_file(temporary_dir).map_err(|error| trouble(&shown, &error))?;
        Ok(Self::new(file, path, Goal::Bucket(bucket, name.clone())))
    }

    fn new(file: File, path: String, goal: Goal) -> Self {
        Self { file, path, size_bytes: 0, digest: Sha256::new(), goal }
    }

    /// Where it will be, as users write it.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Gives the file its name, in place of one that has it: all of it is on the disk, or in the object store, then.
    ///
    /// # Errors
    /// The storage's trouble; the draft is gone.
    pub async fn finish(self) -> Result<Stored, ProcessError> {
        let Self { file, path, size_bytes, digest, goal } = self;
        let sha256 = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        match goal {
            Goal::Directory(renaming) => {
                let ended = tokio::task::spawn_blocking(move || renaming.finish(&file)).await;
                let ended = ended.unwrap_or_else(|error| Err(io::Error::other(error)));
                ended.map_err(|error| trouble(&path, &error))?;
            }
            #[cfg(feature = "s3")]
            Goal::Bucket(bucket, name) => bucket.put(&name, &path, (file, size_bytes)).await?,
        }
        Ok(Stored { path, size_bytes, sha256 })
    }
}

impl Renaming {
    fn finish(mut self, file: &File) -> io::Result<()> {
        file.sync_all()?;
        renameat(&self.directory, self.draft.as_str(), &self.directory, self.leaf.as_str())?;
        self.is_done = true;
        fsync(&self.directory)?;
        Ok(())
    }
}

impl Write for Draft {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = self.file.write(bytes)?;
        self.digest.update(&bytes[..taken]);
        self.size_bytes += taken as u64;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
