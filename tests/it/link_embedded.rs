//! The private server, as the command line shares it.

use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::support::{Cli, signal, wait_until};

/// A data directory whose server goes with the test.
struct Home {
    directory: TempDir,
    cli: Cli,
}

impl Home {
    fn new() -> Self {
        let directory = tempfile::Builder::new().prefix("ireva-embedded-").tempdir().unwrap();
        let data_dir = directory.path().display().to_string();
        let cli = Cli::bare().env("REDIS_MODE", "embedded").env("IREVA_QUEUE_DATA_DIR", data_dir);
        Self { directory, cli }
    }

    fn servers(&self) -> Vec<u32> {
        let processes = std::fs::read_dir("/proc").unwrap();
        let pids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        pids.filter(|pid| works_in(*pid, self.directory.path())).collect()
    }
}

fn works_in(pid: u32, directory: &Path) -> bool {
    std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == directory)
}

impl Drop for Home {
    fn drop(&mut self) {
        self.servers().into_iter().for_each(|pid| signal(pid, Signal::KILL));
    }
}

#[test]
fn twenty_commands_at_once_share_one_server_that_comes_back_with_the_data_after_its_death() {
    let home = Home::new();
    let ids: Vec<String> = std::thread::scope(|scope| {
        let runs: Vec<_> = (0..20)
            .map(|n| {
                scope.spawn({
                    let cli = &home.cli;
                    move || cli.enqueue("email", "{}", &["--no-check", "--id", &format!("job-{n}")])
                })
            })
            .collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    });
    assert_eq!(ids.len(), 20);
    let servers = home.servers();
    assert_eq!(servers.len(), 1);
    signal(servers[0], Signal::KILL);
    let output = home.cli.run(["stats", "email", "-o", "json"]).expect(0);
    assert!(output.elapsed < Duration::from_secs(1), "{:?}", output.elapsed);
    assert!(output.stdout.contains("20"), "{}", output.stdout);
    wait_until(Duration::from_secs(5), "one server is left", || home.servers().len() == 1);
}

#[test]
fn without_a_server_in_path_the_command_says_what_to_install() {
    let home = Home::new();
    let output = home.cli.clone().env("PATH", "/nonexistent").run(["stats"]).expect(69);
    assert!(output.stderr.contains("apt-get install redis-server"), "{}", output.stderr);
}
