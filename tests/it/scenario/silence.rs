//! A worker that Redis does not answer for too long ends with 75, so that whoever supervises it knows.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::*;

const LONG: Duration = Duration::from_secs(90);
const GIVE_UP: [&str; 2] = ["--give-up-after", "10s"];

#[test]
fn a_worker_whose_redis_is_silent_too_long_ends_with_75() {
    let mut redis = TestRedis::start();
    let (cli, ledger) = (Cli::new(&redis), Ledger::new());
    let program = ledger.program("sleep 60");
    let idle = ["a", "--grace", "1s", "--exec", &program];
    let busy = ["b", "--grace", "1s", "--exec", &program];
    let patient = ["c", "--give-up-after", "never", "--exec", &program];
    cli.enqueue("b", "1", &[]);
    let mut idle = cli.work(GIVE_UP.iter().chain(&idle)).ready();
    let mut busy = cli.work(GIVE_UP.iter().chain(&busy)).ready();
    let mut patient = cli.work(patient).ready();
    ledger.wait("start", 1, LONG);
    redis.kill9();
    let gone = Instant::now();
    let mut ended = Vec::new();
    for worker in [&mut idle, &mut busy] {
        assert_eq!(worker.wait(LONG), Some(75), "{:#?}", worker.log());
        let said = || worker.log().iter().any(|line| line.contains("redis has not answered for 10s"));
        wait_until(LONG, "its last words are read", said);
        ended.push(gone.elapsed());
    }
    assert!(ended[0] > Duration::from_secs(10), "{ended:?}");
    assert!(ended[0] < Duration::from_secs(17), "an idle one waits for no answer any more: {ended:?}");
    assert!(patient.ended().is_none(), "{:#?}", patient.log());
    redis.restart();
    patient.wait_event("redis_back");
    assert_eq!(patient.stop(LONG), Some(0), "{:#?}", patient.log());
}

#[test]
fn nobody_gives_up_before_ten_seconds() {
    for span in ["9s", "0", "off", "-1"] {
        let flag = format!("--give-up-after={span}");
        let output = Cli::bare().run(["work", "q", &flag, "--exec", "true"]).expect(2);
        assert!(output.stderr.contains("--give-up-after"), "{span}: {}", output.stderr);
    }
}

/// A worker that gives up after ten seconds lives through `fault` and works on.
fn lives_through(redis: TestRedis, fault: impl FnOnce(&TestRedis, &WorkProcess)) {
    let (cli, ledger) = (Cli::new(&redis), Ledger::new());
    let program = ledger.program("");
    let mut worker = cli.work(["q"].iter().chain(&GIVE_UP).chain(&["--exec", &program])).ready();
    fault(&redis, &worker);
    wait_until(LONG, "it takes writes", || cli.run(["enqueue", "-q", "q", "1", "--id", "a"]).code == Some(0));
    ledger.wait("end", 1, LONG);
    assert_eq!(worker.stop(LONG), Some(0), "{:#?}", worker.log());
}

#[test]
fn refused_writes_are_answers_and_no_silence() {
    lives_through(TestRedis::start(), |redis, _| {
        redis.query::<()>(&["CONFIG", "SET", "min-replicas-to-write", "1"]);
        last(Duration::from_secs(13));
        redis.query::<()>(&["CONFIG", "SET", "min-replicas-to-write", "0"]);
    });
}

#[test]
fn a_server_that_is_loading_is_waited_for() {
    lives_through(TestRedis::builder().set("loading-process-events-interval-bytes 2048").start(), |redis, _| {
        let mut connection = redis.connect().unwrap();
        redis::cmd("SELECT").arg(1).exec(&mut connection).unwrap();
        redis::cmd("DEBUG").arg(&["POPULATE", "30000"]).exec(&mut connection).unwrap();
        redis::cmd("CONFIG").arg(&["SET", "key-load-delay", "400"]).exec(&mut connection).unwrap();
        let began = Instant::now();
        redis::cmd("DEBUG").arg("RELOAD").exec(&mut connection).unwrap();
        assert!(began.elapsed() > Duration::from_secs(12), "it loaded for {:?}", began.elapsed());
    });
}

#[test]
fn silences_that_end_in_time_do_not_add_up() {
    lives_through(TestRedis::start(), |redis, _| {
        for _ in 0..2 {
            redis.signal(Signal::STOP);
            last(Duration::from_secs(7));
            redis.signal(Signal::CONT);
            wait_until(LONG, "it answers", || redis.try_query::<String>(&["PING"]).is_ok());
            last(Duration::from_secs(3));
        }
    });
}

#[test]
fn a_worker_that_had_no_turn_itself_was_not_left_alone() {
    lives_through(TestRedis::start(), |_, worker| {
        // Between two beats, so that the last look before the stop finds no answer.
        last(Duration::from_secs(1));
        worker.signal(Signal::STOP);
        last(Duration::from_secs(12));
        worker.signal(Signal::CONT);
    });
}
