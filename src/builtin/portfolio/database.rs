//! The handle to the database, SQLite or PostgreSQL.

use std::fs::{DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};

use crate::error::{Error, Result};

/// How long a caller waits for a connection, and for a lock that another holds.
const PATIENCE: Duration = Duration::from_secs(5);
/// An export or a report holds one for as long as it takes.
const CONNECTIONS: u32 = 32;
/// A session that began a transaction and says nothing any more is ended, so that what it holds is free again.
const IDLE: Duration = Duration::from_secs(30);

/// The platform's database. Cloning shares its connections; connects when it is first used.
#[derive(Debug, Clone)]
pub enum Database {
    /// A file.
    Sqlite(SqlitePool),
    /// A server.
    Postgres(PgPool),
}

/// Evaluates the expression with the pool of whichever database it is: the same statements, compiled for both.
macro_rules! each {
    ($database:expr, $pool:ident => $body:expr) => {
        match $database {
            $crate::builtin::portfolio::Database::Sqlite($pool) => $body,
            $crate::builtin::portfolio::Database::Postgres($pool) => $body,
        }
    };
}
pub(crate) use each;

/// The same functions once for each database, in modules `sqlite` and `postgres`: there `Pool`, `Connection` and `Db` are
/// that database's, and `begin` opens a transaction that nobody's write comes in between. Statements number their
/// parameters (`$1`), which both understand.
macro_rules! dialects {
    ($($item:item)*) => {
        mod sqlite {
            #[allow(clippy::wildcard_imports)]
            use super::*;
            use sqlx::{Sqlite as Db, SqliteConnection as Connection, SqlitePool as Pool};

            /// Takes the lock for writing at once: a transaction that began by reading would be refused it later.
            async fn begin(pool: &Pool) -> sqlx::Result<sqlx::Transaction<'static, Db>> {
                pool.begin_with("BEGIN IMMEDIATE").await
            }

            // Not every file needs all of them.
            const _: Option<(&Pool, &Connection, Db)> = None;
            const _: () = {
                let _ = begin;
            };

            $($item)*
        }
        mod postgres {
            #[allow(clippy::wildcard_imports)]
            use super::*;
            use sqlx::{PgConnection as Connection, PgPool as Pool, Postgres as Db};

            async fn begin(pool: &Pool) -> sqlx::Result<sqlx::Transaction<'static, Db>> {
                pool.begin().await
            }

            // Not every file needs all of them.
            const _: Option<(&Pool, &Connection, Db)> = None;
            const _: () = {
                let _ = begin;
            };

            $($item)*
        }
    };
}
pub(crate) use dialects;

impl Database {
    /// The database at `url`: `sqlite://FILE` or `postgres://user:password@host:port/name`.
    ///
    /// # Errors
    /// `Invalid` when it is no such URL; the password is not shown.
    pub fn open(url: &str) -> Result<Self> {
        match url.split_once(':').map(|(scheme, _)| scheme) {
            Some("sqlite") => {
                let options = SqliteConnectOptions::from_str(url)
                    .map_err(|error| Error::invalid(format!("{url:?} is not a database: {error}")))?;
                Ok(Self::sqlite(options))
            }
            Some("postgres" | "postgresql") => {
                // The text of the error may hold the password.
                let options = PgConnectOptions::from_str(url)
                    .map_err(|_| Error::invalid("the postgres:// URL of the database is not valid"))?;
                let pool = PgPoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(PATIENCE);
                let millis = |span: Duration| span.as_millis().to_string();
                let bounds =
                    [("lock_timeout", millis(PATIENCE)), ("idle_in_transaction_session_timeout", millis(IDLE))];
                let options = options.application_name("ireva-queue").options(bounds);
                Ok(Self::Postgres(pool.connect_lazy_with(options)))
            }
            _ => Err(Error::invalid("a database is sqlite://FILE or postgres://user:password@host:port/name")),
        }
    }

    /// The SQLite file at `path`. It and its directory are made where they are missing, for this user alone.
    ///
    /// # Errors
    /// `Config` when they cannot be made.
    pub fn open_file(path: &Path) -> Result<Self> {
        let failed = |what: &str, path: &Path, error: &io::Error| {
            Error::new(crate::ErrorKind::Config, format!("cannot make {what} {}: {error}", path.display()))
        };
        if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(directory);
            made.map_err(|error| failed("directory", directory, &error))?;
        }
        if !path.exists() {
            let made = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
            made.map_err(|error| failed("file", path, &error))?;
        }
        Ok(Self::sqlite(SqliteConnectOptions::new().filename(path)))
    }

    fn sqlite(options: SqliteConnectOptions) -> Self {
        let options = options
            .create_if_missing(true)
            .foreign_keys(true)
            .journal_mode(SqliteJournalMode::Wal)
            // Money: a commit that was reported is on the disk.
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(PATIENCE);
        Self::Sqlite(
            SqlitePoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(PATIENCE).connect_lazy_with(options),
        )
    }

    /// Where it is, without its password.
    pub fn place(&self) -> String {
        match self {
            Self::Sqlite(pool) => format!("database {}", pool.connect_options().get_filename().display()),
            Self::Postgres(pool) => {
                let options = pool.connect_options();
                let name = options.get_database().unwrap_or(options.get_username());
                format!("database {name} at {}:{}", options.get_host(), options.get_port())
            }
        }
    }
}
