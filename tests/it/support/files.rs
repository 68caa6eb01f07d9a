//! Imports and exports run in the test's own process, on directories and a database of each kind.

use std::path::{Path, PathBuf};

use ireva_queue::builtin::export::ExportProcessor;
use ireva_queue::builtin::import::ImportProcessor;
use ireva_queue::builtin::portfolio::Database;
use ireva_queue::builtin::storage::{Storage, StorageSettings};
use ireva_queue::testing::{TestJob, TestRun, run_as};
use ireva_queue::{ErrorClass, JobId};
use serde_json::Value;
use sqlx::AssertSqlSafe;
use tempfile::TempDir;

use super::postgres::TestPostgres;

/// A database that is up to date, and the two directories.
pub struct FileDesk {
    pub database: Database,
    pub name: &'static str,
    directory: TempDir,
    _postgres: Option<TestPostgres>,
}

impl FileDesk {
    pub async fn sqlite() -> Self {
        let directory = tempfile::Builder::new().prefix("ireva-files-").tempdir().unwrap();
        let database = Database::open_file(&directory.path().join("portfolio.db")).unwrap();
        Self { database, name: "sqlite", directory, _postgres: None }.ready().await
    }

    pub async fn postgres() -> Self {
        let directory = tempfile::Builder::new().prefix("ireva-files-").tempdir().unwrap();
        let postgres = TestPostgres::start();
        let database = Database::open(&postgres.url()).unwrap();
        Self { database, name: "postgres", directory, _postgres: Some(postgres) }.ready().await
    }

    /// One of each kind.
    pub async fn both() -> [Self; 2] {
        [Self::sqlite().await, Self::postgres().await]
    }

    async fn ready(self) -> Self {
        self.database.migrate().await.unwrap();
        std::fs::create_dir(self.imports()).unwrap();
        std::fs::create_dir(self.exports()).unwrap();
        self
    }

    pub fn imports(&self) -> PathBuf {
        self.directory.path().join("in")
    }

    pub fn exports(&self) -> PathBuf {
        self.directory.path().join("out")
    }

    /// Writes a file that can be imported.
    pub fn put(&self, name: &str, bytes: impl AsRef<[u8]>) {
        std::fs::write(self.imports().join(name), bytes).unwrap();
    }

    /// Runs an import as a job of its own.
    pub async fn import(&self, payload: &Value) -> Ran {
        self.import_as(payload, &TestJob::new("data-import")).await
    }

    pub async fn import_as(&self, payload: &Value, job: &TestJob) -> Ran {
        let processor = ImportProcessor::new(self.database.clone(), storage(&self.imports()));
        Ran(run_as(&processor, &payload.to_string(), job).await)
    }

    /// Runs an export as a job of its own.
    pub async fn export(&self, payload: &Value) -> Ran {
        self.export_as(payload, "job-1").await
    }

    pub async fn export_as(&self, payload: &Value, id: &str) -> Ran {
        let job = TestJob { id: JobId::new(id).unwrap(), ..TestJob::new("data-export") };
        let processor = ExportProcessor::new(self.database.clone(), storage(&self.exports()));
        Ran(run_as(&processor, &payload.to_string(), &job).await)
    }

    /// The bytes of a file that was exported.
    pub fn exported(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.exports().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Changes the database.
    pub async fn run(&self, sql: &str) {
        let statement = AssertSqlSafe(sql.to_owned());
        match &self.database {
            Database::Sqlite(pool) => drop(sqlx::query(statement).execute(pool).await.unwrap()),
            Database::Postgres(pool) => drop(sqlx::query(statement).execute(pool).await.unwrap()),
        }
    }

    /// Asks the database for a number.
    pub async fn number(&self, sql: &str) -> i64 {
        let statement = AssertSqlSafe(sql.to_owned());
        match &self.database {
            Database::Sqlite(pool) => sqlx::query_scalar(statement).fetch_one(pool).await.unwrap(),
            Database::Postgres(pool) => sqlx::query_scalar(statement).fetch_one(pool).await.unwrap(),
        }
    }

    /// Asks the database for texts.
    pub async fn texts(&self, sql: &str) -> Vec<String> {
        let statement = AssertSqlSafe(sql.to_owned());
        match &self.database {
            Database::Sqlite(pool) => sqlx::query_scalar(statement).fetch_all(pool).await.unwrap(),
            Database::Postgres(pool) => sqlx::query_scalar(statement).fetch_all(pool).await.unwrap(),
        }
    }
}

pub fn storage(directory: &Path) -> Storage {
    Storage::open(directory.to_str().unwrap(), &StorageSettings::default()).unwrap()
}

/// The names in a directory, sorted.
pub fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// What an attempt came to.
pub struct Ran(TestRun);

impl Ran {
    /// Whether it was put off with this code.
    pub fn is_throttled(&self, code: &str) -> bool {
        self.0.result.as_ref().is_err_and(|error| error.class() == ErrorClass::Throttled && error.code() == code)
    }

    /// Its result.
    #[track_caller]
    pub fn done(&self) -> Value {
        let outcome = self.0.result.as_ref().unwrap_or_else(|error| panic!("{error}"));
        serde_json::from_str(outcome.result().unwrap()).unwrap()
    }

    /// The code and the message of its failure, which is for good.
    #[track_caller]
    pub fn refused(&self) -> (&str, &str) {
        self.failed(ErrorClass::Permanent)
    }

    /// The code and the message of its failure, which may pass.
    #[track_caller]
    pub fn put_off(&self) -> (&str, &str) {
        self.failed(ErrorClass::Transient)
    }

    #[track_caller]
    fn failed(&self, class: ErrorClass) -> (&str, &str) {
        let error = self.0.result.as_ref().expect_err("it fails");
        assert_eq!(error.class(), class, "{error}");
        (error.code(), error.message())
    }

    pub fn log(&self) -> &str {
        &self.0.log
    }
}
