//! The file of an import's rejects, beside the file that was imported.

use futures_util::StreamExt;

use super::standing::Run;
use super::store::Ledger;
use crate::builtin::portfolio::{Database, dialects};
use crate::builtin::refusal::Refusal;
use crate::builtin::storage::{Storage, StoredTable, TableFile, store_table};
use crate::format::{Column, Format, Kind, Value, WriteOptions};

const BATCH_ROWS: usize = 500;
const STEM_MAX_BYTES: usize = 100;

/// Writes the rejects that the database holds.
pub(super) async fn write(ledger: &Ledger<'_>, storage: &Storage) -> Result<StoredTable, Refusal> {
    let columns = vec![
        Column::new("line", Kind::Integer),
        Column::new("row", Kind::Integer),
        Column::new("column", Kind::Text),
        Column::new("value", Kind::Text),
        Column::new("reason", Kind::Text),
    ];
    let name = file_name(&ledger.order.source, &ledger.run.id);
    let file = TableFile { name, format: Format::Csv, columns, options: WriteOptions::default() };
    match ledger.database {
        Database::Sqlite(pool) => sqlite::write(pool, ledger.run, (storage, file)).await,
        Database::Postgres(pool) => postgres::write(pool, ledger.run, (storage, file)).await,
    }
}

/// `2024/investors.csv.gz` of job `A` has its rejects in `2024/investors.rejects-A.csv`.
fn file_name(source: &str, job_id: &str) -> String {
    let (directory, leaf) = source.rfind('/').map_or(("", source), |slash| source.split_at(slash + 1));
    let stem = leaf.split('.').next().unwrap_or_default();
    let stem = &stem[..stem.floor_char_boundary(STEM_MAX_BYTES)];
    let job: String = job_id.chars().map(|letter| if ":@".contains(letter) { '-' } else { letter }).collect();
    format!("{directory}{stem}.rejects-{job}.csv")
}

dialects! {
    pub(super) async fn write(
        pool: &Pool,
        run: &Run,
        (storage, file): (&Storage, TableFile),
    ) -> Result<StoredTable, Refusal> {
        type Row = (i64, i64, String, String, String);
        let sql = "SELECT line, row_number, field, value, reason FROM import_rejects WHERE import_id = $1 \
                   ORDER BY row_number, field";
        let found = sqlx::query_as::<_, Row>(sql).bind(&run.id).fetch(pool);
        let rows = found.map(|row| {
            let (line, number, field, value, reason) = row?;
            Ok(vec![line.into(), number.into(), field.into(), value.into(), Value::from(reason)])
        });
        let batches = rows.chunks(BATCH_ROWS).map(|rows| rows.into_iter().collect::<Result<Vec<_>, Refusal>>());
        store_table(storage, file, batches.boxed()).await
    }
}

#[cfg(test)]
mod tests {
    use super::file_name;

    #[test]
    fn rejects_lie_beside_the_file_under_the_name_of_the_job() {
        let table = [
            ("investors.csv", "investors.rejects-a-b-c.csv"),
            ("2024/investors.csv.gz", "2024/investors.rejects-a-b-c.csv"),
            ("s3://bucket/in/rows.ndjson", "s3://bucket/in/rows.rejects-a-b-c.csv"),
            ("rows", "rows.rejects-a-b-c.csv"),
        ];
        for (source, expected) in table {
            assert_eq!(file_name(source, "a:b@c"), expected);
        }
        let longest = file_name(&format!("{}.csv", "ä".repeat(125)), &"j".repeat(128));
        assert!(longest.len() <= 255, "{longest}");
    }
}
