//! The return on what was invested, property by property.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::chart::{Form, of_ratios};
use super::data::Data;
use super::document::{
    Document, Paper, PaperTable, Table, decimals, money, percent_or_dash, ratio as ratio_column, text,
};
use super::figures::{Sums, amount, cell, month_of, ratio, short_month};
use super::lookup::monthly;
use super::payload::Order;
use crate::builtin::portfolio::{Currency, Money};
use crate::error::Result;
use crate::format::Value;

/// What a property returned, in one currency.
struct Return {
    invested: Money,
    distributed: Money,
    ever: Money,
}

type Returns<'a> = BTreeMap<(&'a str, Currency), Return>;

/// The report.
pub(super) fn describe(order: &Order, data: &Data) -> Result<Document> {
    let returns = returns(order, data)?;
    let main = table(data, &returns);
    let mut paper = Paper::new(order, data);
    if order.investor.is_none() && order.property.is_none() {
        paper.fact("Portfolio", format!("all properties of {}", data.tenant));
    }
    if let Some(property) = &order.property {
        paper.fact("Property", data.name_of(property));
    }
    let columns = ["property", "invested", "distributed", "return", "distributed_so_far"];
    let mut listed = main.on_paper("Return by property", &columns, "Nothing was invested up to this day.");
    totals(&mut paper, &mut listed, &returns)?;
    paper.table(listed);
    if order.charts {
        let rated = returns.iter().filter_map(|((property, _), sums)| {
            Some((data.name_of(property), ratio(sums.distributed, sums.invested)?))
        });
        let rated: Vec<_> = rated.collect();
        paper.charts(of_ratios("Return by property", Form::Bars, &rated));
        paper.charts(monthly(order, data)?);
    }
    if order.detailed {
        paper.table(by_month(order, data)?);
    }
    paper.notes.push(
        "Invested is what was held on at least one day of the period. The return is what was distributed in the period as a \
         part of it; it is not calculated up to a year."
            .to_owned(),
    );
    Ok(Document { main, paper })
}

fn returns<'a>(order: &Order, data: &'a Data) -> Result<Returns<'a>> {
    let mut returns = Returns::new();
    let mut add = |property: &'a str, amount: Money, place: fn(&mut Return) -> &mut Money| {
        let nothing = Money::from_minor(0, amount.currency());
        let fresh = || Return { invested: nothing, distributed: nothing, ever: nothing };
        let sum = place(returns.entry((property, amount.currency())).or_insert_with(fresh));
        *sum = Sums::over([*sum, amount])?.of(amount.currency());
        Ok::<_, crate::Error>(())
    };
    // Held until before the day of its exit: whoever left on the first day held nothing in the period.
    let in_period = data.holdings.iter().filter(|held| held.exited_on.is_none_or(|exited| exited > order.first_day()));
    for holding in in_period {
        add(&holding.property, holding.amount, |sums| &mut sums.invested)?;
    }
    for (property, amount) in data.distributed(|on| on >= order.first_day()) {
        add(property, amount, |sums| &mut sums.distributed)?;
    }
    for (property, amount) in data.distributed(|_| true) {
        add(property, amount, |sums| &mut sums.ever)?;
    }
    Ok(returns)
}

fn table(data: &Data, returns: &Returns<'_>) -> Table {
    let decimals = decimals(returns.keys().map(|(_, currency)| *currency));
    let columns = vec![
        text("property_id", "Property number"),
        text("property", "Property"),
        text("currency", "Currency"),
        money("invested", "Invested", decimals),
        money("distributed", "Distributed", decimals),
        ratio_column("return", "Return"),
        money("distributed_so_far", "Distributed so far", decimals),
    ];
    let row = |((property, currency), sums): (&(&str, Currency), &Return)| {
        vec![
            (*property).into(),
            data.name_of(property).into(),
            currency.as_str().into(),
            cell(sums.invested),
            cell(sums.distributed),
            ratio(sums.distributed, sums.invested).map_or(Value::Null, Value::Decimal),
            cell(sums.ever),
        ]
    };
    Table { columns, rows: returns.iter().map(row).collect() }
}

/// The sums of each currency, below the table and as facts.
fn totals(paper: &mut Paper, listed: &mut PaperTable, returns: &Returns<'_>) -> Result<()> {
    let over = |of: fn(&Return) -> Money| Sums::over(returns.values().map(of));
    let (invested, distributed) = (over(|sums| sums.invested)?, over(|sums| sums.distributed)?);
    let ever = over(|sums| sums.ever)?;
    for currency in invested.currencies() {
        let (of, paid) = (invested.of(currency), distributed.of(currency));
        let returned = percent_or_dash(ratio(paid, of));
        paper.fact(format!("Return in {currency}"), format!("{returned}, {} of {}", amount(paid), amount(of)));
        listed.total(vec!["Total".to_owned(), amount(of), amount(paid), returned, amount(ever.of(currency))]);
    }
    Ok(())
}

fn by_month(order: &Order, data: &Data) -> Result<PaperTable> {
    let columns = ["Month", "Property", "Distributed>"];
    let mut table = PaperTable::new("Distributions in detail", &columns, "Nothing was distributed in this period.");
    let mut months: BTreeMap<(NaiveDate, &str), Sums> = BTreeMap::new();
    let paid = data.flows.iter().filter(|flow| flow.of_investors && flow.kind == "distribution");
    for flow in paid.filter(|flow| flow.on >= order.first_day()) {
        months.entry((month_of(flow.on), &flow.property)).or_default().add(flow.amount)?;
    }
    for ((month, property), sums) in &months {
        for currency in sums.currencies() {
            table.row(vec![short_month(*month), data.name_of(property), amount(sums.of(currency))]);
        }
    }
    Ok(table)
}
