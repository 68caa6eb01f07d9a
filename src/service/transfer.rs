//! Tables that come in from files and go out to files.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::Serialize;

use super::{QueueService, ReportParameters, ReportType, RowId, Submission};

/// As which kind of file; parquet is only written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "the names of the formats say what they are")]
pub enum TableFormat {
    Csv,
    Json,
    Ndjson,
    Excel,
    Parquet,
}

/// Into which table rows go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "the names of the tables say what they are")]
pub enum Target {
    Investors,
    Properties,
    Investments,
    Transactions,
    Valuations,
}

/// What becomes of rows that are there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ImportMode {
    /// They are rejected.
    #[default]
    Insert,
    /// They are changed.
    Upsert,
}

/// What becomes of a file with bad rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnError {
    /// The bad rows are told of, the others go in.
    #[default]
    Reject,
    /// No row goes in.
    Abort,
}

/// What is to be said of an import beside file and table.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Import {
    /// What the file is, where its name does not say it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<TableFormat>,
    /// Column of the file -> field of the table, where they have different names.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub mapping: BTreeMap<String, String>,
    /// What becomes of rows that are there already.
    pub mode: ImportMode,
    /// What becomes of a file with bad rows.
    pub on_error: OnError,
    /// Whose data; the tenant `default` where nobody says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant_id: Option<RowId>,
}

/// Which rows go out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum ExportSource {
    /// Those of a table.
    Table(String),
    /// The main table of a report.
    Report {
        /// Which report.
        report: ReportType,
        /// Of what.
        parameters: ReportParameters,
    },
}

impl From<&str> for ExportSource {
    fn from(table: &str) -> Self {
        Self::Table(table.to_owned())
    }
}

/// Which values of a column go out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum FilterValue {
    /// This one.
    Is(String),
    /// Any of these.
    AnyOf(Vec<String>),
    /// The days from one to another, both included; open where one is not said.
    Between {
        /// The first.
        #[serde(skip_serializing_if = "Option::is_none")]
        from: Option<NaiveDate>,
        /// The last.
        #[serde(skip_serializing_if = "Option::is_none")]
        to: Option<NaiveDate>,
    },
}

/// What is to be said of an export beside its rows and its format.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Export {
    /// Only rows whose columns have these values.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub filters: BTreeMap<String, FilterValue>,
    /// Only these columns, in this order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
    /// The name of the file; one is made up where nobody says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination: Option<String>,
    /// `gzip` or `zstd`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compression: Option<String>,
    /// Whose data; the tenant `default` where nobody says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant_id: Option<RowId>,
}

#[derive(Serialize)]
struct ImportPayload<'a> {
    source: &'a str,
    target: Target,
    #[serde(flatten)]
    import: Import,
}

#[derive(Serialize)]
struct ExportPayload {
    source: ExportSource,
    format: TableFormat,
    #[serde(flatten)]
    export: Export,
}

impl QueueService {
    /// Reads the rows of a file into a table; each row at most once, however often the job runs.
    pub fn import_data(&self, source: &str, target: Target, import: Import) -> Submission<'_> {
        Submission::new(self, "data-import", &ImportPayload { source, target, import })
    }

    /// Writes rows to a file, and says where it is in the job's result.
    pub fn export_data(&self, source: impl Into<ExportSource>, format: TableFormat, export: Export) -> Submission<'_> {
        Submission::new(self, "data-export", &ExportPayload { source: source.into(), format, export })
    }
}
