//! The real binary, run to its end in an environment that holds nothing but what the test put there.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::process::{Guarded, guarded};
use super::redis_server::TestRedis;
use super::work::WorkProcess;

const BINARY: &str = env!("CARGO_BIN_EXE_ireva-queue");

/// Runs `ireva-queue`. Cloning shares the home directory.
#[derive(Clone)]
pub struct Cli {
    env: Vec<(String, String)>,
    stdin: Option<Vec<u8>>,
    deadline: Duration,
    home: Arc<TempDir>,
}

/// What a command answered.
#[derive(Debug, Clone)]
pub struct Output {
    /// `None` when a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
    pub elapsed: Duration,
    /// How it was called, for messages.
    pub call: String,
}

impl Cli {
    /// On this server.
    pub fn new(redis: &TestRedis) -> Self {
        let mut cli = Self::bare();
        cli.env.extend(redis.env());
        cli
    }

    /// With no variable but `PATH` and an empty `HOME`.
    pub fn bare() -> Self {
        let home = tempfile::Builder::new().prefix("ireva-home-").tempdir().unwrap();
        let path = std::env::var("PATH").unwrap_or_default();
        let env = vec![("PATH".to_owned(), path), ("HOME".to_owned(), home.path().display().to_string())];
        Self { env, stdin: None, deadline: Duration::from_secs(60), home: Arc::new(home) }
    }

    pub fn binary() -> &'static Path {
        Path::new(BINARY)
    }

    /// The directory that is `HOME`.
    pub fn home(&self) -> PathBuf {
        self.home.path().to_owned()
    }

    /// With a variable, in place of the one of that name.
    pub fn env(mut self, name: &str, value: impl AsRef<str>) -> Self {
        self.env.retain(|(known, _)| known != name);
        self.env.push((name.to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Without a variable.
    pub fn without(mut self, name: &str) -> Self {
        self.env.retain(|(known, _)| known != name);
        self
    }

    /// With this on stdin; otherwise stdin is closed.
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = Some(bytes.into());
        self
    }

    /// Killed, and the test failed, after so long; 60 s unless said.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// The command, for a test that runs it in its own way.
    pub fn command<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Command {
        self.around(&[], args)
    }

    /// The command behind another one, such as `strace -f`.
    pub fn around<A: AsRef<OsStr>>(&self, wrapper: &[&str], args: impl IntoIterator<Item = A>) -> Command {
        let mut words = wrapper.iter().map(OsStr::new).chain([OsStr::new(BINARY)]);
        let mut command = guarded(words.next().expect("the binary is there"));
        command.args(words).args(args).env_clear().envs(self.env.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).current_dir(self.home.path());
        command
    }

    /// Runs a command to its end.
    pub fn run<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Output {
        self.finish(self.command(args))
    }

    /// Runs a prepared command to its end.
    pub fn finish(&self, mut command: Command) -> Output {
        if self.stdin.is_some() {
            command.stdin(Stdio::piped());
        }
        let call = command.get_args().map(|arg| arg.to_string_lossy().into_owned()).skip(4).collect::<Vec<_>>();
        let call = call.iter().map(|arg| arg.chars().take(60).collect()).collect::<Vec<String>>().join(" ");
        let began = Instant::now();
        let mut child = Guarded(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts"));
        let mut stdout = child.0.stdout.take().unwrap();
        let mut stderr = child.0.stderr.take().unwrap();
        let stdin = child.0.stdin.take().zip(self.stdin.as_deref());
        let (mut answer, mut talk) = (Vec::new(), Vec::new());
        let status = std::thread::scope(|scope| {
            scope.spawn(|| stdin.map(|(mut pipe, bytes)| pipe.write_all(bytes)));
            scope.spawn(|| stdout.read_to_end(&mut answer));
            scope.spawn(|| stderr.read_to_end(&mut talk));
            child.wait(self.deadline, &format!("ireva-queue {call}"))
        });
        Output {
            code: status.code(),
            stdout: String::from_utf8_lossy(&answer).into_owned(),
            stderr: String::from_utf8_lossy(&talk).into_owned(),
            elapsed: began.elapsed(),
            call,
        }
    }

    /// Runs a command that must succeed; its stdout.
    pub fn ok<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> String {
        self.run(args).expect(0).stdout
    }

    /// Runs a command with `-o json` that must succeed; its answer.
    pub fn json<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> serde_json::Value {
        let args = args.into_iter().map(|arg| arg.as_ref().to_owned()).collect::<Vec<_>>();
        self.run(args.iter().map(|arg| arg.as_os_str()).chain([OsStr::new("-o"), OsStr::new("json")])).expect(0).json()
    }

    /// Enqueues a job with options; its id.
    pub fn enqueue(&self, queue: &str, payload: &str, options: &[&str]) -> String {
        let words = ["enqueue", "-q", queue, payload];
        self.ok(words.iter().chain(options)).trim().to_owned()
    }

    /// Enqueues one job per line of NDJSON with ids that the lines carry.
    pub fn enqueue_lines(&self, queue: &str, lines: impl IntoIterator<Item = String>) {
        let lines = lines.into_iter().fold(String::new(), |all, line| all + &line + "\n");
        self.clone().stdin(lines).run(["enqueue", queue, "--ndjson", "-"]).expect(0);
    }

    /// Keeps every completed job of a queue, so that its end can be looked up.
    pub fn keep_completed(&self, queue: &str) {
        self.ok(["queues", "set", queue, "--remove-on-complete", "never"]);
    }

    /// Starts `work` with a log of JSON lines.
    pub fn work<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> WorkProcess {
        let args = args.into_iter().map(|arg| arg.as_ref().to_owned()).collect::<Vec<_>>();
        let head = ["work", "--log-format", "json"].into_iter().map(OsStr::new);
        self.service(head.chain(args.iter().map(|arg| arg.as_os_str())))
    }

    /// Starts a command that goes on until it is stopped.
    pub fn service<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> WorkProcess {
        self.service_around(&[], args)
    }

    /// The same behind another command, which becomes it.
    pub fn service_around<A: AsRef<OsStr>>(&self, wrapper: &[&str], args: impl IntoIterator<Item = A>) -> WorkProcess {
        WorkProcess::spawn(self.around(wrapper, args), self.home.clone())
    }
}

impl Output {
    /// Itself, when it ended with `code`; panics with all that it said otherwise.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        let Self { stdout, stderr, call, .. } = &self;
        assert_eq!(self.code, Some(code), "{call}\nstdout: {stdout}\nstderr: {stderr}");
        self
    }

    /// Its stdout as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{}: {error}: {}", self.call, self.stdout))
    }
}
