//! What an export is asked for with.

use crate::builtin::fields::{Fields, shown};
use crate::builtin::portfolio::{DEFAULT_TENANT, Field, Holds, TABLES, Table};
use crate::builtin::report::ReportQuery;
use crate::builtin::storage::check_name;
use crate::error::{FieldProblem, Result};
use crate::format::{Column, Compression, Format, Kind};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::filter::{self, Filter};

/// An export as it was asked for, all of it checked that can be without the database.
#[derive(Debug, Clone)]
pub(super) struct Order {
    pub tenant: String,
    pub source: Source,
    pub filters: Vec<Filter>,
    /// The columns of the file, in their order.
    pub columns: Vec<&'static Field>,
    pub format: Format,
    pub compression: Compression,
    destination: Option<String>,
}

/// Where the rows come from.
#[derive(Debug, Clone)]
pub(super) enum Source {
    /// A table of the platform's data.
    Table(&'static Table),
    /// The main table of a report.
    Report(Box<ReportQuery>),
}

impl Source {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Table(table) => table.name,
            Self::Report(query) => query.report_type(),
        }
    }
}

/// Reads a payload; the error (`Invalid`) names every problem in one sentence, and their fields.
pub(super) fn read(payload: &str) -> Result<Order> {
    let mut fields = Fields::read("export", payload)?;
    let tenant = fields.id("tenantId").unwrap_or_else(|| DEFAULT_TENANT.to_owned());
    let source = source(&mut fields, &tenant);
    let (filters, columns) = match &source {
        Some(Source::Report(_)) => of_report(&mut fields),
        Some(Source::Table(table)) => of_table(&mut fields, Some(table)),
        None => of_table(&mut fields, None),
    };
    let destination = destination(&mut fields);
    let format = format(&mut fields, destination.as_deref());
    let compressions = Compression::ALL.map(|known| (known.as_str(), known));
    let compression = fields
        .word("compression", &compressions)
        .unwrap_or_else(|| destination.as_deref().map_or(Compression::None, Compression::from_file_name));
    if format == Some(Format::Parquet) && compression != Compression::None {
        fields.problem(format!(
            "compression {compression} is not for a parquet file, which is compressed inside: leave it out"
        ));
    }
    let order = (|| {
        Some(Order {
            tenant,
            source: source?,
            filters: filters?,
            columns: columns?,
            format: format?,
            compression,
            destination,
        })
    })();
    fields.finish(order)
}

/// A table by its name, or a report with its parameters.
fn source(fields: &mut Fields, tenant: &str) -> Option<Source> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Given {
        report: String,
        parameters: Box<RawValue>,
    }
    if !fields.holds_object("source") {
        return fields.word_that_must_be("source", &TABLES.map(|table| (table.name, table))).map(Source::Table);
    }
    let expected = r#"the name of a table, or {"report":…,"parameters":{…}}"#;
    let Given { report, parameters } = fields.value("source", expected)?;
    match ReportQuery::new(&report, &parameters, tenant) {
        Ok(query) => Some(Source::Report(Box::new(query))),
        Err(error) => {
            for FieldProblem { field, message } in error.fields() {
                let field = if field == "reportType" { "report" } else { field };
                fields.problem(format!("source.{field} {message}"));
            }
            None
        }
    }
}

type Choice = (Option<Vec<Filter>>, Option<Vec<&'static Field>>);

fn of_table(fields: &mut Fields, table: Option<&'static Table>) -> Choice {
    (filter::read(fields, table), columns(fields, table))
}

/// A report has its rows and its columns by itself.
fn of_report(fields: &mut Fields) -> Choice {
    for name in ["filters", "columns"] {
        if fields.take(name).is_some() {
            fields.problem(format!("{name} is not for a report, whose parameters say what it holds"));
        }
    }
    (Some(Vec::new()), Some(Vec::new()))
}

/// Some of the table's columns, or all.
fn columns(fields: &mut Fields, table: Option<&'static Table>) -> Option<Vec<&'static Field>> {
    if !fields.holds("columns") {
        return Some(table?.fields.iter().collect());
    }
    let wanted: Vec<String> = fields.value("columns", "a list of names of columns")?;
    let table = table?;
    if wanted.is_empty() {
        fields.problem("columns is empty: name at least one, or leave it out for all");
        return None;
    }
    let mut columns = Vec::with_capacity(wanted.len());
    for (index, name) in wanted.iter().enumerate() {
        match table.field(name) {
            None => fields.problem(unknown(table, &format!("columns[{index}]"), name)),
            Some(field) if columns.contains(&field) => {
                fields.problem(format!("columns[{index}] is there twice: {name}"))
            }
            Some(field) => columns.push(field),
        }
    }
    (columns.len() == wanted.len()).then_some(columns)
}

/// The problem of a column that a table does not have.
pub(super) fn unknown(table: &Table, place: &str, name: &str) -> String {
    format!("{place} is no column of {}: {} (there are {})", table.name, shown(name), table.names().join(", "))
}

fn destination(fields: &mut Fields) -> Option<String> {
    let destination = fields.text("destination")?;
    // A whole path is held against the storage's when the file is begun.
    if !destination.starts_with('/')
        && !destination.contains("://")
        && let Err(problem) = check_name(&destination)
    {
        fields.problem(format!("destination {problem}"));
    }
    Some(destination)
}

fn format(fields: &mut Fields, destination: Option<&str>) -> Option<Format> {
    if fields.holds("format") {
        return fields.word("format", &Format::WRITTEN.map(|known| (known.as_str(), known)));
    }
    match destination.map(Format::from_file_name) {
        Some(Ok(format)) => return Some(format),
        Some(Err(_)) => fields.problem("format is missing, and the name of the destination does not tell it"),
        None => fields.problem("format is missing"),
    }
    None
}

impl Order {
    /// The name of the file: as it was asked for, or of the source and the job.
    pub fn file_name(&self, job_id: &str) -> String {
        self.destination.clone().unwrap_or_else(|| {
            let job: String = job_id.chars().map(|letter| if ":@".contains(letter) { '-' } else { letter }).collect();
            format!("{}-{job}{}{}", self.source.name(), self.format.ending(), self.compression.ending())
        })
    }

    /// The columns as the file has them.
    pub fn format_columns(&self) -> Vec<Column> {
        self.columns.iter().map(|field| Column::new(field.name, self.kind(field.holds))).collect()
    }

    fn kind(&self, holds: Holds) -> Kind {
        match holds {
            Holds::Date => Kind::Date,
            Holds::Instant => Kind::Instant,
            Holds::Money(_) => Kind::Decimal {
                // Amounts have the digits of their currencies, of which a column may hold several.
                scale: match self.format {
                    Format::Excel => 2,
                    Format::Parquet => 4,
                    _ => 0,
                },
            },
            _ => Kind::Text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_has_the_columns_and_the_name_that_were_asked_for() {
        let order = read(r#"{"source":"investors","format":"csv"}"#).unwrap();
        assert_eq!((order.columns.len(), order.tenant.as_str()), (6, "default"));
        assert_eq!(order.file_name("a:b@c"), "investors-a-b-c.csv");
        let order =
            read(r#"{"source":"transactions","columns":["amount","id"],"destination":"q1/t.ndjson.zst"}"#).unwrap();
        assert_eq!(
            order.format_columns().iter().map(|column| column.name.as_str()).collect::<Vec<_>>(),
            ["amount", "id"]
        );
        assert_eq!((order.format, order.compression), (Format::Ndjson, Compression::Zstd));
        assert_eq!(order.file_name("x"), "q1/t.ndjson.zst");
        let order = read(r#"{"source":"valuations","format":"excel","compression":"gzip"}"#).unwrap();
        assert_eq!(order.file_name("x"), "valuations-x.xlsx.gz");
    }

    #[test]
    fn what_is_wrong_is_named() {
        let table = [
            ("{}", "source is missing; format is missing"),
            (r#"{"source":"users","format":"csv"}"#, "source must be one of properties, investors, investments"),
            (r#"{"source":{"report":"roi-summary"},"format":"csv"}"#, "source must be the name of a table, or {"),
            (
                r#"{"source":{"report":"roi","parameters":{}},"format":"csv"}"#,
                "source.report must be one of investor-statement",
            ),
            (
                r#"{"source":{"report":"tax-document","parameters":{"userId":1}},"format":"csv"}"#,
                "source.parameters.startDate is missing; source.parameters.endDate is missing",
            ),
            (
                r#"{"source":{"report":"roi-summary","parameters":{"startDate":"2024-01-01","endDate":"2024-01-31"}},"format":"csv","columns":["id"]}"#,
                "columns is not for a report",
            ),
            (r#"{"source":"investors","format":"xml"}"#, "format must be one of csv, json, ndjson, excel, parquet"),
            (r#"{"source":"investors","destination":"a.txt"}"#, "the name of the destination does not tell it"),
            (
                r#"{"source":"investors","format":"csv","destination":"../a"}"#,
                "destination must not have the component ..",
            ),
            (
                r#"{"source":"investors","format":"csv","columns":["id","amount","id"]}"#,
                "columns[1] is no column of investors: amount (there are id, name, email, country, taxId, joinedOn); \
                 columns[2] is there twice: id",
            ),
            (r#"{"source":"investors","format":"csv","columns":[]}"#, "columns is empty"),
            (r#"{"source":"investors","format":"csv","columns":"id"}"#, "columns must be a list"),
            (
                r#"{"source":"investors","format":"csv","compression":"zip"}"#,
                "compression must be one of none, gzip, zstd",
            ),
            (r#"{"source":"investors","format":"csv","currency":"NGN"}"#, "unknown field currency"),
            (
                r#"{"source":"investors","format":"parquet","compression":"gzip"}"#,
                "compression gzip is not for a parquet file",
            ),
        ];
        for (payload, part) in table {
            let said = read(payload).unwrap_err().to_string();
            assert!(said.contains(part), "{payload}: {said}");
        }
    }
}
