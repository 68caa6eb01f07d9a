//! The dashboard on a real terminal: seen, acted on by keys, and the terminal given back on every way out.

use std::time::Duration;

use expectrl::process::unix::WaitStatus;
use expectrl::session::OsSession;
use expectrl::{Eof, Expect, Session};
use rustix::process::Signal;

use crate::support::*;

const ENTERED: &str = "\x1b[?1049h";
const LEFT: &str = "\x1b[?1049l";
const CURSOR: &str = "\x1b[?25h";

/// `top` on a terminal of 80 columns and 24 lines, behind other words where there are any.
pub fn session(cli: &Cli, wrapper: &[&str], args: &[&str]) -> OsSession {
    let mut command = cli.clone().env("TERM", "xterm").around(wrapper, [&["top"], args].concat());
    command.stdin(std::process::Stdio::inherit());
    let mut session = Session::spawn(command).unwrap();
    session.set_expect_timeout(Some(Duration::from_secs(20)));
    session
}

/// Reads on until `word` is drawn; all that came until then.
#[track_caller]
pub fn until(session: &mut OsSession, word: &str) -> String {
    let found = session.expect(word).unwrap_or_else(|error| panic!("{word:?}: {error}"));
    String::from_utf8_lossy(&[found.before(), found.as_bytes()].concat()).into_owned()
}

/// All that is drawn until the end.
pub fn rest(session: &mut OsSession) -> String {
    String::from_utf8_lossy(session.expect(Eof).unwrap().as_bytes()).into_owned()
}

#[test]
fn a_queue_is_seen_and_paused_by_key_and_the_terminal_is_as_it_was() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    cli.enqueue("q-one", "{}", &[]);
    let script = "before=$(stty -g); \"$@\"; code=$?; test \"$before\" = \"$(stty -g)\" && echo same $code";
    let mut session = session(&cli, &["sh", "-c", script, "sh"], &["q-one"]);
    until(&mut session, ENTERED);
    until(&mut session, "PENDING");
    until(&mut session, "q-one");
    session.send("p").unwrap();
    until(&mut session, "y/n");
    assert_eq!(cli.json(["stats", "q-one"])["paused"], false, "not before the answer");
    session.send("y").unwrap();
    until(&mut session, "paused");
    wait_until(Duration::from_secs(20), "it is paused", || cli.json(["stats", "q-one"])["paused"] == true);
    session.send("q").unwrap();
    let end = rest(&mut session);
    let left = end.find(LEFT).unwrap_or_else(|| panic!("{end:?}"));
    assert!(end[left..].contains(CURSOR) && end.ends_with("same 0\r\n"), "{end:?}");
}

#[test]
fn every_way_out_gives_the_terminal_back() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    cli.enqueue("q", "{}", &[]);
    for way in [None, Some(Signal::TERM), Some(Signal::HUP), Some(Signal::INT)] {
        let mut session = session(&cli, &[], &[]);
        until(&mut session, "PENDING");
        match way {
            None => session.send("\x03").unwrap(),
            Some(way) => signal(u32::try_from(session.get_process().pid().as_raw()).unwrap(), way),
        }
        let end = rest(&mut session);
        assert!(end.contains(LEFT) && end.contains(CURSOR), "{way:?}: {end:?}");
        let status = session.get_process().wait().unwrap();
        assert!(matches!(status, WaitStatus::Exited(_, 130)), "{way:?}: {status:?}");
    }
}

#[test]
fn a_shell_gets_the_terminal_while_it_is_stopped() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    cli.enqueue("q-one", "{}", &[]);
    let mut session = session(&cli, &[], &[]);
    until(&mut session, "q-one");
    // The group of a session without a shell cannot be stopped by the key, so it goes on by itself.
    session.send("\x1a").unwrap();
    until(&mut session, LEFT);
    until(&mut session, ENTERED);
    until(&mut session, "q-one");
    let pid = u32::try_from(session.get_process().pid().as_raw()).unwrap();
    signal(pid, Signal::STOP);
    signal(pid, Signal::CONT);
    until(&mut session, ENTERED);
    until(&mut session, "q-one");
    session.send("q").unwrap();
    rest(&mut session);
}

#[test]
fn the_screen_stays_while_redis_is_away() {
    let mut redis = TestRedis::builder().append_only().start();
    let cli = Cli::new(&redis);
    cli.enqueue("q-one", "{}", &[]);
    let mut session = session(&cli, &[], &["--interval", "200ms"]);
    until(&mut session, "q-one");
    redis.kill9();
    until(&mut session, "nothing");
    session.send("?").unwrap();
    until(&mut session, "Ctrl-Z");
    redis.restart();
    session.send("x").unwrap();
    until(&mut session, "again");
    session.send("q").unwrap();
    assert!(rest(&mut session).contains(LEFT));
}

#[test]
fn colours_are_left_out_where_they_are_not_wanted() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    cli.enqueue("q-one", "{}", &[]);
    let drawn = |cli: &Cli, args: &[&str]| {
        let mut session = session(cli, &[], args);
        let first = until(&mut session, "PENDING") + &until(&mut session, "worker");
        session.send("q").unwrap();
        first + &rest(&mut session)
    };
    assert!(drawn(&cli, &[]).contains("38;5;"));
    assert!(drawn(&cli.clone().env("NO_COLOR", "1"), &["--color", "always"]).contains("38;5;"));
    assert!(!drawn(&cli.clone().env("NO_COLOR", "1"), &[]).contains("38;5;"));
    assert!(!drawn(&cli, &["--color", "never"]).contains("38;5;"));
}

#[test]
fn wrong_usage_is_2_and_says_what_to_use_without_a_terminal() {
    let table: &[(&[&str], &str)] = &[
        (&[], "'stats'"),
        (&["q", "--interval", "5s"], "'stats'"),
        (&["-o", "json"], "--output"),
        (&["--interval", "0s"], "--interval"),
        (&["a b"], "QUEUE"),
    ];
    for (args, named) in table {
        let output = Cli::bare().run([&["top"], *args].concat()).expect(2);
        assert!(output.stderr.contains(named) && output.stdout.is_empty(), "{args:?}: {}", output.stderr);
    }
}

#[test]
fn what_is_wrong_from_the_start_is_told_without_a_screen() {
    let redis = TestRedis::start();
    let port = free_port().to_string();
    let away = Cli::bare().env("REDIS_HOST", "127.0.0.1").env("REDIS_PORT", &port);
    let table: [(Cli, &[&str], i32, &str); 3] = [
        (Cli::new(&redis), &["nope"], 4, "nope"),
        (away, &[], 69, &port),
        (Cli::new(&redis), &["-o", "json"], 2, "stats"),
    ];
    for (cli, args, code, word) in table {
        let mut session = session(&cli, &[], args);
        let told = rest(&mut session);
        assert!(told.contains(word) && !told.contains(ENTERED), "{told:?}");
        let status = session.get_process().wait().unwrap();
        assert!(matches!(status, WaitStatus::Exited(_, found) if found == code), "{status:?}");
    }
}
