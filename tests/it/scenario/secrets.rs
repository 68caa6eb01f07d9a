//! What must never be shown, and what may be shown only with its control characters made visible.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use crate::support::*;

const LONG: Duration = Duration::from_secs(90);
const REDIS: &str = "redis-pa55-Vq81";
const SMTP: &str = "smtp-pa55-Zk27";
const KEY: &str = "signing-k3y-Wm64";

fn assert_hidden(what: &str, text: &str) {
    for secret in [REDIS, SMTP, KEY] {
        assert!(!text.contains(secret), "{what} shows {secret}: {text}");
    }
}

fn with_secrets(redis: &TestRedis) -> Cli {
    let cli = Cli::new(redis).env("SMTP_URL", format!("smtp://mailer:{SMTP}@127.0.0.1:9"));
    cli.env("HTTP_SIGNING_KEY", KEY)
}

#[test]
fn r57_no_command_shows_a_secret() {
    let redis = TestRedis::builder().password(REDIS).start();
    let cli = with_secrets(&redis);
    let wrong = cli.clone().env("REDIS_PASSWORD", format!("{REDIS}-wrong"));
    let away = cli.clone().env("REDIS_PORT", free_port().to_string());
    let odd = cli.clone().env("SMTP_URL", format!("smtp://mailer:{SMTP}@[bad")).env("REDIS_MODE", "foo");
    cli.enqueue("q", "1", &["--id", "job-1"]);
    let with_login = format!("http://user:{SMTP}@127.0.0.1:9/");
    let commands: &[&[&str]] = &[
        &["enqueue", "q", "2"],
        &["enqueue", "q", "{"],
        &["enqueue", "email", r#"{"to":"a@example.com"}"#],
        &["stats"],
        &["stats", "-o", "json"],
        &["stats", "nosuch"],
        &["jobs", "list", "q"],
        &["jobs", "show", "job-1", "-o", "json"],
        &["dlq", "list", "q"],
        &["queues", "list", "-o", "wide"],
        &["queues", "get", "q"],
        &["workers", "list"],
        &["work", "q", "--until-empty", "--log-format", "json", "--exec", "/bin/true"],
        &["work", "unheard-of"],
        &["work", "q", "--http", &with_login],
        &["clear", "q", "--yes"],
        &["--help"],
    ];
    for command in commands {
        for (who, cli, code) in
            [("good", &cli, None), ("wrong", &wrong, Some(77)), ("away", &away, Some(69)), ("odd", &odd, Some(78))]
        {
            // A worker waits for a server that is away; this one is for the commands.
            if command[0] == "work" && who != "good" {
                continue;
            }
            for verbose in [false, true] {
                let words = if verbose { [&["-vv"], *command].concat() } else { command.to_vec() };
                let output = cli.run(&words);
                if words.contains(&"--http") {
                    assert_eq!(output.code, Some(2), "{}", output.stderr);
                }
                assert_hidden(&format!("{who} {words:?}"), &format!("{}{}", output.stdout, output.stderr));
                let asks_redis = command[0] != "--help" && !command.contains(&"{");
                if let (Some(code), true, false) = (code, asks_redis, command[0] == "enqueue") {
                    assert_eq!(output.code, Some(code), "{who} {words:?}: {}", output.stderr);
                }
            }
        }
    }
    let keys: Vec<String> = redis.query(&["KEYS", "*"]);
    for key in keys {
        let value: Vec<u8> = redis.query(&["DUMP", &key]);
        assert_hidden(&key, &String::from_utf8_lossy(&value));
    }
}

#[test]
fn r57_no_argument_or_child_sees_a_secret() {
    let redis = TestRedis::builder().password(REDIS).start();
    let (cli, ledger) = (with_secrets(&redis), Ledger::new());
    let trace = ledger.directory().join("trace");
    let program =
        ledger.program(&format!("tr '\\0' '\\n' < /proc/self/environ > '{}/environ'", ledger.directory().display()));
    let id = cli.enqueue("q", "1", &[]);
    // With -v strace prints the environment of each program that is started, so the first one is left out.
    let strace = ["strace", "-f", "-v", "-s", "4096", "-e", "trace=execve", "-o", trace.to_str().unwrap()];
    let work = ["work", "q", "--until-empty", "--exec", program.as_str()];
    let output = cli.finish(cli.around(&strace, work)).expect(0);
    assert_hidden("the log", &output.stderr);
    assert_eq!(ledger.starts().get(&id), Some(&1));
    assert_hidden("a processor's environment", &fs::read_to_string(ledger.directory().join("environ")).unwrap());
    let trace = fs::read_to_string(trace).unwrap();
    let mut calls = trace.lines().filter(|line| line.contains("execve("));
    let (first, rest): (_, Vec<_>) = (calls.next().unwrap(), calls.collect());
    assert!(!rest.is_empty(), "{trace}");
    rest.iter().for_each(|call| assert_hidden("an execve", call));
    let arguments = first.split_once('[').and_then(|(_, rest)| rest.split_once(']')).unwrap().0;
    assert_hidden("an argument", arguments);

    let mut worker = cli.work(["q", "--exec", &program]).ready();
    let line = fs::read(format!("/proc/{}/cmdline", worker.pid())).unwrap();
    assert_hidden("a command line", &String::from_utf8_lossy(&line));
    assert_eq!(worker.stop(LONG), Some(0));
    assert_hidden("the log", &worker.log().join("\n"));
}

/// Bytes that act on a terminal: CSI, OSC 52 and 8, CR, BEL, DEL, 8-bit controls, bidi overrides.
const HOSTILE: &str = "\u{1b}[31;5mred\u{1b}]52;c;aGk=\u{7}\u{1b}]8;;http://x\u{7}\r\u{8}\u{7f}\u{9b}1m\u{9d}0;t\u{9c}\u{202e}\u{2066}end";

fn assert_tame(what: &str, text: &str) {
    let wild = |letter: char| {
        (letter.is_control() && letter != '\n' && letter != '\t')
            || matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let found = text.find(wild).map(|at| text[at..].chars().take(20).collect::<String>());
    assert!(found.is_none(), "{what}: raw control character at {:?}", found.unwrap());
}

#[test]
fn r58_untrusted_text_never_acts_on_the_terminal() {
    let redis = TestRedis::start();
    let (cli, ledger) = (Cli::new(&redis), Ledger::new());
    let error = ledger.write("error", HOSTILE);
    let program = ledger.program(&format!("cat '{error}' >&2; cat '{error}'; exit 65"));
    let payload = format!(
        "\"{}\"",
        HOSTILE
            .chars()
            .map(|letter| match letter {
                '\u{0}'..='\u{1f}' => format!("\\u{:04x}", letter as u32),
                letter => letter.to_string(),
            })
            .collect::<String>()
    );
    let id = cli.clone().stdin(payload).ok(["enqueue", "-q", "q", "-", "--unique", "k\u{1b}[31;5m\u{202e}"]);
    let id = id.trim();
    // A record that no producer of ours would write: names and text come raw.
    redis.query::<()>(&["HSET", &redis.key("q", "jobs"), "raw", &format!("17{HOSTILE}")]);
    redis.query::<()>(&["ZADD", &redis.key("q", "pending:2"), "1", "raw"]);
    redis.query::<()>(&["HSET", "ireva:queue:worker:evil", "host", HOSTILE, "pid", "1", "queues", HOSTILE]);
    for format in ["pretty", "json"] {
        cli.enqueue("q", "1", &[]);
        let output = cli.run(["work", "q", "--until-empty", "--log-format", format, "--exec", &program]).expect(0);
        assert_tame(&format!("the {format} log"), &output.stderr);
    }
    assert_eq!(cli.json(["stats", "q"])["dead"], 4);
    let shown = cli.ok(["dlq", "show", "q", id, "-o", "table"]);
    assert!(shown.contains("red") && shown.contains("\\x1b"), "it is there, made visible: {shown}");
    let commands: &[&[&str]] = &[
        &["stats"],
        &["stats", "q"],
        &["dlq", "list", "q"],
        &["dlq", "list", "q", "--group-by", "error"],
        &["dlq", "show", "q", id],
        &["dlq", "show", "q", "raw"],
        &["jobs", "list", "q", "--state", "dead"],
        &["jobs", "show", id],
        &["queues", "list"],
        &["workers", "list"],
        &["jobs", "show", HOSTILE],
        &["stats", HOSTILE],
        &["dlq", "list", "q", "--error", HOSTILE],
        &["enqueue", "q", HOSTILE],
        &["enqueue", "q", "1", "--id", HOSTILE],
    ];
    for command in commands {
        for format in ["table", "wide", "plain", "json", "jsonl", "csv", "name"] {
            let output = cli.run([*command, &["-o", format]].concat());
            // A line of CSV ends with CR and LF.
            let answer = if format == "csv" { output.stdout.replace("\r\n", "\n") } else { output.stdout.clone() };
            assert_tame(&format!("{command:?} -o {format}"), &format!("{answer}{}", output.stderr));
            assert!(
                format != "json" || output.code != Some(0) || output.json().is_object() || output.json().is_array()
            );
        }
        // On a terminal our own colours are there, and nothing else.
        let line = command.iter().map(|word| format!("'{}'", word.replace('\'', ""))).collect::<Vec<_>>().join(" ");
        let line = format!("'{}' {line}", Cli::binary().display());
        let mut script = guarded("script");
        script.args(["-qec", &line, "/dev/null"]).env_clear().envs(redis.env()).env("TERM", "xterm");
        script.env("PATH", std::env::var("PATH").unwrap()).stdin(Stdio::null());
        let shown = cli.finish(script).stdout;
        for wild in
            ["\u{1b}[31;5m", "\u{1b}]52", "\u{1b}]8", "\u{7}", "\u{8}", "\u{9b}", "\u{9d}", "\u{202e}", "\u{2066}"]
        {
            assert!(!shown.contains(wild), "{command:?} on a terminal: {wild:?}");
        }
    }
}
