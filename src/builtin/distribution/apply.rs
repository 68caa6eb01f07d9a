//! Stores a distribution once: distribution, lines, ledger and the mails that follow, in one transaction.

use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;
use serde_json::json;
use sqlx::QueryBuilder;

use super::payload::Order;
use super::plan::{Holding, Line, lines};
use crate::builtin::fields::shown;
use crate::builtin::portfolio::{Currency, Database, Money, Stored, dialects};
use crate::builtin::refusal::Refusal;
use crate::processor::ProcessError;

/// Rows in one statement: SQLite takes 32,766 parameters.
const ROWS: usize = 1_000;

/// Which run of which job this is.
#[derive(Debug, Clone)]
pub(super) struct Run {
    pub job_id: String,
    pub fence: i64,
    pub at: DateTime<Utc>,
}

/// A distribution that stands in the database, or would.
#[derive(Debug)]
pub(super) struct Applied {
    /// Whether it was there already.
    pub already: bool,
    pub total: Money,
    pub lines: Vec<Line>,
}

/// Applies the order, unless it was applied before or is a dry run.
pub(super) async fn apply(database: &Database, order: &Order, run: &Run) -> Result<Applied, Refusal> {
    match database {
        Database::Sqlite(pool) => sqlite::apply(pool, order, run).await,
        Database::Postgres(pool) => postgres::apply(pool, order, run).await,
    }
}

/// The mails of an order that the queue has not taken yet: job id and payload.
pub(super) async fn outbox(database: &Database, order: &Order) -> sqlx::Result<Vec<(String, String)>> {
    match database {
        Database::Sqlite(pool) => sqlite::outbox(pool, order).await,
        Database::Postgres(pool) => postgres::outbox(pool, order).await,
    }
}

/// The queue has taken these mails.
pub(super) async fn queued(database: &Database, job_ids: &[String], at: DateTime<Utc>) -> sqlx::Result<()> {
    match database {
        Database::Sqlite(pool) => sqlite::queued(pool, job_ids, at).await,
        Database::Postgres(pool) => postgres::queued(pool, job_ids, at).await,
    }
}

/// What the ledger knows the distribution by.
fn reference(order: &Order) -> String {
    format!("distribution/{}/{}", order.property, order.period)
}

/// The same beyond the tenant.
fn outbox_reference(order: &Order) -> String {
    format!("{}/{}", order.tenant, reference(order))
}

/// The day and the overrides: what must be the same for two orders to be one, beside amount and method.
fn terms(order: &Order) -> String {
    use super::payload::Override;
    let overrides: serde_json::Map<_, _> = order
        .overrides
        .iter()
        .map(|(investor, given)| {
            let text = match given {
                Override::Amount(digits) => format!("amount {}", plain(digits)),
                Override::Rate(rate) => format!("rate {}", rate.normalize()),
            };
            (investor.clone(), text.into())
        })
        .collect();
    json!({"date": order.date, "days": order.days, "overrides": overrides}).to_string()
}

/// An amount as it is written without needless digits: 10 and 10.00 are the same.
fn plain(digits: &str) -> String {
    let number = Decimal::from_str_exact(digits).or_else(|_| Decimal::from_scientific(digits));
    number.map_or_else(|_| digits.to_owned(), |number| number.normalize().to_string())
}

/// The distribution that stands, held against the order.
fn compare(order: &Order, total: Money, there: (Stored, String, String, String)) -> Result<(), ProcessError> {
    let (stored, method, terms_there, job) = there;
    let stored =
        stored.of(total.currency()).map_err(|error| ProcessError::permanent("data_corrupt", error.to_string()))?;
    let of = format!("property {} period {}", order.property, order.period);
    let conflict = |differs: String| {
        let advice = "nothing was changed: a correction needs a period of its own";
        ProcessError::permanent(
            "distribution_conflict",
            format!("{of} is already distributed by job {job}: {differs}; {advice}"),
        )
    };
    if stored != total {
        return Err(conflict(format!("{stored} {} then, {total} now", total.currency())));
    }
    if method != order.method.as_str() {
        return Err(conflict(format!("{method} then, {} now", order.method.as_str())));
    }
    if terms_there != terms(order) {
        return Err(conflict(format!("its terms were {terms_there}, now {}", terms(order))));
    }
    Ok(())
}

fn total(order: &Order, currency: Currency) -> Result<Money, ProcessError> {
    if let Some(wanted) = order.currency.filter(|wanted| *wanted != currency) {
        let why = format!("currency is {wanted}, but property {} is in {currency}", order.property);
        return Err(ProcessError::permanent("currency_mismatch", why));
    }
    Money::parse(&order.total, currency)
        .map_err(|error| ProcessError::permanent("amount_invalid", format!("totalAmount: {error}")))
}

/// The lines of investors who are paid something: a share may be rounded to nothing.
fn paid(lines: &[Line]) -> impl Iterator<Item = &Line> {
    lines.iter().filter(|line| line.amount.minor() != 0)
}

/// Everybody is told of what was paid, so everybody must have an address.
fn have_addresses(lines: &[Line]) -> Result<(), ProcessError> {
    let missing: Vec<_> = paid(lines).filter(|line| line.email.is_none()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<_> =
        missing.iter().take(10).map(|line| format!("{} ({})", line.investor, shown(&line.name))).collect();
    let more =
        if missing.len() > names.len() { format!(" and {} more", missing.len() - names.len()) } else { String::new() };
    let why = format!(
        "no email address for investor {}{more}: add it to the investor, then revive this job",
        names.join(", ")
    );
    Err(ProcessError::permanent("email_missing", why))
}

/// A mail that would be refused is found before anything is paid: behind the commit nobody could mend it any more.
fn mails_can_be_sent(order: &Order, property: &str, lines: &[Line]) -> Result<(), ProcessError> {
    #[cfg(feature = "email")]
    for line in paid(lines) {
        if let Err(error) = crate::builtin::email::check(&mail(order, property, line).1) {
            let why = format!(
                "the mail to investor {} ({}) could not be sent: {error}; correct the investor or the name of property {}, \
                 then revive this job",
                line.investor,
                shown(&line.name),
                order.property
            );
            return Err(ProcessError::permanent("mail_invalid", why));
        }
    }
    let _ = (order, property, lines);
    Ok(())
}

/// The mail that tells an investor, and the id of its job.
fn mail(order: &Order, property: &str, line: &Line) -> (String, String) {
    let id = super::mail_id(order, &line.investor);
    let first_name = line.name.split_whitespace().next().unwrap_or(&line.name);
    let payload = json!({
        "to": line.email,
        "subject": format!("Your distribution from {property}"),
        "template": "distribution-paid",
        "tenantId": order.tenant,
        "context": {
            "firstName": first_name,
            "propertyName": property,
            "period": order.period_words(),
            "amount": line.amount,
            "currency": line.amount.currency(),
            "paidOn": order.date.format("%-d %B %Y").to_string(),
            "reference": reference(order),
        },
    });
    (id, payload.to_string())
}

dialects! {
    pub(super) async fn apply(pool: &Pool, order: &Order, run: &Run) -> Result<Applied, Refusal> {
        let mut tx = begin(pool).await?;
        let (name, currency) = property(&mut tx, order).await?;
        let total = total(order, currency)?;
        // First: whoever writes this row owns the period, and a second run waits here for the end of the first.
        let first = order.dry_run || claim(&mut tx, order, total, run).await?;
        if !first || (order.dry_run && stands(&mut tx, order).await?) {
            let there = there(&mut tx, order).await?;
            compare(order, total, there)?;
            let lines = stored_lines(&mut tx, order, currency).await?;
            return Ok(Applied { already: true, total, lines });
        }
        let lines = lines(order, total, holdings(&mut tx, order).await?)?;
        have_addresses(&lines)?;
        mails_can_be_sent(order, &name, &lines)?;
        if !order.dry_run {
            write_lines(&mut tx, order, &lines).await?;
            write_ledger(&mut tx, order, total, &lines).await?;
            write_outbox(&mut tx, order, &name, &lines).await?;
            tx.commit().await?;
        }
        Ok(Applied { already: false, total, lines })
    }

    async fn property(tx: &mut Connection, order: &Order) -> Result<(String, Currency), Refusal> {
        let sql = "SELECT name, currency FROM properties WHERE tenant_id = $1 AND id = $2";
        let row: Option<(String, String)> =
            sqlx::query_as(sql).bind(&order.tenant).bind(&order.property).fetch_optional(tx).await?;
        let Some((name, currency)) = row else {
            let why = format!("there is no property {} of tenant {}: check propertyId and tenantId", order.property, order.tenant);
            return Err(ProcessError::permanent("property_unknown", why).into());
        };
        let currency = currency.parse().map_err(|_| {
            let why = format!("property {} is in {currency:?}, which is no currency", order.property);
            ProcessError::permanent("data_corrupt", why)
        })?;
        Ok((name, currency))
    }

    /// Writes the distribution, unless one is there for the period. Whether it did.
    async fn claim(tx: &mut Connection, order: &Order, total: Money, run: &Run) -> sqlx::Result<bool> {
        let sql = "INSERT INTO distributions (tenant_id, property_id, period_id, distributed_on, total, currency, method, terms, \
                   initiated_by, job_id, fence, applied_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) \
                   ON CONFLICT (tenant_id, property_id, period_id) DO NOTHING";
        let done = sqlx::query(sql)
            .bind(&order.tenant).bind(&order.property).bind(&order.period).bind(order.date).bind(total)
            .bind(total.currency().as_str()).bind(order.method.as_str()).bind(terms(order)).bind(&order.initiated_by)
            .bind(&run.job_id).bind(run.fence).bind(run.at)
            .execute(tx).await?;
        Ok(done.rows_affected() == 1)
    }

    async fn stands(tx: &mut Connection, order: &Order) -> sqlx::Result<bool> {
        let sql = "SELECT count(*) FROM distributions WHERE tenant_id = $1 AND property_id = $2 AND period_id = $3";
        let count: i64 =
            sqlx::query_scalar(sql).bind(&order.tenant).bind(&order.property).bind(&order.period).fetch_one(tx).await?;
        Ok(count > 0)
    }

    async fn there(tx: &mut Connection, order: &Order) -> sqlx::Result<(Stored, String, String, String)> {
        let sql = "SELECT total, method, terms, job_id FROM distributions \
                   WHERE tenant_id = $1 AND property_id = $2 AND period_id = $3";
        sqlx::query_as(sql).bind(&order.tenant).bind(&order.property).bind(&order.period).fetch_one(tx).await
    }

    async fn stored_lines(tx: &mut Connection, order: &Order, currency: Currency) -> Result<Vec<Line>, Refusal> {
        let sql = "SELECT l.investor_id, i.name, i.email, l.weight, l.amount FROM distribution_lines l \
                   JOIN investors i ON i.tenant_id = l.tenant_id AND i.id = l.investor_id \
                   WHERE l.tenant_id = $1 AND l.property_id = $2 AND l.period_id = $3";
        let rows: Vec<(String, String, Option<String>, String, Stored)> =
            sqlx::query_as(sql).bind(&order.tenant).bind(&order.property).bind(&order.period).fetch_all(tx).await?;
        let mut lines = Vec::with_capacity(rows.len());
        for (investor, name, email, weight, amount) in rows {
            let amount = amount.of(currency).map_err(|error| ProcessError::permanent("data_corrupt", error.to_string()))?;
            lines.push(Line { investor, name, email, weight, amount });
        }
        lines.sort_by(|a, b| a.investor.cmp(&b.investor));
        Ok(lines)
    }

    async fn holdings(tx: &mut Connection, order: &Order) -> sqlx::Result<Vec<Holding>> {
        let sql = "SELECT v.investor_id, i.name, i.email, v.amount, v.invested_on, v.exited_on FROM investments v \
                   JOIN investors i ON i.tenant_id = v.tenant_id AND i.id = v.investor_id \
                   WHERE v.tenant_id = $1 AND v.property_id = $2";
        type Row = (String, String, Option<String>, Stored, NaiveDate, Option<NaiveDate>);
        let rows: Vec<Row> =
            sqlx::query_as(sql).bind(&order.tenant).bind(&order.property).fetch_all(tx).await?;
        let holding = |(investor, name, email, amount, invested_on, exited_on): Row| {
            let email = email.filter(|email| !email.trim().is_empty());
            Holding { investor, name, email, amount, invested_on, exited_on }
        };
        Ok(rows.into_iter().map(holding).collect())
    }

    async fn write_lines(tx: &mut Connection, order: &Order, lines: &[Line]) -> sqlx::Result<()> {
        for rows in lines.chunks(ROWS) {
            let insert = "INSERT INTO distribution_lines (tenant_id, property_id, period_id, investor_id, weight, amount) ";
            let mut query = QueryBuilder::<Db>::new(insert);
            query.push_values(rows, |mut row, line| {
                row.push_bind(&order.tenant).push_bind(&order.property).push_bind(&order.period);
                row.push_bind(&line.investor).push_bind(&line.weight).push_bind(line.amount);
            });
            query.build().execute(&mut *tx).await?;
        }
        Ok(())
    }

    /// The total leaves the property's account, and each part comes to its investor's.
    async fn write_ledger(tx: &mut Connection, order: &Order, total: Money, lines: &[Line]) -> sqlx::Result<()> {
        let (reference, currency) = (reference(order), total.currency().as_str().to_owned());
        let paid_out = (None, Money::from_minor(-total.minor(), total.currency()));
        let entries: Vec<_> =
            std::iter::once(paid_out).chain(paid(lines).map(|line| (Some(&line.investor), line.amount))).collect();
        for rows in entries.chunks(ROWS) {
            let insert = "INSERT INTO transactions \
                          (tenant_id, id, property_id, investor_id, kind, amount, currency, occurred_on, reference) ";
            let mut query = QueryBuilder::<Db>::new(insert);
            query.push_values(rows, |mut row, (investor, amount)| {
                // No investor's id holds a colon.
                let id = format!("{reference}/{}", investor.map_or(":property", String::as_str));
                row.push_bind(&order.tenant).push_bind(id).push_bind(&order.property).push_bind(*investor);
                row.push_bind("distribution").push_bind(*amount).push_bind(&currency).push_bind(order.date).push_bind(&reference);
            });
            query.build().execute(&mut *tx).await?;
        }
        Ok(())
    }

    async fn write_outbox(tx: &mut Connection, order: &Order, property: &str, lines: &[Line]) -> sqlx::Result<()> {
        let reference = outbox_reference(order);
        let lines: Vec<_> = paid(lines).collect();
        for rows in lines.chunks(ROWS) {
            let mut query = QueryBuilder::<Db>::new("INSERT INTO outbox (job_id, reference, queue, payload) ");
            query.push_values(rows, |mut row, line| {
                let (id, payload) = mail(order, property, line);
                row.push_bind(id).push_bind(&reference).push_bind("email").push_bind(payload);
            });
            query.build().execute(&mut *tx).await?;
        }
        Ok(())
    }

    pub(super) async fn outbox(pool: &Pool, order: &Order) -> sqlx::Result<Vec<(String, String)>> {
        let sql = "SELECT job_id, payload FROM outbox WHERE reference = $1 AND queued_at IS NULL ORDER BY job_id";
        sqlx::query_as(sql).bind(outbox_reference(order)).fetch_all(pool).await
    }

    pub(super) async fn queued(pool: &Pool, job_ids: &[String], at: DateTime<Utc>) -> sqlx::Result<()> {
        let mut tx = begin(pool).await?;
        for ids in job_ids.chunks(ROWS) {
            let mut query = QueryBuilder::<Db>::new("UPDATE outbox SET queued_at = ");
            query.push_bind(at).push(" WHERE job_id IN (");
            let mut list = query.separated(", ");
            ids.iter().for_each(|id| {
                list.push_bind(id);
            });
            query.push(")").build().execute(&mut *tx).await?;
        }
        tx.commit().await
    }
}
