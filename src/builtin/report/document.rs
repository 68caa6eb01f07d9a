//! A report as a description that every renderer reads: what it says, not what it looks like.

use serde::Serialize;

use super::chart::Chart;
use super::data::Data;
use super::figures::{NOTHING, amount, day, grouped, percent, period};
use super::payload::Order;
use crate::builtin::portfolio::{Currency, Money};
use crate::format::{Column, Kind, Value};

/// Rows that go onto paper, all tables of a report together: some 120 pages.
#[cfg(feature = "pdf")]
pub(super) const PAPER_ROWS_MAX: usize = 5_000;

/// A report: its main table, which is what csv, excel and json hold, and what stands on paper.
#[derive(Debug)]
pub(super) struct Document {
    pub main: Table,
    #[cfg_attr(not(any(feature = "pdf", test)), expect(dead_code, reason = "PDF alone is set on paper"))]
    pub paper: Paper,
}

/// Rows of typed values.
#[derive(Debug, Clone)]
pub(super) struct Table {
    pub columns: Vec<Column>,
    pub rows: Vec<Vec<Value>>,
}

/// What is printed, all of it text already.
#[derive(Debug, Default, Serialize)]
pub(super) struct Paper {
    /// Who sends it.
    pub tenant: String,
    pub title: String,
    pub period: String,
    /// To whom it goes, a line each.
    pub addressee: Vec<String>,
    pub facts: Vec<Fact>,
    pub sections: Vec<Section>,
    pub notes: Vec<String>,
}

/// A label and what belongs to it.
#[derive(Debug, Serialize)]
pub(super) struct Fact {
    pub label: String,
    pub value: String,
}

/// A part of the paper.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub(super) enum Section {
    Table(PaperTable),
    Chart(Chart),
}

/// A table of texts.
#[derive(Debug, Default, Serialize)]
pub(super) struct PaperTable {
    pub title: String,
    pub columns: Vec<Head>,
    pub rows: Vec<Vec<String>>,
    /// Rows below the line: sums, one for each currency.
    pub totals: Vec<Vec<String>>,
    /// What stands there when there is no row.
    pub empty: String,
}

/// The head of a column.
#[derive(Debug, Serialize)]
pub(super) struct Head {
    pub title: String,
    /// Numbers stand on the right.
    pub right: bool,
}

impl Paper {
    /// The frame of an order's report: who, to whom, about when.
    pub fn new(order: &Order, data: &Data) -> Self {
        let mut paper = Self {
            tenant: data.tenant.clone(),
            title: order.report.title().to_owned(),
            period: period(order.start, order.end),
            ..Self::default()
        };
        if let Some(investor) = &data.investor {
            paper.addressee = vec![investor.name.clone(), investor.country.clone()];
            paper.addressee.extend(investor.email.clone());
            paper.fact("Investor number", &investor.id);
        }
        paper
    }

    /// Adds a fact.
    pub fn fact(&mut self, label: impl Into<String>, value: impl Into<String>) {
        self.facts.push(Fact { label: label.into(), value: value.into() });
    }

    /// Adds a table.
    pub fn table(&mut self, table: PaperTable) {
        self.sections.push(Section::Table(table));
    }

    /// Adds charts.
    pub fn charts(&mut self, charts: impl IntoIterator<Item = Chart>) {
        self.sections.extend(charts.into_iter().map(Section::Chart));
    }

    /// How many rows all tables have.
    #[cfg(feature = "pdf")]
    pub fn rows(&self) -> usize {
        let rows = |section: &Section| if let Section::Table(table) = section { table.rows.len() } else { 0 };
        self.sections.iter().map(rows).sum()
    }
}

impl PaperTable {
    /// A table with columns of texts and of numbers: a title that ends with `>` stands on the right.
    pub fn new(title: impl Into<String>, columns: &[&str], empty: &str) -> Self {
        let head = |column: &&str| match column.strip_suffix('>') {
            Some(title) => Head { title: title.to_owned(), right: true },
            None => Head { title: (*column).to_owned(), right: false },
        };
        let columns = columns.iter().map(head).collect();
        Self { title: title.into(), columns, empty: empty.to_owned(), ..Self::default() }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// Adds a sum below the line.
    pub fn total(&mut self, cells: Vec<String>) {
        self.totals.push(cells);
    }
}

impl Table {
    /// The columns named, without the one of the currency, as they are printed; amounts say which they are in.
    pub fn on_paper(&self, title: impl Into<String>, names: &[&str], empty: &str) -> PaperTable {
        let place = |name: &str| self.columns.iter().position(|column| column.name == name);
        let places: Vec<_> = names.iter().filter_map(|name| place(name)).collect();
        let head = |place: &usize| {
            let column = &self.columns[*place];
            Head { title: column.title.clone(), right: !matches!(column.kind, Kind::Text | Kind::Date | Kind::Bool) }
        };
        let currency = place("currency");
        let text = |row: &Vec<Value>| {
            let currency = currency.map(|place| row[place].to_text().into_owned());
            places.iter().map(|place| cell(self.columns[*place].kind, &row[*place], currency.as_deref())).collect()
        };
        PaperTable {
            title: title.into(),
            columns: places.iter().map(head).collect(),
            rows: self.rows.iter().map(text).collect(),
            totals: Vec::new(),
            empty: empty.to_owned(),
        }
    }
}

/// A value as it is printed.
fn cell(kind: Kind, value: &Value, currency: Option<&str>) -> String {
    match (kind, value) {
        (_, Value::Null) => NOTHING.to_owned(),
        (Kind::Percent { .. }, Value::Decimal(ratio)) => percent(*ratio),
        (_, Value::Decimal(number)) => match currency {
            Some(currency) => format!("{} {currency}", grouped(*number)),
            None => grouped(*number),
        },
        (_, Value::Date(date)) => day(*date),
        _ => value.to_text().into_owned(),
    }
}

/// An amount, or a dash where there is none.
pub(super) fn amount_or_dash(money: Option<Money>) -> String {
    money.map_or_else(|| NOTHING.to_owned(), amount)
}

/// A ratio, or a dash where there is none.
pub(super) fn percent_or_dash(ratio: Option<rust_decimal::Decimal>) -> String {
    ratio.map_or_else(|| NOTHING.to_owned(), percent)
}

/// A column of texts.
pub(super) fn text(name: &str, title: &str) -> Column {
    Column::new(name, Kind::Text).titled(title)
}

/// A column of days.
pub(super) fn date(name: &str, title: &str) -> Column {
    Column::new(name, Kind::Date).titled(title)
}

/// A column of ratios.
pub(super) fn ratio(name: &str, title: &str) -> Column {
    Column::new(name, Kind::Percent { scale: 2 }).titled(title)
}

/// A column of amounts, whose currency stands in a column of its own; `decimals` is the most that one may have.
pub(super) fn money(name: &str, title: &str, decimals: u8) -> Column {
    Column::new(name, Kind::Decimal { scale: decimals.into() }).titled(title)
}

/// The most decimals that amounts of these currencies have.
pub(super) fn decimals(currencies: impl IntoIterator<Item = Currency>) -> u8 {
    currencies.into_iter().map(Currency::decimals).max().unwrap_or(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_printed_with_the_currency_behind_its_amounts() {
        let table = Table {
            columns: vec![
                date("date", "Date"),
                text("kind", "Entry"),
                text("currency", "Currency"),
                money("amount", "Amount", 2),
                ratio("share", "Share"),
            ],
            rows: vec![vec![
                Value::Date("2024-01-31".parse().unwrap()),
                "rent".into(),
                "NGN".into(),
                Value::Decimal("-1234.50".parse().unwrap()),
                Value::Null,
            ]],
        };
        let paper = table.on_paper("Entries", &["date", "kind", "amount", "share"], "none");
        assert_eq!(paper.rows[0], ["31 Jan 2024", "rent", "\u{2212}1,234.50 NGN", "\u{2013}"]);
        assert_eq!(paper.columns.iter().map(|head| head.right).collect::<Vec<_>>(), [false, false, true, true]);
    }
}
