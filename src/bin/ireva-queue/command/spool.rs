//! `spool`: jobs that stand on disk until Redis takes them.

use std::path::PathBuf;

use anyhow::Result;
use clap::Subcommand;
use ireva_queue::{Flushed, Spool};

use crate::context::Context;
use crate::exit::{Code, Stop, code_of};
use crate::output::{Answer, counted};

/// Deliver the jobs that 'enqueue --spool' wrote to disk
///
/// Where Redis is down or refuses writes, 'enqueue QUEUE … --spool DIR' writes
/// the job to a file in DIR. Every later 'enqueue --spool DIR' and 'spool flush
/// DIR' hands over what stands there, oldest first; a file is removed once Redis
/// has answered. The id of a job is fixed when it is written, so that a repeat
/// adds nothing, for a day after the job is gone.
#[derive(Debug, clap::Args)]
#[command(before_help = "Example:
  ireva-queue spool list /var/spool/ireva-queue
  ireva-queue spool flush /var/spool/ireva-queue")]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List the jobs of a spool, oldest first, and what was set aside
    #[command(before_help = "Example:
  ireva-queue spool list /var/spool/ireva-queue")]
    List(Directory),
    /// Hand the jobs of a spool over, oldest first
    ///
    /// What no queue can ever take is set aside under a name that ends with
    /// .refused. Safe to break off, to repeat, and to run twice at a time.
    #[command(before_help = "Example:
  ireva-queue spool flush /var/spool/ireva-queue")]
    Flush(Directory),
}

#[derive(Debug, clap::Args)]
struct Directory {
    /// The directory
    #[arg(value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    directory: PathBuf,
}

/// Runs the verb.
pub async fn run(args: Args, context: &Context) -> Result<Answer> {
    match args.verb {
        Verb::List(Directory { directory }) => {
            let entries = Spool::new(directory).list()?;
            if entries.is_empty() {
                context.ui.note("the spool is empty");
            }
            Ok(Answer::list(entries))
        }
        Verb::Flush(Directory { directory }) => {
            let Some(mut flushed) = flush(&Spool::new(directory), context).await? else {
                let why = "interrupted: what was delivered is removed, the rest stays for the next time";
                return Err(Stop::new(Code::Interrupted, why).into());
            };
            tell_set_aside(&flushed, context);
            let done = flushed.delivered + flushed.duplicates;
            let errors: Vec<anyhow::Error> = flushed.errors.drain(..).map(Into::into).collect();
            let code = match errors.first() {
                Some(error) if done == 0 && flushed.set_aside.is_empty() => code_of(error),
                Some(_) => Code::Partly,
                None if !flushed.set_aside.is_empty() => Code::Partly,
                None => Code::Done,
            };
            Ok(Answer::one(flushed).errors(0, errors).code(code))
        }
    }
}

/// Hands over what stands in a spool; `None` after Ctrl-C.
pub async fn flush(spool: &Spool, context: &Context) -> Result<Option<Flushed>> {
    let client = context.client()?;
    let progress = context.ui.progress("delivering spooled jobs", None);
    let flushed = context.interrupt.or(spool.flush(client, &mut |done| progress.set(done))).await;
    Ok(flushed.transpose()?)
}

/// Names what no queue can ever take.
pub fn tell_set_aside(flushed: &Flushed, context: &Context) {
    for aside in &flushed.set_aside {
        context.ui.refusal(&format!("set aside as {}: {}", aside.file, aside.problem));
    }
}

/// Says what came of the spool beside a job of its own.
pub fn tell(flushed: &Flushed, spool: &Spool, context: &Context) {
    tell_set_aside(flushed, context);
    let directory = spool.directory().display();
    if flushed.delivered + flushed.duplicates > 0 {
        let delivered = counted(flushed.delivered + flushed.duplicates, "spooled job");
        context.ui.note(&format!("{delivered} of {directory} delivered"));
    }
    for error in &flushed.errors {
        context.ui.refusal(&format!("{} left in {directory}: {error}", counted(flushed.left, "spooled job")));
    }
}
