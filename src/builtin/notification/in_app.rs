//! Notifications that the platform itself shows: rows of the database.

use chrono::{DateTime, Utc};

use super::payload::Delivery;
use crate::builtin::portfolio::{Database, dialects};

/// Adds the row unless it is there; whether it was not.
pub(super) async fn store(database: &Database, delivery: &Delivery, id: &str, at: DateTime<Utc>) -> sqlx::Result<bool> {
    match database {
        Database::Sqlite(pool) => sqlite::store(pool, delivery, id, at).await,
        Database::Postgres(pool) => postgres::store(pool, delivery, id, at).await,
    }
}

dialects! {
    pub(super) async fn store(pool: &Pool, delivery: &Delivery, id: &str, at: DateTime<Utc>) -> sqlx::Result<bool> {
        let sql = "INSERT INTO notifications (tenant_id, id, recipient, title, body, priority, created_at) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (tenant_id, id) DO NOTHING";
        let query = sqlx::query(sql).bind(&delivery.tenant).bind(id).bind(delivery.to.as_deref().unwrap_or_default());
        let query = query.bind(&delivery.title).bind(&delivery.text).bind(delivery.priority.as_str()).bind(at);
        Ok(query.execute(pool).await?.rows_affected() == 1)
    }
}
