//! The flags that every command takes, and the list of commands.

use clap::builder::styling::{AnsiColor, Styles};
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

use crate::command::{
    alerts, audit, batch, bench, breaker, check, clear, complete, completions, config, db, demo, dlq, doctor, embedded,
    enqueue, events, explain, heal, help, jobs, limits, logs, man, openapi, queues, schedule, scheduler, schema, serve,
    spool, stats, token, top, undo, work, workers,
};
use crate::output::Format;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default())
    .placeholder(AnsiColor::Cyan.on_default());

/// A self-healing job queue on Redis
#[derive(Debug, Parser)]
#[command(
    name = "ireva-queue",
    version,
    styles = STYLES,
    max_term_width = 80,
    before_help = "Example:
  ireva-queue enqueue email to=ada@example.com subject=Welcome \\
      template=welcome-email context.firstName=Ada
  ireva-queue work email --until-empty
  ireva-queue stats",
    after_help = EXIT_CODES,
    subcommand_required = true,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    infer_long_args = false
)]
pub struct Cli {
    #[command(flatten)]
    pub globals: Globals,

    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "Exit codes:
  0   done                          69  Redis not reachable
  1   failed                        75  outcome unknown, or not now
  2   wrong usage or value          77  access refused
  3   partly done, rest on stderr   78  environment invalid, or no processor
  4   not found                     124 --wait: time is up
  5   refused: --yes, or its state  130 interrupted; what was done stays done
  10  --wait: the job ended dead

Redis is found through REDIS_HOST, REDIS_PORT, REDIS_MODE and others; see
ireva-queue(1).";

/// Flags that every command takes.
#[derive(Debug, Args)]
pub struct Globals {
    /// How the answer is written [default: table on a terminal, else plain]
    #[arg(
        short,
        long,
        global = true,
        value_name = "FORMAT",
        hide_possible_values = true,
        long_help = "How the answer is written: table, wide, plain (tab separated), json, jsonl, csv or name \
                     [default: table on a terminal, else plain]",
        help_heading = "Global options"
    )]
    pub output: Option<Format>,

    /// Say nothing but the answer and errors
    #[arg(short, long, global = true, help_heading = "Global options")]
    pub quiet: bool,

    /// Say on stderr which server is used and what was tried again; twice for the
    /// time of every call
    #[arg(short, long, global = true, action = ArgAction::Count, help_heading = "Global options")]
    pub verbose: u8,

    /// Colours: auto, always or never
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        hide_default_value = true,
        hide_possible_values = true,
        help_heading = "Global options"
    )]
    pub color: ColorChoice,

    /// Never ask a question
    #[arg(long, global = true, help_heading = "Global options")]
    pub no_input: bool,

    /// Never show a long answer through a pager
    #[arg(long, global = true, help_heading = "Global options")]
    pub no_pager: bool,

    /// Work with this profile (see config list)
    #[arg(long, global = true, value_name = "PROFILE", help_heading = "Global options")]
    pub profile: Option<String>,
}

/// When colours are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ColorChoice {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// Every command, in the order of the help.
#[derive(Debug, Subcommand)]
pub enum Command {
    Enqueue(enqueue::Args),
    Spool(spool::Args),
    Batch(batch::Args),
    Schema(schema::Args),
    Work(work::Args),
    Stats(stats::Args),
    Top(top::Args),
    Clear(clear::Args),
    Dlq(dlq::Args),
    Explain(explain::Args),
    Undo(undo::Args),
    Audit(audit::Args),
    Jobs(jobs::Args),
    Logs(logs::Args),
    Events(events::Args),
    Queues(queues::Args),
    Limits(limits::Args),
    Workers(workers::Args),
    Breaker(breaker::Args),
    Doctor(doctor::Args),
    Heal(heal::Args),
    Check(check::Args),
    Alerts(alerts::Args),
    Schedule(schedule::Args),
    Scheduler(scheduler::Args),
    Serve(serve::Args),
    Token(token::Args),
    Openapi(openapi::Args),
    Db(db::Args),
    Embedded(embedded::Args),
    Config(config::Args),
    Bench(bench::Args),
    Demo(demo::Args),
    Completions(completions::Args),
    Man(man::Args),
    Help(help::Args),
    #[command(name = "__complete", hide = true)]
    Complete(complete::Args),
}
