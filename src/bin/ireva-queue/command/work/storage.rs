//! Where files of the builtin processors are, as the configuration says.

use ireva_queue::builtin::storage::{S3Settings, Storage, StorageSettings};
use ireva_queue::config::{Config, S3Config, Secret};
use ireva_queue::{Error, ErrorKind, Result};

/// Which files are asked for.
#[derive(Debug, Clone, Copy)]
pub enum Place {
    Imports,
    Exports,
    Reports,
}

/// The configured storage, or a directory of the data directory, which is made.
///
/// # Errors
/// 78 where the configuration names none that can be used.
pub fn storage(config: &Config, place: Place) -> Result<Storage> {
    let files = &config.processors.files;
    let (root, variable, own) = match place {
        Place::Imports => (&files.import_dir, "IMPORT_DIR", "imports"),
        Place::Exports => (&files.export_dir, "EXPORT_DIR", "exports"),
        Place::Reports => (&files.report_dir, "REPORT_DIR", "reports"),
    };
    let mut settings = StorageSettings { s3: s3_settings(&files.s3), ..StorageSettings::default() };
    if !config.data_dir.as_os_str().is_empty() {
        settings.temporary_dir = config.data_dir.join("tmp");
    }
    match root {
        Some(root) => Storage::open(root, &settings).map_err(|error| error.context(variable)),
        None if config.data_dir.as_os_str().is_empty() => {
            let why = format!("no place for {own}: set {variable}, IREVA_QUEUE_DATA_DIR or HOME");
            Err(Error::new(ErrorKind::Config, why))
        }
        None => Storage::open_own(&config.data_dir.join(own), &settings),
    }
}

fn s3_settings(config: &S3Config) -> S3Settings {
    let shown = |secret: &Option<Secret>| secret.as_ref().map(|secret| secret.reveal().to_owned());
    S3Settings {
        access_key_id: shown(&config.access_key_id),
        secret_access_key: shown(&config.secret_access_key),
        session_token: shown(&config.session_token),
        region: config.region.clone(),
        endpoint: config.endpoint.clone(),
    }
}
