//! `dlq list`: dead letters one by one, or by what they share.

use anyhow::Result;
use clap::ValueEnum;
use ireva_queue::{GroupBy, QueueName};

use crate::command::selecting::Narrowing;
use crate::context::Context;
use crate::output::Answer;

/// How many are listed unless said.
const USUAL_LIMIT: u64 = 50;
const PAGE: u64 = 1_000;

/// List dead letters, oldest first
#[derive(Debug, clap::Args)]
#[command(before_help = "Example:
  ireva-queue dlq list email --group-by code
  ireva-queue dlq list email --class transient --newer-than 1h")]
pub struct Args {
    /// The queue
    #[arg(value_name = "QUEUE")]
    queue: QueueName,

    /// Count them by what they share: code, class or error
    #[arg(long, value_name = "WHAT", hide_possible_values = true)]
    group_by: Option<By>,

    /// List them all, not only the first 50
    #[arg(long, conflicts_with = "limit")]
    all: bool,

    /// Leave out so many first
    #[arg(long, value_name = "N", allow_hyphen_values = true, default_value_t = 0, hide_default_value = true)]
    offset: u64,

    #[command(flatten)]
    narrowing: Narrowing,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum By {
    /// The code word
    Code,
    /// The class
    Class,
    /// The error, numbers and ids made alike
    Error,
}

impl From<By> for GroupBy {
    fn from(by: By) -> Self {
        match by {
            By::Code => Self::Code,
            By::Class => Self::Class,
            By::Error => Self::Error,
        }
    }
}

/// Lists, or groups.
pub async fn run(args: Args, context: &Context) -> Result<Answer> {
    let letters = context.answering()?.dead_letters(args.queue.clone());
    let (selection, missing) = args.narrowing.dead_letters(&[], &args.queue, context).await?;
    if selection.ids.is_empty() && !missing.is_empty() {
        return Ok(Answer::none().errors(0, missing));
    }
    if let Some(by) = args.group_by {
        let groups = letters.groups(&selection, by.into()).await?;
        if groups.is_empty() {
            context.ui.note(&nothing(&args));
        }
        return Ok(Answer::list(groups).errors(1, missing));
    }
    let wanted = args.narrowing.limit().unwrap_or(if args.all { u64::MAX } else { USUAL_LIMIT });
    let (mut found, mut more) = (Vec::new(), true);
    while more && (found.len() as u64) < wanted {
        let had = found.len() as u64;
        let page = letters.list(&selection, args.offset + had, PAGE.min(wanted - had)).await?;
        more = page.more && !page.items.is_empty();
        found.extend(page.items);
    }
    if found.is_empty() {
        context.ui.note(&nothing(&args));
    } else if more {
        let next = args.offset + found.len() as u64;
        context.ui.note(&format!("there are more: --offset {next} shows the next, --all all of them"));
    }
    Ok(Answer::list(found).errors(1, missing))
}

/// What to say of an empty list.
fn nothing(args: &Args) -> String {
    if args.narrowing.is_given() || args.offset > 0 {
        format!("none of the dead letters of {} match", args.queue)
    } else {
        format!("no dead letters in {}", args.queue)
    }
}
