//! `work`: runs the jobs of queues until it is told to stop.

mod journal;
mod processors;
mod signals;
mod storage;

pub use journal::{Journal, LogFormat};
pub use processors::{email_settings, register_builtin};
pub use storage::{Place, storage};

use std::ffi::OsString;
use std::time::Duration;

use anyhow::{Context as _, Result};
use ireva_queue::config::{Config, Rate, WorkerConfig};
use ireva_queue::{BreakerRule, Concurrency, ErrorClass, QueueName, Worker, WorkerReport};

use crate::command::alerts::alert_sinks;
use crate::context::Context;
use crate::exit::{Code, Stop};
use crate::output::Answer;
use crate::parse;
use crate::systemd::Notifier;
use crate::ui;
use crate::view::Worked;

const CONTRACT: &str = "Contract:
  --exec  exit code 0 is done, 64-68 and 76-78 are permanent, others transient;
          stdout is the result, stderr the log; IREVA-RETRY-AFTER: 30s on
          descriptor 3 asks for a wait; IREVA_JOB_ID, IREVA_QUEUE, IREVA_ATTEMPT,
          IREVA_MAX_ATTEMPTS, IREVA_FENCE and IREVA_DEADLINE are set
  --http  2xx is done and the body the result; 408, 425, 429, 5xx are tried
          again, others are permanent; Retry-After is obeyed; headers are
          Ireva-Job-Id, Ireva-Queue, Ireva-Attempt and Ireva-Signature:
          t=SECONDS,v1=HEX (HMAC-SHA256 of SECONDS.BODY)
  --batch-size
          in:  {\"id\":\"a\",\"attempt\":1,\"payload\":{}} a line
          out: {\"id\":\"a\",\"ok\":true}, or with a result in ok, or
               {\"id\":\"a\",\"error\":\"why\",\"class\":\"transient\"} with code and
               retryAfter as wanted";

/// Run the jobs of queues
///
/// The queue's name says what runs its jobs: email sends mails. Any queue can be
/// given a command (--exec: payload on stdin, the exit code says how it ended)
/// or a URL (--http: the payload is posted). Every step of a job's life is
/// logged on stderr.
///
/// SIGTERM, SIGINT or SIGHUP: no more jobs are taken, those that run get the
/// grace period, the rest is given back. A second signal ends it at once. Under
/// systemd use Type=notify; the watchdog hears from it only while it does its
/// work, and the status says what it is at.
#[derive(Debug, clap::Args)]
#[command(before_help = "Example:
  ireva-queue work email --concurrency 20
  ireva-queue work email report-generation \\
      --concurrency email=20,report-generation=2
  ireva-queue work email report-generation --weight email=3
  ireva-queue work thumbnails --exec ./make-thumbnail --size 200
  ireva-queue work orders --http https://example.com/hooks/orders",
    after_help = CONTRACT)]
pub struct Args {
    /// The queues; they are asked in turns (--weight)
    #[arg(value_name = "QUEUE", required = true)]
    queues: Vec<QueueName>,

    /// Jobs at once over all queues, or by queue: 8, or email=20,reports=2
    /// [default: QUEUE_WORKER_CONCURRENCY]
    #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = concurrency)]
    concurrency: Option<Wanted>,

    /// Share the slots among queues while all have jobs: email=3,reports=1 starts
    /// three emails for each report [default: 1 each]
    #[arg(long, value_name = "QUEUE=N", allow_hyphen_values = true, value_delimiter = ',', value_parser = weight)]
    weight: Vec<(QueueName, u32)>,

    /// How long it may fall silent before others take its jobs; 4s and more
    /// [default: QUEUE_WORKER_LEASE]
    #[arg(long, value_name = "SPAN", allow_hyphen_values = true, value_parser = lease)]
    lease: Option<Duration>,

    /// How long running jobs get when it is told to stop
    #[arg(long, value_name = "SPAN", allow_hyphen_values = true, default_value = "30s", value_parser = parse::span)]
    grace: Duration,

    /// How long an attempt may take where the job does not say
    #[arg(long, value_name = "SPAN", allow_hyphen_values = true, default_value = "5m", value_parser = parse::positive_span)]
    timeout: Duration,

    /// Start at most so many in this process: 100/s, 30/m, 100/s:20
    #[arg(long, value_name = "RATE", allow_hyphen_values = true)]
    rate: Option<Rate>,

    /// Leave a service (SMTP server, URL host, database) alone after so many
    /// failures in a row, try it after this wait, which doubles up to the last;
    /// jobs that need it wait and use no attempts; off: never
    #[arg(long, value_name = "N:FIRST:MOST", allow_hyphen_values = true, default_value = "5:5s:5m", value_parser = breaker)]
    breaker: Breaking,

    /// End with 75 when Redis gave no answer at all for so long, so that a
    /// supervisor starts it anew; 10s and more, or never. That Redis is loading or
    /// takes no writes is an answer
    #[arg(long, value_name = "SPAN", allow_hyphen_values = true, default_value = "5m", value_parser = silence)]
    give_up_after: Silence,

    /// End when nothing is in line, or due within a second; what waits longer for
    /// its time or its next attempt is left
    #[arg(long)]
    until_empty: bool,

    /// End after so many jobs
    #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = parse::count::<u64>)]
    max_jobs: Option<u64>,

    #[command(flatten)]
    processor: ProcessorArgs,

    /// How steps are logged: pretty or json
    #[arg(long, value_name = "FORMAT", default_value = "pretty", hide_possible_values = true)]
    log_format: journal::LogFormat,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "What runs the jobs")]
struct ProcessorArgs {
    /// Run this command for each job; comes last and takes the rest of the line
    #[arg(long, value_name = "CMD", num_args = 1.., allow_hyphen_values = true, conflicts_with = "http")]
    exec: Vec<OsString>,

    /// Post each job to this URL, signed with HTTP_SIGNING_KEY; one with a
    /// password in it is set as HTTP_URL instead, and holds where neither
    /// --exec nor --http is given and the queue has no processor of its own
    #[arg(long, value_name = "URL")]
    http: Option<String>,

    /// Hand over up to so many jobs at once, one a line
    #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    batch_size: Option<u32>,

    /// Wait this long for a batch to fill
    #[arg(long, value_name = "SPAN", allow_hyphen_values = true, requires = "batch_size", value_parser = parse::span)]
    batch_wait: Option<Duration>,

    /// Let the command see this variable of our environment (may be repeated)
    #[arg(long, value_name = "NAME", requires = "exec", conflicts_with = "http", value_parser = variable_name)]
    pass_env: Vec<String>,

    /// What exit codes mean where it differs from the usual: 3=permanent,9=done;
    /// the classes are permanent, transient, throttled and done
    #[arg(long, value_name = "CODE=CLASS", allow_hyphen_values = true, requires = "exec", conflicts_with = "http", value_delimiter = ',', value_parser = exit_code)]
    exit_codes: Vec<(i32, Meaning)>,
}

/// When services are left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Breaking(Option<BreakerRule>);

/// How long Redis may be silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Silence(Option<Duration>);

/// What an exit code says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Meaning(Option<ErrorClass>);

/// Jobs at once, as written.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Wanted {
    Shared(usize),
    PerQueue(Vec<(QueueName, usize)>),
}

/// Runs a worker to its end.
pub fn run(args: Args, context: &Context) -> Result<Answer> {
    let config = context.config()?;
    let concurrency = fitting(&args, config)?;
    if let Some((stranger, _)) = args.weight.iter().find(|(queue, _)| !args.queues.contains(queue)) {
        let why = format!("invalid value for '--weight': {stranger} is not one of the queues to work on");
        return Err(Stop::usage(why).into());
    }
    let twice = |at: usize| args.weight[..at].iter().any(|(queue, _)| *queue == args.weight[at].0);
    if let Some(at) = (0..args.weight.len()).find(|at| twice(*at)) {
        let why = format!("invalid value for '--weight': {} has two weights", args.weight[at].0);
        return Err(Stop::usage(why).into());
    }
    if !args.weight.is_empty() && matches!(concurrency, Concurrency::PerQueue(_)) {
        context.ui.note("--weight shares nothing where each queue has slots of its own: give --concurrency one number");
    }
    if let Some(url) = &args.processor.http {
        check_url(url).map_err(|why| Stop::usage(format!("invalid value for '--http': {why}")))?;
    }
    warn_of_swallowed_flags(&args.processor.exec, context);
    let threads = std::thread::available_parallelism().map_or(2, usize::from).max(2);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()
        .context("cannot start")?;
    let ended = runtime.block_on(async {
        let (report, hurried) = work(&args, concurrency, config, context).await?;
        if args.until_empty && !hurried {
            tell_what_stays(&args.queues, context).await;
        }
        anyhow::Ok((report, hurried))
    });
    // Whatever still runs was given its time. Its futures are dropped, which kills the processes that they hold.
    runtime.shutdown_timeout(Duration::from_secs(1));
    let (report, hurried) = ended?;
    let code = match (&report, hurried) {
        (report, _) if report.unconfirmed > 0 => Code::NotNow,
        (_, true) => Code::Interrupted,
        _ => Code::Done,
    };
    Ok(Answer::one(Worked { queues: args.queues, report }).code(code))
}

/// The report, and whether a second signal cut it short.
async fn work(
    args: &Args,
    concurrency: Concurrency,
    config: &Config,
    context: &Context,
) -> Result<(WorkerReport, bool)> {
    let registry = processors::registry(&args.queues, &args.processor, context).await?;
    let client = context.client()?;
    let notifier = Notifier::from_env().context("cannot reach the service manager at NOTIFY_SOCKET")?;
    let journal = journal::Journal::start(args.log_format, &context.ui);
    let listener = journal.listener();
    let mut builder = Worker::builder(client, registry)
        .concurrency(concurrency)
        .weights(args.weight.clone())
        .grace(args.grace)
        .timeout(args.timeout)
        .lease(args.lease.unwrap_or(config.worker.lease))
        .until_empty(args.until_empty)
        .breaker(args.breaker.0)
        .alerts(alert_sinks(config)?)
        .give_up_after(args.give_up_after.0)
        .invocation(ui::invocation())
        .on_event(listener);
    if let Some(rate) = args.rate {
        builder = builder.rate(rate);
    }
    if let Some(max_jobs) = args.max_jobs {
        builder = builder.max_jobs(max_jobs);
    }
    let worker = builder.build()?;
    let ended = signals::run(worker, &notifier).await;
    journal.finish();
    ended
}

/// A queue that was run empty may hold jobs all the same: says which, and why.
async fn tell_what_stays(queues: &[QueueName], context: &Context) {
    let Ok(client) = context.client() else { return };
    for name in queues {
        // Whoever cannot be asked any more has told the worker why.
        let Ok(stats) = client.queue(name.clone()).stats().await else { continue };
        let waiting = [
            (stats.pending, "pending"),
            (stats.scheduled, "scheduled"),
            (stats.retrying, "retrying"),
            (stats.active, "active elsewhere"),
        ];
        let waiting: Vec<_> =
            waiting.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")).collect();
        let pause = if stats.paused { format!(" is paused (queues resume {name})") } else { String::new() };
        match (waiting.is_empty(), stats.paused) {
            (true, false) => {}
            (true, true) => context.ui.note(&format!("queue {name}{pause}")),
            (false, true) => context.ui.note(&format!("queue {name}{pause}: {} stay", waiting.join(", "))),
            (false, false) => context.ui.note(&format!("queue {name}: {} stay for later", waiting.join(", "))),
        }
    }
}

/// `--exec` takes the rest of the line: a flag of ours behind it is the command's, which is seldom what was meant.
fn warn_of_swallowed_flags(command: &[OsString], context: &Context) {
    let own = <Args as clap::Args>::augment_args(clap::Command::new("work"));
    let is_own = |word: &&OsString| {
        let name = word.to_str().and_then(|word| word.strip_prefix("--")).and_then(|word| word.split('=').next());
        name.is_some_and(|name| own.get_arguments().any(|flag| flag.get_long() == Some(name)))
    };
    for word in command.iter().skip(1).filter(is_own) {
        let word = word.to_string_lossy();
        context
            .ui
            .note(&format!("{word} behind --exec goes to the command; put --exec last where it is meant for work"));
    }
}

/// The concurrency that fits these queues.
fn fitting(args: &Args, config: &Config) -> Result<Concurrency> {
    let wanted = match &args.concurrency {
        None => return Ok(Concurrency::Shared(config.worker.concurrency)),
        Some(Wanted::Shared(number)) => return Ok(Concurrency::Shared(*number)),
        Some(Wanted::PerQueue(wanted)) => wanted,
    };
    if let Some((stranger, _)) = wanted.iter().find(|(queue, _)| !args.queues.contains(queue)) {
        let why = format!("invalid value for '--concurrency': {stranger} is not one of the queues to work on");
        return Err(Stop::usage(why).into());
    }
    let of = |queue: &QueueName| wanted.iter().rev().find(|(name, _)| name == queue).map(|(_, number)| *number);
    let numbers = args.queues.iter().map(|queue| (queue.clone(), of(queue).unwrap_or(config.worker.concurrency)));
    Ok(Concurrency::PerQueue(numbers.collect()))
}

fn concurrency(text: &str) -> Result<Wanted, String> {
    let number = |text: &str| match text.parse::<usize>() {
        Ok(number) if (1..=WorkerConfig::CONCURRENCY_MAX).contains(&number) => Ok(number),
        _ => Err(format!("{text:?} is not a whole number from 1 to {}", WorkerConfig::CONCURRENCY_MAX)),
    };
    if !text.contains('=') {
        return number(text).map(Wanted::Shared);
    }
    let pair = |part: &str| {
        let (queue, text) = part.split_once('=').ok_or_else(|| format!("{part:?} is not queue=number"))?;
        Ok((QueueName::new(queue).map_err(|error| error.to_string())?, number(text)?))
    };
    text.split(',').map(pair).collect::<Result<_, String>>().map(Wanted::PerQueue)
}

fn weight(text: &str) -> Result<(QueueName, u32), String> {
    let (queue, number) = text.split_once('=').ok_or_else(|| format!("{text:?} is not queue=number"))?;
    let weight = number.parse().ok().filter(|weight| (1..=1_000).contains(weight));
    let weight = weight.ok_or_else(|| format!("{number:?} is not a whole number from 1 to 1000"))?;
    Ok((QueueName::new(queue).map_err(|error| error.to_string())?, weight))
}

fn breaker(text: &str) -> Result<Breaking, String> {
    match text {
        "off" => Ok(Breaking(None)),
        text => text.parse().map(|rule| Breaking(Some(rule))).map_err(|error: ireva_queue::Error| error.to_string()),
    }
}

fn silence(text: &str) -> Result<Silence, String> {
    if text == "never" {
        return Ok(Silence(None));
    }
    match parse::span(text).map_err(|error| error.to_string())? {
        silence if silence >= Duration::from_secs(10) => Ok(Silence(Some(silence))),
        _ => Err("it must be 10s or more, or never".to_owned()),
    }
}

fn lease(text: &str) -> Result<Duration, String> {
    match parse::span(text).map_err(|error| error.to_string())? {
        lease if lease >= WorkerConfig::LEASE_MIN => Ok(lease),
        _ => Err("it must be 4s or more".to_owned()),
    }
}

/// No secret is a flag's value: everybody on the machine can read it. Where it is one all the same, it is not shown.
fn check_url(text: &str) -> Result<(), String> {
    let authority = text.split_once("://").map(|(_, rest)| rest.split(['/', '?', '#']).next().unwrap_or_default());
    match authority {
        Some(authority) if authority.contains('@') => {
            Err("a user or a password does not belong on the command line: set HTTP_URL or HTTP_URL_FILE".to_owned())
        }
        Some(authority) if !authority.is_empty() && (text.starts_with("http://") || text.starts_with("https://")) => {
            Ok(())
        }
        _ => Err(format!("{text:?} is not a whole URL such as https://example.com/hooks/orders")),
    }
}

fn variable_name(text: &str) -> Result<String, String> {
    let sound = |c: char| c.is_ascii_alphanumeric() || c == '_';
    match text.chars().all(sound) && !text.starts_with(|c: char| c.is_ascii_digit()) && !text.is_empty() {
        true => Ok(text.to_owned()),
        false => Err("it is not the name of a variable: letters, digits and _".to_owned()),
    }
}

fn exit_code(text: &str) -> Result<(i32, Meaning), String> {
    let wrong = || {
        format!(
            "{text:?} is not an exit code and what it means, such as 3=permanent: permanent, transient, throttled or done"
        )
    };
    let (code, meaning) = text.split_once('=').ok_or_else(wrong)?;
    let code = code.parse().ok().filter(|code| (0..=255).contains(code)).ok_or_else(wrong)?;
    let meaning = if meaning == "done" { None } else { Some(meaning.parse().map_err(|_| wrong())?) };
    Ok((code, Meaning(meaning)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn concurrency_is_one_number_or_one_per_queue() {
        let email = QueueName::new("email").unwrap();
        assert_eq!(concurrency("8"), Ok(Wanted::Shared(8)));
        assert_eq!(concurrency("email=20"), Ok(Wanted::PerQueue(vec![(email, 20)])));
        for text in ["0", "-1", "1e9", "NaN", "", "email=", "=2", "email=2,", "a b=1", "10001"] {
            assert!(concurrency(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_weight_names_its_queue() {
        assert_eq!(weight("email=3"), Ok((QueueName::new("email").unwrap(), 3)));
        for text in ["3", "email=0", "email=-1", "email=1001", "email=x", "=3", "a b=3", ""] {
            assert!(weight(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn exit_codes_are_given_a_meaning() {
        assert_eq!(exit_code("9=done"), Ok((9, Meaning(None))));
        assert_eq!(exit_code("3=permanent"), Ok((3, Meaning(Some(ErrorClass::Permanent)))));
        assert!(["3", "300=done", "x=done", "3=never"].iter().all(|text| exit_code(text).is_err()));
    }

    #[test]
    fn a_url_is_whole_and_holds_no_password() {
        assert!(check_url("https://example.com/hooks?a=b@c").is_ok() && check_url("http://[::1]:8080/").is_ok());
        let said = check_url("https://user:pw@example.com/").unwrap_err();
        assert!(said.contains("HTTP_URL") && !said.contains("pw"), "{said}");
        assert!(["foo", "", "http://", "ftp://host/"].iter().all(|text| check_url(text).is_err()));
        assert!(
            ["A B", "A=b", "", "1A"].iter().all(|text| variable_name(text).is_err()) && variable_name("A_1").is_ok()
        );
    }
}
