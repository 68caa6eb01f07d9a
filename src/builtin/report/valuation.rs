//! What a portfolio is worth on a day, property by property.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::chart::{Chart, Form, of_money};
use super::data::{Data, Property};
use super::document::{
    Document, Paper, PaperTable, Table, amount_or_dash, date, decimals, money, percent_or_dash, ratio as ratio_column,
    text,
};
use super::figures::{Sums, amount, cell, day, kind_words, less, long_day, ratio};
use super::payload::Order;
use crate::builtin::portfolio::{Currency, Money};
use crate::error::Result;
use crate::format::Value;

/// A property on the last day.
struct Line<'a> {
    property: &'a Property,
    valued_on: Option<NaiveDate>,
    value: Money,
    before: Option<Money>,
}

/// The report.
pub(super) fn describe(order: &Order, data: &Data) -> Result<Document> {
    let lines: Vec<_> = data.properties.values().filter_map(|property| line(order, data, property)).collect();
    let totals = Sums::over(lines.iter().map(|line| line.value))?;
    let main = table(&lines, &totals)?;
    let mut paper = Paper::new(order, data);
    paper.fact("Portfolio", format!("all properties of {}", data.tenant));
    paper.fact("Properties", lines.len().to_string());
    for currency in totals.currencies() {
        paper.fact(format!("Value in {currency}"), amount(totals.of(currency)));
    }
    let columns = ["property", "acquired_on", "price", "valued_on", "value", "change", "share"];
    let mut listed =
        main.on_paper(format!("Properties on {}", long_day(order.end)), &columns, "No property was held yet.");
    for currency in totals.currencies() {
        let price = Sums::over(lines.iter().map(|line| line.property.price))?.of(currency);
        let (value, empty) = (totals.of(currency), String::new);
        let change = percent_or_dash(ratio(less(value, price)?, price));
        listed.total(vec!["Total".to_owned(), empty(), amount(price), empty(), amount(value), change, empty()]);
    }
    paper.table(listed);
    if order.charts {
        for currency in totals.currencies() {
            paper.charts(by_property(currency, &lines));
            paper.charts(over_time(order, data, currency)?);
        }
    }
    if let Some(start) = order.start {
        paper.table(changes(order, start, &lines)?);
    }
    if order.detailed {
        paper.table(history(order, data));
    }
    paper.notes.push("Without a valuation a property stands with its price.".to_owned());
    Ok(Document { main, paper })
}

fn line<'a>(order: &Order, data: &Data, property: &'a Property) -> Option<Line<'a>> {
    let value = data.worth(property, order.end)?;
    let valued_on = data.valuations.latest(&property.id, order.end).map(|latest| latest.on);
    let before = order.start.and_then(|start| data.worth(property, start));
    Some(Line { property, valued_on, value, before })
}

fn table(lines: &[Line<'_>], totals: &Sums) -> Result<Table> {
    let decimals = decimals(totals.currencies());
    let columns = vec![
        text("property_id", "Property number"),
        text("property", "Property"),
        text("city", "City"),
        text("country", "Country"),
        date("acquired_on", "Acquired"),
        date("valued_on", "Valued"),
        text("currency", "Currency"),
        money("price", "Price", decimals),
        money("value", "Value", decimals),
        ratio_column("change", "Change"),
        ratio_column("share", "Share"),
    ];
    let mut rows = Vec::with_capacity(lines.len());
    for Line { property, valued_on, value, .. } in lines {
        rows.push(vec![
            property.id.clone().into(),
            property.name.clone().into(),
            property.city.clone().into(),
            property.country.clone().into(),
            property.acquired_on.into(),
            (*valued_on).into(),
            value.currency().as_str().into(),
            cell(property.price),
            cell(*value),
            ratio(less(*value, property.price)?, property.price).map_or(Value::Null, Value::Decimal),
            ratio(*value, totals.of(value.currency())).map_or(Value::Null, Value::Decimal),
        ]);
    }
    Ok(Table { columns, rows })
}

fn changes(order: &Order, start: NaiveDate, lines: &[Line<'_>]) -> Result<PaperTable> {
    let (first, last) = (format!("On {}>", day(start)), format!("On {}>", day(order.end)));
    let columns = ["Property", first.as_str(), last.as_str(), "Change>", "Change in %>"];
    let mut table = PaperTable::new("Changes in the period", &columns, "No property was held yet.");
    let (mut before, mut after) = (Sums::default(), Sums::default());
    for line in lines {
        let change = line.before.map(|before| less(line.value, before)).transpose()?;
        table.row(vec![
            line.property.name.clone(),
            amount_or_dash(line.before),
            amount(line.value),
            amount_or_dash(change),
            percent_or_dash(change.zip(line.before).and_then(|(change, before)| ratio(change, before))),
        ]);
        line.before.map_or(Ok(()), |value| before.add(value))?;
        after.add(line.value)?;
    }
    for currency in after.currencies() {
        let (before, after) = (before.of(currency), after.of(currency));
        let change = less(after, before)?;
        let shown = [amount(before), amount(after), amount(change), percent_or_dash(ratio(change, before))];
        table.total([vec!["Total".to_owned()], shown.to_vec()].concat());
    }
    Ok(table)
}

fn history(order: &Order, data: &Data) -> PaperTable {
    let columns = ["Valued on", "Property", "Method", "Value>"];
    let mut table = PaperTable::new("Valuations in detail", &columns, "No property was valued in this period.");
    for valuation in data.valuations.iter().filter(|valuation| valuation.on >= order.first_day()) {
        let (name, method) = (data.name_of(&valuation.property), kind_words(&valuation.method));
        table.row(vec![day(valuation.on), name, method, amount(valuation.value)]);
    }
    table
}

fn by_property(currency: Currency, lines: &[Line<'_>]) -> Option<Chart> {
    let ours = lines.iter().filter(|line| line.value.currency() == currency);
    let points: Vec<_> = ours.map(|line| (line.property.name.clone(), line.value)).collect();
    // One bar shows nothing that its figure does not.
    of_money(&format!("Value by property, {currency}"), Form::Bars, currency, &points).filter(|_| points.len() > 1)
}

/// The value of all properties of a currency on each day that one of them was acquired or valued.
fn over_time(order: &Order, data: &Data, currency: Currency) -> Result<Option<Chart>> {
    let is_ours = |property: &&Property| property.price.currency() == currency;
    let ours = data.properties.values().filter(is_ours);
    let acquired = ours.filter_map(|property| {
        Some((property.acquired_on, property.id.as_str(), data.worth(property, property.acquired_on)?))
    });
    let valued = data.valuations.iter().filter_map(|valuation| {
        let property = data.properties.get(&valuation.property).filter(is_ours)?;
        (valuation.on > property.acquired_on).then_some((valuation.on, property.id.as_str(), valuation.value))
    });
    let mut steps: Vec<_> = acquired.chain(valued).filter(|(on, ..)| *on <= order.end).collect();
    steps.sort_by_key(|(on, ..)| *on);
    let (mut worth, mut sums, mut points) = (BTreeMap::new(), Sums::default(), Vec::new());
    for steps in steps.chunk_by(|(one, ..), (other, ..)| one == other) {
        for (_, property, value) in steps {
            let before = worth.insert(*property, *value).unwrap_or(Money::from_minor(0, currency));
            sums.add(less(*value, before)?)?;
        }
        if let Some((on, ..)) = steps.first().filter(|(on, ..)| *on >= order.first_day()) {
            points.push((on.format("%b %Y").to_string(), sums.of(currency)));
        }
    }
    let title = format!("Value over time, {currency}");
    Ok(if points.len() < 2 { None } else { of_money(&title, Form::Line, currency, &points) })
}
