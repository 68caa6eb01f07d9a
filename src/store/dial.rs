//! The one place where a connection is made: address, TLS, login, client name, and a look at who answers.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use futures_util::Stream;
use redis::aio::MultiplexedConnection;
use redis::io::tcp::TcpSettings;
use redis::io::tcp::socket2::TcpKeepalive;
use redis::{AsyncConnectionConfig, ConnectionAddr, IntoConnectionInfo, RedisConnectionInfo, Value};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::failure::{Failure, cluster_refused};
use super::tls;
use crate::config::{Endpoint, Secret, TlsConfig};
use crate::error::ErrorKind;

/// The name under which every connection shows in `CLIENT LIST`.
const CLIENT_NAME: &str = "ireva-queue";

/// A link that carries nothing for so long is asked whether it is still there, and given up after three questions.
const KEEPALIVE: Duration = Duration::from_secs(5);
/// Sent bytes that nobody acknowledges for so long end the connection.
const USER_TIMEOUT: Duration = Duration::from_secs(8);

/// A subscription may take so long to be made.
const FOREIGN_LIMIT: Duration = Duration::from_millis(500);
/// How long subscribing may take.
const LISTEN_LIMIT: Duration = Duration::from_secs(2);

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Address {
    Tcp(Endpoint),
    Socket(PathBuf),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(endpoint) => endpoint.fmt(f),
            Self::Socket(path) => write!(f, "socket {}", path.display()),
        }
    }
}

/// Who we are there.
#[derive(Debug, Clone, Default)]
pub(super) struct Login {
    pub username: Option<String>,
    pub password: Option<Secret>,
    pub db: i64,
}

/// What the server says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Greeting {
    pub version: String,
    pub mode: String,
    pub role: String,
}

/// An open connection and who answered.
pub(super) struct Wire {
    pub connection: MultiplexedConnection,
    pub greeting: Greeting,
}

/// Opens a connection within `limit`, name resolution and login included. Two round trips with TLS aside: the TCP
/// handshake, and one pipeline that logs in, names the client and asks for version, mode and role.
pub(super) async fn open(
    address: &Address,
    login: &Login,
    tls_config: &TlsConfig,
    limit: Duration,
) -> Result<Wire, Failure> {
    let work = async {
        let mut has_broken = false;
        loop {
            let mut connection = connect(address, tls_config).await?;
            let failure = match greet(&mut connection, address, login).await {
                Ok(greeting) => return Ok(Wire { connection, greeting }),
                Err(failure) => failure,
            };
            if failure.kind != ErrorKind::Unreachable {
                return Err(failure);
            }
            match address {
                // Whose certificate is refused hears so only behind the handshake, if at all. A server that was just ending
                // does not take a second one.
                Address::Tcp(endpoint) if endpoint.tls && has_broken => return Err(unwelcome(address, tls_config)),
                Address::Tcp(endpoint) if endpoint.tls => has_broken = true,
                _ => return Err(look_again(address).await.unwrap_or(failure)),
            }
        }
    };
    tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
        // A server that speaks no TLS waits for the rest of what it takes for a command.
        let tls = matches!(address, Address::Tcp(endpoint) if endpoint.tls);
        let hint = if tls { " (REDIS_TLS is on: does it speak TLS?)" } else { "" };
        let message = format!("cannot reach redis at {address}: no answer within {:.1} s{hint}", limit.as_secs_f32());
        Err(Failure::passing(ErrorKind::Unreachable, message))
    })
}

async fn connect(address: &Address, tls_config: &TlsConfig) -> Result<MultiplexedConnection, Failure> {
    // The login is ours, so that its refusals keep their words and cost no round trip of their own.
    let client = client(address, tls_config, RedisConnectionInfo::default())?;
    // Both limits are ours: the crate's own response timeout (500 ms) would end every blocking wait.
    let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
    client
        .get_multiplexed_async_connection_with_config(&config)
        .await
        .map_err(|error| Failure::connecting(address, &error))
}

/// Why a greeting without TLS broke: what listens there answers in another language than Redis, or not at all. The
/// connection itself only says that it broke.
async fn look_again(address: &Address) -> Option<Failure> {
    let Address::Tcp(endpoint) = address else { return None };
    let look = async {
        let mut stream = TcpStream::connect((endpoint.host.as_str(), endpoint.port)).await?;
        let mut first = [0];
        let read = match stream.write_all(b"PING\r\n\r\n").await {
            Ok(()) => stream.read(&mut first).await,
            broken => broken.map(|()| 0),
        };
        std::io::Result::Ok(read.is_ok_and(|read| read > 0).then_some(first[0]))
    };
    match tokio::time::timeout(FOREIGN_LIMIT, look).await {
        Ok(Ok(Some(first))) if !b"+-:$*".contains(&first) => Some(foreign(address)),
        Ok(Ok(None)) => {
            let message = format!("what listens at {address} hangs up: set REDIS_TLS=on if it speaks TLS");
            Some(Failure::passing(ErrorKind::Unreachable, message))
        }
        _ => None,
    }
}

fn foreign(address: &Address) -> Failure {
    let message = format!(
        "what listens at {address} does not speak Redis: check REDIS_HOST and REDIS_PORT, and REDIS_TLS if it speaks TLS"
    );
    Failure { misfit: true, ..Failure::passing(ErrorKind::Unreachable, message) }
}

fn unwelcome(address: &Address, tls_config: &TlsConfig) -> Failure {
    let message = match tls_config.cert {
        Some(_) => format!("redis at {address} does not trust the certificate of REDIS_TLS_CERT and REDIS_TLS_KEY"),
        None => format!("redis at {address} wants a client's certificate: set REDIS_TLS_CERT and REDIS_TLS_KEY"),
    };
    Failure { misfit: true, ..Failure::passing(ErrorKind::Unreachable, message) }
}

/// A subscription to `channel`, on a connection of its own.
pub(super) async fn listen(
    address: &Address,
    login: &Login,
    tls_config: &TlsConfig,
    channel: &str,
) -> Result<impl Stream<Item = redis::Msg> + Unpin + use<>, Failure> {
    let mut settings = RedisConnectionInfo::default();
    if let Some(username) = &login.username {
        settings = settings.set_username(username);
    }
    if let Some(password) = &login.password {
        settings = settings.set_password(password.reveal());
    }
    let client = client(address, tls_config, settings)?;
    let subscribe = async {
        let mut subscribed = client.get_async_pubsub().await?;
        subscribed.subscribe(channel).await?;
        Ok(subscribed.into_on_message())
    };
    match tokio::time::timeout(LISTEN_LIMIT, subscribe).await {
        Ok(outcome) => outcome.map_err(|error| Failure::connecting(address, &error)),
        Err(_) => Err(Failure::silent(address, LISTEN_LIMIT)),
    }
}

fn client(address: &Address, tls_config: &TlsConfig, settings: RedisConnectionInfo) -> Result<redis::Client, Failure> {
    let addr = match address {
        Address::Tcp(endpoint) if endpoint.tls => ConnectionAddr::TcpTls {
            host: endpoint.host.clone(),
            port: endpoint.port,
            insecure: false,
            tls_params: None,
        },
        Address::Tcp(endpoint) => ConnectionAddr::Tcp(endpoint.host.clone(), endpoint.port),
        Address::Socket(path) => ConnectionAddr::Unix(path.clone()),
    };
    let invalid = |error: redis::RedisError| Failure::connecting(address, &error);
    let info = addr.into_connection_info().map_err(invalid)?;
    let info = info.set_redis_settings(settings.set_skip_set_lib_name()).set_tcp_settings(tcp_settings());
    if matches!(address, Address::Tcp(endpoint) if endpoint.tls) {
        return tls::client(info, tls_config, address);
    }
    redis::Client::open(info).map_err(invalid)
}

fn tcp_settings() -> TcpSettings {
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE).with_retries(3);
    let settings = TcpSettings::default().set_nodelay(true).set_keepalive(keepalive);
    #[cfg(target_os = "linux")]
    let settings = settings.set_user_timeout(USER_TIMEOUT);
    settings
}

async fn greet(connection: &mut MultiplexedConnection, address: &Address, login: &Login) -> Result<Greeting, Failure> {
    let mut pipeline = redis::pipe();
    // HELLO 2 keeps the reply shapes of plain commands, and is the one command every server lets a stranger send.
    pipeline.cmd("HELLO").arg(2);
    if login.password.is_some() || login.username.is_some() {
        let password = login.password.as_ref().map(Secret::reveal).unwrap_or_default();
        pipeline.arg("AUTH").arg(login.username.as_deref().unwrap_or("default")).arg(password);
    }
    pipeline.arg("SETNAME").arg(CLIENT_NAME);
    if login.db != 0 {
        pipeline.cmd("SELECT").arg(login.db);
    }
    let count = pipeline.len();
    let replies = connection.send_packed_commands(&pipeline, 0, count).await;
    let replies = replies.map_err(|error| Failure::connecting(address, &error))?;
    for (place, reply) in replies.iter().enumerate() {
        if let Value::ServerError(error) = reply {
            return Err(refused(place, address, login, &error.clone().into()));
        }
    }
    Ok(read_greeting(replies.first()))
}

/// What a refused step of the login means.
fn refused(place: usize, address: &Address, login: &Login, error: &redis::RedisError) -> Failure {
    let detail = error.detail().unwrap_or_default();
    if place == 0 && detail.starts_with("unknown command") {
        let message = format!("redis at {address} is too old: 7.0 or newer, or valkey, is needed");
        return Failure::final_(ErrorKind::Config, message);
    }
    let failure = Failure::connecting(address, error);
    if place > 0 && failure.kind == ErrorKind::Config {
        let message = format!("redis at {address} has no database {}: {detail}", login.db);
        return Failure::final_(ErrorKind::Config, message);
    }
    failure
}

fn read_greeting(reply: Option<&Value>) -> Greeting {
    let mut greeting = Greeting::default();
    let Some(Value::Array(fields)) = reply else { return greeting };
    for pair in fields.chunks_exact(2) {
        let (Some(name), Some(value)) = (text(&pair[0]), text(&pair[1])) else { continue };
        match name {
            "version" => greeting.version = value.to_owned(),
            "mode" => greeting.mode = value.to_owned(),
            "role" => greeting.role = value.to_owned(),
            _ => {}
        }
    }
    greeting
}

/// A string of a reply.
pub(super) fn text(value: &Value) -> Option<&str> {
    match value {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok(),
        Value::SimpleString(text) => Some(text),
        _ => None,
    }
}

/// Whether the server that answered can carry a queue: 7.0 or newer, and a master that is no node of a cluster, or, in a
/// `cluster`, one of its nodes: those that are no master say themselves who is.
pub(super) fn check(greeting: &Greeting, address: &Address, cluster: bool) -> Result<(), Failure> {
    let refuse = |message: String| Err(Failure::final_(ErrorKind::Config, message));
    match greeting.mode.as_str() {
        "sentinel" => {
            return refuse(format!(
                "{address} is a sentinel, not a redis server: set REDIS_MODE=sentinel and REDIS_SENTINEL_URLS"
            ));
        }
        "cluster" if !cluster => return refuse(cluster_refused(address)),
        "standalone" if cluster => {
            return refuse(format!("redis at {address} is no node of a cluster: leave REDIS_MODE=cluster out"));
        }
        _ => {}
    }
    if major(&greeting.version).is_none_or(|major| major < 7) {
        let version = if greeting.version.is_empty() { "of unknown version" } else { &greeting.version };
        return refuse(format!("redis at {address} is {version}: 7.0 or newer, or valkey, is needed"));
    }
    if greeting.role != "master" && !cluster {
        let message = format!("redis at {address} is a replica, and a queue needs its master");
        return Err(Failure { wrong_role: true, ..Failure::passing(ErrorKind::NotNow, message) });
    }
    Ok(())
}

fn major(version: &str) -> Option<u32> {
    version.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn greeting(version: &str, mode: &str, role: &str) -> Greeting {
        Greeting { version: version.to_owned(), mode: mode.to_owned(), role: role.to_owned() }
    }

    #[test]
    fn only_a_fitting_server_passes() {
        let address = Address::Socket("/x".into());
        let kind = |greeting: Greeting| check(&greeting, &address, false).err().map(|failure| failure.kind);
        assert_eq!(kind(greeting("7.0.15", "standalone", "master")), None);
        assert_eq!(kind(greeting("8.1.0", "standalone", "master")), None);
        assert_eq!(kind(greeting("6.2.14", "standalone", "master")), Some(ErrorKind::Config));
        assert_eq!(kind(greeting("", "standalone", "master")), Some(ErrorKind::Config));
        assert_eq!(kind(greeting("7.0.15", "cluster", "master")), Some(ErrorKind::Config));
        assert_eq!(kind(greeting("7.0.15", "sentinel", "")), Some(ErrorKind::Config));
        let node = |mode: &str, role: &str| check(&greeting("7.0.15", mode, role), &address, true).is_ok();
        assert!(node("cluster", "master") && node("cluster", "replica") && !node("standalone", "master"));
        assert_eq!(kind(greeting("7.0.15", "standalone", "replica")), Some(ErrorKind::NotNow));
    }
}
