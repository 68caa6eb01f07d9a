//! What reports say, on a portfolio that is small enough to reckon by head.

use chrono::NaiveDate;

use super::data::{Data, Entry, Flow, Holding, Investor, Property, Valuation};
use super::document::{Document, PaperTable, Section};
use super::payload::{self, Order};
use super::*;
use crate::builtin::portfolio::Money;

fn date(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn money(text: &str) -> Money {
    let (amount, currency) = text.split_once(' ').unwrap();
    Money::parse(amount, currency.parse().unwrap()).unwrap()
}

fn property(id: &str, acquired_on: &str, price: &str) -> (String, Property) {
    let named = |what: &str| format!("{what} {id}");
    let (name, city, country) = (named("House"), named("City"), "NG".to_owned());
    let acquired_on = date(acquired_on);
    (id.to_owned(), Property { id: id.to_owned(), name, city, country, acquired_on, price: money(price) })
}

fn holding(property: &str, amount: &str, from: &str, until: Option<&str>) -> Holding {
    let (property, investor) = (property.to_owned(), "1".to_owned());
    Holding { property, investor, amount: money(amount), invested_on: date(from), exited_on: until.map(date) }
}

fn entry(property: &str, on: &str, kind: &str, amount: &str) -> Entry {
    let investor = Some(("1".to_owned(), "Ada".to_owned()));
    let (property, property_name) = (property.to_owned(), format!("House {property}"));
    let (id, reference) = (format!("{kind}/{on}"), format!("{kind}/{property}/{on}"));
    Entry {
        on: date(on),
        id,
        property,
        property_name,
        investor,
        kind: kind.to_owned(),
        amount: money(amount),
        reference,
    }
}

/// One investor with two houses in naira and one in dollars.
fn data() -> Data {
    let investor = Investor {
        id: "1".to_owned(),
        name: "Ada".to_owned(),
        email: None,
        country: "NG".to_owned(),
        tax_id: None,
        joined_on: date("2020-01-01"),
    };
    let valued = |property: &str, on: &str, value: &str| {
        let (property, method) = (property.to_owned(), "appraisal".to_owned());
        Valuation { property, on: date(on), value: money(value), method }
    };
    let entries = vec![
        entry("a", "2023-05-01", "investment", "-300 NGN"),
        entry("a", "2024-01-31", "distribution", "10.01 NGN"),
        entry("c", "2024-01-31", "distribution", "2.50 USD"),
        entry("a", "2024-02-29", "distribution", "5 NGN"),
    ];
    let flow = |entry: &Entry| Flow {
        property: entry.property.clone(),
        of_investors: true,
        kind: entry.kind.clone(),
        on: entry.on,
        amount: entry.amount,
    };
    Data {
        tenant: "iREVA".to_owned(),
        investor: Some(investor),
        properties: [
            property("a", "2023-01-01", "900 NGN"),
            property("b", "2024-01-15", "500 NGN"),
            property("c", "2023-01-01", "70 USD"),
        ]
        .into(),
        holdings: vec![
            holding("a", "300 NGN", "2023-05-01", None),
            holding("b", "100 NGN", "2023-06-01", Some("2024-01-01")),
            holding("c", "20 USD", "2023-06-01", Some("2024-02-29")),
        ],
        held: [("a".to_owned(), money("900 NGN"))].into(),
        valuations: vec![valued("a", "2023-01-01", "900 NGN"), valued("a", "2024-02-01", "1000 NGN")].into(),
        flows: entries.iter().map(flow).collect(),
        entries: entries.into_iter().filter(|entry| entry.on >= date("2024-01-01")).collect(),
        payouts: Vec::new(),
    }
}

fn order(report: &str, parameters: &str) -> Order {
    let text = format!(
        r#"{{"reportType":"{report}","format":"pdf","parameters":{{"includeCharts":true,"detailed":true,"endDate":"2024-02-29",{parameters}}}}}"#
    );
    payload::read(&text).unwrap()
}

fn described(report: &str, parameters: &str) -> Document {
    describe(&order(report, parameters), &data()).unwrap()
}

const OF_ADA: &str = r#""userId":1,"startDate":"2024-01-01""#;

fn table<'a>(document: &'a Document, title: &str) -> &'a PaperTable {
    let tables = document.paper.sections.iter().filter_map(|section| match section {
        Section::Table(table) => Some(table),
        Section::Chart(_) => None,
    });
    tables.into_iter().find(|table| table.title.starts_with(title)).unwrap()
}

fn lines(rows: &[Vec<String>]) -> Vec<String> {
    rows.iter().map(|row| row.join(" | ")).collect()
}

#[test]
fn a_statement_keeps_currencies_apart_and_balances_every_entry() {
    let document = described("investor-statement", OF_ADA);
    let balances: Vec<_> = document.main.rows.iter().map(|row| row[7].to_text().into_owned()).collect();
    assert_eq!(balances, ["-289.99", "2.50", "-284.99"]);
    let summary = lines(&table(&document, "Summary").rows);
    assert_eq!(summary[0], "NGN | 0.00 NGN | 300.00 NGN | 15.01 NGN | 15.01 NGN");
    assert_eq!(summary[1], "USD | 0.00 USD | 0.00 USD | 2.50 USD | 2.50 USD");
    let holdings = table(&document, "Holdings");
    // A third of the latest valuation; what was left on the last day is not held any more.
    assert_eq!(lines(&holdings.rows), ["House a | 1 May 2023 | 300.00 NGN | 33.33 % | 333.33 NGN"]);
    let entries = table(&document, "Entries");
    assert_eq!(lines(&entries.rows)[0], "1 Jan 2024 |  | Opening balance |  | – | −300.00 NGN");
    assert_eq!(
        lines(&entries.totals),
        ["29 Feb 2024 |  | Closing balance |  | – | −284.99 NGN", "29 Feb 2024 |  | Closing balance |  | – | 2.50 USD"]
    );
}

#[test]
fn a_return_is_of_what_was_held_in_the_period() {
    let document = described("roi-summary", r#""startDate":"2024-01-01""#);
    let rows: Vec<String> = document
        .main
        .rows
        .iter()
        .map(|row| row.iter().map(|cell| cell.to_text().into_owned()).collect::<Vec<_>>().join(" "))
        .collect();
    // Whoever left house b on the first day held nothing in the period.
    assert_eq!(rows, ["a House a NGN 300.00 15.01 0.050033 15.01", "c House c USD 20.00 2.50 0.125 2.50"]);
    let facts: Vec<_> = document.paper.facts.iter().map(|fact| format!("{}: {}", fact.label, fact.value)).collect();
    assert!(facts.contains(&"Return in NGN: 5.00 %, 15.01 NGN of 300.00 NGN".to_owned()), "{facts:?}");
}

#[test]
fn a_portfolio_is_valued_by_its_latest_valuations_and_else_by_price() {
    let document = described("portfolio-valuation", r#""portfolioId":"all","startDate":"2024-01-01""#);
    let properties = table(&document, "Properties on");
    let rows = lines(&properties.rows);
    assert_eq!(rows[0], "House a | 1 Jan 2023 | 900.00 NGN | 1 Feb 2024 | 1,000.00 NGN | 11.11 % | 66.67 %");
    assert_eq!(rows[1], "House b | 15 Jan 2024 | 500.00 NGN | – | 500.00 NGN | 0.00 % | 33.33 %");
    assert_eq!(
        lines(&properties.totals),
        ["Total |  | 1,400.00 NGN |  | 1,500.00 NGN | 7.14 % | ", "Total |  | 70.00 USD |  | 70.00 USD | 0.00 % | "]
    );
    let changes = table(&document, "Changes");
    assert_eq!(lines(&changes.rows)[1], "House b | – | 500.00 NGN | – | –", "it was not there at the start");
}

#[test]
fn the_value_over_time_changes_with_each_acquisition_and_valuation() {
    let order = order("portfolio-valuation", r#""portfolioId":"all","startDate":"2023-01-01""#);
    let document = describe(&order, &data()).unwrap();
    let is_line =
        |section: &&Section| matches!(section, Section::Chart(chart) if chart.title == "Value over time, NGN");
    let Some(Section::Chart(chart)) = document.paper.sections.iter().find(is_line) else { panic!("no chart") };
    let values: Vec<_> = chart.points.iter().map(|point| (&*point.label, &*point.value)).collect();
    assert_eq!(chart.unit, "NGN thousand");
    assert_eq!(values, [("Jan 2023", "0.9"), ("Jan 2024", "1.4"), ("Feb 2024", "1.5")]);
}

#[test]
fn a_tax_document_counts_payments_by_property() {
    let document = described("tax-document", OF_ADA);
    let received = table(&document, "Distributions received");
    assert_eq!(lines(&received.rows), ["House a | NG | 2 | 15.01 NGN", "House c | NG | 1 | 2.50 USD"]);
    assert_eq!(lines(&received.totals), ["Total |  | 2 | 15.01 NGN", "Total |  | 1 | 2.50 USD"]);
    assert!(document.paper.facts.iter().any(|fact| fact.value == "not on record"), "a missing tax number is told");
}

#[test]
fn a_sum_beyond_what_an_amount_can_be_is_an_error() {
    let mut data = data();
    let most = format!("{}.00 NGN", i64::MAX / 100);
    data.entries =
        vec![entry("a", "2024-01-31", "distribution", &most), entry("a", "2024-01-31", "distribution", &most)];
    let error = describe(&order("tax-document", OF_ADA), &data).unwrap_err();
    assert_eq!(error.code(), "data_corrupt");
    assert!(error.message().contains("amounts of NGN add up to more"), "{error}");
}
