//! A small portfolio, the same every time: for demos and tests.

use chrono::{Datelike, Months, NaiveDate};
use serde::Serialize;

use super::database::dialects;
use super::{Currency, DEFAULT_TENANT, Database, Money, trouble};
use crate::error::{Error, Result};

/// What a seed added; rows that were there already are left as they are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Seeded {
    /// Properties.
    pub properties: u64,
    /// Investors.
    pub investors: u64,
    /// What they invested.
    pub investments: u64,
    /// Valuations.
    pub valuations: u64,
    /// Entries of the ledger.
    pub transactions: u64,
}

/// Id, name, city, price in whole units of its currency, currency, month of purchase; all of them in Nigeria.
const PROPERTIES: [(&str, &str, &str, i64, &str, &str); 6] = [
    ("121", "Marina Heights", "Lagos", 420_000_000, "NGN", "2021-03-01"),
    ("122", "Banana Island Court", "Lagos", 910_000_000, "NGN", "2021-06-01"),
    ("123", "Lekki Gardens Phase II", "Lagos", 250_000_000, "NGN", "2022-01-01"),
    ("124", "Maitama Residences", "Abuja", 365_000_000, "NGN", "2022-04-01"),
    ("125", "Riverside Warehouses", "Port Harcourt", 180_000_000, "NGN", "2022-09-01"),
    ("126", "Victoria Island Offices", "Lagos", 2_400_000, "USD", "2023-01-01"),
];

/// From id 451 on.
const INVESTORS: [&str; 24] = [
    "Adaeze Okafor",
    "Bolaji Adeyemi",
    "Chinedu Eze",
    "Damilola Balogun",
    "Efe Oghenekaro",
    "John Akinwale",
    "Funke Ogunleye",
    "Gbenga Salami",
    "Halima Yusuf",
    "Ifeanyi Nwosu",
    "Jumoke Bakare",
    "Kelechi Obi",
    "Lanre Fashola",
    "Maryam Bello",
    "Ngozi Umeh",
    "Olumide Ajayi",
    "Patience Essien",
    "Rasheed Lawal",
    "Sade Martins",
    "Tunde Oladipo",
    "Uche Anyanwu",
    "Victoria Danjuma",
    "Yemi Coker",
    "Zainab Abubakar",
];
const FIRST_INVESTOR: usize = 451;
/// Rents and costs are entered until this month, exclusive.
const ENTERED_UNTIL: (i32, u32) = (2024, 7);

struct Property {
    id: &'static str,
    name: &'static str,
    city: &'static str,
    price: Money,
    acquired_on: NaiveDate,
}

struct Investor {
    id: String,
    name: &'static str,
    email: String,
    tax_id: String,
    joined_on: NaiveDate,
}

struct Investment {
    id: String,
    property: &'static str,
    investor: String,
    amount: Money,
    invested_on: NaiveDate,
    exited_on: Option<NaiveDate>,
}

struct Valuation {
    id: String,
    property: &'static str,
    valued_on: NaiveDate,
    amount: Money,
}

struct Entry {
    id: String,
    property: &'static str,
    investor: Option<String>,
    kind: &'static str,
    amount: Money,
    occurred_on: NaiveDate,
    reference: String,
}

#[derive(Default)]
struct Portfolio {
    properties: Vec<Property>,
    investors: Vec<Investor>,
    investments: Vec<Investment>,
    valuations: Vec<Valuation>,
    entries: Vec<Entry>,
}

impl Database {
    /// Writes the portfolio of the tenant `default`: six properties, 24 investors, what they hold since 2021, and rents,
    /// costs and valuations until June 2024. What is there already stays as it is.
    ///
    /// # Errors
    /// What the database refuses.
    pub async fn seed(&self) -> Result<Seeded> {
        let portfolio = portfolio()?;
        let outcome = match self {
            Self::Sqlite(pool) => sqlite::write(pool, &portfolio).await,
            Self::Postgres(pool) => postgres::write(pool, &portfolio).await,
        };
        outcome.map_err(|error| trouble(self, error))
    }
}

fn portfolio() -> Result<Portfolio> {
    let mut portfolio = Portfolio::default();
    for (index, name) in INVESTORS.into_iter().enumerate() {
        let id = (FIRST_INVESTOR + index).to_string();
        let first = name.split(' ').next().unwrap_or(name).to_lowercase();
        portfolio.investors.push(Investor {
            email: format!("{first}.{id}@example.com"),
            tax_id: format!("NG-{:08}", 20_410_000 + 7_919 * index),
            joined_on: month(2021, 1, index / 2)?,
            id,
            name,
        });
    }
    for (index, (id, name, city, price, currency, acquired)) in PROPERTIES.into_iter().enumerate() {
        let currency: Currency = currency.parse()?;
        let acquired_on = acquired.parse().map_err(|_| Error::internal("a date of the seed is none"))?;
        let price = Money::from_minor(price * 100, currency);
        let property = Property { id, name, city, price, acquired_on };
        invest(&mut portfolio, &property, index)?;
        value(&mut portfolio, &property, index)?;
        run(&mut portfolio, &property, index)?;
        portfolio.properties.push(property);
    }
    Ok(portfolio)
}

fn month(year: i32, month: u32, later: usize) -> Result<NaiveDate> {
    let first = NaiveDate::from_ymd_opt(year, month, 1);
    let later = u32::try_from(later).unwrap_or(u32::MAX);
    first.and_then(|first| first.checked_add_months(Months::new(later))).ok_or_else(|| Error::internal("no such month"))
}

/// Who holds it: every third investor or so, by amounts that are not round together; one of them has left again.
fn invest(portfolio: &mut Portfolio, property: &Property, index: usize) -> Result<()> {
    let holders =
        (0..INVESTORS.len()).filter(|investor| (investor * 5 + index * 7).is_multiple_of(3) || *investor == 5);
    for (place, investor) in holders.enumerate() {
        let part = property.price.minor() / 1_000 * i64::try_from(17 + (place * 13 + index * 5) % 41).unwrap_or(17);
        let amount = Money::from_minor(part, property.price.currency());
        let invested_on = month(property.acquired_on.year(), property.acquired_on.month(), place % 4)?;
        let exited_on = if place == 6 { Some(month(2023, 12, index % 2)?) } else { None };
        let (id, holder) =
            (format!("{}-{}", property.id, FIRST_INVESTOR + investor), (FIRST_INVESTOR + investor).to_string());
        for (account, sign) in [(Some(holder.clone()), -1), (None, 1)] {
            portfolio.entries.push(Entry {
                id: format!("investment/{id}/{}", account.as_deref().unwrap_or("property")),
                property: property.id,
                investor: account,
                kind: "investment",
                amount: Money::from_minor(sign * part, amount.currency()),
                occurred_on: invested_on,
                reference: format!("investment/{id}"),
            });
        }
        let investor = holder;
        portfolio.investments.push(Investment { id, property: property.id, investor, amount, invested_on, exited_on });
    }
    Ok(())
}

/// Valued each half year, a little higher every time.
fn value(portfolio: &mut Portfolio, property: &Property, index: usize) -> Result<()> {
    for half in 0.. {
        let valued_on = month(property.acquired_on.year(), property.acquired_on.month(), half * 6)?;
        if valued_on >= month(ENTERED_UNTIL.0, ENTERED_UNTIL.1, 0)? {
            return Ok(());
        }
        let permille = 1_000 + i64::try_from(half * (18 + index * 3)).unwrap_or(0);
        let amount = Money::from_minor(property.price.minor() / 1_000 * permille, property.price.currency());
        let id = format!("{}-{valued_on}", property.id);
        portfolio.valuations.push(Valuation { id, property: property.id, valued_on, amount });
    }
    Ok(())
}

/// Rent each month, upkeep each quarter.
fn run(portfolio: &mut Portfolio, property: &Property, index: usize) -> Result<()> {
    for later in 1.. {
        let occurred_on = month(property.acquired_on.year(), property.acquired_on.month(), later)?;
        if occurred_on >= month(ENTERED_UNTIL.0, ENTERED_UNTIL.1, 0)? {
            return Ok(());
        }
        let rent = property.price.minor() / 10_000 * i64::try_from(66 + (later * 7 + index * 11) % 9).unwrap_or(66);
        let mut entered = vec![("rent", rent)];
        if later % 3 == 0 {
            entered.push(("upkeep", -(rent / 100 * i64::try_from(21 + (later + index) % 8).unwrap_or(21))));
        }
        for (kind, minor) in entered {
            portfolio.entries.push(Entry {
                id: format!("{kind}/{}/{occurred_on}", property.id),
                property: property.id,
                investor: None,
                kind,
                amount: Money::from_minor(minor, property.price.currency()),
                occurred_on,
                reference: format!("{kind}/{}/{occurred_on}", property.id),
            });
        }
    }
    Ok(())
}

dialects! {
    pub(super) async fn write(pool: &Pool, portfolio: &Portfolio) -> sqlx::Result<Seeded> {
        let mut tx = begin(pool).await?;
        let sql = "INSERT INTO tenants (id, name) VALUES ($1, $2) ON CONFLICT DO NOTHING";
        sqlx::query(sql).bind(DEFAULT_TENANT).bind("iREVA").execute(&mut *tx).await?;
        let mut seeded = Seeded::default();
        for row in &portfolio.properties {
            let sql = "INSERT INTO properties (tenant_id, id, name, city, country, currency, acquired_on, price) \
                       VALUES ($1, $2, $3, $4, 'NG', $5, $6, $7) ON CONFLICT DO NOTHING";
            let query = sqlx::query(sql).bind(DEFAULT_TENANT).bind(row.id).bind(row.name).bind(row.city);
            let query = query.bind(row.price.currency().as_str().to_owned()).bind(row.acquired_on).bind(row.price);
            seeded.properties += query.execute(&mut *tx).await?.rows_affected();
        }
        for row in &portfolio.investors {
            let sql = "INSERT INTO investors (tenant_id, id, name, email, country, tax_id, joined_on) \
                       VALUES ($1, $2, $3, $4, 'NG', $5, $6) ON CONFLICT DO NOTHING";
            let query = sqlx::query(sql).bind(DEFAULT_TENANT).bind(&row.id).bind(row.name).bind(&row.email);
            seeded.investors += query.bind(&row.tax_id).bind(row.joined_on).execute(&mut *tx).await?.rows_affected();
        }
        for row in &portfolio.investments {
            let sql = "INSERT INTO investments (tenant_id, id, property_id, investor_id, amount, invested_on, exited_on) \
                       VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING";
            let query = sqlx::query(sql).bind(DEFAULT_TENANT).bind(&row.id).bind(row.property).bind(&row.investor);
            let query = query.bind(row.amount).bind(row.invested_on).bind(row.exited_on);
            seeded.investments += query.execute(&mut *tx).await?.rows_affected();
        }
        for row in &portfolio.valuations {
            let sql = "INSERT INTO valuations (tenant_id, id, property_id, valued_on, amount, method) \
                       VALUES ($1, $2, $3, $4, $5, 'appraisal') ON CONFLICT DO NOTHING";
            let query = sqlx::query(sql).bind(DEFAULT_TENANT).bind(&row.id).bind(row.property);
            seeded.valuations += query.bind(row.valued_on).bind(row.amount).execute(&mut *tx).await?.rows_affected();
        }
        for row in &portfolio.entries {
            let sql = "INSERT INTO transactions \
                       (tenant_id, id, property_id, investor_id, kind, amount, currency, occurred_on, reference) \
                       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING";
            let query = sqlx::query(sql).bind(DEFAULT_TENANT).bind(&row.id).bind(row.property).bind(&row.investor);
            let query = query.bind(row.kind).bind(row.amount).bind(row.amount.currency().as_str().to_owned());
            seeded.transactions += query.bind(row.occurred_on).bind(&row.reference).execute(&mut *tx).await?.rows_affected();
        }
        tx.commit().await?;
        Ok(seeded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_portfolio_holds_what_the_documents_name() {
        let portfolio = portfolio().unwrap();
        assert_eq!((portfolio.properties.len(), portfolio.investors.len()), (6, 24));
        let of = |property: &str| portfolio.investments.iter().filter(|row| row.property == property).count();
        assert!(PROPERTIES.iter().all(|(id, ..)| of(id) >= 8), "every property has investors");
        assert!(portfolio.investments.iter().any(|row| row.property == "123" && row.investor == "456"));
        assert!(portfolio.investments.iter().all(|row| row.amount.minor() > 0));
        let moved: i64 =
            portfolio.entries.iter().filter(|row| row.kind == "investment").map(|row| row.amount.minor()).sum();
        assert_eq!(moved, 0);
    }
}
