//! The private server: started once whoever comes, back after its death, gone without a trace when stopped.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use redis::Value;
use rustix::process::Signal;
use tempfile::TempDir;

use super::process::signal;
use super::wait::wait_until;
use super::{config, incr};
use crate::config::Config;
use crate::store::{Connection, Patience};
use crate::{ErrorKind, embedded_status, embedded_stop};

/// A data directory whose server is stopped with the test, however that ends.
struct Home(TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::Builder::new().prefix("ireva-embedded-").tempdir().unwrap())
    }

    fn config(&self) -> Config {
        embedded(self.0.path())
    }

    /// The servers that run for this directory.
    fn servers(&self) -> Vec<u32> {
        let is_ours = |pid: &u32| std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == self.0.path());
        let processes = std::fs::read_dir("/proc").unwrap();
        let pids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        pids.filter(is_ours).collect()
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        self.servers().into_iter().for_each(|pid| signal(pid, Signal::KILL));
    }
}

fn embedded(data_dir: &Path) -> Config {
    let dir = data_dir.to_str().unwrap().to_owned();
    config(vec![("REDIS_MODE".to_owned(), "embedded".to_owned()), ("IREVA_QUEUE_DATA_DIR".to_owned(), dir)])
}

fn brief(config: &Config) -> Connection {
    Connection::new(config.redis.clone(), Patience::Brief)
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_at_once_share_one_server() {
    let home = Home::new();
    let config = home.config();
    let calls: Vec<_> = (0..20)
        .map(|_| {
            let handle = brief(&config);
            tokio::spawn(async move { handle.call(&incr()).await })
        })
        .collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert_eq!(brief(&config).call(redis::cmd("GET").arg("n")).await.unwrap().value, Value::BulkString(b"20".to_vec()));
    assert_eq!(home.servers().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_is_back_within_a_second_with_its_data() {
    let home = Home::new();
    let config = home.config();
    let living = brief(&config);
    living.call(&incr()).await.unwrap();
    for round in 2..5 {
        let pid = embedded_status(&config).await.unwrap().pid.unwrap();
        signal(pid, Signal::KILL);
        let started = Instant::now();
        let handle = if round % 2 == 0 { brief(&config) } else { living.clone() };
        assert_eq!(handle.call(&incr()).await.unwrap().value, Value::Int(round));
        assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    }
    assert_eq!(home.servers().len(), 1);
}

/// Two writes in one script, as an end of a job makes them.
fn both() -> redis::Cmd {
    let mut cmd = redis::cmd("EVAL");
    cmd.arg("redis.call('INCR', KEYS[1]) return redis.call('RPUSH', KEYS[2], 'event')").arg(2).arg("n").arg("events");
    cmd
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_that_a_kill_left_unwritten_in_part_is_not_executed_later() {
    let home = Home::new();
    let config = home.config();
    let ask = async |cmd: redis::Cmd| brief(&config).call(&cmd).await.unwrap().value;
    let kill = async || {
        signal(embedded_status(&config).await.unwrap().pid.unwrap(), Signal::KILL);
        wait_until(Duration::from_secs(5), "the process is gone", || home.servers().is_empty());
    };
    ask(both()).await;
    kill().await;
    let directory = std::fs::read_dir(home.0.path().join("appendonlydir")).unwrap();
    let mut files = directory.map(|entry| entry.unwrap().path());
    let file = files.find(|path| path.to_str().unwrap().ends_with(".incr.aof")).unwrap();
    // Within the second of the two commands.
    let text = std::fs::read_to_string(&file).unwrap();
    let cut = text.find("RPUSH").unwrap() + 3;
    std::fs::OpenOptions::new().write(true).open(&file).unwrap().set_len(cut as u64).unwrap();
    assert_eq!(ask(redis::cmd("EXISTS").arg("n").arg("events").clone()).await, Value::Int(0), "all or nothing");
    ask(both()).await;
    kill().await;
    assert_eq!(ask(redis::cmd("GET").arg("n").clone()).await, Value::BulkString(b"1".to_vec()));
    assert_eq!(ask(redis::cmd("LLEN").arg("events").clone()).await, Value::Int(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_leaves_no_process_and_no_socket_but_the_data() {
    let home = Home::new();
    let config = home.config();
    assert!(!embedded_stop(&config).await.unwrap());
    assert!(!embedded_status(&config).await.unwrap().running);
    brief(&config).call(&incr()).await.unwrap();
    let status = embedded_status(&config).await.unwrap();
    assert!(status.running && status.used_memory_bytes.is_some() && status.version.is_some());
    assert_eq!(home.servers(), [status.pid.unwrap()]);
    assert!(embedded_stop(&config).await.unwrap());
    assert!(!status.socket.exists());
    wait_until(Duration::from_secs(5), "the process is gone", || home.servers().is_empty());
    assert!(!embedded_stop(&config).await.unwrap());
    assert_eq!(brief(&config).call(&incr()).await.unwrap().value, Value::Int(2));
    // A killed server leaves its socket; stopping takes that away too.
    signal(embedded_status(&config).await.unwrap().pid.unwrap(), Signal::KILL);
    wait_until(Duration::from_secs(5), "the process is gone", || home.servers().is_empty());
    embedded_stop(&config).await.unwrap();
    assert!(!status.socket.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_can_look_into_it() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::new();
    let inner = home.0.path().join("a \"b\"/c");
    let config = embedded(&inner);
    brief(&config).call(&incr()).await.unwrap();
    let mode = |path: PathBuf| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(inner.clone()), mode(inner.join("redis.sock"))), (0o700, 0o700));
    let status = embedded_status(&config).await.unwrap();
    let words = std::fs::read_to_string(format!("/proc/{}/cmdline", status.pid.unwrap())).unwrap();
    assert!(!words.contains("pass"), "{words}");
    embedded_stop(&config).await.unwrap();
}

#[tokio::test]
async fn a_directory_that_cannot_be_used_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = brief(&embedded(&file.path().join("x"))).call(&incr()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config, "{error}");
    assert!(error.to_string().contains(file.path().to_str().unwrap()), "{error}");
}
