//! A private server in a data directory: started when needed, shared by every command of the user, stopped on request.
//!
//! The server's log is its inherited output and is locked (`flock`) before the server starts. The lock belongs to the
//! open file, so it lives exactly as long as the server, however that ends: whoever gets the lock may start a server,
//! and nobody else does.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use redis::Value;
use serde::Serialize;
use tokio::net::UnixStream;
use tokio::time::{Instant, sleep, timeout};

use super::dial::{self, Address, Login};
use super::failure::Failure;
use crate::config::{Config, RedisMode, TlsConfig, VARIABLES};
use crate::error::{Error, ErrorKind, Result};

/// How long a server may take to start or to stop, its data read or written.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often it is looked whether it has.
const STEP: Duration = Duration::from_millis(4);
/// How long a running server may take to answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);

/// The server's log, and its lock.
const LOG: &str = "redis.log";
/// A log beyond this is begun anew with the next start.
const LOG_MAX: u64 = 1024 * 1024;

/// The programs that can be the server, in the order in which they are looked for.
const PROGRAMS: [&str; 2] = ["redis-server", "valkey-server"];
/// Those that mend its file, in the same way.
const CHECKERS: [&str; 2] = ["redis-check-aof", "valkey-check-aof"];

/// What is known of the private server of a data directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EmbeddedStatus {
    /// Whether it runs and answers.
    pub running: bool,
    /// The socket that it listens on while it runs.
    pub socket: PathBuf,
    /// Where its data and its log are.
    pub data_dir: PathBuf,
    /// Its process.
    pub pid: Option<u32>,
    /// Its version.
    pub version: Option<String>,
    /// For how long it has run.
    pub uptime_secs: Option<u64>,
    /// The memory that its data take.
    pub used_memory_bytes: Option<u64>,
    /// The size of its append-only file.
    pub aof_bytes: Option<u64>,
}

/// Looks after the private server of `config` without starting it.
///
/// # Errors
/// `Config` where the mode is not embedded; `Unreachable` where something is there that does not answer.
pub async fn embedded_status(config: &Config) -> Result<EmbeddedStatus> {
    let (data_dir, socket) = place(config)?;
    let mut status = EmbeddedStatus {
        running: false,
        socket: socket.to_owned(),
        data_dir: data_dir.to_owned(),
        pid: None,
        version: None,
        uptime_secs: None,
        used_memory_bytes: None,
        aof_bytes: None,
    };
    let mut wire = match open(socket).await {
        Ok(wire) => wire,
        Err(failure) if failure.absent => return Ok(status),
        Err(failure) => return Err(failure.into_error()),
    };
    status.running = true;
    status.version = Some(wire.greeting.version.clone());
    let reply = timeout(ANSWER_LIMIT, wire.connection.send_packed_command(&redis::cmd("INFO"))).await;
    let Ok(Ok(Value::BulkString(info))) = reply else { return Ok(status) };
    let info = String::from_utf8_lossy(&info);
    let field = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')?.parse().ok());
    status.pid = field("process_id").and_then(|pid| u32::try_from(pid).ok());
    status.uptime_secs = field("uptime_in_seconds");
    status.used_memory_bytes = field("used_memory");
    status.aof_bytes = field("aof_current_size");
    Ok(status)
}

/// Stops the private server of `config` and waits until its process is gone; its data stay. Whether one ran.
///
/// # Errors
/// `Config` where the mode is not embedded; `Unreachable` or `Timeout` where the server does not stop within 30 s.
pub async fn embedded_stop(config: &Config) -> Result<bool> {
    let (data_dir, socket) = place(config)?;
    let deadline = Instant::now() + PATIENCE;
    let mut ran = false;
    while Instant::now() < deadline {
        if !data_dir.join(LOG).exists() {
            return Ok(ran);
        }
        match lock(data_dir).map_err(Failure::into_error)? {
            // No server any more: what a killed one left goes too, and nobody can start one meanwhile.
            Some(_lock) => {
                let removed = std::fs::remove_file(socket);
                return match removed {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => Err(unusable(socket, &error).into_error()),
                    _ => Ok(ran),
                };
            }
            None => ran |= shut_down(socket).await?,
        }
        sleep(STEP).await;
    }
    let message = format!("the server in {} did not stop within {} s", data_dir.display(), PATIENCE.as_secs());
    Err(Error::new(ErrorKind::Timeout, message))
}

/// Asks the server to end, with its data on disk; whether anyone was asked.
async fn shut_down(socket: &Path) -> Result<bool> {
    let mut wire = match open(socket).await {
        Ok(wire) => wire,
        // On its way up or down: asked again, or gone, with the next look at the lock.
        Err(failure) if failure.kind == ErrorKind::Unreachable => return Ok(false),
        Err(failure) => return Err(failure.into_error()),
    };
    // The answer is a closed connection; a refusal (a rewrite of the file is under way) is asked again.
    let _ = timeout(ANSWER_LIMIT, wire.connection.send_packed_command(&redis::cmd("SHUTDOWN"))).await;
    Ok(true)
}

fn place(config: &Config) -> Result<(&Path, &Path)> {
    match &config.redis.mode {
        RedisMode::Embedded { data_dir, socket } => Ok((data_dir, socket)),
        _ => Err(Error::new(ErrorKind::Config, "the embedded server needs REDIS_MODE=embedded")),
    }
}

async fn open(socket: &Path) -> Result<dial::Wire, Failure> {
    let address = Address::Socket(socket.to_owned());
    dial::open(&address, &Login::default(), &TlsConfig::default(), ANSWER_LIMIT).await
}

/// Sees to it that a server listens on `socket`: starts it, or waits for whoever is starting it.
pub(super) async fn ensure(data_dir: &Path, socket: &Path) -> Result<(), Failure> {
    let deadline = Instant::now() + PATIENCE;
    create_dir(data_dir)?;
    let mut mended = false;
    while Instant::now() < deadline {
        if listens(socket).await {
            return Ok(());
        }
        if let Some(log) = lock(data_dir)? {
            if !mended && is_cut_short(data_dir) {
                cut_whole(data_dir)?;
                mended = true;
            }
            let child = start(data_dir, socket, log)?;
            match listening(child, data_dir, socket, deadline).await {
                Err(_) if !mended && is_cut_short(data_dir) => continue,
                outcome => return outcome,
            }
        }
        sleep(STEP).await;
    }
    let message = format!(
        "a server holds {} and does not listen on {} after {} s",
        data_dir.join(LOG).display(),
        socket.display(),
        PATIENCE.as_secs()
    );
    Err(Failure::final_(ErrorKind::Unreachable, message))
}

async fn listens(socket: &Path) -> bool {
    UnixStream::connect(socket).await.is_ok()
}

/// The directory is the user's alone, since it holds payloads.
fn create_dir(data_dir: &Path) -> Result<(), Failure> {
    let failed = |error: io::Error| unusable(data_dir, &error);
    DirBuilder::new().recursive(true).mode(0o700).create(data_dir).map_err(failed)?;
    let meta = data_dir.metadata().map_err(failed)?;
    // One that was there before, and holds nothing yet, is closed to others too; with files in it, it is not ours to change.
    if meta.mode() & 0o077 != 0 && data_dir.read_dir().map_err(failed)?.next().is_none() {
        std::fs::set_permissions(data_dir, std::fs::Permissions::from_mode(0o700)).map_err(failed)?;
    }
    Ok(())
}

fn unusable(path: &Path, error: &io::Error) -> Failure {
    let said = match error.kind() {
        io::ErrorKind::NotFound => "it is not there and cannot be made".to_owned(),
        io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => "it is not a directory".to_owned(),
        kind => io::Error::from(kind).to_string(),
    };
    let path = path.display();
    let message = format!("{path} cannot be used for the embedded server: {said} (IREVA_QUEUE_DATA_DIR says where)");
    Failure::final_(ErrorKind::Config, message)
}

/// The log, locked; `None` while a server, or one who starts it, has it.
fn lock(data_dir: &Path) -> Result<Option<File>, Failure> {
    let path = data_dir.join(LOG);
    let failed = |error: io::Error| unusable(&path, &error);
    let log = OpenOptions::new().create(true).append(true).read(true).mode(0o600).open(&path).map_err(failed)?;
    match log.try_lock() {
        Ok(()) => Ok(Some(log)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// Starts the server with `log` as its output. Its configuration comes through its input, so nothing of it shows
/// among the processes.
fn start(data_dir: &Path, socket: &Path, log: File) -> Result<Child, Failure> {
    let failed = |error: io::Error| unusable(data_dir, &error);
    if log.metadata().map_err(failed)?.len() > LOG_MAX {
        log.set_len(0).map_err(failed)?;
    }
    for program in PROGRAMS {
        let mut command = Command::new(program);
        command.arg("-").current_dir(data_dir).stdin(Stdio::piped());
        command.stdout(log.try_clone().map_err(failed)?).stderr(log.try_clone().map_err(failed)?);
        // A group of its own, so that Ctrl-C at the starter's terminal does not reach it.
        command.process_group(0);
        // It outlives the starter and needs none of its secrets.
        for variable in VARIABLES {
            command.env_remove(variable.name);
        }
        command.env_remove("DATABASE_URL");
        match command.spawn() {
            Ok(mut child) => {
                let input = child.stdin.take();
                let written = input.map_or(Ok(()), |mut input| input.write_all(&settings(data_dir, socket)));
                // A server that ended already says why in its log, which is told below.
                written
                    .or_else(|error| if error.kind() == io::ErrorKind::BrokenPipe { Ok(()) } else { Err(error) })
                    .map_err(failed)?;
                return Ok(child);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
    }
    let message = "the embedded mode needs redis-server or valkey-server in PATH: apt-get install redis-server";
    Err(Failure::final_(ErrorKind::Unreachable, message))
}

/// Whether the last server found the end of its file missing, as one that is killed while it writes leaves it, and said so.
fn is_cut_short(data_dir: &Path) -> bool {
    last_words(&data_dir.join(LOG))
        .is_some_and(|said| said.contains("Unexpected end of file reading the append only file"))
}

/// Takes the part of a script that stands at the end of the file away. Redis itself, where it is told to load such a file,
/// leaves that part there and executes it at its next start, after the worker has repeated the script.
fn cut_whole(data_dir: &Path) -> Result<(), Failure> {
    for program in CHECKERS {
        let mut command = Command::new(program);
        command.args(["--fix", "appendonlydir/appendonly.aof.manifest"]).current_dir(data_dir);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        match command.spawn() {
            Ok(mut child) => {
                // It asks whether it may.
                let _ = child.stdin.take().map(|mut input| input.write_all(b"y\n"));
                let status = child.wait().map_err(|error| unusable(data_dir, &error))?;
                tracing::info!("{program} has ended with {status}: the file of {} was cut short", data_dir.display());
                return Ok(());
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(unusable(data_dir, &error)),
        }
    }
    let message = format!(
        "the append-only file in {} was cut short and needs redis-check-aof: apt-get install redis-tools",
        data_dir.display()
    );
    Err(Failure::final_(ErrorKind::Unreachable, message))
}

fn settings(data_dir: &Path, socket: &Path) -> Vec<u8> {
    let mut text =
        b"port 0\nunixsocketperm 700\nappendonly yes\nappendfsync everysec\naof-load-truncated no\nsave \"\"\n\
        maxmemory-policy noeviction\ndaemonize no\nsupervised no\nlogfile \"\"\nunixsocket "
            .to_vec();
    text.extend(quoted(socket));
    text.extend(b"\ndir ");
    text.extend(quoted(data_dir));
    text.push(b'\n');
    text
}

/// A path in the server's own quoting.
fn quoted(path: &Path) -> Vec<u8> {
    let mut text = vec![b'"'];
    for &byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'"' | b'\\' => text.extend([b'\\', byte]),
            b' '..=b'~' => text.push(byte),
            _ => text.extend(format!("\\x{byte:02x}").into_bytes()),
        }
    }
    text.push(b'"');
    text
}

/// Waits until the new server listens, or tells what it said at its end.
async fn listening(mut child: Child, data_dir: &Path, socket: &Path, deadline: Instant) -> Result<(), Failure> {
    while Instant::now() < deadline {
        if listens(socket).await {
            // Whoever starts a server and lives on, such as a worker, must take leave of it when it ends.
            std::thread::spawn(move || child.wait());
            return Ok(());
        }
        if let Ok(Some(status)) = child.try_wait() {
            let said = last_words(&data_dir.join(LOG)).unwrap_or_else(|| status.to_string());
            let message = format!("the embedded server in {} did not start: {said}", data_dir.display());
            return Err(Failure::final_(ErrorKind::Unreachable, message));
        }
        sleep(STEP).await;
    }
    std::thread::spawn(move || child.wait());
    let message = format!("the embedded server in {} does not listen yet", data_dir.display());
    Err(Failure::final_(ErrorKind::Unreachable, message))
}

/// The last line of the log.
fn last_words(log: &Path) -> Option<String> {
    let mut file = File::open(log).ok()?;
    let length = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(2_048))).ok()?;
    let mut tail = Vec::new();
    file.read_to_end(&mut tail).ok()?;
    let tail = String::from_utf8_lossy(&tail).into_owned();
    tail.lines().map(str::trim).rfind(|line| !line.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_quoted_for_the_server() {
        assert_eq!(quoted(Path::new("/a b/\"c\"\\\n")), b"\"/a b/\\\"c\\\"\\\\\\x0a\"");
    }
}
