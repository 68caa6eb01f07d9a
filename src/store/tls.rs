//! TLS for the one constructor of connections: certificates from files, ring as the provider.

use redis::ConnectionInfo;

use super::dial::Address;
use super::failure::Failure;
use crate::config::TlsConfig;
use crate::error::ErrorKind;

/// A client that speaks TLS, its certificates read from the configured files.
#[cfg(feature = "tls")]
pub(super) fn client(info: ConnectionInfo, config: &TlsConfig, address: &Address) -> Result<redis::Client, Failure> {
    install_provider();
    let invalid = |error: redis::RedisError| Failure::final_(ErrorKind::Config, format!("tls for {address}: {error}"));
    if config.ca.is_none() && config.cert.is_none() {
        return redis::Client::open(info).map_err(invalid);
    }
    let client_tls = match (&config.cert, &config.key) {
        (Some(cert), Some(key)) => Some(redis::ClientTlsConfig {
            client_cert: read("REDIS_TLS_CERT", cert)?,
            client_key: read("REDIS_TLS_KEY", key)?,
        }),
        _ => None,
    };
    let root_cert = config.ca.as_deref().map(|ca| read("REDIS_TLS_CA", ca)).transpose()?;
    redis::Client::build_with_tls(info, redis::TlsCertificates { client_tls, root_cert }).map_err(invalid)
}

/// Without the feature there is no TLS.
#[cfg(not(feature = "tls"))]
pub(super) fn client(_info: ConnectionInfo, _config: &TlsConfig, address: &Address) -> Result<redis::Client, Failure> {
    let message = format!("redis at {address} is to be spoken to through tls, which this build lacks (feature tls)");
    Err(Failure::final_(ErrorKind::Config, message))
}

/// Several providers may be linked in by others, so the process-wide choice is made here. An `Err` says that somebody
/// else has made it.
#[cfg(feature = "tls")]
fn install_provider() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

#[cfg(feature = "tls")]
fn read(variable: &str, path: &std::path::Path) -> Result<Vec<u8>, Failure> {
    let problem = |said: String| Failure::final_(ErrorKind::Config, format!("{variable}: {}: {said}", path.display()));
    let bytes = std::fs::read(path).map_err(|error| problem(error.to_string().to_lowercase()))?;
    let is_pem = bytes.windows(10).any(|window| window.starts_with(b"-----BEGIN"));
    if is_pem { Ok(bytes) } else { Err(problem("holds no PEM block".to_owned())) }
}
