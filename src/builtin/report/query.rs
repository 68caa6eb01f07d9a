//! The main table of a report, for whoever goes on with it.

use std::fmt;
use std::pin::Pin;

use futures_util::Stream;
use serde_json::json;
use serde_json::value::RawValue;

use super::data;
use super::describe;
use super::document::Table;
use super::history;
use super::payload::{self, Order, ReportType};
use crate::builtin::portfolio::Database;
use crate::error::Result;
use crate::format::{Column, Value};
use crate::processor::ProcessError;

/// Entries that a report which adds them up may have; more are for transaction-history, which is streamed.
const ENTRIES_MAX: usize = 100_000;

/// Rows in batches, as they come.
type Batches = Pin<Box<dyn Stream<Item = Result<Vec<Vec<Value>>, ProcessError>> + Send>>;

/// A report as a source of rows: its type and parameters, as in a payload of report-generation.
#[derive(Debug, Clone)]
pub struct ReportQuery(Order);

/// The main table of a report.
pub struct ReportRows {
    /// What its columns hold.
    pub columns: Vec<Column>,
    /// Its rows, in batches; an error is the last that comes.
    pub rows: Batches,
}

impl fmt::Debug for ReportRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReportRows").field("columns", &self.columns).finish_non_exhaustive()
    }
}

impl ReportQuery {
    /// The report `report_type` (`roi-summary`, …) with `parameters` (a JSON object), of a tenant.
    ///
    /// # Errors
    /// `Invalid`, naming everything that is wrong, as `reportType …` and `parameters.…`.
    pub fn new(report_type: &str, parameters: &RawValue, tenant: &str) -> Result<Self> {
        let payload = json!({"reportType": report_type, "format": "csv", "tenantId": tenant, "parameters": {}});
        let mut payload = payload.to_string();
        // As it stands, so that every number keeps its digits.
        payload = payload.replacen(r#""parameters":{}"#, &format!(r#""parameters":{}"#, parameters.get()), 1);
        payload::read(&payload).map(Self)
    }

    /// Which report.
    pub fn report_type(&self) -> &'static str {
        self.0.report.as_str()
    }

    /// Its rows, all of one instant.
    ///
    /// # Errors
    /// Permanent where it names what is not there; the database's trouble.
    pub async fn rows(&self, database: &Database) -> Result<ReportRows, ProcessError> {
        open(database, &self.0).await
    }
}

/// The main table of an order's report.
pub(super) async fn open(database: &Database, order: &Order) -> Result<ReportRows, ProcessError> {
    if order.report == ReportType::TransactionHistory {
        let entries = data::stream(database, order).await?;
        return Ok(ReportRows { columns: history::columns(entries.decimals), rows: Box::pin(history::rows(entries)) });
    }
    // What stands on paper only is not read.
    let order = Order { charts: false, detailed: false, ..order.clone() };
    let data = data::read(database, &order, ENTRIES_MAX as i64 + 1).await?;
    if data.entries.len() > ENTRIES_MAX {
        let why = format!(
            "the report has more than {ENTRIES_MAX} entries: ask for a shorter period, or for a transaction-history, which \
             may have any number"
        );
        return Err(ProcessError::permanent("report_too_large", why));
    }
    let Table { columns, rows } = describe(&order, &data)?.main;
    Ok(ReportRows { columns, rows: Box::pin(futures_util::stream::once(async move { Ok(rows) })) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(report_type: &str, parameters: &str) -> Result<ReportQuery> {
        ReportQuery::new(report_type, &RawValue::from_string(parameters.to_owned()).unwrap(), "default")
    }

    #[test]
    fn a_query_is_checked_as_a_report_is() {
        let order =
            query("roi-summary", r#"{"userId":9007199254740993,"startDate":"2024-01-01","endDate":"2024-01-31"}"#);
        assert_eq!(order.unwrap().0.investor.as_deref(), Some("9007199254740993"));
        let table = [
            ("roi", "{}", "reportType must be one of"),
            ("tax-document", "{}", "parameters.userId is missing"),
            ("tax-document", "[1]", "parameters must be an object"),
            (r#"x","parameters":{}"#, "{}", "reportType must be one of"),
        ];
        for (report_type, parameters, part) in table {
            let error = query(report_type, parameters).unwrap_err().to_string();
            assert!(error.contains(part), "{report_type}: {error}");
        }
    }
}
