//! The rows of a table, one after the other, all of one moment.

use chrono::{DateTime, NaiveDate, Utc};
use futures_util::{StreamExt, TryStreamExt};
use sqlx::{QueryBuilder, Row};

use super::filter::{Filter, Test};
use super::payload::Order;
use crate::builtin::portfolio::{Currency, CurrencyOf, Database, Field, Holds, Stored, Table, dialects};
use crate::builtin::refusal::Refusal;
use crate::builtin::storage::{Storage, StoredTable, TableFile, store_table};
use crate::format::Value;
use crate::processor::{JobContext, ProcessError};

/// Rows that go to the file at once.
const BATCH_ROWS: usize = 500;

/// A table, and what is wanted of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Query<'a> {
    pub table: &'static Table,
    pub order: &'a Order,
}

impl Query<'_> {
    /// The column in a statement that joins whatever holds its currency.
    fn expression(&self, field: &Field) -> String {
        match (field.column, self.table.currency) {
            ("currency", CurrencyOf::Property | CurrencyOf::Distribution) => "c.currency".to_owned(),
            (column, _) => format!("t.{column}"),
        }
    }

    /// `SELECT … FROM … WHERE t.tenant_id = `; every row ends with its currency where the table has amounts.
    fn beginning(&self) -> String {
        let mut columns: Vec<_> = self.order.columns.iter().map(|field| self.expression(field)).collect();
        let (currency, join) = match self.table.currency {
            CurrencyOf::None => (None, ""),
            CurrencyOf::Row => (Some("t.currency"), ""),
            CurrencyOf::Property => {
                (Some("c.currency"), " JOIN properties c ON c.tenant_id = t.tenant_id AND c.id = t.property_id")
            }
            CurrencyOf::Distribution => (
                Some("c.currency"),
                " JOIN distributions c ON c.tenant_id = t.tenant_id AND c.property_id = t.property_id \
                 AND c.period_id = t.period_id",
            ),
        };
        columns.extend(currency.map(str::to_owned));
        format!("SELECT {} FROM {} t{join} WHERE t.tenant_id = ", columns.join(", "), self.table.name)
    }

    fn ending(&self) -> String {
        let key: Vec<_> = self.table.key.iter().map(|column| format!("t.{column}")).collect();
        format!(" ORDER BY {}", key.join(", "))
    }
}

/// Writes the rows to a file of the storage.
pub(super) async fn write(
    database: &Database,
    query: &Query<'_>,
    sink: (&Storage, TableFile),
    ctx: &JobContext,
) -> Result<StoredTable, Refusal> {
    match database {
        Database::Sqlite(pool) => sqlite::write(pool, query, sink, ctx).await,
        Database::Postgres(pool) => postgres::write(pool, query, sink, ctx).await,
    }
}

/// A row whose amount is no amount of its currency.
fn corrupt(table: &Table, error: &crate::error::Error) -> Refusal {
    ProcessError::permanent("data_corrupt", format!("table {}: {error}", table.name)).into()
}

dialects! {
    pub(super) async fn write(
        pool: &Pool,
        query: &Query<'_>,
        (storage, file): (&Storage, TableFile),
        ctx: &JobContext,
    ) -> Result<StoredTable, Refusal> {
        let mut statement = QueryBuilder::<Db>::new(query.beginning());
        statement.push_bind(&query.order.tenant);
        for Filter { field, test } in &query.order.filters {
            push(&mut statement, &query.expression(field), test);
        }
        statement.push(query.ending());
        // One statement sees one moment; what is written meanwhile neither waits nor shows.
        let mut connection = pool.acquire().await?;
        let found = statement.build().fetch(&mut *connection);
        let rows = found.map(|row| read(&row?, query)).chunks(BATCH_ROWS);
        let batches = rows.map(|rows| rows.into_iter().collect::<Result<Vec<_>, Refusal>>());
        let mut written = 0;
        let batches = batches.inspect_ok(|rows| {
            written += rows.len() as u64;
            ctx.progress(written, None, "rows");
        });
        store_table(storage, file, batches.boxed()).await
    }

    fn push(statement: &mut QueryBuilder<Db>, column: &str, test: &Test) {
        match test {
            Test::Nothing => {
                statement.push(format!(" AND {column} IS NULL"));
            }
            Test::Texts(texts) => {
                let mut list = statement.push(format!(" AND {column} IN (")).separated(", ");
                texts.iter().for_each(|text| {
                    list.push_bind(text);
                });
                list.push_unseparated(")");
            }
            Test::Days(from, to) => {
                for (sign, day) in [(">=", from), ("<=", to)] {
                    if let Some(day) = day {
                        statement.push(format!(" AND {column} {sign} ")).push_bind(*day);
                    }
                }
            }
            Test::Moments(from, before) => {
                for (sign, moment) in [(">=", from), ("<", before)] {
                    if let Some(moment) = moment {
                        statement.push(format!(" AND {column} {sign} ")).push_bind(*moment);
                    }
                }
            }
        }
    }

    fn read(row: &<Db as sqlx::Database>::Row, query: &Query<'_>) -> Result<Vec<Value>, Refusal> {
        let fields = &query.order.columns;
        let mut values = Vec::with_capacity(fields.len());
        for (index, field) in fields.iter().enumerate() {
            values.push(match field.holds {
                Holds::Date => row.try_get::<Option<NaiveDate>, _>(index)?.into(),
                Holds::Instant => row.try_get::<Option<DateTime<Utc>>, _>(index)?.into(),
                Holds::Money(_) => match row.try_get::<Option<Stored>, _>(index)? {
                    None => Value::Null,
                    Some(amount) => {
                        let currency: String = row.try_get(fields.len())?;
                        let currency = currency.parse::<Currency>();
                        let amount = currency.and_then(|currency| amount.of(currency));
                        amount.map_err(|error| corrupt(query.table, &error))?.to_decimal().into()
                    }
                },
                _ => row.try_get::<Option<String>, _>(index)?.into(),
            });
        }
        Ok(values)
    }
}
