//! What an import is asked for with.

use std::collections::BTreeMap;

use serde_json::json;

use crate::builtin::fields::{Fields, shown};
use crate::builtin::portfolio::{
    DEFAULT_TENANT, Field, INVESTMENTS, INVESTORS, PROPERTIES, TRANSACTIONS, Table, VALUATIONS,
};
use crate::builtin::storage::check_name;
use crate::error::Result;
use crate::format::{COLUMNS_MAX, Compression, Format};

/// The tables that files are read into.
const TARGETS: [&Table; 5] = [&PROPERTIES, &INVESTORS, &INVESTMENTS, &VALUATIONS, &TRANSACTIONS];

/// An import as it was asked for, all of it checked that can be without the file.
#[derive(Debug, Clone)]
pub(super) struct Order {
    pub tenant: String,
    pub source: String,
    pub format: Format,
    pub compression: Compression,
    pub target: &'static Table,
    /// Columns of the file that are not called as the table's; nothing for those that are left out.
    pub mapping: BTreeMap<String, Option<&'static Field>>,
    pub mode: Mode,
    pub on_error: OnError,
}

/// What becomes of a row whose id is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Insert,
    Upsert,
}

/// What becomes of a row that is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnError {
    /// It is left out, and the others go on.
    Reject,
    /// All rows are left out.
    Abort,
}

const MODES: [(&str, Mode); 2] = [("insert", Mode::Insert), ("upsert", Mode::Upsert)];
const ON_ERROR: [(&str, OnError); 2] = [("reject", OnError::Reject), ("abort", OnError::Abort)];

/// Reads a payload; the error (`Invalid`) names every problem in one sentence, and their fields.
pub(super) fn read(payload: &str) -> Result<Order> {
    let mut fields = Fields::read("import", payload)?;
    let source = source(&mut fields);
    let format = format(&mut fields, source.as_deref());
    let compression = source.as_deref().map_or(Compression::None, Compression::from_file_name);
    let target = fields.word_that_must_be("target", &TARGETS.map(|table| (table.name, table)));
    let mapping = mapping(&mut fields, target);
    let mode = fields.word("mode", &MODES).unwrap_or(Mode::Insert);
    let on_error = fields.word("onError", &ON_ERROR).unwrap_or(OnError::Reject);
    let tenant = fields.id("tenantId").unwrap_or_else(|| DEFAULT_TENANT.to_owned());
    let order = (|| {
        let (source, format, target, mapping) = (source?, format?, target?, mapping?);
        Some(Order { tenant, source, format, compression, target, mapping, mode, on_error })
    })();
    fields.finish(order)
}

fn source(fields: &mut Fields) -> Option<String> {
    if !fields.holds("source") {
        fields.problem("source is missing");
    }
    let source = fields.text("source")?;
    // A whole path is held against the storage's when the file is opened.
    if !source.starts_with('/')
        && !source.contains("://")
        && let Err(problem) = check_name(&source)
    {
        fields.problem(format!("source {problem}"));
    }
    Some(source)
}

fn format(fields: &mut Fields, source: Option<&str>) -> Option<Format> {
    if fields.holds("format") {
        return fields.word("format", &Format::ALL.map(|known| (known.as_str(), known)));
    }
    let told = Format::from_file_name(source?).ok().filter(|format| Format::ALL.contains(format));
    if told.is_none() {
        fields.problem("format is missing, and the name of the source does not tell one of csv, json, ndjson, excel");
    }
    told
}

/// `{"Name": "name", "Remarks": null}`.
fn mapping(fields: &mut Fields, target: Option<&'static Table>) -> Option<BTreeMap<String, Option<&'static Field>>> {
    if !fields.holds("mapping") {
        return Some(BTreeMap::new());
    }
    let expected = "an object of columns of the file with a column of the table, or null, each";
    let given: BTreeMap<String, Option<String>> = fields.value("mapping", expected)?;
    if given.len() > COLUMNS_MAX {
        fields.problem(format!("mapping has more than {COLUMNS_MAX} columns"));
    }
    let target = target?;
    let mut mapping = BTreeMap::new();
    for (column, name) in given {
        let place = format!("mapping.{}", shown(&column));
        let Some(name) = name else {
            mapping.insert(column, None);
            continue;
        };
        match target.field(&name) {
            None => fields.problem(format!(
                "{place} is no column of {}: {} (there are {})",
                target.name,
                shown(&name),
                target.names().join(", ")
            )),
            Some(field) if mapping.values().any(|known| *known == Some(field)) => {
                fields.problem(format!("{place} is the second column for {name}"));
            }
            Some(field) => {
                mapping.insert(column, Some(field));
            }
        }
    }
    Some(mapping)
}

impl Order {
    /// What must be the same for two runs to be of one import, beside the file.
    pub fn terms(&self) -> String {
        let mapping: BTreeMap<_, _> =
            self.mapping.iter().map(|(column, field)| (column, field.map(|field| field.name))).collect();
        let word = |mode: &(&'static str, Mode)| (mode.1 == self.mode).then_some(mode.0);
        json!({
            "tenant": self.tenant,
            "source": self.source,
            "format": self.format,
            "target": self.target.name,
            "mapping": mapping,
            "mode": MODES.iter().find_map(word),
            "abort": self.on_error == OnError::Abort,
        })
        .to_string()
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_readme_says_the_columns_of_every_target() {
        let readme = include_str!("../../../README.md");
        for table in TARGETS {
            let columns =
                table.fields.iter().map(|field| format!("{}{}", field.name, if field.required { "" } else { "?" }));
            let row = format!("| `{}` | {} |", table.name, columns.collect::<Vec<_>>().join(", "));
            assert!(readme.lines().any(|line| line == row), "README.md lacks {row}");
        }
    }

    use super::*;

    #[test]
    fn an_order_says_the_format_by_its_name_and_what_becomes_of_columns() {
        let order =
            read(r#"{"source":"a/investors.csv.gz","target":"investors","mapping":{"Full name":"name","x":null}}"#);
        let order = order.unwrap();
        assert_eq!((order.format, order.compression, order.mode), (Format::Csv, Compression::Gzip, Mode::Insert));
        assert_eq!(order.mapping["Full name"].map(|field| field.column), Some("name"));
        assert_eq!(order.mapping["x"], None);
        let order = read(
            r#"{"source":"s3://b/in/rows","format":"ndjson","target":"transactions","mode":"upsert","onError":"abort"}"#,
        );
        let order = order.unwrap();
        assert_eq!((order.mode, order.on_error, order.tenant.as_str()), (Mode::Upsert, OnError::Abort, "default"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let table = [
            ("{}", "source is missing; target is missing"),
            (
                r#"{"source":"a.txt","target":"investors"}"#,
                "format is missing, and the name of the source does not tell",
            ),
            (r#"{"source":"a.parquet","target":"investors"}"#, "does not tell one of csv, json, ndjson, excel"),
            (r#"{"source":"../a.csv","target":"investors"}"#, "source must not have the component .."),
            (
                r#"{"source":"a.csv","target":"distributions"}"#,
                "target must be one of properties, investors, investments",
            ),
            (r#"{"source":"a.csv","target":"investors","mode":"replace"}"#, "mode must be one of insert, upsert"),
            (r#"{"source":"a.csv","target":"investors","onError":"skip"}"#, "onError must be one of reject, abort"),
            (
                r#"{"source":"a.csv","target":"investors","mapping":{"a":"amount"}}"#,
                "mapping.a is no column of investors: amount (there are id, name, email",
            ),
            (
                r#"{"source":"a.csv","target":"investors","mapping":{"a":"id","b":"id"}}"#,
                "mapping.b is the second column",
            ),
            (r#"{"source":"a.csv","target":"investors","mapping":["id"]}"#, "mapping must be an object of columns"),
            (r#"{"source":"a.csv","target":"investors","sheet":"x"}"#, "unknown field sheet"),
        ];
        for (payload, part) in table {
            let said = read(payload).unwrap_err().to_string();
            assert!(said.contains(part), "{payload}: {said}");
        }
    }
}
