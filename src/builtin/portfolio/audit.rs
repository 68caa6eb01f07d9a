//! Proves that what was distributed adds up.

use serde::Serialize;

use super::database::dialects;
use super::{Currency, Database, Stored, trouble};
use crate::error::Result;

/// What the audit of a database found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Audit {
    /// Where the database is, without its password.
    pub database: String,
    /// Distributions that were looked at.
    pub distributions: u64,
    /// Their lines.
    pub lines: u64,
    /// Mails that no queue has taken yet.
    pub mails_waiting: u64,
    /// The distributions that these mails are of, at most twenty: running their jobs again queues them.
    pub waiting: Vec<String>,
    /// What does not add up; nothing where all is well.
    pub findings: Vec<Finding>,
}

/// Something that does not add up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// A stable word: `lines_differ`, `ledger_differs`, `entry_missing`, `entry_differs`, `reference_unbalanced`, `outbox_missing`.
    pub code: String,
    /// What it is about: tenant and reference.
    pub about: String,
    /// What was found and expected.
    pub message: String,
}

impl Database {
    /// Looks at every distribution: its lines add up to its total, each line has its entry in the ledger and one mail,
    /// the property paid the total, and entries of one reference that move money add up to zero.
    ///
    /// # Errors
    /// `Corrupt` where an amount cannot be read; what the database refuses.
    pub async fn audit(&self) -> Result<Audit> {
        let outcome = match self {
            Self::Sqlite(pool) => sqlite::audit(pool, self.place()).await,
            Self::Postgres(pool) => postgres::audit(pool, self.place()).await,
        };
        outcome.map_err(|error| match error {
            Trouble::Database(error) => trouble(self, error),
            Trouble::Stored(error) => error,
        })
    }
}

impl Database {
    /// Whether something was distributed for a property and a period.
    ///
    /// # Errors
    /// What the database refuses.
    pub async fn has_distribution(&self, tenant: &str, property: &str, period: &str) -> Result<bool> {
        let key = [tenant, property, period];
        let outcome = match self {
            Self::Sqlite(pool) => sqlite::has_distribution(pool, key).await,
            Self::Postgres(pool) => postgres::has_distribution(pool, key).await,
        };
        outcome.map_err(|error| trouble(self, error))
    }
}

enum Trouble {
    Database(sqlx::Error),
    Stored(crate::error::Error),
}

impl From<sqlx::Error> for Trouble {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

impl From<crate::error::Error> for Trouble {
    fn from(error: crate::error::Error) -> Self {
        Self::Stored(error)
    }
}

fn finding(code: &str, about: String, message: String) -> Finding {
    Finding { code: code.to_owned(), about, message }
}

/// Totals of a distribution: by itself, its lines, the investors' entries and the property's.
const SUMS: &str = "SELECT d.tenant_id, d.property_id, d.period_id, d.currency, d.total, \
    COALESCE((SELECT SUM(l.amount) FROM distribution_lines l WHERE l.tenant_id = d.tenant_id \
        AND l.property_id = d.property_id AND l.period_id = d.period_id), 0), \
    COALESCE((SELECT SUM(t.amount) FROM transactions t WHERE t.tenant_id = d.tenant_id \
        AND t.kind = 'distribution' AND t.reference = 'distribution/' || d.property_id || '/' || d.period_id AND t.investor_id IS NOT NULL), 0), \
    COALESCE((SELECT SUM(t.amount) FROM transactions t WHERE t.tenant_id = d.tenant_id \
        AND t.kind = 'distribution' AND t.reference = 'distribution/' || d.property_id || '/' || d.period_id AND t.investor_id IS NULL), 0) \
    FROM distributions d ORDER BY d.tenant_id, d.property_id, d.period_id";

/// Lines without an entry of their own that holds the same amount.
const ENTRIES: &str = "SELECT l.tenant_id, 'distribution/' || l.property_id || '/' || l.period_id, l.investor_id, count(t.id) \
    FROM distribution_lines l LEFT JOIN transactions t ON t.tenant_id = l.tenant_id AND t.investor_id = l.investor_id \
        AND t.kind = 'distribution' AND t.reference = 'distribution/' || l.property_id || '/' || l.period_id AND t.amount = l.amount \
    WHERE l.amount <> 0 GROUP BY l.tenant_id, l.property_id, l.period_id, l.investor_id HAVING count(t.id) <> 1 LIMIT 1000";

/// Distributions whose number of mails is not that of their lines.
const MAILS: &str = "SELECT d.tenant_id, 'distribution/' || d.property_id || '/' || d.period_id, \
    (SELECT count(*) FROM distribution_lines l WHERE l.tenant_id = d.tenant_id AND l.property_id = d.property_id \
        AND l.period_id = d.period_id AND l.amount <> 0), \
    (SELECT count(*) FROM outbox o WHERE o.reference = d.tenant_id || '/distribution/' || d.property_id || '/' || d.period_id) \
    FROM distributions d";

/// References that move money between accounts and do not add up.
const BALANCES: &str = "SELECT tenant_id, reference, currency, SUM(amount) FROM transactions \
    WHERE kind IN ('distribution', 'investment') GROUP BY tenant_id, reference, currency HAVING SUM(amount) <> 0 LIMIT 1000";

dialects! {
    pub(super) async fn audit(pool: &Pool, database: String) -> Result<Audit, Trouble> {
        // One instant for all questions.
        let mut tx = pool.begin().await?;
        let mut findings = sums(&mut tx).await?;
        let distributions: i64 = sqlx::query_scalar("SELECT count(*) FROM distributions").fetch_one(&mut *tx).await?;
        let lines: i64 = sqlx::query_scalar("SELECT count(*) FROM distribution_lines").fetch_one(&mut *tx).await?;
        let waiting = "SELECT count(*) FROM outbox WHERE queued_at IS NULL";
        let waiting: i64 = sqlx::query_scalar(waiting).fetch_one(&mut *tx).await?;
        let of = "SELECT DISTINCT reference FROM outbox WHERE queued_at IS NULL ORDER BY reference LIMIT 20";
        let of: Vec<String> = sqlx::query_scalar(of).fetch_all(&mut *tx).await?;
        findings.extend(entries(&mut tx).await?);
        findings.extend(mails(&mut tx).await?);
        findings.extend(balances(&mut tx).await?);
        Ok(Audit {
            database,
            distributions: distributions.unsigned_abs(),
            lines: lines.unsigned_abs(),
            mails_waiting: waiting.unsigned_abs(),
            waiting: of,
            findings,
        })
    }

    pub(super) async fn has_distribution(pool: &Pool, [tenant, property, period]: [&str; 3]) -> sqlx::Result<bool> {
        let sql = "SELECT count(*) FROM distributions WHERE tenant_id = $1 AND property_id = $2 AND period_id = $3";
        let count: i64 = sqlx::query_scalar(sql).bind(tenant).bind(property).bind(period).fetch_one(pool).await?;
        Ok(count > 0)
    }

    async fn sums(tx: &mut Connection) -> Result<Vec<Finding>, Trouble> {
        type Row = (String, String, String, String, Stored, Stored, Stored, Stored);
        let rows: Vec<Row> = sqlx::query_as(SUMS).fetch_all(tx).await?;
        let mut findings = Vec::new();
        for (tenant, property, period, currency, total, lines, entries, paid) in rows {
            let currency: Currency = currency.parse()?;
            let about = format!("{tenant}/distribution/{property}/{period}");
            let (total, lines) = (total.of(currency)?, lines.of(currency)?);
            let (entries, paid) = (entries.of(currency)?, paid.of(currency)?);
            if lines != total {
                findings.push(finding("lines_differ", about.clone(), format!("lines add up to {lines}, not {total}")));
            }
            if entries != total {
                findings.push(finding("ledger_differs", about.clone(), format!("entries add up to {entries}, not {total}")));
            }
            if paid.minor() != -total.minor() {
                findings.push(finding("ledger_differs", about, format!("the property paid {paid}, not -{total}")));
            }
        }
        Ok(findings)
    }

    async fn entries(tx: &mut Connection) -> Result<Vec<Finding>, Trouble> {
        let rows: Vec<(String, String, String, i64)> = sqlx::query_as(ENTRIES).fetch_all(tx).await?;
        let missing = |(tenant, reference, investor, count)| {
            let code = if count == 0 { "entry_missing" } else { "entry_differs" };
            let said = format!("investor {investor} has {count} entries of its amount, not 1");
            finding(code, format!("{tenant}/{reference}"), said)
        };
        Ok(rows.into_iter().map(missing).collect())
    }

    async fn mails(tx: &mut Connection) -> Result<Vec<Finding>, Trouble> {
        let rows: Vec<(String, String, i64, i64)> = sqlx::query_as(MAILS).fetch_all(tx).await?;
        let differs = |(tenant, reference, lines, mails): (String, String, i64, i64)| {
            let said = format!("{mails} mails for {lines} lines");
            (lines != mails).then(|| finding("outbox_missing", format!("{tenant}/{reference}"), said))
        };
        Ok(rows.into_iter().filter_map(differs).collect())
    }

    async fn balances(tx: &mut Connection) -> Result<Vec<Finding>, Trouble> {
        let rows: Vec<(String, String, String, Stored)> = sqlx::query_as(BALANCES).fetch_all(tx).await?;
        let mut findings = Vec::new();
        for (tenant, reference, currency, sum) in rows {
            let sum = sum.of(currency.parse()?)?;
            let said = format!("its entries add up to {sum}, not to 0");
            findings.push(finding("reference_unbalanced", format!("{tenant}/{reference}"), said));
        }
        Ok(findings)
    }
}
