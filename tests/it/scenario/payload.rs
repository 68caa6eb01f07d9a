//! Payloads go through byte for byte, and those that are too large or too deep are refused before they are sent.

use std::fs;
use std::time::Duration;

use crate::support::*;

const LONG: Duration = Duration::from_secs(90);
const LIMIT: usize = 1024 * 1024;

fn corpus() -> Vec<String> {
    let many: Vec<_> = (0..10_000).map(|n| format!("\"key {n}\": {n}.50")).collect();
    let mut corpus: Vec<_> = [
        "9007199254740993",
        "12345678901234567890",
        "-98765432109876543210.00",
        "19.999999999999998",
        "10000000000.123456",
        "1e-7",
        "1E+2",
        "-0",
        "-0.0",
        "1e400",
        "[]",
        "{}",
        "[[],[[]],{\"a\":[{}]}]",
        r#"{"b":1,"a":2,"b":3}"#,
        r#"{ "spaced" :  [ 1 , 2 ] }"#,
        r#""a/b\/c""#,
        r#""\u0041\u00e9\ud83d\ude00é😀""#,
        r#""\u0000\u001b[31m\u007f\u2028""#,
        "\"\u{7f}\u{85}\u{202e}\"",
        "null",
        "true",
        r#""it's \"quoted\" \\ `$(id)` %s {{7*7}}""#,
    ]
    .map(str::to_owned)
    .into();
    corpus.push(format!("{{{}}}", many.join(",")));
    corpus.push(format!("{}1{}", "[".repeat(64), "]".repeat(64)));
    corpus
}

#[test]
fn r44_payloads_are_the_same_bytes_at_every_stage() {
    let redis = TestRedis::start();
    let (cli, ledger) = (Cli::new(&redis), Ledger::new());
    let store = ledger.directory().join("seen");
    fs::create_dir(&store).unwrap();
    // Fails twice, which buries the job; the revived one succeeds.
    let good = ledger.directory().join("good");
    let text = format!(
        "#!/bin/sh\nfile='{}'/$IREVA_JOB_ID.$IREVA_FENCE\ncat > $file.part && mv $file.part $file\ntest -e '{}' || exit 75\n",
        store.display(),
        good.display()
    );
    let program = ledger.write("keep", &text);
    cli.keep_completed("q");
    let corpus = corpus();
    let options = ["enqueue", "-q", "q", "-", "--delay", "50ms", "--attempts", "2", "--backoff", "fixed:50ms"];
    let ids: Vec<_> =
        corpus.iter().map(|payload| cli.clone().stdin(payload.as_bytes()).ok(options).trim().to_owned()).collect();
    let count = corpus.len() as u64;
    let mut worker = cli.work(["q", "--concurrency", "4", "--exec", &program]);
    wait_until(LONG, "all are dead", || cli.json(["stats", "q"])["dead"] == count);
    // Shown JSON writes control characters and the like as escapes; everything else is the bytes themselves.
    let tame = |letter: char| !letter.is_control() && letter != '\u{202e}';
    let check = |shown: &dyn Fn(&str) -> String| {
        for (id, payload) in ids.iter().zip(&corpus).filter(|(_, payload)| payload.chars().all(tame)) {
            let shown = shown(id);
            let short: String = payload.chars().take(60).collect();
            assert!(
                shown.contains(payload.as_str()),
                "{short} is not in {}",
                shown.chars().take(400).collect::<String>()
            );
        }
    };
    check(&|id| cli.ok(["dlq", "show", "q", id, "-o", "json"]));
    fs::write(&good, "").unwrap();
    cli.ok(["dlq", "retry", "q", "--all", "--yes"]);
    wait_until(LONG, "all are completed", || cli.json(["stats", "q"])["completed"] == count);
    assert_eq!(worker.stop(LONG), Some(0));
    check(&|id| cli.ok(["jobs", "show", id, "-o", "json"]));
    check(&|id| redis.query::<String>(&["HGET", &redis.key("q", "jobs"), id]));

    let files: Vec<_> = fs::read_dir(&store).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 3 * corpus.len(), "two failures and a success each");
    for file in files {
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        let index = ids.iter().position(|id| name.starts_with(id.as_str())).unwrap();
        assert!(fs::read(&file).unwrap() == corpus[index].as_bytes(), "the processor of {name} saw other bytes");
    }
}

#[test]
fn r45_payloads_over_the_limit_are_refused_before_they_are_sent() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    let text = |bytes: usize| format!("\"{}\"", "x".repeat(bytes - 2));
    let file = cli.home().join("payload.json");
    let from_file = format!("@{}", file.display());
    for (bytes, code) in [(LIMIT - 1, 0), (LIMIT, 0), (LIMIT + 1, 2)] {
        cli.clone().stdin(text(bytes)).run(["enqueue", "q", "-"]).expect(code);
        fs::write(&file, text(bytes)).unwrap();
        let output = cli.run(["enqueue", "q", &from_file]).expect(code);
        assert!(code == 0 || output.stderr.contains("1048576"), "{}", output.stderr);
    }
    for empty in ["", " ", "\n"] {
        cli.clone().stdin(empty).run(["enqueue", "q", "-"]).expect(2);
    }
    for deep in ["[".repeat(100_000), "{\"a\":".repeat(100_000), format!("{}{}", "[".repeat(65), "]".repeat(65))] {
        let output = cli.clone().stdin(deep).run(["enqueue", "q", "-"]).expect(2);
        assert!(output.stderr.len() < 2_000, "the message does not repeat the payload");
    }
    assert_eq!(cli.json(["stats", "q"])["pending"], 4);
}

#[test]
fn r45_a_huge_payload_does_not_fill_the_memory() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    let file = cli.home().join("huge.json");
    let text = format!("\"{}\"", "x".repeat(64 * LIMIT));
    fs::write(&file, &text).unwrap();
    let from_file = format!("@{}", file.display());
    // What a command may use beside the payload: code, threads and their stacks, the runtime.
    let limit = ["bash", "-c", "ulimit -v 600000; exec \"$@\"", "bash"];
    cli.clone().deadline(LONG).finish(cli.around(&limit, ["enqueue", "q", &from_file])).expect(2);
    let lines = ["enqueue", "q", "--bare", "--ndjson", file.to_str().unwrap()];
    cli.clone().deadline(LONG).finish(cli.around(&limit, lines)).expect(3);
    let stdin = cli.clone().stdin(text).deadline(LONG);
    stdin.finish(cli.around(&limit, ["enqueue", "q", "-"])).expect(2);
    assert_eq!(redis.query::<u64>(&["DBSIZE"]), 0);
}
