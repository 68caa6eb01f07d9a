//! Writes a table of the platform's data, or that of a report, to a file.

mod filter;
mod payload;
mod rows;

use serde_json::json;
use serde_json::value::RawValue;

use crate::builtin::portfolio::Database;
use crate::builtin::refusal::Refusal;
use crate::builtin::report::ReportRows;
use crate::builtin::storage::{Storage, StoredTable, TableFile, store_table};
use crate::error::Result;
use crate::format::WriteOptions;
use crate::processor::{JobContext, Outcome, ProcessError, Processor};
use payload::{Order, Source};

/// The queue whose jobs are exports.
pub(super) const QUEUE: &str = "data-export";
/// The schema of their payloads.
pub(super) const SCHEMA: &str = include_str!("schema.json");

/// Writes a table to a file, row by row: memory does not grow with the table.
///
/// The payload names `source` (`properties`, `investors`, `investments`, `valuations`, `distributions`,
/// `distribution_lines` or `transactions`; or `{"report": …, "parameters": {…}}` as in a payload of `report-generation`, for
/// the report's main table, which has neither filters nor columns to choose), and `format` (`csv`, `json`, `ndjson`,
/// `excel`, `parquet`) unless the name of the file tells it; it may name `filters` (by column: a value, a list of values, null, or `from` and `to` of a date,
/// both included), `columns` (some of the table's, in this order), `destination` (the file's name in the storage;
/// `source-JOB` unless said), `compression` (`none`, `gzip`, `zstd`; what the file's name tells unless said) and
/// `tenantId`.
///
/// All rows are of one moment, ordered by their keys. The file is there when it is whole, in place of one of the same
/// name, so that a second run of the job leaves one file. The answer names its path, length, SHA-256 and rows.
#[derive(Debug)]
pub struct ExportProcessor {
    database: Database,
    storage: Storage,
}

/// Whether the payload would be taken.
///
/// # Errors
/// `Invalid`, naming everything that is wrong with it.
pub(super) fn check(payload: &str) -> Result<()> {
    payload::read(payload).map(drop)
}

impl ExportProcessor {
    /// A processor that reads `database` and writes to `storage`; neither is connected to before the first job.
    pub fn new(database: Database, storage: Storage) -> Self {
        Self { database, storage }
    }

    /// Writes the file of an order. Whatever rows may come from is told apart here and nowhere else.
    async fn write(&self, order: &Order, file: TableFile, ctx: &JobContext) -> Result<StoredTable, Refusal> {
        match &order.source {
            Source::Table(table) => {
                let query = rows::Query { table, order };
                rows::write(&self.database, &query, (&self.storage, file), ctx).await
            }
            Source::Report(query) => {
                let ReportRows { columns, rows } = query.rows(&self.database).await?;
                Ok(store_table(&self.storage, TableFile { columns, ..file }, rows).await?)
            }
        }
    }
}

impl Processor for ExportProcessor {
    type Payload = Box<RawValue>;

    fn dependency(&self) -> Option<String> {
        Some(self.database.place())
    }

    async fn process(&self, payload: Self::Payload, ctx: &JobContext) -> Result<Outcome, ProcessError> {
        let order =
            payload::read(payload.get()).map_err(|why| ProcessError::permanent("payload_invalid", why.to_string()))?;
        order.format.writable().map_err(|why| ProcessError::permanent("format_unavailable", why.to_string()))?;
        let mut options = WriteOptions { compression: order.compression, ..WriteOptions::default() };
        options.sheet.name = Some(order.source.name().to_owned());
        let name = order.file_name(ctx.job_id().as_str());
        let file = TableFile { name, format: order.format, columns: order.format_columns(), options };
        let stored = self.write(&order, file, ctx).await.map_err(|refusal| refusal.of(&self.database))?;
        let StoredTable { file, rows } = stored;
        ctx.log(format!("{rows} rows of {} in {}, {} bytes", order.source.name(), file.path, file.size_bytes));
        let answer = json!({
            "source": order.source.name(),
            "format": order.format,
            "compression": order.compression,
            "rows": rows,
            "path": file.path,
            "sizeBytes": file.size_bytes,
            "sha256": file.sha256,
        });
        Outcome::with_result(&answer).map_err(|error| ProcessError::permanent("result_invalid", error.to_string()))
    }
}
