//! An authority of the test's own, and certificates that it signs.

use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

const KEY: &str = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";

/// A directory with the authority's certificate `ca.pem`, and those that it has signed.
pub struct Authority(TempDir);

/// A certificate and its key.
#[derive(Debug, Clone)]
pub struct Certificate {
    pub cert: PathBuf,
    pub key: PathBuf,
}

impl Authority {
    pub fn new() -> Self {
        let authority = Self(tempfile::Builder::new().prefix("ireva-authority-").tempdir().unwrap());
        authority.openssl(&format!("req -x509 {KEY} -keyout ca.key -out ca.pem -days 2 -subj /CN=test-authority"));
        authority
    }

    /// The file of its own certificate.
    pub fn ca(&self) -> PathBuf {
        self.0.path().join("ca.pem")
    }

    /// Its own certificate as that of a server: what is signed by itself.
    pub fn itself(&self) -> Certificate {
        Certificate { cert: self.ca(), key: self.0.path().join("ca.key") }
    }

    /// A certificate for `names`, such as `IP:127.0.0.1`, that holds for so many days.
    pub fn sign(&self, names: &str, days: u32) -> Certificate {
        let number = std::fs::read_dir(self.0.path()).unwrap().count();
        std::fs::write(self.0.path().join("names"), format!("subjectAltName={names}\n")).unwrap();
        self.openssl(&format!("req {KEY} -keyout {number}.key -out {number}.csr -subj /CN=test"));
        self.openssl(&format!(
            "x509 -req -in {number}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out {number}.pem -days {days} \
             -extfile names"
        ));
        let file = |ending: &str| self.0.path().join(format!("{number}.{ending}"));
        Certificate { cert: file("pem"), key: file("key") }
    }

    /// What a server is set to that shows `certificate`, and asks clients for one of this authority or does not.
    pub fn settings(&self, certificate: &Certificate, asks_clients: bool) -> String {
        let (ca, clients) = (self.ca(), if asks_clients { "yes" } else { "no" });
        let Certificate { cert, key } = certificate;
        format!(
            "tls-cert-file {}\ntls-key-file {}\ntls-ca-cert-file {}\ntls-auth-clients {clients}",
            cert.display(),
            key.display(),
            ca.display()
        )
    }

    /// One for servers on this machine.
    pub fn for_loopback(&self) -> Certificate {
        self.sign("IP:127.0.0.1,DNS:localhost", 2)
    }

    fn openssl(&self, arguments: &str) {
        let mut command = Command::new("openssl");
        let output = command.args(arguments.split_whitespace()).current_dir(self.0.path()).output().unwrap();
        assert!(output.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    }
}
