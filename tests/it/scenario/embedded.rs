//! The private server of a data directory, through the command line.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::support::*;

const LONG: Duration = Duration::from_secs(60);

/// A data directory whose server is stopped with it, whatever the test did.
struct Data {
    directory: TempDir,
    cli: Cli,
}

impl Data {
    fn new() -> Self {
        let directory = tempfile::Builder::new().prefix("ireva-data-").tempdir().unwrap();
        let cli =
            Cli::bare().env("REDIS_MODE", "embedded").env("IREVA_QUEUE_DATA_DIR", directory.path().to_str().unwrap());
        Self { directory, cli }
    }

    /// The servers that work in this directory.
    fn servers(&self) -> Vec<u32> {
        let root = fs::canonicalize(self.directory.path()).unwrap();
        let here = |process: &Path| {
            let name = fs::read_to_string(process.join("comm")).unwrap_or_default();
            let inside = fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd.starts_with(&root));
            inside && (name.starts_with("redis-server") || name.starts_with("valkey"))
        };
        let processes = fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path());
        processes.filter(|process| here(process)).filter_map(|path| path.file_name()?.to_str()?.parse().ok()).collect()
    }

    fn sockets(&self) -> Vec<PathBuf> {
        let mut waiting = vec![self.directory.path().to_owned()];
        let mut found = Vec::new();
        while let Some(path) = waiting.pop() {
            for entry in fs::read_dir(path).unwrap().map(Result::unwrap) {
                let kind = entry.file_type().unwrap();
                if kind.is_dir() {
                    waiting.push(entry.path());
                } else if std::os::unix::fs::FileTypeExt::is_socket(&kind) {
                    found.push(entry.path());
                }
            }
        }
        found
    }
}

impl Drop for Data {
    fn drop(&mut self) {
        // By the directory that only this test has, so it can be nobody else's server.
        self.servers().into_iter().for_each(|pid| signal(pid, Signal::KILL));
    }
}

#[test]
fn twenty_commands_at_once_start_one_server_and_all_succeed() {
    let data = Data::new();
    let start = |n: u32| {
        let mut command = data.cli.command(["enqueue", "-q", "q", &n.to_string()]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let children: Vec<_> = (0..20).map(start).collect();
    let mut ids = Vec::new();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        ids.push(String::from_utf8(output.stdout).unwrap().trim().to_owned());
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 20);
    assert_eq!(data.servers().len(), 1);
    assert_eq!(data.cli.json(["stats", "q"])["pending"], 20);
}

#[test]
fn the_next_command_after_a_kill_answers_with_the_data() {
    let data = Data::new();
    let id = data.cli.enqueue("q", "1", &[]);
    let servers = data.servers();
    assert_eq!(servers.len(), 1);
    signal(servers[0], Signal::KILL);
    wait_until(LONG, "the server is gone", || data.servers().is_empty());
    let output = data.cli.run(["jobs", "show", &id, "-o", "json"]).expect(0);
    assert_eq!(output.json()["state"], "pending");
    // A second on an idle machine, and slack for a busy one.
    assert!(output.elapsed < Duration::from_millis(2_500), "{:?}", output.elapsed);
}

#[test]
fn stop_leaves_no_process_and_no_socket() {
    let data = Data::new();
    data.cli.enqueue("q", "1", &[]);
    let status = data.cli.run(["embedded", "status"]).expect(0);
    assert!(status.stdout.contains(&data.servers()[0].to_string()), "{}", status.stdout);
    data.cli.ok(["embedded", "stop"]);
    wait_until(LONG, "no process is left", || data.servers().is_empty());
    assert_eq!(data.sockets(), Vec::<PathBuf>::new());
    assert_eq!(data.cli.json(["stats", "q"])["pending"], 1, "and the data is there when it is used again");
    data.cli.ok(["embedded", "stop"]);
    assert!(data.servers().is_empty());
}
