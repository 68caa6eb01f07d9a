//! Completions with values, long answers through a pager, and help on what all commands share.

use std::time::{Duration, Instant};

use expectrl::{Eof, Expect, Session};

use crate::support::*;

/// What is offered for the word `current` behind these words, without the meanings.
fn offered(cli: &Cli, current: &str, before: &[&str]) -> Vec<String> {
    let output = cli.run(["__complete", "zsh", "--", current].iter().chain(before)).expect(0);
    assert!(output.stderr.is_empty(), "{before:?} {current}: {}", output.stderr);
    output.stdout.lines().map(|line| line.split('\t').next().unwrap().to_owned()).collect()
}

/// Waits until exactly this is offered: what Redis does not answer in time is left out, which a busy machine may need a few
/// looks for.
#[track_caller]
fn assert_offers(expected: &[&str], mut offered: impl FnMut() -> Vec<String>) {
    let mut last = Vec::new();
    let began = Instant::now();
    while last != expected {
        assert!(began.elapsed() < Duration::from_secs(30), "{last:?} is offered, not {expected:?}");
        last = offered();
        last.sort();
    }
}

/// What the script for bash puts into `COMPREPLY` at the end of `line`.
fn in_bash(cli: &Cli, line: &str) -> Vec<String> {
    let binary = Cli::binary().display();
    let script = format!(
        "source <('{binary}' completions bash)\nCOMP_LINE=$LINE COMP_POINT=${{#LINE}} COMP_WORDS=('{binary}')\n\
         _ireva_queue\nprintf '%s\\n' \"${{COMPREPLY[@]}}\""
    );
    let mut command = cli.around(&["bash", "-c", &script], [""; 0]);
    command.env("LINE", line);
    let output = cli.finish(command).expect(0);
    output.stdout.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

fn filled() -> (TestRedis, Cli) {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    cli.enqueue("mails", "{}", &["--id", "mail-1"]);
    cli.enqueue("mails", "{}", &["--id", "mail-2", "--delay", "1h"]);
    cli.enqueue("report", "{}", &["--id", "order:17"]);
    bury(&cli, "dead", 1);
    (redis, cli)
}

#[test]
fn queues_jobs_tokens_and_profiles_are_offered() {
    let (redis, cli) = filled();
    cli.ok(["token", "create", "web", "--scope", "read"]);
    assert_offers(&["dead", "mails", "report"], || offered(&cli, "", &["stats"]));
    assert_offers(&["mails"], || offered(&cli, "m", &["queues", "pause"]));
    assert_offers(&["--queue=mails"], || offered(&cli, "--queue=m", &["jobs", "show"]));
    assert_offers(&["dead-0", "mail-1", "mail-2", "order:17"], || offered(&cli, "", &["jobs", "show"]));
    assert_offers(&["mail-1", "mail-2"], || offered(&cli, "mail", &["logs"]));
    assert_offers(&["order:17"], || offered(&cli, "", &["jobs", "show", "--queue", "report"]));
    assert_offers(&["dead-0"], || offered(&cli, "", &["dlq", "show", "dead"]));
    assert_eq!(offered(&cli, "", &["dlq", "show", "mails"]), Vec::<String>::new());
    assert_offers(&["web"], || offered(&cli, "", &["token", "revoke"]));
    assert_offers(&["pending,active"], || offered(&cli, "pending,ac", &["jobs", "list", "mails", "--state"]));
    assert_offers(&[":dirs"], || offered(&cli, "", &["spool", "flush"]));
    let meant = || cli.ok(["__complete", "fish", "--", "mail-1", "logs"]).lines().map(str::to_owned).collect();
    assert_offers(&["mail-1\tpending in mails"], meant);

    let profiles = cli.home().join(".config/ireva-queue/profiles");
    std::fs::create_dir_all(&profiles).unwrap();
    std::fs::write(profiles.join("prod.toml"), format!("[redis]\nhost = '127.0.0.1'\nport = {}\n", redis.port()))
        .unwrap();
    assert_offers(&["prod"], || offered(&cli, "", &["--profile"]));
    let bare = cli.clone().without("REDIS_HOST").env("REDIS_PORT", "");
    assert_offers(&["dead", "mails", "report"], || offered(&bare, "", &["--profile", "prod", "stats"]));
}

#[test]
fn schedules_batches_services_and_acts_are_offered() {
    let (_redis, cli) = filled();
    for name in ["morning", "evening"] {
        cli.ok(["schedule", "add", name, "report", "{}", "--every", "1h"]);
    }
    assert_offers(&["evening", "morning"], || offered(&cli, "", &["schedule", "pause"]));
    assert_offers(&["morning"], || offered(&cli, "mo", &["schedule", "show"]));
    cli.enqueue("mails", "{}", &["--id", "counted-1", "--batch", "november"]);
    cli.enqueue("report", "{}", &["--id", "counted-2", "--batch", "december"]);
    cli.ok(["batch", "seal", "november"]);
    assert_offers(&["december", "november"], || offered(&cli, "", &["batch", "show"]));
    assert_offers(&["november"], || offered(&cli, "", &["batch", "show", "--queue", "mails"]));
    assert_offers(&["december"], || offered(&cli, "", &["batch", "seal"]));
    assert_offers(&["december"], || offered(&cli, "", &["enqueue", "report", "--batch"]));
    cli.ok(["breaker", "open", "smtp://mail.example.com:25"]);
    cli.ok(["breaker", "open", "database platform at db:5432"]);
    assert_offers(&["database platform at db:5432", "smtp://mail.example.com:25"], || {
        offered(&cli, "", &["breaker", "close"])
    });
    assert_offers(&["database\\ platform\\ at\\ db:5432"], || in_bash(&cli, "ireva-queue breaker close data"));
    assert_offers(&["25"], || in_bash(&cli, "ireva-queue breaker close smtp://mail.example.com:2"));
    assert_eq!(offered(&cli, "", &["undo"]), Vec::<String>::new());
    cli.ok(["clear", "mails", "--all", "--yes"]);
    let act = cli.json(["audit"])[0]["id"].as_str().unwrap().to_owned();
    assert_offers(&[&act], || offered(&cli, "", &["undo"]));
    cli.ok(["undo", &act]);
    assert_eq!(offered(&cli, "", &["undo"]), Vec::<String>::new(), "it is undone");
}

#[test]
fn bash_is_offered_what_stands_behind_its_word_breaks() {
    let (_redis, cli) = filled();
    assert_offers(&["pause"], || in_bash(&cli, "ireva-queue queues pa"));
    assert_offers(&["mails"], || in_bash(&cli, "ireva-queue stats m"));
    assert_offers(&["dead", "mails", "report"], || in_bash(&cli, "ireva-queue stats "));
    assert_offers(&["mails"], || in_bash(&cli, "ireva-queue jobs show --queue=ma"));
    assert_offers(&["17"], || in_bash(&cli, "ireva-queue jobs show order:1"));
    assert_offers(&["mail-1", "mail-2"], || in_bash(&cli, "ireva-queue jobs show 'mail-1' mail-"));
}

#[test]
fn a_redis_that_is_away_or_silent_is_not_waited_for_and_nothing_is_said() {
    let port = free_port().to_string();
    let away = Cli::bare().env("REDIS_HOST", "127.0.0.1").env("REDIS_PORT", &port);
    assert_eq!(offered(&away, "", &["stats"]), Vec::<String>::new());
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = away.clone().env("REDIS_PORT", listener.local_addr().unwrap().port().to_string());
    let began = Instant::now();
    assert_eq!(offered(&silent, "", &["jobs", "show"]), Vec::<String>::new());
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    assert_eq!(offered(&away.clone().env("REDIS_PORT", "abc"), "", &["stats"]), Vec::<String>::new());
    // A question starts no server.
    let embedded = away.env("REDIS_MODE", "embedded");
    assert_eq!(offered(&embedded, "", &["stats"]), Vec::<String>::new());
    assert!(!embedded.home().join(".local/share/ireva-queue/redis.sock").exists());
}

#[test]
fn values_come_within_a_tenth_of_a_second() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    for n in 0..20 {
        cli.enqueue_lines(
            &format!("queue-{n}"),
            (0..500).map(|job| format!(r#"{{"payload":1,"id":"job-{n}-{job}"}}"#)),
        );
    }
    // Where the machine is busy with something else, less is offered, not later: one run in its own time tells.
    let in_time = |before: &[&str], expected: usize| {
        wait_until(Duration::from_secs(60), &format!("{expected} values behind {before:?} within 100 ms"), || {
            let began = Instant::now();
            let offered = offered(&cli, "", before).len();
            offered >= expected && began.elapsed() < Duration::from_millis(100)
        });
    };
    in_time(&["stats"], 20);
    in_time(&["jobs", "show", "--queue", "queue-7"], 30);
    in_time(&["jobs", "show"], 600);
}

/// All that is shown on a terminal of 20 lines.
fn shown(cli: &Cli, args: &[&str]) -> String {
    let cli = cli.clone().env("TERM", "xterm").env("NO_COLOR", "1");
    let mut command = cli.around(&["sh", "-c", "stty rows 20 cols 100; exec \"$0\" \"$@\""], args);
    command.stdin(std::process::Stdio::inherit());
    let mut session = Session::spawn(command).unwrap();
    session.set_expect_timeout(Some(Duration::from_secs(20)));
    String::from_utf8_lossy(session.expect(Eof).unwrap().as_bytes()).into_owned()
}

#[test]
fn an_answer_longer_than_the_terminal_goes_through_the_pager() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis).env("PAGER", "sed 's/^/paged: /'");
    cli.enqueue_lines("q", (0..40).map(|n| format!(r#"{{"payload":1,"id":"job-{n:04}"}}"#)));
    let long = ["jobs", "list", "q"];
    assert_eq!(shown(&cli, &long).matches("paged: ").count(), 41);
    assert!(shown(&cli, &["help", "examples"]).contains("paged: enqueue: "));
    for args in [&["stats"][..], &["jobs", "list", "q", "--no-pager"], &["jobs", "list", "q", "-o", "plain"]] {
        let text = shown(&cli, args);
        assert!(!text.contains("paged: ") && !text.trim().is_empty(), "{args:?}: {text}");
    }
    assert!(!cli.ok(["jobs", "list", "q", "-o", "table"]).contains("paged: "));
    // Where there is no such program, or nobody wants one, the answer is there all the same.
    for pager in ["nowhere-to-be-found", "cat", ""] {
        let text = shown(&cli.clone().env("PAGER", pager), &long);
        assert!(text.contains("job-0039") && !text.contains("paged: "), "{pager:?}: {text}");
    }
    // One that is left early is no error.
    assert!(!shown(&cli.env("PAGER", "head -n 1"), &long).contains("error"));
}

#[test]
fn help_has_pages_on_what_commands_share() {
    let cli = Cli::bare();
    let examples = cli.ok(["help", "examples"]);
    for shown in ["enqueue: Enqueue jobs\n  ireva-queue enqueue email", "\nqueues pause: ", "\nspool flush: "] {
        assert!(examples.contains(shown), "{shown}: {examples}");
    }
    assert!(!examples.contains("__complete"));
    let environment = cli.ok(["help", "environment"]);
    let named =
        ireva_queue::config::VARIABLES.iter().all(|variable| environment.contains(&format!("\n{}", variable.name)));
    assert!(named, "{environment}");
    assert!(cli.ok(["help", "exit-codes"]).contains("124 --wait: time is up"));
    assert!(cli.ok(["help", "profiles"]).contains("read_only = true"));
    for topic in ["examples", "environment", "exit-codes", "formats", "profiles"] {
        let page = cli.ok(["help", topic]);
        let wide = page.lines().find(|line| line.chars().count() > 120);
        assert_eq!(wide, None, "{topic}");
    }
    assert_eq!(cli.ok(["help", "queues", "set"]), cli.ok(["queues", "set", "--help"]));
    assert_eq!(cli.ok(["help"]), cli.ok(["--help"]));
    cli.run(["help", "nope"]).expect(2);
}
