//! What an investor was paid in a period, for the tax office.

use std::collections::BTreeMap;

use super::data::{Data, Entry};
use super::document::{Document, Paper, PaperTable, Table, decimals, money, text};
use super::figures::{Sums, amount, cell, day, long_day};
use super::lookup::monthly;
use super::payload::Order;
use crate::builtin::portfolio::Currency;
use crate::error::Result;
use crate::format::{Column, Kind, Value};

/// Payments of one property in one currency.
#[derive(Default)]
struct Payments {
    count: i64,
    sums: Sums,
}

/// The report.
pub(super) fn describe(order: &Order, data: &Data) -> Result<Document> {
    let investor = data.investor()?;
    let payments = payments(data)?;
    let total = Sums::over(paid(data).map(|entry| entry.amount))?;
    let main = table(data, &payments);
    let mut paper = Paper::new(order, data);
    paper.fact("Tax number", investor.tax_id.as_deref().unwrap_or("not on record"));
    paper.fact("Country", &investor.country);
    for currency in total.currencies() {
        paper.fact(format!("Distributed in {currency}"), amount(total.of(currency)));
    }
    let mut listed = main.on_paper(
        "Distributions received",
        &["property", "country", "payments", "amount"],
        "Nothing was distributed in this period.",
    );
    for currency in total.currencies() {
        let count: i64 = payments.iter().filter(|((_, of), _)| *of == currency).map(|(_, of)| of.count).sum();
        listed.total(vec!["Total".to_owned(), String::new(), count.to_string(), amount(total.of(currency))]);
    }
    paper.table(listed);
    if order.charts {
        paper.charts(monthly(order, data)?);
    }
    if order.detailed {
        paper.table(detail(data));
    }
    let (first, last) = (long_day(order.first_day()), long_day(order.end));
    paper.notes.push(format!(
        "{} states that the amounts above were distributed to the investor named here from {first} to {last}. They are \
         gross amounts, as the ledger holds them, each in the currency it was paid in.",
        data.tenant
    ));
    paper.notes.push("This is a statement of payments and no tax assessment.".to_owned());
    Ok(Document { main, paper })
}

/// The entries that are distributions.
fn paid(data: &Data) -> impl Iterator<Item = &Entry> {
    data.entries.iter().filter(|entry| entry.kind == "distribution")
}

fn payments(data: &Data) -> Result<BTreeMap<(&str, Currency), Payments>> {
    let mut payments: BTreeMap<_, Payments> = BTreeMap::new();
    for entry in paid(data) {
        let of = payments.entry((entry.property.as_str(), entry.amount.currency())).or_default();
        of.count += 1;
        of.sums.add(entry.amount)?;
    }
    Ok(payments)
}

fn table(data: &Data, payments: &BTreeMap<(&str, Currency), Payments>) -> Table {
    let decimals = decimals(payments.keys().map(|(_, currency)| *currency));
    let columns = vec![
        text("property_id", "Property number"),
        text("property", "Property"),
        text("country", "Country"),
        Column::new("payments", Kind::Integer).titled("Payments"),
        text("currency", "Currency"),
        money("amount", "Amount", decimals),
    ];
    let row = |((id, currency), of): (&(&str, Currency), &Payments)| {
        let property = data.properties.get(*id);
        vec![
            (*id).into(),
            property.map(|property| property.name.clone()).into(),
            property.map(|property| property.country.clone()).into(),
            Value::Integer(of.count),
            currency.as_str().into(),
            cell(of.sums.of(*currency)),
        ]
    };
    Table { columns, rows: payments.iter().map(row).collect() }
}

fn detail(data: &Data) -> PaperTable {
    let columns = ["Paid on", "Property", "Reference", "Amount>"];
    let mut table = PaperTable::new("Payments in detail", &columns, "Nothing was distributed in this period.");
    for entry in paid(data) {
        table.row(vec![day(entry.on), entry.property_name.clone(), entry.reference.clone(), amount(entry.amount)]);
    }
    table
}
