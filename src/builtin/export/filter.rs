//! Which rows an export is of: by column, with values that are bound and never become part of a statement.

use std::collections::BTreeMap;

use chrono::{DateTime, Days, NaiveDate, NaiveTime, Utc};
use serde_json::value::RawValue;

use super::payload::unknown;
use crate::builtin::fields::{Fields, shown};
use crate::builtin::portfolio::{Field, Holds, Table};

/// Values of one column: SQLite takes 32,766 parameters in all.
const VALUES_MAX: usize = 1_000;

/// What a column must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Filter {
    pub field: &'static Field,
    pub test: Test,
}

/// The tests of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Test {
    Nothing,
    Texts(Vec<String>),
    /// From the first day to the last, both included.
    Days(Option<NaiveDate>, Option<NaiveDate>),
    /// From the first moment, which is included, to the last, which is not.
    Moments(Option<DateTime<Utc>>, Option<DateTime<Utc>>),
}

/// Reads `filters`; nothing where a problem was noted.
pub(super) fn read(fields: &mut Fields, table: Option<&'static Table>) -> Option<Vec<Filter>> {
    if !fields.holds("filters") {
        return Some(Vec::new());
    }
    let expected = "an object of names of columns and what they hold";
    let given: BTreeMap<String, Box<RawValue>> = fields.value("filters", expected)?;
    let table = table?;
    let mut filters = Vec::with_capacity(given.len());
    let count = given.len();
    for (name, value) in given {
        let place = format!("filters.{}", shown(&name));
        let Some(field) = table.field(&name) else {
            fields.problem(unknown(table, &place, &name));
            continue;
        };
        match test(field, value.get()) {
            Ok(test) => filters.push(Filter { field, test }),
            Err(problem) => fields.problem(format!("{place} {problem}")),
        }
    }
    (filters.len() == count).then_some(filters)
}

fn test(field: &Field, json: &str) -> Result<Test, String> {
    let days_expected = "must be a date such as 2024-01-31, or {\"from\":…,\"to\":…} with one or both";
    let (test, expected) = match field.holds {
        Holds::Money(_) => {
            return Err("cannot be filtered by: amounts of different currencies do not compare".to_owned());
        }
        _ if json == "null" && field.required => return Err("must be a value: every row has one".to_owned()),
        _ if json == "null" => return Ok(Test::Nothing),
        Holds::Date => (days(json), days_expected),
        Holds::Instant => (days(json).and_then(moments), days_expected),
        _ => (texts(json), "must be a text, a whole number, or a list of 1 to 1000 of them"),
    };
    test.ok_or_else(|| format!("{expected}, not {}", shown(json)))
}

/// One value or several.
fn texts(json: &str) -> Option<Test> {
    if !json.starts_with('[') {
        return text(json).map(|text| Test::Texts(vec![text]));
    }
    let list: Vec<Box<RawValue>> = serde_json::from_str(json).ok()?;
    let texts: Option<Vec<_>> = list.iter().map(|value| text(value.get())).collect();
    texts.filter(|texts| (1..=VALUES_MAX).contains(&texts.len())).map(Test::Texts)
}

/// A text as it is, a whole number by its digits. What PostgreSQL cannot take is no value.
fn text(json: &str) -> Option<String> {
    if json.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(json.to_owned());
    }
    serde_json::from_str::<String>(json).ok().filter(|text| !text.contains('\0'))
}

/// One day, or a span of them.
fn days(json: &str) -> Option<Test> {
    if let Some(day) = date(json) {
        return Some(Test::Days(Some(day), Some(day)));
    }
    let mut span: BTreeMap<String, Box<RawValue>> = serde_json::from_str(json).ok()?;
    let mut end = |name: &str| match span.remove(name) {
        None => Some(None),
        Some(value) => date(value.get()).map(Some),
    };
    let (from, to) = (end("from")?, end("to")?);
    let is_span = span.is_empty() && (from.is_some() || to.is_some());
    is_span.then_some(Test::Days(from, to))
}

/// The moments of days, in UTC.
fn moments(days: Test) -> Option<Test> {
    let Test::Days(from, to) = days else { return None };
    let start = |day: NaiveDate| day.and_time(NaiveTime::MIN).and_utc();
    let after = to.map(|day| day.checked_add_days(Days::new(1))).map_or(Some(None), |day| day.map(Some))?;
    Some(Test::Moments(from.map(start), after.map(start)))
}

fn date(json: &str) -> Option<NaiveDate> {
    let text = serde_json::from_str::<String>(json).ok().filter(|text| text.len() == 10)?;
    NaiveDate::parse_from_str(&text, "%Y-%m-%d").ok()
}

#[cfg(test)]
mod tests {
    use super::super::payload;
    use super::*;

    fn filters(source: &str, filters: &str) -> Result<Vec<Test>, String> {
        let order = payload::read(&format!(r#"{{"source":"{source}","format":"csv","filters":{filters}}}"#));
        let order = order.map_err(|error| error.to_string())?;
        Ok(order.filters.into_iter().map(|filter| filter.test).collect())
    }

    #[test]
    fn values_lists_nothing_and_days_are_read() {
        let day = |text: &str| Some(text.parse::<NaiveDate>().unwrap());
        let texts = |texts: &[&str]| Test::Texts(texts.iter().map(|&text| text.to_owned()).collect());
        let table = [
            ("transactions", r#"{"propertyId":123}"#, texts(&["123"])),
            ("transactions", r#"{"propertyId":"123"}"#, texts(&["123"])),
            ("transactions", r#"{"kind":["rent","it's; DROP TABLE"]}"#, texts(&["rent", "it's; DROP TABLE"])),
            ("transactions", r#"{"investorId":null}"#, Test::Nothing),
            ("transactions", r#"{"occurredOn":"2024-01-31"}"#, Test::Days(day("2024-01-31"), day("2024-01-31"))),
            ("transactions", r#"{"occurredOn":{"from":"2024-01-01"}}"#, Test::Days(day("2024-01-01"), None)),
            (
                "distributions",
                r#"{"appliedAt":{"to":"2024-01-31"}}"#,
                Test::Moments(None, Some("2024-02-01T00:00:00Z".parse().unwrap())),
            ),
        ];
        for (source, given, test) in table {
            assert_eq!(filters(source, given), Ok(vec![test]), "{given}");
        }
    }

    #[test]
    fn all_wrong_ones_are_named() {
        let said = filters("transactions", r#"{"userId":1,"amount":5,"occurredOn":"31.1.2024","id":null,"kind":{}}"#);
        let said = said.unwrap_err();
        for part in [
            "filters.userId is no column of transactions: userId (there are id, propertyId",
            "filters.amount cannot be filtered by",
            "filters.occurredOn must be a date such as 2024-01-31",
            "filters.id must be a value: every row has one",
            "filters.kind must be a text, a whole number, or a list",
        ] {
            assert!(said.contains(part), "{part}: {said}");
        }
        let wrong = [
            r#"{"occurredOn":{}}"#,
            r#"{"occurredOn":{"from":"2024-01-01","until":"2024-01-01"}}"#,
            r#"{"occurredOn":{"from":20240101}}"#,
            r#"{"kind":[]}"#,
            r#"{"kind":[1.5]}"#,
            r#"{"kind":"a\u0000b"}"#,
            "[]",
            "5",
        ];
        for given in wrong {
            assert!(filters("transactions", given).is_err(), "{given}");
        }
    }
}
