//! Looks at alerts, and tries the sinks.

use anyhow::Result;
use ireva_queue::{AlertInfo, AlertKind, AlertName, AlertSinks, AlertSource, AlertState, QueueName, SinkTried};

use super::sinks::sinks_and_broken;
use crate::context::Context;
use crate::exit::Code;
use crate::output::{Answer, counted};
use crate::parse;

/// List the rules, and how each queue stands; what fires comes first
#[derive(Debug, clap::Args)]
#[command(before_help = "Example:
  ireva-queue alerts list
  ireva-queue alerts list --firing
  ireva-queue alerts list backlog-email --queue email")]
pub struct ListArgs {
    /// Only these rules
    #[arg(value_name = "ALERT")]
    alerts: Vec<AlertName>,

    /// Only how they stand for this queue
    #[arg(long, value_name = "QUEUE")]
    queue: Option<QueueName>,

    /// Only what fires, muted or not
    #[arg(long)]
    firing: bool,
}

/// Tell every sink now that this is a test, and show what each said
///
/// The sinks are those of this environment and its profile file; nothing needs
/// Redis. Exit code 3 where one of several did not take it, 1 where none did.
#[derive(Debug, clap::Args)]
#[command(before_help = "Example:
  ireva-queue alerts test
  ireva-queue alerts test --sink email")]
pub struct TestArgs {
    /// Only this one
    #[arg(long, value_name = "SINK")]
    sink: Option<AlertName>,
}

/// Show what became of alerts, the latest first
#[derive(Debug, clap::Args)]
#[command(before_help = "Example:
  ireva-queue alerts history --limit 20")]
pub struct HistoryArgs {
    /// At most so many; about 1,000 are kept
    #[arg(long, value_name = "N", allow_hyphen_values = true, default_value_t = 50, value_parser = parse::count::<u64>)]
    limit: u64,
}

/// Lists them.
pub async fn list(args: ListArgs, context: &Context) -> Result<Answer> {
    let alerts = context.client()?.alerts();
    let mut list = match &args.alerts[..] {
        [] => alerts.list().await?,
        names => {
            let mut found = Vec::new();
            for name in names {
                found.extend(alerts.show(name).await?);
            }
            found
        }
    };
    notes(&list, context)?;
    let is_set = list.iter().any(|info| info.source != AlertSource::Default);
    if is_set && !alerts.is_watched().await? {
        context.ui.note("nobody has evaluated them for two minutes: start a worker, or 'ireva-queue alerts run'");
    }
    list.retain(|info| !args.firing || info.firing);
    list.retain(|info| args.queue.as_ref().is_none_or(|queue| info.subject == queue.as_str()));
    // What is wrong comes first.
    list.sort_by_key(|info| (!info.firing, info.state != AlertState::Pending));
    Ok(Answer::list(list))
}

/// What cannot work, as far as it is known here.
pub(super) fn notes(list: &[AlertInfo], context: &Context) -> Result<()> {
    let sinks = &context.config()?.alerts.sinks;
    let mut said = Vec::new();
    for info in list {
        let named = info.sinks.iter().filter(|sink| sink.as_str() != AlertSinks::LOG && !sinks.contains_key(sink));
        for sink in named.filter(|_| info.source == AlertSource::File) {
            said.push(format!(
                "alert {}: sink {sink} is not configured here; whoever evaluates must have it",
                info.alert
            ));
        }
        if info.when == AlertKind::Memory && info.reading.is_none() {
            said.push(format!("alert {}: redis has no maxmemory, so nothing is measured", info.alert));
        }
    }
    said.dedup();
    said.iter().for_each(|line| context.ui.note(line));
    Ok(())
}

/// Shows some.
pub async fn show(names: Vec<AlertName>, context: &Context) -> Result<Answer> {
    let alerts = context.client()?.alerts();
    let (mut infos, mut errors, mut done) = (Vec::new(), Vec::<anyhow::Error>::new(), 0);
    for name in &names {
        match alerts.show(name).await {
            Ok(found) => {
                infos.extend(found);
                done += 1;
            }
            Err(error) if error.kind() == ireva_queue::ErrorKind::NotFound => errors.push(error.into()),
            Err(error) => return Err(error.into()),
        }
    }
    let answer = if done == 0 { Answer::none() } else { Answer::one_or_list(infos.len(), infos) };
    Ok(answer.errors(done, errors))
}

/// Tries the sinks.
pub async fn test(args: TestArgs, context: &Context) -> Result<Answer> {
    let (sinks, mut broken) = sinks_and_broken(context.config()?);
    broken.retain(|(name, _)| args.sink.as_ref().is_none_or(|only| only == name));
    let alerts = context.client()?.alerts();
    let mut tried = match broken.is_empty() || args.sink.is_none() {
        true => alerts.test(&sinks, args.sink.as_ref(), &context.ui.who()).await?,
        false => Vec::new(),
    };
    for (sink, why) in broken {
        tried.retain(|known| known.sink != sink);
        tried.push(SinkTried { sink, ok: false, message: why.to_string() });
    }
    tried.sort_by(|a, b| a.sink.cmp(&b.sink));
    let failed = tried.iter().filter(|sink| !sink.ok).count();
    let code = match failed {
        0 => Code::Done,
        failed if failed == tried.len() => Code::Failed,
        _ => Code::Partly,
    };
    if failed > 0 {
        context.ui.note(&format!("{failed} of {} did not take it", counted(tried.len() as u64, "sink")));
    }
    Ok(Answer::list(tried).code(code))
}

/// Lists what was.
pub async fn history(args: HistoryArgs, context: &Context) -> Result<Answer> {
    let entries = context.client()?.alerts().history(args.limit).await?;
    if entries.is_empty() {
        context.ui.note("nothing has become of alerts yet");
    }
    Ok(Answer::list(entries))
}
