//! Looks at alerts, and tries the sinks.

use anyhow::Result;
use ireva_queue::AlertName;

use super::sinks::alert_sinks;
use crate::context::Context;
use crate::exit::Code;
use crate::output::Answer;
use crate::parse;

/// Tell every sink now that this is a test, and show what each said
///
/// The sinks are those of this environment and its profile file; nothing needs
/// Redis. Exit code 3 where one did not take it.
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
pub async fn list(context: &Context) -> Result<Answer> {
    let alerts = context.client()?.alerts();
    let list = alerts.list().await?;
    let is_set = list.iter().any(|info| info.source != ireva_queue::AlertSource::Default);
    if is_set && alerts.evaluator().await?.is_none() {
        context.ui.note("nobody evaluates them now: start a worker, or 'ireva-queue alerts run'");
    }
    Ok(Answer::list(list))
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
    let sinks = alert_sinks(context.config()?)?;
    let tried = context.client()?.alerts().test(&sinks, args.sink.as_ref(), &context.ui.who()).await?;
    let failed = tried.iter().filter(|sink| !sink.ok).count();
    let code = match failed {
        0 => Code::Done,
        failed if failed == tried.len() => Code::Failed,
        _ => Code::Partly,
    };
    for sink in tried.iter().filter(|sink| !sink.ok) {
        context.ui.note(&format!("sink {} did not take it: {}", sink.sink, sink.message));
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
