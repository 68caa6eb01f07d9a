//! Pays out what a property earned: shares exactly, stores once, tells every investor.

mod apply;
mod payload;
mod plan;
mod shares;

use std::sync::Arc;

use serde_json::json;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use crate::builtin::portfolio::Database;
use crate::builtin::refusal::{Refusal, not_taken};
use crate::clock::local_now;
use crate::error::Result;
use crate::job::{JobId, NewJob, QueueName};
use crate::processor::{JobContext, Outcome, Outlet, ProcessError, Processor};
use apply::{Applied, Run};
use payload::Order;

/// The queue whose jobs are distributions.
pub(super) const QUEUE: &str = "roi-distribution";
/// The JSON Schema of their payloads.
pub(super) const SCHEMA: &str = include_str!("schema.json");
/// Mails handed over at once.
const MAILS: usize = 1_000;
/// Lines that an answer holds; the database has them all.
const LINES_TOLD: usize = 5_000;

/// Distributes income of a property among its investors.
///
/// The payload names `propertyId`, `periodId`, `distributionDate`, `totalAmount` (a number or a text, read from its
/// digits) and may name `calculationMethod` (`pro-rata`, by the amounts held on the day; `time-weighted`, by amounts and
/// days held in the period; `fixed`, equal parts), `overrideRates` (investor id -> amount, or rate of the total such as
/// `"5%"`), `currency`, `tenantId`, `initiatedBy`, `periodStart` and `periodEnd`, and `dryRun` (computes, stores nothing).
///
/// The parts are exact and add up to the total (largest remainder; ties go to the smaller id). Distribution, lines, ledger
/// and the mails that follow are stored in one transaction under (tenant, property, period): whoever comes second changes
/// nothing and answers `alreadyApplied`; another amount for the same period is refused with both named. After the commit
/// the mails are handed to the queue `email` under ids that follow from the distribution, so that a crash in between
/// neither loses nor doubles one.
pub struct DistributionProcessor {
    database: Database,
    outlet: Arc<dyn Outlet>,
    email: QueueName,
}

impl std::fmt::Debug for DistributionProcessor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DistributionProcessor").field("database", &self.database.place()).finish_non_exhaustive()
    }
}

/// Whether the payload would be taken.
///
/// # Errors
/// `Invalid`, naming everything that is wrong with it.
pub(super) fn check(payload: &str) -> Result<()> {
    payload::read(payload).map(drop)
}

/// The id of the job that tells an investor: the same for every run of the distribution.
fn mail_id(order: &Order, investor: &str) -> String {
    let mut digest = Sha256::new();
    for part in [&order.tenant, &order.property, &order.period, investor] {
        // Lengths keep ("a", "bc") and ("ab", "c") apart.
        digest.update(part.len().to_be_bytes());
        digest.update(part.as_bytes());
    }
    let hex: String = digest.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("paid-{hex}")
}

impl DistributionProcessor {
    /// A processor on `database`, which hands mails to the queue `email` through `outlet`.
    ///
    /// # Errors
    /// None yet; the database is connected to when the first job runs.
    pub fn new(database: Database, outlet: Arc<dyn Outlet>) -> Result<Self> {
        Ok(Self { database, outlet, email: QueueName::new("email")? })
    }

    /// Hands over the mails that the queue has not taken yet; how many.
    async fn send_mails(&self, order: &Order, ctx: &JobContext) -> Result<usize, ProcessError> {
        let waiting =
            apply::outbox(&self.database, order).await.map_err(|error| Refusal::Database(error).of(&self.database))?;
        for mails in waiting.chunks(MAILS) {
            let jobs: Result<Vec<_>> =
                mails.iter().map(|(id, payload)| Ok(NewJob::from_json(payload.clone())?.id(JobId::new(id)?))).collect();
            let jobs = jobs.map_err(|error| ProcessError::permanent("data_corrupt", format!("outbox: {error}")))?;
            let answers = self.outlet.hand_over(&self.email, jobs).await;
            let answers = answers.map_err(|error| not_taken(&self.email, &error))?;
            // What was taken is noted also where the rest was not.
            let taken = mails.iter().zip(&answers).filter(|(_, answer)| answer.is_ok());
            let ids: Vec<_> = taken.map(|((id, _), _)| id.clone()).collect();
            apply::queued(&self.database, &ids, local_now())
                .await
                .map_err(|error| Refusal::Database(error).of(&self.database))?;
            ctx.log(format!("{} mails handed to queue {}", ids.len(), self.email));
            if let Some(error) = answers.into_iter().find_map(Result::err) {
                return Err(not_taken(&self.email, &error));
            }
        }
        Ok(waiting.len())
    }
}

impl Processor for DistributionProcessor {
    type Payload = Box<RawValue>;

    fn dependency(&self) -> Option<String> {
        Some(self.database.place())
    }

    async fn process(&self, payload: Self::Payload, ctx: &JobContext) -> Result<Outcome, ProcessError> {
        let order =
            payload::read(payload.get()).map_err(|why| ProcessError::permanent("payload_invalid", why.to_string()))?;
        let run = Run { job_id: ctx.job_id().to_string(), fence: ctx.fence(), at: local_now() };
        let applied = apply::apply(&self.database, &order, &run).await.map_err(|refusal| refusal.of(&self.database))?;
        let state = match (order.dry_run, applied.already) {
            (true, _) => "dry run",
            (false, true) => "already applied",
            (false, false) => "applied",
        };
        ctx.log(format!(
            "{state}: {} {} of property {} for period {}, {} investors",
            applied.total,
            applied.total.currency(),
            order.property,
            order.period,
            applied.lines.len()
        ));
        let mails = if order.dry_run { 0 } else { self.send_mails(&order, ctx).await? };
        let outcome = Outcome::with_result(&answer(&order, &applied, state, mails));
        outcome.map_err(|error| ProcessError::permanent("result_invalid", error.to_string()))
    }
}

fn answer(order: &Order, applied: &Applied, state: &str, mails: usize) -> serde_json::Value {
    let line = |line: &plan::Line| json!({"investorId": line.investor, "weight": line.weight, "amount": line.amount});
    json!({
        "state": state,
        "alreadyApplied": applied.already,
        "tenantId": order.tenant,
        "propertyId": order.property,
        "periodId": order.period,
        "totalAmount": applied.total,
        "currency": applied.total.currency(),
        "calculationMethod": order.method.as_str(),
        "investors": applied.lines.len(),
        "mailsQueued": mails,
        "lines": applied.lines.iter().take(LINES_TOLD).map(line).collect::<Vec<_>>(),
    })
}
