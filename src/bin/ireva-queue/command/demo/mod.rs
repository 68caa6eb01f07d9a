//! `demo`: the whole tool in less than thirty seconds, on a Redis of its own. Nothing in it is pretended: the mails are
//! written, the requests are sent, the commands are run, and what fails does fail.

mod partner;
mod platform;
mod site;
mod work_load;

use std::time::Duration;

use anyhow::{Context as _, Result};
use ireva_queue::config::Config;
use ireva_queue::stats::QueueStats;
use ireva_queue::{Client, Concurrency, GroupBy, QueueName, ReviveOptions, Selection, Worker};
use tokio::signal::unix::{SignalKind, signal};

use crate::command::work::Journal;
use crate::context::Context;
use crate::exit::Stop;
use crate::output::Answer;
use crate::ui::{Progress, Ui};
use crate::view::{DemoReport, QueueGroup};
use partner::Partner;
use site::Site;

/// The partner refuses for this long, which the jobs have to outlast.
const OUTAGE: Duration = Duration::from_secs(3);
const PATIENCE: Duration = Duration::from_secs(14);
const LOOK_INTERVAL: Duration = Duration::from_millis(150);

/// See it work: jobs, retries, dead letters, on a Redis of its own
///
/// Starts a private Redis in a temporary directory, enqueues some forty jobs
/// (mails, requests, commands), runs them, lets some fail for a while and some
/// for good, and revives one. Then the platform's work on a small portfolio: a
/// distribution, a statement that is mailed, an import with bad rows, an
/// export. It takes less than thirty seconds. The directory and the server stay,
/// to go on with; how to end them is said last.
#[derive(Debug, clap::Args)]
#[command(before_help = "Example:
  ireva-queue demo
  ireva-queue demo -v")]
pub struct Args {
    /// Stop the server and remove the directory at the end
    #[arg(long)]
    clean: bool,
}

/// Runs it.
pub fn run(args: Args, context: &Context) -> Result<Answer> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let answer = runtime.block_on(async {
        let site = Site::build()?;
        let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for signals")?;
        let answer = tokio::select! {
            answer = show(&site, &context.ui) => answer,
            _ = interrupt.recv() => Err(Stop::interrupted().into()),
        };
        if args.clean || answer.is_err() {
            site.remove().await?;
        } else {
            go_on(&site, &context.ui);
        }
        answer
    });
    runtime.shutdown_background();
    answer
}

async fn show(site: &Site, ui: &Ui) -> Result<Answer> {
    ui.note(&format!("a private Redis, mails and templates in {}", site.directory().display()));
    let config = site.config();
    let client = Client::new(config)?;
    let count = work_load::enqueue(&client).await?;
    ui.note(&format!("{count} jobs enqueued: mails, requests to a partner that is down, commands"));
    let partner = Partner::start(OUTAGE)?;
    work(&client, config, &partner, ui, "working").await?;
    let dead_letters = groups(&client).await?;
    let revived = revive(site, &client, ui).await?;
    work(&client, config, &partner, ui, "working on").await?;
    let platform = platform::show(&client, config, ui).await?;
    let stats = all_stats(&client).await?;
    Ok(Answer::of(DemoReport { stats, dead_letters, revived, platform }))
}

/// Runs a worker until nothing is left to do.
async fn work(client: &Client, config: &Config, partner: &Partner, ui: &Ui, doing: &str) -> Result<()> {
    let registry = work_load::registry(config, &partner.url())?;
    let journal = (ui.verbosity() > 0).then(|| Journal::start_pretty(ui));
    let mut builder = Worker::builder(client, registry).concurrency(Concurrency::Shared(6));
    if let Some(journal) = &journal {
        builder = builder.on_event(journal.listener());
    }
    let worker = builder.build()?;
    let stopper = worker.stopper();
    let running = tokio::spawn(worker.run());
    let progress = ui.progress(doing, Some(work_load::COUNT));
    let watched = tokio::time::timeout(PATIENCE, watch(client, &progress)).await;
    drop(progress);
    stopper.stop();
    running.await.context("the worker stopped")??;
    if let Some(journal) = journal {
        journal.finish();
    }
    watched.unwrap_or_else(|_| Err(Stop::new(crate::exit::Code::Failed, "the jobs did not end in time").into()))
}

/// Waits until every job has ended, and shows how far it is.
async fn watch(client: &Client, progress: &Progress) -> Result<()> {
    let mut ticks = tokio::time::interval(LOOK_INTERVAL);
    loop {
        ticks.tick().await;
        let stats = all_stats(client).await?;
        let sum = |of: fn(&QueueStats) -> u64| stats.iter().map(of).sum::<u64>();
        let waiting = sum(|stats| stats.pending + stats.scheduled + stats.active + stats.retrying);
        let retrying = sum(|stats| stats.retrying + stats.scheduled);
        progress.set(work_load::COUNT.saturating_sub(waiting));
        progress.say(&format!("working, {retrying} wait for their next attempt"));
        if waiting == 0 {
            return Ok(());
        }
    }
}

async fn all_stats(client: &Client) -> ireva_queue::Result<Vec<QueueStats>> {
    client.inspector().stats().await
}

async fn groups(client: &Client) -> Result<Vec<QueueGroup>> {
    let mut all = Vec::new();
    for queue in work_load::queues()? {
        let groups = client.dead_letters(queue.clone()).groups(&Selection::default(), GroupBy::Code).await?;
        all.extend(groups.into_iter().map(|group| QueueGroup { queue: queue.clone(), group }));
    }
    Ok(all)
}

/// Mends what one dead letter lacked, the template of its mail, and revives it.
async fn revive(site: &Site, client: &Client, ui: &Ui) -> Result<Option<ireva_queue::JobId>> {
    let letters = client.dead_letters(QueueName::new("email")?);
    let lacking = Selection { code: Some("template_unknown".to_owned()), limit: Some(1), ..Selection::default() };
    let Some(letter) = letters.list(&lacking, 0, 1).await?.items.pop() else { return Ok(None) };
    site.write_template(work_load::MISSING_TEMPLATE)?;
    let this = Selection { ids: vec![letter.id.clone()], ..Selection::default() };
    letters.revive(&this, ReviveOptions::default(), &mut |_| {}).await?;
    ui.note(&format!("dead letter {} has its template now and is revived", letter.id));
    Ok(Some(letter.id))
}

/// What to type next.
fn go_on(site: &Site, ui: &Ui) {
    ui.note("");
    ui.note("to go on:");
    for line in site.exports() {
        ui.note(&format!("  {line}"));
    }
    for line in [
        "ireva-queue stats email",
        "ireva-queue dlq list partner",
        "ireva-queue jobs list email --state completed",
        "ireva-queue enqueue email to=you@example.com subject=Hello template=welcome-email context.firstName=You \\",
        "    context.dashboardUrl=https://example.com",
        "ireva-queue work email --until-empty",
        "ireva-queue db check",
        "ireva-queue embedded stop",
    ] {
        ui.note(&format!("  {line}"));
    }
    ui.note(&format!("  rm -r {}", site.directory().display()));
}
