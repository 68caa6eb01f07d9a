//! Brings the schema up to date.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde::Serialize;
use sqlx::migrate::{Migrate, MigrateError, Migration, MigrationType, Migrator};
use sqlx::{Acquire, SqlSafeStr};

use super::database::each;
use super::{Database, trouble};
use crate::builtin::classify;
use crate::clock::span_text;
use crate::error::{Error, ErrorKind, Result};
use crate::processor::ProcessError;

/// The steps, oldest first: what they do, for SQLite and for PostgreSQL.
const STEPS: &[(&str, &str, &str)] =
    &[("the portfolio", include_str!("sql/sqlite_0001.sql"), include_str!("sql/postgres_0001.sql"))];

/// One step of the schema.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// Its number, from 1.
    pub version: i64,
    /// What it brings.
    pub description: String,
    /// Whether the database has it.
    pub applied: bool,
}

/// How far a database is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MigrationStatus {
    /// Where it is, without its password.
    pub database: String,
    /// Every step.
    pub steps: Vec<Step>,
}

impl MigrationStatus {
    /// Whether nothing is left to do.
    pub fn is_current(&self) -> bool {
        self.steps.iter().all(|step| step.applied)
    }
}

/// Another process that migrates the same file is done by then; and how often it is looked whether it is.
const OTHERS_TAKE: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_millis(50);

impl Database {
    /// Brings the schema up to date; two at once wait for each other. How it stands then.
    ///
    /// # Errors
    /// `Refused` when the database was migrated by a newer version or with other steps; what the database refuses.
    pub async fn migrate(&self) -> Result<MigrationStatus> {
        let migrator = Migrator::with_migrations(self.migrations());
        let begun = Instant::now();
        // SQLite knows no lock for this: who comes second fails, and waits until the other has done the work.
        let outcome = loop {
            let outcome = each!(self, pool => migrator.run(pool).await);
            let is_out_of_reach =
                |error| ["database_access", "database_unreachable"].contains(&classify::database(error).1);
            match &outcome {
                Err(MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _))
                    if !is_out_of_reach(error) && begun.elapsed() < OTHERS_TAKE => {}
                _ => break outcome,
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        };
        outcome.map_err(|error| match error {
            MigrateError::VersionMissing(version) => Error::refused(format!(
                "{}: step {version} of its schema is unknown to this version: use the newer ireva-queue that made it",
                self.place()
            )),
            MigrateError::VersionMismatch(version) => {
                Error::refused(format!("{}: step {version} of its schema is not the one of this version", self.place()))
            }
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => trouble(self, error),
            other => Error::new(ErrorKind::Internal, format!("{}: {other}", self.place())),
        })?;
        self.migration_status().await
    }

    /// How far the schema is.
    ///
    /// # Errors
    /// What the database refuses.
    pub async fn migration_status(&self) -> Result<MigrationStatus> {
        let table = "_sqlx_migrations";
        let applied: BTreeSet<i64> = each!(self, pool => async {
            let mut connection = pool.acquire().await?;
            let connection = connection.acquire().await?;
            let exists = match self {
                Database::Sqlite(_) => "SELECT count(*) FROM sqlite_schema WHERE name = $1",
                Database::Postgres(_) => "SELECT count(*) FROM pg_tables WHERE tablename = $1 AND schemaname = current_schema()",
            };
            let count: i64 = sqlx::query_scalar(exists).bind(table).fetch_one(&mut *connection).await?;
            if count == 0 {
                return Ok::<_, sqlx::Error>(BTreeSet::new());
            }
            let rows = connection.list_applied_migrations(table).await.map_err(|error| sqlx::Error::Migrate(Box::new(error)))?;
            Ok(rows.into_iter().map(|row| row.version).collect())
        }.await)
        .map_err(|error| trouble(self, error))?;
        let step = |migration: Migration| Step {
            version: migration.version,
            description: migration.description.into_owned(),
            applied: applied.contains(&migration.version),
        };
        let steps = self.migrations().into_iter().map(step).collect();
        Ok(MigrationStatus { database: self.place(), steps })
    }

    /// Asks the database for a word back, and whether its schema is that of this version. What it found there.
    ///
    /// # Errors
    /// As a job would get it; `database_outdated` where somebody has to migrate it; `timeout` after `limit`.
    pub async fn probe(&self, limit: Duration) -> Result<String, ProcessError> {
        let asked = tokio::time::timeout(limit, self.migration_status()).await;
        let status = asked.map_err(|_| {
            let limit = span_text(limit);
            ProcessError::transient("timeout", format!("{} did not answer within {limit}", self.place()))
        })?;
        match status {
            Ok(status) if status.is_current() => Ok(format!("{} answers", self.place())),
            Ok(_) => {
                let why = format!("{} is not up to date: run ireva-queue db migrate", self.place());
                Err(ProcessError::transient("database_outdated", why))
            }
            Err(error) => {
                let source = std::error::Error::source(&error).and_then(|source| source.downcast_ref());
                let code = source.map_or("database_error", |error| classify::database(error).1);
                Err(ProcessError::transient(code, error.to_string()))
            }
        }
    }

    /// Sees to it that the schema is up to date: migrates the file of one's own, and asks for it anywhere else.
    ///
    /// # Errors
    /// `Config` when somebody has to migrate it; what the database refuses.
    pub async fn ready(&self, is_own: bool) -> Result<()> {
        if is_own {
            return self.migrate().await.map(drop);
        }
        match self.migration_status().await?.is_current() {
            true => Ok(()),
            false => Err(Error::new(
                ErrorKind::Config,
                format!("{} is not up to date: run ireva-queue db migrate", self.place()),
            )),
        }
    }

    fn migrations(&self) -> Vec<Migration> {
        let migration =
            |(index, (description, sqlite, postgres)): (usize, &(&'static str, &'static str, &'static str))| {
                let sql = match self {
                    Self::Sqlite(_) => *sqlite,
                    Self::Postgres(_) => *postgres,
                };
                let version = i64::try_from(index).unwrap_or(i64::MAX) + 1;
                Migration::new(version, Cow::Borrowed(*description), MigrationType::Simple, sql.into_sql_str(), false)
            };
        STEPS.iter().enumerate().map(migration).collect()
    }
}
