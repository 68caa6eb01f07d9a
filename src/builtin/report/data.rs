//! What a report is made from, read from the database in one instant.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use futures_util::TryStreamExt;
use tokio::sync::mpsc;

use super::payload::Order;
use crate::builtin::portfolio::{Currency, Database, Money, Stored, dialects};
use crate::builtin::refusal::Refusal;
use crate::processor::ProcessError;

/// Entries that are handed on at once, and batches of them that wait.
const BATCH: usize = 500;
const BATCHES_WAITING: usize = 4;

/// An investor, as the statements are addressed.
#[derive(Debug, Clone)]
pub(super) struct Investor {
    pub id: String,
    pub name: String,
    pub email: Option<String>,
    pub country: String,
    pub tax_id: Option<String>,
    pub joined_on: NaiveDate,
}

/// A property; its amounts are in the currency of its price.
#[derive(Debug, Clone)]
pub(super) struct Property {
    pub id: String,
    pub name: String,
    pub city: String,
    pub country: String,
    pub acquired_on: NaiveDate,
    pub price: Money,
}

/// What an investor holds of a property, from `invested_on` until before `exited_on`.
#[derive(Debug, Clone)]
pub(super) struct Holding {
    pub property: String,
    pub investor: String,
    pub amount: Money,
    pub invested_on: NaiveDate,
    pub exited_on: Option<NaiveDate>,
}

/// What a property was worth on a day.
#[derive(Debug, Clone)]
pub(super) struct Valuation {
    pub property: String,
    pub on: NaiveDate,
    pub value: Money,
    pub method: String,
}

/// What a day brought a property or its investors, by kind.
#[derive(Debug, Clone)]
pub(super) struct Flow {
    pub property: String,
    /// Whether it came to investors, not to the property's own account.
    pub of_investors: bool,
    pub kind: String,
    pub on: NaiveDate,
    pub amount: Money,
}

/// One entry of the ledger.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub on: NaiveDate,
    pub id: String,
    pub property: String,
    pub property_name: String,
    /// Id and name; none where it is the property's own.
    pub investor: Option<(String, String)>,
    pub kind: String,
    pub amount: Money,
    pub reference: String,
}

/// An investor's part of a distribution.
#[derive(Debug, Clone)]
pub(super) struct Payout {
    pub property: String,
    pub period: String,
    pub on: NaiveDate,
    pub total: Money,
    pub amount: Money,
}

/// What properties were worth, by day, and found by property without a look at those of others.
#[derive(Debug, Clone, Default)]
pub(super) struct Valuations {
    by_day: Vec<Valuation>,
    places: BTreeMap<String, Vec<usize>>,
}

impl From<Vec<Valuation>> for Valuations {
    fn from(by_day: Vec<Valuation>) -> Self {
        let mut places = BTreeMap::<String, Vec<usize>>::new();
        for (place, valuation) in by_day.iter().enumerate() {
            places.entry(valuation.property.clone()).or_default().push(place);
        }
        Self { by_day, places }
    }
}

impl Valuations {
    /// All of them, by day.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Valuation> {
        self.by_day.iter()
    }

    /// The latest one of a property up to a day.
    pub fn latest(&self, property: &str, on: NaiveDate) -> Option<&Valuation> {
        let places = self.places.get(property)?;
        let until = places.partition_point(|&place| self.by_day[place].on <= on);
        until.checked_sub(1).map(|last| &self.by_day[places[last]])
    }
}

/// Everything that a report of an order is made from: of its investor and property where it names them, else of all.
#[derive(Debug, Clone, Default)]
pub(super) struct Data {
    /// The name of the tenant.
    pub tenant: String,
    pub investor: Option<Investor>,
    /// By id.
    pub properties: BTreeMap<String, Property>,
    /// By day.
    pub holdings: Vec<Holding>,
    /// What all investors hold of each property on the last day.
    pub held: BTreeMap<String, Money>,
    /// Up to the last day.
    pub valuations: Valuations,
    /// By day, from the beginning up to the last day.
    pub flows: Vec<Flow>,
    /// Of the period, by day; where the report lists them.
    pub entries: Vec<Entry>,
    /// Of the period, by day; where the report is detailed and about an investor.
    pub payouts: Vec<Payout>,
}

/// The entries of a period as they come, for reports that do not hold them.
pub(super) struct EntryStream {
    /// The most decimals that an amount of the tenant may have.
    pub decimals: u8,
    pub batches: mpsc::Receiver<Result<Vec<Entry>, ProcessError>>,
}

/// Reads what the report of an order is made from; at most `entries_max` entries of the ledger.
///
/// # Errors
/// Permanent where the order names what is not there, or there is nothing to report on at all; the database's trouble.
pub(super) async fn read(database: &Database, order: &Order, entries_max: i64) -> Result<Data, ProcessError> {
    let read = match database {
        Database::Sqlite(pool) => sqlite::read(pool, order, entries_max).await,
        Database::Postgres(pool) => postgres::read(pool, order, entries_max).await,
    };
    read.map_err(|refusal| refusal.of(database))
}

/// Begins to read the entries of the order's period, all from one instant.
///
/// # Errors
/// As of [`read`]; what is found later comes in place of a batch.
pub(super) async fn stream(database: &Database, order: &Order) -> Result<EntryStream, ProcessError> {
    let place = database.place();
    let begun = match database {
        Database::Sqlite(pool) => sqlite::stream(pool, order.clone(), place.clone()).await,
        Database::Postgres(pool) => postgres::stream(pool, order.clone(), place.clone()).await,
    };
    begun.map_err(|refusal| refusal.at(&place))
}

/// How a transaction begins that sees one instant, whatever others commit meanwhile.
trait Snapshot {
    const BEGIN: &'static str;
}

impl Snapshot for sqlx::Sqlite {
    const BEGIN: &'static str = "BEGIN";
}

impl Snapshot for sqlx::Postgres {
    const BEGIN: &'static str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
}

fn unknown(what: &str, id: &str, order: &Order, parameter: &str) -> Refusal {
    let why = format!("there is no {what} {id} of tenant {}: check parameters.{parameter} and tenantId", order.tenant);
    ProcessError::permanent(format!("{what}_unknown"), why).into()
}

/// The entries of a period: of one investor or property, or of all.
const ENTRIES: &str = "SELECT t.occurred_on, t.id, t.property_id, p.name, t.investor_id, i.name, t.kind, t.currency, \
        t.amount, t.reference \
    FROM transactions t JOIN properties p ON p.tenant_id = t.tenant_id AND p.id = t.property_id \
    LEFT JOIN investors i ON i.tenant_id = t.tenant_id AND i.id = t.investor_id \
    WHERE t.tenant_id = $1 AND t.occurred_on >= $2 AND t.occurred_on <= $3 \
        AND (CAST($4 AS TEXT) IS NULL OR t.investor_id = $4) AND (CAST($5 AS TEXT) IS NULL OR t.property_id = $5) \
    ORDER BY t.occurred_on, t.id LIMIT $6";

type EntryRow = (NaiveDate, String, String, String, Option<String>, Option<String>, String, String, Stored, String);

fn entry(row: EntryRow) -> Result<Entry, Refusal> {
    let (on, id, property, property_name, investor, name, kind, currency, amount, reference) = row;
    let amount = amount.of(currency.parse()?)?;
    let investor = investor.map(|investor| (investor, name.unwrap_or_default()));
    Ok(Entry { on, id, property, property_name, investor, kind, amount, reference })
}

/// The currency that amounts of a property are in.
fn currency(properties: &BTreeMap<String, Property>, property: &str) -> Result<Currency, Refusal> {
    let found = properties.get(property).map(|property| property.price.currency());
    found.ok_or_else(|| {
        let why = format!("property {property} came in between: run the job again");
        ProcessError::transient("data_changed", why).into()
    })
}

/// Rows of a table that a report is made from.
const ROWS_MAX: usize = 1_000_000;

/// Rows that were asked for up to one more than there may be.
fn bounded<T>(rows: Vec<T>) -> Result<Vec<T>, Refusal> {
    if rows.len() <= ROWS_MAX {
        return Ok(rows);
    }
    let why = format!(
        "the report is made from more than {ROWS_MAX} rows: ask for one property or one investor, or for a transaction-history, \
         which may have any number"
    );
    Err(ProcessError::permanent("report_too_large", why).into())
}

dialects! {
    pub(super) async fn read(pool: &Pool, order: &Order, entries_max: i64) -> Result<Data, Refusal> {
        let mut tx = pool.begin_with(<Db as Snapshot>::BEGIN).await?;
        let mut data = Data { tenant: tenant(&mut tx, order).await?, ..Data::default() };
        data.investor = investor(&mut tx, order).await?;
        data.properties = properties(&mut tx, order).await?;
        data.valuations = valuations(&mut tx, order, &data.properties).await?.into();
        if order.report.is_about_investors() {
            data.holdings = holdings(&mut tx, order, &data.properties).await?;
            data.held = held(&mut tx, order, &data.properties).await?;
            data.flows = flows(&mut tx, order).await?;
        }
        if order.report.lists_entries() || order.detailed {
            data.entries = entries(&mut tx, order, entries_max).await?;
        }
        if order.detailed && order.investor.is_some() {
            data.payouts = payouts(&mut tx, order).await?;
        }
        Ok(data)
    }

    pub(super) async fn stream(pool: &Pool, order: Order, place: String) -> Result<EntryStream, Refusal> {
        let mut tx = pool.begin_with(<Db as Snapshot>::BEGIN).await?;
        tenant(&mut tx, &order).await?;
        investor(&mut tx, &order).await?;
        properties(&mut tx, &order).await?;
        let decimals = decimals(&mut tx, &order).await?;
        let (sender, batches) = mpsc::channel(BATCHES_WAITING);
        tokio::spawn(async move {
            let end = send(&mut tx, &order, &sender).await.map(|()| Vec::new()).map_err(|refusal| refusal.at(&place));
            // Whoever does not listen any more has no use for it.
            let _ = sender.send(end).await;
        });
        Ok(EntryStream { decimals, batches })
    }

    async fn send(
        tx: &mut Connection,
        order: &Order,
        sender: &mpsc::Sender<Result<Vec<Entry>, ProcessError>>,
    ) -> Result<(), Refusal> {
        let mut rows = sqlx::query_as::<_, EntryRow>(ENTRIES)
            .bind(&order.tenant).bind(order.first_day()).bind(order.end)
            .bind(&order.investor).bind(&order.property).bind(i64::MAX)
            .fetch(tx);
        let mut batch = Vec::with_capacity(BATCH);
        while let Some(row) = rows.try_next().await? {
            batch.push(entry(row)?);
            if batch.len() == BATCH && sender.send(Ok(std::mem::take(&mut batch))).await.is_err() {
                return Ok(());
            }
        }
        // The receiver may be gone, which is its own affair.
        let _ = sender.send(Ok(batch)).await;
        Ok(())
    }

    /// The most decimals of the currencies that the tenant's ledger has.
    async fn decimals(tx: &mut Connection, order: &Order) -> Result<u8, Refusal> {
        let sql = "SELECT DISTINCT currency FROM transactions WHERE tenant_id = $1";
        let currencies: Vec<String> = sqlx::query_scalar(sql).bind(&order.tenant).fetch_all(tx).await?;
        let currencies = currencies.iter().map(|currency| currency.parse::<Currency>());
        let currencies = currencies.collect::<Result<Vec<_>, _>>()?;
        Ok(currencies.iter().map(|currency| currency.decimals()).max().unwrap_or(2))
    }

    async fn tenant(tx: &mut Connection, order: &Order) -> Result<String, Refusal> {
        let name: Option<String> =
            sqlx::query_scalar("SELECT name FROM tenants WHERE id = $1").bind(&order.tenant).fetch_optional(tx).await?;
        name.ok_or_else(|| {
            let why = format!("there is no tenant {}: check tenantId", order.tenant);
            ProcessError::permanent("tenant_unknown", why).into()
        })
    }

    async fn investor(tx: &mut Connection, order: &Order) -> Result<Option<Investor>, Refusal> {
        let Some(id) = &order.investor else { return Ok(None) };
        type Row = (String, Option<String>, String, Option<String>, NaiveDate);
        let sql = "SELECT name, email, country, tax_id, joined_on FROM investors WHERE tenant_id = $1 AND id = $2";
        let row: Option<Row> = sqlx::query_as(sql).bind(&order.tenant).bind(id).fetch_optional(tx).await?;
        let Some((name, email, country, tax_id, joined_on)) = row else {
            return Err(unknown("investor", id, order, "userId"));
        };
        Ok(Some(Investor { id: id.clone(), name, email, country, tax_id, joined_on }))
    }

    /// All properties, or the one of the order: without any there is nothing to report on.
    async fn properties(tx: &mut Connection, order: &Order) -> Result<BTreeMap<String, Property>, Refusal> {
        type Row = (String, String, String, String, String, NaiveDate, Stored);
        let sql = "SELECT id, name, city, country, currency, acquired_on, price FROM properties \
                   WHERE tenant_id = $1 AND (CAST($2 AS TEXT) IS NULL OR id = $2)";
        let rows: Vec<Row> = sqlx::query_as(sql).bind(&order.tenant).bind(&order.property).fetch_all(tx).await?;
        let mut properties = BTreeMap::new();
        for (id, name, city, country, currency, acquired_on, price) in rows {
            let price = price.of(currency.parse()?)?;
            properties.insert(id.clone(), Property { id, name, city, country, acquired_on, price });
        }
        match (&order.property, properties.is_empty()) {
            (Some(id), true) => Err(unknown("property", id, order, "propertyId")),
            (None, true) => {
                let why = format!("tenant {} has no properties to report on: check tenantId, or import them", order.tenant);
                Err(ProcessError::permanent("no_data", why).into())
            }
            _ => Ok(properties),
        }
    }

    async fn holdings(
        tx: &mut Connection,
        order: &Order,
        properties: &BTreeMap<String, Property>,
    ) -> Result<Vec<Holding>, Refusal> {
        type Row = (String, String, Stored, NaiveDate, Option<NaiveDate>);
        let sql = "SELECT property_id, investor_id, amount, invested_on, exited_on FROM investments \
                   WHERE tenant_id = $1 AND invested_on <= $2 AND (CAST($3 AS TEXT) IS NULL OR investor_id = $3) \
                       AND (CAST($4 AS TEXT) IS NULL OR property_id = $4) \
                   ORDER BY invested_on, property_id, id LIMIT 1000001";
        let query = sqlx::query_as(sql).bind(&order.tenant).bind(order.end).bind(&order.investor).bind(&order.property);
        let rows: Vec<Row> = bounded(query.fetch_all(tx).await?)?;
        let holding = |(property, investor, amount, invested_on, exited_on): Row| {
            let amount = amount.of(currency(properties, &property)?)?;
            Ok(Holding { property, investor, amount, invested_on, exited_on })
        };
        rows.into_iter().map(holding).collect()
    }

    async fn held(
        tx: &mut Connection,
        order: &Order,
        properties: &BTreeMap<String, Property>,
    ) -> Result<BTreeMap<String, Money>, Refusal> {
        let sql = "SELECT property_id, SUM(amount) FROM investments \
                   WHERE tenant_id = $1 AND invested_on <= $2 AND (exited_on IS NULL OR exited_on > $2) \
                       AND (CAST($3 AS TEXT) IS NULL OR property_id = $3) GROUP BY property_id";
        let query = sqlx::query_as(sql).bind(&order.tenant).bind(order.end).bind(&order.property);
        let rows: Vec<(String, Stored)> = query.fetch_all(tx).await?;
        let sum = |(property, amount): (String, Stored)| {
            let amount = amount.of(currency(properties, &property)?)?;
            Ok((property, amount))
        };
        rows.into_iter().map(sum).collect()
    }

    async fn valuations(
        tx: &mut Connection,
        order: &Order,
        properties: &BTreeMap<String, Property>,
    ) -> Result<Vec<Valuation>, Refusal> {
        let sql = "SELECT property_id, valued_on, amount, method FROM valuations \
                   WHERE tenant_id = $1 AND valued_on <= $2 AND (CAST($3 AS TEXT) IS NULL OR property_id = $3) \
                   ORDER BY valued_on, property_id, id LIMIT 1000001";
        let query = sqlx::query_as(sql).bind(&order.tenant).bind(order.end).bind(&order.property);
        let rows: Vec<(String, NaiveDate, Stored, String)> = bounded(query.fetch_all(tx).await?)?;
        let valuation = |(property, on, value, method): (String, NaiveDate, Stored, String)| {
            let value = value.of(currency(properties, &property)?)?;
            Ok(Valuation { property, on, value, method })
        };
        rows.into_iter().map(valuation).collect()
    }

    async fn flows(tx: &mut Connection, order: &Order) -> Result<Vec<Flow>, Refusal> {
        type Row = (String, i64, String, String, NaiveDate, Stored);
        let sql = "SELECT property_id, CAST(CASE WHEN investor_id IS NULL THEN 0 ELSE 1 END AS BIGINT) AS side, kind, \
                       currency, occurred_on, SUM(amount) FROM transactions \
                   WHERE tenant_id = $1 AND occurred_on <= $2 AND (CAST($3 AS TEXT) IS NULL OR investor_id = $3) \
                       AND (CAST($4 AS TEXT) IS NULL OR property_id = $4) \
                   GROUP BY property_id, side, kind, currency, occurred_on \
                   ORDER BY occurred_on, property_id, side, kind, currency LIMIT 1000001";
        let query = sqlx::query_as(sql).bind(&order.tenant).bind(order.end).bind(&order.investor).bind(&order.property);
        let rows: Vec<Row> = bounded(query.fetch_all(tx).await?)?;
        let flow = |(property, side, kind, currency, on, amount): Row| {
            let amount = amount.of(currency.parse()?)?;
            Ok(Flow { property, of_investors: side == 1, kind, on, amount })
        };
        rows.into_iter().map(flow).collect()
    }

    async fn entries(tx: &mut Connection, order: &Order, entries_max: i64) -> Result<Vec<Entry>, Refusal> {
        let rows: Vec<EntryRow> = sqlx::query_as(ENTRIES)
            .bind(&order.tenant).bind(order.first_day()).bind(order.end)
            .bind(&order.investor).bind(&order.property).bind(entries_max)
            .fetch_all(tx).await?;
        rows.into_iter().map(entry).collect()
    }

    async fn payouts(tx: &mut Connection, order: &Order) -> Result<Vec<Payout>, Refusal> {
        type Row = (String, String, NaiveDate, String, Stored, Stored);
        let sql = "SELECT l.property_id, l.period_id, d.distributed_on, d.currency, d.total, l.amount \
                   FROM distribution_lines l JOIN distributions d ON d.tenant_id = l.tenant_id \
                       AND d.property_id = l.property_id AND d.period_id = l.period_id \
                   WHERE l.tenant_id = $1 AND d.distributed_on >= $2 AND d.distributed_on <= $3 AND l.investor_id = $4 \
                       AND (CAST($5 AS TEXT) IS NULL OR l.property_id = $5) \
                   ORDER BY d.distributed_on, l.property_id, l.period_id";
        let rows: Vec<Row> = sqlx::query_as(sql)
            .bind(&order.tenant).bind(order.first_day()).bind(order.end)
            .bind(&order.investor).bind(&order.property)
            .fetch_all(tx).await?;
        let payout = |(property, period, on, currency, total, amount): Row| {
            let currency = currency.parse()?;
            Ok(Payout { property, period, on, total: total.of(currency)?, amount: amount.of(currency)? })
        };
        rows.into_iter().map(payout).collect()
    }
}
