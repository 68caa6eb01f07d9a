//! A bucket of an object store that speaks S3.
//!
//! Large files go up in parts, which are put together at the end: until then nobody finds the file. Where a worker dies
//! in between, the parts stay until a lifecycle rule of the bucket removes incomplete uploads.

use std::fmt;
use std::fs::File;
use std::io::{self, Seek};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path as Location;
use object_store::{ClientOptions, MultipartUpload, ObjectStoreExt, RetryConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::name::FileName;
use super::settings::S3Settings;
use super::{trouble, unnamed_file};
use crate::builtin::classify;
use crate::error::{Error, Result};
use crate::processor::ProcessError;

const USUAL_REGION: &str = "us-east-1";
/// What is longer goes up in parts of this length; S3 takes 10,000 of them.
const PART_BYTES: usize = 16 << 20;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an answer may pause; a whole file may take longer.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// Repeats within an attempt of the job, which is repeated itself.
const RETRIES: usize = 3;
const RETRY_TIMEOUT: Duration = Duration::from_secs(20);

/// A bucket and what the names in it begin with.
#[derive(Clone)]
pub(super) struct Bucket {
    store: Arc<AmazonS3>,
    prefix: String,
}

/// Whatever the client shows of itself, its key is not among it.
impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bucket").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

impl Bucket {
    /// Nothing is connected to yet.
    ///
    /// # Errors
    /// `Invalid`, saying what is missing or wrong.
    pub fn new(bucket: &str, prefix: &str, settings: &S3Settings) -> Result<Self> {
        let sound = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte);
        if !(3..=63).contains(&bucket.len()) || !bucket.bytes().all(sound) {
            return Err(Error::invalid("a bucket's name has 3 to 63 small letters, digits, dots and hyphens"));
        }
        Location::parse(prefix).map_err(|error| Error::invalid(format!("the prefix is not valid: {error}")))?;
        let (Some(id), Some(key)) = (&settings.access_key_id, &settings.secret_access_key) else {
            return Err(Error::invalid("no key for it: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"));
        };
        // Another part of the program may have installed it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = ClientOptions::new()
            .with_timeout_disabled()
            .with_connect_timeout(CONNECT_TIMEOUT)
            .with_read_timeout(READ_TIMEOUT);
        let retry = RetryConfig { max_retries: RETRIES, retry_timeout: RETRY_TIMEOUT, ..RetryConfig::default() };
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(bucket)
            .with_region(settings.region.as_deref().unwrap_or(USUAL_REGION))
            .with_access_key_id(id)
            .with_secret_access_key(key)
            .with_client_options(client)
            .with_retry(retry);
        if let Some(token) = &settings.session_token {
            builder = builder.with_token(token);
        }
        if let Some(endpoint) = &settings.endpoint {
            builder = builder.with_endpoint(endpoint).with_allow_http(endpoint.starts_with("http://"));
        }
        let store = builder.build().map_err(|error| Error::invalid(error.to_string()))?;
        Ok(Self { store: Arc::new(store), prefix: prefix.to_owned() })
    }

    fn location(&self, name: &FileName) -> Result<Location, object_store::Error> {
        Ok(Location::parse(format!("{}/{name}", self.prefix))?)
    }

    /// Asks for an object that need not be there: any answer but a refusal is a good one.
    pub async fn look(&self, name: &FileName, path: &str) -> Result<(), ProcessError> {
        let location = self.location(name).map_err(|error| object_trouble(path, &error))?;
        match self.store.head(&location).await {
            Ok(_) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(object_trouble(path, &error)),
        }
    }

    /// Puts the bytes of a file under the name; `size_bytes` of them.
    pub async fn put(
        &self,
        name: &FileName,
        path: &str,
        (mut file, size_bytes): (File, u64),
    ) -> Result<(), ProcessError> {
        let refused = |error: object_store::Error| upload_trouble(path, &error);
        let location = self.location(name).map_err(refused)?;
        file.rewind().map_err(|error| trouble(path, &error))?;
        let mut file = tokio::fs::File::from_std(file);
        if size_bytes <= PART_BYTES as u64 {
            let whole = read_part(&mut file).await.map_err(|error| trouble(path, &error))?;
            return self.store.put(&location, whole.into()).await.map(drop).map_err(refused);
        }
        let mut upload = self.store.put_multipart(&location).await.map_err(refused)?;
        let ended = put_parts(upload.as_mut(), &mut file, path).await;
        if ended.is_err() {
            // What this leaves behind, the bucket's rule removes.
            let _ = upload.abort().await;
        }
        ended
    }

    /// Fetches the file of the name into one without a name in `directory`.
    pub async fn fetch(&self, name: &FileName, path: &str, directory: &Path) -> Result<File, ProcessError> {
        let refused = |error: object_store::Error| object_trouble(path, &error);
        let shown = format!("{} (fetching {path})", directory.display());
        let full = |error: io::Error| trouble(&shown, &error);
        let location = self.location(name).map_err(refused)?;
        let mut bytes = self.store.get(&location).await.map_err(refused)?.into_stream();
        let file = unnamed_file(directory).map_err(full)?;
        let mut sink = tokio::fs::File::from_std(file);
        while let Some(chunk) = bytes.next().await {
            sink.write_all(&chunk.map_err(refused)?).await.map_err(full)?;
        }
        sink.flush().await.map_err(full)?;
        let mut file = sink.into_std().await;
        file.rewind().map_err(full)?;
        Ok(file)
    }
}

async fn put_parts(
    upload: &mut dyn MultipartUpload,
    file: &mut tokio::fs::File,
    path: &str,
) -> Result<(), ProcessError> {
    let refused = |error: object_store::Error| upload_trouble(path, &error);
    loop {
        let part = read_part(file).await.map_err(|error| trouble(path, &error))?;
        if part.is_empty() {
            break;
        }
        upload.put_part(part.into()).await.map_err(refused)?;
    }
    upload.complete().await.map(drop).map_err(refused)
}

/// The next part of a file; empty at its end.
async fn read_part(file: &mut tokio::fs::File) -> io::Result<Vec<u8>> {
    let mut part = Vec::new();
    file.take(PART_BYTES as u64).read_to_end(&mut part).await?;
    Ok(part)
}

/// The same of an object that is written: what is missing is not the object.
fn upload_trouble(path: &str, error: &object_store::Error) -> ProcessError {
    match classify::object(error) {
        (class, "file_missing") => {
            let why = format!("{path}: there is no such bucket: check the name, and AWS_ENDPOINT_URL");
            ProcessError::new(class, "storage_unreachable", why)
        }
        _ => object_trouble(path, error),
    }
}

/// What an object's trouble means to its job.
fn object_trouble(path: &str, error: &object_store::Error) -> ProcessError {
    let (class, code) = classify::object(error);
    let said = if code == "file_missing" { "there is no such file".to_owned() } else { error.to_string() };
    ProcessError::new(class, code, format!("{path}: {said}"))
}
