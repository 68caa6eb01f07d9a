//! A private PostgreSQL on a loopback port, gone with the test.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;

use super::process::{Guarded, find, free_port, guarded, signal};
use super::wait::wait_until;

/// A running server with an empty database `ireva`. Killed, reaped and its directory removed on drop.
pub struct TestPostgres {
    process: Guarded,
    directory: TempDir,
    port: u16,
}

impl TestPostgres {
    pub fn start() -> Self {
        let directory = tempfile::Builder::new().prefix("ireva-postgres-").tempdir().unwrap();
        let data = directory.path().join("data");
        std::fs::create_dir(&data).unwrap();
        if rustix::process::getuid().is_root() {
            // The server refuses to run as root.
            let owned = Command::new("chown").args(["-R", "postgres:postgres"]).arg(directory.path()).status().unwrap();
            assert!(owned.success(), "chown to postgres");
        }
        let mut initdb = unprivileged("initdb");
        initdb.args(["--no-sync", "--no-instructions", "--auth=trust", "--username=ireva", "--encoding=UTF8"]);
        let made = initdb.arg("--locale=C.UTF-8").arg("-D").arg(&data).output().unwrap();
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        for _ in 0..20 {
            let port = free_port();
            let Some(process) = serve(&data, port) else { continue };
            let postgres = Self { process, directory, port };
            postgres.query("postgres", "CREATE DATABASE ireva");
            return postgres;
        }
        panic!("postgres found no free port");
    }

    /// Ends it, and every connection; what it holds stays.
    pub fn stop(&mut self) {
        signal(self.process.pid(), Signal::INT);
        self.process.wait(Duration::from_secs(60), "postgres");
    }

    /// Starts it again, in the same place.
    pub fn start_again(&mut self) {
        self.process = serve(&self.directory.path().join("data"), self.port).expect("its port is still free");
    }

    /// `DATABASE_URL` of it.
    pub fn url(&self) -> String {
        format!("postgres://ireva@127.0.0.1:{}/ireva", self.port)
    }

    /// Asks the database `ireva`; the rows, `|` between values.
    pub fn ask(&self, sql: &str) -> String {
        self.query("ireva", sql)
    }

    fn query(&self, database: &str, sql: &str) -> String {
        let mut psql = Command::new(program("psql"));
        psql.args(["-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", "ireva", "-h", "127.0.0.1"]);
        psql.args(["-p", &self.port.to_string(), "-d", database, "-c", sql]).current_dir(self.directory.path());
        let answer = psql.output().unwrap();
        assert!(answer.status.success(), "{sql}: {}", String::from_utf8_lossy(&answer.stderr));
        String::from_utf8(answer.stdout).unwrap().trim_end().to_owned()
    }
}

/// A server on this port that answers; `None` where the port is not free.
fn serve(data: &Path, port: u16) -> Option<Guarded> {
    let mut server = unprivileged("postgres");
    server.arg("-D").arg(data).args(["-h", "127.0.0.1", "-p", &port.to_string()]);
    for setting in ["unix_socket_directories=", "fsync=off", "max_connections=200", "shared_buffers=16MB"] {
        server.args(["-c", setting]);
    }
    let mut process = Guarded(server.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    let mut gone = false;
    wait_until(Duration::from_secs(60), "postgres answers", || {
        gone = process.ended().is_some();
        gone || accepts(port)
    });
    (!gone).then_some(process)
}

fn accepts(port: u16) -> bool {
    let ready = Command::new(program("pg_isready")).args(["-q", "-h", "127.0.0.1", "-p", &port.to_string()]).status();
    ready.is_ok_and(|status| status.success())
}

/// One of the server's programs, which Debian keeps out of the path.
fn program(name: &str) -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<_> = versions.map(|version| version.path().join("bin").join(name)).collect();
    found.retain(|file| file.is_file());
    found.sort();
    found.pop().or_else(|| find(name)).unwrap_or_else(|| panic!("{name} is not installed: run tests/install.sh test"))
}

/// A command that runs as the user postgres where we are root.
fn unprivileged(name: &str) -> Command {
    let program = program(name);
    if !rustix::process::getuid().is_root() {
        return guarded(program);
    }
    let mut command = guarded("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--pdeathsig", "KILL", "--"]).arg(program);
    command
}
