//! Makes reports: what the database holds as pages to print, or as a table to go on with.

mod chart;
mod data;
mod document;
mod figures;
mod history;
mod lookup;
mod mail;
mod name;
mod payload;
#[cfg(feature = "pdf")]
mod pdf;
mod performance;
mod query;
mod statement;
mod summary;
mod tax;
mod valuation;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde_json::json;
use serde_json::value::RawValue;

use crate::builtin::portfolio::Database;
use crate::builtin::refusal::not_taken;
use crate::builtin::storage::{Storage, StoredTable, TableFile, store_table};
use crate::error::{Error, Result};
use crate::format::{Format, Heading, WriteOptions};
use crate::job::{JobId, NewJob, QueueName};
use crate::processor::{JobContext, Outcome, Outlet, ProcessError, Processor};
use data::Data;
use document::Document;
use payload::{Order, ReportFormat, ReportType};
pub use query::{ReportQuery, ReportRows};

/// The queue whose jobs are reports.
pub(super) const QUEUE: &str = "report-generation";
/// What their payloads look like: a JSON Schema (draft 2020-12).
pub(super) const SCHEMA: &str = include_str!("schema.json");

/// Makes reports from the platform's database.
///
/// The payload names `reportType`, `format` (`pdf`, `csv`, `excel`, `json`) and `parameters`, and may name `requestedBy`,
/// `tenantId`, and `notifyOnComplete` with the `email` to tell.
///
/// | `reportType` | needs | takes also | main table |
/// |---|---|---|---|
/// | `investor-statement` | `userId`, `startDate`, `endDate` | `propertyId` | every entry with the balance behind it |
/// | `property-performance` | `propertyId`, `startDate`, `endDate` | | income, costs and distributions by month |
/// | `roi-summary` | `startDate`, `endDate` | `userId`, `propertyId`, `portfolioId` | the return by property |
/// | `portfolio-valuation` | `portfolioId`, `endDate` | `startDate` | the value by property |
/// | `transaction-history` | `startDate`, `endDate` | `userId`, `propertyId`, `portfolioId` | every entry of the ledger |
/// | `tax-document` | `userId`, `startDate`, `endDate` | | distributions received by property |
///
/// `userId` is the investor's id. A portfolio is all that a tenant holds: `portfolioId` is `all` or the tenant's id.
/// `includeCharts` and `detailed` (single entries beside the sums) change what stands on paper; csv, excel and json hold
/// the main table, of which transaction-history is streamed, so that its rows may be any number. A PDF holds at most 5,000
/// rows and needs the feature `pdf`.
///
/// All figures of a report are of one instant, exact, and never added up across currencies. The file is called after
/// report, subject, period and job, so that a second run replaces its own file and no other. Who is told gets the mail
/// `report-ready` under an id that follows from the job's, with the file attached where it is small enough.
pub struct ReportProcessor {
    database: Database,
    storage: Storage,
    outlet: Arc<dyn Outlet>,
    email: QueueName,
    /// Setting pages takes a processor and memory: one report at a time.
    #[cfg(feature = "pdf")]
    press: Arc<tokio::sync::Mutex<()>>,
}

impl std::fmt::Debug for ReportProcessor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("ReportProcessor");
        shown.field("database", &self.database.place()).field("storage", &self.storage.place()).finish_non_exhaustive()
    }
}

/// Whether the payload would be taken.
///
/// # Errors
/// `Invalid`, naming everything that is wrong with it.
pub(super) fn check(payload: &str) -> Result<()> {
    payload::read(payload).map(drop)
}

/// The description of an order's report.
fn describe(order: &Order, data: &Data) -> Result<Document, ProcessError> {
    let described = match order.report {
        ReportType::InvestorStatement => statement::describe(order, data),
        ReportType::PropertyPerformance => performance::describe(order, data),
        ReportType::RoiSummary => summary::describe(order, data),
        ReportType::PortfolioValuation => valuation::describe(order, data),
        ReportType::TransactionHistory => history::describe(order, data),
        ReportType::TaxDocument => tax::describe(order, data),
    };
    described.map_err(|error| ProcessError::permanent("data_corrupt", error.to_string()))
}

/// The pages of a report, and how many rows its main table has.
#[cfg(feature = "pdf")]
fn set(order: &Order, data: &Data, imprint: &pdf::Imprint, most: usize) -> Result<(Vec<u8>, u64), ProcessError> {
    let Document { main, paper } = describe(order, data)?;
    if data.entries.len().max(paper.rows()) > most {
        let why = format!(
            "the report has more than {most} rows, too many for paper: ask for csv, excel or json, or for a shorter period"
        );
        return Err(ProcessError::permanent("report_too_large", why));
    }
    let pages = pdf::set(&paper, imprint).map_err(|why| not_set(&why))?;
    Ok((pages, main.rows.len() as u64))
}

#[cfg(feature = "pdf")]
fn not_set(why: &str) -> ProcessError {
    ProcessError::permanent("pdf_failed", format!("the pages were not set: {why}"))
}

impl ReportProcessor {
    /// A processor on `database` that writes into `storage` and hands mails to the queue `email` through `outlet`.
    ///
    /// # Errors
    /// None yet; the database is connected to when the first job runs.
    pub fn new(database: Database, storage: Storage, outlet: Arc<dyn Outlet>) -> Result<Self> {
        Ok(Self {
            database,
            storage,
            outlet,
            email: QueueName::new("email")?,
            #[cfg(feature = "pdf")]
            press: Arc::default(),
        })
    }

    async fn table(&self, order: &Order, name: String, format: Format) -> Result<StoredTable, ProcessError> {
        let ReportRows { columns, rows } = query::open(&self.database, order).await?;
        let heading = if format == Format::Excel { Heading::Titles } else { Heading::Names };
        let options = WriteOptions { heading, ..WriteOptions::default() };
        store_table(&self.storage, TableFile { name, format, columns, options }, rows).await
    }

    #[cfg(not(feature = "pdf"))]
    #[allow(clippy::unused_async, reason = "with the feature it waits")]
    async fn paper(&self, _order: &Order, _name: &str, _job: &JobId) -> Result<StoredTable, ProcessError> {
        let why =
            "this build makes no PDF: ask for csv, excel or json, or run a worker that was built with the feature pdf";
        Err(ProcessError::permanent("pdf_missing", why))
    }

    /// Sets the report on pages and stores them.
    #[cfg(feature = "pdf")]
    async fn paper(&self, order: &Order, name: &str, job: &JobId) -> Result<StoredTable, ProcessError> {
        use std::io::Write;

        let most = document::PAPER_ROWS_MAX;
        let data = data::read(&self.database, order, most as i64 + 1).await?;
        // Until the pages are set, also where nobody waits for them any more.
        let one_at_a_time = Arc::clone(&self.press).lock_owned().await;
        let (order, imprint) = (order.clone(), pdf::Imprint { id: job.to_string(), made_on: name::made_on(job) });
        let set = tokio::task::spawn_blocking(move || {
            let _one_at_a_time = one_at_a_time;
            set(&order, &data, &imprint, most)
        });
        let (pages, rows) = set.await.unwrap_or_else(|error| Err(not_set(&error.to_string())))?;

        let mut draft = self.storage.create(name).await?;
        let path = draft.path().to_owned();
        let written = tokio::task::spawn_blocking(move || draft.write_all(&pages).map(|()| draft)).await;
        let written = written.unwrap_or_else(|error| Err(std::io::Error::other(error)));
        let draft = written.map_err(|error| crate::builtin::storage::trouble(&path, &error))?;
        Ok(StoredTable { file: draft.finish().await?, rows })
    }

    /// Hands the mail over that tells of the report; the queue takes it once, however often it is handed over.
    async fn tell(&self, letter: &mail::Letter<'_>, job: &JobId) -> Result<(), ProcessError> {
        let payload = letter.payload(&self.storage).await?;
        let id = mail::id(job);
        let mail = NewJob::from_json(payload.to_string()).and_then(|mail| Ok(mail.id(JobId::new(&id)?)));
        let mail = mail.map_err(|error| ProcessError::permanent("mail_invalid", format!("mail {id}: {error}")))?;
        let refused = |error: Error| not_taken(&self.email, &error);
        let answers = self.outlet.hand_over(&self.email, vec![mail]).await.map_err(refused)?;
        answers.into_iter().find_map(Result::err).map_or(Ok(()), |error| Err(refused(error)))
    }
}

impl Processor for ReportProcessor {
    type Payload = Box<RawValue>;

    fn dependency(&self) -> Option<String> {
        Some(self.database.place())
    }

    async fn process(&self, payload: Self::Payload, ctx: &JobContext) -> Result<Outcome, ProcessError> {
        let order =
            payload::read(payload.get()).map_err(|why| ProcessError::permanent("payload_invalid", why.to_string()))?;
        if let Some(by) = &order.requested_by {
            ctx.log(format!("asked for by {by}"));
        }
        let name = name::of_file(&order, ctx.job_id());
        let StoredTable { file, rows } = match order.format {
            ReportFormat::Pdf => self.paper(&order, &name, ctx.job_id()).await?,
            ReportFormat::Table(format) => self.table(&order, name.clone(), format).await?,
        };
        ctx.log(format!("{} of {rows} rows, {} bytes: {}", order.report.as_str(), file.size_bytes, file.path));
        if let Some(to) = &order.notify {
            let made_on = name::made_on(ctx.job_id());
            self.tell(&mail::Letter { order: &order, to, name: &name, file: &file, made_on }, ctx.job_id()).await?;
            ctx.log(format!("mail {} handed to queue {}", mail::id(ctx.job_id()), self.email));
        }
        let outcome = Outcome::with_result(&json!({
            "reportType": order.report.as_str(),
            "path": file.path,
            "bytes": file.size_bytes,
            "sha256": file.sha256,
            "rows": rows,
            "mailsQueued": u8::from(order.notify.is_some()),
        }));
        outcome.map_err(|error| ProcessError::permanent("result_invalid", error.to_string()))
    }
}
