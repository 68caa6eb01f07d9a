//! `REDIS_MODE=embedded` and `demo`, as a new user types them.

use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;

use crate::support::*;

/// In the embedded mode, with its data in the home directory; the server is stopped on drop.
struct Embedded(Cli);

impl Embedded {
    fn new() -> Self {
        let cli = Cli::bare().env("REDIS_MODE", "embedded");
        let data_dir = cli.home().join("data").display().to_string();
        Self(cli.env("IREVA_QUEUE_DATA_DIR", data_dir))
    }

    fn pid(&self) -> u32 {
        let pid = self.0.json(["embedded", "status"])["pid"].as_u64().expect("it runs");
        u32::try_from(pid).unwrap()
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.0.run(["embedded", "stop"]);
    }
}

fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

#[test]
fn twenty_commands_at_once_start_one_server() {
    let embedded = Embedded::new();
    let cli = &embedded.0;
    let codes: Vec<_> = std::thread::scope(|scope| {
        let run = |n: u32| cli.run(["enqueue", "q", "{}", "--id", &format!("job-{n:04}")]).code;
        let running: Vec<_> = (0..20).map(|n| scope.spawn(move || run(n))).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(codes, [Some(0); 20]);
    assert_eq!(cli.json(["stats", "q"])["pending"], 20);
    assert!(is_alive(embedded.pid()));
}

#[test]
fn a_killed_server_is_back_with_its_data_within_a_second() {
    let embedded = Embedded::new();
    let cli = &embedded.0;
    cli.enqueue("q", "{}", &["--id", "job-0001"]);
    let pid = embedded.pid();
    signal(pid, Signal::KILL);
    wait_until(Duration::from_secs(10), "the server is gone", || !is_alive(pid));
    let began = Instant::now();
    assert_eq!(cli.json(["jobs", "show", "job-0001"])["state"], "pending");
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
}

#[test]
fn stop_leaves_no_process_and_no_socket() {
    let embedded = Embedded::new();
    let cli = &embedded.0;
    assert_eq!(cli.json(["embedded", "status"])["running"], false);
    cli.enqueue("q", "{}", &[]);
    let status = cli.json(["embedded", "status"]);
    assert_eq!(status["running"], true);
    let pid = embedded.pid();
    assert_eq!(cli.json(["embedded", "stop"]), json!({"stopped": true}));
    assert!(!is_alive(pid) && !Path::new(status["socket"].as_str().unwrap()).exists());
    assert_eq!(cli.ok(["embedded", "stop", "-o", "table"]), "it was not running\n");
    assert_eq!(cli.json(["stats", "q"])["pending"], 1);
}

#[test]
fn embedded_commands_want_the_embedded_mode() {
    let output = Cli::bare().run(["embedded", "status"]).expect(78);
    assert!(output.stderr.contains("REDIS_MODE") || output.stderr.contains("embedded"), "{}", output.stderr);
}

#[test]
fn the_demo_shows_retries_dead_letters_a_revival_and_the_platforms_work_in_thirty_seconds() {
    let cli = Cli::bare().env("COLUMNS", "120");
    let temporary = cli.home().join("tmp");
    std::fs::create_dir(&temporary).unwrap();
    let cli = cli.env("TMPDIR", temporary.display().to_string());
    let output = cli.run(["demo", "--clean", "-o", "json"]).expect(0);
    assert!(output.elapsed < Duration::from_secs(30), "{:?}", output.elapsed);
    let report = output.json();
    let sum = |field: &str| -> u64 {
        report["stats"].as_array().unwrap().iter().map(|stats| stats["totals"][field].as_u64().unwrap()).sum()
    };
    // Beside the forty: a distribution and its mails, a report and its mail, an import, an export.
    let step = |queue: &str| {
        let steps = report["platform"].as_array().unwrap();
        &steps.iter().find(|step| step["queue"] == queue).expect(queue)["result"]
    };
    let mails = step("roi-distribution")["mailsQueued"].as_u64().unwrap();
    let more = 1 + mails + 2 + 1 + 1;
    assert_eq!(
        (sum("enqueued"), sum("completed"), sum("dead"), sum("revived")),
        (40 + more, 34 + more, 7, 1),
        "{mails} mails"
    );
    assert!(mails > 3 && step("report-generation")["bytes"].as_u64().unwrap() > 5_000, "{report}");
    let import = step("data-import");
    assert_eq!((&import["rows"], &import["rowsIn"], &import["rowsRejected"]), (&json!(8), &json!(5), &json!(3)));
    assert_eq!(step("data-export")["rows"], 24 + 5);
    let paid = report["platform"][0]["did"].as_str().unwrap();
    assert!(paid.starts_with("25,000.00 NGN paid to") && paid.ends_with("everything adds up"), "{paid}");
    // A service that fails again and again is left alone after five failures: what waits for it uses no attempts. A command
    // fails twice besides.
    assert!(sum("retried") + sum("snoozed") >= 5 + 2, "{report}");
    let causes: Vec<_> =
        report["deadLetters"].as_array().unwrap().iter().map(|group| group["key"].as_str().unwrap()).collect();
    assert_eq!(causes, ["payload_invalid", "template_unknown", "template_variable_missing", "http_4xx", "exit_65"]);
    assert_eq!(std::fs::read_dir(&temporary).unwrap().count(), 0);
}
