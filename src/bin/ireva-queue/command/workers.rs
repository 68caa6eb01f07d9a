//! `workers`: who takes jobs, and how one ended.

use anyhow::Result;
use clap::Subcommand;

use ireva_queue::stats::WorkerInfo;
use ireva_queue::{Error, ProcessEnd, host_name};

use crate::context::Context;
use crate::output::Answer;
use crate::ui;

/// Show the workers
#[derive(Debug, clap::Args)]
#[command(before_help = "Example:
  ireva-queue workers list")]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List the workers, and those that fell silent with jobs in hand
    #[command(before_help = "Example:
  ireva-queue workers list -o wide")]
    List,
    Ended(Ended),
}

/// Tell how a worker's process ended, so that its jobs run again at once
///
/// For whoever started the worker. Its leases end at once instead of by their time, and the crashes of its jobs say how it
/// ended. Without WORKER and --pid it is systemd that tells, through the environment of ExecStopPost=; a worker that ended
/// well is left alone then.
#[derive(Debug, clap::Args)]
#[command(before_help = "Example:
  ireva-queue workers ended --pid 4711 --status $?")]
struct Ended {
    /// The worker, as `workers list` names it
    #[arg(conflicts_with = "pid")]
    worker: Option<String>,
    /// The worker of this process on this host
    #[arg(long, value_name = "PID")]
    pid: Option<u32>,
    /// As a shell tells in $?: 137 is SIGKILL
    #[arg(long, value_name = "N", conflicts_with = "signal")]
    status: Option<u8>,
    /// The signal that ended it, such as SIGSEGV
    #[arg(long, value_name = "SIGNAL", value_parser = ProcessEnd::by_signal)]
    signal: Option<ProcessEnd>,
}

/// Does it.
pub async fn run(args: Args, context: &Context) -> Result<Answer> {
    match args.verb {
        Verb::List => {
            let workers = context.answering()?.inspector().workers().await?;
            if workers.is_empty() {
                context.ui.note("no workers");
            }
            Ok(Answer::list(workers))
        }
        Verb::Ended(ended) => ended.tell(context).await,
    }
}

impl Ended {
    async fn tell(self, context: &Context) -> Result<Answer> {
        let told = self.signal.or(self.status.map(ProcessEnd::of_status));
        let by_hand = self.worker.is_some() || self.pid.is_some();
        let end = match (told, by_hand) {
            (Some(end), true) => end,
            (None, true) => return Err(Error::invalid("say how it ended: --status N or --signal SIGNAL").into()),
            (Some(_), false) => return Err(Error::invalid("say whose process ended: WORKER or --pid PID").into()),
            (None, false) => by_systemd()?,
        };
        let inspector = context.client()?.inspector();
        let is_meant = |worker: &WorkerInfo| match (&self.worker, self.pid) {
            (Some(name), _) => worker.worker == *name,
            (None, Some(pid)) => worker.pid == pid && worker.host == host_name(),
            (None, None) => worker.invocation.is_some() && worker.invocation == ui::invocation(),
        };
        if !by_hand && end.is_success() {
            context.ui.note("the worker ended well: nothing to tell");
            return Ok(Answer::list(Vec::<WorkerInfo>::new()));
        }
        let meant: Vec<_> = inspector.workers().await?.into_iter().filter(is_meant).collect();
        if meant.is_empty() && by_hand {
            let what = self.worker.unwrap_or_else(|| format!("of pid {} on this host", self.pid.unwrap_or_default()));
            return Err(
                Error::not_found(format!("worker {what} not found: it has signed off, or was never there")).into()
            );
        }
        if meant.is_empty() {
            context.ui.note("no worker of this start of the service is known: it has signed off");
        }
        let mut ended = Vec::new();
        for worker in meant {
            ended.push(inspector.worker_ended(&worker, end).await?);
        }
        Ok(Answer::list(ended))
    }
}

/// What systemd says in the environment.
fn by_systemd() -> Result<ProcessEnd> {
    let Some((code, status)) = ui::service_end() else {
        let message = "say whose process ended and how: WORKER or --pid PID, and --status N or --signal SIGNAL \
                       (EXIT_CODE and EXIT_STATUS, by which systemd tells, are not set)";
        return Err(Error::invalid(message).into());
    };
    let wrong = || Error::invalid(format!("EXIT_STATUS={status:?} is no exit status (EXIT_CODE={code})"));
    Ok(match code.as_str() {
        "exited" => ProcessEnd::Exit(status.parse().map_err(|_| wrong())?),
        _ => ProcessEnd::by_signal(&status)?,
    })
}
