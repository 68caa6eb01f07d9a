//! What the database knows of a recipient.

use crate::builtin::portfolio::{Database, dialects};

/// Name, and address where there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Investor {
    pub name: String,
    pub email: Option<String>,
}

/// The investor of a tenant, if there is one.
pub(super) async fn find(database: &Database, tenant: &str, id: &str) -> sqlx::Result<Option<Investor>> {
    match database {
        Database::Sqlite(pool) => sqlite::find(pool, tenant, id).await,
        Database::Postgres(pool) => postgres::find(pool, tenant, id).await,
    }
}

dialects! {
    pub(super) async fn find(pool: &Pool, tenant: &str, id: &str) -> sqlx::Result<Option<Investor>> {
        let sql = "SELECT name, email FROM investors WHERE tenant_id = $1 AND id = $2";
        let row: Option<(String, Option<String>)> =
            sqlx::query_as(sql).bind(tenant).bind(id).fetch_optional(pool).await?;
        let investor = |(name, email): (String, Option<String>)| {
            let email = email.map(|email| email.trim().to_owned()).filter(|email| !email.is_empty());
            Investor { name, email }
        };
        Ok(row.map(investor))
    }
}
