//! What systemd hears of a worker: alive only while it does its work, and what it is at.

use std::cell::RefCell;
use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::*;

const LONG: Duration = Duration::from_secs(60);

/// The service manager's side of the line.
struct Manager {
    socket: UnixDatagram,
    heard: RefCell<Vec<String>>,
}

impl Manager {
    /// The tool on `cli`, to be watched.
    fn watch(cli: Cli) -> (Self, Cli) {
        let path = cli.home().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let cli = cli.env("NOTIFY_SOCKET", path.display().to_string()).env("WATCHDOG_USEC", "1000000");
        (Self { socket, heard: RefCell::default() }, cli)
    }

    /// Takes in what was said meanwhile; all of it.
    fn listen(&self) -> Vec<String> {
        let mut buffer = [0; 256];
        while let Ok(length) = self.socket.recv(&mut buffer) {
            self.heard.borrow_mut().push(String::from_utf8_lossy(&buffer[..length]).into_owned());
        }
        self.heard.borrow().clone()
    }

    /// Waits until something is said that `is` meant.
    #[track_caller]
    fn wait(&self, what: &str, is: impl Fn(&str) -> bool) {
        wait_until(LONG, what, || {
            let mut buffer = [0; 256];
            let Ok(length) = self.socket.recv(&mut buffer) else { return false };
            let word = String::from_utf8_lossy(&buffer[..length]).into_owned();
            self.heard.borrow_mut().push(word.clone());
            is(&word)
        });
    }

    /// Waits until nobody has said for `span` that all is well.
    #[track_caller]
    fn wait_silent(&self, span: Duration) {
        let mut since = Instant::now();
        wait_until(LONG, "nobody says that all is well", || {
            let before = self.heard.borrow().len();
            if self.listen()[before..].iter().any(|word| word == "WATCHDOG=1") {
                since = Instant::now();
            }
            since.elapsed() >= span
        });
    }
}

#[test]
fn a_worker_says_what_it_is_at_and_is_not_alive_while_redis_is_silent() {
    let redis = TestRedis::start();
    let (manager, cli) = Manager::watch(Cli::new(&redis));
    let ledger = Ledger::new();
    let program = ledger.program("sleep 2");
    let mut worker = cli.work(["q", "--lease", "4s", "--exec", &program]);
    manager.wait("it is at work", |word| word == "STATUS=working, 0 running");
    manager.wait("it is ready", |word| word == "READY=1");
    manager.wait("it is alive", |word| word == "WATCHDOG=1");
    cli.enqueue("q", "1", &[]);
    manager.wait("a job runs", |word| word == "STATUS=working, 1 running");

    redis.signal(Signal::STOP);
    manager.wait("it tells of the silence", |word| word.starts_with("STATUS=redis away for "));
    manager.wait_silent(Duration::from_secs(3));
    redis.signal(Signal::CONT);
    manager.wait("it is at work again", |word| word.starts_with("STATUS=working"));
    manager.wait("it is alive again", |word| word == "WATCHDOG=1");
    worker.signal(Signal::TERM);
    manager.wait("it stops", |word| word == "STOPPING=1");
    assert_eq!(worker.wait(LONG), Some(0), "{:#?}", worker.log());
}

#[test]
fn a_worker_whose_fetches_hang_is_not_alive_though_redis_answers_its_heartbeat() {
    let redis = TestRedis::start();
    let fetches = |request: &Request| {
        let names = |end: &str| request.words.iter().any(|word| word.ends_with(end.as_bytes()));
        request.verb() == "EVALSHA" && names(":pending:0") && names(":handed") && names(":scheduled")
    };
    let hangs = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let switch = std::sync::Arc::clone(&hangs);
    let proxy = Proxy::start(&redis, move |request| {
        let hit = switch.load(std::sync::atomic::Ordering::SeqCst) && fetches(request);
        if hit { Fault::Delay(Duration::from_secs(15)) } else { Fault::None }
    });
    let (manager, cli) = Manager::watch(Cli::new(&redis).env("REDIS_PORT", proxy.port().to_string()));
    let mut worker = cli.work(["q", "--lease", "4s", "--exec", "true"]);
    manager.wait("it is alive", |word| word == "WATCHDOG=1");
    hangs.store(true, std::sync::atomic::Ordering::SeqCst);
    manager.wait("it tells that it does not fetch", |word| word.starts_with("STATUS=no jobs asked for in "));
    manager.wait_silent(Duration::from_secs(3));
    assert!(worker.ended().is_none());
    hangs.store(false, std::sync::atomic::Ordering::SeqCst);
    manager.wait("it is at work again", |word| word == "STATUS=working, 0 running");
    manager.wait("it is alive again", |word| word == "WATCHDOG=1");
    assert_eq!(worker.stop(LONG), Some(0), "{:#?}", worker.log());
}

#[test]
fn a_worker_that_has_no_turn_is_not_alive() {
    let redis = TestRedis::start();
    let (manager, cli) = Manager::watch(Cli::new(&redis));
    let mut worker = cli.work(["q", "--exec", "true"]);
    manager.wait("it is alive", |word| word == "WATCHDOG=1");
    worker.signal(Signal::STOP);
    manager.wait_silent(Duration::from_secs(3));
    worker.signal(Signal::CONT);
    manager.wait("it is alive again", |word| word == "WATCHDOG=1");
    assert_eq!(worker.stop(LONG), Some(0), "{:#?}", worker.log());
}

#[test]
fn a_scheduler_is_alive_without_redis_and_says_that_it_is_away() {
    let mut redis = TestRedis::start();
    let (manager, cli) = Manager::watch(Cli::new(&redis));
    let mut scheduler = cli.service(["scheduler"]);
    manager.wait("redis answers", |word| word == "STATUS=redis answers");
    manager.wait("it is ready", |word| word == "READY=1");
    redis.kill9();
    manager.wait("redis is away", |word| word.starts_with("STATUS=redis away for "));
    manager.wait("it is alive", |word| word == "WATCHDOG=1");
    redis.restart();
    manager.wait("redis answers again", |word| word == "STATUS=redis answers");
    assert_eq!(scheduler.stop(LONG), Some(0), "{:#?}", scheduler.log());
}
