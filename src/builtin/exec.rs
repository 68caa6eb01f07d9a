//! Runs each job as a command: payload on stdin, the exit code says how it ended.

mod child;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use chrono::SecondsFormat;
use serde_json::value::RawValue;

use crate::builtin::answer::{self, BATCH_ANSWER_MAX_BYTES, RESULT_MAX_BYTES};
use crate::builtin::classify;
use crate::clock::local_now;
use crate::error::{Error, Result};
use crate::processor::{BatchJob, BatchProcessor, JobContext, Outcome, ProcessError, Processor};
use crate::retry::ErrorClass;
use child::{Ended, Running, Task};

/// What a command may see of the worker's environment, unless the operator names more.
const ALLOWED: [&str; 6] = ["PATH", "HOME", "LANG", "TZ", "TMPDIR", "USER"];
const ALLOWED_PREFIX: &str = "LC_";
const MESSAGE_MAX_BYTES: usize = 1_500;

/// Which command, in which environment, and what its exit codes mean.
#[derive(Debug, Clone)]
pub struct ExecSettings {
    /// The program and its arguments, handed over as they are: no shell reads them.
    pub command: Vec<OsString>,
    /// The environment beside the `IREVA_…` variables; see [`allowed_environment`].
    pub environment: Vec<(OsString, OsString)>,
    /// What differs from the usual: 0 done; 75, 69–74 and unknown ones transient; 64–68 and 76–78 permanent. `None` is
    /// done.
    pub exit_codes: BTreeMap<i32, Option<ErrorClass>>,
    /// From SIGTERM to SIGKILL, when the command is ended by its timeout or a cancellation.
    pub kill_grace: Duration,
}

impl ExecSettings {
    /// `command` with an empty environment, the usual exit codes and a grace of 2 s.
    pub fn new(command: Vec<OsString>) -> Self {
        let kill_grace = Duration::from_secs(2);
        Self { command, environment: Vec::new(), exit_codes: BTreeMap::new(), kill_grace }
    }

    /// Whether the program is there: at its path, or by its name in a directory of the environment's `PATH`.
    ///
    /// # Errors
    /// `Invalid` when it is not, or is not executable.
    pub fn find_program(&self) -> Result<()> {
        let program = self.command.first().map(OsString::as_os_str).unwrap_or_default();
        let executable =
            |path: &Path| path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0);
        if program.as_bytes().contains(&b'/') {
            let wrong = || Error::invalid(format!("{} is not an executable file", program.display()));
            return executable(Path::new(program)).then_some(()).ok_or_else(wrong);
        }
        let path = self.environment.iter().find(|(name, _)| name == "PATH").map(|(_, path)| path.as_bytes());
        let mut directories = path.unwrap_or_default().split(|&byte| byte == b':').map(OsStr::from_bytes);
        let found = directories.any(|directory| executable(&Path::new(directory).join(program)));
        let wrong = || Error::invalid(format!("there is no program {:?} in PATH", program.display().to_string()));
        found.then_some(()).ok_or_else(wrong)
    }

    fn check(&self) -> Result<()> {
        if self.command.first().is_none_or(|program| program.is_empty()) {
            return Err(Error::invalid("the command to run is empty"));
        }
        let nul = |text: &OsStr| text.as_bytes().contains(&0);
        if self.command.iter().any(|argument| nul(argument)) {
            return Err(Error::invalid("the command to run has a NUL byte in it"));
        }
        Ok(())
    }

    fn class_of(&self, code: i32) -> Option<ErrorClass> {
        self.exit_codes.get(&code).copied().unwrap_or_else(|| classify::exit_code(code))
    }
}

/// The part of `environment` that commands get to see: `PATH`, `HOME`, `LANG`, `LC_*`, `TZ`, `TMPDIR`, `USER` and what
/// `also` names. So no password of the worker reaches them, unless the operator says so.
pub fn allowed_environment(
    environment: impl IntoIterator<Item = (OsString, OsString)>,
    also: &[impl AsRef<OsStr>],
) -> Vec<(OsString, OsString)> {
    let allowed = |name: &OsStr| {
        ALLOWED.iter().any(|allowed| name == *allowed)
            || name.as_bytes().starts_with(ALLOWED_PREFIX.as_bytes())
            || also.iter().any(|also| name == also.as_ref())
    };
    environment.into_iter().filter(|(name, _)| allowed(name)).collect()
}

/// Runs a command for each job.
///
/// The payload comes on stdin. The environment says `IREVA_JOB_ID`, `IREVA_QUEUE`, `IREVA_ATTEMPT`,
/// `IREVA_MAX_ATTEMPTS`, `IREVA_FENCE` and, where the attempt has a timeout, `IREVA_DEADLINE` (RFC 3339). Stdout, up to
/// 1 MiB, is the result; stderr is the job's log and its end the error message; a line `IREVA-RETRY-AFTER: 30s` on
/// descriptor 3 asks for a wait, which makes a transient failure a throttled one.
///
/// The command leads a process group of its own. At the job's timeout or cancellation the whole group gets SIGTERM, and
/// SIGKILL when the command has exited or the grace is over.
#[derive(Debug)]
pub struct ExecProcessor(ExecSettings);

impl ExecProcessor {
    /// A processor that runs `settings.command`.
    ///
    /// # Errors
    /// `Invalid` when the command is empty or holds a NUL byte.
    pub fn new(settings: ExecSettings) -> Result<Self> {
        settings.check()?;
        Ok(Self(settings))
    }
}

impl Processor for ExecProcessor {
    type Payload = Box<RawValue>;

    async fn process(&self, payload: Self::Payload, ctx: &JobContext) -> Result<Outcome, ProcessError> {
        let mut job = vec![
            ("IREVA_JOB_ID", ctx.job_id().to_string()),
            ("IREVA_QUEUE", ctx.queue().to_string()),
            ("IREVA_ATTEMPT", ctx.attempt().to_string()),
            ("IREVA_MAX_ATTEMPTS", ctx.max_attempts().to_string()),
            ("IREVA_FENCE", ctx.fence().to_string()),
        ];
        job.extend(ctx.deadline().map(|deadline| ("IREVA_DEADLINE", deadline_text(deadline))));
        let task = task(&self.0, job, payload.get().as_bytes(), RESULT_MAX_BYTES);
        let _linger = ctx.linger();
        let mut running = Running::start(&task).map_err(|error| not_started(&self.0, &error))?;
        let ended = tokio::select! {
            ended = running.finish(&task, |line| ctx.log(line)) => ended,
            cancelled = ctx.cancelled() => {
                running.stop().await;
                return Err(ProcessError::transient("cancelled", cancelled.to_string()));
            }
        };
        let ended = ended.map_err(|error| ProcessError::transient("exec_failed", error.to_string()))?;
        if ended.output.is_full() {
            ctx.log(format!("stdout was cut: {} more bytes were dropped", ended.output.dropped_bytes));
        }
        match verdict(&self.0, &ended) {
            None => Ok(answer::outcome(&ended.output)),
            Some(error) => Err(error),
        }
    }
}

/// Runs a command for each batch of jobs.
///
/// The command reads NDJSON on stdin, one `{"id","attempt","payload"}` a line, and answers on stdout, in any order, one
/// `{"id":…,"ok":true}` or `{"id":…,"error":"why","class":"transient"}` a line; anything else in `ok` is the job's
/// result, and an error may name its `code` and `retryAfter`. A job without an answer failed as the exit code says, and
/// transiently (`no_answer`) where that is 0. The rest is as with [`ExecProcessor`], but that the environment names only
/// `IREVA_QUEUE`, `IREVA_BATCH_SIZE` and the earliest `IREVA_DEADLINE`.
#[derive(Debug)]
pub struct ExecBatch(ExecSettings);

impl ExecBatch {
    /// A batch processor that runs `settings.command`.
    ///
    /// # Errors
    /// `Invalid` when the command is empty or holds a NUL byte.
    pub fn new(settings: ExecSettings) -> Result<Self> {
        settings.check()?;
        Ok(Self(settings))
    }
}

impl BatchProcessor for ExecBatch {
    type Payload = Box<RawValue>;

    async fn process_batch(&self, jobs: Vec<BatchJob<Self::Payload>>) -> Vec<Result<Outcome, ProcessError>> {
        let Some(first) = jobs.first() else { return Vec::new() };
        let deadline = jobs.iter().filter_map(|job| job.ctx.deadline()).min();
        let mut names =
            vec![("IREVA_QUEUE", first.ctx.queue().to_string()), ("IREVA_BATCH_SIZE", jobs.len().to_string())];
        names.extend(deadline.map(|deadline| ("IREVA_DEADLINE", deadline_text(deadline))));
        let input = answer::questions(&jobs);
        let task = task(&self.0, names, &input, BATCH_ANSWER_MAX_BYTES);
        let _linger: Vec<_> = jobs.iter().map(|job| job.ctx.linger()).collect();
        let log = |line: &str| jobs.iter().for_each(|job| job.ctx.log(line));
        let all = |error: ProcessError| jobs.iter().map(|_| Err(error.clone())).collect();
        let mut running = match Running::start(&task) {
            Ok(running) => running,
            Err(error) => return all(not_started(&self.0, &error)),
        };
        let all_cancelled = futures_util::future::join_all(jobs.iter().map(|job| job.ctx.cancelled()));
        let ended = tokio::select! {
            ended = running.finish(&task, log) => ended,
            _ = all_cancelled => {
                running.stop().await;
                return all(ProcessError::transient("cancelled", "the attempt was cancelled"));
            }
        };
        let ended = match ended {
            Ok(ended) => ended,
            Err(error) => return all(ProcessError::transient("exec_failed", error.to_string())),
        };
        let missing = verdict(&self.0, &ended).unwrap_or_else(|| {
            ProcessError::transient(
                "no_answer",
                format!("the command gave no answer for this job: {}", answer::ANSWERS),
            )
        });
        let stray = |line: &str| log(&format!("not an answer: {line}"));
        answer::answers(&jobs, &ended.output, || missing.clone(), stray)
    }
}

/// Runs a command that is no job's, with these variables beside its environment; what became of it. The whole process
/// group ends when `limit` is over.
pub(in crate::builtin) async fn run_once(
    settings: &ExecSettings,
    variables: Vec<(&'static str, String)>,
    input: &[u8],
    limit: Duration,
) -> Result<(), ProcessError> {
    let task = task(settings, variables, input, MESSAGE_MAX_BYTES);
    let mut running = Running::start(&task).map_err(|error| not_started(settings, &error))?;
    let ended = tokio::time::timeout(limit, running.finish(&task, |_| {})).await;
    match ended {
        Ok(ended) => {
            let ended = ended.map_err(|error| ProcessError::transient("exec_failed", error.to_string()))?;
            verdict(settings, &ended).map_or(Ok(()), Err)
        }
        Err(_) => {
            running.stop().await;
            let limit = crate::clock::span_text(limit);
            Err(ProcessError::transient("timeout", format!("command did not end within {limit}")))
        }
    }
}

fn task<'a>(
    settings: &'a ExecSettings,
    job: Vec<(&'static str, String)>,
    input: &'a [u8],
    output_max_bytes: usize,
) -> Task<'a> {
    let ExecSettings { command, environment, kill_grace, .. } = settings;
    Task { command, environment, job, input, output_max_bytes, kill_grace: *kill_grace }
}

fn deadline_text(deadline: Instant) -> String {
    let left = deadline.saturating_duration_since(Instant::now());
    (local_now() + left).to_rfc3339_opts(SecondsFormat::Millis, true)
}

fn not_started(settings: &ExecSettings, error: &io::Error) -> ProcessError {
    let (class, code) = classify::spawn(error);
    let program = settings.command.first().map(|program| program.to_string_lossy()).unwrap_or_default();
    ProcessError::new(class, code, format!("command {program:?} did not start: {error}"))
}

/// What the end of a command says about its job; `None` for success.
fn verdict(settings: &ExecSettings, ended: &Ended) -> Option<ProcessError> {
    let (class, code, how) = how_it_ended(settings, ended.status)?;
    let said = last_words(&ended.said);
    let message = if said.is_empty() { how } else { format!("{how}: {said}") };
    let class = match ended.retry_after {
        Some(_) if class == ErrorClass::Transient => ErrorClass::Throttled,
        _ => class,
    };
    let error = ProcessError::new(class, code, message);
    Some(ended.retry_after.into_iter().fold(error, ProcessError::retry_after))
}

fn how_it_ended(settings: &ExecSettings, status: ExitStatus) -> Option<(ErrorClass, String, String)> {
    match (status.code(), status.signal()) {
        (Some(code), _) => {
            let class = settings.class_of(code)?;
            Some((class, format!("exit_{code}"), format!("command exited with {code}")))
        }
        (None, Some(signal)) => {
            Some((ErrorClass::Transient, format!("signal_{signal}"), format!("command was killed by signal {signal}")))
        }
        (None, None) => Some((ErrorClass::Transient, "exec_failed".to_owned(), format!("command ended: {status}"))),
    }
}

/// The last lines of what was said, as a message.
fn last_words(said: &str) -> String {
    let said = said.trim_end();
    let from = said.ceil_char_boundary(said.len().saturating_sub(MESSAGE_MAX_BYTES));
    let whole_lines = if from == 0 { 0 } else { said[from..].find('\n').map_or(from, |index| from + index + 1) };
    said[whole_lines..].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_words_are_whole_lines() {
        assert_eq!(last_words("a\nb\n\n"), "a\nb");
        let long = format!("{}\nlast", "é".repeat(1_000));
        assert_eq!(last_words(&long), "last");
        assert_eq!(last_words(&"y".repeat(2_000)).len(), MESSAGE_MAX_BYTES);
    }

    #[test]
    fn commands_see_only_the_allowed_environment() {
        let given = ["PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "USER"];
        let hidden =
            ["REDIS_PASSWORD", "SMTP_URL", "HTTP_SIGNING_KEY", "LD_PRELOAD", "LD_LIBRARY_PATH", "PATHX", "EXTRA"];
        let pairs = given.iter().chain(&hidden).map(|name| (OsString::from(name), OsString::from("x")));
        let names = |also: &[&str]| -> Vec<String> {
            let kept = allowed_environment(pairs.clone(), also);
            kept.into_iter().map(|(name, _)| name.into_string().unwrap()).collect()
        };
        assert_eq!(names(&[]), given);
        assert_eq!(names(&["EXTRA"]), [&given[..], &["EXTRA"]].concat());
    }

    #[test]
    fn an_operator_can_redefine_exit_codes() {
        let mut settings = ExecSettings::new(vec!["true".into()]);
        settings.exit_codes = BTreeMap::from([(1, Some(ErrorClass::Permanent)), (3, None)]);
        let classes = [0, 1, 3, 64, 75].map(|code| settings.class_of(code));
        let permanent = Some(ErrorClass::Permanent);
        assert_eq!(classes, [None, permanent, None, permanent, Some(ErrorClass::Transient)]);
    }

    #[test]
    fn commands_that_cannot_be_are_refused() {
        for command in [vec![], vec![""], vec!["a", "b\0c"]] {
            let command = command.into_iter().map(OsString::from).collect();
            assert!(ExecProcessor::new(ExecSettings::new(command)).is_err());
        }
    }
}
