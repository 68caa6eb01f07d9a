//! A private `redis-server` on a loopback port, gone with the test.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Mutex;
use std::time::Duration;

use redis::{ConnectionAddr, ConnectionInfo, FromRedisValue, IntoConnectionInfo, RedisConnectionInfo, Value};
use rustix::process::Signal;
use tempfile::TempDir;

use super::process::{Guarded, free_port, guarded, signal};
use super::wait::wait_for;

const PREFIX: &str = "ireva:queue:";

/// A running server. Killed, reaped and its directory removed on drop.
pub struct TestRedis {
    process: Option<Guarded>,
    directory: TempDir,
    port: u16,
    password: Option<String>,
    urgent: bool,
    tls: bool,
    settings: String,
    connection: Mutex<Option<redis::Connection>>,
}

/// What a [`TestRedis`] is started with.
#[derive(Default)]
pub struct RedisBuilder {
    settings: String,
    password: Option<String>,
    sentinel: bool,
    urgent: bool,
    tls: bool,
}

impl RedisBuilder {
    /// A line of redis.conf.
    pub fn set(mut self, line: &str) -> Self {
        self.settings.push_str(line);
        self.settings.push('\n');
        self
    }

    /// With an append-only file, so that a killed server comes back with everything that it had answered: with `everysec` a
    /// disk that stalls makes Redis hold its writes back.
    pub fn append_only(self) -> Self {
        self.set("appendonly yes").set("appendfsync always")
    }

    /// With a password. The server reads its settings from stdin, so no command line shows it.
    pub fn password(mut self, password: &str) -> Self {
        self.password = Some(password.to_owned());
        self.set(&format!("requirepass {password}")).set(&format!("masterauth {password}"))
    }

    /// As a sentinel, told whom to watch by `set("sentinel monitor …")`.
    pub fn sentinel(mut self) -> Self {
        self.sentinel = true;
        self
    }

    /// On its port speaks TLS alone, by these settings; the test itself goes through the socket.
    pub fn tls(mut self, settings: &str) -> Self {
        self.tls = true;
        self.set("tls-replication yes").set(settings)
    }

    /// Ahead of everything else on the machine, where that is allowed: for tests that measure what the server does.
    pub fn urgent(mut self) -> Self {
        self.urgent = true;
        self
    }

    pub fn start(self) -> TestRedis {
        // Another test may take the port between the look and the start: then the next one is tried.
        for _ in 0..20 {
            let directory = tempfile::Builder::new().prefix("ireva-redis-").tempdir().unwrap();
            let port = free_port();
            let settings = self.conf(port, directory.path());
            let mut redis = TestRedis {
                process: None,
                directory,
                port,
                password: self.password.clone(),
                urgent: self.urgent,
                tls: self.tls,
                settings,
                connection: Mutex::new(None),
            };
            if redis.launch(self.sentinel) {
                return redis;
            }
        }
        panic!("redis-server did not start on any of 20 ports; is it installed?");
    }

    fn conf(&self, port: u16, directory: &Path) -> String {
        let dir = directory.display();
        let port = if self.tls { format!("port 0\ntls-port {port}") } else { format!("port {port}") };
        if self.sentinel {
            return format!(
                "{port}\nbind 127.0.0.1\ndir {dir}\nlogfile {dir}/redis.log\nunixsocket {dir}/redis.sock\n{}",
                self.settings
            );
        }
        format!(
            "{port}\nbind 127.0.0.1\ndir {dir}\nlogfile {dir}/redis.log\nunixsocket {dir}/redis.sock\n\
             save \"\"\nappendonly no\nenable-debug-command local\n{}",
            self.settings
        )
    }
}

impl TestRedis {
    /// A server without persistence or password.
    pub fn start() -> Self {
        RedisBuilder::default().start()
    }

    pub fn builder() -> RedisBuilder {
        RedisBuilder::default()
    }

    pub fn host(&self) -> &'static str {
        "127.0.0.1"
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn socket(&self) -> PathBuf {
        self.directory.path().join("redis.sock")
    }

    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub fn pid(&self) -> u32 {
        self.process.as_ref().expect("the server runs").pid()
    }

    /// What the server wrote to its log.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("redis.log")).unwrap_or_default()
    }

    /// The environment through which the tool finds this server.
    pub fn env(&self) -> Vec<(String, String)> {
        let mut env =
            vec![("REDIS_HOST".to_owned(), self.host().to_owned()), ("REDIS_PORT".to_owned(), self.port.to_string())];
        env.extend(self.password.iter().map(|password| ("REDIS_PASSWORD".to_owned(), password.clone())));
        env
    }

    /// The name of a key of a queue under the default prefix.
    pub fn key(&self, queue: &str, suffix: &str) -> String {
        format!("{PREFIX}{{{queue}}}:{suffix}")
    }

    /// The reply to a command; panics when it is an error.
    pub fn query<T: FromRedisValue>(&self, command: &[&str]) -> T {
        self.try_query(command).unwrap_or_else(|error| panic!("{command:?}: {error}"))
    }

    /// The reply to a command.
    pub fn try_query<T: FromRedisValue>(&self, command: &[&str]) -> redis::RedisResult<T> {
        let mut held = self.connection.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut connection = match held.take() {
            Some(connection) => connection,
            None => self.connect()?,
        };
        let mut cmd = redis::cmd(command[0]);
        cmd.arg(&command[1..]);
        let reply = cmd.query::<Value>(&mut connection);
        if reply.as_ref().err().is_none_or(|error| !error.is_io_error() && !error.is_unrecoverable_error()) {
            *held = Some(connection);
        }
        Ok(redis::from_redis_value(reply?)?)
    }

    /// A connection of its own.
    pub fn connect(&self) -> redis::RedisResult<redis::Connection> {
        let mut login = RedisConnectionInfo::default();
        if let Some(password) = &self.password {
            login = login.set_password(password);
        }
        let address = match self.tls {
            true => ConnectionAddr::Unix(self.socket()),
            false => ConnectionAddr::Tcp(self.host().to_owned(), self.port),
        };
        let info: ConnectionInfo = address.into_connection_info()?.set_redis_settings(login);
        let connection = redis::Client::open(info)?.get_connection_with_timeout(Duration::from_secs(5))?;
        connection.set_read_timeout(Some(Duration::from_secs(30)))?;
        Ok(connection)
    }

    /// Gives the test's own connection up; the next question makes a new one.
    pub fn hang_up(&self) {
        *self.connection.lock().unwrap() = None;
    }

    /// kill -9 of the server.
    pub fn kill9(&mut self) {
        self.process.take().expect("the server runs").kill();
        *self.connection.lock().unwrap() = None;
    }

    /// Starts it again on the same port and directory, after [`TestRedis::kill9`] or instead of it.
    pub fn restart(&mut self) {
        if self.process.is_some() {
            self.kill9();
        }
        self.mend_file();
        assert!(self.launch(false), "redis-server did not start again: {}", self.log());
    }

    /// What the README tells operators to do: a server killed within a write leaves a part of a script at the end of its file,
    /// which Redis 7.0 passes over at its next start and executes at the one after that.
    fn mend_file(&self) {
        let manifest = self.directory.path().join("appendonlydir/appendonly.aof.manifest");
        if !manifest.exists() {
            return;
        }
        let mut command = std::process::Command::new("redis-check-aof");
        command.arg("--fix").arg(manifest).stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::null());
        let mut child = command.spawn().expect("redis-check-aof is there");
        // It asks whether it may, where there is something to mend.
        let _ = std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"y\n");
        assert!(child.wait().unwrap().success(), "the append-only file cannot be mended");
    }

    /// SIGSTOP or SIGCONT of the server.
    pub fn signal(&self, which: Signal) {
        signal(self.pid(), which);
    }

    /// How long the server has waited for a core while it had something to do, in microseconds.
    pub fn waited_for_core(&self) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/schedstat", self.pid())).unwrap_or_default();
        text.split(' ').nth(1).and_then(|nanos| nanos.parse::<u64>().ok()).unwrap_or_default() / 1_000
    }

    /// Forgets the slow commands so far and notes those over `micros` from now on.
    pub fn watch_slow_commands(&self, micros: u64) {
        self.query::<()>(&[
            "CONFIG",
            "SET",
            "slowlog-log-slower-than",
            &micros.to_string(),
            "slowlog-max-len",
            "10000",
        ]);
        self.query::<()>(&["SLOWLOG", "RESET"]);
    }

    /// The slow commands since then: microseconds and the words of each (the server shortens long ones).
    pub fn slow_commands(&self) -> Vec<(u64, String)> {
        let entries: Vec<Vec<Value>> = self.query(&["SLOWLOG", "GET", "-1"]);
        let read = |entry: &Vec<Value>| {
            let micros: u64 = redis::from_redis_value(entry[2].clone()).unwrap();
            let words: Vec<Vec<u8>> = redis::from_redis_value(entry[3].clone()).unwrap();
            let words: Vec<_> = words.iter().take(6).map(|word| String::from_utf8_lossy(word).into_owned()).collect();
            (micros, words.join(" "))
        };
        entries.iter().map(read).collect()
    }

    fn launch(&mut self, sentinel: bool) -> bool {
        let mut command = guarded(if self.urgent { "nice" } else { "redis-server" });
        if self.urgent {
            // Where it may not, `nice` says so and starts the server all the same.
            command.args(["-n", "-20", "redis-server"]);
        }
        let file = self.directory.path().join("sentinel.conf");
        if sentinel {
            // A sentinel rewrites its file, so it must have one.
            std::fs::write(&file, &self.settings).unwrap();
            command.arg(&file).arg("--sentinel").stdin(Stdio::null());
        } else {
            command.arg("-").stdin(Stdio::piped());
        }
        command.env("LC_ALL", "C").stdout(Stdio::null()).stderr(Stdio::null());
        let mut process = Guarded(command.spawn().expect("redis-server is installed"));
        if let Some(mut stdin) = process.0.stdin.take() {
            let _ = stdin.write_all(self.settings.as_bytes());
        }
        let pid = i64::from(process.pid());
        let ready = wait_for(Duration::from_secs(60), "redis-server answers", || {
            if process.ended().is_some() {
                return Some(false);
            }
            let info: Option<redis::InfoDict> = self.try_query(&["INFO"]).ok();
            let info = info.filter(|info| info.get::<u8>("loading").unwrap_or_default() == 0)?;
            Some(info.get::<i64>("process_id") == Some(pid))
        });
        if ready {
            self.process = Some(process);
        } else {
            *self.connection.lock().unwrap() = None;
        }
        ready
    }
}
