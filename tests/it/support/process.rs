//! Child processes that cannot outlive their test.

use std::ffi::OsStr;
use std::fs::File;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use rustix::process::{Pid, Signal, kill_process};

use super::wait::wait_until;

/// A command whose process the kernel kills when the thread that starts it ends, so that a killed test leaves nothing.
///
/// Start it on the test's own thread, not on one that ends before the test does.
pub fn guarded(program: impl AsRef<OsStr>) -> Command {
    static SETPRIV: OnceLock<Option<PathBuf>> = OnceLock::new();
    match SETPRIV.get_or_init(|| find("setpriv")) {
        Some(setpriv) => {
            let mut command = Command::new(setpriv);
            command.args(["--pdeathsig", "KILL", "--"]).arg(program);
            command
        }
        None => Command::new(program),
    }
}

/// Where `program` is, as the shell would find it.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|directory| directory.join(program)).find(|file| file.is_file())
}

/// Sends a signal to a process that the test started. STOP has stopped it when this returns: until then threads on other
/// cores go on.
pub fn signal(pid: u32, signal: Signal) {
    let whom = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    kill_process(whom, signal).unwrap_or_else(|error| panic!("signal {signal:?} to {pid}: {error}"));
    if signal == Signal::STOP {
        wait_until(Duration::from_secs(10), "every thread has stopped", || is_stopped(pid));
    }
}

fn is_stopped(pid: u32) -> bool {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).expect("the process is there");
    threads.flatten().all(|thread| {
        // A thread that has ended meanwhile runs no more.
        let stat = std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with(['T', 'Z', 'X']))
    })
}

/// A loopback port that nobody listens on. Taken below the range of outgoing connections and kept from every other test
/// as long as this process lives, so that it stays free while a server is restarted on it.
pub fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    static TAKEN: Mutex<Vec<File>> = Mutex::new(Vec::new());
    let nanos = SystemTime::UNIX_EPOCH.elapsed().unwrap().subsec_nanos();
    let seed = std::process::id().wrapping_mul(7919).wrapping_add(nanos / 1000);
    let locks = std::env::temp_dir().join("ireva-test-ports");
    std::fs::create_dir_all(&locks).expect("the directory of the ports in use can be made");
    for _ in 0..1_000 {
        let step = NEXT.fetch_add(1, Ordering::Relaxed).wrapping_mul(37);
        let port = u16::try_from(10_000 + seed.wrapping_add(step) % 22_000).unwrap();
        let lock = File::create(locks.join(port.to_string())).expect("a file for a port can be made");
        if lock.try_lock().is_ok() && TcpListener::bind(("127.0.0.1", port)).is_ok() {
            TAKEN.lock().unwrap().push(lock);
            return port;
        }
    }
    panic!("no free port between 10000 and 32000");
}

/// A child that is killed and reaped on drop.
pub struct Guarded(pub Child);

impl Guarded {
    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    /// kill -9, and waits for the end.
    pub fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().expect("a child of ours can be waited for")
    }

    /// Waits for its end; kills it and panics when that takes longer than `deadline`.
    pub fn wait(&mut self, deadline: Duration, what: &str) -> ExitStatus {
        let end = Instant::now() + deadline;
        loop {
            if let Some(status) = self.ended() {
                return status;
            }
            if Instant::now() >= end {
                self.kill();
                panic!("{what} did not end within {deadline:?}");
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        self.kill();
    }
}
