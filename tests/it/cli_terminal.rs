//! What people see on a terminal: questions, tables, and nothing that a payload could do to them.

use std::time::Duration;

use expectrl::session::OsSession;
use expectrl::{Eof, Expect, Session};

use crate::support::*;

/// A session on a terminal with 100 columns.
fn session(cli: &Cli, args: &[&str]) -> OsSession {
    let mut command =
        cli.clone().env("TERM", "xterm").env("COLUMNS", "100").env("PAGER", "cat").command(args.iter().copied());
    command.stdin(std::process::Stdio::inherit());
    let mut session = Session::spawn(command).unwrap();
    session.set_expect_timeout(Some(Duration::from_secs(20)));
    session
}

/// All that is shown until the end.
fn shown(cli: &Cli, args: &[&str]) -> String {
    let mut session = session(cli, args);
    String::from_utf8_lossy(session.expect(Eof).unwrap().as_bytes()).into_owned()
}

#[test]
fn clearing_asks_for_the_name_of_the_queue() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    cli.enqueue("q-one", "{}", &[]);
    let mut refused = session(&cli, &["clear", "q-one"]);
    refused.expect("1 job of q-one").unwrap();
    refused.send("yes\r").unwrap();
    refused.expect("not confirmed").unwrap();
    assert_eq!(cli.json(["stats", "q-one"])["pending"], 1);
    let mut done = session(&cli, &["clear", "q-one"]);
    done.expect("type q-one to go on").unwrap();
    done.send("q-one\r").unwrap();
    done.expect("1 job removed").unwrap();
    assert_eq!(cli.json(["stats", "q-one"])["pending"], 0);
}

#[test]
fn no_input_asks_nothing_even_on_a_terminal() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    assert!(shown(&cli, &["clear", "q", "--no-input"]).contains("--yes"));
}

#[test]
fn a_terminal_gets_a_table() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    cli.enqueue("q", "{}", &[]);
    let text = shown(&cli, &["stats"]);
    assert!(text.contains("QUEUE") && text.contains("\x1b["), "{text:?}");
    assert!(!shown(&cli.env("NO_COLOR", "1"), &["stats"]).contains('\x1b'));
}

#[test]
fn r58_nothing_stored_reaches_a_terminal_raw() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis).env("NO_COLOR", "1");
    let hostile = "\\u001b[2J\\u001b]52;c;aGk=\\u0007 \u{9b}31m \u{202e}evil \\r\\b \\u007f \u{7f}";
    cli.enqueue("q", &format!("{{\"x\":\"{hostile}\"}}"), &["--id", "job-0001"]);
    let script = "printf 'said \\033[2J\\033]0;title\\007 \\r\\302\\2332J \\342\\200\\256x' >&2; exit 65";
    cli.run(["work", "q", "--until-empty", "--exec", "sh", "-c", script]).expect(0);
    let views: &[&[&str]] = &[
        &["dlq", "list", "q"],
        &["dlq", "list", "q", "--group-by", "error"],
        &["dlq", "show", "q", "job-0001"],
        &["dlq", "show", "q", "job-0001", "-o", "json"],
        &["dlq", "show", "q", "job-0001", "-o", "jsonl"],
        &["dlq", "list", "q", "-o", "csv"],
        &["dlq", "list", "q", "-o", "plain"],
        &["jobs", "list", "q", "-o", "wide"],
        &["stats"],
    ];
    for args in views {
        // The terminal itself turns line ends into CR LF.
        for text in [shown(&cli, args).replace("\r\n", "\n"), cli.ok(args.iter().copied()).replace("\r\n", "\n")] {
            let raw = |c: char| (c.is_control() && c != '\n' && c != '\t') || ('\u{202a}'..='\u{202e}').contains(&c);
            assert_eq!(text.chars().find(|c| raw(*c)), None, "{args:?}: {text:?}");
        }
    }
    assert!(cli.ok(["dlq", "list", "q"]).contains("\\x1b[2J"));
}
