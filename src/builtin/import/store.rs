//! What stands of an import in the database: rows, rejects and how far it is, always in one transaction.

use std::collections::HashMap;

use chrono::NaiveDate;
use sqlx::QueryBuilder;

use super::judge::{Judge, Known, Seen};
use super::payload::Order;
use super::reading::{Batch, Identity};
use super::reject::Reject;
use super::shape::{Cell, Record};
use super::standing::{CHECKING, DONE, Findings, REJECTED, REJECTS_MAX, RUNNING, Row, Run, STANDING, Standing};
use super::statement::{insert, own_columns, statements};
use crate::builtin::portfolio::{DEFAULT_TENANT, Database, Holds, dialects};
use crate::builtin::refusal::Refusal;
use crate::clock::local_now;
use crate::processor::ProcessError;

/// An import on a database.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ledger<'a> {
    pub database: &'a Database,
    pub order: &'a Order,
    pub run: &'a Run,
}

macro_rules! on {
    ($ledger:expr, $function:ident($($argument:expr),*)) => {
        match $ledger.database {
            Database::Sqlite(pool) => sqlite::$function(pool, $($argument),*).await,
            Database::Postgres(pool) => postgres::$function(pool, $($argument),*).await,
        }
    };
}

impl Ledger<'_> {
    /// The import, where it has come to its end before.
    pub async fn done(&self) -> Result<Option<Standing>, Refusal> {
        on!(self, done(self))
    }

    /// Begins the import, or finds how far it is. A file that is not the one it began with is refused once rows are in.
    pub async fn begin(&self, file: &Identity) -> Result<Standing, Refusal> {
        on!(self, open(self, file))
    }

    /// Judges a batch without storing anything.
    pub async fn check(&self, batch: &mut Batch, seen: &mut Seen) -> Result<(), Refusal> {
        on!(self, check(self, batch, seen))
    }

    /// The file was read through: rows may go in, or none of them may.
    pub async fn checked(&self, findings: &Findings, state: &str) -> Result<(), Refusal> {
        on!(self, checked(self, findings, state))
    }

    /// Stores a batch behind the rows that are in, and moves on.
    pub async fn apply(&self, batch: Batch, standing: &mut Standing) -> Result<(), Refusal> {
        on!(self, apply(self, batch, standing))
    }

    /// Notes the end.
    pub async fn finish(&self, state: &str, rejects_file: Option<&str>) -> Result<(), Refusal> {
        on!(self, finish(self, state, rejects_file))
    }
}

fn claim_lost() -> Refusal {
    ProcessError::transient("claim_lost", "another run of this job is further than this one").into()
}

fn changed(what: &str) -> Refusal {
    let advice = "import it as a new job, in mode upsert where its rows are the same";
    ProcessError::permanent("import_changed", format!("{what} since rows of this job came in: {advice}")).into()
}

fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

dialects! {
    pub(super) async fn open(pool: &Pool, ledger: &Ledger<'_>, file: &Identity) -> Result<Standing, Refusal> {
        let Ledger { order, run, .. } = *ledger;
        let mut tx = begin(pool).await?;
        have_tenant(&mut tx, order).await?;
        let sql = "INSERT INTO imports (id, tenant_id, source, target, terms, file_bytes, file_sha256, state, fence, \
                   rows_read, rows_in, rows_rejected, rejects_stored, started_at) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, 0, 0, 0, $10) ON CONFLICT (id) DO NOTHING";
        sqlx::query(sql)
            .bind(&run.id).bind(&order.tenant).bind(&order.source).bind(order.target.name).bind(order.terms())
            .bind(count(file.size_bytes)).bind(&file.sha256).bind(CHECKING).bind(run.fence).bind(run.at)
            .execute(&mut *tx).await?;
        let sql = "UPDATE imports SET fence = $1 WHERE id = $2 AND fence <= $1";
        if sqlx::query(sql).bind(run.fence).bind(&run.id).execute(&mut *tx).await?.rows_affected() == 0 {
            return Err(claim_lost());
        }
        let standing = standing(&mut tx, run).await?;
        let sql = "SELECT terms FROM imports WHERE id = $1";
        let terms: String = sqlx::query_scalar(sql).bind(&run.id).fetch_one(&mut *tx).await?;
        let is_same = (terms == order.terms(), standing.file == *file);
        let standing = match (standing.state.as_str(), is_same) {
            (RUNNING | DONE, (true, true)) => standing,
            (RUNNING | DONE, (false, _)) => return Err(changed("the payload has changed")),
            (RUNNING | DONE, (_, false)) => return Err(changed(&format!("file {} has changed", order.source))),
            _ => anew(&mut tx, ledger, file).await?,
        };
        tx.commit().await?;
        Ok(standing)
    }

    async fn have_tenant(tx: &mut Connection, order: &Order) -> Result<(), Refusal> {
        if order.tenant == DEFAULT_TENANT {
            let sql = "INSERT INTO tenants (id, name) VALUES ($1, $1) ON CONFLICT DO NOTHING";
            sqlx::query(sql).bind(DEFAULT_TENANT).execute(tx).await?;
            return Ok(());
        }
        let sql = "SELECT count(*) FROM tenants WHERE id = $1";
        let count: i64 = sqlx::query_scalar(sql).bind(&order.tenant).fetch_one(tx).await?;
        if count == 0 {
            let why = format!("there is no tenant {}: check tenantId", order.tenant);
            return Err(ProcessError::permanent("tenant_unknown", why).into());
        }
        Ok(())
    }

    async fn standing(tx: &mut Connection, run: &Run) -> sqlx::Result<Standing> {
        let row: Row = sqlx::query_as(STANDING).bind(&run.id).fetch_one(tx).await?;
        Ok(row.into())
    }

    pub(super) async fn done(pool: &Pool, ledger: &Ledger<'_>) -> Result<Option<Standing>, Refusal> {
        let sql = "SELECT count(*) FROM imports WHERE id = $1 AND terms = $2 AND state = $3";
        let query = sqlx::query_scalar(sql).bind(&ledger.run.id).bind(ledger.order.terms()).bind(DONE);
        let count: i64 = query.fetch_one(pool).await?;
        if count == 0 {
            return Ok(None);
        }
        let row: Row = sqlx::query_as(STANDING).bind(&ledger.run.id).fetch_one(pool).await?;
        Ok(Some(row.into()))
    }

    /// No row is in: whatever was found before is forgotten.
    async fn anew(tx: &mut Connection, ledger: &Ledger<'_>, file: &Identity) -> Result<Standing, Refusal> {
        let Ledger { order, run, .. } = *ledger;
        let sql = "UPDATE imports SET state = $1, terms = $2, file_bytes = $3, file_sha256 = $4, rows_total = NULL, \
                   rows_rejected = 0, rejects_stored = 0, rejects_file = NULL, ended_at = NULL WHERE id = $5";
        sqlx::query(sql)
            .bind(CHECKING).bind(order.terms()).bind(count(file.size_bytes)).bind(&file.sha256).bind(&run.id)
            .execute(&mut *tx).await?;
        sqlx::query("DELETE FROM import_rejects WHERE import_id = $1").bind(&run.id).execute(&mut *tx).await?;
        Ok(standing(tx, run).await?)
    }

    pub(super) async fn check(
        pool: &Pool,
        ledger: &Ledger<'_>,
        batch: &mut Batch,
        seen: &mut Seen,
    ) -> Result<(), Refusal> {
        let mut connection = pool.acquire().await?;
        judge(&mut connection, ledger.order, batch, seen).await?;
        Ok(())
    }

    async fn judge(tx: &mut Connection, order: &Order, batch: &mut Batch, seen: &mut Seen) -> sqlx::Result<()> {
        let judge = Judge::new(order);
        let [properties, investors, rows] = judge.named(batch);
        let mut known = Known::default();
        // A property that is there keeps its currency.
        let own = if order.target.name == "properties" { rows.clone() } else { properties };
        let found = with(&mut *tx, "SELECT id, currency FROM properties", order, &own).await?;
        known.properties = found.into_iter().collect::<HashMap<_, _>>();
        let found = with(&mut *tx, "SELECT id, country FROM investors", order, &investors).await?;
        known.investors = found.into_iter().map(|(id, _)| id).collect();
        let found = with(&mut *tx, &format!("SELECT id, id FROM {}", order.target.name), order, &rows).await?;
        known.rows = found.into_iter().map(|(id, _)| id).collect();
        judge.judge(batch, &mut known, seen);
        Ok(())
    }

    /// The rows of a table with these ids; nothing is asked where there are none.
    async fn with(tx: &mut Connection, select: &str, order: &Order, ids: &[String]) -> sqlx::Result<Vec<(String, String)>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut query = QueryBuilder::<Db>::new(select);
        query.push(" WHERE tenant_id = ").push_bind(&order.tenant).push(" AND id IN (");
        let mut list = query.separated(", ");
        ids.iter().for_each(|id| {
            list.push_bind(id);
        });
        list.push_unseparated(")");
        query.build_query_as().fetch_all(tx).await
    }

    pub(super) async fn checked(
        pool: &Pool,
        ledger: &Ledger<'_>,
        findings: &Findings,
        state: &str,
    ) -> Result<(), Refusal> {
        let run = ledger.run;
        let mut tx = begin(pool).await?;
        let is_rejected = state == REJECTED;
        let stored = if is_rejected { write_rejects(&mut tx, run, &findings.rejects).await? } else { 0 };
        let sql = "UPDATE imports SET state = $1, rows_total = $2, rows_rejected = $3, rejects_stored = $4 \
                   WHERE id = $5 AND fence = $6";
        let rejected = if is_rejected { count(findings.rejected_rows) } else { 0 };
        let moved = sqlx::query(sql)
            .bind(state).bind(count(findings.rows)).bind(rejected).bind(stored).bind(&run.id).bind(run.fence)
            .execute(&mut *tx).await?;
        if moved.rows_affected() == 0 {
            return Err(claim_lost());
        }
        tx.commit().await?;
        Ok(())
    }

    pub(super) async fn apply(
        pool: &Pool,
        ledger: &Ledger<'_>,
        mut batch: Batch,
        standing: &mut Standing,
    ) -> Result<(), Refusal> {
        let Ledger { order, run, .. } = *ledger;
        let mut tx = begin(pool).await?;
        judge(&mut tx, order, &mut batch, &mut Seen::default()).await?;
        let room = usize::try_from(REJECTS_MAX - standing.rejects_stored).unwrap_or_default();
        batch.rejects.truncate(room);
        let stored = write_rejects(&mut tx, run, &batch.rejects).await?;
        let mut next = standing.clone();
        next.rows_read = count(batch.last_row);
        next.rows_in += count(batch.records.len() as u64);
        next.rows_rejected += count(batch.rejected_rows);
        next.rejects_stored += stored;
        for records in statements(order, batch.records) {
            write(&mut tx, order, &records).await?;
        }
        let sql = "UPDATE imports SET rows_read = $1, rows_in = $2, rows_rejected = $3, rejects_stored = $4 \
                   WHERE id = $5 AND fence = $6 AND rows_read = $7";
        let moved = sqlx::query(sql)
            .bind(next.rows_read).bind(next.rows_in).bind(next.rows_rejected).bind(next.rejects_stored)
            .bind(&run.id).bind(run.fence).bind(standing.rows_read)
            .execute(&mut *tx).await?;
        if moved.rows_affected() == 0 {
            return Err(claim_lost());
        }
        tx.commit().await?;
        *standing = next;
        Ok(())
    }

    async fn write(tx: &mut Connection, order: &Order, records: &[Record]) -> Result<(), Refusal> {
        let (insert, conflict) = insert(order);
        let mut query = QueryBuilder::<Db>::new(insert);
        query.push_values(records, |mut row, record| {
            row.push_bind(&order.tenant);
            for (place, field) in own_columns(order.target) {
                match &record.cells[place] {
                    Cell::Text(text) => row.push_bind(text.clone()),
                    Cell::Date(date) => row.push_bind(*date),
                    Cell::Money(money) => row.push_bind(*money),
                    Cell::Nothing if field.holds == Holds::Date => row.push_bind(None::<NaiveDate>),
                    Cell::Nothing | Cell::Number(_) => row.push_bind(None::<String>),
                };
            }
        });
        let done = query.push(conflict).build().execute(tx).await?;
        if done.rows_affected() != records.len() as u64 {
            let why = format!("rows of {} came in from elsewhere at the same moment", order.target.name);
            return Err(ProcessError::transient("rows_beside", why).into());
        }
        Ok(())
    }

    async fn write_rejects(tx: &mut Connection, run: &Run, rejects: &[Reject]) -> sqlx::Result<i64> {
        let mut stored = 0;
        for some in rejects.chunks(1_000) {
            let insert = "INSERT INTO import_rejects (import_id, row_number, line, field, value, reason) ";
            let mut query = QueryBuilder::<Db>::new(insert);
            query.push_values(some, |mut row, reject| {
                row.push_bind(&run.id).push_bind(count(reject.place.row)).push_bind(count(reject.place.line));
                row.push_bind(&reject.column).push_bind(&reject.value).push_bind(&reject.reason);
            });
            stored += query.push(" ON CONFLICT DO NOTHING").build().execute(&mut *tx).await?.rows_affected();
        }
        Ok(count(stored))
    }

    pub(super) async fn finish(
        pool: &Pool,
        ledger: &Ledger<'_>,
        state: &str,
        rejects_file: Option<&str>,
    ) -> Result<(), Refusal> {
        let run = ledger.run;
        let sql = "UPDATE imports SET state = $1, rejects_file = $2, ended_at = $3 WHERE id = $4 AND fence = $5";
        let moved = sqlx::query(sql)
            .bind(state).bind(rejects_file).bind(local_now()).bind(&run.id).bind(run.fence)
            .execute(pool).await?;
        if moved.rows_affected() == 0 { Err(claim_lost()) } else { Ok(()) }
    }
}
