//! How a property did: what it earned, cost and paid out, month by month, and what it was worth.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::chart::{Form, of_money};
use super::data::{Data, Property};
use super::document::{Document, Paper, PaperTable, Table, amount_or_dash, decimals, money, percent_or_dash, text};
use super::figures::{NOTHING, Sums, amount, cell, day, kind_words, less, long_day, month_of, ratio, short_month};
use super::payload::Order;
use crate::builtin::portfolio::{Currency, Money};
use crate::error::{Error, Result};

/// Entries that move money between a property and its investors are no income and no cost.
const CAPITAL: [&str; 2] = ["investment", "distribution"];

/// What one month brought, in one currency.
struct Month {
    income: Money,
    costs: Money,
    distributed: Money,
}

impl Month {
    fn new(currency: Currency) -> Self {
        let nothing = Money::from_minor(0, currency);
        Self { income: nothing, costs: nothing, distributed: nothing }
    }

    fn net(&self) -> Result<Money> {
        sum(self.income, self.costs)
    }
}

fn sum(one: Money, other: Money) -> Result<Money> {
    Ok(Sums::over([one, other])?.of(one.currency()))
}

type Months = BTreeMap<(NaiveDate, Currency), Month>;

/// The report.
pub(super) fn describe(order: &Order, data: &Data) -> Result<Document> {
    let property = data.properties.values().next();
    let property = property.ok_or_else(|| Error::internal("a report of a property was read without one"))?;
    let months = months(order, data)?;
    let main = table(property, &months)?;
    let mut paper = Paper::new(order, data);
    let net = facts(&mut paper, order, data, property, &months)?;
    let columns = ["month", "income", "costs", "net", "distributed"];
    let mut listed =
        main.on_paper("Month by month", &columns, "The property earned, cost and paid nothing in this period.");
    for (cells, row) in listed.rows.iter_mut().zip(months.keys()) {
        cells[0] = short_month(row.0);
    }
    totals(&mut listed, &months, &net)?;
    paper.table(listed);
    if order.charts {
        for currency in net.currencies() {
            let ours = months.iter().filter(|((_, of), _)| *of == currency);
            let points: Result<Vec<_>> =
                ours.map(|((month, _), sums)| Ok((short_month(*month), sums.net()?))).collect();
            paper.charts(of_money("Net income by month", Form::Bars, currency, &points?));
        }
        let points: Vec<_> =
            data.valuations.iter().map(|one| (one.on.format("%b %Y").to_string(), one.value)).collect();
        paper.charts(
            of_money("Value of the property", Form::Line, property.price.currency(), &points)
                .filter(|_| points.len() > 1),
        );
    }
    paper.table(valuations(data)?);
    if order.detailed {
        paper.table(entries(data));
    }
    Ok(Document { main, paper })
}

fn months(order: &Order, data: &Data) -> Result<Months> {
    let mut months = Months::new();
    let own = data.flows.iter().filter(|flow| !flow.of_investors && flow.on >= order.first_day());
    for flow in own.filter(|flow| flow.kind != "investment") {
        let currency = flow.amount.currency();
        let month = months.entry((month_of(flow.on), currency)).or_insert_with(|| Month::new(currency));
        let amount = flow.amount;
        if flow.kind == "distribution" {
            month.distributed = less(month.distributed, amount)?;
        } else if amount.minor() < 0 {
            month.costs = sum(month.costs, amount)?;
        } else {
            month.income = sum(month.income, amount)?;
        }
    }
    Ok(months)
}

fn table(property: &Property, months: &Months) -> Result<Table> {
    let currencies = months.keys().map(|(_, currency)| *currency).chain([property.price.currency()]);
    let decimals = decimals(currencies);
    let columns = vec![
        text("property_id", "Property number"),
        text("property", "Property"),
        text("month", "Month"),
        text("currency", "Currency"),
        money("income", "Income", decimals),
        money("costs", "Costs", decimals),
        money("net", "Net", decimals),
        money("distributed", "Distributed", decimals),
    ];
    let mut rows = Vec::with_capacity(months.len());
    for ((month, currency), sums) in months {
        rows.push(vec![
            property.id.clone().into(),
            property.name.clone().into(),
            month.format("%Y-%m").to_string().into(),
            currency.as_str().into(),
            cell(sums.income),
            cell(sums.costs),
            cell(sums.net()?),
            cell(sums.distributed),
        ]);
    }
    Ok(Table { columns, rows })
}

/// What stands above the tables; the net income of all months.
fn facts(paper: &mut Paper, order: &Order, data: &Data, property: &Property, months: &Months) -> Result<Sums> {
    paper.addressee = vec![property.name.clone(), format!("{}, {}", property.city, property.country)];
    paper.fact("Property number", &property.id);
    paper.fact("Acquired", long_day(property.acquired_on));
    paper.fact("Price", amount(property.price));
    match data.valuations.latest(&property.id, order.end) {
        Some(latest) => paper.fact("Latest value", format!("{} ({})", amount(latest.value), long_day(latest.on))),
        None => paper.fact("Latest value", "not valued yet"),
    }
    let investors = data.holdings.iter().filter(|holding| holding.is_held_on(order.end));
    let investors: std::collections::BTreeSet<_> = investors.map(|holding| &holding.investor).collect();
    paper.fact("Investors", investors.len().to_string());
    let net: Result<Vec<_>> = months.values().map(Month::net).collect();
    let net = Sums::over(net?)?;
    let of_price = ratio(net.of(property.price.currency()), property.price);
    paper.fact("Net income on the price", percent_or_dash(of_price));
    Ok(net)
}

fn totals(listed: &mut PaperTable, months: &Months, net: &Sums) -> Result<()> {
    let over = |of: fn(&Month) -> Money| Sums::over(months.values().map(of));
    let (income, costs) = (over(|month| month.income)?, over(|month| month.costs)?);
    let distributed = over(|month| month.distributed)?;
    for currency in net.currencies() {
        let sums = [&income, &costs, net, &distributed].map(|sums| amount(sums.of(currency)));
        listed.total([vec!["Total".to_owned()], sums.to_vec()].concat());
    }
    Ok(())
}

fn valuations(data: &Data) -> Result<PaperTable> {
    let columns = ["Valued on", "Method", "Value>", "Change>", "Change in %>"];
    let mut table = PaperTable::new("Valuations", &columns, "The property was not valued yet.");
    let mut before: Option<Money> = None;
    for valuation in data.valuations.iter() {
        let change = before.map(|before| less(valuation.value, before)).transpose()?;
        table.row(vec![
            day(valuation.on),
            kind_words(&valuation.method),
            amount(valuation.value),
            amount_or_dash(change),
            percent_or_dash(change.zip(before).and_then(|(change, before)| ratio(change, before))),
        ]);
        before = Some(valuation.value);
    }
    Ok(table)
}

/// The entries of the property's own account.
fn entries(data: &Data) -> PaperTable {
    let columns = ["Date", "Entry", "Reference", "Amount>"];
    let mut table = PaperTable::new("Entries in detail", &columns, "No entry in this period.");
    for entry in data.entries.iter().filter(|entry| entry.investor.is_none()) {
        let kind = if CAPITAL.contains(&entry.kind.as_str()) { "Capital: " } else { "" };
        let words = format!("{kind}{}", kind_words(&entry.kind));
        let reference = if entry.reference.is_empty() { NOTHING.to_owned() } else { entry.reference.clone() };
        table.row(vec![day(entry.on), words, reference, amount(entry.amount)]);
    }
    table
}
