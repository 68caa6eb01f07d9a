//! What a storage needs beside its root.

use std::fmt;
use std::path::PathBuf;

/// What a storage needs beside its root.
#[derive(Debug, Clone)]
pub struct StorageSettings {
    /// Where files wait that are on their way to or from an object store, and the rows of workbooks. They have no names
    /// there. It is made where it is missing; `/tmp` unless said.
    pub temporary_dir: PathBuf,
    /// How the object store of an `s3://…` root is reached.
    pub s3: S3Settings,
}

impl Default for StorageSettings {
    fn default() -> Self {
        Self { temporary_dir: PathBuf::from("/tmp"), s3: S3Settings::default() }
    }
}

/// How an object store is reached. Nothing is read from the environment.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct S3Settings {
    /// The key's id, which must be there for a root in an object store.
    pub access_key_id: Option<String>,
    /// The key, which must be there too.
    pub secret_access_key: Option<String>,
    /// The token that belongs to a key that is only for now.
    pub session_token: Option<String>,
    /// The region; `us-east-1` where nobody says.
    pub region: Option<String>,
    /// Where it is, where it is not Amazon's: `https://minio.example.org:9000`.
    pub endpoint: Option<String>,
}

impl fmt::Debug for S3Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Settings")
            .field("region", &self.region)
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}
