//! Connections to one SMTP server, kept for a while after use.
//!
//! lettre has a pool too, but it takes a connection back whose send was cut off in the middle: the next mail then reads
//! the answers to this one. Here a connection comes back only after the server's last word to its mail.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, CertificateStore, TlsParameters};
use lettre::transport::smtp::commands::Noop;
use lettre::transport::smtp::extension::ClientId;

use crate::builtin::classify::{self, Verdict};
use crate::builtin::email::config;
use crate::builtin::email::message::Outgoing;
use crate::builtin::email::transport::url::{Encryption, SmtpUrl};
use crate::error::Result;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Servers close idle connections after some minutes, firewalls forget them sooner.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
const IDLE_MAX: usize = 16;
/// How long a kept connection may take to say that it is alive, or good-bye.
const PROBE_TIMEOUT: Duration = Duration::from_secs(3);
const REPLY_MAX_CHARS: usize = 200;
const PEM_MARK: &[u8] = b"-----BEGIN CERTIFICATE-----";

/// A server and the connections to it that are free.
pub(in crate::builtin::email) struct Pool {
    url: SmtpUrl,
    tls: TlsParameters,
    credentials: Option<Credentials>,
    hello: ClientId,
    kept: Arc<Mutex<Kept>>,
}

/// Connections that are free, and whether somebody is about to close what stays unused.
#[derive(Default)]
struct Kept {
    idle: Vec<Idle>,
    closing: bool,
}

struct Idle {
    connection: AsyncSmtpConnection,
    since: Instant,
}

/// Why a mail did not go out, and what that means.
pub(in crate::builtin::email) struct Refusal {
    pub verdict: Verdict,
    pub error: SmtpError,
}

impl Refusal {
    /// What went wrong, and which option of the URL helps where the server and it do not fit.
    pub fn told(&self) -> String {
        let hint = match self.verdict {
            (_, "tls_unavailable") => {
                " (a server without TLS, within a network that is trusted: SMTP_URL=smtp://…?tls=none)"
            }
            _ => "",
        };
        format!("{}{hint}", self.error)
    }
}

impl Pool {
    /// Reads the authority file, connects to nothing.
    pub(super) fn new(url: SmtpUrl, ca: Option<&Path>) -> Result<Self> {
        let tls = tls_parameters(&url.host, ca)?;
        let credentials = url.login.clone().map(|(user, password)| Credentials::new(user, password));
        Ok(Self { url, tls, credentials, hello: hello(), kept: Arc::default() })
    }

    /// Sends a mail and returns the server's last word. Not bounded in time; dropped, its connection is closed.
    pub async fn send(&self, mail: &Outgoing) -> Result<String, Refusal> {
        let mut connection = match self.kept().await {
            Some(connection) => connection,
            None => self.connect().await.map_err(|error| Refusal { verdict: classify::smtp_connect(&error), error })?,
        };
        // After a refusal lettre has closed the connection itself.
        let sent = connection.send(&mail.envelope, &mail.bytes).await;
        let reply = sent.map_err(|error| Refusal { verdict: classify::smtp(&error), error })?;
        self.keep(connection);
        let words = reply.message().collect::<Vec<_>>().join(" ");
        Ok(format!("{} {}", reply.code(), words.chars().take(REPLY_MAX_CHARS).collect::<String>()))
    }

    /// Connects, logs in where there is a login, and asks for a word back (NOOP).
    pub async fn probe(&self) -> Result<(), Refusal> {
        let connected = self.connect().await;
        let mut connection = connected.map_err(|error| Refusal { verdict: classify::smtp_connect(&error), error })?;
        let said = connection.command(Noop).await;
        said.map_err(|error| Refusal { verdict: classify::smtp_connect(&error), error })?;
        let _ = connection.quit().await;
        Ok(())
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, SmtpError> {
        let SmtpUrl { host, port, encryption, .. } = &self.url;
        let implicit = (*encryption == Encryption::FromTheStart).then(|| self.tls.clone());
        let server = (host.as_str(), *port);
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(server, Some(CONNECT_TIMEOUT), &self.hello, implicit, None).await?;
        let upgrade = match encryption {
            Encryption::Required => true,
            Encryption::Opportunistic => connection.can_starttls(),
            Encryption::FromTheStart | Encryption::None => false,
        };
        if upgrade {
            connection.starttls(self.tls.clone(), &self.hello).await?;
        }
        if let Some(credentials) = &self.credentials {
            connection.auth(&[Mechanism::Plain, Mechanism::Login], credentials).await?;
        }
        Ok(connection)
    }

    /// A kept connection that still answers.
    async fn kept(&self) -> Option<AsyncSmtpConnection> {
        loop {
            let Idle { mut connection, since } = locked(&self.kept).idle.pop()?;
            let alive = since.elapsed() < IDLE_TIMEOUT
                && tokio::time::timeout(PROBE_TIMEOUT, connection.test_connected()).await.unwrap_or(false);
            if alive {
                return Some(connection);
            }
        }
    }

    fn keep(&self, connection: AsyncSmtpConnection) {
        let mut kept = locked(&self.kept);
        if kept.idle.len() >= IDLE_MAX || connection.has_broken() {
            return;
        }
        if !std::mem::replace(&mut kept.closing, true) {
            tokio::spawn(close_when_idle(Arc::downgrade(&self.kept)));
        }
        kept.idle.push(Idle { connection, since: Instant::now() });
    }
}

/// Says good-bye on connections that nobody used for a while, until none is left.
async fn close_when_idle(kept: Weak<Mutex<Kept>>) {
    loop {
        tokio::time::sleep(IDLE_TIMEOUT / 2).await;
        let Some(kept) = kept.upgrade() else { return };
        let (stale, done) = {
            let mut kept = locked(&kept);
            let stale: Vec<Idle> = kept.idle.extract_if(.., |idle| idle.since.elapsed() >= IDLE_TIMEOUT).collect();
            kept.closing = !kept.idle.is_empty();
            (stale, !kept.closing)
        };
        for Idle { mut connection, .. } in stale {
            let _ = tokio::time::timeout(PROBE_TIMEOUT, connection.abort()).await;
        }
        if done {
            return;
        }
    }
}

fn locked(kept: &Mutex<Kept>) -> std::sync::MutexGuard<'_, Kept> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

fn tls_parameters(host: &str, ca: Option<&Path>) -> Result<TlsParameters> {
    let mut builder = TlsParameters::builder(host.to_owned());
    if let Some(path) = ca {
        let unusable = |why: String| config(format!("authority file {path:?} cannot be used: {why}"));
        let pem = std::fs::read(path).map_err(|error| unusable(error.to_string()))?;
        // lettre takes a file without any certificate, and then trusts nobody.
        if !pem.windows(PEM_MARK.len()).any(|window| window == PEM_MARK) {
            return Err(unusable("it holds no certificate".to_owned()));
        }
        let certificate = Certificate::from_pem(&pem).map_err(|error| unusable(error.to_string()))?;
        builder = builder.certificate_store(CertificateStore::None).add_root_certificate(certificate);
    }
    builder.build_rustls().map_err(|error| config(format!("TLS for mails cannot be set up: {error}")))
}

/// The name by which servers are greeted: the host's where it is a full one.
fn hello() -> ClientId {
    let system = rustix::system::uname();
    let name = system.nodename().to_str().unwrap_or_default();
    let full = name.contains('.') && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte));
    if full { ClientId::Domain(name.to_owned()) } else { ClientId::default() }
}

impl fmt::Display for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url.server())
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("url", &self.url).finish_non_exhaustive()
    }
}
