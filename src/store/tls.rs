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
            client_cert: read("REDIS_TLS_CERT", cert, "CERTIFICATE")?,
            client_key: read("REDIS_TLS_KEY", key, "PRIVATE KEY")?,
        }),
        _ => None,
    };
    let root_cert = config.ca.as_deref().map(|ca| read("REDIS_TLS_CA", ca, "CERTIFICATE")).transpose()?;
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

/// The file that a variable names, which holds a PEM block of that kind.
#[cfg(feature = "tls")]
fn read(variable: &str, path: &std::path::Path, kind: &str) -> Result<Vec<u8>, Failure> {
    let problem = |said: String| Failure::final_(ErrorKind::Config, format!("{variable}: {}: {said}", path.display()));
    let bytes = std::fs::read(path).map_err(|error| problem(error.to_string().to_lowercase()))?;
    let begins = |line: &[u8]| line.starts_with(b"-----BEGIN ") && line.trim_ascii_end().ends_with(b"-----");
    let names = |line: &[u8]| line.windows(kind.len()).any(|window| window == kind.as_bytes());
    let has_block = bytes.split(|byte| *byte == b'\n').any(|line| begins(line) && names(line));
    if has_block { Ok(bytes) } else { Err(problem(format!("holds no PEM block of a {}", kind.to_lowercase()))) }
}

/// What mends a connection that TLS refused, named by its variables; `None` where it was not TLS.
#[cfg(feature = "tls")]
pub(super) fn advice(error: &std::io::Error) -> Option<&'static str> {
    use rustls::{AlertDescription as Alert, CertificateError as Bad, Error};
    let error = error.get_ref()?.downcast_ref::<Error>()?;
    Some(match error {
        Error::InvalidCertificate(Bad::Expired | Bad::ExpiredContext { .. }) => {
            "the server's certificate has run out: renew it there, or set this host's clock"
        }
        Error::InvalidCertificate(Bad::NotValidForName | Bad::NotValidForNameContext { .. }) => {
            "the server's certificate is made out for other names: set REDIS_HOST to one of them; sentinels give \
             names with resolve-hostnames and announce-hostnames"
        }
        Error::InvalidCertificate(_) => {
            "the server's certificate is not trusted: set REDIS_TLS_CA to the PEM file of its authority"
        }
        Error::AlertReceived(Alert::ProtocolVersion) => "the server speaks no TLS version from 1.2",
        Error::AlertReceived(_) => {
            "the server wants a client's certificate that it trusts: set REDIS_TLS_CERT and REDIS_TLS_KEY"
        }
        Error::InvalidMessage(_) => "what answers there speaks no TLS: check REDIS_PORT and REDIS_TLS",
        _ => return None,
    })
}

/// Whether the other side ended it and said why.
#[cfg(feature = "tls")]
pub(super) fn is_alert(error: &std::io::Error) -> bool {
    let error = error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>());
    matches!(error, Some(rustls::Error::AlertReceived(_)))
}

/// Without the feature there is no TLS.
#[cfg(not(feature = "tls"))]
pub(super) fn is_alert(_error: &std::io::Error) -> bool {
    false
}

/// Without the feature there is no TLS.
#[cfg(not(feature = "tls"))]
pub(super) fn advice(_error: &std::io::Error) -> Option<&'static str> {
    None
}
