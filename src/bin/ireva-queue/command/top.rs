//! `top`: the queues, live on a terminal.

use std::time::Duration;

use anyhow::Result;
use ireva_queue::QueueName;
use ireva_queue::config::{RedisConfig, RedisMode};

use crate::context::Context;
use crate::exit::Stop;
use crate::output::{Answer, Format};
use crate::parse;
use crate::tui::{self, Setup};

/// More often than this nobody can read it.
const INTERVAL_LEAST: Duration = Duration::from_millis(200);

/// Watch the queues on a terminal, and act on them
///
/// Queues with counts, rates and trends, running jobs with their progress, dead
/// letters by code, workers. Tab and the arrows move, Enter shows a thing whole,
/// p pauses or resumes a queue, r revives the dead letters of a code, c cancels a
/// job (each asks first), / filters, ? shows the keys, q quits. With a read-only
/// profile and with --no-input it only looks.
///
/// It needs a terminal of 60 columns and 15 lines. Scripts use 'stats'.
#[derive(Debug, clap::Args)]
#[command(before_help = "Example:
  ireva-queue top
  ireva-queue top email notification --interval 5s")]
pub struct Args {
    /// Only these queues
    #[arg(value_name = "QUEUE")]
    queues: Vec<QueueName>,

    /// How often it looks
    #[arg(long, value_name = "INTERVAL", default_value = "1s", value_parser = parse::positive_span)]
    interval: Duration,
}

/// Shows them until it is told to end.
pub async fn run(args: Args, context: &Context) -> Result<Answer> {
    let ui = &context.ui;
    if !ui.has_screen() || !matches!(ui.format(), Format::Table | Format::Wide) {
        let why = "'top' draws on a terminal: use 'stats', or 'stats --watch', where there is none and with --output";
        return Err(Stop::usage(why).into());
    }
    let redis = &context.config()?.redis;
    let setup = Setup {
        server: server(redis),
        queues: args.queues,
        interval: args.interval.max(INTERVAL_LEAST),
        changes_nothing: changes_nothing(redis, context),
        color: ui.look().color,
        unicode: ui.shows_unicode(),
    };
    Ok(Answer::none().code(tui::run(setup, context.client()?).await?))
}

/// Why keys only look, where that is so.
fn changes_nothing(redis: &RedisConfig, context: &Context) -> Option<&'static str> {
    if redis.read_only {
        return Some("read-only: this configuration changes nothing (read_only, IREVA_QUEUE_READ_ONLY)");
    }
    context.ui.forbids_questions().then_some("--no-input: nothing is changed, since nothing may be asked")
}

/// Where it looks, in a word or two.
fn server(redis: &RedisConfig) -> String {
    let place = match &redis.mode {
        RedisMode::Standalone(endpoint) => endpoint.to_string(),
        RedisMode::Sentinel { master, .. } => format!("master {master}"),
        RedisMode::Cluster(seeds) => {
            format!("cluster of {}", seeds.first().map(ToString::to_string).unwrap_or_default())
        }
        RedisMode::Embedded { .. } => "embedded".to_owned(),
    };
    let db = if redis.db == 0 { String::new() } else { format!("/{}", redis.db) };
    let prefix = if redis.prefix == "ireva:queue:" { String::new() } else { format!("  {}", redis.prefix) };
    let read_only = if redis.read_only { "  read-only" } else { "" };
    format!("{place}{db}{prefix}{read_only}")
}
