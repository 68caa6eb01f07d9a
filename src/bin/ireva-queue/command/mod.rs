//! One file per command: its arguments, and a `run` that calls the library and returns a value.

mod acting;
pub mod alerts;
pub mod audit;
pub mod batch;
pub mod bench;
pub mod breaker;
pub mod check;
pub mod clear;
pub mod complete;
pub mod completions;
pub mod config;
pub mod db;
pub mod demo;
pub mod dlq;
pub mod doctor;
pub mod embedded;
pub mod enqueue;
pub mod events;
pub mod explain;
pub mod heal;
pub mod help;
mod job_args;
pub mod jobs;
pub mod limits;
pub mod logs;
pub mod man;
pub mod openapi;
pub mod queues;
pub mod schedule;
pub mod scheduler;
pub mod schema;
mod selecting;
pub mod serve;
pub mod spool;
pub mod stats;
pub mod token;
pub mod top;
pub mod undo;
pub mod work;
pub mod workers;

use std::future::Future;
use std::pin::pin;

use anyhow::{Context as _, Result};
use tokio::signal::unix::{SignalKind, signal};

use crate::args::Command;
use crate::context::Context;
use crate::exit::Stop;
use crate::output::Answer;

/// Runs a command to its answer.
pub fn run(command: Command, context: &Context) -> Result<Answer> {
    match command {
        Command::Enqueue(args) => brief(enqueue::run(args, context), context),
        Command::Batch(args) => brief(batch::run(args, context), context),
        Command::Stats(args) => brief(stats::run(args, context), context),
        Command::Top(args) => brief(top::run(args, context), context),
        Command::Clear(args) => brief(clear::run(args, context), context),
        Command::Dlq(args) => brief(dlq::run(args, context), context),
        Command::Explain(args) => brief(explain::run(args, context), context),
        Command::Undo(args) => brief(undo::run(args, context), context),
        Command::Audit(args) => brief(audit::run(args, context), context),
        Command::Jobs(args) => brief(jobs::run(args, context), context),
        Command::Spool(args) => brief(spool::run(args, context), context),
        Command::Events(args) => brief(events::run(args, context), context),
        Command::Logs(args) => brief(logs::run(args, context), context),
        Command::Queues(args) => brief(queues::run(args, context), context),
        Command::Limits(args) => brief(limits::run(args, context), context),
        Command::Workers(args) => brief(workers::run(args, context), context),
        Command::Doctor(args) => brief(doctor::run(args, context), context),
        Command::Heal(args) => brief(heal::run(args, context), context),
        Command::Check(args) => brief(check::run(args, context), context),
        Command::Schedule(args) => brief(schedule::run(args, context), context),
        Command::Breaker(args) => brief(breaker::run(args, context), context),
        Command::Token(args) => brief(token::run(args, context), context),
        Command::Db(args) => brief(db::run(args, context), context),
        Command::Embedded(args) => brief(embedded::run(args, context), context),
        Command::Alerts(args) => alerts::run(args, context),
        Command::Config(args) => config::run(args, context),
        Command::Work(args) => work::run(args, context),
        Command::Scheduler(args) => scheduler::run(args, context),
        Command::Serve(args) => serve::run(args, context),
        Command::Openapi(args) => openapi::run(args),
        Command::Schema(args) => schema::run(args),
        Command::Bench(args) => bench::run(args, context),
        Command::Demo(args) => demo::run(args, context),
        Command::Completions(args) => completions::run(args),
        Command::Man(args) => man::run(args),
        Command::Help(args) => help::run(args),
        Command::Complete(args) => complete::run(args),
    }
}

/// Runs what asks Redis a few questions: on one thread, until it ends or Ctrl-C.
fn brief(command: impl Future<Output = Result<Answer>>, context: &Context) -> Result<Answer> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start")?;
    let answer = runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for signals")?;
        let mut command = pin!(command);
        loop {
            tokio::select! {
                answer = &mut command => return answer,
                _ = interrupt.recv() => if !context.interrupt.tell() { return Err(Stop::interrupted().into()) },
            }
        }
    });
    // A thread that still waits for input must not hold up the end.
    runtime.shutdown_background();
    answer
}
