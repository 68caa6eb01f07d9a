//! Where Redis is and how to get in.

use std::fmt;
use std::path::{Path, PathBuf};

use super::endpoint;
use super::source::Source;

/// A value that no output ever shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides `value`.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value itself, for the one who must send it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("********")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("********")
    }
}

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Whether this one speaks TLS.
    pub tls: bool,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// How Redis is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RedisMode {
    /// One server at a host and port.
    Standalone(Endpoint),
    /// A master found through sentinels.
    Sentinel {
        /// The sentinels, in the order they are asked.
        sentinels: Vec<Endpoint>,
        /// The name of the master.
        master: String,
        /// The sentinels' own user.
        username: Option<String>,
        /// The sentinels' own password.
        password: Option<Secret>,
    },
    /// A cluster, of which some nodes are known; they tell of the others.
    Cluster(Vec<Endpoint>),
    /// A private server in a data directory, started when needed.
    Embedded {
        /// The directory.
        data_dir: PathBuf,
        /// The Unix socket that the server listens on.
        socket: PathBuf,
    },
}

/// The path of a Unix socket has 108 bytes with its terminating zero.
const SOCKET_PATH_MAX: usize = 107;

impl RedisMode {
    /// A private server in `data_dir`, its socket there too, or in `runtime_dir` (`$XDG_RUNTIME_DIR`) where the path
    /// would be too long for one.
    ///
    /// # Errors
    /// What is wrong with both.
    pub fn embedded(data_dir: PathBuf, runtime_dir: Option<&Path>) -> Result<Self, String> {
        let fits = |socket: &PathBuf| socket.as_os_str().len() <= SOCKET_PATH_MAX;
        let beside = data_dir.join("redis.sock");
        let name = format!("ireva-queue-{:016x}.sock", fingerprint(data_dir.as_os_str().as_encoded_bytes()));
        let runtime = runtime_dir.map(|dir| dir.join(name));
        match Some(beside).filter(fits).or(runtime.filter(fits)) {
            Some(socket) => Ok(Self::Embedded { data_dir, socket }),
            None => Err(format!(
                "the data directory {data_dir:?} is too long for a socket in it (at most {SOCKET_PATH_MAX} bytes): \
                 choose a shorter IREVA_QUEUE_DATA_DIR, or set XDG_RUNTIME_DIR"
            )),
        }
    }
}

/// FNV-1a: the same for every build, so that all commands of a user meet at the same socket.
fn fingerprint(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Certificates for TLS.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TlsConfig {
    /// Whether the server is spoken to through TLS.
    pub enabled: bool,
    /// PEM file of the authority to trust instead of the system's.
    pub ca: Option<PathBuf>,
    /// PEM file of the client's certificate.
    pub cert: Option<PathBuf>,
    /// PEM file of the client's key.
    pub key: Option<PathBuf>,
}

/// Everything needed to reach Redis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisConfig {
    /// How it is run.
    pub mode: RedisMode,
    /// The ACL user.
    pub username: Option<String>,
    /// The password.
    pub password: Option<Secret>,
    /// The database number.
    pub db: i64,
    /// TLS.
    pub tls: TlsConfig,
    /// What every key begins with.
    pub prefix: String,
    /// Whether every act that writes is refused.
    pub read_only: bool,
}

impl RedisConfig {
    /// The one check that keeps a read-only configuration from changing anything.
    ///
    /// # Errors
    /// `Refused` where it is read-only.
    pub fn must_be_writable(&self) -> crate::Result<()> {
        if !self.read_only {
            return Ok(());
        }
        Err(crate::Error::refused(
            "nothing was changed: this configuration is read-only (read_only, IREVA_QUEUE_READ_ONLY)",
        ))
    }
}

/// Reads this part; what is wrong goes to the source's problems.
pub(super) fn read(source: &mut Source<'_>, data_dir: &Path) -> RedisConfig {
    let tls = read_tls(source);
    let mode = read_mode(source, &tls, data_dir);
    let db = source.parse("REDIS_DB", "a whole number from 0", |text| text.parse::<u16>().ok()).map_or(0, i64::from);
    if db != 0 && matches!(mode, RedisMode::Cluster(_)) {
        source.problem(format!(
            "REDIS_DB={db}: a cluster has database 0 only; leave REDIS_DB out with REDIS_MODE=cluster"
        ));
    }
    RedisConfig {
        mode,
        username: source.text("REDIS_USERNAME"),
        password: source.secret("REDIS_PASSWORD", Some("REDIS_PASSWORD_FILE")),
        db,
        tls,
        prefix: source
            .parse("QUEUE_PREFIX", "printable characters without spaces, braces and *?[]\\", |text| {
                is_prefix(text).then(|| text.to_owned())
            })
            .unwrap_or_else(|| "ireva:queue:".to_owned()),
        read_only: source.parse("IREVA_QUEUE_READ_ONLY", "on or off", on_or_off).unwrap_or(false),
    }
}

fn read_mode(source: &mut Source<'_>, tls: &TlsConfig, data_dir: &Path) -> RedisMode {
    let host = source.parse("REDIS_HOST", "a host name or address, without scheme and port", endpoint::host);
    let port = source.parse("REDIS_PORT", "a port from 1 to 65535", endpoint::port);
    let host = host.unwrap_or_else(|| "localhost".to_owned());
    let place = Endpoint { host, port: port.unwrap_or(6379), tls: tls.enabled };
    let standalone = RedisMode::Standalone(place.clone());
    let (sentinels, broken) = read_list(source, "REDIS_SENTINEL_URLS", |entry| endpoint::sentinel(entry, tls.enabled));
    let (nodes, _) = read_list(source, "REDIS_CLUSTER_URLS", |entry| endpoint::node(entry, tls.enabled));
    let master = source.text("REDIS_SENTINEL_NAME").unwrap_or_else(|| "mymaster".to_owned());
    let username = source.text("REDIS_SENTINEL_USERNAME");
    let password = source.secret("REDIS_SENTINEL_PASSWORD", Some("REDIS_SENTINEL_PASSWORD_FILE"));
    match source.text("REDIS_MODE").as_deref() {
        None | Some("standalone") => standalone,
        Some("sentinel") => {
            if sentinels.is_empty() && !broken {
                source.problem("REDIS_MODE=sentinel needs REDIS_SENTINEL_URLS: expected host:port,host:port,…");
            }
            RedisMode::Sentinel { sentinels, master, username, password }
        }
        Some("embedded") => read_embedded(source, data_dir).unwrap_or(standalone),
        Some("cluster") => RedisMode::Cluster(if nodes.is_empty() { vec![place] } else { nodes }),
        Some(other) => {
            source.wrong("REDIS_MODE", other, "standalone, sentinel, cluster or embedded");
            standalone
        }
    }
}

/// The places of a list, and whether an entry cannot be read.
fn read_list(
    source: &mut Source<'_>,
    name: &'static str,
    read: impl Fn(&str) -> Result<Endpoint, &'static str>,
) -> (Vec<Endpoint>, bool) {
    let Some(list) = source.text(name) else { return (Vec::new(), false) };
    let (mut places, mut broken) = (Vec::new(), false);
    // A password may hold a comma, and then its halves look like entries.
    let may_hold_login = list.contains('@');
    for (index, entry) in list.split(',').map(str::trim).filter(|entry| !entry.is_empty()).enumerate() {
        match read(entry) {
            Ok(place) => places.push(place),
            Err(expected) => {
                broken = true;
                let shown = if may_hold_login { format!("entry {}", index + 1) } else { entry.to_owned() };
                source.wrong(name, &shown, expected);
            }
        }
    }
    (places, broken)
}

fn read_embedded(source: &mut Source<'_>, data_dir: &Path) -> Option<RedisMode> {
    if data_dir.as_os_str().is_empty() {
        source.problem("REDIS_MODE=embedded needs a data directory: set IREVA_QUEUE_DATA_DIR (HOME is not set)");
        return None;
    }
    let runtime_dir = source.text("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|dir| dir.is_absolute());
    let mode = RedisMode::embedded(data_dir.to_owned(), runtime_dir.as_deref());
    mode.map_err(|problem| source.problem(format!("REDIS_MODE=embedded: {problem}"))).ok()
}

fn read_tls(source: &mut Source<'_>) -> TlsConfig {
    let enabled = source.parse("REDIS_TLS", "on or off", on_or_off);
    let path = |name| source.text(name).map(PathBuf::from);
    let config = TlsConfig {
        enabled: enabled.unwrap_or(false),
        ca: path("REDIS_TLS_CA"),
        cert: path("REDIS_TLS_CERT"),
        key: path("REDIS_TLS_KEY"),
    };
    if config.cert.is_some() != config.key.is_some() {
        let (there, missing) = match config.cert {
            Some(_) => ("REDIS_TLS_CERT", "REDIS_TLS_KEY"),
            None => ("REDIS_TLS_KEY", "REDIS_TLS_CERT"),
        };
        source.problem(format!("{there} is set without {missing}: a certificate and its key come together"));
    }
    config
}

fn on_or_off(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "on" | "true" | "1" | "yes" => Some(true),
        "off" | "false" | "0" | "no" => Some(false),
        _ => None,
    }
}

/// What every key may begin with: it must stay whole in patterns, shells and cluster slots.
fn is_prefix(text: &str) -> bool {
    text.len() <= 200 && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"{}*?[]\\".contains(&byte))
}
