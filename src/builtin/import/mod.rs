//! Reads a file into a table of the platform's data.

mod judge;
mod payload;
mod reading;
mod reject;
mod rejected;
mod shape;
mod standing;
mod statement;
mod store;

use std::time::{Duration, Instant};

use serde_json::json;
use serde_json::value::RawValue;

use crate::builtin::portfolio::Database;
use crate::builtin::refusal::Refusal;
use crate::builtin::storage::Storage;
use crate::clock::local_now;
use crate::error::Result;
use crate::processor::{JobContext, Outcome, ProcessError, Processor};
use judge::Seen;
use payload::{OnError, Order};
use reading::Source;
use reject::Reject;
use standing::{CHECKING, DONE, Findings, REJECTED, RUNNING, Run, Standing};
use store::Ledger;

/// The queue whose jobs are imports.
pub(super) const QUEUE: &str = "data-import";
/// The schema of their payloads.
pub(super) const SCHEMA: &str = include_str!("schema.json");
/// Rejects that a message names.
const REJECTS_TOLD: usize = 5;
/// Rows of a file that is imported whole or not at all: their ids are held in memory.
const ABORT_ROWS_MAX: u64 = 2_000_000;

/// Reads a file into a table, each of its rows once.
///
/// The payload names `source` (the file's name in the storage, or its whole path there) and `target` (`properties`,
/// `investors`, `investments`, `valuations` or `transactions`); it may name `format` (`csv`, `json`, `ndjson`, `excel`;
/// what the file's name tells unless said), `mapping` (column of the file -> column of the table, null for one that is
/// left out), `mode` (`insert`: a row whose id is there is wrong; `upsert`: it is changed, and a cell that holds nothing
/// leaves what is there), `onError` (`reject`: wrong rows are left out; `abort`: one wrong row leaves all of them out)
/// and `tenantId`.
///
/// The file is read through before a row is stored, so that one that is damaged, of another encoding or without a column
/// leaves nothing behind. Then each batch of rows goes in together with the number of its last row, under the job's id:
/// a second run, also after a crash, goes on behind it, and two at once do not both store a batch. What is wrong goes
/// with line, column, value and reason to `import_rejects` and to a file beside the source, the first 10,000 of them;
/// rows are counted beyond that. A file that has changed since rows came in is refused. What does not come in within the
/// timeout of the job follows in further runs, which use no attempts; reading the file through must fit into one.
#[derive(Debug)]
pub struct ImportProcessor {
    database: Database,
    storage: Storage,
}

/// Whether the payload would be taken.
///
/// # Errors
/// `Invalid`, naming everything that is wrong with it.
pub(super) fn check(payload: &str) -> Result<()> {
    payload::read(payload).map(drop)
}

impl ImportProcessor {
    /// A processor that reads files of `storage` into `database`; neither is connected to before the first job.
    pub fn new(database: Database, storage: Storage) -> Self {
        Self { database, storage }
    }

    async fn import(&self, ledger: &Ledger<'_>, ctx: &JobContext) -> Result<Standing, Refusal> {
        let opened = match (self.storage.open_file(&ledger.order.source).await, ledger.done().await?) {
            (Err(_), Some(standing)) => {
                ctx.log("all rows came in before; the file is not there any more");
                return Ok(standing);
            }
            (opened, _) => opened?,
        };
        let source = Source::new(opened).await?;
        let mut standing = ledger.begin(&source.identity).await?;
        if standing.state == CHECKING {
            let findings = look_through(ledger, &source, ctx).await?;
            if findings.rejected_rows > 0 && ledger.order.on_error == OnError::Abort {
                return Err(self.abort(ledger, &source, &findings).await?);
            }
            ledger.checked(&findings, RUNNING).await?;
            standing.rows_total = i64::try_from(findings.rows).ok();
        } else if standing.state == RUNNING {
            ctx.log(format!("goes on behind row {}", standing.rows_read));
        } else {
            ctx.log("all rows came in before");
        }
        if standing.state != DONE {
            store(ledger, &source, &mut standing, ctx).await?;
            standing.rejects_file = self.write_rejects(ledger, &standing, ctx).await?;
            ledger.finish(DONE, standing.rejects_file.as_deref()).await?;
        }
        Ok(standing)
    }

    /// The file of the rejects, where there are any. Who may not write beside the source finds them in the database.
    async fn write_rejects(
        &self,
        ledger: &Ledger<'_>,
        standing: &Standing,
        ctx: &JobContext,
    ) -> Result<Option<String>, Refusal> {
        if standing.rejects_stored == 0 {
            return Ok(None);
        }
        match rejected::write(ledger, &self.storage).await {
            Ok(stored) => Ok(Some(stored.file.path)),
            Err(Refusal::Job(error)) if error.code() == "storage_access" => {
                ctx.log(format!("the rejects are in table import_rejects alone: {}", error.message()));
                Ok(None)
            }
            Err(refusal) => Err(refusal),
        }
    }

    /// Keeps what is wrong with the file; the error that ends the job. No row is in.
    async fn abort(&self, ledger: &Ledger<'_>, source: &Source, findings: &Findings) -> Result<Refusal, Refusal> {
        ledger.checked(findings, REJECTED).await?;
        let file = match rejected::write(ledger, &self.storage).await {
            Ok(stored) => Some(stored.file.path),
            Err(Refusal::Job(error)) if error.code() == "storage_access" => None,
            Err(refusal) => return Err(refusal),
        };
        ledger.finish(REJECTED, file.as_deref()).await?;
        let told: Vec<_> = findings.rejects.iter().take(REJECTS_TOLD).map(Reject::said).collect();
        let more = if findings.rejects.len() > told.len() { "; …" } else { "" };
        let place = file.map_or_else(String::new, |file| format!(" (all of them in {file})"));
        let why = format!(
            "{}: {} of {} rows are wrong, and none was imported: {}{more}{place}: mend the file, then revive this job",
            source.path,
            findings.rejected_rows,
            findings.rows,
            told.join("; ")
        );
        Ok(ProcessError::permanent("import_rejected", why).into())
    }
}

/// Reads the file through. Its rows are held against the database only where one that is wrong leaves all of them out.
async fn look_through(ledger: &Ledger<'_>, source: &Source, ctx: &JobContext) -> Result<Findings, Refusal> {
    let (mut findings, mut seen) = (Findings::default(), Seen::default());
    let mut batches = source.batches(ledger.order, 0);
    while let Some(mut batch) = batches.next().await? {
        if ledger.order.on_error == OnError::Abort {
            if batch.last_row > ABORT_ROWS_MAX {
                let why = format!(
                    "{}: onError abort holds at most {ABORT_ROWS_MAX} rows against each other: split the file, or import it \
                     with onError reject",
                    source.path
                );
                return Err(ProcessError::permanent("too_many_rows", why).into());
            }
            ledger.check(&mut batch, &mut seen).await?;
        }
        findings.add(batch);
        ctx.progress(findings.rows, None, "rows checked");
    }
    source.check_unchanged()?;
    Ok(findings)
}

/// Where all rows were to come in or none, and the table has changed since they were checked: no further ones do.
fn check_whole(ledger: &Ledger<'_>, source: &Source, standing: &Standing) -> Result<(), Refusal> {
    if ledger.order.on_error == OnError::Reject || standing.rows_rejected == 0 {
        return Ok(());
    }
    let why = format!(
        "{}: the table was changed after the file was checked, so that rows no longer fit: {} of the first {} rows are in, \
         see import_rejects of {} for the others; import the rest as a new job with onError reject and mode upsert",
        source.path, standing.rows_in, standing.rows_read, ledger.run.id
    );
    Err(ProcessError::permanent("import_rejected", why).into())
}

/// Stores the rows behind those that are in. What does not fit into the time of a run goes on in the next one.
async fn store(ledger: &Ledger<'_>, source: &Source, standing: &mut Standing, ctx: &JobContext) -> Result<(), Refusal> {
    let total = standing.rows_total.map(i64::unsigned_abs);
    let before = standing.rows_read;
    let mut clock = Clock::new(ctx.deadline());
    let mut batches = source.batches(ledger.order, standing.rows_read.unsigned_abs());
    while let Some(batch) = batches.next().await? {
        if standing.rows_read > before && !clock.has_time() {
            let why = format!("{} rows are in; the others follow in the next run", standing.rows_read);
            return Err(ProcessError::throttled("import_goes_on", why).retry_after(Duration::ZERO).into());
        }
        ledger.apply(batch, standing).await?;
        clock.tick();
        ctx.progress(standing.rows_read.unsigned_abs(), total, "rows read");
        check_whole(ledger, source, standing)?;
    }
    if standing.rows_total.is_some_and(|total| total != standing.rows_read) {
        let why = format!("{} rows were read of {:?}", standing.rows_read, standing.rows_total);
        return Err(ProcessError::transient("rows_broken_off", why).into());
    }
    Ok(source.check_unchanged()?)
}

/// Whether another batch fits into the time of a run: a tenth of it stays free, and twice what the slowest batch took.
struct Clock {
    deadline: Option<Instant>,
    spare: Duration,
    at: Instant,
}

impl Clock {
    fn new(deadline: Option<Instant>) -> Self {
        let at = Instant::now();
        let spare = deadline.map_or(Duration::ZERO, |deadline| deadline.saturating_duration_since(at) / 10);
        Self { deadline, spare, at }
    }

    /// A batch is in.
    fn tick(&mut self) {
        self.spare = self.spare.max(self.at.elapsed() * 2);
        self.at = Instant::now();
    }

    fn has_time(&self) -> bool {
        self.deadline.is_none_or(|deadline| self.at + self.spare < deadline)
    }
}

impl Processor for ImportProcessor {
    type Payload = Box<RawValue>;

    fn dependency(&self) -> Option<String> {
        Some(self.database.place())
    }

    async fn process(&self, payload: Self::Payload, ctx: &JobContext) -> Result<Outcome, ProcessError> {
        let order =
            payload::read(payload.get()).map_err(|why| ProcessError::permanent("payload_invalid", why.to_string()))?;
        let run = Run { id: ctx.job_id().to_string(), fence: ctx.fence(), at: local_now() };
        let ledger = Ledger { database: &self.database, order: &order, run: &run };
        let standing = self.import(&ledger, ctx).await.map_err(|refusal| refusal.of(&self.database))?;
        ctx.log(format!(
            "{}: {} rows, {} in {}, {} rejected",
            order.source, standing.rows_read, standing.rows_in, order.target.name, standing.rows_rejected
        ));
        let outcome = Outcome::with_result(&answer(&order, &standing));
        outcome.map_err(|error| ProcessError::permanent("result_invalid", error.to_string()))
    }
}

fn answer(order: &Order, standing: &Standing) -> serde_json::Value {
    json!({
        "source": order.source,
        "target": order.target.name,
        "tenantId": order.tenant,
        "rows": standing.rows_read,
        "rowsIn": standing.rows_in,
        "rowsRejected": standing.rows_rejected,
        "rejectsStored": standing.rejects_stored,
        "rejectsFile": standing.rejects_file,
        "sizeBytes": standing.file.size_bytes,
        "sha256": standing.file.sha256,
    })
}
