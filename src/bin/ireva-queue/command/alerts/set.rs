//! Sets rules and removes them.

use anyhow::Result;
use ireva_queue::{AlertKind, AlertName, AlertSinks, AlertWords, ErrorKind};

use crate::context::Context;
use crate::exit::Stop;
use crate::output::Answer;
use crate::view::AlertRemoved;

const KINDS: &str = "What can be watched:
  backlog    jobs in line                      --above 1000
  latency    wait of the first job in line     --above 5m
  failures   failed attempts of the last hour  --above 5%
  dead       dead letters                      --above 1
  workers    workers of the queue              --below 1
  schedules  late schedules                    --above 1
  memory     of what Redis may use             --above 80%
  breaker    each service whose breaker is open
  redis      Redis does not answer
--above is met at its number and beyond, --below under it. Where no number
stands here as the default, it has to be given: backlog, latency, failures.";

/// Set a rule, in place of one of its name
#[derive(Debug, clap::Args)]
#[command(before_help = "Example:
  ireva-queue alerts set backlog-email --when backlog --queue email \\
      --above 1000 --clear 500 --for 5m --repeat 1h --severity critical
  ireva-queue alerts set slow --when latency --above 5m --sink ops,log
  ireva-queue alerts set redis --when redis --for 2m", after_help = KINDS)]
pub struct Args {
    /// Its name
    #[arg(value_name = "ALERT")]
    alert: AlertName,

    /// What is watched; see below
    #[arg(long, value_name = "KIND", hide_possible_values = true, value_parser = crate::parse::one_of::<AlertKind>(&AlertKind::all().map(AlertKind::as_str).collect::<Vec<_>>()))]
    when: AlertKind,

    /// The queue [default: every queue, each by itself]
    #[arg(long, value_name = "QUEUE")]
    queue: Option<String>,

    /// It fires at this number and beyond
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    above: Option<String>,

    /// It fires below this number (workers)
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    below: Option<String>,

    /// It is over when the number is back at this one; where it is the threshold,
    /// only when the number has left it [default: the threshold]
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    clear: Option<String>,

    /// How long the number must be out of bounds before it fires [default: 1m]
    #[arg(long = "for", value_name = "SPAN", allow_hyphen_values = true)]
    hold: Option<String>,

    /// After how long it is told again while it fires, or never [default: 4h]
    #[arg(long, value_name = "SPAN", allow_hyphen_values = true)]
    repeat: Option<String>,

    /// warning or critical [default: warning; redis: critical]
    #[arg(
        long,
        value_name = "SEVERITY",
        hide_possible_values = true,
        value_parser = crate::parse::one_of::<String>(&["warning", "critical"])
    )]
    severity: Option<String>,

    /// Who is told, comma-separated [default: every sink that there is]
    #[arg(long = "sink", value_name = "SINK", value_delimiter = ',')]
    sinks: Vec<String>,
}

/// Sets it.
pub async fn run(args: Args, context: &Context) -> Result<Answer> {
    let Args { alert, when, queue, above, below, clear, hold, repeat, severity, sinks } = args;
    let words =
        AlertWords { when: when.as_str().to_owned(), queue, above, below, clear, hold, repeat, severity, sinks };
    let rule = words.rule(alert.clone()).map_err(|error| {
        let flag = |field: &str| if field == "sinks" { "--sink".to_owned() } else { format!("--{field}") };
        let told: Vec<_> =
            error.fields().iter().map(|problem| format!("'{}' {}", flag(&problem.field), problem.message)).collect();
        Stop::usage(told.join("\n"))
    })?;
    let (client, config) = (context.client()?, context.config()?);
    client.alerts().set(&rule, &context.ui.who()).await?;
    for sink in
        rule.sinks.iter().filter(|sink| sink.as_str() != AlertSinks::LOG && !config.alerts.sinks.contains_key(sink))
    {
        context.ui.note(&format!("sink {sink} is not configured here; whoever evaluates must have it"));
    }
    let infos = client.alerts().show(&alert).await?;
    super::look::notes(&infos, context)?;
    Ok(Answer::one_or_list(infos.len(), infos))
}

/// Removes some.
pub async fn unset(alerts: Vec<AlertName>, context: &Context) -> Result<Answer> {
    let client = context.client()?;
    let (asked_for, mut removed, mut errors) = (alerts.len(), Vec::new(), Vec::<anyhow::Error>::new());
    for alert in alerts {
        match client.alerts().unset(&alert, &context.ui.who()).await {
            Ok(()) => removed.push(AlertRemoved { alert, removed: true }),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Refused) => errors.push(error.into()),
            Err(error) => return Err(error.into()),
        }
    }
    let done = removed.len();
    let answer = if done == 0 { Answer::none() } else { Answer::one_or_list(asked_for, removed) };
    Ok(answer.errors(done, errors))
}
