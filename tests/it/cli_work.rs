//! `work`, as operators and service managers see it.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;

use crate::support::*;

#[test]
fn queues_without_a_processor_are_78_in_one_line() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    for queue in ["reports", "unheard-of"] {
        let output = cli.run(["work", queue]).expect(78);
        let one_line = output.stderr.lines().count() == 1 && output.stderr.contains(queue);
        assert!(one_line && output.stderr.contains("--exec") && output.stdout.is_empty(), "{output:?}");
    }
    let output = cli.run(["work", "email"]).expect(78);
    assert!(output.stderr.contains("SMTP_URL"), "{}", output.stderr);
}

#[test]
fn exec_takes_the_rest_of_the_line() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    cli.keep_completed("q");
    let id = cli.enqueue("q", "{}", &[]);
    let script = "echo \"$@\" >&2; test \"$2\" = --concurrency";
    let args = ["work", "q", "--max-jobs", "1", "--exec", "sh", "-c", script, "sh", "-q", "--concurrency", "--", "x"];
    cli.run(args).expect(0);
    assert_eq!(cli.json(["jobs", "show", &id])["state"], "completed");
}

#[test]
fn every_step_is_logged_on_stderr_and_the_count_is_the_answer() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    let good = cli.enqueue("q", "{}", &["--id", "good-1"]);
    cli.enqueue("q", "{\"x\":\"bad\"}", &["--id", "bad-1"]);
    let script = "read x; case $x in *bad*) printf 'no\\033[31m such user' >&2; exit 65;; esac";
    let args = ["work", "q", "--until-empty", "--log-format", "json", "-o", "json", "--exec", "sh", "-c", script];
    let output = cli.run(args).expect(0);
    let report = output.json();
    assert_eq!((&report["completed"], &report["failed"]), (&json!(1), &json!(1)));
    let steps: Vec<serde_json::Value> = output.stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |job: &str| -> Vec<_> {
        steps.iter().filter(|step| step["job"] == job).map(|step| step["event"].as_str().unwrap()).collect()
    };
    assert_eq!(
        (of(&good), of("bad-1")),
        (vec!["enqueued", "started", "completed"], vec!["enqueued", "started", "failed", "dead"])
    );
    let failed = steps.iter().find(|step| step["event"] == "failed").unwrap();
    assert_eq!(
        (&failed["queue"], &failed["class"], &failed["code"]),
        (&json!("q"), &json!("permanent"), &json!("exit_65"))
    );
    assert!(failed["attempt"] == 1 && failed["durationMs"].is_number() && !output.stderr.contains('\x1b'));
}

#[test]
fn quiet_logs_trouble_only() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    cli.enqueue("q", "{}", &[]);
    let output = cli.run(["-q", "work", "q", "--until-empty", "--exec", "true"]).expect(0);
    assert!(output.stderr.is_empty(), "{}", output.stderr);
}

#[test]
fn what_exit_codes_mean_can_be_changed() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    cli.enqueue("q", "9", &["--id", "nine-1"]);
    cli.enqueue("q", "3", &["--id", "three-1"]);
    cli.keep_completed("q");
    let args = ["work", "q", "--until-empty", "--exit-codes", "9=done,3=permanent"];
    cli.run(args.iter().copied().chain(["--exec", "sh", "-c", "read code; exit $code"])).expect(0);
    assert_eq!(cli.json(["jobs", "show", "nine-1"])["state"], "completed");
    assert_eq!(cli.json(["jobs", "show", "three-1"])["state"], "dead");
}

#[test]
fn commands_see_only_what_is_passed_on() {
    let redis = TestRedis::builder().password("hush").start();
    let cli = Cli::new(&redis).env("EXTRA", "seen").env("SECRET", "hush").env("NOTIFY_SOCKET", "");
    let worker = cli.work(["q", "--pass-env", "EXTRA", "--exec", "sh", "-c", "env | tr '\\n' ' ' | sed 's/.*/\"&\"/'"]);
    let done = cli.json(["enqueue", "q", "{}", "--wait", "--wait-timeout", "30s"]);
    let environment = done["result"].to_string();
    assert!(environment.contains("EXTRA=seen") && environment.contains("IREVA_ATTEMPT=1"), "{environment}");
    assert!(!environment.contains("hush") && !environment.contains("REDIS_"), "{environment}");
    drop(worker);
}

#[test]
fn each_queue_has_its_own_concurrency() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    let ledger = Ledger::new();
    let program = ledger.program("sleep 0.3");
    for n in 0..12 {
        let queue = if n % 2 == 0 { "narrow" } else { "broad" };
        cli.enqueue(queue, "{}", &["--id", &format!("{queue}-{n}")]);
    }
    let concurrency = ["--concurrency", "narrow=1,broad=6"];
    let args = ["work", "narrow", "broad", "--until-empty", "--exec", &program];
    cli.run(args[..3].iter().chain(&concurrency).chain(&args[3..])).expect(0);
    // How many ran at once: each start is one more, each end one less, in the order of the ledger.
    let most = |queue: &str| {
        let steps = ledger.lines().into_iter().filter(|line| line.id.starts_with(queue));
        let running = steps.scan(0_i32, |running, line| {
            *running += if line.event == "start" { 1 } else { -1 };
            Some(*running)
        });
        running.max().unwrap()
    };
    assert_eq!(most("narrow"), 1);
    assert!((2..=6).contains(&most("broad")), "{:?}", ledger.lines());
    assert_eq!(ledger.lines().iter().filter(|line| line.event == "end").count(), 12);
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    cli.enqueue("q", "{}", &["--id", "long-1"]);
    let mut worker = cli.work(["q", "--grace", "60s", "--exec", "sleep", "60"]);
    worker.wait_event("started");
    worker.signal(Signal::TERM);
    worker.wait_event("worker_stopping");
    worker.signal(Signal::INT);
    assert_eq!(worker.wait(Duration::from_secs(8)), Some(130));
    assert_eq!(cli.json(["jobs", "show", "long-1"])["state"], "pending");
}

#[test]
fn a_hangup_stops_it_in_order() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    let mut worker = cli.work(["q", "--exec", "true"]).ready();
    worker.signal(Signal::HUP);
    assert_eq!(worker.wait(Duration::from_secs(20)), Some(0));
}

#[test]
fn systemd_hears_when_it_is_ready_alive_and_stopping() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    let socket = cli.home().join("notify");
    let manager = UnixDatagram::bind(&socket).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let hear = || loop {
        let mut buffer = [0; 256];
        let length = manager.recv(&mut buffer).expect("a word in time");
        let word = String::from_utf8_lossy(&buffer[..length]).into_owned();
        if !word.starts_with("STATUS=") {
            return word;
        }
    };
    let cli = cli.env("NOTIFY_SOCKET", socket.display().to_string()).env("WATCHDOG_USEC", "400000");
    let mut worker = cli.work(["q", "--exec", "true"]);
    assert_eq!([hear(), hear(), hear()], ["READY=1", "WATCHDOG=1", "WATCHDOG=1"]);
    worker.signal(Signal::TERM);
    wait_until(Duration::from_secs(10), "it says that it stops", || hear() == "STOPPING=1");
    assert_eq!(worker.wait(Duration::from_secs(20)), Some(0));
}
