//! Rows to a file: they come in while earlier ones are written, and only a few batches wait in between.

use std::pin::pin;

use futures_util::{Stream, StreamExt};
use tokio::sync::mpsc;

use super::{Draft, Storage, Stored};
use crate::builtin::classify;
use crate::format::{Column, Format, Value, WriteOptions};
use crate::processor::ProcessError;

/// Batches that wait for the writer.
const BATCHES_WAITING: usize = 4;

/// Rows that go together.
pub(in crate::builtin) type Batch = Vec<Vec<Value>>;

/// What the file of a table is called and how it is written.
#[derive(Debug, Clone)]
pub(in crate::builtin) struct TableFile {
    pub name: String,
    pub format: Format,
    pub columns: Vec<Column>,
    pub options: WriteOptions,
}

/// A table that stands in its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::builtin) struct StoredTable {
    pub file: Stored,
    /// Without the header.
    pub rows: u64,
}

/// Writes the rows of a stream, in batches, to a file that is there when all of them are in it.
///
/// Dropped before its end, or ended by an error of the stream, it leaves nothing behind.
///
/// # Errors
/// Those of the stream; the storage's trouble; `table_invalid` where a row does not fit its columns or the format.
pub(in crate::builtin) async fn store_table<E: From<ProcessError>>(
    storage: &Storage,
    table: TableFile,
    rows: impl Stream<Item = Result<Batch, E>>,
) -> Result<StoredTable, E> {
    let TableFile { name, format, columns, mut options } = table;
    if options.sheet.temporary_dir.is_none() && format == Format::Excel {
        options.sheet.temporary_dir = Some(storage.temporary_dir()?);
    }
    let draft = storage.create(&name).await?;
    let path = draft.path().to_owned();
    let (sender, receiver) = mpsc::channel(BATCHES_WAITING);
    let writing = tokio::task::spawn_blocking(move || write(draft, receiver, (format, columns, &options)));
    let mut rows = pin!(rows);
    while let Some(batch) = rows.next().await {
        // A writer that takes no more has ended with an error, which is asked for below.
        if sender.send(Some(batch?)).await.is_err() {
            break;
        }
    }
    // Without this the writer would take a stream that broke off for one that ended.
    let _ = sender.send(None).await;
    let written = writing.await.unwrap_or_else(|error| {
        Err(ProcessError::transient("storage_failed", format!("{path}: the writer ended: {error}")))
    });
    let (draft, rows) = written?;
    Ok(StoredTable { file: draft.finish().await?, rows })
}

/// Writes batches up to the end of them, which is `None`.
fn write(
    mut draft: Draft,
    mut batches: mpsc::Receiver<Option<Batch>>,
    (format, columns, options): (Format, Vec<Column>, &WriteOptions),
) -> Result<(Draft, u64), ProcessError> {
    let path = draft.path().to_owned();
    let failed = |error: crate::error::Error| {
        let (class, code) = classify::table(&error);
        ProcessError::new(class, code, format!("{path}: {error}"))
    };
    let mut writer = format.writer(columns, &mut draft, options).map_err(failed)?;
    loop {
        match batches.blocking_recv() {
            Some(Some(batch)) => {
                for row in batch {
                    writer.write(&row).map_err(failed)?;
                }
            }
            Some(None) => break,
            None => return Err(ProcessError::transient("rows_broken_off", format!("{path}: the rows broke off"))),
        }
    }
    let rows = writer.finish().map_err(failed)?.rows;
    Ok((draft, rows))
}
