//! The exec processor: real commands, their environment, their ends and what they leave behind.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::time::{Duration, Instant};

use ireva_queue::builtin::exec::{ExecBatch, ExecProcessor, ExecSettings, allowed_environment};
use ireva_queue::testing::{TestJob, TestRun, run, run_as, run_batch};
use ireva_queue::{ErrorClass, JobId, Outcome, ProcessError};

use crate::support::wait_until;

const SOON: Duration = Duration::from_secs(5);

fn settings(command: &[&str]) -> ExecSettings {
    let environment = std::env::vars_os();
    let environment = allowed_environment(environment, &[] as &[&str]);
    let kill_grace = Duration::from_millis(200);
    ExecSettings { environment, kill_grace, ..ExecSettings::new(command.iter().map(OsString::from).collect()) }
}

fn exec(command: &[&str]) -> ExecProcessor {
    ExecProcessor::new(settings(command)).unwrap()
}

fn shell(script: &str) -> ExecProcessor {
    exec(&["sh", "-c", script])
}

fn text(outcome: &Outcome) -> String {
    serde_json::from_str(outcome.result().unwrap()).unwrap()
}

fn facts(error: &ProcessError) -> (ErrorClass, &str) {
    (error.class(), error.code())
}

#[tokio::test]
async fn r66_arguments_arrive_exactly_and_no_shell_reads_them() {
    let hostile = ["$(id)", "a;b|c&d", "new\nline", "-rf", "--", "*", "`id`", "", "é\"'\\", "%s"];
    let mut command = vec!["printf", "[%s]"];
    command.extend(hostile);
    let outcome = run(&exec(&command), "{}").await.unwrap();
    assert_eq!(text(&outcome), hostile.map(|argument| format!("[{argument}]")).concat());
    let long = "x".repeat(1024 * 1024);
    let error = run(&exec(&["printf", &long]), "{}").await.unwrap_err();
    assert_eq!(facts(&error), (ErrorClass::Transient, "exec_failed"));
    assert!(error.message().len() < 1_000);
}

#[tokio::test]
async fn r66_a_command_sees_the_allowed_environment_and_its_job() {
    let worker = [
        ("PATH", "/usr/bin:/bin"),
        ("HOME", "/home/x"),
        ("LC_ALL", "C"),
        ("REDIS_PASSWORD", "s3cret"),
        ("SMTP_URL", "smtp://u:s3cret@h"),
        ("HTTP_SIGNING_KEY", "s3cret"),
        ("LD_PRELOAD", "/x.so"),
        ("EXTRA", "yes"),
    ];
    let worker = worker.map(|(name, value)| (OsString::from(name), OsString::from(value)));
    let environment = allowed_environment(worker, &["EXTRA"]);
    let processor = ExecProcessor::new(ExecSettings { environment, ..settings(&["env"]) }).unwrap();
    let timeout = Some(Duration::from_secs(60));
    let job = TestJob { id: JobId::new("j1").unwrap(), attempt: 2, fence: 77, timeout, ..TestJob::new("q-1") };
    let output = text(&run_as(&processor, "{}", &job).await.result.unwrap());
    let mut seen: BTreeMap<&str, &str> = output.lines().filter_map(|line| line.split_once('=')).collect();
    let deadline = seen.remove("IREVA_DEADLINE").unwrap();
    let deadline = chrono::DateTime::parse_from_rfc3339(deadline).unwrap().to_utc();
    let left = deadline - ireva_queue::local_now();
    assert!(left.num_seconds() > 50 && left.num_seconds() <= 60, "{left}");
    let expected = [
        ("EXTRA", "yes"),
        ("HOME", "/home/x"),
        ("IREVA_ATTEMPT", "2"),
        ("IREVA_FENCE", "77"),
        ("IREVA_JOB_ID", "j1"),
        ("IREVA_MAX_ATTEMPTS", "5"),
        ("IREVA_QUEUE", "q-1"),
        ("LC_ALL", "C"),
        ("PATH", "/usr/bin:/bin"),
    ];
    assert_eq!(seen, BTreeMap::from(expected));
}

#[tokio::test]
async fn r66_no_descriptor_of_ours_reaches_a_command() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    let (other, list) = (shell("sleep 1"), exec(&["ls", "-l", "/proc/self/fd"]));
    let (_, outcome) = tokio::join!(run(&other, "{}"), run(&list, "{}"));
    let listing = text(&outcome.unwrap());
    let ours = std::fs::read_dir("/proc/self/fd").unwrap().filter_map(|entry| {
        let path = entry.ok()?.path();
        let info = std::fs::read_to_string(path.to_str()?.replace("/fd/", "/fdinfo/")).ok()?;
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:"))?.trim().to_owned();
        // What this process was started with and passes on is none of ours.
        (i64::from_str_radix(&flags, 8).ok()? & 0o2_000_000 == 0).then(|| std::fs::read_link(&path).ok())?
    });
    let inherited: Vec<_> = ours.map(|target| target.to_string_lossy().into_owned()).collect();
    let targets = listing.lines().filter_map(|line| line.split_once(" -> "));
    let strange: Vec<_> = targets
        .map(|(left, target)| (left.rsplit(' ').next().unwrap(), target))
        .filter(|(fd, target)| !["0", "1", "2", "3"].contains(fd) && !target.contains("/proc/"))
        .filter(|(_, target)| !inherited.iter().any(|known| known == target))
        .collect();
    assert_eq!(strange, [], "{listing}");
    assert!(!listing.contains("socket:") && !listing.contains(&*file.path().to_string_lossy()), "{listing}");
    drop(listener);
}

#[tokio::test]
async fn exit_codes_and_signals_say_how_a_job_ended() {
    let table = [
        ("exit 1", ErrorClass::Transient, "exit_1"),
        ("exit 64", ErrorClass::Permanent, "exit_64"),
        ("exit 70", ErrorClass::Transient, "exit_70"),
        ("exit 75", ErrorClass::Transient, "exit_75"),
        ("exit 78", ErrorClass::Permanent, "exit_78"),
        ("kill -SEGV $$", ErrorClass::Transient, "signal_11"),
        ("echo IREVA-RETRY-AFTER: 30s >&3; exit 75", ErrorClass::Throttled, "exit_75"),
        ("echo IREVA-RETRY-AFTER: 30s >&3; exit 65", ErrorClass::Permanent, "exit_65"),
    ];
    for (script, class, code) in table {
        let error = run(&shell(script), "{}").await.unwrap_err();
        assert_eq!(facts(&error), (class, code), "{script}");
    }
    let told = shell("echo IREVA-RETRY-AFTER: 90s >&3; exit 75");
    let wait = run(&told, "{}").await.unwrap_err();
    assert_eq!(wait, ProcessError::throttled("exit_75", "command exited with 75").retry_after(Duration::from_secs(90)));
    assert!(run(&shell("echo IREVA-RETRY-AFTER: 90s >&3"), "{}").await.is_ok());
    let error = run(&exec(&["/no/such/program"]), "{}").await.unwrap_err();
    assert_eq!(facts(&error), (ErrorClass::Transient, "exec_not_found"));
}

#[tokio::test]
async fn stdout_is_the_result_and_stderr_the_log() {
    let run_of =
        async |script: &str, payload: &str| -> TestRun { run_as(&shell(script), payload, &TestJob::new("q")).await };
    let TestRun { result, log } = run_of("cat; echo one >&2; printf two >&2", r#"{"a": 1.10}"#).await;
    assert_eq!((result.unwrap().result(), log.as_str()), (Some(r#"{"a": 1.10}"#), "one\ntwo\n"));
    assert_eq!(run_of("echo plain words", "{}").await.result.unwrap().result(), Some("\"plain words\""));
    assert_eq!(run_of("true", "{}").await.result.unwrap().result(), None);
    let failed = run_of("echo why >&2; echo it failed >&2; exit 1", "{}").await.result.unwrap_err();
    assert_eq!(failed.message(), "command exited with 1: why\nit failed");
    let TestRun { result, log } = run_of("head -c 3000000 /dev/zero | tr '\\0' x", "{}").await;
    let length = result.unwrap().result().unwrap().len();
    assert!(length <= 1024 * 1024 && length > 1024 * 1024 - 10, "{length}");
    assert!(log.contains("stdout was cut"), "{log}");
}

#[tokio::test]
async fn a_command_that_does_not_read_its_input_is_not_waited_for() {
    let payload = format!("\"{}\"", "x".repeat(1024 * 1024 - 2));
    let begun = Instant::now();
    run(&exec(&["true"]), &payload).await.unwrap();
    run(&shell("exec <&-; echo ok"), &payload).await.unwrap();
    assert!(begun.elapsed() < SOON);
    let outcome = run(&exec(&["wc", "-c"]), &payload).await.unwrap();
    assert_eq!(outcome.result(), Some("1048576"));
}

#[tokio::test]
async fn somebody_left_behind_who_holds_stdout_does_not_hold_the_job() {
    let directory = tempfile::tempdir().unwrap();
    let script = format!("sleep 60 & echo $! > {}/pid; echo ok", directory.path().display());
    let begun = Instant::now();
    let outcome = run(&shell(&script), "{}").await.unwrap();
    assert_eq!(text(&outcome), "ok");
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    let pid = std::fs::read_to_string(directory.path().join("pid")).unwrap().trim().parse().unwrap();
    crate::support::signal(pid, rustix::process::Signal::KILL);
}

/// Whether a process is gone: reaped, or a zombie that is not ours to reap.
fn is_gone(pid: &str) -> bool {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { return true };
    let mut fields = stat.rsplit(") ").next().unwrap_or_default().split(' ');
    let (state, parent) = (fields.next(), fields.next());
    state == Some("Z") && parent != Some(&std::process::id().to_string())
}

/// Starts a command with a grandchild that writes both pids, ends it as `job` says, and waits until both are gone.
async fn all_die(script: &str, job: TestJob, code: &str) {
    let directory = tempfile::tempdir().unwrap();
    let pids = directory.path().join("pids");
    let script = script.replace("PIDS", &pids.display().to_string());
    let error = run_as(&shell(&script), "{}", &job).await.result.unwrap_err();
    assert_eq!(facts(&error), (ErrorClass::Transient, code));
    let pids = std::fs::read_to_string(&pids).unwrap();
    assert_eq!(pids.split_whitespace().count(), 2, "{pids}");
    let gone = tokio::task::spawn_blocking(move || {
        wait_until(SOON, "the command and what it started are gone", || pids.split_whitespace().all(is_gone));
    });
    gone.await.unwrap();
}

const OBEDIENT: &str = "sleep 60 & echo $$ $! > PIDS; wait";
const STUBBORN: &str = "trap '' TERM; sh -c 'trap \"\" TERM; while :; do sleep 1; done' & echo $$ $! > PIDS; \
                        while :; do sleep 1; done";
const LONE_GRANDCHILD: &str = "sh -c 'trap \"\" TERM; while :; do sleep 1; done' & echo $$ $! > PIDS; wait";

#[tokio::test]
async fn r66_a_timeout_ends_the_whole_group_and_leaves_no_zombie() {
    for script in [OBEDIENT, STUBBORN, LONE_GRANDCHILD] {
        let timeout = Some(Duration::from_millis(400));
        all_die(script, TestJob { timeout, ..TestJob::new("q") }, "timeout").await;
    }
}

#[tokio::test]
async fn r66_a_cancellation_ends_the_whole_group_before_the_job_is_given_up() {
    for script in [OBEDIENT, STUBBORN] {
        let cancel_after = Some(Duration::from_millis(400));
        all_die(script, TestJob { cancel_after, ..TestJob::new("q") }, "cancelled").await;
    }
}

#[test]
fn r66_a_runtime_that_ends_takes_the_group_with_it() {
    let directory = tempfile::tempdir().unwrap();
    let pids = directory.path().join("pids");
    let processor = shell(&STUBBORN.replace("PIDS", &pids.display().to_string()));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.spawn(async move { run(&processor, "{}").await });
    let written = || std::fs::read_to_string(&pids).unwrap_or_default();
    wait_until(SOON, "the command runs", || written().split_whitespace().count() == 2);
    drop(runtime);
    let gone = |pid: &str| {
        is_gone(pid) || std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") Z "))
    };
    wait_until(SOON, "the command and what it started are dead", || written().split_whitespace().all(gone));
}

#[tokio::test]
async fn an_operator_redefines_exit_codes() {
    let exit_codes = BTreeMap::from([(1, Some(ErrorClass::Permanent)), (3, None), (75, Some(ErrorClass::Throttled))]);
    let with = |script: &str| {
        ExecProcessor::new(ExecSettings { exit_codes: exit_codes.clone(), ..settings(&["sh", "-c", script]) }).unwrap()
    };
    assert_eq!(facts(&run(&with("exit 1"), "{}").await.unwrap_err()).0, ErrorClass::Permanent);
    assert_eq!(facts(&run(&with("exit 75"), "{}").await.unwrap_err()).0, ErrorClass::Throttled);
    assert!(run(&with("exit 3"), "{}").await.is_ok());
}

fn batch(ids: &[&str]) -> Vec<(TestJob, &'static str)> {
    let job = |id: &&str| (TestJob { id: JobId::new(id).unwrap(), attempt: 3, ..TestJob::new("q") }, "{\n\"n\": 1}");
    ids.iter().map(job).collect()
}

async fn run_script(script: &str, ids: &[&str]) -> Vec<TestRun> {
    run_batch(&ExecBatch::new(settings(&["sh", "-c", script])).unwrap(), &batch(ids)).await
}

#[tokio::test]
async fn a_batch_is_one_call_and_each_line_answers_for_its_job() {
    let directory = tempfile::tempdir().unwrap();
    let input = directory.path().join("input");
    let script = format!(
        r#"cat > {}; echo $IREVA_QUEUE $IREVA_BATCH_SIZE >&2
        echo '{{"id":"c","error":"no such account","class":"permanent","code":"account_unknown"}}'
        echo '{{"id":"b","ok":{{"sum":"1.10"}}}}'
        echo 'noise'
        echo '{{"id":"a","ok":true}}'
        echo '{{"id":"a","ok":false}}'
        echo '{{"id":"stranger","ok":true}}'
        echo '{{"id":"d","error":"busy","retryAfter":"30s"}}'
        echo '{{"id":"e","ok":false}}'"#,
        input.display()
    );
    let answers = run_script(&script, &["a", "b", "c", "d", "e", "f"]).await;
    let lines = std::fs::read_to_string(&input).unwrap();
    assert_eq!(lines.lines().next(), Some(r#"{"id":"a","attempt":3,"payload":{ "n": 1}}"#));
    assert_eq!(lines.lines().count(), 6);
    let result = |index: usize| answers[index].result.as_ref();
    assert_eq!(result(0).unwrap().result(), None);
    assert_eq!(result(1).unwrap().result(), Some(r#"{"sum":"1.10"}"#));
    assert_eq!(*result(2).unwrap_err(), ProcessError::permanent("account_unknown", "no such account"));
    let busy = ProcessError::throttled("batch_failed", "busy").retry_after(Duration::from_secs(30));
    assert_eq!(*result(3).unwrap_err(), busy);
    assert_eq!(facts(result(4).unwrap_err()), (ErrorClass::Transient, "batch_failed"));
    assert_eq!(facts(result(5).unwrap_err()), (ErrorClass::Transient, "no_answer"));
    let log = &answers[5].log;
    assert!(log.contains("q 6") && log.contains("not an answer: noise") && log.contains("stranger"), "{log}");
}

#[tokio::test]
async fn a_batch_that_fails_keeps_the_answers_it_gave() {
    let answers = run_script(r#"echo '{"id":"a","ok":true}'; echo broken >&2; exit 65"#, &["a", "b"]).await;
    assert!(answers[0].result.is_ok());
    let error = answers[1].result.as_ref().unwrap_err();
    assert_eq!((facts(error), error.message()), ((ErrorClass::Permanent, "exit_65"), "command exited with 65: broken"));
    let answers = run_batch(&ExecBatch::new(settings(&["/no/such"])).unwrap(), &batch(&["a", "b"])).await;
    assert!(answers.iter().all(|run| facts(run.result.as_ref().unwrap_err()).1 == "exec_not_found"));
}

#[tokio::test]
async fn a_batch_of_a_thousand_is_answered_in_one_call() {
    let ids: Vec<String> = (0..1_000).map(|n| format!("job-{n}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let script = r#"sed -E 's/^\{"id":"([^"]*)".*/{"id":"\1","ok":"\1"}/'"#;
    let answers = run_script(script, &ids).await;
    assert!(answers.iter().zip(&ids).all(|(run, id)| text(run.result.as_ref().unwrap()) == **id));
}
