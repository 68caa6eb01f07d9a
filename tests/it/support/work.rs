//! A worker process under the test's hand.

use std::io::{BufRead, BufReader};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use super::process::{Guarded, signal};
use super::wait::wait_for;

/// A running `ireva-queue work`. Killed and reaped on drop.
pub struct WorkProcess {
    process: Guarded,
    lines: Arc<Mutex<Vec<String>>>,
    /// Kept while it runs: the working directory.
    _home: Arc<TempDir>,
}

impl WorkProcess {
    /// Starts it and collects what it logs.
    pub fn spawn(mut command: Command, home: Arc<TempDir>) -> Self {
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut process = Guarded(command.spawn().expect("the binary starts"));
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (stderr, sink) = (process.0.stderr.take().unwrap(), lines.clone());
        std::thread::spawn(move || {
            let mut reader = BufReader::new(stderr);
            let mut line = Vec::new();
            while reader.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                sink.lock().unwrap().push(String::from_utf8_lossy(&line).trim_end().to_owned());
                line.clear();
            }
        });
        Self { process, lines, _home: home }
    }

    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// All that it logged so far.
    pub fn log(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    /// The log lines of one event (`started`, `completed`, …).
    pub fn events(&self, event: &str) -> Vec<Value> {
        let lines = self.lines.lock().unwrap();
        let parsed = lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        parsed.filter(|line| line["event"] == event).collect()
    }

    /// Waits for a log line of this event.
    #[track_caller]
    pub fn wait_event(&self, event: &str) -> Value {
        wait_for(Duration::from_secs(60), &format!("the worker logs {event}: {:#?}", self.log()), || {
            self.events(event).into_iter().next()
        })
    }

    /// Waits for a log line of this event; when it was told, in the ledger's time.
    #[track_caller]
    pub fn wait_event_ms(&self, event: &str) -> u64 {
        let at = self.wait_event(event)["at"].as_str().expect("a line says when").to_owned();
        let at = chrono::DateTime::parse_from_rfc3339(&at).expect("in RFC 3339");
        u64::try_from(at.timestamp_millis()).unwrap()
    }

    /// Waits until it takes jobs.
    #[track_caller]
    pub fn ready(self) -> Self {
        self.wait_event("worker_started");
        self
    }

    /// Sends TERM, INT, STOP, CONT, …
    pub fn signal(&self, which: Signal) {
        signal(self.pid(), which);
    }

    /// kill -9, and waits for the end.
    pub fn kill9(&mut self) {
        self.process.kill();
    }

    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.process.ended()
    }

    /// Waits for its own end; the exit code.
    #[track_caller]
    pub fn wait(&mut self, deadline: Duration) -> Option<i32> {
        let status = self.process.wait(deadline, "the worker");
        status.code()
    }

    /// SIGTERM, and waits for an orderly end.
    #[track_caller]
    pub fn stop(&mut self, deadline: Duration) -> Option<i32> {
        self.signal(Signal::TERM);
        self.wait(deadline)
    }
}
