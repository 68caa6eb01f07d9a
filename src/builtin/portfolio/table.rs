//! The tables that files are made of and read into: what their columns are called there, and what they hold.

/// A table of the platform's data.
#[derive(Debug)]
pub(crate) struct Table {
    /// Its name, in payloads and in the database.
    pub name: &'static str,
    /// Its columns, in the order of files.
    pub fields: &'static [Field],
    /// The columns of the database, beside the tenant, by which a row is known and files are ordered.
    pub key: &'static [&'static str],
    /// Where the currency of its amounts stands.
    pub currency: CurrencyOf,
}

/// A column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Field {
    /// Its name in files and payloads.
    pub name: &'static str,
    /// Its name in the database.
    pub column: &'static str,
    /// What it holds.
    pub holds: Holds,
    /// Whether every row has it.
    pub required: bool,
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holds {
    /// The id of a row: letters, digits, `_ . -`.
    Id,
    /// The id of an entry of the ledger: the same, with `/` and `:`, and longer.
    Entry,
    /// The id of a row of another table.
    Reference(&'static str),
    /// What the platform itself calls a thing; longer than an id.
    Name,
    /// A text for people.
    Text,
    /// An address.
    Email,
    /// A country by its two letters.
    Country,
    /// A currency by its three letters.
    Currency,
    /// An amount in the row's currency.
    Money(Sign),
    /// A day.
    Date,
    /// A moment.
    Instant,
}

/// Which amounts a column takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sign {
    /// More than nothing.
    Positive,
    /// Nothing, or more.
    NotNegative,
    /// All.
    Any,
}

/// Where the currency of a table's amounts stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CurrencyOf {
    /// There are no amounts.
    None,
    /// In the row itself.
    Row,
    /// In the property of the row.
    Property,
    /// In the distribution of the row.
    Distribution,
}

const fn must(name: &'static str, column: &'static str, holds: Holds) -> Field {
    Field { name, column, holds, required: true }
}

const fn may(name: &'static str, column: &'static str, holds: Holds) -> Field {
    Field { name, column, holds, required: false }
}

const ID: Field = must("id", "id", Holds::Id);
const PROPERTY: Field = must("propertyId", "property_id", Holds::Reference("properties"));
const INVESTOR: Field = must("investorId", "investor_id", Holds::Reference("investors"));
const PERIOD: Field = must("periodId", "period_id", Holds::Id);

/// Every table that files are made of.
pub(crate) const TABLES: [&Table; 7] =
    [&PROPERTIES, &INVESTORS, &INVESTMENTS, &VALUATIONS, &DISTRIBUTIONS, &DISTRIBUTION_LINES, &TRANSACTIONS];

pub(crate) const PROPERTIES: Table = Table {
    name: "properties",
    fields: &[
        ID,
        must("name", "name", Holds::Text),
        must("city", "city", Holds::Text),
        must("country", "country", Holds::Country),
        must("currency", "currency", Holds::Currency),
        must("acquiredOn", "acquired_on", Holds::Date),
        must("price", "price", Holds::Money(Sign::NotNegative)),
    ],
    key: &["id"],
    currency: CurrencyOf::Row,
};

pub(crate) const INVESTORS: Table = Table {
    name: "investors",
    fields: &[
        ID,
        must("name", "name", Holds::Text),
        may("email", "email", Holds::Email),
        must("country", "country", Holds::Country),
        may("taxId", "tax_id", Holds::Text),
        must("joinedOn", "joined_on", Holds::Date),
    ],
    key: &["id"],
    currency: CurrencyOf::None,
};

pub(crate) const INVESTMENTS: Table = Table {
    name: "investments",
    fields: &[
        ID,
        PROPERTY,
        INVESTOR,
        must("amount", "amount", Holds::Money(Sign::Positive)),
        may("currency", "currency", Holds::Currency),
        must("investedOn", "invested_on", Holds::Date),
        may("exitedOn", "exited_on", Holds::Date),
    ],
    key: &["id"],
    currency: CurrencyOf::Property,
};

pub(crate) const VALUATIONS: Table = Table {
    name: "valuations",
    fields: &[
        ID,
        PROPERTY,
        must("valuedOn", "valued_on", Holds::Date),
        must("amount", "amount", Holds::Money(Sign::NotNegative)),
        may("currency", "currency", Holds::Currency),
        must("method", "method", Holds::Name),
    ],
    key: &["id"],
    currency: CurrencyOf::Property,
};

const DISTRIBUTIONS: Table = Table {
    name: "distributions",
    fields: &[
        PROPERTY,
        PERIOD,
        must("distributedOn", "distributed_on", Holds::Date),
        must("total", "total", Holds::Money(Sign::Positive)),
        must("currency", "currency", Holds::Currency),
        must("method", "method", Holds::Name),
        may("initiatedBy", "initiated_by", Holds::Name),
        must("jobId", "job_id", Holds::Name),
        must("appliedAt", "applied_at", Holds::Instant),
    ],
    key: &["property_id", "period_id"],
    currency: CurrencyOf::Row,
};

const DISTRIBUTION_LINES: Table = Table {
    name: "distribution_lines",
    fields: &[
        PROPERTY,
        PERIOD,
        INVESTOR,
        must("weight", "weight", Holds::Name),
        must("amount", "amount", Holds::Money(Sign::NotNegative)),
        may("currency", "currency", Holds::Currency),
    ],
    key: &["property_id", "period_id", "investor_id"],
    currency: CurrencyOf::Distribution,
};

pub(crate) const TRANSACTIONS: Table = Table {
    name: "transactions",
    fields: &[
        must("id", "id", Holds::Entry),
        PROPERTY,
        may("investorId", "investor_id", Holds::Reference("investors")),
        must("kind", "kind", Holds::Name),
        must("amount", "amount", Holds::Money(Sign::Any)),
        must("currency", "currency", Holds::Currency),
        must("occurredOn", "occurred_on", Holds::Date),
        must("reference", "reference", Holds::Name),
    ],
    key: &["id"],
    currency: CurrencyOf::Row,
};

impl Table {
    /// The column that files call so.
    pub fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// What files call its columns.
    pub fn names(&self) -> Vec<&'static str> {
        self.fields.iter().map(|field| field.name).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The columns of a table as the schema makes them.
    fn columns(schema: &str, table: &str) -> Vec<String> {
        let (_, rest) = schema.split_once(&format!("CREATE TABLE {table} (\n")).expect("the schema makes it");
        let lines = rest.split(");\n").next().unwrap_or_default().lines();
        let words = lines.map(|line| line.trim().split(' ').next().unwrap_or_default().to_owned());
        words.take_while(|word| word.chars().all(|letter| letter.is_lowercase() || letter == '_')).collect()
    }

    #[test]
    fn every_column_of_a_table_is_one_of_both_schemas() {
        for schema in [include_str!("sql/sqlite_0001.sql"), include_str!("sql/postgres_0001.sql")] {
            for table in TABLES {
                let columns = columns(schema, table.name);
                assert_eq!(columns.first().map(String::as_str), Some("tenant_id"), "{}", table.name);
                for field in table.fields {
                    let is_joined = field.column == "currency"
                        && matches!(table.currency, CurrencyOf::Property | CurrencyOf::Distribution);
                    let is_there = columns.iter().any(|column| column == field.column);
                    assert!(is_there != is_joined, "{}.{}", table.name, field.column);
                }
                assert!(table.key.iter().all(|key| columns.iter().any(|column| column == key)), "{}", table.name);
            }
        }
    }
}
