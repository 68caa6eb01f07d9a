//! `schedule export` and `schedule import`.

use std::io::Read;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use ireva_queue::{ChangeKind, ImportOptions, QueueName};

use crate::context::Context;
use crate::exit::Stop;
use crate::output::{Answer, counted};

/// A thousand schedules with the largest payloads are not more.
const FILE_MAX_BYTES: u64 = 64 << 20;

/// Print the schedules as TOML
#[derive(Debug, clap::Args)]
#[command(before_help = "Example:
  ireva-queue schedule export > schedules.toml
  ireva-queue schedule export email")]
pub struct ExportArgs {
    /// Only of these queues
    #[arg(value_name = "QUEUE")]
    queues: Vec<QueueName>,
}

/// Make the schedules be those of a TOML file
///
/// The file is checked as a whole before anything is done, and can be applied
/// again and again. Each schedule is a table [schedules.NAME] with queue, cron
/// and timezone or every, and, as wanted, missed, grace, overlap, jitter, until,
/// paused, payload (JSON in quotes, or a table), priority, attempts, backoff,
/// timeout, ttl, unique, uniqueFor. Schedules that the file does not name stay,
/// unless --prune is given. A schedule that stands in another queue moves. One
/// of which the file does not say whether it is paused stays as it is.
#[derive(Debug, clap::Args)]
#[command(before_help = "Example:
  ireva-queue schedule import schedules.toml --prune --dry-run
  ireva-queue schedule import schedules.toml --prune --yes")]
pub struct ImportArgs {
    /// The file, '-' for stdin
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Remove the schedules that the file does not name
    #[arg(long)]
    prune: bool,

    /// Only show what would change
    #[arg(long)]
    dry_run: bool,

    /// Do not ask before schedules are removed
    #[arg(short, long)]
    yes: bool,
}

/// Prints them.
pub async fn export(args: ExportArgs, context: &Context) -> Result<Answer> {
    let text = context.client()?.schedules().export(&args.queues).await?;
    if text.is_empty() {
        context.ui.note("no schedules: 'schedule add' makes one");
    }
    Ok(Answer::verbatim(text))
}

/// Applies a file.
pub async fn import(args: ImportArgs, context: &Context) -> Result<Answer> {
    let asks = args.prune && !args.yes && !args.dry_run;
    if asks {
        context.ui.must_be_able_to_ask("removing schedules (--prune)")?;
    }
    let text = read(&args.file)?;
    let named = |error: ireva_queue::Error| match error.kind() {
        ireva_queue::ErrorKind::Invalid => error.context(args.file.display()),
        _ => error,
    };
    let schedules = context.client()?.schedules();
    let options = ImportOptions { prune: args.prune, dry_run: args.dry_run };
    if asks {
        let foreseen = schedules.import(&text, ImportOptions { dry_run: true, ..options }).await.map_err(named)?;
        let removed: Vec<_> = foreseen.iter().filter(|change| change.change == ChangeKind::Removed).collect();
        if let Some(first) = removed.first() {
            let count = counted(removed.len() as u64, "schedule");
            context.ui.confirm(&format!("this removes {count}, such as {}", first.name), "prune")?;
        }
    }
    let changes = schedules.import(&text, options).await.map_err(named)?;
    if changes.is_empty() {
        context.ui.note("the file names no schedules, and nothing changes");
    }
    Ok(Answer::list(changes))
}

fn read(file: &PathBuf) -> Result<String> {
    let mut text = String::new();
    let read = if file.as_os_str() == "-" {
        std::io::stdin().lock().take(FILE_MAX_BYTES).read_to_string(&mut text)
    } else {
        let opened = std::fs::File::open(file)
            .map_err(|error| Stop::usage(format!("cannot open {}: {error}", file.display())))?;
        opened.take(FILE_MAX_BYTES).read_to_string(&mut text)
    };
    read.with_context(|| format!("cannot read {}", file.display()))?;
    if text.len() as u64 >= FILE_MAX_BYTES {
        return Err(Stop::usage(format!("{} has {FILE_MAX_BYTES} bytes or more", file.display())).into());
    }
    Ok(text)
}
