//! The statement of an investor: what is held, and every entry of a period with the balance behind it.

use super::chart::{Chart, Form, of_money};
use super::data::{Data, Entry, Holding};
use super::document::{
    Document, Paper, PaperTable, Table, amount_or_dash, date, decimals, money, percent_or_dash, text,
};
use super::figures::{NOTHING, Sums, amount, cell, day, kind_words, long_day, ratio, share};
use super::lookup::monthly;
use super::payload::Order;
use crate::builtin::portfolio::{Currency, Money};
use crate::error::Result;

/// The report.
pub(super) fn describe(order: &Order, data: &Data) -> Result<Document> {
    let investor = data.investor()?;
    let opening = Sums::over(data.flows.iter().filter(|flow| flow.on < order.first_day()).map(|flow| flow.amount))?;
    let (main, closing) = entries(data, &opening)?;
    let mut paper = Paper::new(order, data);
    paper.fact("Investor since", long_day(investor.joined_on));
    paper.fact("Tax number", investor.tax_id.as_deref().unwrap_or("not on record"));
    paper.table(summary(order, data)?);
    paper.table(holdings(order, data)?);
    if order.charts {
        paper.charts(values(order, data)?);
        paper.charts(monthly(order, data)?);
    }
    let mut listed = main.on_paper(
        "Entries",
        &["date", "property", "entry", "reference", "amount", "balance"],
        "No entry in this period.",
    );
    with_balances(&mut listed, order, (&opening, &closing));
    paper.table(listed);
    if order.detailed {
        paper.table(payouts(data));
    }
    paper.notes.push(
        "Amounts are those of the investor's account: what was paid in is below zero, what was paid out is above it, and \
         the balance is the sum of all entries so far."
            .to_owned(),
    );
    paper.notes.push("The value of a share is its part of the latest valuation of the property.".to_owned());
    Ok(Document { main, paper })
}

/// The main table, and the balances behind its last entry.
fn entries(data: &Data, opening: &Sums) -> Result<(Table, Sums)> {
    let decimals = decimals(data.entries.iter().map(|entry| entry.amount.currency()));
    let columns = vec![
        date("date", "Date"),
        text("property_id", "Property number"),
        text("property", "Property"),
        text("entry", "Entry"),
        text("reference", "Reference"),
        text("currency", "Currency"),
        money("amount", "Amount", decimals),
        money("balance", "Balance", decimals),
    ];
    let mut balances = opening.clone();
    let mut rows = Vec::with_capacity(data.entries.len());
    for Entry { on, property, property_name, kind, reference, amount, .. } in &data.entries {
        balances.add(*amount)?;
        rows.push(vec![
            (*on).into(),
            property.clone().into(),
            property_name.clone().into(),
            kind_words(kind).into(),
            reference.clone().into(),
            amount.currency().as_str().into(),
            cell(*amount),
            cell(balances.of(amount.currency())),
        ]);
    }
    Ok((Table { columns, rows }, balances))
}

/// The balances before the first entry and behind the last one.
fn with_balances(listed: &mut PaperTable, order: &Order, (opening, closing): (&Sums, &Sums)) {
    let empty = || NOTHING.to_owned();
    let line =
        |on, words: &str, balance| vec![on, String::new(), words.to_owned(), String::new(), empty(), amount(balance)];
    let first: Vec<_> = opening
        .currencies()
        .map(|currency| line(day(order.first_day()), "Opening balance", opening.of(currency)))
        .collect();
    drop(listed.rows.splice(0..0, first));
    for currency in closing.currencies() {
        listed.total(line(day(order.end), "Closing balance", closing.of(currency)));
    }
}

fn summary(order: &Order, data: &Data) -> Result<PaperTable> {
    let held = Sums::over(data.holdings.iter().filter(|held| held.is_held_on(order.end)).map(|held| held.amount))?;
    let is_new = |holding: &&Holding| holding.invested_on >= order.first_day();
    let invested = Sums::over(data.holdings.iter().filter(is_new).map(|holding| holding.amount))?;
    let paid = Sums::over(data.distributed(|on| on >= order.first_day()).map(|(_, amount)| amount))?;
    let ever = Sums::over(data.distributed(|_| true).map(|(_, amount)| amount))?;
    let mut table = PaperTable::new(
        "Summary",
        &[
            "Currency",
            "Invested in the period>",
            "Held at the end>",
            "Distributed in the period>",
            "Distributed so far>",
        ],
        "Nothing is held, and nothing was distributed so far.",
    );
    let all = Sums::over(
        data.holdings.iter().map(|holding| holding.amount).chain(data.distributed(|_| true).map(|(_, amount)| amount)),
    )?;
    for currency in all.currencies() {
        let sums = [&invested, &held, &paid, &ever].map(|sums| amount(sums.of(currency)));
        table.row([vec![currency.to_string()], sums.to_vec()].concat());
    }
    Ok(table)
}

fn value_of(holding: &Holding, order: &Order, data: &Data) -> Option<Money> {
    let value = data.valuations.latest(&holding.property, order.end)?.value;
    share(value, holding.amount, *data.held.get(&holding.property)?)
}

fn holdings(order: &Order, data: &Data) -> Result<PaperTable> {
    let title = format!("Holdings on {}", long_day(order.end));
    let columns = ["Property", "Held since", "Invested>", "Share>", "Value of the share>"];
    let mut table = PaperTable::new(title, &columns, "Nothing is held on this day.");
    let (mut invested, mut worth) = (Sums::default(), Sums::default());
    for holding in data.holdings.iter().filter(|holding| holding.is_held_on(order.end)) {
        let value = value_of(holding, order, data);
        let whole = data.held.get(&holding.property);
        table.row(vec![
            data.name_of(&holding.property),
            day(holding.invested_on),
            amount(holding.amount),
            percent_or_dash(whole.and_then(|whole| ratio(holding.amount, *whole))),
            amount_or_dash(value),
        ]);
        invested.add(holding.amount)?;
        value.map_or(Ok(()), |value| worth.add(value))?;
    }
    for currency in invested.currencies() {
        let sums = (amount(invested.of(currency)), amount(worth.of(currency)));
        table.total(vec!["Total".to_owned(), String::new(), sums.0, String::new(), sums.1]);
    }
    Ok(table)
}

fn payouts(data: &Data) -> PaperTable {
    let columns = ["Paid on", "Property", "Period", "Distributed in all>", "Share>", "Amount>"];
    let mut table = PaperTable::new("Distributions in detail", &columns, "Nothing was distributed in this period.");
    for payout in &data.payouts {
        table.row(vec![
            day(payout.on),
            data.name_of(&payout.property),
            payout.period.clone(),
            amount(payout.total),
            percent_or_dash(ratio(payout.amount, payout.total)),
            amount(payout.amount),
        ]);
    }
    table
}

/// What the holdings are worth, property by property; a chart for each currency.
fn values(order: &Order, data: &Data) -> Result<Vec<Chart>> {
    let mut charts = Vec::new();
    let held: Vec<_> = data.holdings.iter().filter(|holding| holding.is_held_on(order.end)).collect();
    let currencies: Vec<Currency> = Sums::over(held.iter().map(|holding| holding.amount))?.currencies().collect();
    for currency in currencies {
        let mut points: Vec<(String, Money)> = Vec::new();
        for holding in held.iter().filter(|holding| holding.amount.currency() == currency) {
            let value = value_of(holding, order, data).unwrap_or(holding.amount);
            points.push((data.name_of(&holding.property), value));
        }
        // One bar shows nothing that its figure does not.
        let points = if points.len() > 1 { points } else { Vec::new() };
        charts.extend(of_money(&format!("Value of the shares, {currency}"), Form::Bars, currency, &points));
    }
    Ok(charts)
}
