//! The platform's data: properties, investors, what they invested, what the properties are worth and what was paid.
//!
//! The same statements run on SQLite and PostgreSQL. Money is `NUMERIC` in PostgreSQL and an integer of minor units in
//! SQLite, and [`Money`] between them; it is never a floating point number. Rows belong to a tenant and are found by
//! (tenant, id). The schema is `sql/`; [`Database::migrate`] brings it up to date.

mod audit;
mod database;
mod migrate;
mod money;
mod seed;
#[cfg(feature = "tables")]
mod table;
mod trouble;

pub use crate::currency::Currency;
pub use audit::{Audit, Finding};
pub use database::Database;
pub(super) use database::dialects;
pub use migrate::{MigrationStatus, Step};
pub use money::Money;
pub(super) use money::Stored;
pub(super) use money::exact;
pub use seed::Seeded;
#[cfg(feature = "tables")]
pub(super) use table::{
    CurrencyOf, Field, Holds, INVESTMENTS, INVESTORS, PROPERTIES, Sign, TABLES, TRANSACTIONS, Table, VALUATIONS,
};
pub(super) use trouble::trouble;

/// Whose rows these are where nobody says.
pub const DEFAULT_TENANT: &str = "default";
