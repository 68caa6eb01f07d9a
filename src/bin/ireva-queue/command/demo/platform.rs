//! The platform's work in the demo: a distribution, a statement that is mailed, an import and an export, on a database of its
//! own.

use std::time::Duration;

use anyhow::{Context as _, Result};
use ireva_queue::config::Config;
use ireva_queue::service::{
    Distribution, Export, Import, QueueService, Report, ReportFormat, ReportParameters, ReportType, Submission,
    TableFormat, Target,
};
use ireva_queue::{Client, Concurrency, JobState, NewJob, QueueName, Registry, Worker};
use serde_json::Value;

use crate::command::db;
use crate::command::work::register_builtin;
use crate::exit::{Code, Stop};
use crate::output::grouped;
use crate::ui::Ui;
use crate::view::PlatformStep;

const PATIENCE: Duration = Duration::from_secs(20);
const QUEUES: [&str; 5] = ["email", "roi-distribution", "report-generation", "data-import", "data-export"];

/// New investors from another system; what is wrong with three of them is found when they are read.
const INVESTORS: &str = "\
id,name,email,country,taxId,joinedOn
501,Amina Sule,amina.sule@example.com,NG,TIN-501,2024-07-01
502,Baraka Otieno,baraka.otieno@example.com,KE,,2024-07-03
503,Chioma Nnadi,chioma.nnadi@example.com,NG,TIN-503,3 July 2024
504,Daniel Mensah,daniel.mensah@example.com,GH,TIN-504,2024-07-08
505,Esi Boateng,esi.boateng at example.com,GH,TIN-505,2024-07-09
506,Fatou Diop,fatou.diop@example.com,SN,,2024-07-10
502,Grace Wanjiru,grace.wanjiru@example.com,KE,TIN-507,2024-07-11
508,Hassan Juma,hassan.juma@example.com,TZ,TIN-508,2024-07-15
";

/// Does it, and tells what came of it.
pub async fn show(client: &Client, config: &Config, ui: &Ui) -> Result<Vec<PlatformStep>> {
    let (database, is_own) = db::database(config)?;
    database.ready(is_own).await?;
    let seeded = database.seed().await?;
    let (properties, investors) = (seeded.properties, seeded.investors);
    ui.note(&format!("a portfolio of {properties} properties and {investors} investors"));
    let imports = config.data_dir.join("imports");
    std::fs::create_dir_all(&imports).with_context(|| format!("cannot make {}", imports.display()))?;
    let file = imports.join("investors.csv");
    std::fs::write(&file, INVESTORS).with_context(|| format!("cannot write {}", file.display()))?;

    let mut registry = Registry::new();
    for queue in QUEUES {
        register_builtin(&mut registry, &QueueName::new(queue)?, config, client).await?;
    }
    let worker = Worker::builder(client, registry).concurrency(Concurrency::Shared(4)).build()?;
    let stopper = worker.stopper();
    let running = tokio::spawn(worker.run());
    let steps = run(client, ui).await;
    stopper.stop();
    running.await.context("the worker stopped")??;
    let mut steps = steps?;
    let audit = database.audit().await?;
    if let (Some(step), true) = (steps.first_mut(), audit.findings.is_empty()) {
        step.did += "; everything adds up";
    }
    Ok(steps)
}

async fn run(client: &Client, ui: &Ui) -> Result<Vec<PlatformStep>> {
    let service = QueueService::new(client);
    let progress = ui.progress("the platform's work", Some(4));
    let (paid, made) = (distribution(&service)?, statement(&service)?);
    let read = service.import_data("investors.csv", Target::Investors, Import::default());
    let (paid, made, read) = tokio::try_join!(ended(client, paid), ended(client, made), ended(client, read))?;
    progress.set(3);
    // Behind the import, so that what came in goes out.
    let export = Export { destination: Some("investors.csv".to_owned()), ..Export::default() };
    let written = ended(client, service.export_data("investors", TableFormat::Csv, export)).await?;
    progress.set(4);
    no_mail_waits(client).await?;
    drop(progress);
    Ok(vec![
        step("roi-distribution", paid, |result| {
            let (total, currency) = (amount(&result["totalAmount"]), word(&result["currency"]));
            let (investors, mails) = (number(&result["investors"]), number(&result["mailsQueued"]));
            format!("{total} {currency} paid to {investors} investors, {mails} mails")
        }),
        step("report-generation", made, |result| {
            let (bytes, path) = (number(&result["bytes"]), word(&result["path"]));
            format!("a statement of {bytes} bytes, mailed: {path}")
        }),
        step("data-import", read, |result| {
            let (all, inside, not) =
                (number(&result["rows"]), number(&result["rowsIn"]), number(&result["rowsRejected"]));
            format!("{inside} of {all} rows are in, {not} rejected: {}", word(&result["rejectsFile"]))
        }),
        step("data-export", written, |result| format!("{} rows: {}", number(&result["rows"]), word(&result["path"]))),
    ])
}

fn distribution(service: &QueueService) -> Result<Submission<'_>> {
    let june = Distribution::new(202_406, "2024-06-30".parse()?).initiated_by("demo");
    Ok(service.schedule_roi_distribution(123, 25_000, june))
}

/// On paper where this build can make it.
fn statement(service: &QueueService) -> Result<Submission<'_>> {
    let format = if cfg!(feature = "pdf") { ReportFormat::Pdf } else { ReportFormat::Excel };
    let parameters = ReportParameters {
        user_id: Some(456.into()),
        start_date: Some("2024-01-01".parse()?),
        end_date: Some("2024-06-30".parse()?),
        include_charts: true,
        ..ReportParameters::default()
    };
    let told = Report::notify("john.akinwale@example.com");
    Ok(service.generate_report(ReportType::InvestorStatement, format, parameters, told))
}

/// The result of a job, when it has ended well.
async fn ended(client: &Client, submission: Submission<'_>) -> Result<Value> {
    let enqueued = submission.with(NewJob::awaited).enqueue().await?;
    let end = client.queue(enqueued.queue.clone()).wait(&enqueued.id, Some(PATIENCE)).await?;
    if end.state != JobState::Completed {
        let why = end.error.map(|error| format!(": {}", error.message)).unwrap_or_default();
        return Err(
            Stop::new(Code::Failed, format!("job {} of {} is {}{why}", end.id, enqueued.queue, end.state)).into()
        );
    }
    Ok(end.result.map(|result| serde_json::from_str(result.get())).transpose()?.unwrap_or_default())
}

/// Waits until every mail that followed has been sent.
async fn no_mail_waits(client: &Client) -> Result<()> {
    let queue = client.queue(QueueName::new("email")?);
    let states = [JobState::Pending, JobState::Scheduled, JobState::Retrying, JobState::Active];
    let mut ticks = tokio::time::interval(super::LOOK_INTERVAL);
    let sent = async {
        while queue.count(&states).await? > 0 {
            ticks.tick().await;
        }
        anyhow::Ok(())
    };
    let late = |_| Stop::new(Code::Failed, "the mails were not sent in time");
    tokio::time::timeout(PATIENCE, sent).await.map_err(late)?
}

fn step(queue: &'static str, result: Value, tell: impl FnOnce(&Value) -> String) -> PlatformStep {
    PlatformStep { queue, did: tell(&result), result }
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or("-")
}

fn number(value: &Value) -> String {
    grouped(value.as_u64().unwrap_or_default())
}

fn amount(value: &Value) -> String {
    let text = word(value);
    let (whole, rest) = text.split_once('.').unwrap_or((text, ""));
    let whole = whole.parse().map_or_else(|_| whole.to_owned(), grouped);
    if rest.is_empty() { whole } else { format!("{whole}.{rest}") }
}
