//! What operators type about schedules: `schedule` and `scheduler`.

use std::time::Duration;

use serde_json::json;

use crate::support::*;

fn setup() -> (TestRedis, Cli) {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis).env("COLUMNS", "100");
    (redis, cli)
}

fn names(cli: &Cli, args: &[&str]) -> Vec<String> {
    cli.ok(args.iter().copied().chain(["-o", "name"])).lines().map(str::to_owned).collect()
}

const MORNING: &[&str] =
    &["schedule", "add", "morning", "q", "{\"n\":19.999999999999998}", "--cron", "0 9 * * MON-FRI"];

#[test]
fn a_schedule_is_added_once_and_replaced_when_told() {
    let (_redis, cli) = setup();
    let add = |more: &[&'static str]| MORNING.iter().chain(more).copied().collect::<Vec<_>>();
    let added = cli.json(add(&["--tz", "Africa/Lagos", "--priority", "high", "--attempts", "3"]));
    assert_eq!((&added["name"], &added["queue"], &added["change"]), (&json!("morning"), &json!("q"), &json!("added")));
    assert!(added["nextAt"].as_str().unwrap().ends_with("T08:00:00Z"), "{added}");
    let again = cli.json(add(&["--tz", "Africa/Lagos", "--priority", "high", "--attempts", "3"]));
    assert_eq!((&again["change"], &again["nextAt"]), (&json!("unchanged"), &added["nextAt"]));
    let other = cli.run(add(&[])).expect(5);
    assert!(other.stderr.contains("--replace") && other.stdout.is_empty(), "{other:?}");
    assert_eq!(cli.json(add(&["--replace"]))["change"], "changed");
    let elsewhere = cli.run(["schedule", "add", "morning", "r", "--every", "1h"]).expect(5);
    assert!(elsewhere.stderr.contains("queue q"), "{elsewhere:?}");
    let shown = cli.json(["schedule", "show", "morning"]);
    assert_eq!((&shown["timezone"], &shown["priority"]), (&json!("UTC"), &json!("normal")));
    assert!(cli.ok(["schedule", "show", "morning", "-o", "json"]).contains("19.999999999999998"), "byte for byte");
}

#[test]
fn every_answer_comes_in_every_format() {
    let (_redis, cli) = setup();
    cli.ok(MORNING.iter().copied());
    for args in [&["schedule", "list"][..], &["schedule", "show", "morning"], &["schedule", "next", "3"]] {
        let run = |format: &str| cli.run(args.iter().copied().chain(["-o", format])).expect(0);
        for format in ["table", "wide", "plain", "csv", "name", "json", "jsonl"] {
            let output = run(format);
            assert!(!output.stdout.is_empty() && output.stderr.is_empty(), "{args:?} {format}: {output:?}");
            assert!(!output.stdout.contains('\x1b'), "{args:?} {format}");
        }
        let wide = run("table").stdout.lines().map(|line| line.chars().count()).max();
        assert!(wide <= Some(100), "{args:?}: {}", run("table").stdout);
    }
    assert_eq!(names(&cli, &["schedule", "list", "q"]), ["morning"]);
    assert_eq!(names(&cli, &["schedule", "list", "other"]), [""; 0]);
    let plain = cli.ok(["schedule", "list"]);
    let fields: Vec<_> = plain.trim_end().split('\t').collect();
    assert_eq!((fields[0], fields[1], fields[2]), ("morning", "q", "0 9 * * MON-FRI UTC"), "{plain}");
}

#[test]
fn the_ticks_to_come_are_told_in_utc_and_on_the_wall_clock() {
    let (_redis, cli) = setup();
    cli.ok(["schedule", "add", "noon", "q", "--cron", "0 12 * * *", "--tz", "Africa/Lagos"]);
    cli.ok(["schedule", "add", "often", "r", "--every", "1h"]);
    let ticks = cli.json(["schedule", "next", "3", "noon"]);
    for tick in ticks.as_array().unwrap() {
        let (at, local) = (tick["at"].as_str().unwrap(), tick["local"].as_str().unwrap());
        assert!(at.ends_with("T11:00:00Z") && local.ends_with("T12:00:00+01:00"), "{tick}");
        assert_eq!(tick["job"], format!("noon@{at}"));
    }
    assert_eq!(ticks.as_array().unwrap().len(), 3);
    let all = cli.json(["schedule", "next"]);
    let instants: Vec<_> = all.as_array().unwrap().iter().map(|tick| tick["at"].as_str().unwrap()).collect();
    assert!(instants.len() == 10 && instants.is_sorted(), "{instants:?}");
    cli.run(["schedule", "next", "nobody"]).expect(4);
}

#[test]
fn a_paused_schedule_has_no_ticks_until_it_is_resumed() {
    let (_redis, cli) = setup();
    cli.ok(["schedule", "add", "often", "q", "--every", "1s"]);
    let paused = cli.json(["schedule", "pause", "often"]);
    assert_eq!(paused, json!({"name": "often", "queue": "q", "paused": true, "changed": true, "nextAt": null}));
    assert_eq!(cli.json(["schedule", "pause", "often"])["changed"], false);
    assert_eq!(cli.json(["schedule", "show", "often"])["state"], "paused");
    assert_eq!(cli.json(["scheduler", "--once"])["fired"], 0);
    assert_eq!(cli.json(["schedule", "next"]), json!([]));
    cli.ok(["schedule", "add", "often", "q", "--every", "1s"]);
    assert_eq!(cli.json(["schedule", "show", "often"])["state"], "paused", "a deploy does not resume it");
    let resumed = cli.json(["schedule", "resume", "often"]);
    assert!(resumed["changed"] == true && resumed["nextAt"].is_string(), "{resumed}");
    assert!(cli.ok(["schedule", "resume", "often", "-o", "table"]).starts_with("often is already active, next tick 2"));
}

#[test]
fn a_schedule_is_run_by_hand_and_removed() {
    let (_redis, cli) = setup();
    cli.ok(["schedule", "add", "yearly", "q", "x=1", "--cron", "@yearly", "--attempts", "7"]);
    let id = cli.ok(["schedule", "run", "yearly"]).trim().to_owned();
    assert!(id.starts_with("yearly@01") || id.starts_with("yearly@"), "{id}");
    let job = cli.json(["jobs", "show", &id]);
    assert_eq!(
        (&job["payload"], &job["maxAttempts"], &job["state"]),
        (&json!({"x": "1"}), &json!(7), &json!("pending"))
    );
    assert_ne!(cli.ok(["schedule", "run", "yearly"]).trim(), id);
    cli.ok(["clear", "q", "--yes"]);
    let refused = cli.run(["queues", "delete", "q"]).expect(5);
    assert!(refused.stderr.contains("schedule remove"), "{refused:?}");
    let partly = cli.run(["schedule", "remove", "yearly", "nobody"]).expect(3);
    assert!(partly.stdout.contains("yearly") && partly.stderr.contains("nobody"), "{partly:?}");
    cli.run(["schedule", "remove", "yearly"]).expect(4);
    assert_eq!(cli.json(["schedule", "list"]), json!([]));
    cli.ok(["queues", "delete", "q"]);
}

#[test]
fn a_tick_is_fired_by_the_scheduler_and_told() {
    let (redis, cli) = setup();
    cli.ok(["schedule", "add", "often", "q", "x=1", "--every", "1s"]);
    let mut scheduler = cli.service(["scheduler", "--log-format", "json"]);
    let fired = scheduler.wait_event("fired");
    assert!(fired["message"].as_str().unwrap().starts_with("schedule often, tick 2"), "{fired}");
    let id = fired["job"].as_str().unwrap();
    assert_eq!(cli.json(["jobs", "show", id])["payload"], json!({"x": "1"}));
    assert_eq!(scheduler.stop(Duration::from_secs(20)), Some(0));
    let shown = cli.json(["schedule", "show", "often"]);
    assert!(shown["ticksFired"].as_u64().unwrap() >= 1 && shown["last"]["outcome"] == "enqueued", "{shown}");
    assert_eq!(schema_faults(&redis), Vec::<String>::new());
}

#[test]
fn what_nobody_fires_is_late_in_stats_and_in_the_list() {
    let (redis, cli) = setup();
    cli.ok(["schedule", "add", "often", "q", "--every", "1s"]);
    let stats = cli.json(["stats", "q"]);
    assert_eq!((&stats["schedules"], &stats["lateSchedules"]), (&json!(1), &json!(0)));
    let past = now_ms() - 90_000;
    redis.query::<()>(&["ZADD", &redis.key("q", "ticks"), &past.to_string(), "often"]);
    assert_eq!(cli.json(["stats", "q"])["lateSchedules"], 1);
    assert!(cli.ok(["stats", "q", "-o", "table"]).contains("late schedules"));
    assert!(cli.ok(["schedule", "list"]).contains("\tlate\t"));
    assert!(cli.json(["schedule", "show", "often"])["lateMs"].as_u64().unwrap() >= 90_000);
    assert_eq!(cli.json(["scheduler", "--once"])["fired"], 1);
    assert_eq!(cli.json(["stats", "q"])["lateSchedules"], 0);
}

#[test]
fn a_file_holds_all_schedules_and_is_applied_as_a_whole() {
    let (_redis, cli) = setup();
    cli.ok(["schedule", "add", "a", "q", "{\"n\":9007199254740993}", "--cron", "@daily", "--tz", "Europe/Berlin"]);
    cli.ok(["schedule", "add", "b", "q", "--every", "15m", "--paused", "--missed", "all", "--grace", "1h"]);
    let file = cli.ok(["schedule", "export"]);
    let apply = |text: &str, more: &[&str]| {
        let args = ["schedule", "import", "-"].iter().chain(more).copied().chain(["-o", "json"]);
        cli.clone().stdin(text).run(args)
    };
    let changes = |output: Output| {
        let rows = output.expect(0).json();
        let row =
            |row: &serde_json::Value| format!("{} {}", row["name"].as_str().unwrap(), row["change"].as_str().unwrap());
        rows.as_array().unwrap().iter().map(row).collect::<Vec<_>>()
    };
    assert_eq!(changes(apply(&file, &[])), ["a unchanged", "b unchanged"]);

    let edited = "[schedules.b]\nqueue = \"r\"\nevery = \"15m\"\n\n[schedules.c]\nqueue = \"q\"\nevery = \"1h\"\n\
                  payload = { to = \"ada@example.com\" }\n";
    let wanted = ["b moved", "c added", "a removed"];
    assert_eq!(changes(apply(edited, &["--prune", "--dry-run"])), wanted);
    assert_eq!(cli.ok(["schedule", "export"]), file, "a dry run changes nothing");
    let refused = apply(edited, &["--prune"]).expect(5);
    assert!(refused.stderr.contains("--yes"), "{refused:?}");
    let broken = apply(&format!("{edited}\n[schedules.d]\nqueue = \"q\"\ncron = \"never\"\n"), &["--prune", "--yes"]);
    let broken = broken.expect(2);
    assert!(broken.stderr.contains("schedules.d.cron") && broken.stdout.is_empty(), "{broken:?}");
    assert_eq!(cli.ok(["schedule", "export"]), file, "nothing of a file that is wrong is applied");
    assert_eq!(changes(apply(edited, &["--prune", "--yes"])), wanted);
    assert_eq!(names(&cli, &["schedule", "list"]), ["c", "b"]);
    assert_eq!(changes(apply(edited, &["--prune", "--yes"])), ["b unchanged", "c unchanged"]);
    assert_eq!(cli.json(["schedule", "show", "c"])["payload"], json!({"to": "ada@example.com"}));
    assert_eq!(changes(apply("", &["--prune", "--yes"])).len(), 2);
    assert!(cli.run(["schedule", "export"]).expect(0).stdout.is_empty());
}

#[test]
fn wrong_usage_is_2_and_names_the_flag_or_argument() {
    let cli = Cli::bare();
    let add = |more: &[&'static str]| ["schedule", "add", "a", "q"].iter().chain(more).copied().collect::<Vec<_>>();
    let table = [
        (add(&[]), "--cron"),
        (add(&["--cron", "61 * * * *"]), "--cron"),
        (add(&["--cron", "* * * *"]), "write minute, hour"),
        (add(&["--cron", "0 0 31 2 *"]), "no day fits it"),
        (add(&["--cron", "@daily", "--tz", "Lagos"]), "Africa/Lagos"),
        (add(&["--cron", "@daily", "--every", "1h"]), "--every"),
        (add(&["--every", "0s"]), "--every"),
        (add(&["--every", "1500ms"]), "--every"),
        (add(&["--every", "-1"]), "--every"),
        (add(&["--every", "1h", "--tz", "UTC"]), "--tz"),
        (add(&["--every", "1h", "--missed", "twice"]), "--missed"),
        (add(&["--every", "1h", "--overlap", "no"]), "--overlap"),
        (add(&["--every", "1h", "--jitter", "25h"]), "--jitter"),
        (add(&["--every", "1h", "--grace", "0s"]), "--grace"),
        (add(&["--every", "1h", "--until", "soon"]), "--until"),
        (add(&["--every", "1h", "--attempts", "0"]), "--attempts"),
        (add(&["--every", "1h", "--unique-for", "1h"]), "--unique"),
        (add(&["{", "--every", "1h"]), "payload"),
        (vec!["schedule", "add", "a b", "q", "--every", "1h"], "NAME"),
        (vec!["schedule", "add", "a", "q q", "--every", "1h"], "QUEUE"),
        (vec!["schedule", "next", "0"], "[N]"),
        (vec!["schedule", "show"], "NAME"),
        (vec!["schedule", "import", "/does/not/exist"], "/does/not/exist"),
        (vec!["scheduler", "q q"], "QUEUE"),
    ];
    for (args, named) in table {
        let output = cli.run(&args).expect(2);
        assert!(output.stderr.contains(named) && output.stdout.is_empty(), "{args:?}: {}", output.stderr);
    }
    let mail = cli.run(["schedule", "add", "a", "email", "to=nobody", "--every", "1h"]).expect(2);
    assert!(mail.stderr.contains("to"), "the payload is held against what the processor wants: {mail:?}");
}

#[test]
fn redis_away_is_69_and_nothing_to_show_is_4() {
    let port = free_port().to_string();
    let away = Cli::bare().env("REDIS_HOST", "127.0.0.1").env("REDIS_PORT", &port);
    for args in [&["scheduler"][..], &["scheduler", "--once"], &["schedule", "add", "a", "q", "--every", "1h"]] {
        let output = away.run(args.iter().copied()).expect(69);
        assert!(output.stderr.contains(&port) && output.stdout.is_empty(), "{args:?}: {output:?}");
    }
    let (_redis, cli) = setup();
    for verb in ["show", "pause", "resume", "run", "remove"] {
        let output = cli.run(["schedule", verb, "nobody"]).expect(4);
        assert!(output.stderr.contains("\"nobody\"") && output.stdout.is_empty(), "{verb}: {output:?}");
    }
    cli.run(["schedule", "add", "a", "q", "--every", "1h", "--until", "2001-01-01T00:00:00Z"]).expect(2);
}
