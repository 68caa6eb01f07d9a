//! TLS: verified by default, with an authority of one's own, with a client's certificate.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::process::free_port;
use super::redis_server::TestRedis;
use super::{config, incr};
use crate::ErrorKind;
use crate::config::RedisConfig;
use crate::store::{Connection, Patience};

/// An authority, a server's certificate for 127.0.0.1 and localhost, and a client's.
struct Papers(TempDir);

impl Papers {
    fn new() -> Self {
        let papers = Self(tempfile::tempdir().unwrap());
        let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
        let ca = ["req", "-x509", "-days", "2", "-subj", "/CN=authority", "-keyout", "ca.key", "-out", "ca.crt"];
        papers.openssl(&[&ca[..], &key].concat());
        let names = "subjectAltName=DNS:localhost,IP:127.0.0.1";
        for name in ["server", "client"] {
            let subject = format!("/CN={name}");
            let files = [format!("{name}.key"), format!("{name}.crt")];
            let sign = ["req", "-x509", "-CA", "ca.crt", "-CAkey", "ca.key", "-days", "2", "-addext", names, "-addext"];
            let rest =
                ["basicConstraints=critical,CA:FALSE", "-subj", &subject, "-keyout", &files[0], "-out", &files[1]];
            papers.openssl(&[&sign[..], &rest, &key].concat());
        }
        papers
    }

    fn openssl(&self, words: &[&str]) {
        let mut command = Command::new("openssl");
        command.args(words).current_dir(self.0.path()).stdout(Stdio::null()).stderr(Stdio::null());
        assert!(command.status().unwrap().success(), "openssl {words:?}");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn server(&self, port: u16, clients: &str) -> TestRedis {
        let file = |name: &str| self.path(name).display().to_string();
        let settings =
            TestRedis::builder().set(&format!("tls-port {port}")).set(&format!("tls-auth-clients {clients}"));
        let settings = settings.set(&format!("tls-cert-file {}", file("server.crt")));
        let settings = settings.set(&format!("tls-key-file {}", file("server.key")));
        settings.set(&format!("tls-ca-cert-file {}", file("ca.crt"))).start()
    }
}

fn way(host: &str, port: u16, files: &[(&str, &Path)]) -> RedisConfig {
    let files = files.iter().map(|(name, path)| ((*name).to_owned(), path.display().to_string()));
    let port = port.to_string();
    let env = [("REDIS_HOST", host), ("REDIS_PORT", port.as_str()), ("REDIS_TLS", "on")];
    config(env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).chain(files).collect()).redis
}

async fn outcome(config: RedisConfig) -> crate::Result<()> {
    // Endless: what is wrong for good must come back all the same.
    Connection::new(config, Patience::Endless).call(&incr()).await.map(drop)
}

#[tokio::test]
async fn only_a_server_of_the_trusted_authority_is_spoken_to() {
    let papers = Papers::new();
    let port = free_port();
    let redis = papers.server(port, "no");
    let ca = papers.path("ca.crt");
    for host in ["127.0.0.1", "localhost"] {
        outcome(way(host, port, &[("REDIS_TLS_CA", &ca)])).await.unwrap();
    }
    let other = Papers::new().path("ca.crt");
    let strangers = Papers::new();
    for files in [&[][..], &[("REDIS_TLS_CA", strangers.path("ca.crt").as_path())]] {
        let error = outcome(way("127.0.0.1", port, files)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{error}");
        assert!(error.to_string().contains("certificate"), "{error}");
    }
    let error = outcome(way("127.0.0.1", port, &[("REDIS_TLS_CA", &other)])).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Config && error.to_string().contains("REDIS_TLS_CA"), "{error}");
    let plain = Connection::new(way("127.0.0.1", redis.port(), &[("REDIS_TLS_CA", &ca)]), Patience::Brief);
    let error = plain.call(&incr()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{error}");
    assert!(error.to_string().contains("REDIS_TLS"), "{error}");
}

#[tokio::test]
async fn a_client_shows_its_certificate_where_one_is_asked_for() {
    let papers = Papers::new();
    let port = free_port();
    let _redis = papers.server(port, "yes");
    let (ca, cert, key) = (papers.path("ca.crt"), papers.path("client.crt"), papers.path("client.key"));
    let files: &[(&str, &Path)] = &[("REDIS_TLS_CA", &ca), ("REDIS_TLS_CERT", &cert), ("REDIS_TLS_KEY", &key)];
    outcome(way("127.0.0.1", port, files)).await.unwrap();
    let handle = Connection::new(way("127.0.0.1", port, &files[..1]), Patience::Brief);
    handle.call(&incr()).await.unwrap_err();
}
