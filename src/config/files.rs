//! Where files of the builtin processors come from and go to, and how an object store is reached.

use super::redis::Secret;
use super::source::Source;

const ROOT: &str = "an absolute path, file:///directory or s3://bucket/prefix";

/// Where files come from and go to, as it was configured.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FilesConfig {
    /// `IMPORT_DIR`: what imports are read from; a directory of the data directory where it is not set.
    pub import_dir: Option<String>,
    /// `EXPORT_DIR`: what exports are written to; the same.
    pub export_dir: Option<String>,
    /// `REPORT_DIR`: what reports are written to; the same.
    pub report_dir: Option<String>,
    /// How object stores are reached.
    pub s3: S3Config,
}

/// How object stores are reached, as it was configured.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct S3Config {
    /// `AWS_ACCESS_KEY_ID`.
    pub access_key_id: Option<Secret>,
    /// `AWS_SECRET_ACCESS_KEY`.
    pub secret_access_key: Option<Secret>,
    /// `AWS_SESSION_TOKEN`, of a key that is only for now.
    pub session_token: Option<Secret>,
    /// `AWS_REGION`.
    pub region: Option<String>,
    /// `AWS_ENDPOINT_URL`: where it is, where it is not Amazon's.
    pub endpoint: Option<String>,
}

/// Reads this part; what is wrong goes to the source's problems.
pub(super) fn read(source: &mut Source<'_>) -> FilesConfig {
    FilesConfig {
        import_dir: root(source, "IMPORT_DIR"),
        export_dir: root(source, "EXPORT_DIR"),
        report_dir: root(source, "REPORT_DIR"),
        s3: S3Config {
            access_key_id: source.secret("AWS_ACCESS_KEY_ID", None),
            secret_access_key: source.secret("AWS_SECRET_ACCESS_KEY", None),
            session_token: source.secret("AWS_SESSION_TOKEN", None),
            region: source.parse("AWS_REGION", "the name of a region, such as eu-west-1", |text| {
                let sound = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
                text.bytes().all(sound).then(|| text.to_owned())
            }),
            endpoint: source.parse(
                "AWS_ENDPOINT_URL",
                "https://host:port or http://host:port, without a login",
                |text| {
                    let rest = ["https://", "http://"].iter().find_map(|scheme| text.strip_prefix(scheme));
                    let sound = |rest: &&str| !rest.is_empty() && !rest.contains(['@', ' ', '?', '#']);
                    rest.filter(sound).map(|_| text.to_owned())
                },
            ),
        },
    }
}

/// The root of a storage.
pub(super) fn root(source: &mut Source<'_>, name: &str) -> Option<String> {
    source.parse(name, ROOT, |text| {
        let path = text.strip_prefix("file://").unwrap_or(text);
        let is_directory = path.starts_with('/') && !path.trim_matches('/').is_empty();
        let bucket = text.strip_prefix("s3://").filter(|rest| !rest.trim_matches('/').is_empty());
        (is_directory || bucket.is_some()).then(|| text.to_owned())
    })
}
